"""Controllers: Deployments, ReplicaSets, StatefulSets, Jobs, DaemonSets and autoscalers."""

from typing import Any

from services.demo import exporter, gateway_objects, manifests, names
from services.demo.lives import FOUNDED
from services.demo.moment import Moment, PodFacts, controller, meta, stamp
from services.demo.names import uid
from services.demo.podobjects import image, labels, owner, pool_selector
from services.demo.policies import blocked_here, blocked_replicaset, blocked_since, blocked_uid, refusal_condition
from services.demo.scenario import Blocked
from services.demo.workloads import Work
from services.domain.objects import Generic


def _of_kind(moment: Moment, *kinds: str) -> list[Work]:
    return [work for work in moment.site.works if work.plan.kind in kinds and work.template is None]


def _template(moment: Moment, work: Work) -> dict[str, Any]:
    return {
        "metadata": {"labels": labels(work)},
        "spec": {
            "nodeSelector": pool_selector(moment.site, work.plan.place.pool),
            "containers": [
                {
                    "name": "main",
                    "image": image(moment.site, work, moment.now),
                    "resources": {"limits": {work.resource: str(work.amount)}},
                }
            ],
        },
    }


def _replicas(moment: Moment, work: Work) -> tuple[int, int]:
    """Replicas wanted and ready."""
    alive = moment.by_work.get(work.index, [])
    return len(alive), sum(pod.ready <= moment.now for pod in alive)


def _desired(moment: Moment, work: Work) -> int:
    steps = [count for at, count in moment.site.scalings().get(work.index, []) if at <= moment.now]
    return steps[-1] if steps else _replicas(moment, work)[0]


def _rollout_began(moment: Moment, work: Work) -> tuple[int, int]:
    """Number of the present rollout and when it began."""
    lane = moment.site.placement.lanes[moment.site.placement.lanes_of[work.index][0]]
    number = names.rollout(moment.site, work, moment.now)
    return number, lane.phase + number * lane.period


def deployments(moment: Moment) -> list[Generic]:
    """Deployments; one whose pods a quota refuses among them where the scenario has it."""
    found = []
    for work in _of_kind(moment, "Deployment"):
        wanted, ready = _desired(moment, work), _replicas(moment, work)[1]
        number, began = _rollout_began(moment, work)
        available = {"type": "Available", "status": "True" if ready >= wanted else "False", "lastTransitionTime": None}
        found.append(
            Generic(
                metadata=meta(
                    work.name,
                    uid(moment.site, "deployment", work.namespace, work.name),
                    FOUNDED + 86400,
                    namespace=work.namespace,
                    version=began,
                    labels=labels(work),
                    annotations={"deployment.kubernetes.io/revision": str(number % 1000)},
                ),
                spec={
                    "replicas": wanted,
                    "selector": {"matchLabels": _selector(work)},
                    "template": _template(moment, work),
                },
                status={
                    "observedGeneration": 1,
                    "replicas": wanted,
                    "updatedReplicas": wanted,
                    "readyReplicas": ready,
                    "availableReplicas": ready,
                    **({"unavailableReplicas": wanted - ready} if wanted > ready else {}),
                    "conditions": [available],
                },
            )
        )
    found.extend(blocked_deployment(moment, blocked) for blocked in blocked_here(moment))
    return found


def _selector(work: Work) -> dict[str, str]:
    return {"app.kubernetes.io/name": work.name}


