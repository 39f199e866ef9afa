"""Spans and prices in a few words, and what was booked of them, for tests that are worked by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd

from services.domain import frames, prices
from services.domain.cost import HOLD_SPANS, MICRO, NODE_SPANS, PLACES, TICKS, hours, rates
from services.domain.cost.hours import Closed, Prices
from services.domain.cost.use import USE

TWO = datetime(2026, 6, 2, 14, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
KINDS = {"h100": "p5.48xlarge", "a100": "p4de.24xlarge", "spot": "g4dn.xlarge", "metal": "metal"}
"""Kinds of node by the names tests have for them; metal has no price."""
_PLACES = list(KINDS)
BOOK = frames.table(prices.BOOK, [("aws", "us-east-1", "g4dn.xlarge", "T4", 1, 1.0, 0.25, "table", "2026-07-20")])
Row = Sequence[object]


def at(seconds: float, begin: datetime = TWO) -> datetime:
    return begin + timedelta(seconds=seconds)


def node(
    uid: str, begin: datetime = LONG_AGO, end: datetime | None = None, *, kind: str = "h100", gpus: int = 1,
    out: float = 0, remainder: float = 0, closed: bool = False,
) -> Row:  # fmt: skip
    """``out`` and ``remainder`` in GPUs."""
    lost = round(out * TICKS), round(remainder * TICKS)
    return ("lab", uid, begin, end, f"node-{uid}", _PLACES.index(kind), gpus, *lost, closed)


def hold(
    pod: str, on: str, begin: datetime = LONG_AGO, end: datetime | None = None, *, gpus: float = 1, owner: int = 1,
    kind: str = "held",
) -> Row:  # fmt: skip
    return ("lab", pod, on, begin, end, kind, owner, f"ns/{pod}", round(gpus * TICKS))


def line(kind: str, usd: float, begin: datetime = LONG_AGO, end: datetime | None = None) -> Row:
    """A line of the rate card: dollars an hour of a whole node."""
    return ("", KINDS[kind], "", "", "", "", "instance", round(usd * MICRO), 0.0, "", begin, end)


def use(hour: datetime, owner: int, measured: float, used: float, *, kind: str = "h100") -> Row:
    """GPU-seconds of an hour."""
    return ("lab", hour, owner, _PLACES.index(kind), round(measured * TICKS), round(used * TICKS))


def closed(
    nodes: Sequence[Row], holds: Sequence[Row] = (), card: Sequence[Row] = (), used: Sequence[Row] = (), *,
    begin: datetime = TWO, number: int = 1, live: pd.DataFrame | None = None,
) -> Closed:  # fmt: skip
    places = [
        (place, "lab", f"pool-{kind}", "", KINDS[kind], "spot" if kind == "spot" else "on-demand", "us-east-1", "")
        for place, kind in enumerate(_PLACES)
    ]
    return hours.closed(
        frames.table(NODE_SPANS, nodes),
        frames.table(HOLD_SPANS, holds),
        frames.table(PLACES, places),
        Prices(frames.table(rates.CARD, card), 7 if card else 0, BOOK, live),
        frames.table(USE, used),
        begin,
        begin + timedelta(hours=number),
    )


def cells(found: Closed, begin: datetime = TWO) -> dict[tuple[int, str, str, int], int]:
    """Micro-dollars by hours after the beginning, kind of node, kind of cost and owner."""
    facts = found.facts
    after = ((facts["hour"] - pd.Timestamp(begin)) / pd.Timedelta(hours=1)).astype("int64")
    keys = zip(after, [_PLACES[place] for place in facts["place"]], facts["kind"], facts["owner"], strict=True)
    sums: dict[tuple[int, str, str, int], int] = {}
    for key, micro in zip(keys, facts["micro"], strict=True):
        sums[key] = sums.get(key, 0) + micro
    return sums


def seconds(found: Closed, kind: str) -> float:
    """GPU-seconds of a kind of cost."""
    return float(found.facts.loc[found.facts["kind"] == kind, "ticks"].sum()) / TICKS


def balanced(found: Closed) -> bool:
    """Whether facts are what the nodes were and cost."""
    facts, controls = found.facts, found.controls
    unpriced = facts.loc[facts["basis"] == "", "ticks"].sum()
    return (
        int(facts["micro"].sum()) == int(controls["micro"].sum())
        and int(facts["ticks"].sum()) == int(controls["gpu_ticks"].sum())
        and int(unpriced) == int(controls["unpriced_ticks"].sum())
    )
