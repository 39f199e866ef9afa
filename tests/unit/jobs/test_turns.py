"""When to look at a past in which something turns that no object dates."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.domain.objects import Node, Pod, SchedulingGate
from services.jobs.turns import Turns
from tests.unit.jobs.test_record import ready_pod

T0 = datetime(2026, 5, 12, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def pod(name: str = "p", created: float = 0, *, gates: bool = False, bound: float | None = None) -> Pod:
    raw = msgspec.to_builtins(ready_pod(name, created=at(created), ready_s=None))
    raw["status"]["conditions"] = (
        []
        if bound is None
        else [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(bound).isoformat()}]
    )
    found = msgspec.convert(raw, Pod)
    spec = msgspec.structs.replace(found.spec, scheduling_gates=[SchedulingGate(name="queue")] if gates else None)
    return msgspec.structs.replace(found, spec=spec)


def node(gpus: int, created: float = 0) -> Node:
    offers = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    meta = {"name": "n1", "uid": "n1", "creationTimestamp": at(created).isoformat()}
    return msgspec.convert({"metadata": meta, "status": {"allocatable": offers}}, Node)


Shown = Callable[[float], Sequence[Any]]


class Past:
    """What there was, by seconds since noon; remembers how often it was asked."""

    def __init__(self, *, pods: Shown = lambda _s: (), nodes: Shown = lambda _s: ()) -> None:
        self.shown, self.asked = {"pods": pods, "nodes": nodes}, 0

    def __call__(self, kind: str, moment: datetime) -> Sequence[Any]:
        self.asked += 1
        return self.shown[kind]((moment - T0).total_seconds())

    def between(self, begin: float, end: float, *followed: str) -> list[float]:
        turns = Turns(self, lambda _pod: True)
        assert turns.until(at(begin), ()) == [], "nothing is known of what was before"
        self.asked = 0
        return [(one - T0).total_seconds() for one in turns.until(at(end), followed)]


def test_a_node_is_looked_at_right_before_and_after_it_began_to_offer_its_gpus() -> None:
    past = Past(nodes=lambda s: [node(8 if s >= 437 else 0)])
    assert past.between(0, 600) == [436, 437]
    assert past.asked <= 12, "600 seconds are halved ten times at most"


def test_a_node_that_came_between_two_looks_is_looked_for_from_its_creation_on() -> None:
    past = Past(nodes=lambda s: [node(8 if s >= 437 else 0, created=200)] if s >= 200 else [])
    assert past.between(0, 600) == [436, 437]
    assert Past(nodes=lambda s: [node(8, created=200)] if s >= 200 else []).between(0, 600) == [199, 200]


def test_what_stays_or_ends_needs_no_look() -> None:
    still = Past(pods=lambda _s: [pod(gates=True)], nodes=lambda _s: [node(8)])
    assert still.between(0, 600) == []
    assert still.asked == 2
    assert Past(nodes=lambda s: [node(8)] if s < 300 else []).between(0, 600) == []


def test_gates_are_seen_to_go_in_their_second() -> None:
    assert Past(pods=lambda s: [pod(created=-9, gates=s < 77)]).between(0, 600) == [76, 77]


def test_gates_that_came_and_went_between_two_looks_are_found() -> None:
    def queued(seconds: float) -> Sequence[Pod]:
        return [pod(created=100, gates=seconds < 400, bound=402)] if seconds >= 100 else []

    assert Past(pods=queued).between(0, 600) == [399, 400]


def test_a_pod_that_was_bound_at_once_was_held_by_no_gate() -> None:
    past = Past(pods=lambda s: [pod(created=100, bound=102)] if s >= 100 else [])
    assert past.between(0, 600) == []
    assert past.asked == 2


def test_a_followed_pod_is_looked_at_right_before_it_goes() -> None:
    past = Past(pods=lambda s: [pod("a", created=-60, bound=-50)] if s < 3000 else [])
    assert past.between(0, 86_400, "uid-a") == [2999, 3000]
    assert past.between(0, 86_400) == []


def test_several_turns_are_all_found() -> None:
    past = Past(
        pods=lambda s: [pod("a", -9, gates=s < 77), *([pod("b", -9)] if s < 500 else [])],
        nodes=lambda s: [node(8 if s >= 77 else 0)],
    )
    assert past.between(0, 600, "uid-b") == [76, 77, 499, 500]


def test_it_goes_on_from_where_it_was() -> None:
    turns = Turns(Past(nodes=lambda s: [node(8 if s >= 437 else 0)]), lambda _pod: True)
    assert [turns.until(at(second), ()) for second in (0, 400, 437, 438, 600)] == [[], [], [at(436)], [], []]
