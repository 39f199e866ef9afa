"""What a GPU-hour is counted at and why, and the rate card: its versions, and the next one."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from services import fleet
from services.access import Right, User
from services.cost.record import asked
from services.domain import frames, prices
from services.domain.cost import MICRO, PLACES, TICKS, cardchange, cardfile, keys, opencost, rates
from services.domain.cost.windows import today
from services.domain.scope import Scope
from services.errors import OpsError, Refused
from services.ports import Card, ReadUnit, Sources
from services.reading import Absence, Problem, Reading
from services.snapshots import price_book

DAYS = 30
"""Whole days of the record that prices are held against."""
LONGEST_REASON = 500
_TICKS_PER_HOUR = TICKS * 3600
_KIND = ["instance_type", "region", "capacity_type", "model"]

PRICES = {
    "instance_type": "str",
    "region": "str",
    "capacity_type": "str",
    "model": "str",
    "clusters": "str",
    "nodes": "int64",  # there now; 0 of what is only in the record
    "gpus": "float64",  # physical ones, there now
    "usd_per_instance": "float64",  # NaN when unpriced, or when nobody knows how many GPUs one had
    "usd_per_gpu": "float64",
    "basis": "str",  # "rate card", "list price 2026-07-20", "OpenCost"; "" when unpriced
    "source": "str",  # of the list price
    "gpu_hours": "float64",  # in the record of the last DAYS days
    "counted_usd_per_gpu": "float64",  # mean price they were counted at; NaN when unpriced
}
"""One row per kind of node and price: the unpriced first, then the most GPUs."""


@dataclass(frozen=True)
class Prices:
    """Prices in force. ``rows`` is :data:`PRICES`; ``version`` 0 where there is no rate card.

    ``suspicious``: OpenCost counts its own default for these kinds of node.
    """

    rows: pd.DataFrame
    version: int
    suspicious: tuple[str, ...]

    @property
    def gpus(self) -> float:
        """Of the fleet."""
        return float(self.rows["gpus"].sum())

    def gpus_by(self, *begins: str) -> float:
        """GPUs of the fleet whose basis begins so."""
        return float(self.rows.loc[self.rows["basis"].str.startswith(begins), "gpus"].sum())

    @property
    def unpriced(self) -> pd.DataFrame:
        """Rows of the fleet without any price."""
        return self.rows[self.rows["basis"].eq("") & self.rows["nodes"].gt(0)]

    @property
    def mean_usd(self) -> float | None:
        """Price of a GPU-hour over the priced GPUs of the fleet."""
        priced = self.rows[self.rows["usd_per_gpu"].notna() & self.rows["gpus"].gt(0)]
        return None if priced.empty else float((priced["usd_per_gpu"] * priced["gpus"]).sum() / priced["gpus"].sum())


@dataclass(frozen=True)
class Outlook:
    """What another card would mean.

    ``past``: of the last :data:`DAYS` whole days, with the dates of its lines. ``onward``: the same hours at the prices
    of ``at``, when all of its lines that are to come have begun. ``touched``: the past that is worked out anew.
    """

    changes: pd.DataFrame
    past: cardchange.Effect
    onward: cardchange.Effect
    at: pd.Timestamp
    days: int  # of which there is a record
    touched: list[tuple[pd.Timestamp, pd.Timestamp]]


def card_in_force(unit: ReadUnit) -> Card | None:
    """The newest version of the rate card, None when there is none."""
    return unit.costs.card()


def versions(sources: Sources) -> Reading[tuple[Card, ...]]:
    """All versions of the rate card, newest first."""
    return asked(sources, lambda unit: tuple(unit.costs.cards()))


def in_force(sources: Sources, scope: Scope) -> Reading[Prices]:
    """Prices of the fleet's kinds of node, and of those that are only in the record."""
    found = fleet.nodes(sources, scope.hardware)
    if found.value is None:
        return Reading(None, found.as_of, found.problem, found.absence, found.notes)
    live = _places(found.value)
    record = asked(sources, lambda unit: (card_in_force(unit), *_counted(sources, unit)))
    card, counted, known = record.value or (None, None, None)
    gone = None if counted is None or known is None else scope.hardware.keep(_gone(live, counted, known))
    places = live if gone is None or gone.empty else pd.concat([live, gone], ignore_index=True)
    lines, version = (frames.empty(rates.CARD), 0) if card is None else (card.lines, card.version)
    rows = _priced(places, lines, counted, sources.now())
    wrong = rows[rows["basis"].eq(opencost.DEFAULTED)]
    value = Prices(rows, version, tuple(dict.fromkeys(wrong["instance_type"])))
    problem = record.problem if found.problem is None else found.problem
    return Reading(value, found.as_of, problem, found.absence, found.notes)


