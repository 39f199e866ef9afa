"""Events of the last hour, which is as long as the API server keeps them, in the words of who writes them.

Texts: kubernetes ``pkg/scheduler``, ``pkg/controller/replicaset``, ``pkg/controller/nodelifecycle``, ``pkg/kubelet`` of
1.34; karpenter-provider-aws ``pkg/controllers/interruption``.
"""

from collections.abc import Iterator
from datetime import datetime

from services.demo import daemonevents, exporter, manifests, noise, startevents
from services.demo.lanes import IMAGE_PULL, RUN
from services.demo.moment import Moment, NodeFacts, PodFacts, instant, meta
from services.demo.names import pod_name, uid
from services.demo.podobjects import why_waiting
from services.demo.podstatus import MISSING_IMAGE
from services.demo.policies import blocked_here, blocked_replicaset, blocked_since, blocked_uid, refusal
from services.demo.reaction import Reaction
from services.domain.objects import Event, EventSeries, EventSource, Reference

TTL_S = 3600

_RETRY_S = 300  # the scheduler's queue is flushed and waiting pods are tried again
_AT_ONCE_S = 2


def events(moment: Moment) -> list[Event]:
    """Every event that has not expired."""
    found: list[Event] = []
    since = moment.now - TTL_S
    nodes = {node.name: node for node in moment.recent_nodes}
    for pod in moment.recent_pods:
        waits, lasting = pod.scheduled > moment.now, pod.fate == IMAGE_PULL or pod.doomed
        if waits or lasting or pod.changed(moment.now) > since:
            found += [event for event in _of_pod(moment, pod, nodes.get(pod.place)) if _last(event) > since]
    found.extend(_blocked_events(moment))
    if moment.site.reaction is not None:
        found.extend(_reaction_events(moment, moment.site.reaction))
    found += [event for event in _daemon_events(moment) if since < _last(event) <= moment.now]
    for node in moment.recent_nodes:
        found += [event for event in _node_events(moment, node) if since < _last(event) <= moment.now]
    return found


def _last(event: Event) -> float:
    if event.series is not None and event.series.last_observed_time is not None:
        return event.series.last_observed_time.timestamp()
    at = event.last_timestamp or event.event_time
    return at.timestamp() if at is not None else 0.0


def _of_pod(moment: Moment, pod: PodFacts, node: NodeFacts | None) -> list[Event]:
    """Events of a pod, the same objects as long as nothing happens to it."""
    now, built = moment.now, moment.site.built
    if pod.scheduled > now or pod.fate != RUN or pod.doomed or pod.run.started <= now < pod.ready:
        return list(_pod_events(moment, pod, node))
    state, key = (pod, pod.changed(now)), f"{pod.uid}/events"
    known = built.get(key)
    if known is None or known[0] != state:
        known = built[key] = (state, list(_pod_events(moment, pod, node)))
    found: list[Event] = known[1]
    return found


def _pod_events(moment: Moment, pod: PodFacts, node: NodeFacts | None) -> Iterator[Event]:
    now = moment.now
    if pod.fate == IMAGE_PULL and pod.node and pod.ended > now:
        yield from _image_events(moment, pod)
    if pod.ungated <= now and pod.scheduled - pod.ungated > _AT_ONCE_S:
        yield _failed_scheduling(moment, pod)
    if pod.scheduled <= now:
        text = f"Successfully assigned {pod.work.namespace}/{pod.name} to {pod.place}"
        yield _scheduler(moment, _about(pod), "Scheduled", text, pod.scheduled, kind="Normal", last=pod.scheduled)
    for one in startevents.told(moment, pod, node):
        yield _event(
            moment,
            _about(pod, one.field),
            one.reason,
            one.message,
            one.first,
            one.component,
            kind="Warning" if one.warning else "Normal",
            host=pod.place if one.component == "kubelet" else None,
            last=one.last,
            count=one.times,
        )


