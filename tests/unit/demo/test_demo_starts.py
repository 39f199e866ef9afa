"""Starts of the demo's pods: what is true of them, and that objects and events tell it."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.demo.starts import Step, told, truth
from services.demo.world import World
from services.domain.objects import Generic
from services.domain.startup import Phase
from tests.unit.demo.looking import CLUSTERS, NOON, Look, conditions, day, first, lasted, main, seconds, total

DAYS = 14


@pytest.fixture(scope="module")
def every() -> list[list[Step]]:
    """The truth of every start of two weeks."""
    end = seconds(NOON)
    return [steps for site in World().sites.values() for steps in told(site, end - DAYS * 86400, end - 3600).values()]


# -- the truth -----------------------------------------------------------------------------------------------------


def test_every_second_of_a_start_has_a_phase(every: list[list[Step]]) -> None:
    assert len(every) > 1500
    order = list(Phase)
    for steps in every:
        assert all(begin < end for _, begin, end in steps)
        assert [end for *_, end in steps[:-1]] == [begin for _, begin, _ in steps[1:]]
        before = [place for place in (order.index(phase) for phase, *_ in steps) if place <= order.index(Phase.SETUP)]
        assert before == sorted(before)


def test_a_day_has_enough_starts_and_they_differ(every: list[list[Step]]) -> None:
    totals = np.array([total(steps) for steps in every])
    assert 100 <= len(totals) / DAYS <= 300
    assert 0.4 <= (totals <= 120).mean() <= 0.6
    assert 120 <= np.median(totals) <= 240
    assert (totals > 540).sum() / DAYS > 3


def test_steps_of_new_nodes_take_as_long_as_in_life(every: list[list[Step]]) -> None:
    cold = [steps for steps in every if lasted(steps, Phase.PROVISION)]
    assert 20 <= len(cold) / DAYS <= 40
    for phase, low, high in ((Phase.PROVISION, 85, 230), (Phase.BOOT, 32, 95), (Phase.DEVICE, 55, 190)):
        found = [lasted(steps, phase) for steps in cold]
        assert low <= min(found)
        assert max(found) <= high
    decisions = [lasted(steps, Phase.DECISION) for steps in cold]
    replaced = [took for took in decisions if took > 15]  # no machine was to be had for minutes
    assert all(took >= 6 for took in decisions)
    assert len(replaced) == 2 * 3  # two pods on the node, replaced every five days
    assert all(9 * 60 - 150 <= took <= 9 * 60 - 92 for took in replaced)
    assert all(lasted(steps, Phase.BIND) <= 4 for steps in cold)


def test_about_one_pod_a_day_never_gets_ready() -> None:
    never = 0
    for site in World().sites.values():
        pods = site.pods(seconds(NOON) - 28 * 86400, seconds(NOON))
        never += int(((pods.started < pods.ended) & (pods.ready > pods.ended)).sum())
    assert 14 <= never <= 56


def test_the_truth_comes_as_arrays_too() -> None:
    site, end = World().sites["demo-east"], seconds(NOON)
    pods = site.pods(end - 86400, end)
    pods = pods.where((pods.scheduled > end - 86400) & (pods.scheduled <= end))
    known = truth(site, pods)
    names = np.array([site.works[work].name for work in pods.work.tolist()])
    assert set(names[known.cold]) == {"clip-search", "chat-70b"}
    assert known.cold.sum() == 20 + 2  # the node of chat-70b was replaced that day
    node, course = known.node, known.course
    for early, late in ((pods.created, node.claimed), (node.claimed, node.born), (node.usable - 1, pods.scheduled)):
        assert (early < late)[known.cold].all()
    assert (course.sandbox > pods.scheduled).all()
    assert (pods.started == course.first).all()
    assert (pods.ready == course.ready).all()


# -- told by objects and events ------------------------------------------------------------------------------------


def test_conditions_and_containers_say_when_phases_ended() -> None:
    end = seconds(NOON)
    for name in CLUSTERS:
        look, known = Look(name, NOON), told(World().sites[name], end - 10 * 86400, end)
        checked = Counter[str]()
        for pod in look.objects("pods"):
            steps = known.get(pod.metadata.uid)
            if steps is None:
                continue
            at = conditions(pod)
            ends = {phase: datetime.fromtimestamp(until, UTC) for phase, _, until in steps}
            assert pod.metadata.creation_timestamp == datetime.fromtimestamp(steps[0][1], UTC)
            if Phase.SETUP in ends and "PodReadyToStartContainers" in at:
                assert at["PodReadyToStartContainers"] == ends[Phase.SETUP]
                checked["setup"] += 1
            if {Phase.DOWNLOAD, Phase.INIT} & set(ends):
                done = ends.get(Phase.DOWNLOAD) or ends.get(Phase.INIT)
                assert at["Initialized"] == done
                (init,) = pod.status.init_container_statuses
                assert init.state.terminated.finished_at == done
                checked["init"] += 1
            if "Ready" in at:
                assert at["Ready"] == at["ContainersReady"] == datetime.fromtimestamp(steps[-1][2], UTC)
                started = next(begin for phase, begin, _ in reversed(steps) if phase in (Phase.LOAD, Phase.START))
                if Phase.LOAD in ends:
                    assert main(pod).state.running.started_at == datetime.fromtimestamp(started, UTC)  # type: ignore[union-attr]
                checked["ready"] += 1
        assert checked["setup"] > 20
        assert checked["init"] > 3
        assert checked["ready"] > 20


def test_a_cold_start_with_karpenter_can_be_read_step_by_step() -> None:
    look = Look("demo-east", day("09T11:08:00"))
    pod = look.pod("clip-search-29946906")
    uid = pod.metadata.uid
    (steps,) = [
        s
        for u, s in told(World().sites["demo-east"], seconds(day("09T11:00")), seconds(day("09T11:20"))).items()
        if u == uid
    ]
    assert [phase for phase, *_ in steps] == [
        Phase.DECISION, Phase.PROVISION, Phase.BOOT, Phase.DEVICE, Phase.BIND, Phase.SETUP, Phase.PULL, Phase.START,
        Phase.LOAD,
    ]  # fmt: skip
    times = {phase: datetime.fromtimestamp(end, UTC) for phase, _, end in steps}
    assert (pod.status.phase, pod.spec.node_name) == ("Pending", None)
    (failing,) = look.said(uid, "FailedScheduling")
    assert "7 Insufficient nvidia.com/gpu" in (failing.message or "")

    look.at(day("09T11:09:30"))
    (nominated,) = look.said(uid, "Nominated")
    claims: dict[str, Generic] = {one.metadata.name: one for one in look.objects("nodeclaims")}
    (coming,) = [one for one in claims.values() if "nodeName" not in one.status]
    assert nominated.message == f"Pod should schedule on: nodeclaim/{coming.metadata.name}"
    assert first(nominated) == coming.metadata.creation_timestamp == times[Phase.DECISION]
    assert coming.status["conditions"][2]["reason"] == "NodeNotFound"

    look.at(times[Phase.PROVISION] + timedelta(seconds=70 - times[Phase.PROVISION].second))
    claim = next(one for one in look.objects("nodeclaims") if one.metadata.name == coming.metadata.name)
    node = look.nodes()[claim.status["nodeName"]]
    assert node.metadata.creation_timestamp == times[Phase.PROVISION]
    assert node.metadata.name.startswith("ip-10-")
    waits = {one["type"]: one.get("reason") for one in claim.status["conditions"]}
    if look.clock.at < times[Phase.BOOT]:
        assert waits["Initialized"] == "NodeNotReady"

    look.at(day("09T11:12:00"))  # the node is Ready and offers no GPU yet
    node = look.nodes()[node.metadata.name]
    ready = next(one for one in node.status.conditions or () if one.type == "Ready")
    assert (ready.status, ready.last_transition_time) == ("True", times[Phase.BOOT])
    assert "nvidia.com/gpu" not in (node.status.allocatable or {})
    assert not any(name.startswith("nvidia.com/") for name in node.metadata.labels or {})
    claim = next(one for one in look.objects("nodeclaims") if one.metadata.name == coming.metadata.name)
    assert claim.status["conditions"][2]["reason"] == "ResourceNotRegistered"
    (said,) = look.said(node.metadata.name, "NodeReady")
    assert (said.message, first(said)) == (f"Node {node.metadata.name} status is now: NodeReady", times[Phase.BOOT])

    look.at(day("09T11:13:00"))
    node = look.nodes()[node.metadata.name]
    assert (node.status.allocatable or {})["nvidia.com/gpu"] == "1"
    claim = next(one for one in look.objects("nodeclaims") if one.metadata.name == coming.metadata.name)
    assert claim.status["conditions"][2]["lastTransitionTime"] == f"{times[Phase.DEVICE]:%Y-%m-%dT%H:%M:%SZ}"
    pod = look.pod("clip-search-29946906")
    assert pod.spec.node_name == node.metadata.name
    assert conditions(pod)["PodScheduled"] == times[Phase.BIND]
    assert main(pod).state.waiting.reason == "ContainerCreating"  # type: ignore[union-attr]

    look.at(day("09T11:14:00"))
    pod = look.pod("clip-search-29946906")
    assert (main(pod).started, main(pod).ready) == (False, False)
    (pulled,) = look.said(uid, "Pulled")
    assert first(pulled) == times[Phase.PULL]
    (probe,) = look.said(uid, "Unhealthy")
    assert re.fullmatch(
        r'Startup probe failed: Get "http://.*/health": dial tcp .*: connect: connection refused', probe.message or ""
    )

    look.at(day("09T11:15:00"))
    pod = look.pod("clip-search-29946906")
    assert (main(pod).started, main(pod).ready) == (True, True)
    assert conditions(pod)["Ready"] == times[Phase.LOAD]


def test_a_cold_start_with_the_cluster_autoscaler_has_its_word() -> None:
    look = Look("demo-west", day("09T07:38:00"))
    pod = look.pod("report-runs-29946688")
    (event,) = look.said(pod.metadata.uid, "TriggeredScaleUp")
    assert event.reporting_component == "cluster-autoscaler"
    assert re.fullmatch(
        r"pod triggered scale-up: \[\{eks-l4-notebooks-[0-9a-f-]{36} 4->5 \(max: 5\)\}\]", event.message or ""
    )
    node = look.nodes()[pod.spec.node_name or ""]
    assert pod.metadata.creation_timestamp is not None
    assert node.metadata.creation_timestamp is not None
    # created 07:30:10, decided 11 s later, the machine joined 174 s after that
    assert first(event) - pod.metadata.creation_timestamp == timedelta(seconds=11)
    assert node.metadata.creation_timestamp - first(event) == timedelta(seconds=174)
    assert not look.said(pod.metadata.uid, "Nominated")
