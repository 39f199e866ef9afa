"""What each action is proven with on the estate of ``tests/proving.py``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from services.actions import sharing_steps
from services.actions.edit_breaker import BreakerParams
from services.actions.edit_fallbacks import FallbackParams
from services.actions.prepull_images import PrepullParams
from services.actions.rehearse_fallbacks import RehearseParams
from services.actions.set_sharing import SharingParams
from services.domain import litellm
from services.domain.change import patch
from services.domain.change.plan import Plan
from services.domain.change.refs import Ref
from services.domain.headroom import GPU, Shape, Want
from services.domain.litellm import edits as litellm_edits
from services.domain.objects import Node
from services.domain.release import ReleaseParams
from services.domain.sharing import CONFIG_LABEL
from services.ports import Cluster, Sources
from tests.gateway import FILE
from tests.proving import LAB

SMALL = Shape(GPU, 1, "2", "8Gi")
HEADROOM = Want(LAB, "spot", 1, shape=SMALL)
SHARING = SharingParams(LAB, "time-slicing-2", ("t1", "t2"))
PREPULL = PrepullParams(LAB, "spot", ("registry.example.com/serving/vllm:0.9.1",))
RELEASE = ReleaseParams(LAB, "web", "tiny", "StatefulSet", grace_minutes=0)
BREAKER = BreakerParams(LAB, "web", "tiny", replace_errors=True)
CHAT = litellm.read(FILE).chain("chat")
REHEARSE = RehearseParams(LAB, "chat", ("fails", "normal"), 2)
FALLBACKS = FallbackParams(LAB, (litellm_edits.moved(CHAT, "chat-cloud", -1),))
CLOUD_FIRST = FILE.replace("order: 2", "order: 0").replace("order: 1", "order: 2").replace("order: 0", "order: 1")
"""The gateway's file with the cloud first."""


@dataclass(frozen=True)
class Case:
    """How one action is proven.

    ``lab`` are its parameters on the estate (None: it has no metrics, and the action needs them) and ``writes`` what
    they come to there, in order, as "verb Kind name". ``demo`` finds parameters in the demo; None where it has nothing
    to act on. ``meddle`` is somebody else, who changes what the plan is about to set, through the cluster they are
    given; they answer with how to see what they left.
    """

    lab: Any
    writes: tuple[str, ...]
    demo: Callable[[Sources], Any]
    meddle: Callable[[Cluster, Plan], Callable[[], bool]]
    again_after_s: float = 300.0  # what was taken back can be done again
    waits: bool = True  # its effect takes time to be seen
    custom: bool = False  # it acts on a custom resource, which only the estate's own API server has
    sends: bool = False  # it sends requests and changes no object: there is nothing to write, to be so already, to undo


def _demo_headroom(sources: Sources) -> Any:
    return Want("demo-east", "t4-spot", 1)


def _demo_sharing(sources: Sources) -> Any:
    nodes = cast("list[Node]", sources.clusters["demo-west"].cluster.snapshot("nodes").objects)
    offered = {one.metadata.name: int((one.status.capacity or {}).get(GPU, "0")) for one in nodes}
    whole = [name for name, count in sorted(offered.items()) if count == max(offered.values())]
    return SharingParams("demo-west", "time-slicing-8", tuple(whole[:2]))


def _demo_fallbacks(sources: Sources) -> Any:
    source = next((one for one in sources.clusters.values() if one.gateway_place is not None), None)
    if source is None or source.gateway_place is None:
        return None
    place = source.gateway_place
    live = source.cluster.read(Ref.of(source.name, "ConfigMap", place.configmap, place.namespace))
    chain = litellm.read(live.body["data"][place.key]).chain("chat")
    second = litellm_edits.ranks(chain.tiers)[1][0]
    return FallbackParams(source.name, (litellm_edits.moved(chain, second.key, -1),))


def _demo_rehearse(sources: Sources) -> Any:
    return RehearseParams("demo-west", "chat", ("fails", "length"), 2)


def _demo_prepull(sources: Sources) -> Any:
    return PrepullParams("demo-east", "t4-spot", ("registry.example.com/vision/video-embed:4.2",))


def _demo_release(sources: Sources) -> Any:
    return ReleaseParams("demo-east", "search-batch", "ocr-next", "Deployment")


