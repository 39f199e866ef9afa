"""Pod objects: spec, phase, conditions and container states as scheduler and kubelet write them."""

from collections import Counter

import msgspec

from services.demo import daemonobjects, engines, exporter, gateway_objects, manifests, names, podstatus
from services.demo.moment import Moment, NodeFacts, PodFacts, controller, instant, meta
from services.demo.names import uid
from services.demo.podstatus import MISSING_IMAGE
from services.demo.recipes import READINESS_PERIOD_S, STARTUP_PERIOD_S
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
    Probe,
    Resources,
    Running,
    SchedulingGate,
    Waiting,
)

_ENGINES = ("vllm", "chat-serve")
"""Images of inference engines; embeddings are served by other means."""
_SYSTEM_S = 25  # from a DaemonSet pod's creation to its readiness


def image(site: Site, work: Work, created: int) -> str:
    """The image a workload's pod runs that was created then."""
    if work.template is not None:
        return str(work.template["spec"]["containers"][0].get("image", ""))
    if work.trouble == "image-pull":
        return MISSING_IMAGE
    return site.recipes.name(*site.recipes.run_by(work.index, created))


def init_image(site: Site, work: Work) -> str:
    """The image of the init container of a workload's pods; "" without one."""
    number = int(site.recipes.init_image[work.index])
    return site.recipes.name(number, 0) if number >= 0 else ""


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
    """Every pod, or those bound to a node: of workloads, the gateway's, people's DaemonSets', then the GPU stack's."""
    _forget(moment)
    found = [_kept(moment, facts) for facts in moment.pods if node in ("", facts.node)]
    found += gateway_objects.pods(moment, node=node)
    found += daemonobjects.pods(moment, node=node)
    for facts in moment.nodes:
        if facts.slot.pool.instance.gpus and node in ("", facts.name):
            found += _stack(moment, facts)
    return found


def single(moment: Moment, facts: PodFacts) -> Pod:
    """One pod of a workload."""
    return _pod(moment, facts)


def _forget(moment: Moment) -> None:
    """Drop remembered objects of what is long gone."""
    built = moment.site.built
    alive = {pod.uid for pod in moment.recent_pods} | {node.uid for node in moment.recent_nodes}
    if len(built) > 4 * len(alive):
        for key in list(built):
            if key.partition("/")[0] not in alive:
                built.pop(key, None)


def _kept(moment: Moment, facts: PodFacts) -> Pod:
    """A pod's object, the same one as long as nothing about it changes."""
    if facts.scheduled > moment.now or facts.doomed:
        return _pod(moment, facts)
    state = (facts, facts.changed(moment.now))
    known = moment.site.built.get(facts.uid)
    if known is None or known[0] != state:
        known = moment.site.built[facts.uid] = (state, _pod(moment, facts))
    pod: Pod = known[1]
    return pod


def _stack(moment: Moment, facts: NodeFacts) -> list[Pod]:
    """The GPU stack's pods on a node: they come when it has joined, and are ready when its driver is."""
    site, found = moment.site, []
    created, ready = facts.born + 3, max(facts.usable - 2, facts.born + 3 + _SYSTEM_S)
    if created > moment.now:
        return []
    for job in exporter.exporters(site, facts.slot.index):
        name = exporter.exporter_pod(site, facts.name, job)
        found.append(_daemon(moment, job, name, exporter.exporter_namespace(job), facts.name, (created, ready + 4)))
    if not site.placement.hit("plugin-gone", facts.slot.index):
        space, owner_ = manifests.plugin(site)
        name = exporter.exporter_pod(site, facts.name, owner_)
        pod = _daemon(moment, owner_, name, space, facts.name, (created, ready))
        face = site.reaction.face(facts.name, moment.now) if site.reaction is not None else None
        found.append(_crashing(pod, face) if face is not None and face.crash else pod)
    return found


def why_waiting(moment: Moment, pod: PodFacts, at: int) -> str:
    """The scheduler's message for a pod that fits nowhere at a time, in the wording of Kubernetes 1.34.

    Reasons are sorted as text, and taints are no longer spelled out.
    """
    wrong_model = bool(pod.work.plan.selector)
    reasons: Counter[str] = Counter()
    nodes = moment.nodes if at == moment.now else [one for one in moment.recent_nodes if one.born <= at < one.gone]
    for facts in nodes:
        if moment.cordoned(facts):
            reasons["node(s) were unschedulable"] += 1
        elif facts.slot.pool.taint or facts.ready > at:
            reasons["node(s) had untolerated taint(s)"] += 1
        elif wrong_model or facts.slot.pool.name != pod.work.plan.place.pool:
            reasons["node(s) didn't match Pod's node affinity/selector"] += 1
        else:
            reasons[f"Insufficient {pod.work.resource}"] += 1
    total = len(nodes)
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
    gated = facts.ungated > moment.now
    name = image(site, work, facts.created)
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
            containers=[_container(work, name, Resources(requests=requests, limits=asked))],
            init_containers=_init_containers(site, work),
            priority=PRIORITIES[work.plan.priority],
            priority_class_name=work.plan.priority or None,
            node_selector=selector,
            scheduling_gates=[SchedulingGate(name="kueue.x-k8s.io/admission")] if gated else None,
        )
        if work.template is None
        else _templated(moment, facts),
        status=podstatus.bound(facts, moment.now, name)
        if facts.scheduled <= moment.now
        else podstatus.unbound(facts, moment.now, "" if gated else why_waiting(moment, facts, moment.now)),
    )


def _container(work: Work, name: str, resources: Resources) -> Container:
    plan = work.plan.start
    return Container(
        name="main",
        image=name,
        image_pull_policy="Always" if plan.always else "IfNotPresent",
        resources=resources,
        args=engines.arguments(work.plan.context) if work.plan.llm and plan.image in _ENGINES else None,
        startup_probe=Probe(period_seconds=STARTUP_PERIOD_S, failure_threshold=120)
        if "startup" in plan.probes
        else None,
        readiness_probe=Probe(period_seconds=READINESS_PERIOD_S, failure_threshold=3)
        if "readiness" in plan.probes
        else None,
    )


def _init_containers(site: Site, work: Work) -> list[Container] | None:
    init = work.plan.start.init
    if init is None:
        return None
    return [Container(name=init.name, image=init_image(site, work), image_pull_policy="IfNotPresent")]


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


def _daemon(moment: Moment, kind: str, name: str, namespace: str, node: str, times: tuple[int, int]) -> Pod:
    """A pod of a DaemonSet, created and ready at ``times``."""
    site, (created, ready_at) = moment.site, times
    ready = ready_at <= moment.now
    since, bound = instant(ready_at), instant(created)
    state = ContainerState(running=Running(started_at=since))
    if not ready:
        state = ContainerState(waiting=Waiting(reason="PodInitializing"))
    container = "nvidia-device-plugin" if (namespace, kind) == manifests.plugin(site) else "exporter"
    return Pod(
        metadata=meta(
            name,
            uid(site, "pod", namespace, name),
            created,
            namespace=namespace,
            version=ready_at if ready else created,
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
            phase="Running" if ready else "Pending",
            conditions=[
                Condition(
                    type=kind_,
                    status=str(ready or kind_ == "PodScheduled"),
                    last_transition_time=since if ready and kind_ != "PodScheduled" else bound,
                )
                for kind_ in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            ],
            container_statuses=[ContainerStatus(name=container, ready=ready, started=ready, state=state)],
            start_time=bound,
        ),
    )
