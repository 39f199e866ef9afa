"""Pods of the DaemonSets that people made: which node, and when each of their containers did what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.demo.imagestore import identity
from services.demo.ledger import Key
from services.demo.lives import NEVER
from services.demo.moment import NodeFacts

PAUSES_S = (10, 20, 40, 80, 160, 300)
"""The kubelet's pauses between pulls that fail; the last one is the longest."""
FAILS_S = 1
"""So soon a registry says that it has no such image."""


@dataclass(frozen=True)
class Turn:
    """Labels and taints of a node from a time on."""

    at: int
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, eq=False)
class Standing:
    """One node. ``slot`` and ``gen`` tell it in the timetable, -1 for one that controllers added; ``zone`` its number.

    ``turns`` begin with its birth.
    """

    facts: NodeFacts
    slot: int
    gen: int
    zone: int
    turns: tuple[Turn, ...]

    @property
    def id(self) -> str:
        """What tells it apart."""
        return identity(self.facts.name, self.facts.born)

    def turn(self, at: int) -> Turn:
        """What it is like at a time, or will be at first."""
        return next((turn for turn in reversed(self.turns) if turn.at <= at), self.turns[0])

    def there(self, at: int) -> bool:
        """Whether its object exists."""
        return self.facts.born <= at < self.facts.gone


@dataclass(eq=False)
class Ran:
    """One container; times in seconds since the epoch, NEVER for what has not happened.

    Its image is ``wanted``, the pull that succeeds begins at ``tried`` and ends at ``pulled``. ``size`` is None where
    nothing is pulled because the image is there. ``found`` is its number and release, None for one of no registry.
    """

    name: str
    image: str
    init: bool
    found: tuple[int, int] | None
    wanted: int = NEVER
    failed: int = NEVER  # the first pull
    tried: int = NEVER
    pulled: int = NEVER
    started: int = NEVER
    finished: int = NEVER
    size: int | None = None

    @property
    def times(self) -> tuple[int, ...]:
        """When anything about it changed."""
        return self.wanted, self.failed, self.tried, self.pulled, self.started, self.finished

    def tries(self, now: int) -> tuple[int, int]:
        """How many pulls had failed by a time, and when the last of them did; (0, NEVER) for none."""
        count, last = 0, self.failed
        while last <= now and last < self.tried:
            count, last = count + 1, last + FAILS_S + PAUSES_S[min(count, len(PAUSES_S) - 1)]
        return (count, last - FAILS_S - PAUSES_S[min(count - 1, len(PAUSES_S) - 1)]) if count else (0, NEVER)


@dataclass(eq=False)
class DaemonPod:
    """One pod of the DaemonSet ``owner``, which the write ``made`` created, with the template of its ``revision``."""

    owner: Key
    made: int
    name: str
    uid: str
    key: int
    template: Mapping[str, Any]
    revision: str
    standing: Standing
    containers: tuple[Ran, ...]
    created: int
    sandbox: int = NEVER
    ready: int = NEVER
    removed: int = NEVER
    gone: int = NEVER
    replaced: bool = False  # its controller took it away

    @property
    def node(self) -> str:
        """Name of its node."""
        return self.standing.facts.name

    def there(self, at: int) -> bool:
        """Whether its object exists."""
        return self.created <= at < self.gone

    def times(self) -> list[int]:
        """When anything about it changed."""
        own = (self.created, self.sandbox, self.ready, self.removed, self.gone)
        found = [at for at in (*own, *(at for ran in self.containers for at in ran.times)) if at < NEVER]
        return [at for at in found if at <= self.gone]

    def changed(self, now: int) -> int:
        """When it last changed."""
        return max(at for at in self.times() if at <= now)
