"""Facts of hours from spans, prices and readings: pure, and the same whenever it is asked again.

Time is cut where an hour begins, where a node changes and where a price does; each piece is booked by itself
(:mod:`services.domain.cost.ledger`), and what pieces have in common is summed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import CONTROLS, HOURS, LISTLESS, TICKS, UNPRICED, ledger, money, rates
from services.domain.cost.ledger import PIECES, SHARES

HOUR = timedelta(hours=1)
_HOUR_S = 3600
_KEY = ["cluster", "hour", "card", "owner", "place", "kind", "basis"]
_NAMED = [name for name in rates.NAMED if name != "cluster"]

LIVE = {
    "cluster": "str",
    "node": "str",
    "hour": "datetime64[us, UTC]",
    "micro_per_hour": "int64",
    "basis": "str",  # who says so, such as "OpenCost"
}
"""Prices somebody else counts nodes at, hour by hour; where there is one and no line of the card, it is the basis."""

ORPHANS = {"cluster": "str", "pod_uid": "str", "pod": "str", "node_uid": "str", "seconds": "int64"}
"""Time a pod held something on a node that is not in the record: of no money, and never left unsaid."""


@dataclass(frozen=True)
class Prices:
    """What is in force.

    ``lines`` (:data:`services.domain.cost.rates.CARD`) of the card ``version``, 0 for none; the ``book`` of list
    prices; ``live`` prices (:data:`LIVE`), which come before list prices and after what was agreed.
    """

    lines: pd.DataFrame
    version: int
    book: pd.DataFrame
    live: pd.DataFrame | None = None


@dataclass(frozen=True)
class Closed:
    """``facts`` is :data:`services.domain.cost.HOURS`, ``controls`` CONTROLS without ``closed_at``, and ORPHANS.

    ``pieces`` and ``parts`` (of :mod:`services.domain.cost.ledger`) are what the facts are summed from.
    """

    facts: pd.DataFrame
    controls: pd.DataFrame
    orphans: pd.DataFrame
    pieces: pd.DataFrame
    parts: pd.DataFrame


def closed(
    nodes: pd.DataFrame,
    holds: pd.DataFrame,
    places: pd.DataFrame,
    prices: Prices,
    use: pd.DataFrame,
    begin: datetime,
    end: datetime,
    clusters: Sequence[str] = (),
) -> Closed:
    """The facts of the whole hours from ``begin`` to ``end``.

    ``nodes`` and ``holds`` are spans (NODE_SPANS, HOLD_SPANS; what lasts lasts until ``end``), ``places`` PLACES,
    ``use`` :data:`services.domain.cost.use.USE`. Instants count in whole seconds. Of ``clusters``, and of those that
    have nodes, an hour without a node has a control of zero: nothing was there.
    """
    number = round((end - begin) / HOUR)
    prices = replace(prices, lines=_whole_seconds(prices.lines))
    turns = [_second(at, begin) for at in rates.turns(prices.lines, pd.Timestamp(begin), pd.Timestamp(end))]
    cuts = sorted({*range(0, number * _HOUR_S + 1, _HOUR_S), *turns})
    counted = nodes[nodes["gpus"] > 0]  # nobody knows how many another one has: nothing of it could be split
    own, held = _clipped(counted, begin, cuts[-1]), _clipped(holds, begin, cuts[-1])
    own = own.merge(places[["place", *_NAMED]], on="place", how="left")
    own = own.fillna(dict.fromkeys(_NAMED, ""))  # of a place that is not in the record no line and no list says a price
    pieces, shares, seconds = [], [], np.zeros(len(held), dtype="int64")
    done = 0
    tariff = _Tariff(own, prices, begin)
    for first, until in pairwise(cuts):
        tariff.move(first, turned=first in turns)
        found = _pieces(own, first, until, begin, tariff)
        found["piece"] = np.arange(done, done + len(found))
        done += len(found)
        pieces.append(found)
        part = _shares(found, held, first, until)
        np.add.at(seconds, part["hold"].to_numpy(), part["seconds"].to_numpy())
        shares.append(part)
    whole = frames.conform(pd.concat(pieces, ignore_index=True), PIECES)
    parts = ledger.book(whole, frames.conform(pd.concat(shares, ignore_index=True), SHARES))
    facts = _facts(whole, parts, prices.version, use)
    every = pd.MultiIndex.from_product(
        [
            sorted({*clusters, *own["cluster"]}),
            [pd.Timestamp(begin) + pd.Timedelta(hours=place) for place in range(number)],
        ],
        names=["cluster", "hour"],
    )
    return Closed(facts, _controls(whole, every, prices.version), _orphans(held, seconds), whole, parts)


def _second(at: datetime, begin: datetime) -> int:
    return round((at - begin) / timedelta(seconds=1))


def _whole_seconds(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines of a card, in force from whole seconds on as all instants count: else a cut would come before its price."""
    return lines.assign(begins=lines["begins"].dt.round("s"), ends=lines["ends"].dt.round("s"))


