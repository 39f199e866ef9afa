"""Which images are on which nodes, and who brought them: a node has an image from the first pull there until it goes.

Who pulls first follows from the timetable alone: of every lane on the node that runs the release, the first pod that
was created with it and bound to the node. Pods that come while it is pulled wait for that pull; different images are
pulled side by side. Pulls no timetable knows, by people's DaemonSets, are laid over it (:meth:`ImageStore.having`).
"""

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from services.demo.course import Course, course, sandboxes, to_pull
from services.demo.estate import Estate
from services.demo.lanes import RUN, Pods, Timetable
from services.demo.lives import NEVER
from services.demo.noise import Ints
from services.demo.recipes import Recipes, Steps
from services.demo.workloads import Placement

_FEW, _MANY = 4, 24
"""Cycles of a lane looked at for its first pod with a release; workloads that rest leave some out."""
_REMEMBERED = 400_000

_RELEASES, _IMAGES, _GENS = 1 << 14, 1 << 6, 1 << 20


class First(NamedTuple):
    """Who first pulled images on nodes, one entry each; lane -1 and NEVER where nobody does."""

    lane: Ints
    cycle: Ints
    bound: Ints
    wanted: Ints  # when the pod asked for it
    there: Ints


_NOBODY = (-1, 0, NEVER, NEVER, NEVER)


class Fetched(NamedTuple):
    """A pull: when it was wanted, and since when the image is on the node."""

    wanted: int
    there: int


Brought = dict[str, dict[tuple[int, int], Fetched]]
"""By node (:func:`identity`), the pulls of images (number, release)."""


def identity(node: str, born: int) -> str:
    """What tells nodes apart: names come again."""
    return f"{node}/{born}"


class _Over(NamedTuple):
    """Pulls laid over the timetable; ``codes`` are sorted."""

    codes: Ints
    wanted: Ints
    there: Ints


_NONE: Ints = np.zeros(0, np.int64)


_Known = dict[int, tuple[int, int, int, int, int]]


