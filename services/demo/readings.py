"""What the exporter would read on every unit at any minute, as matrices: units (or GPUs) down, times across.

Values carry exactly the precision the exporter writes: ratios six decimals, GPU_UTIL whole percent, memory whole MiB,
power milliwatts, temperature whole degrees. NaN means that there is no such series then.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from services.demo import noise, shapes
from services.demo.estate import Roster
from services.demo.holds import DEMAND, PLAIN, SPELLS, Holds
from services.demo.lanes import Pods
from services.demo.noise import Floats, Ints
from services.demo.world import Site
from services.domain.signals import MIB

Bools = npt.NDArray[np.bool_]

_FULL = 0.99  # an engine that never rests still reads a little under 1
_UTC_OFFSET_H = -6
_WEEK = 7 * shapes.DAY
_FAULT_AT = 2 * shapes.DAY + shapes.DAY // 2  # Wednesday noon
PEAK_LOAD = 0.8
"""Busy share of a replica at peak demand with all replicas there."""

PROFILING = {"sm_active": "sm", "tensor_active": "tensor", "memory_bandwidth": "dram"}
"""Signals that only DCGM's profiling counters carry, and the activity's field that makes them."""


class Readings:
    """Readings of one cluster over one span, whose roster, pods and holds are given."""

    def __init__(self, site: Site, roster: Roster, pods: Pods, held: Holds) -> None:
        self.site = site
        self.roster = roster
        self.pods = pods
        self.held = held
        estate = site.estate
        self._slot_gpu = roster.gpu_slot[roster.unit_gpu]
        models = estate.gpu_model[self._slot_gpu]
        self.profiled: Bools = np.array([model.profiling for model in estate.models])[models]
        self.memory_mib = estate.unit_memory_mib[roster.unit_slot]
        board = np.array([model.memory_mib for model in estate.models], np.float64)[models]
        reserved = np.array([model.reserved_mib for model in estate.models], np.float64)[models]
        self.reserved_mib = np.round(reserved * self.memory_mib / board)
        gone = [site.placement.hit("no-telemetry", slot) for slot in roster.node_slot.tolist()]
        self.watched: Bools = ~np.array(gone)[roster.unit_node]
        self._straggling = np.array([site.placement.hit("straggler", slot) for slot in roster.node_slot.tolist()])

    def exists(self, times: Ints) -> Bools:
        """Whether each unit is there and an exporter sees it, which it does once the node's driver runs."""
        node = self.roster.unit_node
        born = np.maximum(self.roster.node_life.usable[node], self.roster.unit_born)[:, None]
        gone = np.minimum(self.roster.node_gone[node], self.roster.unit_gone)[:, None]
        return np.asarray((times >= born) & (times < gone) & self.watched[:, None])

    def gpu_exists(self, times: Ints) -> Bools:
        """Whether each GPU is there and an exporter sees it, however it is cut."""
        roster = self.roster
        born, gone = roster.node_life.usable[roster.gpu_node][:, None], roster.node_gone[roster.gpu_node][:, None]
        return np.asarray((times >= born) & (times < gone) & self.watched[roster.gpu_units[1]][:, None])

    def reports(self, signal: str) -> Bools:
        """Which units have the signal's series while they exist (a GPU has it when its units have)."""
        if signal == "sm_active" and not self.site.plan.sm_active:
            return np.zeros(len(self.profiled), np.bool_)
        if signal in PROFILING:
            return self.profiled
        if signal == "row_remap_failed":
            models = self.site.estate.models
            return np.array([model.row_remap for model in models])[self.site.estate.gpu_model[self._slot_gpu]]
        return np.ones(len(self.profiled), np.bool_)

    def values(self, signal: str, times: Ints) -> Floats:
        """Readings of a signal in its base unit: a row per unit, for signals of the GPU a row per GPU."""
        minutes = times // 60 * 60
        if signal in ("power", "temperature", "xid", "row_remap_failed"):
            there = self.gpu_exists(minutes) & self.reports(signal)[self.roster.gpu_units[1]][:, None]
            return np.where(there, self._gpu(signal, minutes), np.nan)
        there = self.exists(minutes) & self.reports(signal)[:, None]
        if signal == "util":
            values = self._as_written(self.busy(minutes)[0])
        elif signal in PROFILING:
            values = np.round(self.busy(minutes, PROFILING[signal])[1], 6)
        else:
            used = self.memory_used_mib(minutes)
            values = used if signal == "memory_used" else (self.memory_mib - self.reserved_mib)[:, None] - used
            values = values * MIB
        return np.where(there, values, np.nan)

    def _as_written(self, busy: Floats) -> Floats:
        """Engine active with six decimals where it is collected, GPU_UTIL in whole percent elsewhere."""
        return np.where(self.profiled[:, None], np.round(busy, 6), np.round(busy * 100.0) * 0.01)

    @cached_property
    def _activity(self) -> dict[str, Floats]:
        """The fields of each hold's activity."""
        work = self.pods.work[self.held.pod]
        names = (
            "level",
            "noise",
            "memory",
            "tensor",
            "dram",
            "sm",
            "dip_every_min",
            "dip_min",
            "burst_min",
            "burst_share",
            "always",
            "leak_per_day",
        )
        fields = {
            name: np.array([float(getattr(one.activity, name)) for one in self.site.works])[work] for name in names
        }
        shared = np.array([one.plan.per_replica for one in self.site.works])[work]
        slow = np.where(self._straggling[self.roster.unit_node[self.held.unit]], 0.5, 1.0)
        fields["level"] = fields["level"] * shared * slow
        return fields

    def busy(self, minutes: Ints, also: str = "") -> tuple[Floats, Floats]:
        """Busy share of each unit and, weighted by it, another field of what runs there ("tensor", "dram", "sm")."""
        hold, at, kinds = self.held.pairs(minutes)
        share = self._shares(hold, at, kinds, minutes)
        shape = (len(self.roster.unit_slot), len(minutes))
        cell = self.held.unit[hold] * len(minutes) + at
        total = np.bincount(cell, share, shape[0] * shape[1]).reshape(shape)
        limited = np.minimum(total, _FULL)
        if not also:
            return limited, limited
        part = np.bincount(cell, share * self._activity[also][hold], shape[0] * shape[1]).reshape(shape)
        scale = np.divide(limited, total, out=np.ones(shape), where=total > _FULL)
        return limited, np.asarray(part * scale, dtype=np.float64)

    def _shares(self, hold: Ints, at: Ints, kinds: tuple[int, int, int, int], minutes: Ints) -> Floats:
        """Share of the unit each hold keeps busy at each of its times."""
        activity = self._activity
        scatter = noise.uniform(self.held.key[hold], (minutes // 60)[at], draw=3)
        share = activity["level"][hold] * (1.0 + activity["noise"][hold] * (2.0 * scatter - 1.0))
        plain = slice(kinds[PLAIN], kinds[DEMAND])
        share[plain] *= self._dips(hold[plain], minutes[at[plain]])
        served = slice(kinds[DEMAND], kinds[SPELLS])
        if kinds[SPELLS] > kinds[DEMAND]:
            share[served] *= self._load(hold[served], at[served], minutes)
        spells = slice(kinds[SPELLS], kinds[3])
        if kinds[3] > kinds[SPELLS]:
            share[spells] *= self._spells(hold[spells], at[spells], minutes)
        loading = minutes[at] < self.pods.ready[self.held.pod][hold]
        share[loading] *= 0.02
        share[minutes[at] < self.pods.started[self.held.pod][hold]] = 0.0
        return np.clip(share, 0.0, _FULL)

    def _dips(self, hold: Ints, moments: Ints) -> Floats:
        """Training pauses for checkpoints."""
        every = self._activity["dip_every_min"] * 60
        age = (moments - self.held.start[hold]).astype(np.float64)
        period = every[hold]
        paused = np.mod(age, np.where(period > 0, period, 1.0)) < (self._activity["dip_min"] * 60)[hold]
        return np.asarray(np.where((period > 0) & paused & (age > period), 0.12, 1.0))

    def _load(self, hold: Ints, at: Ints, minutes: Ints) -> Floats:
        """Requests of the workload shared by its ready replicas, unevenly by up to 8 %."""
        work = self.pods.work[self.held.pod]
        loads = np.zeros((len(self.site.works), len(minutes)))
        for one in self.site.works:
            if one.follows_demand and one.plan.demand:
                ready = np.maximum(self.site.serving(one, self.pods, minutes), 1)
                full = one.plan.demand.peak_rps / (one.plan.most * PEAK_LOAD)
                loads[one.index] = self.site.requests(one, minutes) / (ready * full)
        tilt = 0.92 + 0.16 * noise.uniform(self.held.key, np.zeros(1, np.int64), draw=4)
        return np.asarray(loads[work[hold], at] * tilt[hold])

    def _spells(self, hold: Ints, at: Ints, minutes: Ints) -> Floats:
        """Work in spells, as people start it."""
        activity = self._activity
        length = (activity["burst_min"][hold] * 60).astype(np.int64)
        offset = (self.held.key[hold] % np.uint64(3600)).astype(np.int64)
        drawn = noise.uniform(self.held.key[hold], (minutes[at] + offset) // length, draw=5)
        likely = np.where(activity["always"][hold] > 0, 1.0, shapes.working(minutes, _UTC_OFFSET_H)[at])
        return np.where(drawn < activity["burst_share"][hold] * likely, 1.0, 0.0)

    def memory_used_mib(self, minutes: Ints) -> Floats:
        """Used framebuffer in whole MiB: what loads, stays and perhaps leaks; a few MiB on a unit nobody holds."""
        hold, at, _ = self.held.pairs(minutes)
        activity, unit = self._activity, self.held.unit
        slot = self.site.estate.gpu_node[self._slot_gpu[unit]]
        replicas = np.array([node.replicas for node in self.site.estate.nodes], np.float64)[slot]
        start, ready = self.pods.started[self.held.pod], self.pods.ready[self.held.pod]
        age = (minutes[at] - start[hold]).astype(np.float64)
        loaded = np.clip((age + 30.0) / ((ready - start)[hold] + 30.0), 0.0, 1.0) * (age >= 0)
        age = np.maximum(age, 0.0)
        wander = noise.smooth(self.held.key[hold], minutes[at], 1800, draw=6)
        share = (
            activity["memory"][hold] * loaded * (0.99 + 0.02 * wander) + activity["leak_per_day"][hold] * age / 86400
        )
        mib = share * (self.memory_mib[unit] / replicas)[hold]
        shape = (len(self.roster.unit_slot), len(minutes))
        used = np.bincount(unit[hold] * len(minutes) + at, mib, shape[0] * shape[1]).reshape(shape)
        room = (self.memory_mib - self.reserved_mib - 64.0)[:, None]
        return np.asarray(np.round(np.minimum(used + 3.0, room)))

    def _gpu(self, signal: str, minutes: Ints) -> Floats:
        roster, placement = self.roster, self.site.placement
        if signal in ("xid", "row_remap_failed"):
            values = np.zeros((len(roster.gpu_slot), len(minutes)))
            if signal == "row_remap_failed":
                values[roster.gpu_slot == placement.struck("row-remap-failed")] = 1.0
                return values
            values[roster.gpu_slot == placement.struck("gpu-lost")] = 79.0
            week = (minutes + 3 * shapes.DAY) % _WEEK
            values[roster.gpu_slot == placement.struck("application-xid")] = np.where(week >= _FAULT_AT, 31.0, 0.0)
            return values
        power = self._power(minutes)
        if signal == "power":
            return power
        idle, limit = self.watts
        warm = noise.uniform(roster.gpu_key[:, None], np.zeros((1, 1), np.int64), draw=12) * 6.0
        drift = noise.smooth(roster.gpu_key[:, None], minutes[None, :], 1200, draw=13) * 3.0
        return np.asarray(np.round(29.0 + warm + drift + 44.0 * (power - idle) / (limit - idle)))

    @cached_property
    def watts(self) -> tuple[Floats, Floats]:
        """Board power of each GPU when idle and at its limit, as columns."""
        models = self.site.estate.models
        place = self.site.estate.gpu_model[self.roster.gpu_slot]
        idle = np.array([model.idle_w for model in models])[place][:, None]
        return idle, np.array([model.limit_w for model in models])[place][:, None]

    def _power(self, minutes: Ints) -> Floats:
        """Board power: an idle floor that is far from zero, and more with work, most of all with tensor work."""
        busy, tensor = self.busy(minutes, "tensor")
        share = (0.62 * busy + 0.55 * tensor) * self.roster.unit_fraction[:, None]
        drawn = np.add.reduceat(share, self.roster.gpu_units[1], axis=0)
        idle, limit = self.watts
        scatter = noise.uniform(self.roster.gpu_key[:, None], (minutes // 60)[None, :], draw=11) - 0.5
        return np.asarray(np.round(idle + (limit - idle) * np.minimum(drawn, 0.97) + scatter * 0.02 * limit, 3))
