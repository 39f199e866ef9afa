"""Who was there: nodes, and pods of workloads, of a span of time with when they went; without living through it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from services.demo import bodies, nodeobjects, podobjects
from services.demo.lives import NEVER
from services.demo.moment import Moment, facts_of
from services.demo.world import Site
from services.ports import Life


def nodes(site: Site, begin: int, end: int) -> Iterator[Life]:
    """Nodes that were there somewhere in ``begin … end`` (seconds, the end not included)."""
    yield from _present(Moment(site, end - 1), "nodes")
    for name, born, gone in _roster(site, begin, end):
        if born < gone and begin < gone < end:
            moment = Moment(site, gone - 1)
            facts = next(one for one in moment.recent_nodes if one.name == name)
            yield Life(bodies.written(moment, "nodes", nodeobjects.node(moment, facts)), _instant(gone))


def pods(site: Site, begin: int, end: int) -> Iterator[Life]:
    """Pods that were there somewhere in ``begin … end``; of those that went only the ones of workloads."""
    yield from _present(Moment(site, end - 1), "pods")
    without = {name: gone for name, _, gone in _roster(site, begin, end)}
    found = site.pods(begin, end)
    for number, facts in enumerate(facts_of(site, found, end)):
        gone = min(facts.gone, without.get(facts.node, NEVER))  # a node that is taken away takes its pods with it
        if facts.created < gone and begin < gone < end:
            moment = Moment(site, gone - 1)
            own = facts_of(site, found.where(np.array([number])), gone - 1)[0]
            yield Life(bodies.written(moment, "pods", podobjects.single(moment, own)), _instant(gone))


def _roster(site: Site, begin: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Name of each node, when it came and when it went."""
    roster = site.roster(begin, end)
    return zip(roster.node_names, roster.node_life.born.tolist(), roster.node_life.gone.tolist(), strict=True)


def _present(moment: Moment, kind: str) -> Iterator[Life]:
    return (Life(one, None) for one in bodies.listed(moment, kind))


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
