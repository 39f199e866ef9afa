"""From the API server's bytes to the structs of ``services.domain.objects``, kept small.

What repeats in thousands of objects (namespaces, nodes, images, condition names, label sets) is held once; what nobody
reads (long annotations, the inside of pod templates) is dropped. One broken object costs that object only.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from services.domain.kinds import Kind
from services.domain.objects import Condition, Container, ContainerState, Event, Generic, Meta, Node, Obj, Pod, Probe
from services.domain.serving import arguments

ANNOTATION_LIMIT = 1024
"""Longest annotation kept, in characters: longer ones are copies of manifests and network states."""

_DROPPED_ANNOTATIONS = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", "k8s.v1.cni.cncf.io/network-status"}
)
_PRUNED_TEMPLATES = frozenset({"replicasets", "deployments", "statefulsets", "jobs"})
_TEMPLATE_FIELDS = ("nodeSelector", "priorityClassName", "resourceClaims", "tolerations")
_CONTAINER_FIELDS = ("name", "image", "resources", "restartPolicy")
_SHARED_LIMIT = 20_000


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    next: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None  # an empty list of a custom resource may be null


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Bare(msgspec.Struct):
    metadata: _Versioned = _Versioned()


@dataclass(frozen=True)
class Page:
    """One answer to a list: objects, how many could not be read, the list's resourceVersion, the next page's token."""

    objects: list[Obj]
    skipped: int
    version: str
    next: str


@dataclass(frozen=True)
class Change:
    """One line of a watch. ``obj`` is set for ADDED, MODIFIED and DELETED, ``raw`` (a Status) for ERROR."""

    type: str
    version: str
    obj: Obj | None = None
    raw: bytes = b""


class Decoder:
    """Decodes one kind. Not shared between threads."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._object = msgspec.json.Decoder(kind.struct)
        self._list = msgspec.json.Decoder(_List)
        self._line = msgspec.json.Decoder(_Line)
        self._bare = msgspec.json.Decoder(_Bare)
        self._shared: dict[tuple[tuple[str, Any], ...], dict[str, Any]] = {}
        self._probes: dict[Probe, Probe] = {}
        self._arguments: dict[tuple[str, ...], list[str]] = {}

    def page(self, body: bytes) -> Page:
        """The objects of a list. Raises ``msgspec.DecodeError`` when the body is no list at all."""
        listed = self._list.decode(body)
        if not listed.metadata.resource_version:
            raise msgspec.ValidationError("a list without resourceVersion")
        items = listed.items or []
        objects = list(self._readable(items))
        return Page(objects, len(items) - len(objects), listed.metadata.resource_version, listed.metadata.next)

    def change(self, line: bytes) -> Change:
        """What a line of a watch says. Raises ``msgspec.DecodeError`` when it cannot be read."""
        told = self._line.decode(line)
        if told.type == "ERROR":
            return Change(told.type, "", raw=bytes(told.object))
        if told.type == "BOOKMARK":
            return Change(told.type, self._bare.decode(told.object).metadata.resource_version)
        obj = self._lean(self._object.decode(told.object))
        return Change(told.type, obj.metadata.resource_version, obj)

    def _readable(self, items: Iterable[msgspec.Raw]) -> Iterator[Obj]:
        for item in items:
            try:
                yield self._lean(self._object.decode(item))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue

    def _lean(self, obj: Obj) -> Obj:
        if len(self._shared) > _SHARED_LIMIT:
            self._shared.clear()  # objects keep what they hold; only new ones are no longer merged with old ones
        if len(self._probes) > _SHARED_LIMIT:
            self._probes.clear()
        if len(self._arguments) > _SHARED_LIMIT:
            self._arguments.clear()
        self._lean_meta(obj.metadata)
        match obj:
            case Pod():
                self._lean_pod(obj)
            case Node():
                _intern_conditions(obj.status.conditions)
                force_setattr(obj.status, "capacity", self._once(obj.status.capacity))
                force_setattr(obj.status, "allocatable", self._once(obj.status.allocatable))
                for image in obj.status.images or ():
                    force_setattr(image, "names", [sys.intern(name) for name in image.names or ()])
            case Event():
                _intern(obj, "reason", "type", "reporting_component")
                _intern(obj.involved_object, "kind", "name", "namespace", "uid", "field_path")
                if obj.source is not None:
                    _intern(obj.source, "component", "host")
            case Generic() if self._kind.name in _PRUNED_TEMPLATES and isinstance(obj.spec, dict):
                _prune_template(obj.spec)
        return obj

    def _lean_meta(self, meta: Meta) -> None:
        _intern(meta, "namespace")
        force_setattr(meta, "labels", self._once(meta.labels))
        if meta.annotations is not None:
            kept = {
                key: value
                for key, value in meta.annotations.items()
                if len(value) <= ANNOTATION_LIMIT and key not in _DROPPED_ANNOTATIONS
            }
            force_setattr(meta, "annotations", self._once(kept))
        for owner in meta.owner_references or ():
            _intern(owner, "kind", "name", "uid")

    def _lean_pod(self, pod: Pod) -> None:
        spec, status = pod.spec, pod.status
        _intern(spec, "node_name", "priority_class_name")
        force_setattr(spec, "node_selector", self._once(spec.node_selector))
        for container in spec.containers:
            self._lean_container(container)
        for container in spec.init_containers or ():
            self._lean_container(container)
        _intern(status, "phase", "reason")
        _intern_conditions(status.conditions)
        for gate in spec.scheduling_gates or ():
            _intern(gate, "name")
        for one in (*(status.container_statuses or ()), *(status.init_container_statuses or ())):
            _intern(one, "name")
            _intern_reasons(one.state)
            _intern_reasons(one.last_state)

    def _lean_container(self, container: Container) -> None:
        _intern(container, "name", "image", "image_pull_policy", "restart_policy")
        for field in ("startup_probe", "readiness_probe"):
            probe: Probe | None = getattr(container, field)
            if probe is not None:
                force_setattr(container, field, self._probes.setdefault(probe, probe))
        if container.command or container.args:
            said = tuple(arguments.kept([*(container.command or ()), *(container.args or ())]))
            force_setattr(container, "args", self._arguments.setdefault(said, list(said)) if said else None)
            force_setattr(container, "command", None)
        if container.resources is not None:
            force_setattr(container.resources, "requests", self._once(container.resources.requests))
            force_setattr(container.resources, "limits", self._once(container.resources.limits))

    def _once(self, mapping: dict[str, Any] | None) -> dict[str, Any] | None:
        """The same mapping, held once however many objects have it."""
        if mapping is None:
            return None
        return self._shared.setdefault(tuple(mapping.items()), mapping)


def _intern(struct: Any, *fields: str) -> None:
    for field in fields:
        value = getattr(struct, field)
        if value:
            force_setattr(struct, field, sys.intern(value))


def _intern_conditions(conditions: list[Condition] | None) -> None:
    for condition in conditions or ():
        _intern(condition, "type", "status", "reason")


def _intern_reasons(state: ContainerState | None) -> None:
    for part in (state.waiting, state.terminated) if state is not None else ():
        if part is not None:
            _intern(part, "reason")


def _prune_template(spec: dict[str, Any]) -> None:
    """Keep of a pod template what says what its pods will ask for; thousands of old ReplicaSets carry the rest."""
    template = spec.get("template")
    if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
        return
    inner = template["spec"]
    kept = {field: inner[field] for field in _TEMPLATE_FIELDS if field in inner}
    for field in ("containers", "initContainers"):
        listed = inner.get(field)
        if isinstance(listed, list):
            kept[field] = [
                {key: c[key] for key in _CONTAINER_FIELDS if key in c} for c in listed if isinstance(c, dict)
            ]
    template["spec"] = kept