def _clipped(spans: pd.DataFrame, begin: datetime, last: int) -> pd.DataFrame:
    """Spans with ``first`` and ``until``, whole seconds after ``begin`` and inside what is asked."""
    one = pd.Timedelta(seconds=1)
    first = ((spans["begin"] - pd.Timestamp(begin)) / one).round().clip(0, last).astype("int64")
    until = ((spans["end"] - pd.Timestamp(begin)) / one).round().fillna(last).clip(0, last).astype("int64")
    return spans.assign(first=first, until=until)[until > first].reset_index(drop=True)


def _pieces(own: pd.DataFrame, first: int, until: int, begin: datetime, tariff: "_Tariff") -> pd.DataFrame:
    """Nodes between two cuts, with what they cost for the time they were there."""
    inside = ((own["first"] < until) & (own["until"] > first)).to_numpy()
    here = own[inside]
    start = here["first"].clip(lower=first).to_numpy()
    stop = here["until"].clip(upper=until).to_numpy()
    within = first // _HOUR_S * _HOUR_S
    hour = pd.Timestamp(begin) + pd.Timedelta(seconds=within)
    rate = tariff.of(here, inside, hour)
    found = here.assign(hour=hour, start=start, seconds=stop - start, basis=rate["basis"].to_numpy())
    for name, unknown in (("micro", UNPRICED), ("list_micro", LISTLESS)):
        hourly = rate[name].to_numpy()
        spent = money.running(hourly, stop - within) - money.running(hourly, start - within)
        found[name] = np.where(hourly == unknown, unknown, spent)
    return found


class _Tariff:
    """What each node costs an hour: looked up once per kind of node, and again when prices turn."""

    def __init__(self, own: pd.DataFrame, prices: Prices, begin: datetime) -> None:
        columns = ["cluster", *_NAMED, "gpus"]
        self._prices, self._begin = prices, pd.Timestamp(begin)
        self._kinds = own[columns].drop_duplicates().reset_index(drop=True)
        self._kind = own.groupby(columns, sort=False).ngroup().to_numpy()
        bare = frames.empty(rates.CARD)
        listed = rates.priced(self._kinds.assign(capacity_type="on-demand"), bare, prices.book, self._begin)
        self._listed = listed["micro_per_hour"]
        self._rates: pd.DataFrame | None = None

    def move(self, second: int, *, turned: bool) -> None:
        """Be at a second after the beginning; ``turned``: prices change there."""
        if self._rates is None or turned:
            prices, at = self._prices, self._begin + pd.Timedelta(seconds=second)
            priced = rates.priced(self._kinds, prices.lines, prices.book, at)
            self._rates = pd.DataFrame(
                {"micro": priced["micro_per_hour"], "basis": priced["basis"], "list_micro": self._listed}
            )

    def of(self, here: pd.DataFrame, inside: np.ndarray, hour: pd.Timestamp) -> pd.DataFrame:
        """``micro`` and ``list_micro`` an hour and the ``basis`` of the nodes that are there, by their index."""
        if self._rates is None:
            raise ValueError("prices of no instant were asked for")
        found: pd.DataFrame = self._rates.iloc[self._kind[inside]].set_axis(here.index)
        live = self._prices.live
        if live is None or live.empty:
            return found
        now = live[live["hour"] == hour].drop_duplicates(["cluster", "node"], keep="last")
        said = here[["cluster", "node"]].merge(now, on=["cluster", "node"], how="left").set_axis(here.index)
        agreed = found["basis"].eq(rates.CARD_BASIS)
        known = said["micro_per_hour"].notna() & ~agreed
        return found.assign(
            micro=found["micro"].mask(known, said["micro_per_hour"]).astype("int64"),
            basis=found["basis"].mask(known, said["basis"]),
        )


def _shares(pieces: pd.DataFrame, held: pd.DataFrame, first: int, until: int) -> pd.DataFrame:
    """What pods held in pieces; ``hold`` is the row of ``held``."""
    here = held[(held["first"] < until) & (held["until"] > first)]
    here = here.assign(hold=here.index)[
        ["cluster", "node_uid", "hold", "kind", "owner", "pod_uid", "ticks", "first", "until"]
    ]
    both = here.merge(
        pieces[["piece", "cluster", "uid", "start", "seconds"]],
        left_on=["cluster", "node_uid"],
        right_on=["cluster", "uid"],
        how="inner",
        suffixes=("", "_piece"),
    )
    start, stop = both["start"].to_numpy(), (both["start"] + both["seconds"]).to_numpy()
    seconds = np.minimum(both["until"].to_numpy(), stop) - np.maximum(both["first"].to_numpy(), start)
    found = both.assign(seconds=seconds, ticks=both["ticks"] * seconds)
    kept: pd.DataFrame = found.loc[seconds > 0]
    return kept


