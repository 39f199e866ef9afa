"""The hardware of one simulated cluster as arrays: node slots, GPUs, units, and who they are at a given time.

A *slot* is a place in the estate (the fourth T4 node); what stands in it can be replaced (spot reclaim), so identity is
(slot, generation). A :class:`Roster` lists the identities that exist in some span, one row each.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from services.demo import noise
from services.demo.hardware import PROFILES, GpuModel
from services.demo.lives import NEVER, Life, Lives, Wait
from services.demo.noise import Floats, Ints, Keys
from services.demo.scenario import ClusterPlan, PoolPlan

Bools = npt.NDArray[np.bool_]
Names = list[str]


@dataclass(frozen=True)
class NodeSlot:
    """A place for a node. ``ordinal`` counts within the pool's tile; ``generations_s`` is 0 for a node that stays.

    A node that is replaced is away for the first ``gap_s`` of each generation. One that comes for a pod has its
    ``wait``, one that controllers added a ``name`` and a life (:class:`services.demo.lives.Life`) of its own.
    """

    index: int
    pool: PoolPlan
    tile: int
    ordinal: int
    zone: str
    phase_s: int
    generations_s: int
    gap_s: int = 0
    wait: Wait | None = None
    name: str = ""
    claimed: int = 0
    born: int = 0
    ready: int = 0
    usable: int = 0
    gone: int = NEVER

    @property
    def burst(self) -> bool:
        """Whether the autoscaler adds it for a pod and removes it."""
        return self.wait is not None

    @property
    def replicas(self) -> int:
        """Replicas of each GPU that labels promise."""
        return self.pool.replicas

    def layout(self, gpu: int) -> tuple[str, ...]:
        """MIG profiles of one GPU; empty for a whole GPU."""
        return self.pool.mig[self.ordinal % len(self.pool.mig)][gpu] if self.pool.mig else ()


@dataclass(frozen=True)
class Roster:
    """Identities that exist somewhere in a span: rows of nodes, of GPUs on them and of units on those.

    ``*_slot`` point into the estate, ``*_born`` and ``*_gone`` are seconds since the epoch (born included),
    ``node_life`` has every step of the nodes, and ``labels`` holds the distinct texts of each dimension that
    ``unit_codes``/``gpu_codes`` point into.
    """

    node_slot: Ints
    node_gen: Ints
    node_born: Ints
    node_gone: Ints
    node_life: Life
    node_names: Names
    gpu_slot: Ints
    gpu_node: Ints  # row of nodes
    gpu_key: Keys
    gpu_uuids: Names
    unit_slot: Ints
    unit_gpu: Ints  # row of gpus
    unit_fraction: Floats
    unit_born: Ints
    unit_gone: Ints
    unit_key: Keys
    first_unit: Ints  # row of the oldest generation of each unit slot
    first_gen: Ints  # that generation
    labels: dict[str, Names]
    unit_codes: dict[str, Ints]
    gpu_codes: dict[str, Ints]

    @cached_property
    def gpu_units(self) -> tuple[Ints, Ints]:
        """Rows of units ordered by GPU, and where each GPU begins in that order (units are already in order)."""
        return np.arange(len(self.unit_gpu)), np.searchsorted(self.unit_gpu, np.arange(len(self.gpu_slot)))

    @cached_property
    def unit_node(self) -> Ints:
        """Row of the node of each unit."""
        return np.asarray(self.gpu_node[self.unit_gpu])


@dataclass(frozen=True)
class Cut:
    """A unit that controllers made of a GPU slot: a profile ("" whole), or the end of one that was there (``unit``)."""

    gpu: int
    profile: str = ""
    instance: str = ""
    born: int = -NEVER
    gone: int = NEVER
    unit: int = -1


class Estate:
    """Slots of one cluster. Arrays are aligned: ``gpu_*`` by GPU slot, ``unit_*`` by unit slot.

    ``unit_born`` and ``unit_gone`` bound the time a unit exists while its node does. ``waits`` are, by pool, the pods
    its bursts come for.
    """

    def __init__(
        self, plan: ClusterPlan, seed: int, tiles: int, spare: Mapping[str, int], waits: Mapping[str, Sequence[Wait]]
    ) -> None:
        self.plan = plan
        self.seed = seed
        self.tiles = tiles
        self.nodes: list[NodeSlot] = []
        for tile in range(tiles):
            for pool in plan.pools:
                if tile and not pool.instance.gpus:
                    continue
                for ordinal in range(pool.nodes):
                    self._add(pool, tile, ordinal)
        for pool in plan.pools:
            for _ in range(spare.get(pool.name, 0)):
                self._add(pool, tiles, pool.nodes)
        for pool in plan.pools:
            for place, (minute, wait) in enumerate(zip(pool.bursts, waits.get(pool.name, ()), strict=True)):
                self._add_burst(pool, place, minute, wait)
        self.no_bursts_after: dict[str, int] = {}
        self.index()

    def grown(self, added: Sequence[NodeSlot], cuts: Sequence[Cut], no_bursts_after: dict[str, int]) -> "Estate":
        """The same estate with what controllers did to it; present slots keep their places.

        ``no_bursts_after``: by pool, when added nodes take the place of the timetable's.
        """
        other = copy.copy(self)
        other.nodes = [*self.nodes, *added]
        other.no_bursts_after = no_bursts_after
        other.__dict__.pop("_fixed_uuids", None)
        other.index(cuts)
        return other

    def _add_burst(self, pool: PoolPlan, place: int, minute: int, wait: Wait) -> None:
        index = len(self.nodes)
        zone = self.plan.zones[index % len(self.plan.zones)]
        phase = minute * 60 % pool.burst_s
        self.nodes.append(NodeSlot(index, pool, 0, pool.nodes + place, zone, phase, pool.burst_s, wait=wait))

    def _add(self, pool: PoolPlan, tile: int, ordinal: int) -> None:
        index = len(self.nodes)
        replaced = ordinal in pool.replaced and tile < self.tiles
        draw = noise.key(self.seed, self.plan.name, "node", index)
        phase = draw % (pool.replace_s // 21600) * 21600 if replaced else 0
        zone = self.plan.zones[index % len(self.plan.zones)]
        period, gap = (pool.replace_s, pool.gap_s) if replaced else (0, 0)
        self.nodes.append(NodeSlot(index, pool, tile, ordinal, zone, phase, period, gap))

    def index(self, cuts: Sequence[Cut] = ()) -> None:
        """Number GPUs and units of the nodes."""
        self._rosters: dict[tuple[int, int], Roster] = {}
        models: list[GpuModel] = []
        gpu_node: list[int] = []
        gpu_place: list[int] = []
        gpu_model: list[int] = []
        units: list[tuple[int, str, str, float, int]] = []
        for node in self.nodes:
            model = node.pool.instance.model
            if model is None:
                continue
            if model not in models:
                models.append(model)
            for place in range(node.pool.instance.gpus):
                gpu = len(gpu_node)
                gpu_node.append(node.index)
                gpu_place.append(place)
                gpu_model.append(models.index(model))
                taken: dict[str, int] = {}
                for profile in node.layout(place):
                    nth = taken[profile] = taken.get(profile, -1) + 1
                    size = PROFILES[profile]
                    units.append((gpu, profile, str(size.first_id + nth), size.slices / model.slices, size.memory_mib))
                if not taken:
                    units.append((gpu, "", "", 1.0, model.memory_mib))
        made = [cut for cut in cuts if cut.unit < 0]
        for cut in made:
            whole = models[gpu_model[cut.gpu]]
            part = PROFILES.get(cut.profile)
            share, memory = (part.slices / whole.slices, part.memory_mib) if part else (1.0, whole.memory_mib)
            units.append((cut.gpu, cut.profile, cut.instance, share, memory))
        self.unit_born: Ints = np.full(len(units), -NEVER, np.int64)
        self.unit_gone: Ints = np.full(len(units), NEVER, np.int64)
        for place, cut in enumerate(made, len(units) - len(made)):
            self.unit_born[place], self.unit_gone[place] = cut.born, cut.gone
        for cut in cuts:
            if cut.unit >= 0:
                self.unit_gone[cut.unit] = cut.gone
        self.models = models
        self.gpu_node: Ints = np.array(gpu_node, np.int64)
        self.gpu_place: Ints = np.array(gpu_place, np.int64)
        self.gpu_model: Ints = np.array(gpu_model, np.int64)
        self.unit_gpu: Ints = np.array([unit[0] for unit in units], np.int64)
        self.unit_profile: Names = [unit[1] for unit in units]
        self.unit_instance: Names = [unit[2] for unit in units]
        self.unit_fraction: Floats = np.array([unit[3] for unit in units])
        self.unit_memory_mib: Floats = np.array([unit[4] for unit in units], np.float64)
        self.lives = Lives(self.nodes, self.seed, self.no_bursts_after)
        keys = [noise.key(self.seed, self.plan.name, *self._gpu_parts(gpu)) for gpu in range(len(gpu_node))]
        self.gpu_key: Keys = np.array(keys, np.uint64)

    def generation(self, nodes: Ints, seconds: Ints) -> Ints:
        """Which generation stands in each node slot at each time (0 for nodes that stay)."""
        return self.lives.generation(nodes, seconds)

    def node_name(self, slot: int, gen: int) -> str:
        """Host name as AWS gives it, made of the private address."""
        if self.nodes[slot].name:
            return self.nodes[slot].name
        place = (slot * 73 + 19) % 65536
        return f"ip-10-{1 + gen % 200 if gen else 0}-{place >> 8}-{place & 255}.{self.plan.domain}"

    def gpu_uuid(self, gpu: int, gen: int) -> str:
        """UUID of the GPU in a slot."""
        return "GPU-" + noise.uuid(self.seed, self.plan.name, *self._gpu_parts(gpu), gen)

    def _gpu_parts(self, gpu: int) -> tuple[str | int, ...]:
        """What tells a GPU slot apart; that of an added node must not depend on how many were added before."""
        name = self.nodes[int(self.gpu_node[gpu])].name
        return ("added", name, int(self.gpu_place[gpu])) if name else ("gpu", gpu)

    @cached_property
    def _fixed_uuids(self) -> Names:
        return [self.gpu_uuid(gpu, 0) for gpu in range(len(self.gpu_node))]

    def roster(self, begin: int, end: int) -> Roster:
        """Who exists somewhere in ``begin … end`` (seconds, both included)."""
        hour = 21600  # replacements happen at multiples of six hours
        span = (begin // hour, end // hour)
        roster = self._rosters.get(span)
        if roster is None:
            if len(self._rosters) > 8:
                self._rosters.clear()
            roster = self._rosters[span] = self._roster(span[0] * hour, span[1] * hour + hour - 1)
        return roster

    def _roster(self, begin: int, end: int) -> Roster:
        slots = np.arange(len(self.nodes))
        first = self.generation(slots, np.full(len(slots), begin))
        count = self.generation(slots, np.full(len(slots), end)) - first + 1
        node_slot = np.repeat(slots, count)
        row0 = np.concatenate(([0], np.cumsum(count)))[:-1]
        node_gen = first[node_slot] + np.arange(len(node_slot)) - row0[node_slot]
        life = self.lives.of(node_slot, node_gen)
        names = [self.node_name(slot, gen) for slot, gen in zip(node_slot.tolist(), node_gen.tolist(), strict=True)]

        gpu_count = count[self.gpu_node]
        gpu_slot = np.repeat(np.arange(len(self.gpu_node)), gpu_count)
        gpu_row0 = np.concatenate(([0], np.cumsum(gpu_count)))[:-1]
        gpu_node = row0[self.gpu_node[gpu_slot]] + np.arange(len(gpu_slot)) - gpu_row0[gpu_slot]
        gen = node_gen[gpu_node]
        fixed = self._fixed_uuids
        uuids = [
            self.gpu_uuid(slot, g) if g else fixed[slot]
            for slot, g in zip(gpu_slot.tolist(), gen.tolist(), strict=True)
        ]
        gpu_key = self.gpu_key[gpu_slot] + gen.astype(np.uint64)

        unit_count = count[self.gpu_node[self.unit_gpu]]
        unit_slot = np.repeat(np.arange(len(self.unit_gpu)), unit_count)
        unit_row0 = np.concatenate(([0], np.cumsum(unit_count)))[:-1]
        unit_gpu = gpu_row0[self.unit_gpu[unit_slot]] + np.arange(len(unit_slot)) - unit_row0[unit_slot]
        order = np.argsort(unit_gpu, kind="stable")
        unit_slot, unit_gpu = unit_slot[order], unit_gpu[order]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))

        labels, unit_codes, gpu_codes = self._labels(names, uuids, unit_slot, unit_gpu, gpu_slot, gpu_node)
        keys = noise.mixed(gpu_key[unit_gpu], unit_slot, draw=7)
        return Roster(
            node_slot,
            node_gen,
            life.born,
            life.gone,
            life,
            names,
            gpu_slot,
            gpu_node,
            gpu_key,
            uuids,
            unit_slot,
            unit_gpu,
            self.unit_fraction[unit_slot],
            self.unit_born[unit_slot],
            self.unit_gone[unit_slot],
            keys,
            place[unit_row0],
            first[self.gpu_node[self.unit_gpu]],
            labels,
            unit_codes,
            gpu_codes,
        )

    def _labels(
        self, names: Names, uuids: Names, unit_slot: Ints, unit_gpu: Ints, gpu_slot: Ints, gpu_node: Ints
    ) -> tuple[dict[str, Names], dict[str, Ints], dict[str, Ints]]:
        profiles = sorted({"", *self.unit_profile})
        instances = sorted({"", *self.unit_instance})
        labels = {
            "node": names,
            "gpu": uuids,
            "instance": instances,
            "profile": profiles,
            "model": [model.name for model in self.models],
        }
        profile_codes = np.array([profiles.index(profile) for profile in self.unit_profile], np.int64)
        instance_codes = np.array([instances.index(instance) for instance in self.unit_instance], np.int64)
        models = self.gpu_model[gpu_slot]
        none = np.zeros(len(gpu_slot), np.int64)
        gpu_codes = {
            "node": gpu_node,
            "gpu": np.arange(len(gpu_slot)),
            "instance": none,
            "profile": none,
            "model": models,
        }
        unit_codes = {
            "node": gpu_node[unit_gpu],
            "gpu": unit_gpu,
            "instance": instance_codes[unit_slot],
            "profile": profile_codes[unit_slot],
            "model": models[unit_gpu],
        }
        return labels, unit_codes, gpu_codes
