"""Karpenter's objects: the pools with their limits, and a claim for every node, those on their way included."""

from services.demo import noise
from services.demo.lives import FOUNDED
from services.demo.moment import Moment, NodeFacts, meta, stamp
from services.demo.names import uid
from services.demo.nodeobjects import gpu_resources, instance_id
from services.demo.world import Site
from services.domain.objects import Generic


def installed(moment: Moment) -> bool:
    """Whether the cluster's nodes are Karpenter's."""
    return moment.site.plan.labels == "karpenter"


def nodepools(moment: Moment) -> list[Generic]:
    """One pool for each of the plan's; its limit is what it has and a quarter more."""
    found = []
    for pool in moment.site.plan.pools:
        members = [facts for facts in moment.nodes if facts.slot.pool is pool]
        gpus = len(members) * pool.instance.gpus
        planned = planned_nodes(moment.site, pool.name)
        limits = {"cpu": str(planned * pool.instance.cpus * 5 // 4)}
        if gpus:
            limits["nvidia.com/gpu"] = str(most_gpus(moment.site, pool.name))
        requirements = [
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [pool.capacity]},
            {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [pool.instance.name]},
        ]
        found.append(
            Generic(
                metadata=meta(pool.name, uid(moment.site, "nodepool", pool.name), FOUNDED, version=moment.now),
                spec={
                    "limits": limits,
                    "template": {"spec": {"requirements": requirements, "expireAfter": "Never"}},
                    "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5m"},
                },
                status={
                    "resources": {"cpu": str(len(members) * pool.instance.cpus), "nvidia.com/gpu": str(gpus)},
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            )
        )
    return found


def planned_nodes(site: Site, pool: str) -> int:
    """How many nodes of the pool stand when nobody waits for one."""
    return sum(slot.pool.name == pool and not slot.burst and not slot.name for slot in site.estate.nodes)


def most_gpus(site: Site, pool: str) -> int:
    """The pool's limit."""
    gpus = planned_nodes(site, pool) * site.plan.pool(pool).instance.gpus
    return gpus + max(gpus // 4, 1)


def nodeclaims(moment: Moment) -> list[Generic]:
    """Claims of nodes that are there or will join within the next minutes."""
    return [_claim(moment, facts) for facts in moment.recent_nodes if facts.claimed <= moment.now < facts.gone]


def claim_name(site: Site, facts: NodeFacts) -> str:
    """Name of a node's claim."""
    return f"{facts.slot.pool.name}-{noise.suffix(noise.key(site.seed, facts.uid))}"


def _claim(moment: Moment, facts: NodeFacts) -> Generic:
    site, pool = moment.site, facts.slot.pool
    joined = facts.born <= moment.now
    name, created = claim_name(site, facts), facts.claimed
    steps = (("Launched", created + 4), ("Registered", facts.born + 1), ("Initialized", facts.usable))
    conditions: list[dict[str, str]] = []
    for kind, at in steps:
        since = stamp(at if at <= moment.now else created)
        state = {"type": kind, "status": "True" if at <= moment.now else "Unknown", "lastTransitionTime": since}
        if at > moment.now and kind == "Initialized":
            state |= _uninitialized(moment, facts)
        conditions.append(state)
    status = {
        "capacity": {"cpu": str(pool.instance.cpus), **gpu_resources(site, facts, moment.now)[0]},
        "providerID": f"aws:///{facts.slot.zone}/{instance_id(site, facts)}",
        "conditions": conditions,
    }
    labels = {
        "karpenter.sh/nodepool": pool.name,
        "karpenter.sh/capacity-type": pool.capacity,
        "node.kubernetes.io/instance-type": pool.instance.name,
        "topology.kubernetes.io/zone": facts.slot.zone,
    }
    return Generic(
        metadata=meta(name, uid(site, "nodeclaim", name), created, labels=labels),
        spec={"nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"}},
        status={**status, "nodeName": facts.name} if joined else status,
    )


def _uninitialized(moment: Moment, facts: NodeFacts) -> dict[str, str]:
    """What a claim that is not initialized waits for, in Karpenter's words."""
    if facts.born > moment.now:
        return {"reason": "NodeNotFound", "message": "Node not registered with cluster"}
    if facts.ready > moment.now:
        return {"reason": "NodeNotReady", "message": "Node status is NotReady"}
    return {
        "reason": "ResourceNotRegistered", "message": 'Resource "nvidia.com/gpu" was requested but not registered'
    }  # fmt: skip
