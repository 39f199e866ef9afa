"""Recorded starts: what is kept of each, and the columns of frames of many."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from services.domain.startup import STARTUP_RECORD_VERSION, Outcome, Phase, Pull, Pulled, Span, Start
from services.domain.startup.trace import ContainerSeen, NodeSeen, Trace

STARTS = {
    "cluster": "str",
    "namespace": "str",
    "workload_kind": "str",
    "workload": "str",
    "team": "str",
    "pod": "str",
    "uid": "str",
    "attempt": "str",
    "node": "str",
    "pool": "str",
    "zone": "str",
    "model": "str",
    "instance": "str",
    "capacity_type": "str",
    "resource": "str",
    "gpus": "float64",
    "created_at": "datetime64[us, UTC]",
    "scheduled_at": "datetime64[us, UTC]",
    "ended_at": "datetime64[us, UTC]",
    "outcome": "str",
    "total_s": "float64",
    "cold": "boolean",
    "headroom": "boolean",
    "image": "str",
    "image_bytes": "float64",
    "pull": "str",
    **{f"{phase}_s": "float64" for phase in Phase},
    "usd": "float64",
    "usd_per_hour": "float64",
    "restarts": "int64",
    "flags": "str",
    "reason": "str",
    "recorded_at": "datetime64[us, UTC]",
}
"""Starts, one row per pod; (cluster, uid) identifies it. Unknown names are "", unknown instants NaT.

``gpus``: units of ``resource`` asked for. ``ended_at`` and ``total_s`` of a start under way are as of when it was last
looked at. ``cold`` and ``headroom`` (it took a placeholder's or a buffer's room) are NA where they are not known.
``image``, ``image_bytes`` and ``pull`` are of the main container that was ready last; the size is NaN where nobody
said it. ``<phase>_s``: seconds of every :class:`services.domain.startup.Phase`; they sum to ``total_s``. ``usd``: what
the GPUs cost until the start ended, NaN without a price. ``flags`` are joined by ",". ``recorded_at``: when the row was
last changed.
"""

PULLS = {
    "cluster": "str",
    "uid": "str",
    "node": "str",
    "pool": "str",
    "zone": "str",
    "container": "str",
    "image": "str",
    "registry": "str",
    "how": "str",
    "at": "datetime64[us, UTC]",
    "seconds": "float64",
    "waiting_s": "float64",
    "size_bytes": "float64",
}
"""How containers came to their images, one row per container of a start. NaN and NaT: nobody said."""


@dataclass(frozen=True)
class StartRecord:
    """What is kept of a start: the row of :data:`STARTS` and the rest of it.

    Phases that ``seconds`` does not name took no time. ``detail`` is JSON for the page of the one start, see
    :func:`document`. Instants carry their zone.
    """

    uid: str
    namespace: str
    pod: str
    created_at: datetime
    ended_at: datetime
    outcome: Outcome
    total_s: float
    seconds: Mapping[Phase, float]
    workload_kind: str = ""
    workload: str = ""
    team: str = ""
    attempt: str = ""
    node: str = ""
    pool: str = ""
    zone: str = ""
    model: str = ""
    instance: str = ""
    capacity_type: str = ""
    resource: str = ""
    gpus: float = 0.0
    scheduled_at: datetime | None = None
    cold: bool | None = None
    headroom: bool | None = None
    image: str = ""
    image_bytes: int | None = None
    pull: Pulled = Pulled.UNKNOWN
    usd: float | None = None
    usd_per_hour: float | None = None
    restarts: int = 0
    flags: frozenset[str] = frozenset()
    reason: str = ""
    pulls: tuple[Pull, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(
    trace: Trace,
    start: Start,
    *,
    headroom: bool | None = None,
    usd: float | None = None,
    usd_per_hour: float | None = None,
) -> StartRecord:
    """What is kept of a start; ``start`` is what ``trace`` says."""
    node = trace.node or NodeSeen(name="")
    main = _slowest(trace, start)
    pull = next((each for each in start.pulls if main is not None and each.container == main.name), None)
    return StartRecord(
        uid=trace.uid,
        namespace=trace.namespace,
        pod=trace.pod,
        created_at=start.created,
        ended_at=start.ended,
        outcome=start.outcome,
        total_s=start.total_s,
        seconds=start.seconds(),
        workload_kind=trace.workload_kind,
        workload=trace.workload,
        team=trace.team,
        attempt=trace.attempt,
        node=node.name,
        pool=node.pool,
        zone=node.zone,
        model=node.model,
        instance=node.instance,
        capacity_type=node.capacity_type,
        resource=trace.resource,
        gpus=trace.gpus,
        scheduled_at=start.scheduled,
        cold=start.cold,
        headroom=headroom,
        image=main.image if main is not None else "",
        image_bytes=None if pull is None else pull.size_bytes,
        pull=Pulled.UNKNOWN if pull is None else pull.how,
        usd=usd,
        usd_per_hour=usd_per_hour,
        restarts=start.restarts,
        flags=start.flags,
        reason=start.reason,
        pulls=start.pulls,
        detail=document(trace, start),
    )


def document(trace: Trace, start: Start) -> dict[str, Any]:
    """A start in full as JSON: "spans", "beside", "events" and the rest of the "trace"; instants are ISO text."""
    seen = msgspec.to_builtins(trace)
    return {
        "schema": STARTUP_RECORD_VERSION,
        "spans": msgspec.to_builtins(start.spans),
        "beside": msgspec.to_builtins(start.beside),
        "events": seen.pop("events", []),
        "trace": seen,
    }


def told(detail: Mapping[str, Any]) -> tuple[Trace, tuple[Span, ...], tuple[Span, ...]]:
    """The trace, the spans and what ran beside them, from what :func:`document` wrote."""
    trace = msgspec.convert({**detail["trace"], "events": detail["events"]}, Trace)
    spans, beside = (msgspec.convert(detail[name], tuple[Span, ...]) for name in ("spans", "beside"))
    return trace, spans, beside


def _slowest(trace: Trace, start: Start) -> ContainerSeen | None:
    """The main container on whose behalf the last span was; the first one where no span names any."""
    mains = {each.name: each for each in trace.containers if each.role == "main"}
    named = (mains[span.container] for span in reversed(start.spans) if span.container in mains)
    return next(named, next(iter(mains.values()), None))
