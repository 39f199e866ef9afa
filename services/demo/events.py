"""Events of the last hour, which is as long as the API server keeps them, in the words of who writes them.

Texts: kubernetes ``pkg/kubelet/images``, ``pkg/scheduler``, ``pkg/controller/replicaset`` of 1.34;
karpenter-provider-aws ``pkg/controllers/interruption``.
"""

from datetime import datetime

from services.demo import exporter, manifests, noise
from services.demo.estate import NEVER
from services.demo.lanes import IMAGE_PULL
from services.demo.moment import Moment, PodFacts, instant, meta
from services.demo.names import pod_name, uid
from services.demo.podobjects import MISSING_IMAGE, image, why_waiting
from services.demo.policies import blocked_here, blocked_replicaset, blocked_since, blocked_uid, refusal
from services.demo.reaction import Reaction
from services.domain.objects import Event, EventSeries, EventSource, Reference

TTL_S = 3600

_RETRY_S = 300  # the scheduler's queue is flushed and waiting pods are tried again


def events(moment: Moment) -> list[Event]:
    """Every event that has not expired."""
    found: list[Event] = []
    since = moment.now - TTL_S
    for pod in moment.pods:
        if pod.fate == IMAGE_PULL:
            found.extend(_image_events(moment, pod))
        if pod.scheduled > moment.now:
            found.append(_failed_scheduling(moment, pod))
        elif pod.scheduled > since:
            found.extend(_start_events(moment, pod))
    found.extend(_blocked_events(moment))
    if moment.site.reaction is not None:
        found.extend(_reaction_events(moment, moment.site.reaction))
    for node in moment.recent_nodes:
        if since < node.gone <= moment.now and node.slot.generations_s and not node.slot.burst:
            about = Reference(kind="Node", name=node.name, uid=node.uid)
            text = "Spot interruption warning was triggered"
            found.append(_event(moment, about, "SpotInterrupted", text, node.gone - 120, "karpenter", kind="Warning"))
    return found


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
    key = noise.key(moment.site.seed, about.uid, reason, at)
    return Event(
        metadata=meta(
            f"{about.name}.{key:016x}",
            uid(moment.site, "event", about.uid, reason, at),
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


def _scheduler(moment: Moment, pod: PodFacts, reason: str, message: str, at: int, *, kind: str, last: int) -> Event:
    """An event of the scheduler, which uses events.k8s.io: one time and, when it repeats, a series."""
    eventually: datetime | None = instant(at)
    return Event(
        metadata=meta(
            f"{pod.name}.{noise.key(moment.site.seed, pod.uid, reason):016x}",
            uid(moment.site, "event", pod.uid, reason),
            at,
            namespace=pod.work.namespace,
            version=last,
        ),
        involved_object=_about(pod),
        reason=reason,
        message=message,
        type=kind,
        event_time=eventually,
        series=EventSeries(count=(last - at) // _RETRY_S + 1, last_observed_time=instant(last)) if last > at else None,
        reporting_component="default-scheduler",
    )


def _failed_scheduling(moment: Moment, pod: PodFacts) -> Event:
    last = moment.now - (moment.now - pod.created) % _RETRY_S
    message = why_waiting(moment, pod)
    return _scheduler(moment, pod, "FailedScheduling", message, pod.created, kind="Warning", last=last)


def _start_events(moment: Moment, pod: PodFacts) -> list[Event]:
    bound = pod.scheduled
    text = f"Successfully assigned {pod.work.namespace}/{pod.name} to {pod.node}"
    found = [_scheduler(moment, pod, "Scheduled", text, bound, kind="Normal", last=bound)]
    if pod.started >= NEVER:
        return found
    field = "spec.containers{main}"
    pulled = max(bound + 2, pod.started - 1)
    took = pulled - bound - 2
    name = image(pod.work)
    size = 1_200_000_000 + pod.key % 9_000_000_000
    steps = [(bound + 2, "Pulling", f'Pulling image "{name}"')]
    if took > 4:
        words = f"{took}s ({took}s including waiting). Image size: {size} bytes."
        steps.append((pulled, "Pulled", f'Successfully pulled image "{name}" in {words}'))
    else:
        steps = [(pulled, "Pulled", f'Container image "{name}" already present on machine')]
    steps += [(pod.started, "Created", "Created container: main"), (pod.started, "Started", "Started container main")]
    for at, reason, message in steps:
        if at <= moment.now:
            found.append(_event(moment, _about(pod, field), reason, message, at, "kubelet", host=pod.node))
    return found


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