def outlook(sources: Sources, lines: pd.DataFrame) -> Reading[Outlook]:
    """What these lines in place of those in force would mean."""
    zone = ZoneInfo(sources.policy.cost.zone)
    nodes = fleet.nodes(sources, Scope()).value
    now = pd.Timestamp(sources.now())

    def look(unit: ReadUnit) -> Outlook:
        card = card_in_force(unit)
        old = frames.empty(rates.CARD) if card is None else card.lines
        counted, places = _counted(sources, unit)
        sized = places.assign(gpus=_sizes(places, nodes))
        noon = {day: pd.Timestamp(datetime.combine(date.fromisoformat(day), time(12), zone)) for day in counted["day"]}
        dated = counted.assign(at=pd.to_datetime(counted["day"].map(noon), utc=True).dt.as_unit("us"))
        to_come = lines["begins"][lines["begins"] > now]
        at = max([now, *to_come])
        begins = pd.concat([old["begins"], lines["begins"], pd.Series([now])]).min()
        book = price_book()
        return Outlook(
            cardchange.changes(old, lines),
            cardchange.effect(dated, sized, old, lines, book),
            cardchange.effect(dated.assign(at=at), sized, old, lines, book),
            at,
            int(counted["day"].nunique()),
            cardchange.touched(old, lines, begins, now),
        )

    return asked(sources, look)


def add(sources: Sources, user: User, lines: pd.DataFrame, reason: str, after: int) -> Reading[int]:
    """Write the next version of the rate card after ``after``; its number, or why there is none."""
    try:
        _check(user, lines, reason)
        if sources.work is None:
            return Reading(None, absence=Absence.NOT_CONFIGURED)
        with sources.work() as unit:
            number = unit.costs.add_card(lines, after=after, at=sources.now(), actor=user.name, reason=reason.strip())
            unit.commit()
    except OpsError as error:
        return Reading(None, problem=Problem.of(error, source="database"))
    return Reading(number, as_of=sources.now())


def _check(user: User, lines: pd.DataFrame, reason: str) -> None:
    if Right.BUDGETS not in user.rights:
        raise Refused("Prices are changed by people with a finance or admin role.")
    if not reason.strip():
        raise Refused("Say why prices change: the reason is kept with the version.")
    if len(reason) > LONGEST_REASON:
        raise Refused(f"The reason is longer than {LONGEST_REASON} characters.")
    wrong = cardfile.check(lines)
    if wrong:
        raise Refused(f"Line {wrong[0].line} {wrong[0].says}" if wrong[0].line else wrong[0].says)


def _places(nodes: pd.DataFrame) -> pd.DataFrame:
    """``PLACES`` of the nodes there are, with ``nodes``, ``gpus`` of all of them and of ``one``."""
    columns = [name for name in PLACES if name != "place"]
    numbers = [keys.place(*map(str, row)) for row in nodes[columns].itertuples(index=False, name=None)]
    grouped = nodes[columns].assign(place=numbers, nodes=1, gpus=nodes["gpus"], one=nodes["gpus"])
    how = dict.fromkeys(columns, "first") | {"nodes": "sum", "gpus": "sum", "one": "max"}
    return grouped.groupby("place", sort=False).agg(how).reset_index()


