"""Node objects: labels of feature discovery, cloud and provisioner, resources as the kubelet reports them.

Label keys and values: k8s-device-plugin ``internal/lm``, gpu-operator ``controllers/state_manager.go``,
karpenter-provider-aws ``pkg/apis/v1/labels.go``, EKS managed node groups.
"""

from collections import Counter
from collections.abc import Mapping

from services.demo import exporter, nodeimages, noise
from services.demo.hardware import PROFILES, GpuModel
from services.demo.lives import FOUNDED
from services.demo.moment import Moment, NodeFacts, instant, meta
from services.demo.world import Site
from services.domain.objects import Condition, Node, NodeImage, NodeSpec, NodeStatus, Taint

_NO_NETWORK = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)
_OPERANDS = (
    "container-toolkit",
    "dcgm",
    "dcgm-exporter",
    "device-plugin",
    "driver",
    "gpu-feature-discovery",
    "operator-validator",
)


def nodes(moment: Moment) -> list[Node]:
    """Every node of the cluster."""
    images = nodeimages.listed(moment)
    return [node(moment, facts, images[facts.name]) for facts in moment.nodes]


def instance_id(site: Site, facts: NodeFacts) -> str:
    """EC2 instance id."""
    return f"i-0{noise.key(site.seed, facts.uid):016x}"


def gpu_resources(site: Site, facts: NodeFacts, now: int) -> tuple[dict[str, str], dict[str, str]]:
    """GPU entries of capacity and of allocatable; empty for a node without GPUs."""
    face = site.reaction.face(facts.name, now) if site.reaction is not None else None
    if face is not None:
        return dict(face.capacity), dict(face.allocatable)
    pool, slot = facts.slot.pool, facts.slot
    if pool.instance.model is None:
        return {}, {}
    if site.placement.hit("plugin-gone", slot.index):
        return {"nvidia.com/gpu": "0"}, {"nvidia.com/gpu": "0"}
    layouts = [slot.layout(gpu) for gpu in range(pool.instance.gpus)]
    whole = sum(not layout for layout in layouts) * site.placement.offered(slot.index)
    capacity = {"nvidia.com/gpu": str(whole)}
    cut = Counter(profile for layout in layouts for profile in layout)
    capacity |= {f"nvidia.com/mig-{profile}": str(count) for profile, count in sorted(cut.items())}
    allocatable = dict(capacity)
    if site.placement.hit("gpu-lost", slot.index):
        allocatable["nvidia.com/gpu"] = str(whole - 1)
    return capacity, allocatable


def node(moment: Moment, facts: NodeFacts, images: list[NodeImage] | None = None) -> Node:
    """One node, as the scenario and controllers have it; ``images`` are those it lists, if they are known already."""
    images = nodeimages.listed(moment)[facts.name] if images is None else images
    site, slot = moment.site, facts.slot
    instance = slot.pool.instance
    capacity, allocatable = gpu_resources(site, facts, moment.now) if facts.usable <= moment.now else ({}, {})
    memory = instance.memory_gib * 1048576
    base = {"cpu": str(instance.cpus), "ephemeral-storage": "104779756Ki", "hugepages-2Mi": "0", "pods": "110"}
    cordoned = site.placement.hit("cordoned", slot.index)
    return Node(
        metadata=meta(
            facts.name,
            facts.uid,
            facts.born,
            version=_written(facts, moment.now),
            labels=_shown(labels(site, facts, discovered=facts.usable <= moment.now), moment, facts),
            annotations={"node.alpha.kubernetes.io/ttl": "0"},
        ),
        spec=NodeSpec(
            unschedulable=True if cordoned else None,
            taints=_taints(facts, moment.now, cordoned=cordoned) or None,
            provider_id=f"aws:///{slot.zone}/{instance_id(site, facts)}",
        ),
        status=NodeStatus(
            capacity={**base, "memory": f"{memory * 97 // 100}Ki", **capacity},
            allocatable={
                **base,
                "cpu": f"{instance.cpus * 1000 - 110}m",
                "memory": f"{memory * 93 // 100}Ki",
                "ephemeral-storage": "95491281146",
                **allocatable,
            },
            conditions=_conditions(facts, moment.now),
            images=images if facts.ready <= moment.now else None,
        ),
    )


