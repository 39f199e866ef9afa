"""Traces from pods and their events, one look at a time.

What was seen is merged by its own time, so looks may come in any order and any number of times: of times the first
counts, of runs of a container the latest. Only what has no time (why a container waits, what the scheduler says) is
that of the look that came last.

A trace is closed by the first Ready: what is dated later is left out, what is dated earlier and comes late still
counts. A look at a pod is dated by the last change of its Ready condition.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from services.domain import allocation
from services.domain.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    Event,
    Pod,
    Terminated,
)
from services.domain.startup import SKEW_S, events
from services.domain.startup.nodes import earliest
from services.domain.startup.trace import FIRST_EVENT_LIMIT, ContainerSeen, EventSeen, NodeSeen, Trace

LONGEST = 512
"""Characters kept of a text from the cluster."""
MOST_VICTIMS = 64
_SKEW = timedelta(seconds=SKEW_S)
_KEPT = frozenset(
    {"PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready", "DisruptionTarget"}
)
_ORDER = ("", "Unknown", "Pending", "Running", "Failed", "Succeeded")
_ENDED = ", exit code "
_ORDINALS = ("apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index")


def clip(text: str | None) -> str:
    """A text from the cluster on one line, not longer than :data:`LONGEST`."""
    line = " ".join((text or "").split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def units(pod: Pod) -> dict[str, float]:
    """GPU units the pod asks for, by resource; what it asks for through resource claims has no number and counts 0."""
    asked = allocation.gpu_units(pod.spec.containers, pod.spec.init_containers or ())
    return asked or ({"resource claim": 0.0} if pod.spec.resource_claims else {})


def first_look(cluster: str, pod: Pod, created: datetime, at: datetime, owner: tuple[str, str, str]) -> Trace:
    """The trace of a pod that is new to us, before anything is read from its status.

    ``owner``: kind and name of its workload, and its team.
    """
    meta, asked = pod.metadata, units(pod)
    init = [_container(one, "sidecar" if one.restart_policy == "Always" else "init") for one in _init(pod)]
    kind, workload, team = owner
    return Trace(
        cluster=cluster,
        namespace=meta.namespace,
        pod=meta.name,
        uid=meta.uid,
        created=created,
        seen=at,
        workload_kind=kind,
        workload=workload,
        attempt=_attempt(pod),
        team=team,
        resource=", ".join(sorted(asked)),
        gpus=sum(asked.values()),
        containers=(*init, *(_container(one, "main") for one in pod.spec.containers)),
    )


def pod_seen(known: Trace, pod: Pod, at: datetime) -> Trace:
    """The trace after a look at its pod."""
    closed = known.conditions.get("Ready")
    ready = _condition(pod, "Ready")
    turned = ready.last_transition_time if ready else None
    is_ready = ready is not None and ready.status == "True"
    if closed is not None and turned is not None and (turned > closed or (turned == closed and is_ready)):
        return known
    scheduled = _condition(pod, "PodScheduled")
    gated = bool(pod.spec.scheduling_gates) or (scheduled is not None and scheduled.reason == "SchedulingGated")
    statuses = {
        one.name: one for one in (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ()))
    }
    containers = tuple(
        _looked_at(one, statuses[one.name], at) if one.name in statuses else one for one in known.containers
    )
    # What ends while it is being deleted ends because of that.
    leaving, end = pod.metadata.deletion_timestamp is not None, _end(pod, at)
    phase = max(known.phase, pod.status.phase, key=_rank)
    found = msgspec.structs.replace(
        known,
        seen=min(known.seen, at),
        phase=phase,
        reason=_reason(pod) if phase == pod.status.phase else known.reason,
        conditions=_first_true(known.conditions, pod.status.conditions or ()),
        ready_exact=known.ready_exact and not _flapped(ready, containers),
        ungated=known.ungated if gated else earliest(known.ungated, at),
        gated=known.gated or gated,
        start_time=earliest(known.start_time, pod.status.start_time),
        deleted=earliest(known.deleted, pod.metadata.deletion_timestamp, end if leaving else None),
        ended=known.ended if leaving else earliest(known.ended, end),
        containers=containers,
        node=known.node or (NodeSeen(pod.spec.node_name) if pod.spec.node_name else None),
    )
    return settled(found)


def event_seen(event: Event) -> EventSeen | None:
    """An event of a pod as it is kept; None when it has no time."""
    when = events.times(event)
    if when is None:
        return None
    message = clip(event.message)
    return EventSeen(
        component=events.component(event),
        reason=event.reason or "",
        # A combined event stands for several containers, whichever its field path names.
        container="" if events.combined(message) else events.container(event),
        first=when[0],
        last=when[1],
        count=when[2],
        message=message,
        type=event.type or "Normal",
    )


def with_event(known: Trace, event: EventSeen) -> Trace:
    """The trace with one more event of its pod."""
    closed = known.conditions.get("Ready")
    if closed is not None and event.first > closed + _SKEW:
        return known
    kinds = {(one.component, one.reason, one.container): one for one in known.events}
    key = (event.component, event.reason, event.container)
    other = kinds.get(key)
    if other is not None and closed is not None and event.first >= other.first:
        return known
    kinds[key] = event if other is None else _together(other, event)
    if kinds[key] == other:
        return known
    ordered = sorted(kinds.values(), key=lambda one: (one.first, one.component, one.reason, one.container))
    return settled(msgspec.structs.replace(known, events=tuple(ordered[:FIRST_EVENT_LIMIT])))


def with_victims(known: Trace, victims: Iterable[str]) -> Trace:
    """The trace with pods ("namespace/name") that were preempted for it."""
    pods = tuple(sorted({*known.victim_pods, *victims})[:MOST_VICTIMS])
    return known if pods == known.victim_pods else msgspec.structs.replace(known, victims=len(pods), victim_pods=pods)


def gone(known: Trace, at: datetime) -> Trace:
    """The trace of a pod that is no more; one that was ready, or ended before, stays as it is."""
    if "Ready" in known.conditions or known.ended is not None:
        return known
    return msgspec.structs.replace(known, deleted=earliest(known.deleted, at))


def settled(found: Trace) -> Trace:
    """Without what is dated after the first Ready, and with what follows from the rest."""
    ready = found.conditions.get("Ready")
    containers = tuple(_settled(one, found.seen, ready) for one in found.containers)
    if ready is None:
        return msgspec.structs.replace(found, containers=containers)
    kept = tuple(
        one if one.last <= ready else msgspec.structs.replace(one, last=max(one.first, ready))
        for one in found.events
        if one.first <= ready + _SKEW
    )
    return msgspec.structs.replace(
        found, phase="Running", reason="", deleted=None, ended=None, containers=containers, events=kept
    )


def _settled(one: ContainerSeen, seen: datetime, ready: datetime | None) -> ContainerSeen:
    limit = None if ready is None else ready + _SKEW
    up = None if one.up and limit and one.up > limit else one.up
    at = None if one.ready and limit and one.ready > limit else one.ready
    # A container that started without a restart is over what kept it waiting.
    healed = one.restarts == 0 and (one.finished is not None or (one.started is not None and not _bad_end(one.said)))
    return msgspec.structs.replace(
        one,
        up=up,
        up_known=up is not None and seen < up,
        ready=at,
        waiting="" if healed or ready is not None else one.waiting,
        said="" if healed else one.said,
    )


def _looked_at(known: ContainerSeen, status: ContainerStatus, at: datetime) -> ContainerSeen:
    state, before = status.state, status.last_state
    running = state.running if state else None
    ended = state.terminated if state else None
    last = before.terminated if before else None
    runs = [one.started_at for one in (running, ended, last) if one is not None and one.started_at is not None]
    run = max(runs, default=None)
    finished = min(
        (one.finished_at for one in (ended, last) if one and one.exit_code == 0 and one.finished_at), default=None
    )
    latest = max((one for one in (known.started_last, run) if one is not None), default=None)
    known_up, known_ready = (known.up, known.ready) if known.started_last == latest else (None, None)
    this_run = running is not None and running.started_at == latest
    probed = known.has_startup_probe or known.role == "sidecar"
    waiting, said = _trouble(known, status, bad=next((one for one in (ended, last) if one and one.exit_code), None))
    return msgspec.structs.replace(
        known,
        started=earliest(known.started, *runs),
        started_last=latest,
        finished=earliest(known.finished, finished) if known.role == "init" else None,
        up=earliest(known_up, at) if this_run and status.started and probed else known_up,
        ready=earliest(known_ready, at) if this_run and status.ready and known.role == "main" else known_ready,
        restarts=max(known.restarts, status.restart_count),
        waiting=waiting,
        said=said,
    )


def _trouble(known: ContainerSeen, status: ContainerStatus, *, bad: Terminated | None) -> tuple[str, str]:
    """Why it does not run now, and how a run ended or else why it waits; an end says more than the waiting after it."""
    state = status.state or ContainerState()
    waits = state.waiting
    reason = (waits.reason or "") if waits else ""
    if state.terminated is not None and state.terminated.exit_code:
        reason = state.terminated.reason or "Error"
    if bad is not None:
        end = f"{bad.reason or 'Error'}{_ENDED}{bad.exit_code}"
        return reason, clip(f"{end}: {bad.message}" if bad.message else end)
    return reason, clip(waits.message) if waits and waits.message and not _bad_end(known.said) else known.said


def _bad_end(said: str) -> bool:
    return _ENDED in said


def _flapped(ready: Condition | None, containers: Iterable[ContainerSeen]) -> bool:
    """Whether it was Ready before: the condition is made False before any container starts.

    It turns False again only after it was True.
    """
    if ready is None or ready.status != "False" or ready.last_transition_time is None:
        return False
    started = [one.started for one in containers if one.started is not None]
    return bool(started) and ready.last_transition_time > min(started) + _SKEW


def _first_true(known: dict[str, datetime], conditions: Iterable[Condition]) -> dict[str, datetime]:
    found = dict(known)
    for one in conditions:
        at = one.last_transition_time
        if one.type in _KEPT and one.status == "True" and at is not None:
            found[one.type] = min(at, found.get(one.type, at))
    return dict(sorted(found.items()))


def _end(pod: Pod, at: datetime) -> datetime | None:
    if pod.status.phase not in ("Failed", "Succeeded"):
        return None
    ends = [
        status.state.terminated.finished_at
        for status in (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ()))
        if status.state and status.state.terminated
    ]
    return max((one for one in ends if one is not None), default=at)


def _reason(pod: Pod) -> str:
    """Why it is not ready, as far as the pod itself says."""
    status = pod.status
    if status.reason:
        return clip(f"{status.reason}: {status.message}" if status.message else status.reason)
    target = _condition(pod, "DisruptionTarget")
    if target is not None and target.status == "True":
        return clip(f"{target.reason}: {target.message}" if target.message else target.reason)
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.status == "False" and scheduled.reason:
        return clip(f"{scheduled.reason}: {scheduled.message}" if scheduled.message else scheduled.reason)
    return ""


def _condition(pod: Pod, name: str) -> Condition | None:
    return next((one for one in pod.status.conditions or () if one.type == name), None)


def _rank(phase: str) -> int:
    return _ORDER.index(phase) if phase in _ORDER else 0


def _together(one: EventSeen, other: EventSeen) -> EventSeen:
    """Two looks at the same kind of event: a text that was combined says so for good."""
    first = min((one, other), key=lambda seen: (not events.combined(seen.message), seen.first, seen.message))
    return msgspec.structs.replace(
        first,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        count=max(one.count, other.count),
    )


def _init(pod: Pod) -> Iterable[Container]:
    return pod.spec.init_containers or ()


def _container(spec: Container, role: str) -> ContainerSeen:
    return ContainerSeen(
        name=spec.name,
        role=role,
        image=spec.image or "",
        has_startup_probe=spec.startup_probe is not None,
        has_readiness_probe=spec.readiness_probe is not None,
    )


def _attempt(pod: Pod) -> str:
    """The controller's UID, and the pod's place where each pod has its own."""
    meta = pod.metadata
    owner = next((one for one in meta.owner_references or () if one.controller is not False), None)
    if owner is None:
        return ""
    notes = {**(meta.annotations or {}), **(meta.labels or {})}
    ordinal = next((notes[key] for key in _ORDINALS if notes.get(key)), "")
    if not ordinal and owner.kind == "StatefulSet":
        ordinal = meta.name.rpartition("-")[2]
    return f"{owner.uid}/{ordinal}" if ordinal else owner.uid
