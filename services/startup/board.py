"""The figures of the Startup page: how long starts take, where the time goes, and which starts were slowest."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import pandas as pd

from services.domain import frames
from services.domain.scope import Scope
from services.domain.startup import changes, groups, summary
from services.domain.startup.changes import WORKLOAD
from services.domain.startup.frame import STARTS
from services.domain.startup.imagenames import canonicals, short
from services.domain.startup.summary import Totals
from services.ports import Sources
from services.reading import Reading
from services.startup.read import TARGET_S, Recorded, recorded

T = TypeVar("T")

SPLITS: Mapping[str, tuple[str, ...]] = {
    "pool": ("cluster", "pool"),
    "workload": tuple(WORKLOAD),
    "image": ("cluster", "image"),
    "node type": ("cluster", "instance"),
}
"""What phases can be shown by, and the columns of starts that tell it apart; the last one names it."""

SPLIT = {"name": "str", "ready": "int64", "mean_s": "float64", **{f"{name}_s": "float64" for name in groups.GROUPS}}
"""Mean seconds of ready starts by phase group; they sum to ``mean_s``. Longest first. "" names what is not known."""

EVERY = {
    "1h": timedelta(minutes=5),
    "6h": timedelta(minutes=30),
    "24h": timedelta(hours=1),
    "7d": timedelta(hours=6),
    "30d": timedelta(days=1),
}
"""How long each point of a trend is, by range: 12 to 30 of them."""

LISTED = ("image_bytes", "usd_per_hour", "attempt", "recorded_at", *(groups.column(phase) for phase in groups.GROUP_OF))
ROWS = {name: dtype for name, dtype in STARTS.items() if name not in LISTED} | {
    **{f"{name}_s": "float64" for name in groups.GROUPS},
    "served": "str",
    "mostly": "str",
}
"""Starts as tables show them: phases in groups, ``served`` is one of summary.SERVED, ``mostly`` the longest group."""

MOST_BARS = 10
MOST_SLOW = 50
MOST_LISTED = 500
MOST_CHANGES = 20


@dataclass(frozen=True)
class Board:
    """Frames as their functions say; ``splits`` by a key of :data:`SPLITS`.

    ``slowest`` of those that became ready, ``unready`` of all others, and ``newest`` are :data:`ROWS`, at most 50, 50
    and 500; the first two longest first. The scope has ``totals.number`` starts.
    ``changes``: the newest of :data:`services.domain.startup.changes.CHANGES`. ``workloads``: all "namespace/name".
    """

    totals: Totals
    trend: pd.DataFrame
    histogram: pd.DataFrame
    splits: Mapping[str, pd.DataFrame]
    slowest: pd.DataFrame
    unready: pd.DataFrame
    newest: pd.DataFrame
    changes: pd.DataFrame
    workloads: tuple[str, ...]
    since: datetime


def totals(sources: Sources, scope: Scope) -> Reading[Totals]:
    """Headline figures of the scope."""
    return derived(sources, ("startup totals", scope), scope, lambda found: summary.totals(found.starts, TARGET_S))


def board(sources: Sources, scope: Scope, workload: str = "") -> Reading[Board]:
    """The figures of the scope; of one workload ("namespace/name") if it is named."""
    return derived(sources, ("startup board", scope, workload), scope, lambda found: _board(found, scope, workload))


def listed(sources: Sources, scope: Scope, workload: str = "") -> pd.DataFrame:
    """All starts of the scope by :data:`ROWS`, newest first; none while the record cannot be read."""
    found = recorded(sources, scope).value
    return frames.empty(ROWS) if found is None else rows(of_workload(found.starts, workload)[::-1])


def derived(sources: Sources, key: Hashable, scope: Scope, build: Callable[[Recorded], T]) -> Reading[T]:
    """Something worked out from the recorded starts of a scope, once for as long as they are the same."""
    found = recorded(sources, scope)
    if found.value is None:
        return Reading(None, found.as_of, found.problem, found.absence, found.notes)
    known = found.value
    value = sources.memo.get(key, (known.begin, known.end), lambda: build(known))
    return Reading(value, found.as_of, found.problem, found.absence, found.notes)


def of_workload(starts: pd.DataFrame, workload: str) -> pd.DataFrame:
    """Starts of one workload, "namespace/name"; of all when it is ""."""
    return starts[named(starts).eq(workload)] if workload else starts


def named(starts: pd.DataFrame) -> pd.Series:
    """The workload of each start as "namespace/name"."""
    return starts["namespace"] + "/" + starts["workload"]


def rows(starts: pd.DataFrame) -> pd.DataFrame:
    """Starts as tables show them, by :data:`ROWS`."""
    if starts.empty:
        return frames.empty(ROWS)
    spent = pd.DataFrame(
        {f"{name}_s": groups.seconds(starts, group.phases) for name, group in groups.GROUPS.items()}, index=starts.index
    )
    titles = {f"{name}_s": group.title for name, group in groups.GROUPS.items()}
    served = pd.Series("unknown", index=starts.index, dtype="str")
    for how, chosen in summary.served(starts).items():
        served = served.mask(chosen, how)
    return frames.conform(
        starts.drop(columns=list(LISTED)).join(spent).assign(served=served, mostly=spent.idxmax(axis=1).map(titles)),
        ROWS,
    )


def _board(found: Recorded, scope: Scope, workload: str) -> Board:
    starts = of_workload(found.starts, workload)
    ready = summary.is_ready(starts)
    return Board(
        totals=summary.totals(starts, TARGET_S),
        trend=summary.trend(starts, EVERY[scope.range], TARGET_S),
        histogram=summary.histogram(starts, TARGET_S),
        splits={name: _split(starts, keys) for name, keys in SPLITS.items()},
        slowest=_slowest(starts[ready]),
        unready=_slowest(starts[~ready & ~summary.is_completed(starts)]),
        newest=rows(starts.iloc[: -MOST_LISTED - 1 : -1]),
        changes=changes.of(starts).tail(MOST_CHANGES).reset_index(drop=True),
        workloads=tuple(sorted(named(found.starts).unique())),
        since=found.since,
    )


def _slowest(starts: pd.DataFrame) -> pd.DataFrame:
    slow = starts["total_s"].sort_values(ascending=False, kind="stable").index[:MOST_SLOW]
    return rows(starts.loc[slow])


def _split(starts: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """Frame :data:`SPLIT` of those that most seconds were spent in."""
    known = starts.assign(image=canonicals(starts["image"])) if "image" in keys else starts
    found = summary.by(known, keys, TARGET_S)
    found = found[found["ready"] > 0]
    spent = (found["mean_s"] * found["ready"]).sort_values(ascending=False, kind="stable")
    found = found.loc[spent.index[:MOST_BARS]].sort_values("mean_s", ascending=False, kind="stable")
    return frames.conform(found.assign(name=_names(found, keys)), SPLIT)


def _names(found: pd.DataFrame, keys: tuple[str, ...]) -> pd.Series:
    """The last key, with as much of the others as tells the rows apart."""
    whole = found[keys[-1]]
    name = whole.map(short).astype("str") if keys[-1] == "image" else whole
    name = name.where(~name.duplicated(keep=False), whole)
    for key in ("namespace", "workload_kind", "cluster"):
        twice = name.duplicated(keep=False)
        if key in keys and twice.any():
            name = name.where(~twice, name + " · " + found[key])
    return name
