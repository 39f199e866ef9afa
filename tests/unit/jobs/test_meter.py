"""What the meter of a cluster writes down, span by span."""

from datetime import datetime, timedelta

import msgspec

from services.domain.cost import TICKS, keys
from services.domain.objects import ContainerState, ContainerStatus, Pod, Terminated
from services.jobs.meter import Meter
from services.ports import CostPolicy, Policy
from tests.factories import NOW, node, pod
from tests.unit.jobs.watched import Shown, source

MINUTE = timedelta(minutes=1)
SINCE = NOW - timedelta(hours=1)


def meter(cluster: Shown, **policy: object) -> Meter:
    return Meter(source(cluster), Policy(**policy), since=SINCE)


def shown(*pods: Pod) -> Shown:
    cluster = Shown()
    cluster.put("nodes", node("n1"))
    cluster.put("pods", *pods)
    return cluster


def holds(metered: Meter) -> list[tuple[str, datetime, datetime | None, int]]:
    return [(span.pod, span.begin, span.end, span.ticks) for span in metered.pile.holds.values()]


def nodes(metered: Meter) -> list[tuple[str, datetime, datetime | None, int, int, bool]]:
    return [
        (span.state.node, span.begin, span.end, span.state.gpus, span.state.out, span.state.closed)
        for span in metered.pile.nodes.values()
    ]


def ended(one: Pod, at: datetime) -> Pod:
    done = ContainerStatus(name="main", state=ContainerState(terminated=Terminated(finished_at=at)))
    status = msgspec.structs.replace(one.status, phase="Succeeded", container_statuses=[done])
    return msgspec.structs.replace(one, status=status)


def test_a_pod_holds_from_when_it_was_bound_and_not_from_when_it_was_seen():
    cluster = shown(pod("a", units={"nvidia.com/gpu": 2}, since=NOW - 10 * MINUTE))
    metered = meter(cluster)
    metered.look(NOW)
    assert holds(metered) == [("ns/a", NOW - 10 * MINUTE, None, 2 * TICKS)]
    assert nodes(metered) == [("n1", NOW, None, 8, 0, False)]


def test_nothing_is_held_before_costs_were_recorded():
    metered = meter(shown(pod("a", since=NOW - timedelta(days=3))))
    metered.look(NOW)
    assert holds(metered) == [("ns/a", SINCE, None, TICKS)]


def test_a_pod_that_is_gone_ended_when_it_was_missed():
    cluster = shown(pod("a"))
    metered = meter(cluster)
    metered.look(NOW)
    cluster.remove("pods", "uid-ns-a")
    metered.look(NOW + MINUTE)
    assert holds(metered) == [("ns/a", NOW - 10 * MINUTE, NOW + MINUTE, TICKS)]


def test_a_finished_pod_gave_its_units_back_with_its_last_container():
    cluster = shown(pod("a"))
    metered = meter(cluster)
    metered.look(NOW)
    cluster.put("pods", ended(pod("a"), NOW + timedelta(seconds=40)))
    metered.look(NOW + MINUTE)
    assert holds(metered) == [("ns/a", NOW - 10 * MINUTE, NOW + timedelta(seconds=40), TICKS)]


def test_a_pod_that_came_and_ended_between_two_looks_is_there():
    cluster = shown()
    metered = meter(cluster)
    metered.look(NOW)
    cluster.put("pods", ended(pod("a", since=NOW + timedelta(seconds=5)), NOW + timedelta(seconds=40)))
    metered.look(NOW + MINUTE)
    metered.look(NOW + 2 * MINUTE)
    assert holds(metered) == [("ns/a", NOW + timedelta(seconds=5), NOW + timedelta(seconds=40), TICKS)]


def test_a_pod_that_had_ended_before_costs_were_recorded_held_nothing():
    metered = meter(shown(ended(pod("a", since=SINCE - 10 * MINUTE), SINCE - MINUTE)))
    metered.look(NOW)
    metered.look(NOW + MINUTE)
    assert holds(metered) == []


def test_a_pod_that_was_said_to_last_and_ended_as_it_began_is_said_to_have_ended():
    cluster = shown(pod("a", since=NOW))
    metered = meter(cluster)
    metered.look(NOW)
    metered.pile.clear()
    cluster.put("pods", ended(pod("a", since=NOW), NOW))
    metered.look(NOW + MINUTE)
    assert holds(metered) == [("ns/a", NOW, NOW, TICKS)]