_INTERRUPTED = "SpotInterrupted", "Spot interruption warning was triggered"
_UNHEALTHY = "InstanceUnhealthy", "An unhealthy warning was triggered for the instance"


def _node_events(moment: Moment, node: NodeFacts) -> Iterator[Event]:
    about = Reference(kind="Node", name=node.name, uid=node.uid)
    if node.born < node.gone:
        own = Reference(kind="Node", name=node.name, uid=node.name)  # as the kubelet writes it
        text = f"Node {node.name} event: Registered Node {node.name} in Controller"
        yield _event(moment, about, "RegisteredNode", text, node.born + 1, "node-controller")
        text = f"Node {node.name} status is now: NodeReady"
        yield _event(moment, own, "NodeReady", text, node.ready, "kubelet", host=node.name)
    if node.slot.generations_s and not node.slot.burst:
        spot = node.slot.pool.capacity == "spot"
        reason, text = _INTERRUPTED if spot else _UNHEALTHY
        at = node.gone - 120
        if node.gone <= moment.now:
            yield _event(moment, about, reason, text, at, "karpenter", kind="Warning")


def _about(pod: PodFacts, field: str | None = None) -> Reference:
    return Reference(kind="Pod", name=pod.name, namespace=pod.work.namespace, uid=pod.uid, field_path=field)


def _event(
    moment: Moment,
    about: Reference,
    reason: str,
    message: str,
    at: int,
    component: str,
    *,
    kind: str = "Normal",
    host: str | None = None,
    last: int | None = None,
    count: int = 1,
) -> Event:
    """An event of a component that writes core/v1 events: two times and a count."""
    identity = (about.uid, reason, at, message, about.field_path or "")
    return Event(
        metadata=meta(
            f"{about.name}.{noise.key(moment.site.seed, *identity):016x}",
            uid(moment.site, "event", *identity),
            at,
            namespace=about.namespace or "default",
            version=last or at,
        ),
        involved_object=about,
        reason=reason,
        message=message,
        type=kind,
        count=count,
        first_timestamp=instant(at),
        last_timestamp=instant(last or at),
        source=EventSource(component=component, host=host),
        reporting_component=component,
    )


