"""Objects that follow the gateway's rollouts: its pods, their ReplicaSets, and the status of its Deployment."""

from collections.abc import Mapping
from typing import Any

from services.demo import gateway_manifests, noise
from services.demo.gateway_manifests import LABEL, image
from services.demo.gateway_plan import GatewayPlan
from services.demo.gateway_rollout import Process, deployment, moments, rollouts
from services.demo.ledger import Folded, Key
from services.demo.lives import NEVER
from services.demo.moment import Moment, controller, instant, meta, stamp
from services.demo.names import uid
from services.domain.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    Generic,
    Pod,
    PodSpec,
    PodStatus,
    Resources,
    Running,
    Waiting,
)

_OBSERVED_S, _STARTED_S = 1, 2


def is_gateway(moment: Moment, key: Key) -> bool:
    """Whether an object is the gateway's Deployment."""
    gateway = gateway_manifests.plan(moment.site)
    return gateway is not None and key == deployment(gateway)


def status(moment: Moment, body: Mapping[str, Any], folded: Folded) -> dict[str, Any]:
    """What the Deployment's controller says of its rollout."""
    played = rollouts(moment.site, moment.now)
    now = moment.now
    alive = played.alive(now) if played is not None else []
    newest = played.revision(now) if played is not None else ""
    ready = sum(one.ready <= now for one in alive)
    wanted = 1 if body["spec"].get("replicas") is None else int(body["spec"]["replicas"])
    fresh = [write for write in folded.writes if write.at > now - _OBSERVED_S and "spec" in write.body]
    counts = {
        "replicas": len(alive),
        "updatedReplicas": sum(one.revision == newest for one in alive),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(len(alive), wanted) - ready,
    }
    since = max((t for one in alive for t in (one.created, one.ready) if t <= now), default=now)
    available = {
        "type": "Available",
        "status": str(ready >= wanted),
        "reason": "MinimumReplicasAvailable" if ready >= wanted else "MinimumReplicasUnavailable",
        "lastTransitionTime": stamp(since),
    }
    return {
        "observedGeneration": int(body["metadata"].get("generation", 1)) - len(fresh),
        **{name: count for name, count in counts.items() if count},
        "conditions": [available],
    }


def changed(moment: Moment) -> int:
    """When the rollout last moved on; 0 for never."""
    return max(moments(moment.site, moment.now), default=0)


def replicasets(moment: Moment) -> list[Generic]:
    """A ReplicaSet for each template that has pods."""
    site, now = moment.site, moment.now
    gateway, played = gateway_manifests.plan(site), rollouts(site, now)
    if gateway is None or played is None:
        return []
    alive, labels = played.alive(now), {LABEL: gateway.deployment}
    found = []
    for revision in dict.fromkeys(one.revision for one in alive):
        own = [one for one in alive if one.revision == revision]
        name = f"{gateway.deployment}-{revision}"
        found.append(
            Generic(
                metadata=meta(
                    name,
                    uid(site, "replicaset", gateway.namespace, name),
                    min(one.created for one in own),
                    namespace=gateway.namespace,
                    version=max(t for one in own for t in (one.created, one.ready) if t <= now),
                    labels=labels,
                    owner=controller("Deployment", gateway.deployment, _deployment_uid(moment, gateway)),
                ),
                spec={"replicas": len(own), "selector": {"matchLabels": labels}},
                status={"replicas": len(own), "readyReplicas": sum(one.ready <= now for one in own)},
            )
        )
    return found


def pods(moment: Moment, *, node: str = "") -> list[Pod]:
    """The proxy's pods, all or those bound to a node."""
    gateway, played = gateway_manifests.plan(moment.site), rollouts(moment.site, moment.now)
    if gateway is None or played is None:
        return []
    hosts = [facts.name for facts in moment.nodes if facts.slot.pool.name == gateway.pool]
    found = []
    for one in played.alive(moment.now) if hosts else ():
        host = hosts[one.number % len(hosts)]
        if node in ("", host):
            found.append(_pod(moment, gateway, one, host))
    return found


def _pod(moment: Moment, gateway: GatewayPlan, one: Process, host: str) -> Pod:
    site, now = moment.site, moment.now
    above = f"{gateway.deployment}-{one.revision}"
    name = f"{above}-{noise.suffix(noise.key(site.seed, site.name, above, one.number, one.created))}"
    return Pod(
        metadata=meta(
            name,
            uid(site, "pod", gateway.namespace, name),
            one.created,
            namespace=gateway.namespace,
            version=max(t for t in (one.created, one.ready) if t <= now),
            labels={LABEL: gateway.deployment, "team": "platform"},
            owner=controller("ReplicaSet", above, uid(site, "replicaset", gateway.namespace, above)),
        ),
        spec=PodSpec(
            node_name=host,
            containers=[
                Container(
                    name="litellm",
                    image=image(gateway),
                    resources=Resources(requests={"cpu": "500m", "memory": "1Gi"}),
                )
            ],
            priority=0,
        ),
        status=_pod_status(one, name, now),
    )


def _pod_status(one: Process, name: str, now: int) -> PodStatus:
    started, ready = one.created + _STARTED_S, one.ready <= now
    if one.ready == NEVER and now >= started:
        said = f"back-off 1m20s restarting failed container=litellm pod={name}"
        state = ContainerState(waiting=Waiting("CrashLoopBackOff", said))
    elif now >= started:
        state = ContainerState(running=Running(instant(started)))
    else:
        state = ContainerState(waiting=Waiting("ContainerCreating"))
    why = None if ready else "ContainersNotReady"
    since = instant(one.ready if ready else one.created)
    restarts = (now - started) // 60 if one.ready == NEVER and now >= started else 0
    return PodStatus(
        phase="Running" if now >= started else "Pending",
        conditions=[
            Condition("Initialized", "True", last_transition_time=instant(one.created)),
            Condition("Ready", str(ready), why, last_transition_time=since),
            Condition("ContainersReady", str(ready), why, last_transition_time=since),
            Condition("PodScheduled", "True", last_transition_time=instant(one.created)),
        ],
        container_statuses=[ContainerStatus("litellm", ready=ready, restart_count=restarts, state=state)],
        start_time=instant(one.created),
    )


def _deployment_uid(moment: Moment, gateway: GatewayPlan) -> str:
    key = deployment(gateway)
    folded = moment.site.ledger.folded(key, {}, moment.now)
    if folded is not None and folded.made is not None:
        return uid(moment.site, "made", *key, folded.made.id)
    return uid(moment.site, "deployment", gateway.namespace, gateway.deployment)
