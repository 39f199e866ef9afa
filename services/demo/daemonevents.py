"""Events of people's DaemonSets and of their pods.

Texts of 1.34: kubernetes ``pkg/controller/daemon``, ``pkg/kubelet/images``; containerd's of an image that is nowhere.
"""

from collections.abc import Iterator, Mapping

from services.demo.daemonobjects import missing, owner_uid
from services.demo.daemonpods import DaemonPod, Ran
from services.demo.lives import NEVER
from services.demo.moment import Moment
from services.demo.startevents import Told, once, present, pulling, started
from services.domain.objects import Reference

_HOUR_S = 3600


def told(moment: Moment) -> Iterator[tuple[Reference, str, Told]]:
    """What was said of pods that changed in the last hour, whom it is about and on which node."""
    daemons, now = moment.site.daemons, moment.now
    for pod in daemons.pods if daemons is not None else ():
        failing = any(ran.failed < NEVER and ran.tried >= NEVER for ran in pod.containers)
        if (
            pod.created > now
            or pod.gone <= now - _HOUR_S
            or (pod.changed(now) <= now - _HOUR_S and not (failing and pod.there(now)))
        ):
            continue
        above = Reference(kind="DaemonSet", name=pod.owner[2], namespace=pod.owner[1], uid=owner_uid(moment, pod))
        yield above, "", once("daemonset-controller", "SuccessfulCreate", f"Created pod: {pod.name}", pod.created)
        if pod.replaced:
            yield above, "", once("daemonset-controller", "SuccessfulDelete", f"Deleted pod: {pod.name}", pod.removed)
        about: Mapping[str, str] = {"name": pod.name, "namespace": pod.owner[1], "uid": pod.uid}
        bound = f"Successfully assigned {pod.owner[1]}/{pod.name} to {pod.node}"
        yield Reference(kind="Pod", **about), "", once("default-scheduler", "Scheduled", bound, pod.created)
        for ran in pod.containers:
            field = f"spec.{'initContainers' if ran.init else 'containers'}{{{ran.name}}}"
            for one in _of(pod, ran, field, min(now, pod.gone)):
                if one.first < pod.gone:
                    yield Reference(kind="Pod", **about, field_path=field), pod.node, one


def _of(pod: DaemonPod, ran: Ran, field: str, now: int) -> Iterator[Told]:
    if ran.failed < NEVER:
        yield from _failing(ran, field, now)
    if ran.pulled <= now and ran.size is not None:
        times = (ran.wanted, ran.tried, ran.pulled)
        yield from pulling((ran.image, ran.size), field, times, pod.key, failed=ran.failed < NEVER)
    elif ran.pulled <= now:
        yield once("kubelet", "Pulled", present(ran.image), ran.pulled, field)
    elif ran.tried <= now:
        yield once("kubelet", "Pulling", f'Pulling image "{ran.image}"', ran.wanted, field)
    if ran.started <= now:
        yield from started(ran.name, ran.started, field)


def _failing(ran: Ran, field: str, now: int) -> Iterator[Told]:
    count, last = ran.tries(now)
    if not count:
        return
    if ran.tried >= NEVER:
        first = last - (ran.failed - ran.wanted)
        yield Told("kubelet", "Pulling", f'Pulling image "{ran.image}"', ran.wanted, first, count, field)
    steps = (
        ("Failed", f'Failed to pull image "{ran.image}": {missing(ran)}', True),
        ("Failed", "Error: ErrImagePull", True),
        ("BackOff", f'Back-off pulling image "{ran.image}"', False),
        ("Failed", "Error: ImagePullBackOff", True),
    )
    for reason, message, warning in steps:
        yield Told("kubelet", reason, message, ran.failed, last, count, field, warning)
