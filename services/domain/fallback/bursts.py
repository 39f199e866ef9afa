"""Stretches of time in which a group's requests were not answered as they should be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from services.domain.fallback.figures import marks

STARTS_AT = 0.05
"""Share of requests that fell or were lost from which a step belongs to a burst."""
LEAST = 3.0
"""Requests a burst has at least: one error is no burst."""
PAUSE = timedelta(minutes=5)
"""Two bursts with no more than this between them are one."""


@dataclass(frozen=True)
class Burst:
    """Requests of a group that fell or were lost, one after the other, from ``begin`` to ``end``.

    ``asked`` are all requests of that time. ``causes``: requests by cause; ``vias``: by who answered instead, as
    "group" or deployment id, "" for nobody. ``tier`` is the rank that answered most of what fell, 0 another group.
    """

    group: str
    begin: datetime
    end: datetime
    asked: float
    fallen: float
    lost: float
    usd: float
    causes: Mapping[str, float] = field(default_factory=dict)
    vias: Mapping[str, float] = field(default_factory=dict)
    tier: int = 0

    @property
    def share(self) -> float:
        """Of the requests of that time, 0..1."""
        return (self.fallen + self.lost) / self.asked if self.asked else float("nan")

    @property
    def main(self) -> str:
        """The cause of most of them; "cooling" only where nothing else is known, as it follows from something."""
        told = {name: number for name, number in self.causes.items() if name != "cooling"} or self.causes
        return max(told, key=lambda name: told[name]) if told else ""


def bursts(routes: pd.DataFrame, points: Sequence[datetime]) -> list[Burst]:
    """Every burst in routes over equal steps that end at ``points``, the one with most requests first."""
    if len(points) < 2 or routes.empty:
        return []
    step = points[1] - points[0]
    found = [
        one for group, rows in marks(routes).groupby("group", sort=True) for one in _of(str(group), rows, points, step)
    ]
    return sorted(found, key=lambda one: (-(one.fallen + one.lost), one.begin))


def _of(group: str, rows: pd.DataFrame, points: Sequence[datetime], step: timedelta) -> Iterator[Burst]:
    place = pd.Series(range(len(points)), index=pd.DatetimeIndex(list(points)).as_unit("us"))
    at = rows["at"].map(place).to_numpy(np.int64)
    bad = np.bincount(at, rows["fallen"] + rows["lost"], len(points))
    asked = np.bincount(at, rows["asked"], len(points))
    inside = (bad > 0) & (bad >= STARTS_AT * asked)
    gap = max(int(PAUSE / step), 1)
    for first, last in _runs(np.nonzero(inside)[0], gap):
        mine = rows[(at >= first) & (at <= last)]
        one = _burst(group, mine, points[first] - step, points[last])
        if one.fallen + one.lost >= LEAST:
            yield one


def _runs(places: np.ndarray, gap: int) -> Iterator[tuple[int, int]]:
    """Stretches of places with no more than ``gap`` places missing between two of them."""
    if not len(places):
        return
    cuts = np.nonzero(np.diff(places) > gap + 1)[0]
    yield from zip(places[[0, *(cuts + 1)]].tolist(), places[[*cuts, len(places) - 1]].tolist(), strict=True)


def _burst(group: str, rows: pd.DataFrame, begin: datetime, end: datetime) -> Burst:
    bad = rows[(rows["fallen"] > 0) | (rows["lost"] > 0)]
    amount = bad["fallen"] + bad["lost"]
    who = bad["via"].where(bad["via"] != "", bad["id"])
    fell = bad[bad["fallen"] > 0]
    tiers = fell.groupby("rank")["fallen"].sum()
    return Burst(
        group=group,
        begin=begin,
        end=end,
        asked=float(rows["asked"].sum()),
        fallen=float(bad["fallen"].sum()),
        lost=float(bad["lost"].sum()),
        usd=float(rows["fallen_usd"].sum(skipna=False)),
        causes={str(name): float(n) for name, n in amount.groupby(bad["cause"]).sum().items()},
        vias={str(name): float(n) for name, n in amount.groupby(who).sum().items()},
        tier=int(str(tiers.idxmax())) if len(tiers) else 0,
    )