def _facts(pieces: pd.DataFrame, parts: pd.DataFrame, version: int, use: pd.DataFrame) -> pd.DataFrame:
    if parts.empty:
        return frames.empty(HOURS)
    place = pieces.loc[parts["piece"].to_numpy(), ["cluster", "hour", "place", "basis"]].reset_index(drop=True)
    rows = pd.concat([parts.reset_index(drop=True), place], axis=1).assign(card=version)
    unpriced = rows["micro"] == UNPRICED
    rows = rows.assign(micro=rows["micro"].mask(unpriced, 0), basis=rows["basis"].mask(unpriced, ""))
    listless = rows["list_micro"] == LISTLESS
    rows = rows.assign(list_micro=rows["list_micro"].mask(listless, 0), listless=listless)
    grouped = rows.groupby(_KEY, sort=True, as_index=False).agg(
        ticks=("ticks", "sum"), micro=("micro", "sum"), list_micro=("list_micro", "sum"), listless=("listless", "any")
    )
    grouped["list_micro"] = grouped["list_micro"].mask(grouped["listless"], LISTLESS)
    return frames.conform(used(grouped, use), HOURS)


def used(facts: pd.DataFrame, use: pd.DataFrame) -> pd.DataFrame:
    """Facts with what was measured and used of what was held, in ticks and money.

    Where an owner's hour in a place has several prices, its readings are split by the ticks it held at each.
    """
    key = ["cluster", "hour", "owner", "place"]
    rows = facts.reset_index(drop=True)
    held = rows["kind"].eq("held").to_numpy()
    mine = rows.loc[held, [*key, "ticks"]]
    groups = mine.groupby(key, sort=False).ngroup().to_numpy()
    number = int(groups.max(initial=-1)) + 1
    known = mine[key].assign(group=groups).drop_duplicates("group").merge(use, on=key, how="left").sort_values("group")
    weights = mine["ticks"].to_numpy()
    whole = np.zeros(number, dtype="int64")
    np.add.at(whole, groups, weights)
    found = {name: np.zeros(len(rows), dtype="int64") for name in ("measured_ticks", "used_ticks")}
    measured = np.minimum(known["measured_ticks"].fillna(0).astype("int64").to_numpy(), whole)
    working = np.minimum(known["used_ticks"].fillna(0).astype("int64").to_numpy(), measured)
    found["measured_ticks"][held] = money.apportion(measured, groups, weights)
    parts = money.apportion(working, groups, found["measured_ticks"][held])
    found["used_ticks"][held] = parts
    rows = rows.assign(**found)
    spent = _part(rows["micro"], rows["measured_ticks"], rows["ticks"])
    return rows.assign(
        measured_micro=spent, used_micro=_part(pd.Series(spent), rows["used_ticks"], rows["measured_ticks"])
    )


def _part(amount: pd.Series, part: pd.Series, whole: pd.Series) -> np.ndarray:
    """``amount × part / whole`` in whole numbers, half to even; 0 where the whole is."""
    exact = amount.to_numpy().astype("object") * part.to_numpy().astype("object")
    divisor = np.maximum(whole.to_numpy(), 1).astype("object")
    low, rest = exact // divisor, exact % divisor
    up = (2 * rest > divisor) | ((2 * rest == divisor) & (low % 2 == 1))
    found: np.ndarray = (low + up.astype("object")).astype("int64")
    return found


def _controls(pieces: pd.DataFrame, every: pd.MultiIndex, version: int) -> pd.DataFrame:
    """What nodes were and cost, summed before anything was split."""
    ticks = pieces["seconds"] * pieces["gpus"] * TICKS
    unpriced = pieces["micro"] == UNPRICED
    rows = pieces.assign(
        gpu_ticks=ticks, unpriced_ticks=ticks.where(unpriced, 0), micro=pieces["micro"].mask(unpriced, 0)
    )
    grouped = rows.groupby(["cluster", "hour"]).agg(
        nodes=("uid", "nunique"),
        gpu_ticks=("gpu_ticks", "sum"),
        unpriced_ticks=("unpriced_ticks", "sum"),
        micro=("micro", "sum"),
    )
    found = grouped.reindex(every).fillna(0).reset_index().assign(card=version)
    return frames.conform(found, {name: dtype for name, dtype in CONTROLS.items() if name != "closed_at"})


def _orphans(held: pd.DataFrame, seconds: np.ndarray) -> pd.DataFrame:
    missing = held.assign(seconds=held["until"] - held["first"] - seconds)
    return frames.conform(missing[missing["seconds"] > 0], ORPHANS)
