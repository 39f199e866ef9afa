"""Who was there, as :mod:`services.demo.history` says it at once, is who was there look by look."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import demo
from services.demo.cluster import DemoCluster
from services.domain.allocation import gpu_units
from services.domain.objects import Pod
from services.ports import Life, Remembering
from tests.conftest import Inline
from tests.fakes import Clock

BEGIN = datetime(2026, 6, 2, 6, tzinfo=UTC)
END = BEGIN + timedelta(hours=4)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def estate() -> tuple[Clock, dict[str, DemoCluster]]:
    clock = Clock(END)
    made = demo.build(clock=clock, pool=Inline())
    return clock, {name: source.cluster for name, source in made.items()}  # type: ignore[misc]


def wants_gpus(pod: Pod) -> bool:
    return bool(gpu_units(pod.spec.containers, pod.spec.init_containers or ()))


def by_uid(lives: Iterable[Life]) -> dict[str, Life]:
    return {life.object.metadata.uid: life for life in lives}


@pytest.mark.parametrize("kind", ["nodes", "pods"])
def test_everybody_a_look_sees_is_there_until_then_and_nobody_afterwards(estate, kind):
    clock, clusters = estate
    for cluster in clusters.values():
        assert isinstance(cluster, Remembering)
        clock.at = END
        lives = by_uid(cluster.lives(kind, BEGIN, END))
        went = {uid: life.gone for uid, life in lives.items() if life.gone is not None}
        for minutes in range(0, 240, 20):
            clock.at = BEGIN + timedelta(minutes=minutes)
            seen = {one.metadata.uid for one in cluster.snapshot(kind).objects if kind == "nodes" or wants_gpus(one)}
            assert seen <= lives.keys()
            assert {uid for uid, gone in went.items() if gone <= clock.at} & seen == set()


@pytest.mark.parametrize("kind", ["nodes", "pods"])
def test_an_object_was_there_a_second_before_it_went_as_it_is_given(estate, kind):
    clock, clusters = estate
    found = 0
    for cluster in clusters.values():
        clock.at = END
        for life in cluster.lives(kind, BEGIN, END):
            if life.gone is None or found > 25:
                continue
            found += 1
            clock.at = life.gone - SECOND
            before = {one.metadata.uid: one for one in cluster.snapshot(kind).objects}
            assert before[life.object.metadata.uid].metadata.name == life.object.metadata.name
            clock.at = life.gone + timedelta(minutes=1)
            assert life.object.metadata.uid not in {one.metadata.uid for one in cluster.snapshot(kind).objects}
            clock.at = END
    assert found


@settings(max_examples=20, deadline=None)
@given(minute=st.integers(0, 9 * 24 * 60), before=st.integers(1, 300), after=st.integers(1, 300))
def test_whoever_is_there_at_any_minute_of_any_span_is_whom_a_look_sees(estate, minute, before, after):
    """Both ways: among the lives are all a look sees, and a look sees all whose life spans its minute."""
    clock, clusters = estate
    look = END - timedelta(minutes=minute)
    begin, end = look - timedelta(minutes=before), look + timedelta(minutes=after)
    for cluster in clusters.values():
        for kind in ("nodes", "pods"):
            clock.at = end
            lives = by_uid(cluster.lives(kind, begin, end))
            clock.at = look
            seen = {one.metadata.uid for one in cluster.snapshot(kind).objects if kind == "nodes" or wants_gpus(one)}
            there = {
                uid
                for uid, life in lives.items()
                if (life.object.metadata.creation_timestamp or begin) <= look
                and (life.gone is None or look < life.gone)
                and (kind == "nodes" or wants_gpus(life.object))
            }
            assert seen == there


def test_what_lies_ahead_is_not_known(estate):
    clock, clusters = estate
    clock.at = BEGIN
    assert all(cluster.lives("pods", BEGIN + SECOND, END) == () for cluster in clusters.values())
