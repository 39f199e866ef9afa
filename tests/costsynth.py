"""Costs of a fleet nobody has, seeded: for tests and benches.

A fleet is split over places and, in each, over workloads that come and go with the weekday. Everything is counted in
whole GPU-minutes, and prices are whole micro-dollars of a GPU-minute, so that every sum can be worked out by hand: the
money of a place and day is its GPUs × 24 × its price.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOLD_SPANS, HOURS, LISTLESS, NODE_SPANS, OWNERS, PLACES, TICKS, keys
from services.domain.cost.rates import CARD
from services.ports import Work

_MINUTE_TICKS = 60 * TICKS
_EACH = 10
"""GPUs to a workload: 10,000 of them have about 1,000 rows a day."""
_KINDS = np.array(["held", "warm", "out", "remainder", "free"])
_NODE = 8
"""GPUs of a node."""


class Spot(NamedTuple):
    """A kind of place. Money in micro-dollars of one GPU-minute, None when unknown; ``share`` of all GPUs."""

    cluster: str
    pool: str
    model: str
    instance_type: str
    capacity_type: str
    region: str
    zone: str
    share: int
    price: int | None
    listed: int | None
    basis: str
    remainder: bool = False


SPOTS = (
    Spot("east", "h100-serving", "H100 80GB HBM3", "p5.48xlarge", "on-demand", "us-east-1", "us-east-1a", 24, 91_000,
         114_700, "rate card"),
    Spot("east", "h100-train", "H100 80GB HBM3", "p5.48xlarge", "reserved", "us-east-1", "us-east-1b", 20, 68_800,
         114_700, "rate card"),
    Spot("east", "l4-spot", "L4", "g6.48xlarge", "spot", "us-east-1", "us-east-1c", 10, 11_100, 27_800, "rate card"),
    Spot("west", "a100-train", "A100-SXM4-80GB", "a2-ultragpu-8g", "on-demand", "us-central1", "us-central1-a", 22,
         84_500, 84_500, "list price 2026-08-03"),
    Spot("west", "a100-mig", "A100-SXM4-80GB", "a2-ultragpu-8g", "spot", "us-central1", "us-central1-b", 14, 46_000,
         84_500, "rate card", remainder=True),
    Spot("lab", "b200", "B200", "dgx-b200", "", "hall-2", "", 8, 120_000, None, "rate card"),
    Spot("lab", "mi300x", "MI300X", "own-8x", "", "hall-2", "", 2, None, None, ""),
)  # fmt: skip
"""Shares sum to 100. One place has no list price, one no price at all."""
_TEAMS = ("assistants", "search", "vision", "research", "voice", "risk", "platform", "")


@dataclass(frozen=True)
class Fleet:
    """Whose and where the costs are. ``gpus`` and ``place`` by :data:`SPOTS`; ``owners`` with the spot they run on."""

    owners: pd.DataFrame
    places: pd.DataFrame
    place: tuple[int, ...]
    gpus: tuple[int, ...]
    spot: np.ndarray
    seed: int

    def micro_per_day(self) -> int:
        """What all nodes cost in 24 hours."""
        return sum(gpus * 1440 * (spot.price or 0) for gpus, spot in zip(self.gpus, SPOTS, strict=True))


def fleet(gpus: int, seed: int = 1) -> Fleet:
    """A fleet of so many GPUs, in whole nodes of 8 and at least one of each kind."""
    rng = np.random.default_rng(seed)
    counts = tuple(max(1, round(gpus * spot.share / 100 / _NODE)) * _NODE for spot in SPOTS)
    spots = np.repeat(np.arange(len(SPOTS)), [max(2, count // _EACH) for count in counts])
    rows = []
    for number, place in enumerate(spots):
        team = _TEAMS[int(rng.integers(len(_TEAMS)))]
        kind = ("Deployment", "Job", "StatefulSet")[int(rng.integers(3))]
        space = f"{team or 'shared'}-{('prod', 'batch', 'dev')[int(rng.integers(3))]}"
        rows.append((SPOTS[place].cluster, space, kind, f"w{number:04d}", team, keys.labels({"app": f"w{number:04d}"})))
    places = [spot[:7] for spot in SPOTS]
    return Fleet(
        owners=frames.table(OWNERS, [(keys.owner(*row), *row) for row in rows]),
        places=frames.table(PLACES, [(keys.place(*row), *row) for row in places]),
        place=tuple(keys.place(*row) for row in places),
        gpus=counts,
        spot=spots,
        seed=seed,
    )


def days(made: Fleet, first: date, number: int, card: int = 1) -> pd.DataFrame:
    """Frame DAYS of so many days."""
    weekday = np.array([(first + timedelta(days=day)).weekday() for day in range(number)])
    busy = np.where(weekday < 5, 0.86, 0.68) + 0.05 * np.sin(np.arange(number) / 23)
    found = _facts(made, busy, minutes=1440, card=card)
    names = np.array([str(first + timedelta(days=day)) for day in range(number)], dtype=object)
    return frames.conform(found.assign(day=names[found["period"]]), DAYS)


def hours(made: Fleet, begin: datetime, number: int, card: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Frames HOURS and CONTROLS of so many hours; not those the days of :func:`days` are made of."""
    clock = np.array([(begin + timedelta(hours=hour)).hour for hour in range(number)])
    found = _facts(made, np.where((clock >= 7) & (clock < 19), 0.88, 0.7), minutes=60, card=card)
    instants = pd.date_range(begin, periods=number, freq="h", tz=UTC).as_unit("us")
    kept = frames.conform(found.assign(hour=instants[found["period"]]), HOURS)
    return kept, _controls(made, instants, card)


