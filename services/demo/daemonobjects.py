"""Objects that follow people's DaemonSets: their pods, and the counts of their status."""

from typing import Any

import msgspec

from services.demo.daemonpods import DaemonPod, Ran
from services.demo.ledger import Folded, Key
from services.demo.moment import Moment, controller, instant, meta
from services.demo.names import uid
from services.domain.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
    Running,
    Terminated,
    Waiting,
)
from services.domain.startup.imagenames import canonical


def find(moment: Moment, namespace: str, name: str) -> DaemonPod | None:
    """The pod of that name."""
    return next((pod for pod in _alive(moment) if (pod.owner[1], pod.name) == (namespace, name)), None)


def pods(moment: Moment, *, node: str = "") -> list[Pod]:
    """The pods, all or those on a node."""
    return [_kept(moment, pod) for pod in _alive(moment) if node in ("", pod.node)]


def counts(moment: Moment, key: Key, folded: Folded) -> dict[str, int]:
    """What the controller counts of a DaemonSet."""
    made = folded.made.id if folded.made is not None else 0
    own = [pod for pod in _alive(moment) if (pod.owner, pod.made) == (key, made) and pod.removed > moment.now]
    daemons = moment.site.daemons
    desired, newest = daemons.controllers[key].state(moment.now) if daemons is not None else (0, "")
    ahead = int((folded.body.get("spec") or {}).get("minReadySeconds") or 0)
    available = sum(pod.ready + ahead <= moment.now for pod in own)
    shown = {
        "updatedNumberScheduled": sum(pod.revision == newest for pod in own),
        "numberAvailable": available,
        "numberUnavailable": max(desired - available, 0),
    }
    return {
        "desiredNumberScheduled": desired,
        "currentNumberScheduled": len(own),
        "numberMisscheduled": 0,
        "numberReady": sum(pod.ready <= moment.now for pod in own),
        **{name: count for name, count in shown.items() if count},
    }


def changed(moment: Moment, key: Key) -> int:
    """When the controller last changed a DaemonSet's status; 0 for never."""
    daemons = moment.site.daemons
    found = daemons.controllers.get(key) if daemons is not None else None
    return found.last(moment.now) if found is not None else 0


def _alive(moment: Moment) -> list[DaemonPod]:
    return moment.site.daemons.alive(moment.now) if moment.site.daemons is not None else []


# -- pods ----------------------------------------------------------------------------------------------------------


def _kept(moment: Moment, pod: DaemonPod) -> Pod:
    """A pod's object, the same one as long as nothing about it changes."""
    at, built = pod.changed(moment.now), moment.site.built
    known = built.get(pod.uid)
    if known is None or known[0] != at:
        known = built[pod.uid] = (at, _pod(moment, pod, at))
    found: Pod = known[1]
    return found


def _pod(moment: Moment, pod: DaemonPod, now: int) -> Pod:
    given, space = pod.template.get("spec") or {}, pod.owner[1]
    own = pod.template.get("metadata") or {}
    name = given.get("priorityClassName")
    whole = meta(
        pod.name,
        pod.uid,
        pod.created,
        namespace=space,
        version=now,
        labels={**(own.get("labels") or {}), "controller-revision-hash": pod.revision},
        annotations=own.get("annotations"),
        owner=controller("DaemonSet", pod.owner[2], owner_uid(moment, pod)),
    )
    return Pod(
        metadata=msgspec.structs.replace(whole, deletion_timestamp=instant(pod.removed))
        if pod.removed <= now
        else whole,
        spec=PodSpec(
            node_name=pod.node,
            containers=_containers(given.get("containers")),
            init_containers=_containers(given.get("initContainers")) or None,
            priority=moment.site.ledger.priority(name or "", pod.created),
            priority_class_name=name,
            node_selector=given.get("nodeSelector"),
        ),
        status=_status(pod, now),
    )


def owner_uid(moment: Moment, pod: DaemonPod) -> str:
    """Of the DaemonSet."""
    return uid(moment.site, "made", *pod.owner, pod.made)


def _containers(given: Any) -> list[Container]:
    found = []
    for one in given or ():
        limits, requests = ((one.get("resources") or {}).get(word) or {} for word in ("limits", "requests"))
        found.append({**one, "resources": {"limits": limits, "requests": {**limits, **requests}}})
    return msgspec.convert(found, list[Container])


def _status(pod: DaemonPod, now: int) -> PodStatus:
    init, main = ([ran for ran in pod.containers if ran.init is wanted] for wanted in (True, False))
    waits = [ran.name for ran in init if ran.finished > now]
    ready = pod.ready <= now
    statuses = [_container(ran, now, ready=ready, initial=bool(init)) for ran in main]
    unready = [one.name for one in statuses if not one.ready]
    done = max([pod.created, *(ran.finished for ran in init)])
    why = None if ready else "ContainersNotReady"
    said = None if ready else f"containers with unready status: [{' '.join(unready)}]"
    since, sandbox = instant(pod.ready if ready else pod.created), pod.sandbox <= now
    return PodStatus(
        phase="Running" if all(ran.started <= now for ran in main) else "Pending",
        conditions=[
            Condition(
                "PodReadyToStartContainers",
                str(sandbox),
                last_transition_time=instant(pod.sandbox if sandbox else pod.created),
            ),
            Condition(
                "Initialized",
                str(not waits),
                "ContainersNotInitialized" if waits else None,
                f"containers with incomplete status: [{' '.join(waits)}]" if waits else None,
                instant(pod.created if waits else done),
            ),
            Condition("Ready", str(ready), why, said, since),
            Condition("ContainersReady", str(ready), why, said, since),
            Condition("PodScheduled", "True", last_transition_time=instant(pod.created)),
        ],
        container_statuses=statuses,
        init_container_statuses=[_container(ran, now) for ran in init] or None,
        start_time=instant(max(pod.created, pod.standing.facts.born)),
    )


def _container(ran: Ran, now: int, *, ready: bool = False, initial: bool = True) -> ContainerStatus:
    begun = instant(ran.started)
    if ran.finished <= now:
        ended = Terminated(started_at=begun, finished_at=instant(ran.finished), exit_code=0, reason="Completed")
        return ContainerStatus(ran.name, ready=True, started=False, state=ContainerState(terminated=ended))
    if ran.started <= now:
        return ContainerStatus(ran.name, ready=ready, started=True, state=ContainerState(running=Running(begun)))
    waiting = Waiting("PodInitializing" if initial else "ContainerCreating")
    if ran.failed <= now < ran.tried:
        waiting = Waiting("ImagePullBackOff", f'Back-off pulling image "{ran.image}": ErrImagePull: {missing(ran)}')
    return ContainerStatus(ran.name, started=False, state=ContainerState(waiting=waiting))


def missing(ran: Ran) -> str:
    """The runtime's words for an image the registry does not have."""
    name = canonical(ran.image)
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{name}": '
        f'failed to resolve reference "{name}": {name}: not found'
    )