def test_pods_that_want_no_gpu_or_have_no_node_hold_nothing():
    metered = meter(shown(pod("a", node_name=None), pod("b", units={"cpu": 4})))
    metered.look(NOW)
    assert holds(metered) == []


def test_a_pod_seen_before_its_node_is_held_once_that_is_seen():
    cluster = Shown()
    cluster.put("pods", pod("a"))
    metered = meter(cluster)
    metered.look(NOW)
    assert holds(metered) == []
    cluster.put("nodes", node("n1"))
    metered.look(NOW + MINUTE)
    assert holds(metered) == [("ns/a", NOW - 10 * MINUTE, None, TICKS)]


def test_a_node_that_changes_has_a_span_after_the_other():
    cluster = shown()
    metered = meter(cluster)
    metered.look(NOW)
    cluster.put("nodes", node("n1", allocatable={"nvidia.com/gpu": "7"}))
    metered.look(NOW + MINUTE)
    cluster.put("nodes", node("n1", cordoned=True))
    metered.look(NOW + 2 * MINUTE)
    cluster.remove("nodes", "uid-n1")
    metered.look(NOW + 3 * MINUTE)
    assert nodes(metered) == [
        ("n1", NOW, NOW + MINUTE, 8, 0, False),
        ("n1", NOW + MINUTE, NOW + 2 * MINUTE, 8, TICKS, False),
        ("n1", NOW + 2 * MINUTE, NOW + 3 * MINUTE, 8, 0, True),
    ]


def test_a_change_that_costs_the_same_begins_no_span():
    cluster = shown()
    metered = meter(cluster)
    metered.look(NOW)
    cluster.put("nodes", node("n1", labels={**node("n1").metadata.labels, "note": "seen"}))
    metered.look(NOW + MINUTE)
    assert nodes(metered) == [("n1", NOW, None, 8, 0, False)]


def test_owners_have_a_workload_a_team_and_the_labels_that_are_wanted():
    cluster = shown(
        pod("a", labels={"team": "search", "app": "rank", "other": "x"}, owner=("StatefulSet", "rank", "u"))
    )
    metered = meter(cluster, cost=CostPolicy(labels=("app", "cost-center")))
    metered.look(NOW)
    owner = ("one", "ns", "StatefulSet", "rank", "search", '{"app":"rank"}')
    owner = (metered.source.name, *owner[1:])
    assert list(metered.pile.owners.items()) == [(keys.owner(*owner), owner)]


def test_after_a_restart_what_is_gone_ended_when_it_was_last_seen():
    cluster = shown(pod("a"), pod("b"))
    first = meter(cluster)
    first.look(NOW)
    of_nodes, of_pods, *_ = first.pile.frames()
    cluster.remove("pods", "uid-ns-a")
    second = meter(cluster)
    second.resume(of_nodes, of_pods, NOW)
    second.look(NOW + timedelta(hours=2))
    assert holds(second) == [("ns/a", NOW - 10 * MINUTE, NOW, TICKS)]
    assert nodes(second) == []
    cluster.remove("pods", "uid-ns-b")
    second.look(NOW + timedelta(hours=2, minutes=1))
    assert holds(second)[1:] == [("ns/b", NOW - 10 * MINUTE, NOW + timedelta(hours=2, minutes=1), TICKS)]


def test_cutting_ends_everything_where_it_was_seen_and_begins_anew_from_then():
    cluster = shown(pod("a"))
    first = meter(cluster)
    first.look(NOW)
    of_nodes, of_pods, *_ = first.pile.frames()
    second = meter(cluster)
    second.resume(of_nodes, of_pods, NOW + MINUTE)
    second.cut()
    second.since = NOW + timedelta(hours=1)
    second.look(NOW + timedelta(hours=1))
    assert holds(second) == [
        ("ns/a", NOW - 10 * MINUTE, NOW + MINUTE, TICKS),
        ("ns/a", NOW + timedelta(hours=1), None, TICKS),
    ]
    assert [(begin, end) for _, begin, end, *_ in nodes(second)] == [
        (NOW, NOW + MINUTE),
        (NOW + timedelta(hours=1), None),
    ]


def test_frames_are_read_back_as_they_were():
    cluster = shown(pod("a"))
    first = meter(cluster)
    first.look(NOW)
    second = meter(cluster)
    second.resume(*first.pile.frames()[:2], NOW)
    assert (second._nodes, second._holds) == (first._nodes, first._holds)
