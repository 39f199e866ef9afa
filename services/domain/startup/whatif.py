"""What-if on recorded starts: some seconds of some starts replaced by what others took.

A start's time after is its time before less what is saved, and no more is saved than its phases took. What is replaced
is replaced by one typical value: the spread of the result is that of everything else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.startup import Phase, Pulled, groups, percentiles
from services.domain.startup.imagenames import canonicals
from services.domain.startup.summary import has_flag, is_decided, is_timed

ENOUGH = 5
"""Fewer starts are no basis for a prediction."""
SLOW_S = 10.0
"""Phases that take less, on average, need no lever."""
NOISE_S = 2.0
"""A smaller saving is within the resolution of the times themselves."""


@dataclass(frozen=True)
class Keyed:
    """Starts by what they are about: ``codes`` is the subject of each start, ``parts`` name the subjects."""

    codes: np.ndarray
    parts: list[np.ndarray]

    @property
    def number(self) -> int:
        """How many subjects there are."""
        return len(self.parts[0])

    @cached_property
    def first(self) -> np.ndarray:
        """The row of each subject's first start."""
        return np.unique(self.codes, return_index=True)[1]


class History:
    """Recorded starts with what every lever asks of them."""

    def __init__(self, starts: pd.DataFrame) -> None:
        self.starts = starts.reset_index(drop=True).assign(image=canonicals(starts["image"]).to_numpy())
        self.ready = is_timed(starts)
        self.total = starts["total_s"].to_numpy(dtype="float64")
        self.usd_per_hour = starts["usd_per_hour"].to_numpy(dtype="float64")
        self.cold = starts["cold"].fillna(False).to_numpy(dtype=bool)
        self.warm = ~starts["cold"].fillna(True).to_numpy(dtype=bool)
        how = starts["pull"]
        self.pulled = how.eq(Pulled.PULLED).to_numpy(dtype=bool)
        self.cached = how.isin([Pulled.CACHED, Pulled.REVALIDATED]).to_numpy(dtype=bool)
        self.streamed = how.eq(Pulled.STREAMED).to_numpy(dtype=bool)
        self._keyed: dict[tuple[str, ...], Keyed] = {}

    def keyed(self, *columns: str) -> Keyed:
        """Starts by these columns."""
        if columns not in self._keyed:
            self._keyed[columns] = Keyed(*frames.keyed(*(self.starts[name] for name in columns)))
        return self._keyed[columns]

    def seconds(self, *phases: Phase) -> np.ndarray:
        """Seconds of each start in these phases together."""
        return groups.seconds(self.starts, phases)

    def flagged(self, flag: str) -> np.ndarray:
        """Which starts carry a flag."""
        return has_flag(self.starts, flag)


@dataclass(frozen=True)
class Told:
    """What is said of a lever for one subject. ``n`` starts (or pulls) are the ``basis``."""

    subject: str
    n: int
    basis: str
    pool: str = ""
    action: str = ""
    params: dict[str, object] = field(default_factory=dict)
    usd_cost_per_day: float = float("nan")


@dataclass(frozen=True)
class Case:
    """One kind of lever tried on all its subjects.

    By start: ``concerned``, whether the lever would have acted on it; ``spent``, seconds in the phases it acts on;
    ``saved`` of these (NaN where there is no basis), and ``paid``, the part of them in which GPUs were paid for, which
    is negative where more of what is left is paid for.
    """

    lever: str
    phase_group: str
    subject_kind: str
    keyed: Keyed
    concerned: np.ndarray
    spent: np.ndarray
    saved: np.ndarray
    paid: np.ndarray
    told: Callable[[int], Told]


