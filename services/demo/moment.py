"""Everything the cluster view says at one minute, drawn from the world once and shared by the builders of objects."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np

from services.demo import names
from services.demo.estate import NEVER, NodeSlot, Roster
from services.demo.lanes import Pods
from services.demo.names import uid
from services.demo.workloads import Work
from services.demo.world import Site
from services.domain.objects import Meta, OwnerReference


class PodFacts(NamedTuple):
    """One pod at the minute; times in seconds, NEVER for what does not happen. ``node`` is "" before it is bound."""

    work: Work
    name: str
    uid: str
    lane: int
    replica: int
    cycle: int
    key: int
    node: str
    created: int
    scheduled: int
    started: int
    ready: int
    ended: int
    fate: int
    failed: bool

    def phase(self, now: int) -> str:
        """The pod's phase."""
        if self.ended <= now:
            return "Failed" if self.failed else "Succeeded"
        return "Running" if self.started <= now else "Pending"

    def holding(self, now: int) -> bool:
        """Whether it is bound and not over: its requests count against the node."""
        return bool(self.node) and self.ended > now

    def changed(self, now: int) -> int:
        """When it last changed."""
        return max(t for t in (self.created, self.scheduled, self.started, self.ready, self.ended) if t <= now)


class NodeFacts(NamedTuple):
    """One node at the minute."""

    slot: NodeSlot
    row: int  # in the roster
    name: str
    uid: str
    born: int
    gone: int


class Moment:
    """One cluster at ``now`` (seconds since the epoch, a whole minute)."""

    def __init__(self, site: Site, now: int) -> None:
        self.site = site
        self.now = now
        self.roster: Roster = site.roster(now - 3600, now)

    @cached_property
    def nodes(self) -> list[NodeFacts]:
        """Nodes that have joined and are still there."""
        return [node for node in self.recent_nodes if node.born <= self.now < node.gone]

    @cached_property
    def recent_nodes(self) -> list[NodeFacts]:
        """Nodes of the last hour, those on their way and those just gone included."""
        roster = self.roster
        rows = zip(
            roster.node_slot.tolist(),
            roster.node_gen.tolist(),
            roster.node_born.tolist(),
            roster.node_gone.tolist(),
            roster.node_names,
            strict=True,
        )
        return [
            NodeFacts(self.site.estate.nodes[slot], row, name, uid(self.site, "node", name, gen), born, gone)
            for row, (slot, gen, born, gone, name) in enumerate(rows)
        ]

    @cached_property
    def pods(self) -> list[PodFacts]:
        """Pods whose object exists, in order of their lanes."""
        pods = self.site.pods(self.now, self.now)
        pods = pods.where((pods.created <= self.now) & (pods.gone > self.now))
        bound = self._bound(pods)
        present = {node.name for node in self.nodes}
        lists = (
            pods.work,
            pods.lane,
            pods.replica,
            pods.cycle,
            pods.key,
            pods.created,
            pods.scheduled,
            pods.started,
            pods.ready,
            pods.ended,
            pods.fate,
            pods.failed,
        )
        found = []
        rows = zip(names.pod_names(self.site, pods), bound, *(values.tolist() for values in lists), strict=True)
        for (
            name,
            node,
            index,
            lane,
            replica,
            cycle,
            key,
            created,
            scheduled,
            started,
            ready,
            ended,
            fate,
            failed,
        ) in rows:
            if node and node not in present:
                continue  # its node was taken away, and the pod collector took the finished pod with it
            work = self.site.works[index]
            identity = uid(self.site, "pod", work.namespace, name, cycle)
            found.append(
                PodFacts(
                    work,
                    name,
                    identity,
                    lane,
                    replica,
                    cycle,
                    key,
                    node,
                    created,
                    scheduled,
                    started,
                    ready,
                    ended,
                    fate,
                    failed,
                )
            )
        return found

    def cordoned(self, facts: NodeFacts) -> bool:
        """Whether the scheduler leaves a node out."""
        found = self.site.placement.hit("cordoned", facts.slot.index)
        for write in self.site.ledger.to(("Node", "", facts.name), self.now):
            spec = write.body.get("spec") or {}
            if "unschedulable" in spec:
                found = bool(spec["unschedulable"])
        return found

    def _bound(self, pods: Pods) -> list[str]:
        """Name of the node each pod is bound to, "" before."""
        site, table = self.site, self.site.table
        slots = table.slot_count[pods.lane] > 0
        lane = pods.lane[slots]
        unit = site.placement.slot_unit[table.slots[table.slot_first[lane]]]
        node = site.estate.gpu_node[site.estate.unit_gpu[unit]]
        gen = site.estate.generation(node, np.minimum(pods.scheduled[slots], self.now))
        found = [""] * len(pods)
        bound = (pods.scheduled[slots] <= self.now).tolist()
        for place, slot, age, yes in zip(
            np.nonzero(slots)[0].tolist(), node.tolist(), gen.tolist(), bound, strict=True
        ):
            if yes:
                found[place] = site.estate.node_name(slot, age)
        return found

    @cached_property
    def by_work(self) -> Mapping[int, list[PodFacts]]:
        """Pods that are not over, by workload."""
        found: dict[int, list[PodFacts]] = {}
        for pod in self.pods:
            if pod.ended > self.now:
                found.setdefault(pod.work.index, []).append(pod)
        return found


def instant(seconds: int) -> datetime | None:
    """A UTC time; None for what never happens."""
    return None if seconds >= NEVER else datetime.fromtimestamp(seconds, UTC)


def stamp(seconds: int) -> str:
    """A time as the API writes it; "" for what never happens."""
    at = instant(seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def meta(
    name: str,
    identity: str,
    created: int,
    *,
    namespace: str = "",
    version: int = 0,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: OwnerReference | None = None,
) -> Meta:
    """Metadata of an object; the resource version is a number that grows when it changes."""
    return Meta(
        name=name,
        namespace=namespace,
        uid=identity,
        resource_version=str(version or created),
        creation_timestamp=instant(created),
        labels=dict(labels) if labels else None,
        annotations=dict(annotations) if annotations else None,
        owner_references=[owner] if owner else None,
    )


def controller(kind: str, name: str, identity: str) -> OwnerReference:
    """The reference to the controller that made an object."""
    return OwnerReference(kind=kind, name=name, uid=identity, controller=True)
