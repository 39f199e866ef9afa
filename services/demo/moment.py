"""Everything the cluster view says at one minute, drawn from the world once and shared by the builders of objects."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np

from services.demo import names
from services.demo.course import Course, courses
from services.demo.estate import NodeSlot, Roster
from services.demo.lanes import Pods
from services.demo.lives import NEVER
from services.demo.names import uid
from services.demo.workloads import Work
from services.demo.world import Site
from services.domain.objects import Meta, OwnerReference

_UNGATED_S = 2  # from the end of its queue until a pod is bound
PULL_FAILS_S = 3
"""A pull that fails has failed after so long."""


class Run(NamedTuple):
    """The course of one pod's start (:class:`services.demo.course.Course`), and what only some pods do.

    ``init_there`` and ``there`` as in :class:`services.demo.lanes.Pods`; ``crash`` is how long a first run lasts that
    ends in a crash, 0 without one; ``asks``: the registry is asked even for an image that is there.
    """

    attached: int
    sandbox: int
    init_pull: int
    init_tried: int
    init_pulled: int
    init_started: int
    init_done: int
    pull: int
    tried: int
    pulled: int
    first: int
    started: int
    loaded: int
    ready: int
    init_there: int
    there: int
    crash: int
    asks: int

    @property
    def failing(self) -> int:
        """When the first pull failed; NEVER when it did not."""
        failed = self.there >= NEVER and self.tried < NEVER and self.tried > self.pull
        return self.pull + PULL_FAILS_S if failed else NEVER

    @property
    def crashed(self) -> int:
        """When the first run crashed; NEVER when it did not."""
        return self.first + self.crash if self.crash and self.first < NEVER else NEVER


_INSTANTS = len(Course._fields)


class PodFacts(NamedTuple):
    """One pod at the minute; times in seconds, NEVER for what does not happen.

    ``place`` is the node it is or will be bound to ("" for none), ``node`` the same, "" before it is bound.
    """

    work: Work
    name: str
    uid: str
    lane: int
    replica: int
    cycle: int
    key: int
    place: str
    node: str
    created: int
    scheduled: int
    started: int
    ready: int
    ended: int
    gone: int
    fate: int
    failed: bool
    run: Run

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
        run = self.run
        moments = (self.created, self.scheduled, self.ended, run.failing, run.crashed, *run[:_INSTANTS])
        return max(t for t in moments if t <= now)

    @property
    def doomed(self) -> bool:
        """Whether its container runs and will never be ready."""
        return self.started < NEVER and self.ready >= NEVER

    @property
    def ungated(self) -> int:
        """When its scheduling gates were removed; its creation when it had none."""
        if not self.work.plan.start.gated:
            return self.created
        return max(self.scheduled - _UNGATED_S, self.created) if self.scheduled < NEVER else NEVER


class NodeFacts(NamedTuple):
    """One node at the minute; its steps as in :class:`services.demo.lives.Life`."""

    slot: NodeSlot
    row: int  # in the roster
    name: str
    uid: str
    claimed: int
    born: int
    ready: int
    usable: int
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
        life = (values.tolist() for values in roster.node_life)
        rows = zip(roster.node_slot.tolist(), roster.node_gen.tolist(), roster.node_names, *life, strict=True)
        return [
            NodeFacts(self.site.estate.nodes[slot], row, name, uid(self.site, "node", name, gen), *steps)
            for row, (slot, gen, name, *steps) in enumerate(rows)
        ]

    @cached_property
    def pods(self) -> list[PodFacts]:
        """Pods whose object exists, in order of their lanes."""
        present = {node.name for node in self.nodes}
        # a node that is taken away takes its finished pods with it: the pod collector sees to that
        return [pod for pod in self.recent_pods if pod.gone > self.now and (not pod.node or pod.node in present)]

    @cached_property
    def recent_pods(self) -> list[PodFacts]:
        """Pods of the last hour, those whose objects are gone included."""
        pods = self.site.pods(self.now - 3600, self.now)
        return facts_of(self.site, pods.where(pods.created <= self.now), self.now)

    def cordoned(self, facts: NodeFacts) -> bool:
        """Whether the scheduler leaves a node out."""
        found = self.site.placement.hit("cordoned", facts.slot.index)
        for write in self.site.ledger.to(("Node", "", facts.name), self.now):
            spec = write.body.get("spec") or {}
            if "unschedulable" in spec:
                found = bool(spec["unschedulable"])
        return found

    @cached_property
    def by_work(self) -> Mapping[int, list[PodFacts]]:
        """Pods that are not over, by workload."""
        found: dict[int, list[PodFacts]] = {}
        for pod in self.pods:
            if pod.ended > self.now:
                found.setdefault(pod.work.index, []).append(pod)
        return found


def facts_of(site: Site, pods: Pods, now: int) -> list[PodFacts]:
    """Facts of pods as they are at a time."""
    course, steps = courses(site, pods)
    runs = zip(
        *(values.tolist() for values in (*course, pods.init_there, pods.there, steps.crash, steps.asks)), strict=True
    )
    columns = (
        pods.lane, pods.replica, pods.cycle, pods.key, pods.created, pods.scheduled, pods.started, pods.ready,
        pods.ended, pods.gone, pods.fate, pods.failed,
    )  # fmt: skip
    rows = zip(*(values.tolist() for values in columns), strict=True)
    found = []
    for index, name, place, row, run in zip(
        pods.work.tolist(), names.pod_names(site, pods), places(site, pods), rows, runs, strict=True
    ):
        lane, replica, cycle, key, created, scheduled, started, ready, ended, gone, fate, failed = row
        work = site.works[index]
        found.append(
            PodFacts(
                work, name, uid(site, "pod", work.namespace, name, cycle), lane, replica, cycle, key, place,
                place if scheduled <= now else "", created, scheduled, started, ready, ended, gone, fate, failed,
                Run(*run),
            )
        )  # fmt: skip
    return found


def turns(site: Site, begin: int, end: int) -> list[int]:
    """When something turns in ``begin … end`` (both included) that no object dates, in order of time.

    That is when a node joins, is Ready, offers its GPUs and goes, when a pod that is held by gates comes and is let go,
    and when any pod is gone.
    """
    life, pods = site.roster(begin, end).node_life, site.pods(begin, end)
    gated = np.array([work.plan.start.gated for work in site.works], np.bool_)
    held = pods.where(gated[pods.work])
    let_go = held.scheduled[held.scheduled < NEVER] - _UNGATED_S
    found = np.unique(np.concatenate((life.born, life.ready, life.usable, life.gone, held.created, let_go, pods.gone)))
    return [int(at) for at in found[(found >= begin) & (found <= end)]]


def places(site: Site, pods: Pods) -> list[str]:
    """Name of the node each pod is or will be bound to, "" for one that is bound to none."""
    node = np.where(pods.scheduled < NEVER, site.lane_nodes[pods.lane], -1)
    gen = site.estate.generation(np.maximum(node, 0), pods.scheduled)
    return [
        site.estate.node_name(slot, age) if slot >= 0 else ""
        for slot, age in zip(node.tolist(), gen.tolist(), strict=True)
    ]


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
