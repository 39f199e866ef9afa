"""Workloads placed: which slots each one owns in the estate, and the lanes its pods run in."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.demo import noise
from services.demo.estate import Estate, NodeSlot
from services.demo.lanes import IMAGE_PULL, INSUFFICIENT, KEPT_S, RUN, SELECTOR, Lane
from services.demo.lives import REPLACED_S, Wait
from services.demo.noise import Ints
from services.demo.scenario import Activity, Run, Scenario, WorkPlan
from services.demo.shapes import DAY, replica_span
from services.errors import WrongSetting

PRIORITIES = {"serving": 100_000, "training": 1_000, "": 0}
"""Values of the scenario's priority classes."""
_FATES = {"": RUN, "insufficient": INSUFFICIENT, "selector": SELECTOR}


@dataclass(frozen=True)
class Work:
    """One workload as people know it: its name in its namespace.

    ``resource`` is what each pod asks for, ``amount`` how many; ``trouble`` names what is wrong with it, if anything.
    One that a person made has the pod ``template`` they wrote and its ``revision``, the template's hash.
    """

    index: int
    name: str
    namespace: str
    team: str
    plan: WorkPlan
    activity: Activity
    tile: int
    resource: str
    amount: int
    trouble: str
    template: Mapping[str, Any] | None = None
    revision: str = ""

    @property
    def follows_demand(self) -> bool:
        """Whether its utilisation follows requests."""
        return self.plan.demand is not None and self.trouble == ""


