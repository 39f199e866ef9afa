"""The objects that put images on nodes, as an API server takes them.

A container of an image has to run once for the kubelet to pull it, and an image may have nothing in it that could run:
no shell, no ``true``. So a first container copies a static program into a volume, and every image runs that program.
BusyBox does what the name it is called by says; its official image is static in the variants musl and uclibc only
(docker-library/busybox, Dockerfile-builder.template). The containers have ended when the pod is ready, and stay known
to the kubelet while the pod lives, which is why it does not remove their images (kubernetes
``pkg/kubelet/images/image_gc_manager.go``: images of all containers, ended ones too, are in use).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.domain.change.patch import at
from services.domain.headroom import Place
from services.domain.headroom.objects import PAUSE
from services.domain.prepull import INSTANCE, NAMESPACE, OURS, POOL, container_name

TOOL = "docker.io/library/busybox:1.37.0-musl"
COPYING = "tool"
"""Name of the container that copies the program."""
_PLACE = "/prepull"
_LOCKED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65535,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the Pod Security Standard "restricted" asks for, and no more rights than doing nothing needs."""
_LITTLE = {
    "requests": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi"},
    "limits": {"memory": "64Mi", "ephemeral-storage": "64Mi"},
}
_NO_GPU = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]
"""Images for GPUs ask for all of them by this variable, and refuse to start on a driver too old for them."""
INIT = ("spec", "template", "spec", "initContainers")


def namespace() -> dict[str, Any]:
    """A namespace of its own; only restricted pods may run in it."""
    return {"metadata": {"labels": {**OURS, "pod-security.kubernetes.io/enforce": "restricted"}}}


def daemonset(name: str, where: Place, nodes_at_a_time: int, *, secret: str = "") -> dict[str, Any]:
    """Pods that hold no image yet.

    Images come by :func:`pulling`, as a change of the template: only then does the controller bound how many nodes are
    at it. A new DaemonSet starts on all nodes at once.
    """
    labels = {**OURS, "app.kubernetes.io/name": NAMESPACE, INSTANCE: name}
    spec = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **where.scheduling,
        **({"imagePullSecrets": [{"name": secret}]} if secret else {}),
        "volumes": [{"name": COPYING, "emptyDir": {"sizeLimit": "32Mi"}}],
        "containers": [{"name": "hold", "image": PAUSE, "resources": _LITTLE, "securityContext": dict(_LOCKED)}],
    }
    return {
        "metadata": {"labels": labels, "annotations": {POOL: where.pool}},
        "spec": {
            "selector": {"matchLabels": {**OURS, INSTANCE: name}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": nodes_at_a_time}},
            "revisionHistoryLimit": 2,
            "template": {"metadata": {"labels": labels, "annotations": {POOL: where.pool}}, "spec": spec},
        },
    }


def pulling(images: Iterable[str], *, tool: str = TOOL, had: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Init containers that pull these images one after another, behind those there are already."""
    kept = [dict(one) for one in had]
    if not any(one.get("name") == COPYING for one in kept):
        kept.insert(0, _copying(tool))
    there = {one.get("name") for one in kept}
    new = {container_name(image): image for image in images}
    return kept + [_pulling(name, image) for name, image in new.items() if name not in there]


def without(images: Iterable[str], had: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The init containers there are, but not those of these images; none when no image is left."""
    gone = {container_name(image) for image in images}
    left = [dict(one) for one in had if one.get("name") not in gone]
    return left if any(one.get("name") != COPYING for one in left) else []


def images_in(body: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The images a DaemonSet made here keeps, as they were asked for."""
    containers = at(body, INIT) or ()
    return tuple(str(one.get("image", "")) for one in containers if one.get("name") != COPYING)


def job(where: Place, image: str, nodes_at_a_time: int, timeout_s: float, *, secret: str = "") -> dict[str, Any]:
    """An ImagePullJob that never completes, so that it goes on with nodes that join.

    ``imagePullPolicy`` is left out: v1alpha1 does not have the field, and IfNotPresent is what it means by default.
    """
    selector: dict[str, Any] = {}
    if where.selector:
        selector["matchLabels"] = dict(where.selector)
    if where.expressions:
        selector["matchExpressions"] = [dict(one) for one in where.expressions]
    return {
        "metadata": {"labels": {**OURS, "app.kubernetes.io/name": NAMESPACE}, "annotations": {POOL: where.pool}},
        "spec": {
            "image": image,
            "selector": selector,
            "parallelism": nodes_at_a_time,
            **({"pullSecrets": [secret]} if secret else {}),
            "pullPolicy": {"timeoutSeconds": int(timeout_s), "backoffLimit": 3},
            "completionPolicy": {"type": "Never"},
        },
    }


def _copying(tool: str) -> dict[str, Any]:
    return {
        "name": COPYING,
        "image": tool,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/busybox", "cp", "/bin/busybox", f"{_PLACE}/true"],
        "volumeMounts": [{"name": COPYING, "mountPath": _PLACE}],
        "resources": _LITTLE,
        "securityContext": dict(_LOCKED),
    }


def _pulling(name: str, image: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [f"{_PLACE}/true"],
        # An image's own working directory may be closed to the user it is run as here.
        "workingDir": _PLACE,
        "env": [dict(one) for one in _NO_GPU],
        "volumeMounts": [{"name": COPYING, "mountPath": _PLACE, "readOnly": True}],
        "resources": _LITTLE,
        "securityContext": dict(_LOCKED),
    }
