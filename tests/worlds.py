"""What a stand-in for controllers looks at and changes, the same over a cluster of dictionaries and an API server."""

import copy
import itertools
from collections.abc import Mapping
from typing import Any, Protocol

from services.domain.change import patch
from services.domain.change.refs import Ref
from tests import apiwrites
from tests.apistore import Store
from tests.memory import MemoryCluster

Json = dict[str, Any]
_WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
_DELETED_AT = "2026-03-01T12:00:00Z"


class World(Protocol):
    """The objects of one cluster as its controllers reach them: whole, and past every guard of clients."""

    def all(self, kind: str) -> list[Json]:
        """The objects of a kind now."""
        ...

    def put(self, body: Json) -> None:
        """Have an object there, its status too."""
        ...

    def set(self, body: Json, fields: Mapping[str, Any]) -> None:
        """Merge fields into an object, its status too."""
        ...

    def bind(self, pod: Json, node: str) -> None:
        """Give a pod its node."""
        ...

    def remove(self, body: Json) -> None:
        """Have an object gone."""
        ...

    def protect(self, pod: Json, *, on: bool) -> None:
        """Let a disruption budget forbid the eviction of a pod, or allow it again."""
        ...


def path(body: Mapping[str, Any]) -> str:
    """The path of an object on its API server."""
    meta = body["metadata"]
    place = f"/namespaces/{meta['namespace']}" if meta.get("namespace") else ""
    root = apiwrites.root(body["apiVersion"], "")
    return f"{root.rstrip('/')}{place}/{apiwrites.plural_of(body)}/{meta['name']}"


def ref(cluster: str, body: Mapping[str, Any]) -> Ref:
    """The reference to an object."""
    meta = body["metadata"]
    return Ref(cluster, body["apiVersion"], body["kind"], meta.get("namespace") or "", meta["name"])


def budget(pod: Mapping[str, Any], *, on: bool) -> Json:
    """A disruption budget of one pod."""
    meta = pod["metadata"]
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"keep-{meta['name']}", "namespace": meta["namespace"]},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": meta["labels"]}},
        "status": {
            "disruptionsAllowed": 0 if on else 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1,
            "observedGeneration": 1,
        },
    }  # fmt: skip


class StoreWorld:
    """The store of the tests' API server. Evicted pods stay, terminating, until they are removed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.graceful = True

    def all(self, kind: str) -> list[Json]:
        plural = next(plural for plural, known in apiwrites.KIND_OF.items() if known == kind)
        with self._store._lock:
            held = [found for root, found in self._store._collections.items() if root.endswith(f"/{plural}")]
            return [copy.deepcopy(body) for collection in held for body in collection.objects.values()]

    def put(self, body: Json) -> None:
        self._store.put(body)

    def set(self, body: Json, fields: Mapping[str, Any]) -> None:
        self._store.change(path(body), dict(fields))

    def bind(self, pod: Json, node: str) -> None:
        self.set(pod, {"spec": {"nodeName": node}})

    def remove(self, body: Json) -> None:
        self._store.delete(path(body))

    def protect(self, pod: Json, *, on: bool) -> None:
        self._store.put(budget(pod, on=on))


class MemoryWorld:
    """A cluster of dictionaries, with what an API server does by itself.

    Generations grow, namespaces take what is in them along, and evicted pods stay, terminating, until they are removed.
    """

    def __init__(self, memory: MemoryCluster, cluster: str) -> None:
        self._memory, self._cluster = memory, cluster
        self._leaving: Json | None = None
        memory.before, memory.after = self._before, self._after

    def all(self, kind: str) -> list[Json]:
        return [copy.deepcopy(body) for one, body in self._memory.objects.items() if one.kind == kind]

    def put(self, body: Json) -> None:
        if body["kind"] in _WORKLOADS:
            body = patch.applied(body, {"metadata": {"generation": 1}})
        self._memory.put(ref(self._cluster, body), body)

    def set(self, body: Json, fields: Mapping[str, Any]) -> None:
        self._memory.set(ref(self._cluster, body), fields)

    def bind(self, pod: Json, node: str) -> None:
        self.set(pod, {"spec": {"nodeName": node}})

    def remove(self, body: Json) -> None:
        del self._memory.objects[ref(self._cluster, body)]

    def protect(self, pod: Json, *, on: bool) -> None:
        (self._memory.protected.add if on else self._memory.protected.discard)(pod["metadata"]["name"])

    def _before(self, verb: str, one: Ref) -> None:
        if verb == "evict":
            self._leaving = self._memory.objects.get(one)

    def _after(self, verb: str, one: Ref) -> None:
        if verb == "evict" and self._leaving is not None:
            self._memory.objects[one] = patch.applied(self._leaving, {"metadata": {"deletionTimestamp": _DELETED_AT}})
        elif verb in ("create", "patch") and one.kind in _WORKLOADS:
            meta = self._memory.objects[one]["metadata"]
            meta["generation"] = meta.get("generation", 0) + 1
        elif verb == "delete" and one.kind == "Namespace":
            inside = [other for other in self._memory.objects if other.namespace == one.name]
            for other in inside:
                del self._memory.objects[other]


_counter = itertools.count(1)


def fresh(word: str) -> str:
    """A name nothing has had."""
    return f"{word}-{next(_counter)}"
