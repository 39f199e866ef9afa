"""The meter of a past day, where a cluster can be asked who was there."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from services.domain.cost import seen
from services.domain.objects import Node, Pod
from services.jobs.backfill import Clock, Stretch
from services.jobs.meter import Reader
from services.jobs.spans import NodeSpan, Pile
from services.ports import ClusterSource, Life, Policy, Remembering

_SECOND = timedelta(seconds=1)
_AT_ONCE = 50
"""Pods looked at before others get their turn."""


def walk(source: ClusterSource, clock: Clock, stretch: Stretch, policy: Policy, pile: Pile) -> Iterator[None]:
    """Put spans of a stretch, cut to it, on a pile in small steps.

    ``clock`` is the one ``source`` goes by.
    """
    cluster: Any = source.cluster
    if not isinstance(cluster, Remembering):
        return
    begin, end = stretch.begin, stretch.end
    clock.at = end
    reader = Reader(source, policy, pile)
    nodes = cluster.lives("nodes", begin, end)
    yield
    states = _see_nodes(reader, pile, nodes, stretch)
    yield
    asked = sorted(((_asked(life, stretch), life) for life in cluster.lives("pods", begin, end)), key=itemgetter(0))
    done = 0
    for at, group in groupby(asked, key=itemgetter(0)):
        clock.at = at
        for _, life in group:
            _see(reader, pile, life, states, stretch)
            done += 1
            if done % _AT_ONCE == 0:
                yield
    yield


def _asked(life: Life, stretch: Stretch) -> datetime:
    """When its owners are asked for: as the hour began in which it was last there, or the last second of a short life.

    Pods that share an hour share the look at their owners; the Job of a short one was not there yet as it began.
    """
    last = life.gone or stretch.end
    hour = max(last.replace(minute=0, second=0, microsecond=0), stretch.begin)
    created = life.object.metadata.creation_timestamp
    return hour if created is None or created <= hour else last - _SECOND


def _see_nodes(
    reader: Reader, pile: Pile, lives: Sequence[Life], stretch: Stretch
) -> dict[str, list[tuple[NodeSpan, Node]]]:
    """GPU nodes by name, the latest last."""
    found: dict[str, list[tuple[NodeSpan, Node]]] = {}
    objects: list[Any] = [life.object for life in lives]
    states = reader.nodes(objects).states
    for life, node in zip(lives, objects, strict=True):
        uid = node.metadata.uid
        if uid in states:
            begin = max(node.metadata.creation_timestamp or stretch.begin, stretch.begin)
            span = NodeSpan(uid, begin, life.gone or stretch.end, states[uid])
            pile.put(span)
            found.setdefault(node.metadata.name, []).append((span, node))
    for spans in found.values():
        spans.sort(key=lambda one: one[0].begin)
    return found


def _see(
    reader: Reader, pile: Pile, life: Life, nodes: dict[str, list[tuple[NodeSpan, Node]]], stretch: Stretch
) -> None:
    pod: Pod = life.object  # type: ignore[assignment]
    bound = seen.held_from(pod)
    if not pod.spec.node_name or bound is None:
        return
    known = nodes.get(pod.spec.node_name, [])
    its = next((one for one in known if _there(one[0], bound, stretch.begin)), None)
    if its is None:
        return
    if len(known) > 1:
        reader.nodes([its[1]])  # a name that came again: what a unit is worth there is that node's word
    span = reader.hold(pod, its[0].uid)
    if span is not None:
        until = (seen.held_until(pod) if seen.finished(pod) else None) or life.gone or stretch.end
        pile.put(span._replace(begin=max(span.begin, stretch.begin), end=min(until, stretch.end)))


def _there(span: NodeSpan, bound: datetime, begin: datetime) -> bool:
    return span.begin <= max(bound, begin) and (span.end is None or bound < span.end)