def _scheduler(moment: Moment, pod: Reference, reason: str, message: str, at: int, *, kind: str, last: int) -> Event:
    """An event of the scheduler, which uses events.k8s.io: one time and, when it repeats, a series."""
    eventually: datetime | None = instant(at)
    return Event(
        metadata=meta(
            f"{pod.name}.{noise.key(moment.site.seed, pod.uid, reason):016x}",
            uid(moment.site, "event", pod.uid, reason),
            at,
            namespace=pod.namespace,
            version=last,
        ),
        involved_object=pod,
        reason=reason,
        message=message,
        type=kind,
        event_time=eventually,
        series=EventSeries(count=(last - at) // _RETRY_S + 1, last_observed_time=instant(last)) if last > at else None,
        reporting_component="default-scheduler",
    )


def _failed_scheduling(moment: Moment, pod: PodFacts) -> Event:
    """The scheduler's word on a pod that fits nowhere; of one that was bound since, its first word."""
    waits = pod.scheduled > moment.now
    until = min(moment.now, pod.scheduled - 1, pod.ended)
    last = until - (until - pod.ungated) % _RETRY_S
    message = why_waiting(moment, pod, moment.now if waits else pod.ungated)
    return _scheduler(moment, _about(pod), "FailedScheduling", message, pod.ungated, kind="Warning", last=last)


def _image_events(moment: Moment, pod: PodFacts) -> list[Event]:
    """The kubelet tries again with growing pauses, five minutes at most, and says so each time."""
    about = _about(pod, "spec.containers{main}")
    age = moment.now - pod.scheduled
    last = moment.now - age % 300
    count = age // 300 + 1
    failed = f'Failed to pull image "{MISSING_IMAGE}": rpc error: code = NotFound desc = {MISSING_IMAGE}: not found'
    waiting = f'Back-off pulling image "{MISSING_IMAGE}"'
    return [
        _event(
            moment,
            about,
            "Failed",
            failed,
            pod.scheduled,
            "kubelet",
            kind="Warning",
            host=pod.node,
            last=last,
            count=count,
        ),
        _event(moment, about, "BackOff", waiting, pod.scheduled, "kubelet", host=pod.node, last=last, count=count),
    ]


def _reaction_events(moment: Moment, reaction: Reaction) -> list[Event]:
    """Placeholders that made room, and pods that a Deployment may not create."""
    site, found = moment.site, []
    for one in reaction.deployers:
        for stay in one.stays:
            if stay.preempted_by is None or not moment.now - TTL_S < stay.ended <= moment.now or stay.host_name == "":
                continue
            row = (stay.work, stay.replica, stay.cycle, stay.created, stay.key)
            name = pod_name(site, *row)
            identity = uid(site, "pod", stay.work.namespace, name, stay.cycle)
            about = Reference(kind="Pod", name=name, namespace=stay.work.namespace, uid=identity)
            by = stay.preempted_by
            other = pod_name(site, by.work, by.replica, by.cycle, by.created, by.key)
            text = f"Preempted by pod {uid(site, 'pod', by.work.namespace, other, by.cycle)} on node {stay.host_name}"
            found.append(_event(moment, about, "Preempted", text, stay.ended, "default-scheduler"))
        if one.refused and one.refused_since <= moment.now and one.works:
            work = next(reversed(one.works.values()))
            about = Reference(
                kind="ReplicaSet",
                name=f"{work.name}-{work.revision}",
                namespace=work.namespace,
                uid=uid(site, "replicaset", work.namespace, f"{work.name}-{work.revision}"),
            )
            text = f"Error creating: {one.refused}"
            at = one.refused_since
            found.append(_event(moment, about, "FailedCreate", text, at, "replicaset-controller", kind="Warning"))
    for node in moment.nodes:
        face = reaction.face(node.name, moment.now)
        if face is not None and face.crash:
            space, plugin = manifests.plugin(site)
            name = exporter.exporter_pod(site, node.name, plugin)
            about = Reference(kind="Pod", name=name, namespace=space, uid=uid(site, "pod", space, name))
            text = f"Back-off restarting failed container config-manager in pod {name}_{space}({about.uid})"
            found.append(_event(moment, about, "BackOff", text, face.at, "kubelet", kind="Warning", host=node.name))
    return found


def _daemon_events(moment: Moment) -> Iterator[Event]:
    """Events of people's DaemonSets and of their pods."""
    for about, node, one in daemonevents.told(moment):
        if one.component == "default-scheduler":
            yield _scheduler(moment, about, one.reason, one.message, one.first, kind="Normal", last=one.last)
            continue
        yield _event(
            moment,
            about,
            one.reason,
            one.message,
            one.first,
            one.component,
            kind="Warning" if one.warning else "Normal",
            host=node if one.component == "kubelet" else None,
            last=one.last,
            count=one.times,
        )


def _blocked_events(moment: Moment) -> list[Event]:
    found = []
    for blocked in blocked_here(moment):
        name = blocked_replicaset(blocked)
        identity = blocked_uid(moment, blocked, "replicaset")
        about = Reference(kind="ReplicaSet", name=name, namespace=blocked.namespace, uid=identity)
        first = blocked_since(moment)
        last = moment.now - moment.now % 960  # the controller's pauses between tries grow to sixteen minutes
        text = f"Error creating: {refusal(moment, blocked)}"
        found.append(
            _event(
                moment,
                about,
                "FailedCreate",
                text,
                first,
                "replicaset-controller",
                kind="Warning",
                last=last,
                count=(last - first) // 960 + 1,
            )
        )
    return found
