"""What could be given back, by three verbs: remove what does nothing, optimise what asks too much, share what is small.

A pod's GPUs count in one verb only, the first that applies: all of them idle (remove), some of them never used
(optimise), one GPU that a part of would do for (share). What nobody measured is in none.

Confidence is *high* when at least 95 % of the expected samples are there and speak of three days or more, *medium* with
80 % and 20 hours, else *low*. Of what is idle it counts how long it has been; of the others how long it was watched.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

VERBS = ("remove", "optimise", "share")
"""In this order: what an earlier one takes is in no later one."""
MONTH_H = 730.5
"""Hours of a mean month: 365.25 × 24 ÷ 12."""
HIGH, MEDIUM, LOW = "high", "medium", "low"
_ENOUGH = ((HIGH, 0.95, timedelta(days=3)), (MEDIUM, 0.80, timedelta(hours=20)))

HELD = {
    "cluster": "str",
    "node": "str",
    "pool": "str",
    "gpu": "str",
    "instance": "str",
    "model": "str",
    "namespace": "str",
    "workload": "str",
    "workload_kind": "str",
    "team": "str",
    "pod": "str",
    "held": "float64",  # GPU equivalents
    "whole": "bool",  # a whole GPU that nobody else can be given
    "complete": "bool",  # every unit of the pod was measured
    "usd": "float64",  # of a GPU-hour at the price in force; NaN when unpriced
    "peak": "float64",  # largest utilisation over the window, 0..1; NaN when not measured
    "mean": "float64",
    "sm": "float64",  # mean SM activity, 0..1; NaN where it is not collected
    "idle_s": "float64",  # for so long at least it has done nothing, up to now; NaN when not measured
    "memory_peak": "float64",  # most memory used over the window, bytes
    "memory_total": "float64",
    "seen": "float64",  # share of the time the pod was there in the window that was measured, 0..1
    "span_s": "float64",  # how much of the window speaks of it
}
"""One row per unit and pod that holds it now."""


@dataclass(frozen=True)
class Limits:
    """What counts as what.

    ``unused``: a GPU with no larger peak is not used (0..1). ``busy``: a pod of one GPU with a smaller mean could do
    with a part of it. ``idle_after_s``: so long without work is idle.
    """

    unused: float = 0.05
    busy: float = 0.30
    idle_after_s: float = 1800.0


@dataclass(frozen=True)
class Advice:
    """What to do about one workload.

    ``gpus`` are the GPU equivalents its pods hold, ``freed`` what of them is given back (0 where only the model
    changes). ``usd_per_month`` is None when unpriced. ``becomes`` names what is left ("2 of 4 GPUs", "1g.10gb", "L4"),
    "" when nothing is. ``idle_s``: of REMOVE, how long at least. ``layout``: the sharing layout that would do, else "".
    """

    key: str
    verb: str
    cluster: str
    namespace: str
    workload: str
    kind: str
    team: str
    model: str
    title: str
    evidence: tuple[str, ...]
    pods: tuple[str, ...]
    nodes: tuple[str, ...]
    gpus: float
    freed: float
    usd_per_month: float | None
    confidence: str
    seen: float
    span_s: float
    idle_s: float | None = None
    becomes: str = ""
    resource: str = ""
    amount: int = 0
    layout: str = ""


ADVICE = {
    "verb": "str",
    "title": "str",
    "usd_per_month": "float64",  # NaN when unpriced
    "freed": "float64",
    "gpus": "float64",
    "confidence": "str",
    "workload": "str",
    "kind": "str",
    "namespace": "str",
    "team": "str",
    "model": "str",
    "becomes": "str",
    "evidence": "str",
    "seen": "float64",
    "span_s": "float64",
    "idle_s": "float64",  # NaN where it is not about idleness
    "cluster": "str",
    "key": "str",
}
"""The same as a table, one row per advice, dearest first."""


def frame(found: Sequence[Advice]) -> pd.DataFrame:
    """Frame :data:`ADVICE`."""
    rows = [
        {name: getattr(one, name) for name in ADVICE if name != "evidence"} | {"evidence": " ".join(one.evidence)}
        for one in found
    ]
    return pd.DataFrame(rows, columns=list(ADVICE)).astype(ADVICE)


def ranked(found: Iterable[Advice]) -> list[Advice]:
    """Dearest first; what is unpriced behind, by GPUs."""
    return sorted(found, key=lambda one: (one.usd_per_month is None, -(one.usd_per_month or 0.0), -one.freed, one.key))


@dataclass(frozen=True)
class Total:
    """Sums over one verb; ``usd_per_month`` over what is priced, None when nothing is; ``unpriced`` advice is not."""

    number: int
    freed: float
    usd_per_month: float | None
    unpriced: int


def totals(found: Iterable[Advice]) -> dict[str, Total]:
    """By verb, each of :data:`VERBS`. They can be added: no GPU is in two."""
    every = list(found)
    result = {}
    for verb in VERBS:
        mine = [one for one in every if one.verb == verb]
        priced = [one.usd_per_month for one in mine if one.usd_per_month is not None]
        usd = sum(priced) if priced or not mine else None
        result[verb] = Total(len(mine), sum(one.freed for one in mine), usd, len(mine) - len(priced))
    return result


def confidence(seen: float, span_s: float) -> str:
    """How sure advice is, by the samples there are of those expected and the time they speak of."""
    return next((name for name, share, span in _ENOUGH if seen >= share and span_s >= span.total_seconds()), LOW)


def removable(held: pd.DataFrame, limits: Limits) -> pd.Series:
    """Rows of pods all of whose units are idle."""
    return _every(held, held["idle_s"].ge(limits.idle_after_s))


def over_requested(held: pd.DataFrame, limits: Limits) -> pd.Series:
    """Rows of pods with several whole GPUs that all are known and of which at least one is used."""
    used = held["peak"].gt(limits.unused)
    pods = [held[name] for name in POD]
    several = held.groupby(pods, sort=False)["gpu"].transform("size").gt(1)
    some = used.groupby(pods, sort=False).transform("any")
    return _every(held, held["whole"] & held["peak"].notna()) & several & some


def small(held: pd.DataFrame, limits: Limits) -> pd.Series:
    """Rows of pods with one whole GPU, little time on it and at most half of its memory."""
    pods = [held[name] for name in POD]
    alone = held.groupby(pods, sort=False)["gpu"].transform("size").eq(1)
    little = held["mean"].lt(limits.busy) & held["memory_peak"].le(held["memory_total"] / 2)
    return held["whole"] & held["complete"] & alone & little


POD = ("cluster", "namespace", "pod")
WORKLOAD = ("cluster", "namespace", "workload")


def _every(held: pd.DataFrame, holds: pd.Series) -> pd.Series:
    """Rows of complete pods of which it holds for every row."""
    return (holds & held["complete"]).groupby([held[name] for name in POD], sort=False).transform("all")