class Placement:
    """Slots of one cluster and who owns them. A slot is one replica of one unit: ``slot_unit``, ``slot_replica``."""

    def __init__(self, scenario: Scenario, estate: Estate) -> None:
        self.scenario = scenario
        self.estate = estate
        self.works: list[Work] = []
        self.lanes: list[Lane] = []
        self.lanes_of: dict[int, list[int]] = {}
        self._slots()
        for tile in range(estate.tiles):
            free = self._free(tile)
            for plan in scenario.works:
                if plan.cluster == estate.plan.name and not (
                    tile and (plan.rhythm == "burst" or (plan.trouble and not plan.otherwise))
                ):
                    self._place(plan, tile, free)

    def grown(
        self, estate: Estate, works: Sequence[Work], units: Sequence[int], replicas: Sequence[int]
    ) -> "Placement":
        """The same placement with more works and more slots, which lie on ``units`` of a grown estate."""
        other = copy.copy(self)
        other.estate = estate
        other.works = [*self.works, *works]
        other.slot_unit = np.concatenate((self.slot_unit, np.array(units, np.int64)))
        other.slot_replica = np.concatenate((self.slot_replica, np.array(replicas, np.int64)))
        return other

    def offered(self, node: int) -> int:
        """Replicas of each GPU the device plugin really offers on a node."""
        slot = self.estate.nodes[node]
        drifted = self.hit("label-drift", node)
        return slot.replicas - 1 if drifted else slot.replicas

    def hit(self, trouble: str, node: int) -> bool:
        """Whether the node slot is where the trouble of that name is."""
        place = self.scenario.trouble(trouble)
        slot = self.estate.nodes[node]
        return (
            place.cluster == self.estate.plan.name
            and slot.tile == 0
            and (slot.pool.name, slot.ordinal) == (place.pool, place.node)
        )

    def struck(self, trouble: str) -> int:
        """Slot of the GPU the trouble of that name is on, -1 when it is not in this cluster."""
        place = self.scenario.trouble(trouble).gpu
        for gpu, node in enumerate(self.estate.gpu_node.tolist()):
            if self.hit(trouble, node) and self.estate.gpu_place[gpu] == place:
                return gpu
        return -1

    def _slots(self) -> None:
        lost = self.struck("gpu-lost")
        units: list[int] = []
        replicas: list[int] = []
        gone = {node.index for node in self.estate.nodes[:64] if self.hit("plugin-gone", node.index)}
        for unit, gpu in enumerate(self.estate.unit_gpu.tolist()):
            node = int(self.estate.gpu_node[gpu])
            if gpu == lost or node in gone:
                continue
            for replica in range(self.offered(node)):
                units.append(unit)
                replicas.append(replica)
        self.slot_unit: Ints = np.array(units, np.int64)
        self.slot_replica: Ints = np.array(replicas, np.int64)
        tiles: Ints = np.array([node.tile for node in self.estate.nodes], np.int64)
        self._slot_tile: Ints = tiles[self.estate.gpu_node[self.estate.unit_gpu[self.slot_unit]]]

    def _free(self, tile: int) -> list[int]:
        return [int(slot) for slot in np.nonzero(self._slot_tile == tile)[0]]

    def _take(self, plan: WorkPlan, free: list[int], nodes: Sequence[int]) -> tuple[int, ...]:
        """Slots for one pod, all on one node; the free list shrinks."""
        place = plan.place
        estate = self.estate
        by_node: dict[int, list[int]] = {}
        order = sorted(free, key=lambda slot: (self.slot_replica[slot], slot)) if place.spread else free
        for slot in order:
            unit = int(self.slot_unit[slot])
            gpu = int(estate.unit_gpu[unit])
            node = estate.nodes[int(estate.gpu_node[gpu])]
            if node.pool.name != place.pool or (nodes and node.ordinal not in nodes):
                continue
            elsewhere = place.gpu is not None and estate.gpu_place[gpu] != place.gpu
            if estate.unit_profile[unit] != place.profile or elsewhere:
                continue
            chosen = by_node.setdefault(node.index, [])
            chosen.append(slot)
            if len(chosen) == place.gpus:
                for taken in chosen:
                    free.remove(taken)
                return tuple(chosen)
        raise WrongSetting(f"The demo scenario has no room for {plan.name} in {place.pool}.")

    def _add_work(self, plan: WorkPlan, run: Run, tile: int) -> int:
        activities = self.scenario.activities
        trouble = plan.trouble if tile == 0 else ""
        sick = trouble or not plan.otherwise
        work = Work(
            index=len(self.works),
            name=f"{run.name}-{tile}" if tile else run.name,
            namespace=run.namespace,
            team=self.scenario.namespaces[run.namespace],
            plan=plan,
            activity=activities[plan.activity if sick else plan.otherwise],
            tile=tile,
            resource=f"nvidia.com/mig-{plan.place.profile}" if plan.place.profile else "nvidia.com/gpu",
            amount=plan.place.gpus,
            trouble=trouble,
        )
        self.works.append(work)
        return work.index

    def _place(self, plan: WorkPlan, tile: int, free: list[int]) -> None:
        runs = plan.runs or (Run(plan.name, plan.namespace),)
        works = tuple(self._add_work(plan, run, tile) for run in runs)
        count = plan.most if plan.rhythm == "serve" else len(plan.at_min) or plan.copies
        for replica in range(count):
            node = self._nodes(plan, replica)
            slots = () if plan.waits else self._take(plan, free, node)
            lane = _lane(plan, works, tile, replica, slots, self.estate.seed, sick=tile == 0)
            if plan.rhythm == "serve" and replica < plan.least and slots:
                lane = _following(lane, self.estate.nodes[int(self.estate.gpu_node[self._gpu(slots[0])])])
            for work in works:
                self.lanes_of.setdefault(work, []).append(len(self.lanes))
            self.lanes.append(lane)

    def _gpu(self, slot: int) -> int:
        return int(self.estate.unit_gpu[self.slot_unit[slot]])

    def _nodes(self, plan: WorkPlan, replica: int) -> tuple[int, ...]:
        """Ordinals of the nodes a replica may be on; none for any."""
        if plan.rhythm == "burst":
            return (self.estate.plan.pool(plan.place.pool).nodes + replica,)
        if plan.place.nodes:
            return (plan.place.nodes[replica],)
        return () if plan.place.node is None else (plan.place.node,)


def _following(lane: Lane, node: NodeSlot) -> Lane:
    """The lane of a pod that goes with its node and waits for the next one, if the node is one that is replaced."""
    if not node.generations_s or node.burst:
        return lane
    wait = node.gap_s + REPLACED_S
    length = node.generations_s - wait
    return replace(
        lane,
        phase=node.phase_s,
        period=node.generations_s,
        on=wait,
        on_weekend=wait,
        length=length,
        length_weekend=length,
        chained=False,
        queue=(wait, wait),
    )


