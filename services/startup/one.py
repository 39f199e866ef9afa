"""One start: what its time went to, what the cluster said meanwhile, and how others of its workload did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.scope import Sight
from services.domain.startup import Phase, Span, groups, summary
from services.domain.startup.frame import PULLS, told
from services.domain.startup.groups import GROUP_OF, GROUPS
from services.domain.startup.trace import EventSeen
from services.errors import SourceUnavailable
from services.ports import ReadUnit, Sources
from services.reading import Absence, Problem, Reading

TITLES: Mapping[Phase, str] = {
    Phase.QUEUE: "Held in a queue",
    Phase.WAIT: "Waiting for room",
    Phase.DECISION: "Autoscaler decides",
    Phase.PROVISION: "Node provisioning",
    Phase.BOOT: "Node boot",
    Phase.DEVICE: "GPU device",
    Phase.BIND: "Binding",
    Phase.VOLUME: "Volumes",
    Phase.SETUP: "Pod setup",
    Phase.PULL_WAIT: "Waiting for other pulls",
    Phase.PULL: "Image pull",
    Phase.INIT: "Init",
    Phase.DOWNLOAD: "Model download",
    Phase.START: "Container start",
    Phase.RETRY: "Restarts",
    Phase.LOAD: "Model load",
    Phase.READINESS: "Readiness",
    Phase.UNATTRIBUTED: "Unattributed",
}
"""Every phase for people."""

SPANS = {
    "title": "str",
    "container": "str",  # "" where the pod as a whole is meant
    "from_s": "float64",  # from the pod's creation
    "to_s": "float64",
    "seconds": "float64",
    "source": "str",  # the evidence
    "confidence": "str",
    "note": "str",
    "group": "str",  # a key of GROUPS
    "beside": "bool",  # it overlapped with what was waited for
}
"""What was waited for, without gaps from creation to the end, and then what ran beside it."""

EVENTS = {
    "at": "datetime64[us, UTC]",
    "after_s": "float64",  # after the pod's creation
    "reason": "str",
    "message": "str",
    "count": "int64",
    "type": "str",
    "container": "str",
    "component": "str",
}
"""Events of the pod, oldest first."""

COMPARED = {
    "title": "str",
    "this_s": "float64",
    "median_s": "float64",  # NaN without a ready start of the workload, like all of "best"
    "best_s": "float64",
    "more_s": "float64",  # this less the median
}
"""By phase group, those that took time in any of the three, and the whole last.

Medians of groups do not sum to the median of the whole; ``best_s`` is one start, the fastest of the workload.
"""
WHOLE = "Whole start"
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class One:
    """A start; ``row`` is its row of :data:`services.domain.startup.frame.STARTS` with ``served`` of summary.SERVED.

    ``others`` ready starts of its workload are compared with, ``cold`` of them cold; this one is among them if it is.
    """

    row: Mapping[str, Any]
    spans: pd.DataFrame
    events: pd.DataFrame
    pulls: pd.DataFrame
    compared: pd.DataFrame
    others: int
    cold: int


def one(sources: Sources, sees: Sight, cluster: str, uid: str) -> Reading[One]:
    """One recorded start; no value, and nothing wrong, when there is none or it may not be seen."""
    if sources.work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    if cluster not in sources.clusters:
        return Reading(None, as_of=sources.now())
    try:
        with sources.work.reading() as unit:
            value = _one(unit, sees, cluster, uid)
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))
    return Reading(value, as_of=sources.now())


def _one(unit: ReadUnit, sees: Sight, cluster: str, uid: str) -> One | None:
    found = sees.seen(unit.starts.row(cluster, uid))
    if found.empty:
        return None
    row: dict[str, Any] = {str(name): value for name, value in found.iloc[0].items()}
    row["served"] = next(how for how, chosen in summary.served(found).items() if chosen[0])
    created = row["created_at"].to_pydatetime()
    spans, events = _told(unit.starts.detail(cluster, uid), created)
    pulls = unit.starts.pulls(created, created + _MICROSECOND, (cluster,))
    same = sees.seen(unit.starts.of(cluster, row["namespace"], row["workload"]))
    same = same[same["workload_kind"].eq(row["workload_kind"]).to_numpy() & summary.is_timed(same)]
    return One(
        row=row,
        spans=spans,
        events=events,
        pulls=frames.conform(pulls[pulls["uid"].eq(uid)], PULLS),
        compared=_compared(found, same),
        others=len(same),
        cold=int(summary.served(same)["cold"].sum()),
    )


def _told(detail: Mapping[str, Any] | None, created: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Spans and events of a start; none where its detail is not there or was written by another version."""
    if detail is None:
        return frames.empty(SPANS), frames.empty(EVENTS)
    try:
        trace, main, beside = told(detail)
    except (KeyError, msgspec.ValidationError):
        return frames.empty(SPANS), frames.empty(EVENTS)
    return _spans(created, main, beside), _events(created, trace.events)


def _spans(created: datetime, main: Sequence[Span], beside: Sequence[Span]) -> pd.DataFrame:
    rows = [
        (
            TITLES[span.phase],
            span.container,
            (span.begin - created).total_seconds(),
            (span.end - created).total_seconds(),
            span.seconds,
            span.source,
            span.confidence.value,
            span.note,
            GROUP_OF[span.phase],
            apart,
        )
        for spans, apart in ((main, False), (sorted(beside, key=lambda each: each.begin), True))
        for span in spans
    ]
    return frames.table(SPANS, rows)


def _events(created: datetime, events: Sequence[EventSeen]) -> pd.DataFrame:
    rows = [
        (
            seen.first,
            (seen.first - created).total_seconds(),
            seen.reason,
            seen.message,
            seen.count,
            seen.type,
            seen.container,
            seen.component,
        )
        for seen in sorted(events, key=lambda each: each.first)
    ]
    return frames.table(EVENTS, rows)


def _compared(this: pd.DataFrame, same: pd.DataFrame) -> pd.DataFrame:
    best = same[same["total_s"].eq(same["total_s"].min())].head(1)
    rows = []
    for group in GROUPS.values():
        values = [_median(groups.seconds(each, group.phases)) for each in (this, same, best)]
        if any(value > 0 for value in values):
            rows.append((group.title, *values, values[0] - values[1]))
    whole = [_median(each["total_s"].to_numpy(dtype="float64")) for each in (this, same, best)]
    return frames.table(COMPARED, [*rows, (WHOLE, *whole, whole[0] - whole[1])])


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")