def _written(facts: NodeFacts, now: int) -> int:
    """When the node's status was last written: the kubelet does so every five minutes, and when something changes."""
    return max(at for at in (now // 300 * 300, facts.born, facts.ready, facts.usable) if at <= now)


def _taints(facts: NodeFacts, now: int, *, cordoned: bool) -> list[Taint]:
    taints = []
    if facts.ready > now:
        taints.append(Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule"))
    if facts.slot.pool.instance.gpus:
        taints.append(Taint(key="nvidia.com/gpu", value="present", effect="NoSchedule"))
    if facts.slot.pool.taint:
        taints.append(Taint(key=facts.slot.pool.taint, value="true", effect="NoSchedule"))
    if cordoned:
        taints.append(Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"))
    return taints


def _conditions(facts: NodeFacts, now: int) -> list[Condition]:
    fine = (
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    )
    conditions = [
        Condition(type=kind, status="False", reason=reason, message=message, last_transition_time=instant(facts.born))
        for kind, reason, message in fine
    ]
    ready = facts.ready <= now
    conditions.append(
        Condition(
            type="Ready",
            status=str(ready),
            reason="KubeletReady" if ready else "KubeletNotReady",
            message="kubelet is posting ready status" if ready else _NO_NETWORK,
            last_transition_time=instant(facts.ready if ready else facts.born),
        )
    )
    return conditions


def _shown(found: dict[str, str], moment: Moment, facts: NodeFacts) -> dict[str, str]:
    """Labels with what controllers changed since."""
    face = moment.site.reaction.face(facts.name, moment.now) if moment.site.reaction is not None else None
    changed = {**found, **face.labels} if face is not None else found
    return {name: value for name, value in changed.items() if value is not None}


def labels(site: Site, facts: NodeFacts, *, discovered: bool = True) -> dict[str, str]:
    """Labels of a node as the scenario has them, with those that are written once its driver runs or without."""
    slot = facts.slot
    instance = slot.pool.instance
    found = {
        "beta.kubernetes.io/arch": "amd64",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": facts.name,
        "node.kubernetes.io/instance-type": instance.name,
        "topology.kubernetes.io/region": site.plan.region,
        "topology.kubernetes.io/zone": slot.zone,
        **_provisioner(site, facts),
    }
    if discovered and site.plan.labels == "karpenter":
        found["karpenter.sh/initialized"] = "true"
    if instance.model is not None and discovered:
        found |= _discovered(site, facts, instance.model)
    return found


def _provisioner(site: Site, facts: NodeFacts) -> dict[str, str]:
    pool, instance = facts.slot.pool, facts.slot.pool.instance
    if site.plan.labels == "nodegroup":
        labels = {
            "eks.amazonaws.com/nodegroup": pool.name,
            "eks.amazonaws.com/capacityType": pool.capacity.upper().replace("-", "_"),
            "eks.amazonaws.com/nodegroup-image": f"ami-0{noise.key(pool.name):016x}",
        }
        if instance.model:
            labels["k8s.amazonaws.com/accelerator"] = f"nvidia-{instance.model.short}"
        return labels
    labels = {
        "karpenter.sh/nodepool": pool.name,
        "karpenter.sh/capacity-type": pool.capacity,
        "karpenter.sh/registered": "true",
        "karpenter.k8s.aws/ec2nodeclass": "default",
        "karpenter.k8s.aws/instance-category": instance.name[0],
        "karpenter.k8s.aws/instance-family": instance.family,
        "karpenter.k8s.aws/instance-size": instance.name.split(".")[1],
        "karpenter.k8s.aws/instance-cpu": str(instance.cpus),
        "karpenter.k8s.aws/instance-memory": str(instance.memory_gib * 1024),
    }
    if instance.model:
        labels |= {
            "karpenter.k8s.aws/instance-gpu-name": instance.model.short,
            "karpenter.k8s.aws/instance-gpu-manufacturer": "nvidia",
            "karpenter.k8s.aws/instance-gpu-count": str(instance.gpus),
            "karpenter.k8s.aws/instance-gpu-memory": str(instance.model.memory_mib),
        }
    return labels


def _discovered(site: Site, facts: NodeFacts, model: GpuModel) -> dict[str, str]:
    """What GPU feature discovery and the GPU operator write."""
    slot = facts.slot
    shared, cut = slot.replicas > 1, bool(slot.pool.mig)
    version = exporter.driver(site, slot.index)
    major, minor, revision = version.split(".")
    labels = {
        "feature.node.kubernetes.io/pci-10de.present": "true",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": f"{model.product}-SHARED" if shared else model.product,
        "nvidia.com/gpu.count": str(slot.pool.instance.gpus),
        "nvidia.com/gpu.memory": str(model.memory_mib),
        "nvidia.com/gpu.replicas": "0" if cut else str(slot.replicas),
        "nvidia.com/gpu.sharing-strategy": "time-slicing" if shared else "none",
        "nvidia.com/gpu.family": model.family,
        "nvidia.com/gpu.machine": slot.pool.instance.name,
        "nvidia.com/gpu.mode": "compute",
        "nvidia.com/gpu.compute.major": str(model.compute[0]),
        "nvidia.com/gpu.compute.minor": str(model.compute[1]),
        "nvidia.com/cuda.driver-version.full": version,
        "nvidia.com/cuda.driver-version.major": major,
        "nvidia.com/cuda.driver-version.minor": minor,
        "nvidia.com/cuda.driver-version.revision": revision,
        "nvidia.com/cuda.runtime-version.full": "12.8",
        "nvidia.com/cuda.runtime-version.major": "12",
        "nvidia.com/cuda.runtime-version.minor": "8",
        "nvidia.com/gfd.timestamp": str(max(facts.usable, FOUNDED)),
        "nvidia.com/mig.capable": str(model.mig).lower(),
        "nvidia.com/mps.capable": "false",
        **{f"nvidia.com/gpu.deploy.{operand}": "true" for operand in _OPERANDS},
    }
    if shared:
        labels["nvidia.com/device-plugin.config"] = f"ts{slot.replicas}"
    if cut:
        cuts = Counter(profile for gpu in range(slot.pool.instance.gpus) for profile in slot.layout(gpu))
        labels |= {
            "nvidia.com/mig.strategy": "mixed",
            "nvidia.com/mig.config": f"custom-{slot.ordinal}",
            "nvidia.com/mig.config.state": "success",
            **instance_labels(model, cuts),
        }
    elif model.mig:
        labels |= {"nvidia.com/mig.config": "all-disabled", "nvidia.com/mig.config.state": "success"}
    return labels


def instance_labels(model: GpuModel, counts: Mapping[str, int]) -> dict[str, str]:
    """What feature discovery writes about MIG instances, by profile."""
    labels: dict[str, str] = {}
    for profile, count in counts.items():
        size = PROFILES[profile]
        head = f"nvidia.com/mig-{profile}"
        labels |= {
            f"{head}.count": str(count),
            f"{head}.product": f"{model.product}-MIG-{profile}",
            f"{head}.memory": str(size.memory_mib),
            f"{head}.replicas": "1",
            f"{head}.sharing-strategy": "none",
            f"{head}.multiprocessors": str(size.slices * 14),
            f"{head}.slices.gi": str(size.slices),
            f"{head}.slices.ci": str(size.slices),
        }
    return labels
