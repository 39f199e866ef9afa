"""Which pod held which unit when: the bridge between the timetable and what the exporter reports."""

from dataclasses import dataclass

import numpy as np

from services.demo.estate import Roster
from services.demo.lanes import IMAGE_PULL, RUN, Pods
from services.demo.noise import Ints, Keys
from services.demo.world import Site

PLAIN, DEMAND, SPELLS = 0, 1, 2
"""Kinds of activity: steady work, work that follows requests, work in spells."""


@dataclass(frozen=True)
class Holds:
    """One entry for each unit a pod held, sorted by kind of activity.

    ``pod`` points into the pods, ``unit`` into the roster's units, ``replica`` is the time-slicing replica; held from
    ``start`` (included) to ``end`` (seconds). ``first_of`` is where each kind begins.
    """

    pod: Ints
    unit: Ints
    replica: Ints
    start: Ints
    end: Ints
    key: Keys
    first_of: tuple[int, int, int, int]

    def __len__(self) -> int:
        return len(self.pod)

    def pairs(self, times: Ints) -> tuple[Ints, Ints, tuple[int, int, int, int]]:
        """Every (hold, time) at which the hold lasted, ordered by hold.

        Indices of holds and of ``times`` (sorted), and where each kind of activity begins among them.
        """
        first = np.searchsorted(times, self.start, side="left")
        count = np.maximum(np.searchsorted(times, self.end, side="left") - first, 0)
        begins = np.concatenate(([0], np.cumsum(count)))
        hold = np.repeat(np.arange(len(self.pod)), count)
        at = np.arange(len(hold)) - np.repeat(begins[:-1] - first, count)
        kinds = tuple(int(begins[place]) for place in self.first_of)
        return hold, at, (kinds[0], kinds[1], kinds[2], kinds[3])


def holds(site: Site, roster: Roster, pods: Pods) -> Holds:
    """Who held what: the kubelet gives a pod its units when it is bound, whether its container runs yet or not."""
    table, estate = site.table, site.estate
    count = np.where((pods.fate == RUN) | (pods.fate == IMAGE_PULL), table.slot_count[pods.lane], 0)
    pod = np.repeat(np.arange(len(pods)), count)
    begins = np.cumsum(count) - count
    slot = table.slots[table.slot_first[pods.lane[pod]] + np.arange(len(pod)) - begins[pod]]
    unit = site.placement.slot_unit[slot]
    start = pods.scheduled[pod]
    end = pods.ended[pod]
    # nodes that are replaced have GPUs that are not cut, so their generations stand next to each other
    age = estate.generation(estate.gpu_node[estate.unit_gpu[unit]], start) - roster.first_gen[unit]
    row = roster.first_unit[unit] + age
    inside = (age >= 0) & (start < end) & (row < len(roster.unit_slot))
    inside[inside] &= roster.unit_slot[row[inside]] == unit[inside]
    pod, row, slot, start, end = pod[inside], row[inside], slot[inside], start[inside], end[inside]
    kind = np.array([activity_kind(site, work) for work in range(len(site.works))] or [0], np.int64)[pods.work[pod]]
    order = np.argsort(kind, kind="stable")
    pod, row, slot, start, end = pod[order], row[order], slot[order], start[order], end[order]
    edges = np.searchsorted(kind[order], [PLAIN, DEMAND, SPELLS, SPELLS + 1])
    key = roster.unit_key[row] ^ pods.key[pod]
    replica = site.placement.slot_replica[slot]
    return Holds(pod, row, replica, start, end, key, (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3])))


def activity_kind(site: Site, work: int) -> int:
    """Which kind of activity a workload has."""
    if site.works[work].activity.burst_min:
        return SPELLS
    return DEMAND if site.works[work].follows_demand else PLAIN
