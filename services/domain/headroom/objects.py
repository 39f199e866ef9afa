"""The objects that keep headroom, as an API server takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.domain.change.patch import at
from services.domain.headroom import (
    INSTANCE,
    MODEL,
    NAMESPACE,
    OURS,
    POOL,
    PRIORITY,
    PRIORITY_CLASS,
    SHAPE,
    Place,
    Shape,
)
from services.domain.units import is_gpu_resource, quantity

PAUSE = "registry.k8s.io/pause:3.10"
_LOCKED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65535,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the Pod Security Standard "restricted" asks for, and no more rights than a pause container needs."""


def namespace() -> dict[str, Any]:
    """A namespace of its own: its quota is nobody else's, and only restricted pods may run in it."""
    return {"metadata": {"labels": {**OURS, "pod-security.kubernetes.io/enforce": "restricted"}}}


def priority_class() -> dict[str, Any]:
    """The priority of placeholders: below every ordinary pod's, and never above another's."""
    return {
        "metadata": {"labels": dict(OURS)},
        "value": PRIORITY,
        "globalDefault": False,
        "preemptionPolicy": "Never",
        "description": "Placeholder pods that keep GPUs warm; any pod of priority 0 or above takes their place.",
    }


def deployment(name: str, where: Place, shape: Shape, units: int, *, image: str = PAUSE) -> dict[str, Any]:
    """Placeholders: a Deployment, because what is preempted has to be made again.

    Recreate, because a rolling update would want GPUs for old and new at once.
    """
    labels = _labels(name, shape)
    spec = pod_spec(where, shape, image=image)
    return {
        "metadata": {"labels": labels, "annotations": _notes(where)},
        "spec": {
            "replicas": units,
            "selector": {"matchLabels": {**OURS, INSTANCE: name}},
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": labels, "annotations": _notes(where)},
                "spec": {"priorityClassName": PRIORITY_CLASS, **spec},
            },
        },
    }


def pod_template(name: str, where: Place, shape: Shape, *, image: str = PAUSE) -> dict[str, Any]:
    """The pod a buffer keeps room for. It is never made."""
    return {
        "metadata": {"labels": _labels(name, shape), "annotations": _notes(where)},
        "template": {"metadata": {"labels": _labels(name, shape)}, "spec": pod_spec(where, shape, image=image)},
    }


def buffer(name: str, where: Place, shape: Shape, units: int) -> dict[str, Any]:
    """A CapacityBuffer over the PodTemplate of the same name."""
    return {
        "metadata": {"labels": _labels(name, shape), "annotations": _notes(where)},
        "spec": {
            "provisioningStrategy": "buffer.x-k8s.io/active-capacity",
            "podTemplateRef": {"name": name},
            "replicas": units,
        },
    }


def pod_spec(where: Place, shape: Shape, *, image: str = PAUSE) -> dict[str, Any]:
    """A pause pod of the shape at the place. Without grace, so that it makes room at once."""
    return {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **where.scheduling,
        "containers": [
            {"name": "pause", "image": image, "resources": resources(shape), "securityContext": dict(_LOCKED)}
        ],
    }


def resources(shape: Shape) -> dict[str, dict[str, str]]:
    """Requests and limits; those of a GPU must be equal."""
    gpus = {shape.resource: str(shape.gpus)}
    return {
        "requests": {"cpu": shape.cpu, "memory": shape.memory, **gpus},
        "limits": {"memory": shape.memory, **gpus},
    }


def shape_in(template: Any) -> Shape | None:
    """The shape a template of ours (plain data) was made for; None when it cannot be read."""
    asked = at(template, ("spec", "containers", "0", "resources", "requests")) or {}
    gpus = {key: value for key, value in asked.items() if is_gpu_resource(key)}
    if len(gpus) != 1:
        return None
    ((resource, count),) = gpus.items()
    return Shape(resource, int(quantity(count)), str(asked.get("cpu", "")), str(asked.get("memory", "")))


def reshaped(containers: Sequence[Mapping[str, Any]], shape: Shape) -> list[dict[str, Any]]:
    """The containers of a live placeholder with the shape's resources and everything else as it is."""
    first, *rest = containers
    return [{**first, "resources": resources(shape)}, *(dict(one) for one in rest)]


def _labels(name: str, shape: Shape) -> dict[str, str]:
    return {**OURS, "app.kubernetes.io/name": NAMESPACE, INSTANCE: name, SHAPE: shape.slug}


def _notes(where: Place) -> dict[str, str]:
    return {POOL: where.pool, **({MODEL: where.model} if where.model else {})}