class ImageStore:
    """Of one cluster as its timetable has it."""

    def __init__(self, estate: Estate, placement: Placement, table: Timetable, recipes: Recipes) -> None:
        self._estate, self._table, self._recipes = estate, table, recipes
        self.lane_nodes = lane_nodes(estate, placement, table)
        self.node_zones = node_zones(estate)
        self._work: Ints = table.works[table.work_first]  # one of each lane's; those of a lane start alike
        self._known: _Known = {}
        self.over = _Over(_NONE, _NONE, _NONE)
        self.moved, self.anew = _NONE, self._known  # where init containers start otherwise, and who pulls first there
        runs = (table.fate == RUN) & (self.lane_nodes >= 0)
        self._users: list[tuple[Ints, Ints]] = []  # lanes and (sorted) nodes with images, for init images and own ones
        for images in (recipes.init_image[self._work], recipes.image[self._work]):
            lanes = np.nonzero(runs & (images >= 0))[0]
            code = self.lane_nodes[lanes] * _IMAGES + images[lanes]
            order = np.argsort(code, kind="stable")
            self._users.append((lanes[order], code[order]))

    def filled(self, pods: Pods) -> Pods:
        """The timetable's pods with what depends on images: when they are there, when the pods start and are ready."""
        rows = np.nonzero((pods.fate == RUN) & (pods.scheduled < NEVER) & (self.lane_nodes[pods.lane] >= 0))[0]
        found = self._courses(pods.where(rows))
        values = {name: getattr(pods, name).copy() for name in ("init_there", "there", "started", "ready")}
        init_there, there, run = found
        for name, own in (("init_there", init_there), ("there", there), ("started", run.first), ("ready", run.ready)):
            values[name][rows] = own
        return pods.having(**values)

    def generation(self, node: Ints, seconds: Ints) -> Ints:
        """Which generation of each node slot there is at each time."""
        return self._estate.generation(node, seconds)

    def having(self, pulls: Mapping[tuple[int, int, int, int], Fetched]) -> "ImageStore":
        """The same with pulls of others, by node slot, generation, image and release."""
        if not pulls:
            return self
        rows: Ints = np.array([(*place, *pull) for place, pull in pulls.items()], np.int64)
        node, gen, image, release, wanted, there = rows[np.argsort(_code(*rows.T[:4]))].T
        mine = np.isin(image, self._recipes.init_image)
        other = copy.copy(self)
        other.over = _Over(_code(node, gen, image, release), wanted, there)
        other.moved, other.anew = np.unique(node[mine] * _GENS + gen[mine]), {}
        return other

    def first(self, role: int, node: Ints, gen: Ints, image: Ints, release: Ints) -> First:
        """Who of the timetable first pulled images on nodes, if no other pull of that image was sooner.

        ``role``: 0 images of init containers, 1 pods' own.
        """
        keys, place = np.unique(_code(node, gen, image, release) * 2 + role, return_inverse=True)
        moved = np.isin(keys // (2 * _IMAGES * _RELEASES), self.moved) if role else np.zeros(len(keys), np.bool_)
        rows: Ints = np.zeros((len(keys), len(_NOBODY)), np.int64)
        for chosen, anew in ((~moved, False), (moved, True)):
            rows[chosen] = self._found(keys[chosen], role, anew=anew)
        return First(*rows[place].T)

    def _found(self, keys: Ints, role: int, *, anew: bool) -> Ints:
        if len(self._known) > _REMEMBERED:
            self._known = {}
        known = self.anew if anew else self._known  # another thread may begin a new one meanwhile
        missing = np.array([key for key in keys.tolist() if key not in known], np.int64)
        if len(missing):
            known |= self._learned(missing, role)
        return np.array([known[key] for key in keys.tolist()], np.int64).reshape(-1, len(_NOBODY))

    def _soonest(self, role: int, node: Ints, gen: Ints, image: Ints, release: Ints) -> First:
        """Who first pulled images on nodes, others too: they have no lane, and no time at which they were bound."""
        first = self.first(role, node, gen, image, release)
        if not len(self.over.codes):
            return first
        code = _code(node, gen, image, release)
        place = np.minimum(np.searchsorted(self.over.codes, code), len(self.over.codes) - 1)
        wanted, there = self.over.wanted[place], self.over.there[place]
        sooner = (self.over.codes[place] == code) & (wanted < first.wanted)
        nobody = np.zeros(len(code), np.int64)
        others = First(nobody - 1, nobody, nobody - NEVER, wanted, there)
        return First(*(np.where(sooner, own, one) for own, one in zip(others, first, strict=True)))

    def on_nodes(self, now: int, until: Ints) -> tuple[Ints, Ints, Ints]:
        """Node slots with images and releases that pods brought by now; pods bound after ``until`` of a slot are none.

        Of an image that is released anew a node keeps two: older ones are garbage.
        """
        node, image, role, work = self._brought
        numbers = np.where(role > 0, self._recipes.release(work, np.full(len(work), now)), 0)
        before = (role > 0) & (self._recipes.period_s[work] < NEVER)
        rows = np.concatenate((np.arange(len(node)), np.nonzero(before)[0]))
        numbers = np.concatenate((numbers, numbers[before] - 1))
        found = []
        for one in (0, 1):
            mine = role[rows] == one
            slot, release = node[rows[mine]], numbers[mine]
            gen = self._estate.generation(slot, np.full(len(slot), now))
            first = self._soonest(one, slot, gen, image[rows[mine]], release)
            there = (first.there <= now) & (first.bound <= until[slot])
            found.append((slot[there], image[rows[mine]][there], release[there]))
        slots, images, releases = (np.concatenate(part) for part in zip(*found, strict=True))
        return slots, images, releases

    @cached_property
    def _brought(self) -> tuple[Ints, Ints, Ints, Ints]:
        """What lanes bring to nodes, each once: node slot, image, role and workload."""
        rows = [
            np.stack([codes // _IMAGES, codes % _IMAGES, np.full(len(codes), role), self._work[lanes]])
            for role, (lanes, codes) in enumerate(self._users)
        ]
        node, image, role, work = np.unique(np.concatenate(rows, axis=1), axis=1)
        return node, image, role, work

    def _courses(self, pods: Pods) -> tuple[Ints, Ints, Course]:
        node = self.lane_nodes[pods.lane]
        steps = self._recipes.steps(pods.work, pods.key, pods.created, self.node_zones[node])
        init_there = self._init_there(pods, steps)
        image, release = self._recipes.image[pods.work], self._recipes.release(pods.work, pods.created)
        wanted = to_pull(steps, pods.scheduled, init_there)
        there = self._there(1, pods, wanted, image, release)
        return init_there, there, course(steps, pods.scheduled, init_there, there)

    def _init_there(self, pods: Pods, steps: Steps) -> Ints:
        image = self._recipes.init_image[pods.work]
        return self._there(0, pods, sandboxes(steps, pods.scheduled), image, image * 0)

    def _there(self, role: int, pods: Pods, wanted: Ints, image: Ints, release: Ints) -> Ints:
        """Since when others' pulls give pods an image; NEVER for those that pull. -1 is an image every node has."""
        found = np.full(len(pods), -NEVER, np.int64)
        rows = np.nonzero(image >= 0)[0]
        node = self.lane_nodes[pods.lane[rows]]
        gen = self._estate.generation(node, pods.scheduled[rows])
        first = self._soonest(role, node, gen, image[rows], release[rows])
        own = (first.lane == pods.lane[rows]) & (first.cycle == pods.cycle[rows])
        found[rows] = np.where(own | (wanted[rows] < first.wanted), NEVER, first.there)
        return found

    def _learned(self, keys: Ints, role: int) -> _Known:
        """Who first pulled, for packed keys of one role."""
        rest, release = np.divmod(keys // 2, _RELEASES)
        rest, image = np.divmod(rest, _IMAGES)
        node, gen = np.divmod(rest, _GENS)
        lanes, codes = self._users[role]
        wanted = node * _IMAGES + image
        low, high = np.searchsorted(codes, wanted, side="left"), np.searchsorted(codes, wanted, side="right")
        count = high - low
        key = np.repeat(np.arange(len(keys)), count)
        lane = lanes[np.arange(len(key)) - np.repeat(np.cumsum(count) - count, count) + low[key]]
        pods, key = self._firsts(lane, key, node[key], gen[key], release[key] if role else None)
        steps = self._recipes.steps(pods.work, pods.key, pods.created, self.node_zones[self.lane_nodes[pods.lane]])
        if role:
            at = to_pull(steps, pods.scheduled, self._init_there(pods, steps))
            there = at + steps.stall + steps.pull
        else:
            at = sandboxes(steps, pods.scheduled)
            there = at + steps.init_pull
        order = np.lexsort((pods.lane, at, key))
        order = order[np.diff(key[order], prepend=-1) > 0]
        rows = np.stack([pods.lane, pods.cycle, pods.scheduled, at, there], axis=1)[order].tolist()
        found = dict(zip(key[order].tolist(), map(tuple, rows), strict=True))
        return {packed: found.get(number, _NOBODY) for number, packed in enumerate(keys.tolist())}

    def _firsts(self, lane: Ints, key: Ints, node: Ints, gen: Ints, release: Ints | None) -> tuple[Pods, Ints]:
        """Each lane's first pod on a generation of its node, of a release if one is given, and which key it is for."""
        table, life, work = self._table, self._estate.lives.of(node, gen), self._work[lane]
        begin, end = self._recipes.released(work, release) if release is not None else (life.born, life.gone)
        since = np.maximum(begin, life.born)
        earliest = (since - table.phase[lane] - table.on.max(axis=0)[lane] - table.sway[lane]) // table.period[lane]
        found: list[Pods] = []
        keys: list[Ints] = []
        rows = np.arange(len(lane))
        for many, skip in ((_FEW, 0), (_MANY, _FEW)):
            pods = table.drawn(
                np.repeat(lane[rows], many), (earliest[rows][:, None] + skip + np.arange(many)).reshape(-1)
            )
            mine = np.repeat(rows, many)
            fits = (
                (pods.ended > pods.created) & (pods.scheduled >= life.born[mine]) & (pods.scheduled < life.gone[mine])
            )
            if release is not None:
                fits &= (pods.created >= begin[mine]) & (pods.created < end[mine])
            fits = fits.reshape(-1, many)
            chosen = fits.argmax(axis=1)[fits.any(axis=1)] + np.nonzero(fits.any(axis=1))[0] * many
            found.append(pods.where(chosen))
            keys.append(key[mine[chosen]])
            rows = rows[~fits.any(axis=1)]
        return Pods.joined(found), np.concatenate(keys)


def _code(node: Ints, gen: Ints, image: Ints, release: Ints) -> Ints:
    return np.asarray(((node * _GENS + gen) * _IMAGES + image) * _RELEASES + release)


def lane_nodes(estate: Estate, placement: Placement, table: Timetable) -> Ints:
    """The node slot each lane's pods are on; -1 for a lane without slots."""
    none = np.full(len(table.slot_count), -1, np.int64)
    has = table.slot_count > 0
    unit = placement.slot_unit[table.slots[table.slot_first[has]]]
    none[has] = estate.gpu_node[estate.unit_gpu[unit]]
    return none


def node_zones(estate: Estate) -> Ints:
    """The number of each node slot's zone among the plan's."""
    return np.array([estate.plan.zones.index(node.zone) for node in estate.nodes], np.int64)
