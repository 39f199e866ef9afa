"""Pod objects: spec, phase, conditions and container states as scheduler and kubelet write them."""

from collections import Counter

import msgspec

from services.demo import exporter, gateway_objects, manifests, names
from services.demo.estate import NEVER
from services.demo.lanes import IMAGE_PULL
from services.demo.moment import Moment, PodFacts, controller, instant, meta
from services.demo.names import uid
from services.demo.seating import Face
from services.demo.workloads import PRIORITIES, Work
from services.demo.world import Site
from services.domain.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
    Resources,
    Running,
    Waiting,
)

_IMAGES = {
    "Deployment": "vllm/vllm-openai:v0.11.2",
    "StatefulSet": "jupyter/pytorch-notebook:2026-05",
    "Pod": "pytorch:2.9",
}
MISSING_IMAGE = "registry.example.com/search/ocr-next:v3-rc1"


def image(work: Work) -> str:
    """The image a workload runs."""
    if work.template is not None:
        return str(work.template["spec"]["containers"][0].get("image", ""))
    if work.trouble == "image-pull":
        return MISSING_IMAGE
    return _IMAGES.get(work.plan.kind, "registry.example.com/batch/runner:1.14.0")


def pool_selector(site: Site, pool: str) -> dict[str, str]:
    """The node selector that picks a pool."""
    return {"karpenter.sh/nodepool" if site.plan.labels == "karpenter" else "eks.amazonaws.com/nodegroup": pool}


def owner(site: Site, pod: PodFacts) -> OwnerReference | None:
    """The controller of a pod; None for a bare pod."""
    work = pod.work
    if work.plan.kind == "Pod":
        return None
    if work.plan.kind == "Deployment":
        name = names.replicaset(site, work, names.rollout(site, work, pod.created))
        return controller("ReplicaSet", name, uid(site, "replicaset", work.namespace, name))
    if work.plan.kind == "StatefulSet":
        return controller("StatefulSet", work.name, uid(site, "statefulset", work.namespace, work.name))
    name = names.job(work, pod.cycle, pod.replica)
    return controller("Job", name, uid(site, "job", work.namespace, name))


def labels(work: Work) -> dict[str, str]:
    """Labels of a workload's pods. Notebooks carry no team: their namespace says it."""
    if work.template is not None:
        return dict((work.template.get("metadata") or {}).get("labels") or {})
    found = {"app.kubernetes.io/name": work.name}
    if work.team and work.plan.kind != "StatefulSet":
        found["team"] = work.team
    if work.plan.llm:
        found["model"] = work.plan.name
    return found


def pods(moment: Moment, *, node: str = "") -> list[Pod]:
    """Every pod, or those bound to a node: of workloads, the gateway's, then the GPU stack's own."""
    found = [_pod(moment, facts) for facts in moment.pods if node in ("", facts.node)]
    found += gateway_objects.pods(moment, node=node)
    for facts in moment.nodes:
        if not facts.slot.pool.instance.gpus or node not in ("", facts.name):
            continue
        for job in exporter.exporters(moment.site, facts.slot.index):
            name = exporter.exporter_pod(moment.site, facts.name, job)
            found.append(_daemon(moment, job, name, exporter.exporter_namespace(job), facts.name, facts.born + 65))
        if not moment.site.placement.hit("plugin-gone", facts.slot.index):
            space, owner_ = manifests.plugin(moment.site)
            name = exporter.exporter_pod(moment.site, facts.name, owner_)
            pod = _daemon(moment, owner_, name, space, facts.name, facts.born + 60)
            face = moment.site.reaction.face(facts.name, moment.now) if moment.site.reaction is not None else None
            found.append(_crashing(pod, face) if face is not None and face.crash else pod)
    return found


def why_waiting(moment: Moment, pod: PodFacts) -> str:
    """The scheduler's message for a pod that fits nowhere, in the wording of Kubernetes 1.34.

    Reasons are sorted as text, and taints are no longer spelled out.
    """
    wrong_model = bool(pod.work.plan.selector)
    reasons: Counter[str] = Counter()
    for facts in moment.nodes:
        if moment.cordoned(facts):
            reasons["node(s) were unschedulable"] += 1
        elif facts.slot.pool.taint:
            reasons["node(s) had untolerated taint(s)"] += 1
        elif wrong_model or facts.slot.pool.name != pod.work.plan.place.pool:
            reasons["node(s) didn't match Pod's node affinity/selector"] += 1
        else:
            reasons[f"Insufficient {pod.work.resource}"] += 1
    total = len(moment.nodes)
    lacking = reasons[f"Insufficient {pod.work.resource}"]
    preemption = {"Preemption is not helpful for scheduling": total - lacking}
    if lacking:
        preemption["No preemption victims found for incoming pod"] = lacking
    return (
        f"0/{total} nodes are available: {_listed(reasons)}. "
        f"preemption: 0/{total} nodes are available: {_listed(preemption)}."
    )


def _listed(reasons: dict[str, int]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items() if count))


def _pod(moment: Moment, facts: PodFacts) -> Pod:
    site, work = moment.site, facts.work
    asked: dict[str, str | int | float] = {work.resource: str(work.amount)}
    requests: dict[str, str | int | float] = {
        "cpu": str(2 + 6 * work.amount),
        "memory": f"{12 * work.amount}Gi",
        **asked,
    }
    if work.plan.place.profile or site.plan.labels == "nodegroup":
        requests |= {"cpu": "1", "memory": "6Gi"}
    if work.plan.place.pool == "t4-spot":
        requests |= {"cpu": "3"}  # of the four there are
    selector = dict(work.plan.selector) or pool_selector(site, work.plan.place.pool)
    return Pod(
        metadata=meta(
            facts.name,
            facts.uid,
            facts.created,
            namespace=work.namespace,
            version=facts.changed(moment.now),
            labels=labels(work),
            owner=owner(site, facts),
        ),
        spec=PodSpec(
            node_name=facts.node or None,
            containers=[
                Container(name="main", image=image(work), resources=Resources(requests=requests, limits=asked))
            ],
            priority=PRIORITIES[work.plan.priority],
            priority_class_name=work.plan.priority or None,
            node_selector=selector,
        )
        if work.template is None
        else _templated(moment, facts),
        status=_status(moment, facts),
    )