def _controls(made: Fleet, instants: pd.DatetimeIndex, card: int) -> pd.DataFrame:
    rows = []
    for cluster in dict.fromkeys(spot.cluster for spot in SPOTS):
        mine = [(gpus, spot) for gpus, spot in zip(made.gpus, SPOTS, strict=True) if spot.cluster == cluster]
        whole = sum(gpus for gpus, _ in mine)
        unpriced = sum(gpus for gpus, spot in mine if spot.price is None)
        micro = sum(gpus * 60 * (spot.price or 0) for gpus, spot in mine)
        sums = whole // _NODE, whole * 60 * _MINUTE_TICKS, unpriced * 60 * _MINUTE_TICKS, micro
        rows += [(cluster, at, card, *sums, at + pd.Timedelta(minutes=65)) for at in instants]
    return frames.table(CONTROLS, rows)


def _facts(made: Fleet, busy: np.ndarray, minutes: int, card: int) -> pd.DataFrame:
    """Facts of periods numbered from 0, with how busy the fleet is in each (0..1)."""
    rng = np.random.default_rng(made.seed)
    parts = [_of_spot(made, number, busy, minutes, rng) for number in range(len(SPOTS))]
    found = pd.concat(parts, ignore_index=True).assign(card=card)
    return found.sort_values("period", kind="stable", ignore_index=True)


def _of_spot(made: Fleet, number: int, busy: np.ndarray, minutes: int, rng: np.random.Generator) -> pd.DataFrame:
    """Facts of one place: its workloads one after another, then what nobody holds."""
    spot, whole = SPOTS[number], made.gpus[number] * minutes
    owners = made.owners["owner"].to_numpy()[made.spot == number]
    weights = rng.lognormal(0, 1, len(owners)) * rng.lognormal(0, 0.15, (len(busy), len(owners)))
    sometimes = (rng.random(len(owners)) < 0.2) & (np.arange(len(owners)) > 0)
    weights[:, sometimes] *= np.arange(len(busy))[:, None] % 9 > 2
    held = _split(weights, np.floor(whole * busy.clip(0, 0.9)))
    warm = np.full(len(busy), whole // 50)
    out = rng.integers(0, 2 + whole // 100, len(busy))
    left = np.full(len(busy), whole // 70 if spot.remainder else 0)
    free = whole - held.sum(axis=1) - warm - out - left
    units = np.concatenate([held, np.stack([warm, out, left, free], axis=1)], axis=1)
    kind = np.concatenate([np.zeros(len(owners), dtype="int64"), np.arange(1, 5)])
    measured = np.where(rng.random(units.shape) < 0.97, units, units // 2) * (kind == 0)
    percent = rng.integers(3, 98, units.shape[1])
    period, column = np.nonzero(units)
    unit, seen, worked = units[period, column], measured[period, column], percent[column]
    price = spot.price or 0
    return pd.DataFrame(
        {
            "cluster": spot.cluster,
            "period": period,
            "owner": np.concatenate([owners, np.full(4, keys.NOBODY)])[column],
            "place": made.place[number],
            "kind": _KINDS[kind[column]],
            "basis": spot.basis,
            "ticks": unit * _MINUTE_TICKS,
            "micro": unit * price,
            "list_micro": LISTLESS if spot.listed is None else unit * spot.listed,
            "measured_ticks": seen * _MINUTE_TICKS,
            "used_ticks": seen * worked * (_MINUTE_TICKS // 100),
            "measured_micro": seen * price,
            "used_micro": seen * worked * (price // 100),
        }
    )


def _split(weights: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Each row's total in whole parts by weight: differences of the rounded running sum."""
    running = weights.cumsum(axis=1)
    ends = np.floor(running / running[:, -1:] * totals[:, None] + 0.5).astype("int64")
    return np.diff(ends, axis=1, prepend=0)


def card() -> pd.DataFrame:
    """Frame CARD of the places that have a rate, in the year 2025 and after."""
    begins = pd.Timestamp("2025-01-01", tz=UTC)
    return frames.table(
        CARD,
        [
            (spot.cluster, spot.instance_type, spot.zone, spot.region, spot.capacity_type, spot.model, "gpu",
             spot.price * 60, 0.0, "", begins, pd.NaT)
            for spot in SPOTS
            if spot.price is not None and spot.basis.startswith("rate card")
        ],
    )  # fmt: skip


def fill(work: Work, made: Fleet, facts: pd.DataFrame, at: datetime, card_after: int | None = 0) -> None:
    """Write owners, places and facts of days, a month at a time, and a rate card after version ``card_after``."""
    with work() as unit:
        unit.costs.save_spans(frames.empty(NODE_SPANS), frames.empty(HOLD_SPANS), made.owners, made.places)
        if card_after is not None:
            unit.costs.add_card(card(), after=card_after, at=at, actor="finance", reason="Contract of 2025.")
        unit.commit()
    clusters = tuple(dict.fromkeys(spot.cluster for spot in SPOTS))
    for first, last, part in _months(facts):
        with work() as unit:
            unit.costs.set_days(part, clusters, first, last, int(part["card"].iat[0]))
            unit.commit()


def _months(facts: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for _, part in facts.groupby(facts["day"].str[:7], sort=True):
        yield part["day"].min(), part["day"].max(), part
