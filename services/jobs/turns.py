"""When something turned between two looks at the past that no object dates: found by halving the time, to the second.

That is when a node began to offer GPUs, when a pod's gates went, and when a pod went that was not seen ready.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from services.domain.objects import Node, Pod
from services.domain.startup.nodes import offered
from services.domain.startup.spans import SKEW

_SECOND = timedelta(seconds=1)

Show = Callable[[str, datetime], Sequence[Any]]
"""Objects of a kind as they were."""


@dataclass(frozen=True)
class _State:
    """One moment: ``has`` are the resources each node offers, or the gates each pod is held by.

    ``born``: creations of what this moment alone cannot tell the past of.
    """

    has: Mapping[str, Collection[str]] = field(default_factory=dict)
    born: Mapping[str, datetime] = field(default_factory=dict)


_Turned = Callable[[_State, _State], bool]


class Turns:
    """The past of one cluster between looks. Of pods those ``wanted`` count."""

    def __init__(self, show: Show, wanted: Callable[[Pod], bool]) -> None:
        self._show, self._wanted = show, wanted
        self._at: datetime | None = None
        self._nodes, self._pods = _State(), _State()

    def until(self, at: datetime, followed: Collection[str]) -> list[datetime]:
        """When to look after the ``at`` of the last call and before this one: right before and right after every turn.

        ``followed``: uids of pods that were not seen ready.
        """

        def freed(before: _State, after: _State) -> bool:
            held = any(gates and not after.has.get(uid) for uid, gates in before.has.items())
            return held or any(uid in before.has and uid not in after.has for uid in followed)

        nodes, pods, begin = self._offering(at), self._held(at), self._at
        found: set[datetime] = set()
        if begin is not None:
            found.update(_searched(self._offering, _offers_more, (begin, self._nodes), (at, nodes)))
            found.update(_searched(self._held, freed, (begin, self._pods), (at, pods)))
        self._at, self._nodes, self._pods = at, nodes, pods
        return sorted(found - {begin, at})

    def _offering(self, at: datetime) -> _State:
        nodes: Sequence[Node] = self._show("nodes", at)
        return _State(
            {_name(one): offered(one) for one in nodes},
            {_name(one): since for one in nodes if (since := one.metadata.creation_timestamp) is not None},
        )

    def _held(self, at: datetime) -> _State:
        pods: Sequence[Pod] = self._show("pods", at)
        mine = [one for one in pods if self._wanted(one)]
        return _State(
            {one.metadata.uid: [gate.name for gate in one.spec.scheduling_gates or ()] for one in mine},
            {
                one.metadata.uid: since
                for one in mine
                if (since := one.metadata.creation_timestamp) is not None and _bound(one, at) - since > SKEW
            },
        )


def _offers_more(before: _State, after: _State) -> bool:
    return any(set(offers) - set(before.has.get(name, ())) for name, offers in after.has.items())


def _searched(
    ask: Callable[[datetime], _State], turned: _Turned, begin: tuple[datetime, _State], end: tuple[datetime, _State]
) -> Iterator[datetime]:
    """Both sides of every turn. What is new at the end is looked for from its creation on."""
    marks = {since for name, since in end[1].born.items() if name not in begin[1].has and begin[0] < since < end[0]}
    places = [begin, *((at, ask(at)) for at in sorted(marks)), end]
    for one, other in pairwise(places):
        yield from _halved(ask, turned, one, other)


def _halved(
    ask: Callable[[datetime], _State], turned: _Turned, begin: tuple[datetime, _State], end: tuple[datetime, _State]
) -> Iterator[datetime]:
    if not turned(begin[1], end[1]):
        return
    seconds = (end[0] - begin[0]) // _SECOND
    if seconds <= 1:
        yield from (begin[0], end[0])
        return
    at = begin[0] + seconds // 2 * _SECOND
    middle = (at, ask(at))
    yield from _halved(ask, turned, begin, middle)
    yield from _halved(ask, turned, middle, end)


def _name(node: Node) -> str:
    return node.metadata.uid or node.metadata.name


def _bound(pod: Pod, at: datetime) -> datetime:
    """When it was bound; ``at`` when it is not yet, or nobody says when."""
    times = [
        one.last_transition_time
        for one in pod.status.conditions or ()
        if one.type == "PodScheduled" and one.status == "True"
    ]
    return next((one for one in times if one is not None), at)
