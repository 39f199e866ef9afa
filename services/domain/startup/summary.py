"""Startup figures: totals, comparisons, trends and the distribution.

``starts`` are frames of recorded starts, one row per pod. The definitions, said once:

ready        became ready
timed        ready, and it is known when first; percentiles, means and phases are of these, from creation to then
not ready    failed, or gone before it was ready; it has no startup time
completed    ended well before it was seen ready; it has no startup time either, and no target to meet
starting     under way
decided      timed, not ready, or already under way for longer than the target: it is known whether the target was met
in target    of decided starts, those ready within the target; one that never became ready missed it
warm         its node was there before it with room: it was placed within AT_ONCE_S; not by headroom as far as is known
headroom     it took a place that was kept warm for it
waited       its node was there before it, without room: it waited for that longer than AT_ONCE_S
cold         its node came for it
unknown      it has no node yet, or the node's age is not known
usd          GPU money before first readiness, of all starts that have a price; those without are ``unpriced``

A start belongs to the moment its pod was created.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.startup import AT_ONCE_S, Outcome, Phase, percentiles
from services.domain.startup.groups import GROUPS, seconds

SERVED = ("warm", "headroom", "waited", "cold", "unknown")
"""How starts came to their nodes; every start is one of these."""


@dataclass(frozen=True)
class Totals:
    """The figures of all starts together; see the module for the words.

    ``mean_s`` and ``shares`` are by phase, of timed starts; shares sum to 1. Both are empty without a timed start.
    ``no_readiness`` ready starts have no probe: they counted as ready when they ran, whatever they still had to load.
    ``usd`` is None when no start has a price.
    """

    number: int
    ready: int
    timed: int
    not_ready: int
    completed: int
    starting: int
    decided: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None
    in_target: float | None
    usd: float | None
    unpriced: int
    warm: int
    headroom: int
    waited: int
    cold: int
    unknown: int
    no_readiness: int
    mean_s: Mapping[Phase, float] = field(default_factory=dict)
    shares: Mapping[Phase, float] = field(default_factory=dict)


def totals(starts: pd.DataFrame, target_s: float) -> Totals:
    """All starts together."""
    row = _figures(starts, np.zeros(len(starts), dtype="int64"), 1, target_s).iloc[0]
    timed = is_timed(starts)
    spent = {phase: float(seconds(starts, (phase,))[timed].sum()) for phase in Phase}
    whole = sum(spent.values())
    count = {name: int(row[name]) for name in (*COUNTED, "decided", "unpriced")}
    how = {name: int(row[name]) for name in SERVED}
    return Totals(
        p50_s=_or_none(row["p50_s"]),
        p95_s=_or_none(row["p95_s"]),
        max_s=_or_none(row["max_s"]),
        in_target=_or_none(row["in_target"]),
        usd=_or_none(row["usd"]),
        no_readiness=int((is_ready(starts) & has_flag(starts, "no_readiness")).sum()),
        mean_s={phase: amount / count["timed"] for phase, amount in spent.items()} if timed.any() else {},
        shares={phase: amount / whole for phase, amount in spent.items()} if whole > 0 else {},
        **count,
        **how,
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


COUNTED = ("number", "ready", "timed", "not_ready", "completed", "starting")

FIGURES = {
    **dict.fromkeys(COUNTED, "int64"),
    "decided": "int64",
    "p50_s": "float64",  # NaN without a timed start, like all times here
    "p95_s": "float64",
    "max_s": "float64",
    "mean_s": "float64",
    "in_target": "float64",  # 0..1; NaN when nothing is decided
    "usd": "float64",  # NaN when no start has a price
    "unpriced": "int64",
    **dict.fromkeys(SERVED, "int64"),
    **{f"{name}_s": "float64" for name in GROUPS},  # mean seconds of a timed start; they sum to mean_s
}
"""What :func:`by` says of each group of starts, beside the keys."""


def by(starts: pd.DataFrame, keys: Sequence[str], target_s: float) -> pd.DataFrame:
    """The same figures per workload, pool, image or whatever ``keys`` (columns of ``starts``) distinguish.

    Columns: the keys, then :data:`FIGURES`. Slowest first: by the 95th percentile, those without a time last.
    """
    columns = {**{key: str(starts[key].dtype) for key in keys}, **FIGURES}
    if starts.empty:
        return frames.empty(columns)
    codes, parts = frames.keyed(*(starts[key] for key in keys))
    found = _figures(starts, codes, len(parts[0]), target_s)
    named = found.assign(**dict(zip(keys, parts, strict=True)))
    ordered = named.sort_values(["p95_s", *keys], ascending=[False, *(True for _ in keys)], kind="stable")
    return frames.conform(ordered, columns)


TREND = {
    "at": "datetime64[us, UTC]",  # when the bucket begins
    "number": "int64",
    "ready": "int64",
    "p50_s": "float64",
    "p95_s": "float64",
    "in_target": "float64",
}
"""One row per bucket from the first start's to the last one's; a bucket without starts has number 0 and no times."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def trend(starts: pd.DataFrame, every: timedelta, target_s: float) -> pd.DataFrame:
    """Frame :data:`TREND`: the starts created in each ``every``, counted from the epoch."""
    if starts.empty:
        return frames.empty(TREND)
    buckets = ((starts["created_at"] - _EPOCH) // every).to_numpy(dtype="int64")
    first = int(buckets.min())
    number = int(buckets.max()) - first + 1
    found = _figures(starts, buckets - first, number, target_s)
    at = pd.Series(first + np.arange(number)) * every + _EPOCH
    return frames.conform(found.assign(at=at), TREND)


EDGES_S = (0, 15, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600)
"""Edges of the histogram: fine where the target lies, coarse where it no longer matters."""

HISTOGRAM = {
    "from_s": "float64",
    "to_s": "float64",  # inf in the last row
    "number": "int64",
    "warm": "int64",
    "headroom": "int64",
    "waited": "int64",
    "cold": "int64",
    "unknown": "int64",
    "in_target": "bool",
}
"""One row per bin, empty ones too. A bin holds starts longer than ``from_s`` up to ``to_s`` (the first, 0 as well)."""


def histogram(starts: pd.DataFrame, target_s: float) -> pd.DataFrame:
    """Frame :data:`HISTOGRAM` of timed starts. The target is an edge, so no bin is on both sides of it."""
    edges = np.array(sorted({*map(float, EDGES_S), float(target_s)}))
    timed = is_timed(starts)
    place = np.maximum(np.searchsorted(edges, starts["total_s"].to_numpy()[timed], side="left") - 1, 0)
    how = {name: chosen[timed] for name, chosen in served(starts).items()}
    return frames.conform(
        pd.DataFrame(
            {
                "from_s": edges,
                "to_s": np.append(edges[1:], np.inf),
                "number": np.bincount(place, minlength=len(edges)),
                **{name: percentiles.counts(how[name], place, len(edges)) for name in SERVED},
                "in_target": np.append(edges[1:], np.inf) <= target_s,
            }
        ),
        HISTOGRAM,
    )


def is_ready(starts: pd.DataFrame) -> np.ndarray:
    """Which starts became ready."""
    return starts["outcome"].eq(Outcome.READY).to_numpy(dtype=bool)


def is_timed(starts: pd.DataFrame) -> np.ndarray:
    """Which starts have a startup time: they became ready, and it is known when first."""
    return np.asarray(is_ready(starts) & ~has_flag(starts, "flapped"))


def is_completed(starts: pd.DataFrame) -> np.ndarray:
    """Which starts ended well before they were seen ready."""
    return starts["outcome"].eq(Outcome.COMPLETED).to_numpy(dtype=bool)


def is_decided(starts: pd.DataFrame, target_s: float) -> np.ndarray:
    """Which starts are known to have met or missed the target."""
    late = starts["total_s"].to_numpy() > target_s
    under_way = starts["outcome"].eq(Outcome.STARTING).to_numpy(dtype=bool)
    ended = ~is_ready(starts) & ~is_completed(starts) & ~under_way
    return np.asarray(is_timed(starts) | ended | (under_way & late))


def has_flag(starts: pd.DataFrame, flag: str) -> np.ndarray:
    """Which starts carry a flag of :data:`services.domain.startup.FLAGS`."""
    return ("," + starts["flags"] + ",").str.contains(f",{flag},", regex=False).to_numpy(dtype=bool)


def served(starts: pd.DataFrame) -> dict[str, np.ndarray]:
    """How each start came to its node: for each of :data:`SERVED`, which ones. Asks for cold, headroom and wait_s."""
    cold = starts["cold"].fillna(False).to_numpy(dtype=bool)
    kept = starts["headroom"].fillna(False).to_numpy(dtype=bool) & ~cold
    known = starts["cold"].notna().to_numpy(dtype=bool)
    there = known & ~cold & ~kept
    late = starts["wait_s"].to_numpy(dtype="float64") > AT_ONCE_S
    return {
        "warm": there & ~late,
        "headroom": kept,
        "waited": there & late,
        "cold": cold,
        "unknown": ~known & ~kept,
    }


def _figures(starts: pd.DataFrame, codes: np.ndarray, number: int, target_s: float) -> pd.DataFrame:
    """Columns :data:`FIGURES` of groups 0 … ``number`` − 1."""
    ready, timed, completed = is_ready(starts), is_timed(starts), is_completed(starts)
    decided = is_decided(starts, target_s)
    under_way = starts["outcome"].eq(Outcome.STARTING).to_numpy(dtype=bool)
    total = starts["total_s"].to_numpy(dtype="float64")
    p50, p95, longest = percentiles.grouped(total[timed], codes[timed], number, (0.5, 0.95, 1.0))
    usd = starts["usd"].to_numpy(dtype="float64")
    held = percentiles.counts(timed & (total <= target_s), codes, number)
    known = percentiles.counts(decided, codes, number)
    mine = codes[timed]
    return pd.DataFrame(
        {
            "number": np.bincount(codes, minlength=number),
            "ready": percentiles.counts(ready, codes, number),
            "timed": percentiles.counts(timed, codes, number),
            "not_ready": percentiles.counts(~ready & ~completed & ~under_way, codes, number),
            "completed": percentiles.counts(completed, codes, number),
            "starting": percentiles.counts(under_way, codes, number),
            "decided": known,
            "p50_s": p50,
            "p95_s": p95,
            "max_s": longest,
            "mean_s": percentiles.means(total[timed], mine, number),
            "in_target": percentiles.shares(held, known),
            "usd": percentiles.sums(usd, codes, number),
            "unpriced": percentiles.counts(np.isnan(usd), codes, number),
            **{how: percentiles.counts(chosen, codes, number) for how, chosen in served(starts).items()},
            **{
                f"{name}_s": percentiles.means(seconds(starts, group.phases)[timed], mine, number)
                for name, group in GROUPS.items()
            },
        }
    )