def _templated(moment: Moment, facts: PodFacts) -> PodSpec:
    """The spec of a pod a person's Deployment made."""
    given = (facts.work.template or {}).get("spec") or {}
    containers = []
    for one in given.get("containers") or ():
        limits, requests = ((one.get("resources") or {}).get(word) or {} for word in ("limits", "requests"))
        containers.append({**one, "resources": {"limits": limits, "requests": {**limits, **requests}}})
    name = given.get("priorityClassName")
    return PodSpec(
        node_name=facts.node or None,
        containers=msgspec.convert(containers, list[Container]),
        priority=moment.site.ledger.priority(name or "", facts.created),
        priority_class_name=name,
        node_selector=given.get("nodeSelector"),
    )


def _crashing(pod: Pod, face: Face) -> Pod:
    """The device plugin's pod where the node's label names no document: config-manager gives up, again and again."""
    said = f"back-off 5m0s restarting failed container=config-manager pod={pod.metadata.name}"
    waiting = ContainerState(waiting=Waiting(reason="CrashLoopBackOff", message=said))
    manager = ContainerStatus(name="config-manager", ready=False, restart_count=5, state=waiting)
    status = msgspec.structs.replace(
        pod.status,
        conditions=[
            msgspec.structs.replace(
                one, status="False", reason="ContainersNotReady", last_transition_time=instant(face.at)
            )
            if one.type in ("Ready", "ContainersReady")
            else one
            for one in pod.status.conditions or ()
        ],
        container_statuses=[*(pod.status.container_statuses or ()), manager],
    )
    return msgspec.structs.replace(pod, status=status)


def _status(moment: Moment, facts: PodFacts) -> PodStatus:
    now = moment.now
    phase = facts.phase(now)
    if facts.scheduled > now:
        failing = Condition(
            type="PodScheduled",
            status="False",
            reason="Unschedulable",
            message=why_waiting(moment, facts),
            last_transition_time=instant(facts.created),
        )
        return PodStatus(phase=phase, conditions=[failing])
    running = facts.started <= now < facts.ended
    ready = running and facts.ready <= now
    if running:
        state = ContainerState(running=Running(started_at=instant(facts.started)))
    elif facts.fate == IMAGE_PULL:
        text = f'Back-off pulling image "{MISSING_IMAGE}": ErrImagePull: {MISSING_IMAGE}: not found'
        state = ContainerState(waiting=Waiting(reason="ImagePullBackOff", message=text))
    elif phase == "Pending":
        state = ContainerState(waiting=Waiting(reason="ContainerCreating"))
    else:
        state = ContainerState()
    return PodStatus(
        phase=phase,
        reason=None,
        conditions=_conditions(facts, now, ready=ready),
        container_statuses=[ContainerStatus(name=_container(facts.work), ready=ready, state=state)],
        start_time=instant(facts.scheduled),
    )


def _container(work: Work) -> str:
    return str(work.template["spec"]["containers"][0].get("name", "main")) if work.template is not None else "main"


def _conditions(facts: PodFacts, now: int, *, ready: bool) -> list[Condition]:
    over = facts.ended <= now
    sandbox = min(facts.scheduled + 2, facts.started if facts.started < NEVER else facts.scheduled + 2)
    since = facts.ended if over else facts.ready if ready else facts.scheduled
    reason = None if ready else "PodCompleted" if over else "ContainersNotReady"
    message = None if ready or over else "containers with unready status: [main]"
    state = "True" if ready else "False"
    return [
        Condition(
            type="PodReadyToStartContainers",
            status="False" if over else "True",
            last_transition_time=instant(facts.ended if over else sandbox),
        ),
        Condition(type="Initialized", status="True", last_transition_time=instant(facts.scheduled)),
        Condition(type="Ready", status=state, reason=reason, message=message, last_transition_time=instant(since)),
        Condition(
            type="ContainersReady", status=state, reason=reason, message=message, last_transition_time=instant(since)
        ),
        Condition(type="PodScheduled", status="True", last_transition_time=instant(facts.scheduled)),
    ]


def _daemon(moment: Moment, kind: str, name: str, namespace: str, node: str, created: int) -> Pod:
    site = moment.site
    since = instant(created + 20)
    container = "nvidia-device-plugin" if (namespace, kind) == manifests.plugin(site) else "exporter"
    return Pod(
        metadata=meta(
            name,
            uid(site, "pod", namespace, name),
            created,
            namespace=namespace,
            version=created + 20,
            labels={"app": kind},
            owner=controller("DaemonSet", kind, uid(site, "daemonset", namespace, kind)),
        ),
        spec=PodSpec(
            node_name=node,
            containers=[Container(name=container, image=f"nvcr.io/nvidia/{kind}")],
            priority=2_000_001_000,
            priority_class_name="system-node-critical",
        ),
        status=PodStatus(
            phase="Running",
            conditions=[
                Condition(type=state, status="True", last_transition_time=since)
                for state in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            ],
            container_statuses=[
                ContainerStatus(name=container, ready=True, state=ContainerState(running=Running(started_at=since)))
            ],
            start_time=instant(created),
        ),
    )
