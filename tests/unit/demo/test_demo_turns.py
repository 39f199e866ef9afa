"""A snapshot changes in the second in which something turns that no object dates, as a watch would show it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services import demo
from services.jobs.backfill import Clock
from services.ports import Snapshot
from tests.conftest import Inline

DAY = datetime(2026, 6, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def east() -> tuple[Clock, Any]:
    clock = Clock(DAY)
    return clock, demo.build(clock=clock, pool=Inline())["demo-east"].cluster


def snapshots(clock: Clock, cluster: Any, kind: str, begin: datetime, end: datetime) -> Iterator[Snapshot]:
    clock.at = begin
    while clock.at < end:
        yield cluster.snapshot(kind)
        clock.at += SECOND


def since(instant: datetime, moment: datetime) -> float:
    return (instant - moment).total_seconds()


def first(clock: Clock, cluster: Any, kind: str, wanted: Callable[[Any], bool]) -> Any:
    """The first object that came within some minute after the beginning of the day, seen by looking every so often."""
    for place in range(24 * 6):
        clock.at = DAY + place * timedelta(minutes=10)
        for one in cluster.snapshot(kind).objects:
            created = one.metadata.creation_timestamp
            if created > DAY and created.second and wanted(one):
                return one
    raise AssertionError(f"there was none among {kind}")


def test_a_node_is_there_from_the_second_it_joined_and_offers_its_gpus_from_one_second_on(east: Any) -> None:
    clock, cluster = east
    node = first(clock, cluster, "nodes", lambda one: "nvidia.com/gpu" in one.status.allocatable)
    joined, name = node.metadata.creation_timestamp, node.metadata.name
    seen: dict[str, datetime] = {}
    for shown in snapshots(clock, cluster, "nodes", joined - 2 * SECOND, joined + timedelta(minutes=5)):
        for one in shown.objects:
            if one.metadata.name == name:
                seen.setdefault("joined", clock.at)
                if any(each.type == "Ready" and each.status == "True" for each in one.status.conditions):
                    seen.setdefault("ready", clock.at)
                if "nvidia.com/gpu" in one.status.allocatable:
                    seen.setdefault("offers", clock.at)
    ready = next(one for one in node.status.conditions if one.type == "Ready").last_transition_time
    assert (seen["joined"], seen["ready"]) == (joined, ready)
    assert 60 <= since(seen["offers"], ready) <= 180
    # Its claim says it too: Initialized is when the GPUs are registered.
    clock.at = seen["offers"]
    (claim,) = [one for one in cluster.snapshot("nodeclaims").objects if one.status.get("nodeName") == name]
    stated = {one["type"]: one["lastTransitionTime"] for one in claim.status["conditions"] if one["status"] == "True"}
    assert datetime.fromisoformat(stated["Initialized"]) == seen["offers"]


def test_gates_go_in_their_second_two_seconds_before_the_pod_is_bound(east: Any) -> None:
    clock, cluster = east
    pod = first(clock, cluster, "pods", lambda one: one.spec.scheduling_gates)
    held, bound = [], None
    for shown in snapshots(clock, cluster, "pods", clock.at, clock.at + timedelta(hours=3)):
        (one,) = [one for one in shown.objects if one.metadata.uid == pod.metadata.uid]
        true = {each.type: each.last_transition_time for each in one.status.conditions if each.status == "True"}
        bound = true.get("PodScheduled")
        if bound is not None:
            break
        if one.spec.scheduling_gates:
            held.append(clock.at)
    assert bound is not None
    assert held[-1] == bound - 3 * SECOND


def test_versions_grow_and_the_same_version_is_the_same_answer(east: Any) -> None:
    clock, cluster = east
    versions = []
    for shown in snapshots(clock, cluster, "pods", DAY + timedelta(hours=9), DAY + timedelta(hours=9, minutes=40)):
        assert shown.as_of == datetime.fromtimestamp(shown.version, UTC) <= clock.at
        versions.append(shown.version)
        assert cluster.snapshot("pods") is shown
    assert versions == sorted(versions)
    assert {version % 60 for version in versions} > {0}, "not only at whole minutes"
    assert len(set(versions)) < 80, "and at few others: every answer costs"
