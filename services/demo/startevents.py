"""Events of a pod's start in the words of who writes them, as long as the API server keeps them.

Texts of 1.34: kubernetes ``pkg/kubelet/images``, ``pkg/kubelet/kuberuntime``, ``pkg/volume/util/operationexecutor``;
autoscaler ``processors/status``; karpenter ``pkg/events``. Some are lost, as in life.
"""

from collections.abc import Iterator
from typing import NamedTuple

from services.demo import noise
from services.demo.karpenter import claim_name, installed, most_gpus, planned_nodes
from services.demo.lanes import RUN
from services.demo.lives import NEVER
from services.demo.moment import PULL_FAILS_S, Moment, NodeFacts, PodFacts
from services.demo.podobjects import image, init_image
from services.demo.podstatus import container, tries
from services.demo.recipes import READINESS_PERIOD_S, STARTUP_PERIOD_S

_LOST, _UNHEARD = 15, 35
"""Of a thousand pods, those whose kubelet events are lost, and (from there on) those whose pulls are."""


class Told(NamedTuple):
    """One event: who said what, of which container, first and last when, how often."""

    component: str
    reason: str
    message: str
    first: int
    last: int
    times: int = 1
    field: str | None = None
    warning: bool = False


def told(moment: Moment, pod: PodFacts, node: NodeFacts | None) -> list[Told]:
    """What was said up to now about a pod that has a node; ``node`` is that node where it is known."""
    found = list(_autoscaler(moment, pod, node))
    if pod.run.attached > pod.scheduled and pod.scheduled < NEVER:
        volume = f"pvc-{noise.uuid(pod.uid, 'volume')}"
        text = f'AttachVolume.Attach succeeded for volume "{volume}" '
        found.append(once("attachdetach-controller", "SuccessfulAttachVolume", text, pod.run.attached))
    if pod.fate == RUN:
        found += [one for one in _kubelet(moment, pod) if not _lost(pod, one.reason)]
    return [one for one in found if one.first <= min(moment.now, pod.ended)]


def once(component: str, reason: str, message: str, at: int, field: str | None = None) -> Told:
    """An event that happens once."""
    return Told(component, reason, message, at, at, 1, field)


def _lost(pod: PodFacts, reason: str) -> bool:
    drawn = (pod.key >> 33) % 1000
    return drawn < _LOST or (drawn < _UNHEARD and reason in ("Pulling", "Pulled"))


def _autoscaler(moment: Moment, pod: PodFacts, node: NodeFacts | None) -> Iterator[Told]:
    """The decision to bring a node for the pod."""
    if node is None or not pod.created <= node.claimed < pod.scheduled:
        return
    site, pool = moment.site, node.slot.pool
    if installed(moment):
        claim = f"Pod should schedule on: nodeclaim/{claim_name(site, node)}"
        yield once("karpenter", "Nominated", claim, node.claimed)
        yield once("karpenter", "Nominated", f"{claim}, node/{node.name}", node.born + 2)
        return
    size = pool.instance.gpus
    before, most = planned_nodes(site, pool.name), most_gpus(site, pool.name) // size
    group = f"eks-{pool.name}-{noise.uuid(site.seed, site.name, pool.name)}"
    text = f"pod triggered scale-up: [{{{group} {before}->{before + 1} (max: {most})}}]"
    yield once("cluster-autoscaler", "TriggeredScaleUp", text, node.claimed)


def _kubelet(moment: Moment, pod: PodFacts) -> Iterator[Told]:
    site, run, work = moment.site, pod.run, pod.work
    init = work.plan.start.init
    if init is not None:
        field, name = f"spec.initContainers{{{init.name}}}", init_image(site, work)
        size = site.recipes.size(int(site.recipes.init_image[work.index]), 0)
        if run.init_there >= NEVER or run.init_there > run.init_pull:
            yield from pulling((name, size), field, (run.init_pull, run.init_tried, run.init_pulled), pod.key)
        else:
            yield once("kubelet", "Pulled", present(name), run.init_pulled, field)
        yield from started(init.name, run.init_started, field)
    field, name = f"spec.containers{{{container(work)}}}", image(site, work, pod.created)
    number, release = site.recipes.run_by(work.index, pod.created)
    size = site.recipes.size(number, release) if number >= 0 else 0
    asked = run.there >= NEVER or run.there > run.pull or run.asks > 0
    if run.failing < NEVER:
        yield from _failed(pod, name, field)
    if asked:
        failed = run.failing < NEVER
        yield from pulling((name, size), field, (run.pull, run.tried, run.pulled), pod.key, failed=failed)
    yield from _runs(moment, pod, name, field, pulled=asked)


def present(name: str) -> str:
    """The kubelet's words for an image that is there."""
    return f'Container image "{name}" already present on machine'


