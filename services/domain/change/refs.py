"""Naming one object anywhere, and the object as it was read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

API: dict[str, tuple[str, str, bool]] = {
    "Node": ("v1", "nodes", False),
    "Namespace": ("v1", "namespaces", False),
    "Pod": ("v1", "pods", True),
    "ConfigMap": ("v1", "configmaps", True),
    "PodTemplate": ("v1", "podtemplates", True),
    "ResourceQuota": ("v1", "resourcequotas", True),
    "Deployment": ("apps/v1", "deployments", True),
    "DaemonSet": ("apps/v1", "daemonsets", True),
    "StatefulSet": ("apps/v1", "statefulsets", True),
    "Job": ("batch/v1", "jobs", True),
    "PriorityClass": ("scheduling.k8s.io/v1", "priorityclasses", False),
    "CapacityBuffer": ("autoscaling.x-k8s.io/v1beta1", "capacitybuffers", True),
    "ImagePullJob": ("apps.kruise.io/v1beta1", "imagepulljobs", True),
    "DestinationRule": ("networking.istio.io/v1", "destinationrules", True),
    "ClusterPolicy": ("nvidia.com/v1", "clusterpolicies", False),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets", True),
}
"""Kinds actions touch: API version, plural, whether it lives in a namespace."""


@dataclass(frozen=True, order=True)
class Ref:
    """One object: cluster, API version ("apps/v1"), kind, namespace ("" for cluster-scoped) and name."""

    cluster: str
    api: str
    kind: str
    namespace: str
    name: str

    @staticmethod
    def of(cluster: str, kind: str, name: str, namespace: str = "", *, api: str = "") -> "Ref":
        """A reference to an object of a kind in :data:`API`; ``api`` chooses another version of it."""
        known, _, namespaced = API[kind]
        if namespaced != bool(namespace):
            raise ValueError(f"{kind} {'needs' if namespaced else 'has no'} namespace")
        return Ref(cluster, api or known, kind, namespace, name)

    @property
    def plural(self) -> str:
        """The kind's name in paths. Raises KeyError for a kind actions do not touch."""
        return API[self.kind][1]

    @property
    def path(self) -> str:
        """The object's path on its API server."""
        return f"{self.collection}/{self.name}"

    @property
    def collection(self) -> str:
        """The path of the list the object belongs to."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        place = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{root}{place}/{self.plural}"

    @property
    def key(self) -> str:
        """One string that names the object across clusters: cluster|api|kind|namespace|name."""
        return f"{self.cluster}|{self.api}|{self.kind}|{self.namespace}|{self.name}"

    @staticmethod
    def from_key(key: str) -> "Ref":
        """The reference a :attr:`key` was made from."""
        cluster, api, kind, namespace, name = key.split("|")
        return Ref(cluster, api, kind, namespace, name)

    def __str__(self) -> str:
        """For people: "Deployment gpu-headroom/warm-h100"."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Live:
    """An object as the API server gave it just now: ``body`` is its JSON, never trimmed.

    ``warnings`` are what the server said about the write that gave it.
    """

    ref: Ref
    body: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        return str(self.meta.get("resourceVersion", ""))

    @property
    def uid(self) -> str:
        """Its uid: another object of the same name has another one."""
        return str(self.meta.get("uid", ""))

    @property
    def meta(self) -> Mapping[str, Any]:
        """Its metadata."""
        found = self.body.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.meta.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return self.meta.get("annotations") or {}