def replicasets(moment: Moment) -> list[Generic]:
    """The present ReplicaSet of each Deployment and the one before it, scaled to nothing."""
    site = moment.site
    found = []
    for work in _of_kind(moment, "Deployment"):
        number, began = _rollout_began(moment, work)
        above = controller("Deployment", work.name, uid(site, "deployment", work.namespace, work.name))
        alive = moment.by_work.get(work.index, [])
        for age in (0, 1):
            name = names.replicaset(site, work, number - age)
            own = [pod for pod in alive if names.rollout(site, work, pod.created) == number - age]
            found.append(
                Generic(
                    metadata=meta(
                        name,
                        uid(site, "replicaset", work.namespace, name),
                        began - age * 7 * 86400,
                        namespace=work.namespace,
                        labels=labels(work),
                        owner=above,
                    ),
                    spec={"replicas": len(own), "selector": {"matchLabels": _selector(work)}},
                    status={"replicas": len(own), "readyReplicas": sum(pod.ready <= moment.now for pod in own)},
                )
            )
    found.extend(_made_replicasets(moment))
    found.extend(gateway_objects.replicasets(moment))
    for blocked in blocked_here(moment):
        above = controller("Deployment", blocked.name, blocked_uid(moment, blocked, "deployment"))
        name = blocked_replicaset(blocked)
        found.append(
            Generic(
                metadata=meta(
                    name,
                    blocked_uid(moment, blocked, "replicaset"),
                    blocked_since(moment),
                    namespace=blocked.namespace,
                    labels={"app.kubernetes.io/name": blocked.name},
                    owner=above,
                ),
                spec={"replicas": blocked.wants},
                status={"replicas": 0, "conditions": [refusal_condition(moment, blocked)]},
            )
        )
    return found


def _made_replicasets(moment: Moment) -> list[Generic]:
    """ReplicaSets of the Deployments people made, one for each template that has pods."""
    site = moment.site
    found = []
    for work in site.works:
        folded = site.ledger.folded(("Deployment", work.namespace, work.name), None, moment.now)
        own = moment.by_work.get(work.index, [])
        if work.template is None or not own or folded is None or folded.made is None:
            continue
        name = names.replicaset(site, work, 0)
        above = uid(site, "made", "Deployment", work.namespace, work.name, folded.made.id)
        found.append(
            Generic(
                metadata=meta(
                    name,
                    uid(site, "replicaset", work.namespace, name),
                    min(pod.created for pod in own),
                    namespace=work.namespace,
                    labels=labels(work),
                    owner=controller("Deployment", work.name, above),
                ),
                spec={"replicas": len(own), "selector": {"matchLabels": labels(work)}},
                status={"replicas": len(own), "readyReplicas": sum(pod.ready <= moment.now for pod in own)},
            )
        )
    return found


def statefulsets(moment: Moment) -> list[Generic]:
    """StatefulSets."""
    found = []
    for work in _of_kind(moment, "StatefulSet"):
        wanted, ready = _desired(moment, work), _replicas(moment, work)[1]
        found.append(
            Generic(
                metadata=meta(
                    work.name,
                    uid(moment.site, "statefulset", work.namespace, work.name),
                    FOUNDED + 86400,
                    namespace=work.namespace,
                    labels=labels(work),
                ),
                spec={
                    "replicas": wanted,
                    "serviceName": work.name,
                    "selector": {"matchLabels": _selector(work)},
                    "template": _template(moment, work),
                },
                status={"replicas": wanted, "readyReplicas": ready},
            )
        )
    return found


def jobs(moment: Moment) -> list[Generic]:
    """Jobs whose pods are there, those of CronJobs with the CronJob as controller."""
    site = moment.site
    pods: dict[str, list[PodFacts]] = {}
    for pod in moment.pods:
        above = owner(site, pod)
        if above is not None and above.kind == "Job":
            pods.setdefault(above.uid, []).append(pod)
    found = []
    for identity, own in pods.items():
        work = own[0].work
        above = owner(site, own[0])
        cron = controller("CronJob", work.name, uid(site, "cronjob", work.namespace, work.name))
        created = min(pod.created for pod in own)
        phases = [pod.phase(moment.now) for pod in own]
        many = max(work.plan.copies, 1) if work.plan.together or work.plan.kind == "CronJob" else 1
        found.append(
            Generic(
                metadata=meta(
                    above.name if above else "",
                    identity,
                    created,
                    namespace=work.namespace,
                    version=max(pod.changed(moment.now) for pod in own),
                    labels=labels(work),
                    owner=cron if work.plan.kind == "CronJob" else None,
                ),
                spec={
                    "parallelism": many,
                    "completions": many,
                    "ttlSecondsAfterFinished": 3600,
                    "template": _template(moment, work),
                },
                status={
                    "active": sum(phase in ("Pending", "Running") for phase in phases),
                    "succeeded": phases.count("Succeeded"),
                    "failed": phases.count("Failed"),
                    "startTime": stamp(created),
                },
            )
        )
    return found


