"""When nodes came and went: asked for, joined, Ready, offering their GPUs, taken away.

Where a node comes because a pod waits, the pod's wait is given by its timetable and the node's steps share it out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from services.demo import noise
from services.demo.noise import Floats, Ints, Keys

if TYPE_CHECKING:
    from services.demo.estate import NodeSlot

NEVER = 1 << 40
"""Seconds since the epoch that no clock reaches."""

FOUNDED = 1_736_899_200
"""2025-01-15 00:00 UTC: when the oldest node joined."""

PROVISION_S = (92, 150)
BOOT_S = (40, 58)
DEVICE_S = (60, 92)
"""Steps of a node nobody in particular waits for: until it joins, is Ready, offers its GPUs; shortest and longest."""
REPLACED_S = BOOT_S[1] + DEVICE_S[1]
"""From when a node that replaces another joins until it offers its GPUs: pods that wait for it know when."""

DECISION_S = (6, 15)
"""From a pod that fits nowhere to the autoscaler's decision."""
_BIND_S = (1, 4)
_PROVISION_SHARE = (0.42, 0.52)  # of what is left of a wait
_BOOT_SHARE = (0.16, 0.21)


@dataclass(frozen=True)
class Wait:
    """A pod that a node comes for: each period it is bound at ``at_s``, after waiting ``queue_s`` (shortest, longest).

    The key is its lane's, so that lane and node draw the same wait.
    """

    key: int
    at_s: int
    queue_s: tuple[int, int]


class Life(NamedTuple):
    """Instants of nodes, one entry each, in seconds since the epoch; a node is there from ``born`` to ``gone``."""

    claimed: Ints  # an autoscaler asks for the machine
    born: Ints
    ready: Ints
    usable: Ints  # it offers its GPUs
    gone: Ints


class Lives:
    """Lives of a cluster's nodes, by slot and generation.

    ``no_bursts_after``: by pool, when nodes that controllers add take the place of the timetable's.
    """

    def __init__(self, nodes: Sequence["NodeSlot"], seed: int, no_bursts_after: Mapping[str, int]) -> None:
        self._seed = seed

        def ints(values: list[int]) -> Ints:
            return np.array(values, np.int64)

        self.phase = ints([node.phase_s for node in nodes])
        self.period = ints([node.generations_s or NEVER for node in nodes])
        self._gap = ints([node.gap_s for node in nodes])
        waits = [node.wait or Wait(0, 0, (0, 0)) for node in nodes]
        self._burst = np.array([node.wait is not None for node in nodes], np.bool_)
        self._wait_key: Keys = np.array([wait.key for wait in waits], np.uint64)
        self._wait_at = ints([wait.at_s for wait in waits])
        self._wait_low, self._wait_high = (ints([wait.queue_s[i] for wait in waits]) for i in (0, 1))
        self._no_bursts = ints([no_bursts_after.get(node.pool.name, NEVER) for node in nodes])
        self._named = np.array([bool(node.name) for node in nodes], np.bool_)
        self._own = Life(*(ints([getattr(node, name) for node in nodes]) for name in Life._fields))

    def generation(self, nodes: Ints, seconds: Ints) -> Ints:
        """Which generation stands in each node slot at each time (0 for nodes that stay)."""
        return np.asarray((seconds - self.phase[nodes]) // self.period[nodes])

    def of(self, nodes: Ints, gens: Ints) -> Life:
        """The lives of given generations of given node slots."""
        start = self.phase[nodes] + gens * self.period[nodes]
        stays = self.period[nodes] == NEVER
        joined = noise.mixed(np.uint64(self._seed) + nodes.astype(np.uint64), nodes) % np.uint64(2_592_000)
        born = np.where(stays, FOUNDED + joined.astype(np.int64), start + self._gap[nodes])
        key = noise.mixed(np.uint64(self._seed) + nodes.astype(np.uint64), gens, draw=30)

        ready = born + _between(BOOT_S, key, 31)
        usable = np.where(stays, ready + _between(DEVICE_S, key, 32), born + REPLACED_S)
        gone = np.where(stays, NEVER, start + self.period[nodes])
        life = Life(born - _between(PROVISION_S, key, 33), born, ready, usable, gone)
        life = _where(self._burst[nodes], self._awaited(nodes, start, gone, key), life)
        return _where(self._named[nodes], Life(*(part[nodes] for part in self._own)), life)

    def _awaited(self, nodes: Ints, start: Ints, gone: Ints, key: Keys) -> Life:
        """Lives of nodes that come for a pod: they share out its wait."""
        period, at = self.period[nodes], self._wait_at[nodes]
        cycle = (start + period - at) // period
        bound = cycle * period + at
        low, high = self._wait_low[nodes], self._wait_high[nodes]
        wait = low + (noise.uniform(self._wait_key[nodes], cycle, draw=5) * (high - low)).astype(np.int64)
        usable = bound - _between(_BIND_S, key, 34)
        claimed = bound - wait + _between(DECISION_S, key, 35)
        left = usable - claimed
        born = claimed + (left * _share(_PROVISION_SHARE, key, 36)).astype(np.int64)
        ready = born + (left * _share(_BOOT_SHARE, key, 37)).astype(np.int64)
        off = claimed > self._no_bursts[nodes]
        return Life(claimed, born, ready, usable, np.where(off, born, gone))


def _uniform(key: Keys, draw: int) -> Floats:
    return noise.uniform(key, np.zeros(1, np.int64), draw)


def _between(pair: tuple[int, int], key: Keys, draw: int) -> Ints:
    return np.asarray(pair[0] + (_uniform(key, draw) * (pair[1] - pair[0])).astype(np.int64))


def _share(pair: tuple[float, float], key: Keys, draw: int) -> Floats:
    return np.asarray(pair[0] + _uniform(key, draw) * (pair[1] - pair[0]))


def _where(chosen: np.ndarray, some: Life, others: Life) -> Life:
    return Life(*(np.where(chosen, one, other) for one, other in zip(some, others, strict=True)))
