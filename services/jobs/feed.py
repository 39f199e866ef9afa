"""What changed in a cluster's stores since they were last looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.domain.objects import Event, Generic, Node, Pod
from services.ports import Cluster, Snapshot, StoreState

WATCHED = ("pods", "nodes", "events", "nodeclaims")
NEEDED = (*WATCHED, "replicasets", "jobs", "namespaces")
"""Kinds that must have finished their first list, or failed to, before anything is looked at."""
LOST_AFTER = timedelta(minutes=2)
"""Of a pod that is gone after nobody looked for longer than this, it is not known whether it was ready meanwhile."""


@dataclass(frozen=True)
class Changed:
    """Objects that are new or changed; uids of pods that are gone, and of those whose fate was not watched."""

    pods: Sequence[Pod] = ()
    nodes: Sequence[Node] = ()
    events: Sequence[Event] = ()
    claims: Sequence[Generic] = ()
    gone: Sequence[str] = ()
    lost: Sequence[str] = ()
    nodes_gone: Sequence[str] = ()


@dataclass
class _Seen:
    """The objects of one kind as they were; holding them keeps their identities from being given to others."""

    version: int | None = None
    objects: Sequence[Any] = ()
    ids: set[int] = field(default_factory=set)

    def changes(self, now: Snapshot) -> tuple[list[Any], list[Any]]:
        """Objects that came or changed, and those that are no more or are no more like that."""
        if now.version == self.version:
            return [], []
        ids = {id(one) for one in now.objects}
        came = [one for one in now.objects if id(one) not in self.ids]
        went = [one for one in self.objects if id(one) not in ids]
        self.version, self.objects, self.ids = now.version, now.objects, ids
        return came, went


class Feed:
    """The stores of one cluster, looked at again and again. Unchanged objects are told by their identity."""

    def __init__(self, cluster: Cluster, *, lost_after: timedelta = LOST_AFTER) -> None:
        self._cluster = cluster
        self._lost_after = lost_after
        self._seen = {kind: _Seen() for kind in WATCHED}
        self._looked: datetime | None = None  # when pods were last known to be complete
        self._scope: tuple[str, ...] = ()

    def ready(self) -> bool:
        """Whether pods are known as they are now and no first list is on its way."""
        return _ready(self._stores())

    def present(self) -> Sequence[Any]:
        """The pods there are now."""
        return self._cluster.snapshot("pods").objects

    def look(self, at: datetime) -> Changed | None:
        """What changed since the last look; None while pods are not known as they are now, or lists are on their way.

        What changes meanwhile is in the next answer.
        """
        stores = self._stores()
        pods = stores["pods"]
        if not _ready(stores):
            return None
        came: dict[str, list[Any]] = {}
        went: dict[str, list[Any]] = {}
        for kind, seen in self._seen.items():
            came[kind], went[kind] = seen.changes(stores[kind])
        missing = _missing(came["pods"], went["pods"])
        recent = self._looked is not None and at - self._looked <= self._lost_after
        watched = recent and pods.scope == self._scope
        self._looked, self._scope = at, pods.scope
        nodes_gone: list[str] = []
        if stores["nodes"].state is StoreState.READY and went["nodes"]:
            there = {node.metadata.name for node in stores["nodes"].objects}
            nodes_gone = [name for node in went["nodes"] if (name := node.metadata.name) not in there]
        return Changed(
            pods=came["pods"],
            nodes=came["nodes"],
            events=came["events"],
            claims=came["nodeclaims"],
            gone=missing if watched else (),
            lost=() if watched else missing,
            nodes_gone=nodes_gone,
        )

    def _stores(self) -> dict[str, Snapshot]:
        return {kind: self._cluster.snapshot(kind) for kind in NEEDED}

    @property
    def pods(self) -> Sequence[Pod]:
        """All pods as they were at the last look."""
        return self._seen["pods"].objects

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes as they were at the last look."""
        return self._seen["nodes"].objects


def _ready(stores: Mapping[str, Snapshot]) -> bool:
    return stores["pods"].state is StoreState.READY and all(
        one.state is not StoreState.LOADING for one in stores.values()
    )


def _missing(came: Sequence[Pod], went: Sequence[Pod]) -> list[str]:
    if not went:
        return []
    there = {pod.metadata.uid for pod in came}
    return [uid for pod in went if (uid := pod.metadata.uid) not in there]
