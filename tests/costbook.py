"""The record of costs and budgets in memory: what both databases must do, as plainly as it can be said."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOLD_SPANS, HOURS, LLM, NODE_SPANS, OWNERS, PLACES
from services.domain.cost.budget import Budget
from services.domain.cost.rates import CARD
from services.errors import Conflict
from services.ports import BudgetChange, Card, Crossing, Dismissal

Clusters = tuple[str, ...] | None


class CostBook:
    """Fulfils :class:`services.ports.Costs` and :class:`services.ports.Budgets`; what is written is kept at once.

    ``book()`` and ``book.reading()`` are units of work whose ``costs`` and ``budgets`` are this book, for code that
    asks for these two only.
    """

    def __init__(self) -> None:
        columns: Mapping[str, Mapping[str, str]] = {
            "nodes": NODE_SPANS,
            "holds": HOLD_SPANS,
            "owners": OWNERS,
            "places": PLACES,
            "hours": HOURS,
            "days": DAYS,
            "controls": CONTROLS,
            "llm": LLM,
        }
        self._columns = columns
        self._kept = {name: frames.empty(contract) for name, contract in columns.items()}
        self._cards: list[Card] = []
        self._budgets: dict[str, Budget] = {}
        self._changes: list[BudgetChange] = []
        self._crossings: list[Crossing] = []
        self._dismissals: dict[str, Dismissal] = {}

    # -- as a unit of work -------------------------------------------------------------------------------------------

    @property
    def costs(self) -> "CostBook":
        return self

    @property
    def budgets(self) -> "CostBook":
        return self

    @contextmanager
    def reading(self) -> Iterator["CostBook"]:
        yield self

    __call__ = reading

    def commit(self) -> None:
        pass

    # -- costs -------------------------------------------------------------------------------------------------------

    def save_spans(self, nodes: pd.DataFrame, holds: pd.DataFrame, owners: pd.DataFrame, places: pd.DataFrame) -> None:
        self._write("nodes", nodes, _same(self._kept["nodes"], nodes, "cluster", "uid", "begin"))
        self._write("holds", holds, _same(self._kept["holds"], holds, "cluster", "pod_uid", "begin"))
        for name, key, given in (("owners", "owner", owners), ("places", "place", places)):
            self._write(name, given[~given[key].isin(self._kept[name][key])].drop_duplicates(key))

    def spans(self, begin: datetime, end: datetime, clusters: Clusters = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        nodes, holds = (
            _of(rows[(rows["begin"] < end) & ~(rows["end"] <= begin)], clusters)
            for rows in (self._kept["nodes"], self._kept["holds"])
        )
        return nodes, holds

    def open_spans(self, cluster: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        nodes, holds = (
            _of(rows[rows["end"].isna()], (cluster,)) for rows in (self._kept["nodes"], self._kept["holds"])
        )
        return nodes, holds

    def close(self, hours: pd.DataFrame, controls: pd.DataFrame) -> None:
        key = "cluster", "hour", "card"
        if not _same(hours, controls, *key).all():
            raise ValueError("facts of an hour need its control")
        for name, rows in (("hours", hours), ("controls", controls)):
            self._write(name, rows, _same(self._kept[name], controls, *key))

    def set_days(self, days: pd.DataFrame, clusters: tuple[str, ...], first: str, last: str, card: int) -> None:
        kept = self._kept["days"]
        own = kept["cluster"].isin(clusters) & kept["day"].between(first, last) & kept["card"].eq(card)
        self._write("days", days, own)

    def hours(self, begin: datetime, end: datetime, clusters: Clusters = None, card: int | None = None) -> pd.DataFrame:
        closed = self.controls(begin, end, clusters, card)
        kept = self._kept["hours"]
        return kept[_same(kept, closed, "cluster", "hour", "card")].reset_index(drop=True)

    def days(self, first: str, last: str, clusters: Clusters = None, card: int | None = None) -> pd.DataFrame:
        kept = self._kept["days"]
        return _newest(_of(kept[kept["day"].between(first, last)], clusters), "day", card)

    def controls(
        self, begin: datetime, end: datetime, clusters: Clusters = None, card: int | None = None
    ) -> pd.DataFrame:
        found = _newest(_of(_between(self._kept["controls"], begin, end), clusters), "hour", card)
        return found.sort_values(["hour", "cluster"], ignore_index=True)

    def extent(self, cluster: str) -> tuple[datetime, datetime] | None:
        hours = _of(self._kept["controls"], (cluster,))["hour"]
        return None if hours.empty else (hours.min().to_pydatetime(), hours.max().to_pydatetime())

    def owners(self) -> pd.DataFrame:
        return self._kept["owners"].copy()

    def places(self) -> pd.DataFrame:
        return self._kept["places"].copy()

    def save_llm(self, rows: pd.DataFrame, cluster: str, source: str, hours: Sequence[datetime]) -> None:
        kept = self._kept["llm"]
        own = kept["cluster"].eq(cluster) & kept["source"].eq(source) & kept["hour"].isin(list(hours))
        self._write("llm", rows, own)

    def llm(self, begin: datetime, end: datetime, clusters: Clusters = None) -> pd.DataFrame:
        return _of(_between(self._kept["llm"], begin, end), clusters).sort_values("hour", ignore_index=True)

    def card(self, version: int | None = None) -> Card | None:
        return next((card for card in self.cards() if version in (None, card.version)), None)

    def cards(self) -> Sequence[Card]:
        return self._cards[::-1]

    def add_card(self, lines: pd.DataFrame, *, after: int, at: datetime, actor: str, reason: str) -> int:
        if after != len(self._cards):
            raise Conflict("Somebody else changed the prices meanwhile.")
        self._cards.append(Card(after + 1, frames.conform(lines, CARD), at, actor, reason))
        return after + 1

    def prune(self, hours_before: datetime, limit: int) -> int:
        before = {name: len(rows) for name, rows in self._kept.items()}
        oldest = self._kept["controls"].sort_values("hour").loc[lambda rows: rows["hour"] < hours_before].head(1)
        for name in ("hours", "controls"):
            self._write(name, None, _same(self._kept[name], oldest, "cluster", "hour", "card"))
        for name, column in (("nodes", "end"), ("holds", "end")):
            self._write(name, None, self._kept[name][column].lt(hours_before) & (self._kept[name].index < limit))
        return sum(before[name] - len(rows) for name, rows in self._kept.items())

    # -- budgets -----------------------------------------------------------------------------------------------------

    def all(self) -> Sequence[Budget]:
        return sorted(self._budgets.values(), key=lambda one: (one.name, one.id))

    def save(self, budget: Budget, *, at: datetime, actor: str) -> Budget:
        self._expect(budget.id, budget.revision)
        saved = replace(budget, revision=self._revision(budget.id) + 1)
        self._budgets[saved.id] = saved
        self._changes.append(BudgetChange(saved.id, saved.revision, at, actor, saved))
        return saved

    def remove(self, id: str, *, revision: int, at: datetime, actor: str) -> None:
        self._expect(id, revision)
        if self._budgets.pop(id, None) is None:
            raise Conflict("Somebody else changed this budget meanwhile.")
        self._changes.append(BudgetChange(id, self._revision(id) + 1, at, actor, None))

    def history(self, id: str = "") -> Sequence[BudgetChange]:
        found = [change for change in self._changes if id in ("", change.id)]
        return sorted(found, key=lambda one: (one.at, one.revision), reverse=True)

    def cross(self, crossing: Crossing) -> bool:
        if any(_crossed(one) == _crossed(crossing) for one in self._crossings):
            return False
        self._crossings.append(crossing)
        return True

    def crossings(self, since: datetime) -> Sequence[Crossing]:
        return sorted((one for one in self._crossings if one.at >= since), key=lambda one: one.at, reverse=True)

    def dismiss(self, dismissal: Dismissal) -> None:
        self._dismissals[dismissal.key] = dismissal

    def restore(self, key: str) -> bool:
        return self._dismissals.pop(key, None) is not None

    def dismissed(self, now: datetime) -> Sequence[Dismissal]:
        return sorted((one for one in self._dismissals.values() if one.until > now), key=lambda one: one.until)

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _write(self, name: str, rows: pd.DataFrame | None, instead: Any = None) -> None:
        """Add rows, in place of those that ``instead`` says yes to."""
        kept = self._kept[name] if instead is None else self._kept[name][~instead]
        given = [] if rows is None or rows.empty else [rows]
        self._kept[name] = frames.conform(
            pd.concat([kept, *given]) if len(kept) else (given or [kept])[0], self._columns[name]
        )

    def _revision(self, id: str) -> int:
        return max((change.revision for change in self._changes if change.id == id), default=0)

    def _expect(self, id: str, revision: int) -> None:
        """A removed budget may come again, as a new one."""
        known = self._budgets.get(id)
        if revision != (0 if known is None else known.revision):
            raise Conflict("Somebody else changed this budget meanwhile.")


def _crossed(crossing: Crossing) -> tuple[str, datetime, str]:
    return crossing.budget, crossing.period_begin, crossing.threshold


def _same(rows: pd.DataFrame, others: pd.DataFrame, *key: str) -> pd.Series:
    """Which rows have the key of one of the others."""
    known = set(zip(*(others[name] for name in key), strict=True))
    mine = zip(*(rows[name] for name in key), strict=True)
    return pd.Series([one in known for one in mine], index=rows.index, dtype=bool)


def _of(rows: pd.DataFrame, clusters: Clusters) -> pd.DataFrame:
    found = rows if clusters is None else rows[rows["cluster"].isin(clusters)]
    return found.reset_index(drop=True)


def _between(rows: pd.DataFrame, begin: datetime, end: datetime) -> pd.DataFrame:
    return rows[(rows["hour"] >= begin) & (rows["hour"] < end)]


def _newest(rows: pd.DataFrame, when: str, card: int | None) -> pd.DataFrame:
    """Of each cluster and hour or day the rows of the newest card, not above ``card`` if given."""
    known = rows if card is None else rows[rows["card"] <= card]
    newest = known.groupby(["cluster", when])["card"].transform("max")
    return known[known["card"] == newest].reset_index(drop=True)
