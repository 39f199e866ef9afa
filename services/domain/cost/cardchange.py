"""From one rate card to another: what changed, the past it touches, and what it would have cost."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import MICRO, PLACES, TICKS, cardfile, opencost, rates
from services.domain.cost.rates import NAMED

_ENDLESS = pd.Timestamp("2262-01-01T00:00:00Z")
_TICKS_PER_HOUR = TICKS * 3600

CHANGES = {
    "change": "str",  # added, removed, changed
    **dict.fromkeys(NAMED, "str"),
    "begins": "datetime64[us, UTC]",
    "before": "str",  # in words; "" where there was no such line
    "after": "str",
}
"""Lines that differ. A line is the same as another when it names the same nodes from the same instant on."""

EFFECT = {
    **{name: dtype for name, dtype in PLACES.items() if name in ("instance_type", "region", "capacity_type", "model")},
    "gpu_hours": "float64",
    "before_usd": "float64",
    "after_usd": "float64",
    "change_usd": "float64",
}
"""What the same GPU-hours come to, by kind of node; NaN where they have no price. Largest change first."""


@dataclass(frozen=True)
class Effect:
    """What another card makes of GPU-hours that were counted: an estimate, by mean prices of a day.

    ``change_micro`` sums over what has a price on both sides. GPU-hours that would ``gain`` a price or ``lose`` it are
    not in it, nor are those of nodes whose number of GPUs is ``unknown``. ``rows`` is :data:`EFFECT`.
    """

    gpu_hours: float
    before_micro: int
    change_micro: int
    gain: float
    lose: float
    unknown: float
    rows: pd.DataFrame


def touched(
    old: pd.DataFrame, new: pd.DataFrame, since: pd.Timestamp, now: pd.Timestamp
) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Stretches of [since, now) in which the lines in force differ, oldest first; cards are ``rates.CARD``."""
    before, after = Counter(_lines(old)), Counter(_lines(new))
    sides = [_Side((before - after).elements()), _Side((after - before).elements())]
    turns = {at for side in sides for at in (*side.begins, *side.ends) if since < at < now}
    cuts = [since, *sorted(turns), now]
    found: list[tuple[pd.Timestamp, pd.Timestamp]] = []
    for begin, end in pairwise(cuts):
        if begin < end and sides[0].at(begin) != sides[1].at(begin):
            joins = bool(found) and found[-1][1] == begin
            found = [*found[:-1], (found[-1][0], end)] if joins else [*found, (begin, end)]
    return found


