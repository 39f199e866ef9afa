"""What is true of pods' starts: how long they waited and what every second of them went to.

The truth behind what a reader of the cluster's objects and events works out, to check that against.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from services.demo.course import Course, courses
from services.demo.lanes import RUN, Pods
from services.demo.lives import NEVER, Life
from services.demo.moment import PodFacts, facts_of
from services.demo.names import pod_names
from services.demo.podstatus import tries
from services.demo.reaction import seen
from services.demo.recipes import Bools
from services.demo.world import Site
from services.domain.startup import NODE_MARGIN_S, Phase

WARM_S = 30
"""A start that waited no longer found room there already."""

FETCHES = frozenset({"download", "fetch", "storage"})
"""Words in the names of init containers that fetch a model."""

Step = tuple[Phase, int, int]
"""A phase with its begin and end in seconds since the epoch."""


class Start(NamedTuple):
    """One pod that was bound; ``created`` and ``scheduled`` in seconds since the epoch."""

    pool: str
    namespace: str
    pod: str
    created: int
    scheduled: int

    @property
    def wait_s(self) -> int:
        """From creation to binding: condition PodScheduled less creationTimestamp."""
        return self.scheduled - self.created

    @property
    def warm(self) -> bool:
        """Whether it found room at once."""
        return self.wait_s <= WARM_S


class Truth(NamedTuple):
    """Instants of pods' starts as arrays, one entry a pod; seconds since the epoch, NEVER for what does not happen.

    ``cold``: the node came for the pod, or was on its way when it was created; ``node`` are that node's steps.
    """

    cold: Bools
    node: Life
    course: Course


def starts(site: Site, begin: int, end: int) -> list[Start]:
    """Real pods bound in ``begin … end`` (placeholders are none), oldest first."""
    now, pods = _bound(site, begin, end)
    pods = pods.where(pods.fate == RUN)
    names = pod_names(now, pods)
    rows = zip(pods.work.tolist(), names, pods.created.tolist(), pods.scheduled.tolist(), strict=True)
    found = [
        Start(now.works[work].plan.place.pool, now.works[work].namespace, name, created, scheduled)
        for work, name, created, scheduled in rows
    ]
    return sorted(found, key=lambda start: start.scheduled)


def truth(site: Site, pods: Pods) -> Truth:
    """The starts of pods. ``site`` is the one that gave them (:func:`services.demo.reaction.seen`)."""
    course, _ = courses(site, pods)
    on = np.where(pods.scheduled < NEVER, site.lane_nodes[pods.lane], -1)
    node = np.maximum(on, 0)
    life = site.estate.lives.of(node, site.estate.generation(node, pods.scheduled))
    life = Life(*(np.where(on >= 0, step, NEVER) for step in life))
    return Truth((on >= 0) & (life.born > pods.created - NODE_MARGIN_S), life, course)


def told(site: Site, begin: int, end: int) -> dict[str, list[Step]]:
    """By uid, the phases of real pods bound in ``begin … end``, up to their readiness, their end or ``end``.

    They follow each other without gaps from the pod's creation; phases that took no time are left out. Of a pod that
    crashes again and again the last run is loading.
    """
    now, pods = _bound(site, begin, end)
    known = truth(now, pods)
    rows = zip(
        facts_of(now, pods, end), known.cold.tolist(), *(step.tolist() for step in known.node), strict=True
    )  # fmt: skip
    found = {}
    for facts, cold, *steps in rows:
        last = min(facts.ready, facts.ended, end)
        found[facts.uid] = list(_phases(facts, steps if cold else None, last))
    return found


def _bound(site: Site, begin: int, end: int) -> tuple[Site, Pods]:
    now = seen(site, end)
    pods = now.pods(begin, end)
    real = np.array([work.template is None for work in now.works], np.bool_)[pods.work]
    return now, pods.where(real & (pods.scheduled >= begin) & (pods.scheduled <= end))


def _phases(facts: PodFacts, node: list[int] | None, last: int) -> Iterator[Step]:
    at = facts.created
    for phase, end in _ends(facts, node):
        until = min(end, last)
        if until > at:
            yield phase, at, until
            at = until


def _ends(facts: PodFacts, node: list[int] | None) -> Iterator[tuple[Phase, int]]:
    """Phases in their order, each with its end; one that ends before the one ahead took no time."""
    run, init = facts.run, facts.work.plan.start.init
    yield Phase.QUEUE, facts.ungated
    if node is None:
        yield Phase.WAIT, facts.scheduled
    else:
        claimed, born, ready, usable, _ = node
        yield Phase.DECISION, claimed
        yield Phase.PROVISION, born
        yield Phase.BOOT, ready
        yield Phase.DEVICE, usable
        yield Phase.BIND, facts.scheduled
    yield Phase.VOLUME, run.attached
    yield Phase.SETUP, run.sandbox
    if init is not None:
        yield Phase.PULL_WAIT, run.init_tried
        yield Phase.PULL, run.init_pulled
        yield Phase.START, run.init_started
        yield Phase.DOWNLOAD if FETCHES.intersection(init.name.split("-")) else Phase.INIT, run.init_done
    if run.failing >= NEVER:
        yield Phase.PULL_WAIT, run.tried  # behind the same image; a pull that fails is a pull
    yield Phase.PULL, run.pulled
    yield Phase.START, run.first
    yield Phase.RETRY, tries(facts, facts.ended - 1).since if facts.doomed else run.started
    yield Phase.LOAD, run.loaded
    yield Phase.READINESS, run.ready
