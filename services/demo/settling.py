"""What follows once a replay has placed its pods: which images they pull, when they start and when they are ready.

None of it moves other pods, so it is worked out when the replay is over. The rules are those of
:mod:`services.demo.imagestore`; who comes first on a node is seen from the pods that came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.demo.course import course, sandboxes, to_pull
from services.demo.imagestore import Brought, Fetched, ImageStore, identity
from services.demo.lanes import RUN
from services.demo.lives import NEVER
from services.demo.noise import Ints
from services.demo.recipes import Recipes
from services.demo.seating import Host, Stay

Given = Mapping[str, Mapping[tuple[int, int], Fetched]]
"""By node (:func:`services.demo.imagestore.identity`), pulls of images (number, release)."""


@dataclass(frozen=True)
class Newcomers:
    """Pods a replay bound after its pool was touched, ``work`` and ``zone`` as the recipes number them."""

    stays: Sequence[Stay]
    work: Ints
    zone: Ints
    since: Ints  # when each one's pool was touched


def settle(store: ImageStore, recipes: Recipes, pods: Newcomers, others: Given) -> Brought:
    """Give the pods their starts; what they brought to their nodes. ``others``: what people's DaemonSets pulled."""
    stays = pods.stays
    if not stays:
        return {}
    scheduled, created = _ints([stay.scheduled for stay in stays]), _ints([stay.created for stay in stays])
    key = np.array([stay.key for stay in stays], np.uint64)
    steps = recipes.steps(pods.work, key, created, pods.zone)
    hosts = [stay.cells[0].host for stay in stays]
    places = list(dict.fromkeys(hosts))
    host = _ints([places.index(one) for one in hosts])
    brought: Brought = {}
    nothing = np.zeros(len(stays), np.int64)
    images = _Images(store, pods, scheduled, host, [one for one in places if one is not None], brought, others)
    init_there = images.there(0, sandboxes(steps, scheduled), steps.init_pull, recipes.init_image[pods.work], nothing)
    release = recipes.release(pods.work, created)
    wanted = to_pull(steps, scheduled, init_there)
    there = images.there(1, wanted, steps.stall + steps.pull, recipes.image[pods.work], release)
    found = course(steps, scheduled, init_there, there)
    rows = zip(
        stays, init_there.tolist(), there.tolist(), found.first.tolist(), found.ready.tolist(), strict=True
    )  # fmt: skip
    for stay, init_at, at, started, ready in rows:
        stay.init_there, stay.there = init_at, at
        if stay.fate == RUN:
            stay.started, stay.ready = started, min(ready, NEVER)
    return brought


@dataclass(frozen=True)
class _Images:
    store: ImageStore
    pods: Newcomers
    scheduled: Ints
    host: Ints
    hosts: Sequence[Host]
    brought: Brought
    others: Given

    def there(self, role: int, wanted: Ints, lasts: Ints, image: Ints, release: Ints) -> Ints:
        """Since when others' pulls give pods the image; NEVER for those that pull, -NEVER where every node has it."""
        found = np.where(image >= 0, NEVER, -NEVER)
        rows = np.nonzero((image >= 0) & np.array([stay.fate == RUN for stay in self.pods.stays], np.bool_))[0]
        if not len(rows):
            return found
        given = self._given(role, rows, wanted, image, release)
        _, group = np.unique(
            np.stack([self.host[rows], image[rows], release[rows]]), axis=1, return_inverse=True
        )  # fmt: skip
        group = group.reshape(-1)
        lane = _ints([self.pods.stays[row].lane for row in rows.tolist()])
        order = np.lexsort((lane, wanted[rows], group))
        first = order[np.diff(group[order], prepend=-1) > 0]
        at = (wanted + lasts)[rows]
        for row in first[given[first] >= NEVER].tolist():
            own = self.brought.setdefault(self._node(int(rows[row])), {})
            pull = Fetched(int(wanted[rows[row]]), int(at[row]))
            own[int(image[rows[row]]), int(release[rows[row]])] = pull
        leader = first[group]
        followed = np.where(leader == np.arange(len(rows)), NEVER, at[leader])
        found[rows] = np.where(given < NEVER, given, followed)
        return found

    def _given(self, role: int, rows: Ints, wanted: Ints, image: Ints, release: Ints) -> Ints:
        """Since when it is there by pods bound before the pool was touched, or by DaemonSets; NEVER for neither."""
        slot = _ints([self.hosts[host].slot.index for host in self.host[rows].tolist()])
        given, since = np.full(len(rows), NEVER, np.int64), np.full(len(rows), NEVER, np.int64)
        own = slot >= 0
        mine, node = rows[own], slot[own]
        gen = self.store.generation(node, self.scheduled[mine])
        known = self.store.first(role, node, gen, image[mine], release[mine])
        valid = (known.bound <= self.pods.since[mine]) & (known.wanted <= wanted[mine])
        given[own], since[own] = np.where(valid, known.there, NEVER), np.where(valid, known.wanted, NEVER)
        for place, row in enumerate(rows.tolist() if self.others else ()):
            pulls = self.others.get(self._node(row), {})
            pull = pulls.get((int(image[row]), int(release[row])))
            if pull is not None and pull.wanted < wanted[row] and pull.wanted < since[place]:
                given[place] = pull.there
        return given

    def _node(self, row: int) -> str:
        host = self.hosts[int(self.host[row])]
        return identity(host.name, host.born)


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, np.int64)