def changes(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`CHANGES`, in the order of the new card, what was removed last."""
    key = [*NAMED, "begins"]
    known = {tuple(row[name] for name in key): said for row, said in _said(old)}
    rows: list[tuple[Any, ...]] = []
    for row, after in _said(new):
        before = known.pop(tuple(row[name] for name in key), None)
        if before != after:
            rows.append(("added" if before is None else "changed", *(row[name] for name in key), before or "", after))
    rows += [("removed", *names, before, "") for names, before in known.items()]
    return frames.table(CHANGES, rows)


def said(line: Any) -> str:
    """A line's price in words: "55.04 USD per instance, 35 % off, until 2027-01-01, reserved, 1 year"."""
    whose = "GPU" if line["per"] == "gpu" else "instance"
    parts = [f"{cardfile.usd(line['micro_per_hour'])} USD per {whose}"]
    if line["discount"]:
        parts.append(f"{line['discount'] * 100:.6g} % off")
    if not pd.isna(line["ends"]):
        parts.append(f"until {line['ends']:%Y-%m-%d %H:%M} UTC")
    return ", ".join(parts + [line["term"]] * bool(line["term"]))


def effect(
    counted: pd.DataFrame, places: pd.DataFrame, old: pd.DataFrame, new: pd.DataFrame, book: pd.DataFrame
) -> Effect:
    """What ``new`` instead of ``old`` makes of what was counted.

    ``counted``: ``place``, ``ticks``, ``micro``, the ``basis`` they were counted at, and the instant ``at`` whose
    prices hold for them. ``places``: ``PLACES`` and ``gpus`` of one instance, NaN where nobody knows. ``book`` are the
    list prices. What OpenCost priced keeps its price where a card says none.
    """
    whole = places[places["gpus"] > 0].reset_index(drop=True)
    mine = counted[counted["place"].isin(whole["place"])]
    hours = mine["ticks"] / _TICKS_PER_HOUR
    parts = []
    for at, rows in _stretches(mine, old, new):
        measured = (
            rows.assign(live=opencost.counted(rows["basis"])).groupby(["place", "live"])[["ticks", "micro"]].sum()
        )
        here = whole.merge(measured.reset_index(), on="place")
        gpu_hours = here["ticks"] / _TICKS_PER_HOUR
        sides = {}
        for side, card in (("before", old), ("after", new)):
            price = rates.priced(here, card, book, at)
            amount = (price["micro_per_hour"] * (gpu_hours / here["gpus"])).where(price["basis"].ne(""))
            kept = here["live"] & price["basis"].ne(rates.CARD_BASIS)
            sides[side] = amount.mask(kept, here["micro"].astype("float64"))
        parts.append(here.assign(**sides, gpu_hours=gpu_hours))
    unknown = float(counted["ticks"].sum() / _TICKS_PER_HOUR - hours.sum())
    if not parts:
        return Effect(0.0, 0, 0, 0.0, 0.0, unknown, frames.empty(EFFECT))
    rows = pd.concat(parts, ignore_index=True)
    both = rows["before"].notna() & rows["after"].notna()
    return Effect(
        gpu_hours=float(rows["gpu_hours"].sum()),
        before_micro=round(float(rows["before"].sum())),
        change_micro=round(float((rows["after"] - rows["before"])[both].sum())),
        gain=float(rows.loc[rows["before"].isna() & rows["after"].notna(), "gpu_hours"].sum()),
        lose=float(rows.loc[rows["before"].notna() & rows["after"].isna(), "gpu_hours"].sum()),
        unknown=unknown,
        rows=_by_kind(rows),
    )


def _by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    names = ["instance_type", "region", "capacity_type", "model"]
    grouped = rows.assign(change=rows["after"] - rows["before"]).groupby(names, sort=False)
    sums = grouped[["gpu_hours"]].sum()
    for side in ("before", "after", "change"):
        sums[f"{side}_usd"] = grouped[side].sum(min_count=1) / MICRO
    known = sums.reset_index()
    order = np.argsort(-known["change_usd"].abs().fillna(np.inf).to_numpy(), kind="stable")
    return frames.conform(known.iloc[order], EFFECT)


def _stretches(
    counted: pd.DataFrame, old: pd.DataFrame, new: pd.DataFrame
) -> Iterable[tuple[pd.Timestamp, pd.DataFrame]]:
    """What was counted, by stretches of constant prices, with an instant of each."""
    if counted.empty:
        return
    first, last = counted["at"].min(), counted["at"].max()
    turns = {at for card in (old, new) for at in rates.turns(card, first, last + pd.Timedelta(microseconds=1))}
    cuts = pd.DatetimeIndex(sorted(turns), dtype="datetime64[us, UTC]")
    number = cuts.searchsorted(pd.DatetimeIndex(counted["at"]), side="right")
    for _, rows in counted.groupby(number):
        yield rows["at"].iloc[0], rows


def _said(card: pd.DataFrame) -> list[tuple[dict[Any, Any], str]]:
    return [(row, said(row)) for row in card.to_dict("records")]


def _lines(card: pd.DataFrame) -> list[tuple[Any, ...]]:
    """What decides a price, line by line: begin, end, names, of what, amount."""
    return [
        (
            row["begins"],
            _ENDLESS if pd.isna(row["ends"]) else row["ends"],
            *(row[name] for name in NAMED),
            row["per"],
            round(row["micro_per_hour"] * (1 - row["discount"])),
        )
        for row in card.to_dict("records")
    ]


class _Side:
    """Lines of one card that the other has not."""

    def __init__(self, lines: Iterable[tuple[Any, ...]]) -> None:
        self._lines = list(lines)
        self.begins, self.ends = [one[0] for one in self._lines], [one[1] for one in self._lines]

    def at(self, instant: pd.Timestamp) -> set[tuple[Any, ...]]:
        """What is in force."""
        return {one[2:] for one in self._lines if one[0] <= instant < one[1]}