def _demo_breaker(sources: Sources) -> Any:
    return BreakerParams("demo-west", "search-prod", "embed", replace_errors=True, max_percent=50)


def _set_errors(cluster: Cluster, plan: Plan) -> Callable[[], bool]:
    ref = plan.steps[0].ref
    path = ("spec", "trafficPolicy", "outlierDetection", "consecutive5xxErrors")
    cluster.patch(ref, patch.nested({path: 9}), expected=cluster.read(ref).version)
    return lambda: bool(patch.at(cluster.read(ref).body, path) == 9)


def _took_the_name(cluster: Cluster, plan: Plan) -> Callable[[], bool]:
    ref = plan.steps[0].ref
    cluster.create(ref, {"metadata": {"labels": {"team": "others"}}})
    return lambda: cluster.read(ref).labels["team"] == "others"


def _labelled_the_last_node(cluster: Cluster, plan: Plan) -> Callable[[], bool]:
    ref = next(step.ref for step in reversed(plan.steps) if sharing_steps.sets_labels(step))
    cluster.patch(ref, {"metadata": {"labels": {CONFIG_LABEL: "exclusive"}}}, expected=cluster.read(ref).version)
    return lambda: cluster.read(ref).labels[CONFIG_LABEL] == "exclusive"


def _scaled_it(cluster: Cluster, plan: Plan) -> Callable[[], bool]:
    ref = plan.steps[-1].ref
    cluster.patch(ref, {"spec": {"replicas": 3}}, expected=cluster.read(ref).version)
    return lambda: bool(cluster.read(ref).body["spec"]["replicas"] == 3)


def _wrote_into_the_file(cluster: Cluster, plan: Plan) -> Callable[[], bool]:
    step = plan.steps[0]
    return _wrote(cluster, step.ref, step.body["key"])


def _wrote_into_the_mounted_file(cluster: Cluster, plan: Plan) -> Callable[[], bool]:
    deployment = plan.steps[0].ref
    volumes = cluster.read(deployment).body["spec"]["template"]["spec"]["volumes"]
    (name,) = {one["configMap"]["name"] for one in volumes if "configMap" in one}
    ref = Ref.of(deployment.cluster, "ConfigMap", name, deployment.namespace)
    (key,) = cluster.read(ref).body["data"]
    return _wrote(cluster, ref, key)


def _wrote(cluster: Cluster, ref: Ref, key: str) -> Callable[[], bool]:
    live = cluster.read(ref)
    text = live.body["data"][key] + "# reviewed\n"
    cluster.patch(ref, {"data": {key: text}}, expected=live.version)
    return lambda: bool(cluster.read(ref).body["data"][key] == text)


CASES: dict[str, Case] = {
    "scale-headroom": Case(
        HEADROOM,
        ("create Namespace gpu-headroom", "create PriorityClass gpu-headroom", "create Deployment warm-spot-1x-gpu"),
        _demo_headroom,
        _took_the_name,
    ),
    "prepull-images": Case(
        PREPULL,
        ("create Namespace gpu-prepull", "create DaemonSet prepull-spot"),
        _demo_prepull,
        _took_the_name,
    ),
    "set-sharing": Case(
        SHARING,
        ("patch Node t1",) * 3 + ("patch Node t2",) * 3,
        _demo_sharing,
        _labelled_the_last_node,
    ),
    "release-idle": Case(
        RELEASE,
        ("patch StatefulSet tiny", "patch StatefulSet tiny"),
        _demo_release,
        _scaled_it,
        again_after_s=2400.0,
    ),
    "edit-fallbacks": Case(
        FALLBACKS,
        ("patch ConfigMap litellm-config", "patch Deployment litellm"),
        _demo_fallbacks,
        _wrote_into_the_file,
    ),
    "rehearse-fallbacks": Case(
        REHEARSE,
        (),
        _demo_rehearse,
        _wrote_into_the_mounted_file,
        waits=False,
        sends=True,
    ),
    "edit-breaker": Case(
        BREAKER,
        ("patch DestinationRule tiny",),
        _demo_breaker,
        _set_errors,
        waits=False,
        custom=True,
    ),
}
ON_API = {name: case for name, case in CASES.items() if case.lab is not None and not case.sends}
"""Those whose writes can be proven on the estate behind an API server."""


def more(units: int, **other: Any) -> Want:
    """Another number of warm units."""
    return replace(HEADROOM, units=units, **other)
