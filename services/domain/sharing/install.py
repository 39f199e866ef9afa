"""Which installation of the device plugin a cluster has, and with it how a sharing layout reaches a node.

Sources: k8s-device-plugin Helm chart (containers, volumes and environment of the DaemonSet), gpu-operator
``assets/state-device-plugin``, GKE's nvidia-gpu-device-plugin.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from services.domain.objects import Generic

_MANAGER = "config-manager"
_CONFIGS = "/available-configs"


class Way(StrEnum):
    """How a sharing layout reaches a node."""

    LABEL = "label"  # a node label chooses among the documents of a ConfigMap
    POLICY = "policy"  # the GPU Operator could, once its ClusterPolicy names a ConfigMap
    STATIC = "static"  # one document for all nodes; the plugin must be restarted
    NONE = "none"  # not at all; the reason says why


@dataclass(frozen=True)
class Installation:
    """The device plugin of a cluster.

    ``namespace`` and ``daemonset`` name it, ``configmap`` its documents ("" when it has none) and ``document`` the key
    of a static one. ``default`` and ``fallback`` decide for nodes without a label. ``policy`` is the ClusterPolicy that
    owns it, "" without the operator; ``strategy`` the MIG strategy its environment sets. ``mps`` and ``mig`` tell
    whether the MPS control daemon and the MIG manager run. ``reason`` is why nothing can be changed, "" else.
    """

    way: Way
    namespace: str = ""
    daemonset: str = ""
    configmap: str = ""
    document: str = ""
    default: str = ""
    fallback: str = "empty"
    policy: str = ""
    strategy: str = ""
    mps: bool = False
    mig: bool = False
    reason: str = ""

    @property
    def says(self) -> str:
        """In words, for people."""
        by = f"GPU Operator ({self.policy})" if self.policy else "NVIDIA device plugin"
        return {
            Way.LABEL: f"{by}: each node's label chooses a document of ConfigMap {self.namespace}/{self.configmap}",
            Way.POLICY: f"{by} without a ConfigMap of sharing documents",
            Way.STATIC: f"{by} with one document for all nodes in ConfigMap {self.namespace}/{self.configmap}",
            Way.NONE: self.reason,
        }[self.way]


def installation(daemonsets: Iterable[Generic]) -> Installation:
    """The installation these DaemonSets are."""
    known = list(daemonsets)
    plugin = next((one for one in known if _plugin(one)), None)
    if plugin is None:
        return Installation(Way.NONE, reason=_why_none(known))
    pod = _pod(plugin)
    containers = [*_containers(pod)]
    main = next((one for one in containers if str(one.get("name", "")).startswith("nvidia-device-plugin")), {})
    manager = next((one for one in containers if str(one.get("name", "")).startswith(_MANAGER)), None)
    names = [one.metadata.name for one in known]
    policy = _policy(plugin)
    common: dict[str, Any] = {
        "namespace": plugin.metadata.namespace,
        "daemonset": plugin.metadata.name,
        "policy": policy,
        "strategy": _env(main).get("MIG_STRATEGY", ""),
        "mps": any("mps-control-daemon" in name for name in names),
        "mig": any("mig-manager" in name for name in names),
    }
    if manager is not None:
        env = _env(manager)
        return Installation(
            Way.LABEL,
            configmap=_mounted(pod, manager, env.get("CONFIG_FILE_SRCDIR", _CONFIGS))[0],
            default=env.get("DEFAULT_CONFIG", ""),
            fallback=env.get("FALLBACK_STRATEGIES", "empty"),
            **common,
        )
    if policy:
        return Installation(Way.POLICY, **common)
    path = PurePosixPath(_config_file(main))
    configmap, items = _mounted(pod, main, str(path.parent)) if path.name else ("", {})
    if configmap:
        return Installation(Way.STATIC, configmap=configmap, document=items.get(path.name, path.name), **common)
    return Installation(
        Way.NONE,
        reason="The device plugin runs without a configuration file. Install it with a ConfigMap of sharing documents "
        "(config.map in its Helm chart) to change layouts here.",
        **common,
    )


def _why_none(daemonsets: Sequence[Generic]) -> str:
    if any(_is_gke(one) for one in daemonsets):
        return GKE
    return "No NVIDIA device plugin was found among the cluster's DaemonSets, so there is nothing to set a layout with."


GKE = "GKE runs its own device plugin here: sharing is a property of the node pool. Recreate the pool to change it."


def _plugin(one: Generic) -> bool:
    containers = [str(found.get("name", "")) for found in _containers(_pod(one))]
    if containers:
        return any(name.startswith("nvidia-device-plugin") for name in containers)
    name = one.metadata.name
    others = ("mps-control-daemon", "feature-discovery")
    return "device-plugin" in name and not _is_gke(one) and not any(other in name for other in others)


def _is_gke(one: Generic) -> bool:
    return one.metadata.name.startswith("nvidia-gpu-device-plugin")


def _policy(one: Generic) -> str:
    owners = one.metadata.owner_references or ()
    return next((owner.name for owner in owners if owner.kind == "ClusterPolicy"), "")


def _pod(one: Generic) -> Mapping[str, Any]:
    spec = one.spec if isinstance(one.spec, Mapping) else {}
    template = spec.get("template")
    found = template.get("spec") if isinstance(template, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _containers(pod: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]


def _env(container: Mapping[str, Any]) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("value") or "") for one in container.get("env") or ()}


def _config_file(container: Mapping[str, Any]) -> str:
    words = [str(one) for one in (*(container.get("command") or ()), *(container.get("args") or ()))]
    for place, word in enumerate(words):
        if word.startswith("--config-file="):
            return word.partition("=")[2]
        if word == "--config-file" and place + 1 < len(words):
            return words[place + 1]
    return _env(container).get("CONFIG_FILE", "")


def _mounted(pod: Mapping[str, Any], container: Mapping[str, Any], folder: str) -> tuple[str, dict[str, str]]:
    """The ConfigMap a container sees in a folder, and the keys behind its file names where they differ."""
    mounts = container.get("volumeMounts") or ()
    volume = next((one.get("name") for one in mounts if str(one.get("mountPath", "")).rstrip("/") == folder), None)
    for one in pod.get("volumes") or ():
        if one.get("name") == volume and volume and isinstance(one.get("configMap"), Mapping):
            items = one["configMap"].get("items") or ()
            return str(one["configMap"].get("name", "")), {str(i.get("path")): str(i.get("key")) for i in items}
    return "", {}