def medians(values: np.ndarray, keyed: Keyed, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per subject the median of the chosen starts, NaN of fewer than :data:`ENOUGH`; and how many these are."""
    known = chosen & ~np.isnan(values)
    codes = keyed.codes[known]
    number = np.bincount(codes, minlength=keyed.number)
    found = percentiles.grouped(values[known], codes, keyed.number, (0.5,))[0]
    return np.where(number >= ENOUGH, found, np.nan), number


def fastest_quarter(values: np.ndarray, keyed: Keyed, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per subject the median of the fastest quarter of the chosen starts, and how many this quarter has.

    NaN where the quarter has fewer than :data:`ENOUGH`.
    """
    codes, mine = keyed.codes[chosen], values[chosen]
    order = percentiles.by_group(mine, codes, keyed.number)
    size = np.bincount(codes, minlength=keyed.number)
    rank = np.arange(len(order)) - (np.cumsum(size) - size)[codes[order]]
    fast = order[rank < (size // 4)[codes[order]]]
    found = percentiles.grouped(mine[fast], codes[fast], keyed.number, (0.5,))[0]
    return np.where(size // 4 >= ENOUGH, found, np.nan), size // 4


def less(spent: np.ndarray, reference: np.ndarray, concerned: np.ndarray) -> np.ndarray:
    """Seconds saved when concerned starts take the reference instead; 0 for others and for those that were faster."""
    return np.where(concerned, np.maximum(spent - reference, 0.0), 0.0)


def workload_of(keyed: Keyed, subject: int) -> str:
    """The name of a subject whose keys begin with those of a workload: "namespace/workload"."""
    return f"{keyed.parts[1][subject]}/{keyed.parts[3][subject]}"


COLUMNS = {
    "lever": "str",
    "phase_group": "str",
    "cluster": "str",
    "subject_kind": "str",
    "subject": "str",
    "pool": "str",
    "starts": "int64",
    "of": "int64",
    "seconds_spent_mean": "float64",
    "seconds_saved_mean": "float64",
    "seconds_saved_per_day": "float64",
    "total_p50_before": "float64",
    "total_p50_after": "float64",
    "total_p95_before": "float64",
    "total_p95_after": "float64",
    "in_target_before": "float64",
    "in_target_after": "float64",
    "usd_saved_per_day": "float64",
    "usd_cost_per_day": "float64",
    "unpriced": "int64",
    "n": "int64",
    "basis": "str",
    "action": "str",
    "params": "object",
}
"""See :data:`services.domain.startup.levers.LEVERS`."""


def evaluated(history: History, cases: Sequence[Case], *, target_s: float, days: float) -> pd.DataFrame:
    """Frame :data:`COLUMNS`: each case's subjects in which the phases are slow and, where predicted, time is saved."""
    decided = is_decided(history.starts, target_s)
    found = [one for case in cases if not (one := _evaluated(history, case, decided, target_s, days)).empty]
    return pd.concat(found, ignore_index=True) if found else frames.empty(COLUMNS)


def _evaluated(history: History, case: Case, decided: np.ndarray, target_s: float, days: float) -> pd.DataFrame:
    number = case.keyed.number
    codes = case.keyed.codes
    hit = case.concerned & history.ready
    times = percentiles.counts(hit, codes, number)
    spent = percentiles.means(case.spent[hit], codes[hit], number)
    saved = percentiles.means(case.saved[hit], codes[hit], number)
    kept = (times > 0) & (spent >= SLOW_S) & (np.isnan(saved) | (saved >= NOISE_S))
    if not kept.any():
        return frames.empty(COLUMNS)
    rows = history.ready & kept[codes]
    predicted = ~np.isnan(saved)
    lost = np.where(hit, np.nan_to_num(case.saved), 0.0)
    before = history.total[rows]
    p50, p95 = percentiles.grouped(before, codes[rows], number, (0.5, 0.95))
    p50_after, p95_after = percentiles.grouped(before - lost[rows], codes[rows], number, (0.5, 0.95))
    known = percentiles.counts(decided, codes, number)
    usd = history.usd_per_hour[hit] * case.paid[hit] / 3600
    told = [case.told(int(subject)) if keep else Told("", 0, "") for subject, keep in enumerate(kept)]
    found = pd.DataFrame(
        {
            "lever": case.lever,
            "phase_group": case.phase_group,
            "cluster": case.keyed.parts[0],
            "subject_kind": case.subject_kind,
            "subject": [one.subject for one in told],
            "pool": [one.pool for one in told],
            "starts": times,
            "of": percentiles.counts(history.ready, codes, number),
            "seconds_spent_mean": spent,
            "seconds_saved_mean": saved,
            "seconds_saved_per_day": saved * times / days,
            "total_p50_before": p50,
            "total_p50_after": np.where(predicted, p50_after, np.nan),
            "total_p95_before": p95,
            "total_p95_after": np.where(predicted, p95_after, np.nan),
            "in_target_before": _share(history.ready & (history.total <= target_s), codes, known),
            "in_target_after": np.where(
                predicted, _share(history.ready & (history.total - lost <= target_s), codes, known), np.nan
            ),
            "usd_saved_per_day": percentiles.sums(usd, codes[hit], number) / days,
            "usd_cost_per_day": [one.usd_cost_per_day for one in told],
            "unpriced": percentiles.counts(hit & np.isnan(history.usd_per_hour), codes, number),
            "n": [one.n for one in told],
            "basis": [one.basis for one in told],
            "action": [one.action for one in told],
            "params": pd.Series([one.params for one in told], dtype="object"),
        }
    )
    return frames.conform(found[kept], COLUMNS)


def _share(chosen: np.ndarray, codes: np.ndarray, known: np.ndarray) -> np.ndarray:
    return percentiles.shares(percentiles.counts(chosen, codes, len(known)), known)
