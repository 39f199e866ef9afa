"""Workloads that start slower since something about them changed: another image, other GPUs, another pool.

Like is compared with like. A start is only compared with starts of the same workload that differ in nothing but the
change: the same image, pool and ask for GPUs (but for the one that changed), both cold or both warm, and both with the
image on the node or both without. So the pulls that follow every new image, or a day with many new nodes, are no
regression by themselves. What changed in the same start changed together and is named together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.startup import Pulled, changes, percentiles
from services.domain.startup.changes import WORKLOAD, Made
from services.domain.startup.groups import GROUPS, seconds
from services.domain.startup.imagenames import short
from services.domain.startup.summary import is_timed

TAIL = 20
"""Of fewer starts the 95th percentile lies between the two slowest, so the median must tell the same story."""

REGRESSIONS = {
    "cluster": "str",
    "namespace": "str",
    "workload_kind": "str",
    "workload": "str",
    "team": "str",
    "at": "datetime64[us, UTC]",  # creation of the first start with the change
    "change": "str",  # in words: "image vllm:1 → vllm:2"
    "before": "str",  # of the change named first, in full
    "after": "str",
    "compared": "str",  # which starts: "cold starts that fetched the image"
    "n_before": "int64",
    "n_after": "int64",
    "p50_before_s": "float64",
    "p50_after_s": "float64",
    "p95_before_s": "float64",
    "p95_after_s": "float64",
    "rise": "float64",  # of the 95th percentile: 0.25 is a quarter more
    "phase_group": "str",  # of GROUPS, the one whose mean grew most
    "phase_group_s": "float64",  # by so much
}
"""One row per workload, the largest rise in seconds first. Of ready starts."""

_NEVER = np.iinfo("int64").max


@dataclass(frozen=True)
class _Latest:
    """The latest change of one kind, by workload: when it came and what it changed; −1 without one."""

    made: Made
    begun: np.ndarray  # µs; _NEVER without a change
    since: np.ndarray  # µs
    before: np.ndarray
    after: np.ndarray


def regressions(starts: pd.DataFrame, *, share: float = 0.2, minimum: int = 5, now: datetime) -> pd.DataFrame:
    """Frame :data:`REGRESSIONS`: workloads whose p95 after their latest change is more than ``share`` above before.

    Of each of :data:`services.domain.startup.changes.WHAT` the latest change up to ``now`` counts; "before" reaches
    back to the one before it. Both sides need ``minimum`` starts. Where several kinds of starts of a workload became
    slower, the one that lost most seconds is told.
    """
    if starts.empty:
        return frames.empty(REGRESSIONS)
    codes, parts = frames.keyed(*(starts[key] for key in WORKLOAD))
    created = starts["created_at"].astype("int64").to_numpy()
    latest = [_latest(one, created, codes, len(parts[0])) for one in changes.made(starts, codes, now)]
    done = is_timed(starts) & (starts["created_at"] <= now).to_numpy(dtype=bool) & starts["cold"].notna().to_numpy()
    found = [_of_one(starts, done, codes, created, one, latest, minimum) for one in latest]
    whole = pd.concat(found, ignore_index=True)
    slower = whole["p95_after_s"] > whole["p95_before_s"] * (1 + share)
    few = whole[["n_before", "n_after"]].min(axis=1) < TAIL
    agreed = whole["p50_after_s"] > whole["p50_before_s"] * (1 + share)
    chosen = whole[slower & (agreed | ~few)]
    lost = chosen["p95_after_s"] - chosen["p95_before_s"]
    order = chosen.assign(lost=lost).sort_values("lost", ascending=False, kind="stable")
    return frames.conform(order.drop_duplicates(WORKLOAD), REGRESSIONS)


def _latest(made: Made, created: np.ndarray, codes: np.ndarray, number: int) -> _Latest:
    at, since = np.full(number, _NEVER), np.zeros(number, dtype="int64")
    before, after = np.full(number, -1), np.full(number, -1)
    mine = codes[made.rows]
    # Rows are by workload and time, so of several changes of one workload the last one stays.
    at[mine], before[mine], after[mine] = created[made.rows], made.before, made.value[made.rows]
    since[mine] = np.where(made.since >= 0, created[made.since], 0)
    return _Latest(made, at, since, before, after)


def _of_one(
    starts: pd.DataFrame,
    done: np.ndarray,
    codes: np.ndarray,
    created: np.ndarray,
    one: _Latest,
    latest: Sequence[_Latest],
    minimum: int,
) -> pd.DataFrame:
    """Both sides of the latest change of one kind, by workload and by what its starts have in common."""
    value = one.made.value
    later = created >= one.begun[codes]
    is_after = done & later & (value == one.after[codes])
    is_before = done & ~later & (created >= one.since[codes]) & (value == one.before[codes])
    rows = np.flatnonzero(is_after | is_before)
    if not len(rows):
        return frames.empty(REGRESSIONS)
    mine = codes[rows]
    others = [other for other in latest if other is not one]
    together = [(other.begun == one.begun) & (one.begun < _NEVER) for other in others]
    cold = starts["cold"].fillna(False).to_numpy(dtype=bool)[rows]
    how = _fetched(starts["pull"])[rows]
    same = [np.where(both[mine], -1, other.made.value[rows]) for other, both in zip(others, together, strict=True)]
    strata, _ = frames.keyed(*map(pd.Series, [mine, cold, how, *same]))
    first = np.unique(strata, return_index=True)[1]
    figures = _figures(starts, rows, strata, is_after[rows], len(first))
    enough = np.flatnonzero((figures["n_before"] >= minimum) & (figures["n_after"] >= minimum))
    if not len(enough):
        return frames.empty(REGRESSIONS)
    place = first[enough]
    said = [
        ", ".join(
            [
                _words(one, code),
                *(_words(other, code) for other, both in zip(others, together, strict=True) if both[code]),
            ]
        )
        for code in mine[place]
    ]
    found = starts.iloc[rows[place]][[*WORKLOAD, "team"]].reset_index(drop=True)
    found = found.assign(**{name: figure[enough] for name, figure in figures.items()})
    return frames.conform(
        found.assign(
            at=pd.to_datetime(one.begun[mine[place]], unit="us", utc=True),
            change=said,
            before=one.made.labels[one.before[mine[place]]],
            after=one.made.labels[one.after[mine[place]]],
            compared=[
                f"{'cold' if is_cold else 'warm'} starts{_FETCHED[kind]}"
                for is_cold, kind in zip(cold[place], how[place], strict=True)
            ],
            rise=found["p95_after_s"] / found["p95_before_s"].where(found["p95_before_s"] > 0) - 1,
        ),
        REGRESSIONS,
    )


_FETCHED = ("", " that fetched the image", " that found the image on the node")


def _fetched(pull: pd.Series) -> np.ndarray:
    """How starts came to their image, as places in :data:`_FETCHED`; lazily read images are fetched too."""
    fetched = pull.isin([Pulled.PULLED, Pulled.STREAMED]).to_numpy(dtype=bool)
    found = pull.isin([Pulled.CACHED, Pulled.REVALIDATED]).to_numpy(dtype=bool)
    return np.where(fetched, 1, np.where(found, 2, 0))


def _words(one: _Latest, code: int) -> str:
    """The latest change of a workload in words: "image vllm:1 → vllm:2"."""
    before, after = (str(one.made.labels[value[code]]) for value in (one.before, one.after))
    if one.made.what == "image":
        before, after = short(before), short(after)
    return f"{one.made.what} {before} → {after}"


def _figures(
    starts: pd.DataFrame, rows: np.ndarray, strata: np.ndarray, is_after: np.ndarray, number: int
) -> dict[str, np.ndarray]:
    """Of every kind of starts: numbers and percentiles of both sides, and the group that grew most."""
    total = starts["total_s"].to_numpy(dtype="float64")[rows]
    found: dict[str, np.ndarray] = {}
    for side, chosen in {"before": ~is_after, "after": is_after}.items():
        found[f"n_{side}"] = percentiles.counts(chosen, strata, number)
        p50, p95 = percentiles.grouped(total[chosen], strata[chosen], number, (0.5, 0.95))
        found[f"p50_{side}_s"], found[f"p95_{side}_s"] = p50, p95
    growth = np.empty((number, len(GROUPS)))
    for place, group in enumerate(GROUPS.values()):
        spent = seconds(starts, group.phases)[rows]
        after = percentiles.means(spent[is_after], strata[is_after], number)
        growth[:, place] = after - percentiles.means(spent[~is_after], strata[~is_after], number)
    # Without one side there is no growth, and the row is left out for its numbers.
    most = np.argmax(np.nan_to_num(growth), axis=1)
    found["phase_group"] = np.array(list(GROUPS), dtype=object)[most]
    found["phase_group_s"] = growth[np.arange(number), most]
    return found
