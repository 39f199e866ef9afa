"""Kubernetes objects as far as we read them. Field names are the API's; everything else in the bytes is skipped.

Declaring only what is used is what makes 10,000 pods decode in a second: msgspec skips undeclared fields.
Objects are values: never changed in place.
"""

from datetime import datetime
from typing import Any

import msgspec


class _Api(msgspec.Struct, frozen=True, rename="camel", gc=False, omit_defaults=True):
    pass


class OwnerReference(_Api, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(_Api, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class Condition(_Api, frozen=True):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: datetime | None = None


class Taint(_Api, frozen=True):
    key: str = ""
    value: str | None = None
    effect: str = ""


class NodeSpec(_Api, frozen=True):
    unschedulable: bool | None = None
    taints: list[Taint] | None = None
    provider_id: str | None = msgspec.field(default=None, name="providerID")


class NodeImage(_Api, frozen=True):
    names: list[str] | None = None
    size_bytes: int | None = None


class NodeStatus(_Api, frozen=True):
    capacity: dict[str, str] | None = None
    allocatable: dict[str, str] | None = None
    conditions: list[Condition] | None = None
    images: list[NodeImage] | None = None  # the largest 50, unless the kubelet is told otherwise


class Node(_Api, frozen=True):
    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class Resources(_Api, frozen=True):
    requests: dict[str, str | int | float] | None = None
    limits: dict[str, str | int | float] | None = None


class Probe(_Api, frozen=True):
    period_seconds: int | None = None
    failure_threshold: int | None = None
    initial_delay_seconds: int | None = None


class Container(_Api, frozen=True):
    name: str = ""
    image: str | None = None
    image_pull_policy: str | None = None
    resources: Resources | None = None
    restart_policy: str | None = None  # "Always" on an init container makes it a sidecar
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    command: list[str] | None = None
    args: list[str] | None = None  # of both, what services.domain.serving.arguments knows; keys may stand in the rest


class SchedulingGate(_Api, frozen=True):
    name: str = ""


class PodResourceClaim(_Api, frozen=True):
    name: str = ""
    resource_claim_name: str | None = None


class PodSpec(_Api, frozen=True):
    node_name: str | None = None
    containers: list[Container] = []
    init_containers: list[Container] | None = None
    priority: int | None = None
    priority_class_name: str | None = None
    node_selector: dict[str, str] | None = None
    resource_claims: list[PodResourceClaim] | None = None
    scheduling_gates: list[SchedulingGate] | None = None


class Waiting(_Api, frozen=True):
    reason: str | None = None
    message: str | None = None


class Running(_Api, frozen=True):
    started_at: datetime | None = None


class Terminated(_Api, frozen=True):
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str | None = None
    message: str | None = None


class ContainerState(_Api, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Api, frozen=True):
    name: str = ""
    ready: bool = False
    started: bool | None = None  # its startup probe passed; true when it has none and runs
    restart_count: int = 0
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodResourceClaimStatus(_Api, frozen=True):
    name: str = ""
    resource_claim_name: str | None = None


class PodStatus(_Api, frozen=True):
    phase: str = ""
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    start_time: datetime | None = None
    nominated_node_name: str | None = None
    resource_claim_statuses: list[PodResourceClaimStatus] | None = None


class Pod(_Api, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Reference(_Api, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""
    field_path: str | None = None


class EventSource(_Api, frozen=True):
    component: str | None = None
    host: str | None = None


class EventSeries(_Api, frozen=True):
    count: int | None = None
    last_observed_time: datetime | None = None


class Event(_Api, frozen=True):
    """A core/v1 Event; every time may be absent."""

    metadata: Meta
    involved_object: Reference = Reference()
    reason: str | None = None
    message: str | None = None
    type: str | None = None
    count: int | None = None
    event_time: datetime | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    series: EventSeries | None = None
    source: EventSource | None = None
    reporting_component: str | None = None


class Generic(_Api, frozen=True):
    """Any other kind: identity decoded, the rest kept as plain data for whoever needs it."""

    metadata: Meta
    spec: Any = None
    status: Any = None
    data: dict[str, str] | None = None  # ConfigMaps
    value: int | None = None  # PriorityClasses


Obj = Node | Pod | Event | Generic