def _gone(live: pd.DataFrame, counted: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The same of places that are in the record alone."""
    left = known[known["place"].isin(counted["place"]) & ~known["place"].isin(live["place"])]
    one = _sizes(left, live.assign(gpus=live["one"]))
    return left.assign(nodes=0, gpus=0.0, one=one)


def _sizes(places: pd.DataFrame, nodes: pd.DataFrame | None) -> pd.Series:
    """GPUs of one instance of each place's type: as nodes have them now, else as the price book says, else NaN."""
    sizes: dict[Any, float] = dict(prices.instance_gpus(price_book()))
    if nodes is not None:
        sizes |= nodes[nodes["gpus"] > 0].groupby("instance_type")["gpus"].max().to_dict()
    return places["instance_type"].map(sizes).astype("float64")


def _counted(sources: Sources, unit: ReadUnit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the record counted by ``day``, ``place`` and ``basis`` (``ticks``, ``micro``), and ``PLACES``."""
    on = today(sources.now(), sources.policy.cost.zone)
    days = unit.costs.days(str(on - timedelta(days=DAYS)), str(on - timedelta(days=1)))
    keep = ["day", "place", "basis"]
    return days.groupby(keep, sort=True)[["ticks", "micro"]].sum().reset_index(), unit.costs.places()


def _priced(places: pd.DataFrame, lines: pd.DataFrame, counted: pd.DataFrame | None, now: datetime) -> pd.DataFrame:
    rows = places.reset_index(drop=True)
    book = price_book()
    sized = rows.assign(gpus=rows["one"].fillna(0).astype("int64"))
    found = rates.priced(sized, lines, book, pd.Timestamp(now))
    known = found["basis"].ne("") & sized["gpus"].gt(0)
    rows["basis"] = found["basis"].where(known, "")
    rows["usd_per_instance"] = (found["micro_per_hour"] / MICRO).where(known)
    if counted is not None:
        rows = _as_counted(rows, counted)
    else:
        rows = rows.assign(gpu_hours=float("nan"), priced_hours=0.0, counted_usd=0.0)
    rows["usd_per_gpu"] = rows["usd_per_instance"] / rows["one"]
    rows["source"] = _sources(rows, book)
    return _grouped(rows)


def _as_counted(rows: pd.DataFrame, counted: pd.DataFrame) -> pd.DataFrame:
    """With what the record counted; where that was at OpenCost's price last, it is the price unless a line says one."""
    hours = counted.assign(gpu_hours=counted["ticks"] / _TICKS_PER_HOUR, counted_usd=counted["micro"] / MICRO)
    hours["priced_hours"] = hours["gpu_hours"].where(hours["basis"].ne(""), 0.0)
    sums = hours.groupby("place")[["gpu_hours", "priced_hours", "counted_usd"]].sum()
    rows = rows.join(sums, on="place").fillna({"gpu_hours": 0.0, "priced_hours": 0.0, "counted_usd": 0.0})
    last = hours[hours["gpu_hours"] > 0].sort_values("day", kind="stable").drop_duplicates("place", keep="last")
    last = last[opencost.counted(last["basis"])].set_index("place")
    price = rows["place"].map(last["counted_usd"] / last["gpu_hours"])
    taken = price.notna() & rows["basis"].ne(rates.CARD_BASIS)
    rows["basis"] = rows["basis"].mask(taken, rows["place"].map(last["basis"]))
    rows["usd_per_instance"] = rows["usd_per_instance"].mask(taken, price * rows["one"])
    return rows


def _sources(rows: pd.DataFrame, book: pd.DataFrame) -> pd.Series:
    named = book.drop_duplicates("instance_type").set_index("instance_type")["source"]
    listed = ~rows["basis"].str.startswith(("rate card", opencost.BASIS)) & rows["basis"].ne("")
    return rows["instance_type"].map(named).where(listed, "").fillna("").astype("str")


def _grouped(rows: pd.DataFrame) -> pd.DataFrame:
    by = [*_KIND, "basis", "usd_per_instance", "usd_per_gpu"]
    grouped = rows.groupby(by, sort=False, dropna=False)
    sums = grouped[["nodes", "gpus", "gpu_hours", "priced_hours", "counted_usd"]].sum()
    sums["gpu_hours"] = grouped["gpu_hours"].sum(min_count=1)
    sums["source"] = grouped["source"].first()
    sums["clusters"] = grouped["cluster"].agg(lambda names: ", ".join(sorted(set(names))))
    found = sums.reset_index()
    found["counted_usd_per_gpu"] = found["counted_usd"] / found["priced_hours"].where(found["priced_hours"] > 0)
    found["last"] = found["basis"].ne("") | found["nodes"].eq(0)
    found = found.sort_values(["last", "gpus", "gpu_hours"], ascending=[True, False, False], kind="stable")
    return frames.conform(found, PRICES)
