"""Costs for tests, written by hand: one row per day, owner and place, kept by a stand-in for the record."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd

from services.domain import frames
from services.domain.cost import DAYS, HOURS, LISTLESS, LLM, OWNERS, PLACES, TICKS, keys
from services.domain.cost.budget import Budget
from services.errors import SourceUnavailable

HOUR = TICKS * 3600
USD = 1_000_000
CHAT = ("tiny", "web", "Deployment", "chat", "product", '{"app":"chat"}')
TRAIN = ("tiny", "lab", "Job", "train", "research", "{}")
H100 = ("tiny", "h100", "H100", "p5.48xlarge", "on-demand", "us-east-1", "z1")
SPOT = ("tiny", "spot", "L4", "g6.xlarge", "spot", "us-east-1", "z1")
"""Whose costs are, and where (values of OWNERS and PLACES)."""
Owner = tuple[str, str, str, str, str, str]
Place = tuple[str, str, str, str, str, str, str]


def cost(
    day: str,
    hours: float,
    usd: float | None,
    *,
    who: Owner | None = None,
    at: Place = H100,
    kind: str = "",
    measured: float = 0.0,
    used: float = 0.0,
    listed: float | None = None,
    basis: str = "rate card",
    card: int = 1,
) -> dict[str, Any]:
    """GPU-hours of one day and what they cost; None has no price. ``measured`` and ``used`` are US dollars of it."""
    micro = 0 if usd is None else round(usd * USD)
    ticks = round(hours * HOUR)
    return {
        "cluster": at[0], "day": day, "card": card, "owner": keys.NOBODY if who is None else keys.owner(*who),
        "place": keys.place(*at), "kind": kind or ("free" if who is None else "held"),
        "basis": "" if usd is None else basis, "ticks": ticks, "micro": micro,
        "list_micro": LISTLESS if listed is None else round(listed * USD),
        "measured_ticks": round(ticks * measured / usd) if usd else 0,
        "used_ticks": round(ticks * used / usd) if usd else 0,
        "measured_micro": round(measured * USD), "used_micro": round(used * USD),
    }  # fmt: skip


def owners(*known: Owner) -> pd.DataFrame:
    """Frame OWNERS."""
    return frames.table(OWNERS, [(keys.owner(*one), *one) for one in known])


def places(*known: Place) -> pd.DataFrame:
    """Frame PLACES."""
    return frames.table(PLACES, [(keys.place(*one), *one) for one in known])


def days(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Frame DAYS of costs."""
    return frames.table(DAYS, [[row[name] for name in DAYS] for row in rows])


def llm(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Frame LLM of some of its columns; the others are empty or 0."""
    nothing = {name: "" if dtype == "str" else 0 for name, dtype in LLM.items()}
    return frames.table(LLM, [[{**nothing, "cluster": "tiny", **row}[name] for name in LLM] for row in rows])


@dataclass
class Book:
    """Stands in for the record, as far as the Cost page asks it."""

    days: pd.DataFrame
    owners: pd.DataFrame = field(default_factory=lambda: owners(CHAT, TRAIN))
    places: pd.DataFrame = field(default_factory=lambda: places(H100, SPOT))
    hours: pd.DataFrame = field(default_factory=lambda: frames.empty(HOURS))
    llm: pd.DataFrame = field(default_factory=lambda: frames.empty(LLM))
    budgets: Sequence[Budget] = ()
    since: datetime | None = datetime(2020, 1, 1, tzinfo=UTC)
    through: datetime = datetime(2026, 6, 3, 11, tzinfo=UTC)
    version: int = 1
    mark: Mapping[str, Any] | None = None
    broken: bool = False
    reads: int = 0

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A unit that only reads."""
        if self.broken:
            raise SourceUnavailable("database", "The record cannot be read.")
        yield SimpleNamespace(
            costs=SimpleNamespace(
                days=self._days, hours=self._hours, llm=self._llm, owners=lambda: self.owners,
                places=lambda: self.places, extent=self._extent, card=self._card,
            ),
            starts=SimpleNamespace(mark=lambda _cluster, _name: self.mark),
            budgets=SimpleNamespace(all=lambda: self.budgets),
        )  # fmt: skip

    def _days(self, first: str, last: str, clusters: tuple[str, ...], card: int | None = None) -> pd.DataFrame:
        self.reads += 1
        rows = self.days[self.days["day"].between(first, last) & self.days["cluster"].isin(clusters)]
        return _newest(rows, "day", card)

    def _hours(
        self, begin: datetime, end: datetime, clusters: tuple[str, ...], card: int | None = None
    ) -> pd.DataFrame:
        at = self.hours["hour"]
        rows = self.hours[(at >= begin) & (at < end) & self.hours["cluster"].isin(clusters)]
        return _newest(rows, "hour", card)

    def _llm(self, begin: datetime, end: datetime, clusters: tuple[str, ...]) -> pd.DataFrame:
        return self.llm[(self.llm["hour"] >= begin) & (self.llm["hour"] < end) & self.llm["cluster"].isin(clusters)]

    def _extent(self, _cluster: str) -> tuple[datetime, datetime] | None:
        return None if self.since is None else (self.since, self.through - timedelta(hours=1))

    def _card(self) -> Any:
        return SimpleNamespace(version=self.version) if self.version else None


def _newest(rows: pd.DataFrame, at: str, card: int | None) -> pd.DataFrame:
    """Of each cluster and day or hour the rows of the newest card not above ``card``."""
    known = rows if card is None else rows[rows["card"] <= card]
    return known[known["card"].eq(known.groupby(["cluster", at])["card"].transform("max"))].reset_index(drop=True)