def waits(scenario: Scenario, cluster: str, seed: int) -> dict[str, list[Wait]]:
    """By pool, the pods its bursts come for."""
    return {
        plan.place.pool: [
            Wait(lane_key(seed, plan, 0, replica), _burst_s(plan, replica), plan.queue_s)
            for replica in range(len(plan.at_min))
        ]
        for plan in scenario.works
        if plan.cluster == cluster and plan.rhythm == "burst"
    }


def _burst_s(plan: WorkPlan, replica: int) -> int:
    """When in each period a pod is bound that a node came for."""
    return plan.at_min[replica] * 60 + 20


def lane_key(seed: int, plan: WorkPlan, tile: int, replica: int) -> int:
    """What a lane's draws are made of."""
    return noise.key(seed, plan.cluster, plan.name, tile, replica)


def _lane(
    plan: WorkPlan, works: Iterable[int], tile: int, replica: int, slots: tuple[int, ...], seed: int, *, sick: bool
) -> Lane:
    """The timetable of one replica, copy or queue of a workload."""
    key = lane_key(seed, plan, tile, replica)
    whole = noise.key(seed, plan.cluster, plan.name, tile)
    second = whole % 47 + 3
    trough = round((plan.demand.trough_hour if plan.demand else 5) * 3600)
    base = Lane(
        tuple(works), replica, key, clock=key, phase=0, period=plan.every_s, never=plan.start.never, slots=slots
    )
    fate = IMAGE_PULL if plan.trouble == "image-pull" and sick else _FATES[plan.waits]
    if plan.rhythm == "serve" and replica >= plan.least and plan.demand:
        on, length = replica_span(plan.demand, replica, plan.most, weekend=False)
        on_we, length_we = replica_span(plan.demand, replica, plan.most, weekend=True)
        room = DAY - 1200
        return replace(
            base,
            phase=trough + second,
            period=DAY,
            on=on,
            length=min(length, room - on),
            on_weekend=on_we,
            length_weekend=min(length_we, room - on_we),
            sway=600,
            vary=0.03,
        )
    if plan.rhythm == "serve":
        phase = trough + whole % 7 * DAY + second
        return replace(
            base,
            clock=whole,
            phase=phase,
            on=replica * plan.roll_s,
            on_weekend=replica * plan.roll_s,
            chained=True,
            fate=fate,
        )
    if plan.rhythm == "steady":
        phase = whole % plan.every_s // 60 * 60 + second
        return replace(base, phase=phase, chained=True)
    if plan.rhythm == "queue":
        phase = whole % plan.every_s // 60 * 60 + second
        return replace(
            base,
            phase=phase,
            chained=True,
            sway=plan.every_s // 2,
            queue=plan.queue_s,
            kept=KEPT_S,
        )
    if plan.rhythm == "waiting":
        length = plan.every_s + plan.overlap_s
        return replace(
            base,
            phase=whole % 3600 // 60 * 60 + second,
            length=length,
            length_weekend=length,
            fate=fate,
        )
    if plan.rhythm == "burst":
        begin = _burst_s(plan, replica)
        return replace(
            base,
            on=begin,
            on_weekend=begin,
            length=plan.lasts_s[1],
            length_weekend=plan.lasts_s[1],
            vary=1.0 - plan.lasts_s[0] / plan.lasts_s[1],
            queue=plan.queue_s,
            kept=KEPT_S if plan.kept_s is None else plan.kept_s,
        )
    scheduled = plan.kind == "CronJob" or plan.together
    longest = plan.lasts_s[1]
    spare = max(plan.every_s - plan.after_s - longest - 600, 0)
    return replace(
        base,
        clock=whole if scheduled else key,
        phase=0 if scheduled else key % plan.every_s // 60 * 60 + second,
        on=plan.after_s,
        on_weekend=plan.after_s,
        length=longest,
        length_weekend=longest,
        sway=0 if scheduled else min(spare, plan.every_s // 5),
        vary=1.0 - plan.lasts_s[0] / longest,
        skip=plan.skip,
        skip_weekend=plan.skip_weekend or plan.skip,
        fail=plan.fail,
        kept=KEPT_S if plan.kind in ("Job", "CronJob") else 0,
    )
