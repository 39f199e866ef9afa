"""Builders of Kubernetes objects and frames with sensible defaults."""

from datetime import UTC, datetime, timedelta

from services.domain.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    Event,
    Generic,
    Meta,
    Node,
    NodeSpec,
    NodeStatus,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
    Reference,
    Resources,
    Taint,
    Waiting,
)

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
H100 = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.replicas": "1",
    "nvidia.com/gpu.memory": "81559",
    "node.kubernetes.io/instance-type": "p5.48xlarge",
    "topology.kubernetes.io/region": "us-east-1",
    "karpenter.sh/nodepool": "h100",
    "karpenter.sh/capacity-type": "on-demand",
}


def node(
    name: str = "n1",
    *,
    labels: dict[str, str] | None = None,
    capacity: dict[str, str] | None = None,
    allocatable: dict[str, str] | None = None,
    ready: bool = True,
    cordoned: bool = False,
    taints: list[Taint] | None = None,
) -> Node:
    """A node; by default eight H100, all allocatable."""
    capacity = {"nvidia.com/gpu": "8"} if capacity is None else capacity
    return Node(
        metadata=Meta(name=name, uid=f"uid-{name}", labels=H100 if labels is None else labels, creation_timestamp=NOW),
        spec=NodeSpec(unschedulable=cordoned or None, taints=taints),
        status=NodeStatus(
            capacity=capacity,
            allocatable=capacity if allocatable is None else allocatable,
            conditions=[
                Condition(type="Ready", status="True" if ready else "False", message="" if ready else "kubelet is down")
            ],
        ),
    )


def container(units: dict[str, str | int] | None = None, *, sidecar: bool = False, name: str = "main") -> Container:
    """A container that asks for ``units``."""
    return Container(
        name=name,
        resources=Resources(limits=units, requests=units) if units else None,
        restart_policy="Always" if sidecar else None,
    )


def pod(
    name: str = "p1",
    *,
    namespace: str = "ns",
    node_name: str | None = "n1",
    units: dict[str, str | int] | None = None,
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    owner: tuple[str, str, str] | None = None,
    init: list[Container] | None = None,
    scheduler_says: str = "",
    waiting: str = "",
    since: datetime = NOW - timedelta(minutes=10),
) -> Pod:
    """A pod; by default running on n1 with one GPU. ``owner`` is (kind, name, uid) of its controller."""
    units = {"nvidia.com/gpu": 1} if units is None else units
    running = bool(node_name) and not waiting
    return Pod(
        metadata=Meta(
            name=name,
            namespace=namespace,
            uid=f"uid-{namespace}-{name}",
            labels=labels,
            creation_timestamp=since,
            owner_references=[OwnerReference(kind=owner[0], name=owner[1], uid=owner[2], controller=True)]
            if owner
            else None,
        ),
        spec=PodSpec(node_name=node_name, containers=[container(units)], init_containers=init),
        status=PodStatus(
            phase=phase if node_name else "Pending",
            conditions=[
                Condition(
                    type="PodScheduled",
                    status="True" if node_name else "False",
                    reason=None if node_name else "Unschedulable",
                    message=scheduler_says or None,
                    last_transition_time=since,
                ),
                Condition(type="Ready", status="True" if running else "False", last_transition_time=since),
            ],
            container_statuses=[ContainerStatus(name="main", state=ContainerState(waiting=Waiting(reason=waiting)))]
            if waiting
            else None,
        ),
    )


def replicaset(name: str, uid: str, deployment: str) -> Generic:
    """A ReplicaSet owned by a Deployment."""
    owner = OwnerReference(kind="Deployment", name=deployment, uid=f"uid-{deployment}", controller=True)
    return Generic(metadata=Meta(name=name, namespace="ns", uid=uid, owner_references=[owner]))


def namespace(name: str, **labels: str) -> Generic:
    """A namespace with labels."""
    return Generic(metadata=Meta(name=name, labels=labels))


def refused(
    about: str, message: str, *, at: datetime = NOW - timedelta(minutes=1), kind: str = "ReplicaSet", space: str = "ns"
) -> Event:
    """A FailedCreate event of a controller."""
    return Event(
        metadata=Meta(name=f"{about}.1", namespace=space, creation_timestamp=at),
        involved_object=Reference(kind=kind, name=about, namespace=space),
        reason="FailedCreate",
        message=message,
        type="Warning",
        first_timestamp=at,
        last_timestamp=at,
    )
