"""When a workload's starts changed: another image, another ask for GPUs, a pool it had not been in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from services.domain import frames

WORKLOAD = ["cluster", "namespace", "workload_kind", "workload"]
"""What names a workload in a frame of starts."""

CHANGES = {
    "cluster": "str",
    "namespace": "str",
    "workload_kind": "str",
    "workload": "str",
    "team": "str",
    "what": "str",  # one of WHAT
    "before": "str",
    "after": "str",
    "at": "datetime64[us, UTC]",  # creation of the first start with it
    "since": "datetime64[us, UTC]",  # when ``before`` had come; NaT when it was there from the first recorded start
}
"""One row per change, oldest first."""

WHAT = ("image", "resource", "pool")
"""image     the main container's image is another
resource  the pod asks for other GPUs, or another number of them
pool      a node pool in which the workload had not started before, as far as is recorded
"""


@dataclass(frozen=True)
class Made:
    """The changes of one kind, as rows of the frame of starts, by workload and time.

    ``value`` is the number of what each start of the frame had among ``labels``; "" stands for not known: a pod without
    a node has no pool. ``rows`` are the first starts with each change, ``before`` the value they replaced and ``since``
    the row it had come with, −1 when it was there from the first recorded start.
    """

    what: str
    value: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    before: np.ndarray
    since: np.ndarray


def of(starts: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`CHANGES` of recorded starts; see :func:`made` for what counts."""
    if starts.empty:
        return frames.empty(CHANGES)
    codes, _ = frames.keyed(*(starts[key] for key in WORKLOAD))
    whole = pd.concat([_frame(starts, one) for one in made(starts, codes)], ignore_index=True)
    return frames.conform(whole.sort_values(["at", *WORKLOAD], kind="stable"), CHANGES)


def made(starts: pd.DataFrame, workloads: np.ndarray, until: datetime | None = None) -> Sequence[Made]:
    """The changes of every kind of :data:`WHAT` among starts up to ``until``; ``workloads`` numbers each start's.

    While a change rolls out, pods of the old kind may still be replaced. A value not seen before is a change at once;
    one that comes back is a change when the workload's next start has it too. A workload in several pools moves between
    them all the time, so a pool counts only the first time.
    """
    created = starts["created_at"].astype("int64").to_numpy()
    counted = (
        np.ones(len(starts), dtype=bool) if until is None else (starts["created_at"] <= until).to_numpy(dtype=bool)
    )
    return [_made(what, *values(starts, what), created, workloads, counted) for what in WHAT]


def values(starts: pd.DataFrame, what: str) -> tuple[np.ndarray, np.ndarray]:
    """What each start had of one of :data:`WHAT`: its number, and the labels these numbers stand for."""
    if what != "resource":
        codes, (labels,) = frames.keyed(starts[what])
        return codes, labels
    codes, (gpus, resources) = frames.keyed(starts["gpus"], starts["resource"])
    return codes, np.array(
        [f"{number:g} × {name}" if name else "" for number, name in zip(gpus, resources, strict=True)], dtype=object
    )


def _made(
    what: str, value: np.ndarray, labels: np.ndarray, created: np.ndarray, workloads: np.ndarray, counted: np.ndarray
) -> Made:
    rows = np.flatnonzero(counted & (labels != "")[value])
    rows = rows[np.lexsort((created[rows], workloads[rows]))]
    mine, had = workloads[rows], value[rows]
    new = np.zeros(len(rows), dtype=bool)
    new[np.unique(mine * (len(labels) + 1) + had, return_index=True)[1]] = True
    if what == "pool":
        candidates = new
    else:
        stays = np.append((mine[1:] == mine[:-1]) & (had[1:] == had[:-1]), values=False)
        candidates = new | (_differs(mine, had) & stays)
    rows, mine, had = rows[candidates], mine[candidates], had[candidates]
    kept = _differs(mine, had)
    rows, mine, had = rows[kept], mine[kept], had[kept]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = mine[1:] != mine[:-1]
    # What a workload began with in the recorded past did not come then: it was there.
    came = np.where(first, -1, rows)
    later = np.flatnonzero(~first)
    return Made(what, value, labels, rows[later], had[later - 1], came[later - 1])


def _differs(mine: np.ndarray, had: np.ndarray) -> np.ndarray:
    """Whether each start differs from the one before it; the first of a workload does."""
    found = np.ones(len(mine), dtype=bool)
    found[1:] = (mine[1:] != mine[:-1]) | (had[1:] != had[:-1])
    return found


def _frame(starts: pd.DataFrame, one: Made) -> pd.DataFrame:
    rows = starts.iloc[one.rows]
    since = starts["created_at"].iloc[np.maximum(one.since, 0)].reset_index(drop=True)
    found = rows[[*WORKLOAD, "team"]].reset_index(drop=True)
    return frames.conform(
        found.assign(
            what=one.what,
            before=one.labels[one.before],
            after=one.labels[one.value[one.rows]],
            at=rows["created_at"].reset_index(drop=True),
            since=since.where(one.since >= 0),
        ),
        CHANGES,
    )