def started(name: str, at: int, field: str) -> Iterator[Told]:
    """A container that is created and started."""
    yield once("kubelet", "Created", f"Created container: {name}", at, field)
    yield once("kubelet", "Started", f"Started container {name}", at, field)


def pulling(
    of: tuple[str, int], field: str, times: tuple[int, int, int], key: int, *, failed: bool = False
) -> Iterator[Told]:
    """A pull that succeeds, wanted, begun and done at ``times``, ``of`` an image and its size; ``failed`` at first."""
    (name, size), (wanted, begun, done) = of, times
    yield Told("kubelet", "Pulling", f'Pulling image "{name}"', wanted, begun if failed else wanted, 1 + failed, field)
    spare = (key >> 7) % 700 / 1000  # times have whole seconds, durations do not
    took = max(done - begun - spare, 0.05)
    waited = took if failed else max(done - wanted - spare, took)
    words = f"in {duration(took)} ({duration(waited)} including waiting). Image size: {size} bytes."
    yield once("kubelet", "Pulled", f'Successfully pulled image "{name}" {words}', done, field)


def _failed(pod: PodFacts, name: str, field: str) -> Iterator[Told]:
    """A pull that fails once."""
    at = pod.run.pull + PULL_FAILS_S
    host = name.split("/", maxsplit=1)[0] if "." in name.split("/", maxsplit=1)[0] else "registry-1.docker.io"
    path, _, tag = name.removeprefix(f"{host}/").rpartition(":")
    why = (
        f'rpc error: code = DeadlineExceeded desc = failed to pull and unpack image "{name}": '
        f'failed to resolve reference "{name}": '
        f'failed to do request: Head "https://{host}/v2/{path}/manifests/{tag}": dial tcp: i/o timeout'
    )
    steps = (
        ("Failed", f'Failed to pull image "{name}": {why}', True),
        ("Failed", "Error: ErrImagePull", True),
        ("BackOff", f'Back-off pulling image "{name}"', False),
        ("Failed", "Error: ImagePullBackOff", True),
    )
    for reason, message, warning in steps:
        yield Told("kubelet", reason, message, at, at, 1, field, warning)


def _runs(moment: Moment, pod: PodFacts, name: str, field: str, *, pulled: bool) -> Iterator[Told]:
    """Containers that are created and started, once or again, and what their probes say."""
    run, main = pod.run, container(pod.work)
    last, count, second = run.first, 1, run.started
    if pod.doomed:
        runs = tries(pod, min(moment.now, pod.ended - 1))
        last, count, second = runs.since, runs.restarts + 1, runs.again
    elif run.started <= moment.now and run.crashed < NEVER:
        last, count = run.started, 2
    found = count - pulled  # how often the image was there
    if found:
        yield Told("kubelet", "Pulled", present(name), second if pulled else run.pulled, last, found, field)
    yield Told("kubelet", "Created", f"Created container: {main}", run.first, last, count, field)
    yield Told("kubelet", "Started", f"Started container {main}", run.first, last, count, field)
    if pod.doomed and count > 1:  # the first time it is started again at once
        text = f"Back-off restarting failed container {main} in pod {pod.name}_{pod.work.namespace}({pod.uid})"
        backed = 2 * second - run.first - 1
        yield Told("kubelet", "BackOff", text, backed, max(last, backed), max(count - 2, 1), field, warning=True)
    yield from _probes(moment, pod, field)


def _probes(moment: Moment, pod: PodFacts, field: str) -> Iterator[Told]:
    """A probe that fails until the application has loaded."""
    probes, run = pod.work.plan.start.probes, pod.run
    if not probes or pod.doomed or run.started > moment.now:
        return
    kind, every, end = ("Startup", STARTUP_PERIOD_S, run.loaded)
    if "startup" not in probes:
        kind, every, end = ("Readiness", READINESS_PERIOD_S, run.ready)
    failures = (min(moment.now, end - 1, pod.ended) - run.started) // every
    if failures <= 0:
        return
    address = f"10.{pod.key % 200 + 20}.{pod.key // 200 % 250}.{pod.key // 50_000 % 250}:8000"
    text = f'{kind} probe failed: Get "http://{address}/health": dial tcp {address}: connect: connection refused'
    first, last = run.started + every, run.started + every * failures
    yield Told("kubelet", "Unhealthy", text, first, last, failures, field, warning=True)


def duration(seconds: float) -> str:
    """Seconds as Go writes durations, to the millisecond: 734ms, 12.3s, 2m6.431s."""
    thousandths = round(seconds * 1000)
    if thousandths < 1000:
        return f"{thousandths}ms"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{hours}h{minutes}m{text}s" if hours else f"{minutes}m{text}s" if minutes else f"{text}s"