def daemonsets(moment: Moment) -> list[Generic]:
    """The GPU stack, with the node where a part of it does not run."""
    site = moment.site
    nodes = [facts for facts in moment.nodes if facts.slot.pool.instance.gpus]
    watched = [facts for facts in nodes if exporter.exporters(site, facts.slot.index)]
    plugged = [facts for facts in nodes if not site.placement.hit("plugin-gone", facts.slot.index)]
    capable = sum(facts.slot.pool.instance.model is not None and facts.slot.pool.instance.model.mig for facts in nodes)
    space, plugin = manifests.plugin(site)
    counts = {
        (space, plugin): (len(nodes), len(plugged)),
        (exporter.NAMESPACE, "gpu-feature-discovery"): (len(nodes), len(nodes)),
        (exporter.NAMESPACE, "dcgm-exporter"): (len(nodes), len(watched)),
        (exporter.NAMESPACE, "nvidia-driver-daemonset"): (len(nodes), len(nodes)),
        (space, "nvidia-device-plugin-mps-control-daemon"): (0, 0),
    }
    if manifests.operated(site):
        counts[exporter.NAMESPACE, "nvidia-mig-manager"] = (capable, capable)
    policy = controller("ClusterPolicy", "cluster-policy", uid(site, "clusterpolicy", "", "cluster-policy"))
    found = []
    for (namespace, name), (wanted, ready) in counts.items():
        status = {
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": wanted,
            "updatedNumberScheduled": wanted,
            "numberReady": ready,
            "numberAvailable": ready,
            "numberUnavailable": wanted - ready,
            "observedGeneration": 1,
        }
        own = meta(
            name,
            uid(site, "daemonset", namespace, name),
            FOUNDED,
            namespace=namespace,
            labels={"app": name},
            owner=policy if manifests.operated(site) and name.startswith("nvidia-") else None,
        )
        spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}}
        if (namespace, name) == (space, plugin):
            spec["template"] = manifests.plugin_template(site)
        found.append(Generic(metadata=own, spec=spec, status=status))
    return found


def hpas(moment: Moment) -> list[Generic]:
    """Autoscalers of the Deployments that have room to grow."""
    found = []
    for work in _of_kind(moment, "Deployment"):
        if work.plan.most == work.plan.least:
            continue
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": work.name}
        now = _replicas(moment, work)[0]
        found.append(
            Generic(
                metadata=meta(
                    work.name,
                    uid(moment.site, "hpa", work.namespace, work.name),
                    FOUNDED + 86400,
                    namespace=work.namespace,
                    version=moment.now,
                    labels=labels(work),
                ),
                spec={"scaleTargetRef": target, "minReplicas": work.plan.least, "maxReplicas": work.plan.most},
                status={"currentReplicas": now, "desiredReplicas": now},
            )
        )
    return found


def blocked_deployment(moment: Moment, blocked: Blocked) -> Generic:
    """The Deployment whose pods the quota refuses."""
    own = meta(
        blocked.name,
        blocked_uid(moment, blocked, "deployment"),
        blocked_since(moment),
        namespace=blocked.namespace,
        labels={"app.kubernetes.io/name": blocked.name},
    )
    return Generic(
        metadata=own,
        spec={"replicas": blocked.wants},
        status={"unavailableReplicas": blocked.wants, "conditions": [refusal_condition(moment, blocked)]},
    )
