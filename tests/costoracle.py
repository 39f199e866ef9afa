"""What the demo world really cost, from its own arrays: nobody's Kubernetes objects, and nothing of the cost domain.

A node is paid from when its Node object comes until it goes, at list price: of its region and instance type, at spot
the spot price, else 60 % below on-demand. A pod holds its units from when it is bound until it ends or its node goes;
a unit is its compute slices of a GPU, divided by the replicas it is cut into. Where the device plugin offers fewer, the
others are nobody's: a pod does not hold more for that. What a pod used is the busy share of its units while it held
them, minute by minute.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import services.data
from services.demo import names
from services.demo.estate import Roster
from services.demo.holds import Holds, holds
from services.demo.lanes import Pods
from services.demo.reaction import seen
from services.demo.readings import Readings
from services.demo.world import Site, World

SPOT_OFF = 0.6
_WARM = "gpu-headroom"
_PRICES = Path(services.data.__path__[0]) / "price_defaults.csv"


class _Told(NamedTuple):
    site: Site
    roster: Roster
    pods: Pods
    held: Holds
    begin: int
    end: int

    def held_s(self) -> tuple[np.ndarray, np.ndarray]:
        """When each hold began and ended within the span, in seconds since the epoch."""
        gone = np.minimum(self.pods.gone[self.held.pod], self.roster.node_gone[self.roster.unit_node[self.held.unit]])
        first = np.clip(self.held.start, self.begin, self.end)
        return first, np.clip(np.minimum(self.held.end, gone), first, self.end)

    def gpus(self) -> np.ndarray:
        """GPUs of each hold: its part of its unit's slices."""
        slots = self.roster.node_slot[self.roster.unit_node[self.held.unit]]
        replicas = np.array([self.site.estate.nodes[slot].replicas for slot in slots.tolist()], np.float64)
        return self.roster.unit_fraction[self.held.unit] / replicas

    def workloads(self) -> list[tuple[str, str]]:
        """Namespace and workload of each hold, a Job or a bare pod by its own name."""
        every = [_workload(self.site, self.pods, place) for place in range(len(self.pods))]
        return [every[place] for place in self.held.pod.tolist()]


def workloads(world: World, begin: datetime, end: datetime) -> pd.DataFrame:
    """What pods held between two instants: ``cluster``, ``kind``, ``namespace``, ``workload``, ``gpu_hours``, ``usd``.

    The kind is "held", or "warm" of placeholders.
    """
    rows = []
    for told in _sites(world, begin, end):
        first, until = told.held_s()
        hours = (until - first) / 3600 * told.gpus()
        price = _node_prices(told)[told.roster.unit_node[told.held.unit]]
        place = [(told.site.name, "warm" if one[0] == _WARM else "held", *one) for one in told.workloads()]
        rows += [
            (*one, gpu, usd) for one, gpu, usd in zip(place, hours.tolist(), (hours * price).tolist(), strict=True)
        ]
    keys = ["cluster", "kind", "namespace", "workload"]
    sums = pd.DataFrame(rows, columns=[*keys, "gpu_hours", "usd"]).groupby(keys, as_index=False).sum()
    return sums[sums["gpu_hours"] > 0].reset_index(drop=True)


def clusters(world: World, begin: datetime, end: datetime) -> dict[str, float]:
    """US dollars all GPU nodes of each cluster cost between two instants."""
    totals = {}
    for told in _sites(world, begin, end):
        roster = told.roster
        first = np.clip(roster.node_born, told.begin, told.end)
        until = np.clip(roster.node_gone, first, told.end)
        gpus = np.array([told.site.estate.nodes[slot].pool.instance.gpus for slot in roster.node_slot.tolist()])
        totals[told.site.name] = float(((until - first) / 3600 * gpus * _node_prices(told)).sum())
    return totals


def used(world: World, begin: datetime, end: datetime) -> pd.DataFrame:
    """Mean busy share (0..1) of what each pod held, by hour.

    Columns ``cluster``, ``namespace``, ``workload``, ``pod``, ``hour``, ``share`` and ``gpu_hours``. Every minute a pod
    held something counts, whether an exporter saw it or not.
    """
    rows = []
    for told in _sites(world, begin, end):
        minutes = np.arange(told.begin // 60 * 60, told.end, 60, dtype=np.int64)
        busy, _ = Readings(told.site, told.roster, told.pods, told.held).busy(minutes)
        hold, at, _ = told.held.pairs(minutes)
        inside = minutes[at] < told.held_s()[1][hold]
        hold, at = hold[inside], at[inside]
        gpus = told.gpus()[hold]
        frame = pd.DataFrame(
            {
                "number": told.held.pod[hold],
                "hour": minutes[at] // 3600 * 3600,
                "gpus": gpus,
                "busy": busy[told.held.unit[hold], at] * gpus,
            }
        )
        sums = frame.groupby(["number", "hour"], as_index=False).sum()
        pods = names.pod_names(told.site, told.pods)
        for number, hour, gpus_, busy_ in sums.itertuples(index=False):
            at_hour = pd.Timestamp(hour, unit="s", tz="UTC")
            whose = _workload(told.site, told.pods, number)
            rows.append((told.site.name, *whose, pods[number], at_hour, busy_ / gpus_, gpus_ / 60))
    return pd.DataFrame(rows, columns=["cluster", "namespace", "workload", "pod", "hour", "share", "gpu_hours"])


def _sites(world: World, begin: datetime, end: datetime) -> Iterator[_Told]:
    first, last = int(begin.timestamp()), int(end.timestamp())
    for known in world.sites.values():
        site = seen(known, last)
        roster, pods = site.roster(first, last), site.pods(first, last)
        yield _Told(site, roster, pods, holds(site, roster, pods), first, last)


def _workload(site: Site, pods: Pods, place: int) -> tuple[str, str]:
    work = site.works[pods.work[place]]
    replica, cycle = int(pods.replica[place]), int(pods.cycle[place])
    name = work.name
    if work.plan.kind == "Job":
        name = names.job(work, cycle, replica)
    elif work.plan.kind == "Pod":
        name = names.pod_name(site, work, replica, cycle, int(pods.created[place]), int(pods.key[place]))
    return work.namespace, name


def _node_prices(told: _Told) -> np.ndarray:
    """US dollars an hour of one GPU of each node; 0 of nodes without GPUs."""
    slots = [told.site.estate.nodes[slot].pool for slot in told.roster.node_slot.tolist()]
    return np.array([_gpu_hour(told.site.plan.region, pool.instance.name, pool.capacity) for pool in slots])


@cache
def _gpu_hour(region: str, instance: str, capacity: str) -> float:
    with _PRICES.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["instance_type"] == instance]
    if not rows:
        return 0.0
    row = next((row for row in rows if row["region"] == region), rows[0])
    usd = float(row["on_demand_usd_per_hour"])
    if capacity == "spot":
        usd = float(row["spot_usd_per_hour"]) if row["spot_usd_per_hour"] else usd * (1 - SPOT_OFF)
    return usd / int(row["gpu_count"])
