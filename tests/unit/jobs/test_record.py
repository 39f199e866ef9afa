"""From what the stores show to rows: whole timelines, pods found late, ends nobody saw, and what is kept meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.domain.objects import Condition, Generic, Meta, OwnerReference, Pod
from services.domain.startup import Outcome, Phase
from services.domain.startup.trace import load as load_trace
from services.jobs.record import AT_ONCE, GRACE
from tests.replays import load, names
from tests.unit.jobs.watched import Recording, Shown, played, recorder

NOW = datetime(2026, 5, 12, 12, 0, tzinfo=UTC)


def recorded(name: str) -> Recording:
    found: Recording | None = None
    for at, cluster in played(name):
        found = found or Recording(recorder(cluster))
        found.look(at)
    assert found is not None
    return found


def ready_pod(
    name: str = "p", *, created: datetime, ready_s: float | None = 60, restarts: int = 0, owner: str = "", **spec: Any
) -> Pod:
    """A pod with one GPU that was bound after one second and, if at all, ready after ``ready_s``."""

    def since(seconds: float) -> str:
        return (created + timedelta(seconds=seconds)).isoformat()

    is_ready = ready_s is not None
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": since(1)},
        {"type": "Initialized", "status": "True", "lastTransitionTime": since(1)},
        {"type": "Ready", "status": str(is_ready), "lastTransitionTime": since(ready_s if is_ready else 1)},
    ]
    kind, _, owner_name = owner.partition("/")
    body = {
        "metadata": {
            "name": name, "namespace": "ns", "uid": f"uid-{name}", "creationTimestamp": created.isoformat(),
            "ownerReferences": [{"kind": kind, "name": owner_name, "uid": f"uid-{owner_name}", "controller": True}]
            if owner else None,
        },
        "spec": {
            "nodeName": "n1",
            "containers": [
                {"name": "main", "image": "a:1", "resources": {"limits": {"nvidia.com/gpu": "1"}},
                 "readinessProbe": {"periodSeconds": 10}}
            ],
            **spec,
        },
        "status": {
            "phase": "Running", "conditions": conditions, "startTime": since(1),
            "containerStatuses": [
                {"name": "main", "ready": is_ready, "started": True, "restartCount": restarts,
                 "state": {"running": {"startedAt": since(20)}}}
            ],
        },
    }  # fmt: skip
    return msgspec.convert(body, Pod)


@pytest.mark.parametrize("name", names())
def test_a_timeline_is_recorded_as_it_was_worked_out_by_hand(name: str) -> None:
    timeline = load(name)
    row = recorded(name).rows[timeline.pod]
    expected = timeline.question.expected
    assert row.outcome == expected["outcome"]
    if row.outcome is not Outcome.STARTING:
        assert row.total_s == pytest.approx(expected["total_s"], abs=1.0)
    assert sum(row.seconds.values()) == pytest.approx(row.total_s)
    assert row.cold is expected["cold"]


def test_a_start_is_written_once_it_is_over_and_its_trace_is_forgotten_after_the_grace_time() -> None:
    name, row, dropped = "warm_node", None, None
    found: Recording | None = None
    for at, cluster in played(name):
        found = found or Recording(recorder(cluster))
        found.look(at)
        known = found.rows.get(load(name).pod)
        if known is not None and known.outcome is Outcome.READY and row is None:
            row = at
            assert load_trace(found.traces[known.uid]).conditions["Ready"] == known.ended_at
        if row is not None and dropped is None and not found.traces:
            dropped = at
    assert row is not None
    assert dropped is not None
    assert dropped - found.rows[load(name).pod].ended_at > GRACE  # type: ignore[union-attr]


def test_a_start_under_way_has_a_row_as_of_the_last_minute() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW, ready_s=None))
    found = Recording(recorder(cluster))
    found.look(NOW + timedelta(seconds=5))
    assert (found.rows["uid-p"].outcome, found.rows["uid-p"].total_s) == (Outcome.STARTING, 5.0)
    found.look(NOW + timedelta(seconds=64))
    assert found.rows["uid-p"].total_s == 5.0, "not yet a minute later"
    found.look(NOW + timedelta(seconds=65))
    assert found.rows["uid-p"].total_s == 65.0


def test_the_row_of_a_start_that_takes_hours_is_written_less_and_less_often() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW, ready_s=None))
    found = Recording(recorder(cluster))
    found.look(NOW + timedelta(hours=10))
    found.look(NOW + timedelta(hours=10, minutes=29))
    assert found.rows["uid-p"].total_s == 36_000
    found.look(NOW + timedelta(hours=10, minutes=32))  # a twentieth of 10 h 32 min is 31.6 min
    assert found.rows["uid-p"].total_s == 37_920


# Pods found late


def test_a_pod_that_is_ready_when_it_is_first_seen_is_recorded_from_its_conditions() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW - timedelta(days=3)))
    found = Recording(recorder(cluster))
    found.look(NOW)
    row = found.rows["uid-p"]
    assert (row.outcome, row.total_s, row.ended_at) == (Outcome.READY, 60.0, NOW - timedelta(days=3, seconds=-60))
    assert {"late", "no_events"} <= row.flags
    assert row.seconds[Phase.UNATTRIBUTED] == 19.0, "from its node to its container nothing says what was done"
    assert row.seconds[Phase.LOAD] == 40.0
    assert found.traces == {}, "it is not watched any more"


def test_a_pod_that_was_restarted_long_after_it_came_tells_nothing_of_its_start() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW - timedelta(days=3), ready_s=7200, restarts=2))
    found = Recording(recorder(cluster))
    found.look(NOW)
    assert found.rows == {}
    (told,) = recorder_told(cluster)
    assert told.doubtful


def test_a_restart_within_the_first_hour_leaves_a_time_that_is_at_most_too_long_and_says_so() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW - timedelta(hours=5), ready_s=600, restarts=1))
    found = Recording(recorder(cluster))
    found.look(NOW)
    assert (found.rows["uid-p"].total_s, "flapped" in found.rows["uid-p"].flags) == (600.0, True)


def test_a_pod_that_was_ready_before_and_is_not_now_is_no_start() -> None:
    pod = ready_pod(created=NOW - timedelta(days=3), ready_s=None)
    fell = Condition(type="Ready", status="False", last_transition_time=NOW - timedelta(minutes=1))
    conditions = [one for one in pod.status.conditions or () if one.type != "Ready"]
    status = msgspec.structs.replace(pod.status, conditions=[*conditions, fell])
    cluster = Shown()
    cluster.put("pods", msgspec.structs.replace(pod, status=status))
    found = Recording(recorder(cluster))
    found.look(NOW)
    assert found.rows == {}
    cluster.remove("pods", "uid-p")
    found.look(NOW + timedelta(seconds=5))
    assert found.rows == {}, "nor one that was gone before it was ready"


def recorder_told(cluster: Shown) -> Any:
    one = recorder(cluster)
    one.look(NOW)
    return one.told(NOW)


def test_a_start_is_late_only_when_nobody_watched_as_it_began() -> None:
    cluster = Shown()
    found = Recording(recorder(cluster))
    found.look(NOW)
    cluster.put("pods", ready_pod("before", created=NOW - timedelta(minutes=5)))
    cluster.put("pods", ready_pod("after", created=NOW + timedelta(seconds=10)))
    found.look(NOW + timedelta(minutes=2))
    assert "late" in found.rows["uid-before"].flags
    assert "late" not in found.rows["uid-after"].flags


def test_what_is_recorded_already_is_not_looked_at_again() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod("old", created=NOW - timedelta(days=1)), ready_pod("new", created=NOW))
    asked: list[Any] = []

    def settled(uids: Any) -> set[str]:
        asked.append(sorted(uids))
        return {"uid-old"}

    found = Recording(recorder(cluster, settled=settled))
    found.look(NOW + timedelta(minutes=2))
    found.look(NOW + timedelta(minutes=2, seconds=5))
    assert asked == [["uid-new", "uid-old"]]
    assert list(found.rows) == ["uid-new"]


# Ends nobody saw


def test_a_pod_that_goes_before_it_is_ready_is_gone() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW, ready_s=None))
    found = Recording(recorder(cluster))
    found.look(NOW + timedelta(seconds=5))
    cluster.remove("pods", "uid-p")
    found.look(NOW + timedelta(seconds=10))
    assert (found.rows["uid-p"].outcome, found.rows["uid-p"].total_s) == (Outcome.GONE, 10.0)


def test_of_a_pod_that_went_while_nobody_looked_the_last_that_is_known_stays() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW, ready_s=None))
    found = Recording(recorder(cluster))
    found.look(NOW + timedelta(seconds=5))
    cluster.remove("pods", "uid-p")
    found.look(NOW + timedelta(minutes=20))
    assert (found.rows["uid-p"].outcome, found.rows["uid-p"].total_s) == (Outcome.STARTING, 5.0)
    assert found.traces == {}


@pytest.mark.parametrize(("away", "outcome"), [(30, Outcome.GONE), (1800, Outcome.STARTING)])
def test_the_same_holds_for_another_recorder_that_goes_on(away: float, outcome: Outcome) -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW, ready_s=None))
    first = Recording(recorder(cluster))
    first.look(NOW + timedelta(seconds=5))
    cluster.remove("pods", "uid-p")
    second = Recording(recorder(cluster), rows=first.rows, traces=first.traces, nodes=first.nodes)
    second.recorder.resume(first.traces, first.nodes, since=NOW, looked=NOW + timedelta(seconds=5))
    second.look(NOW + timedelta(seconds=5 + away))
    assert second.rows["uid-p"].outcome is outcome
    second.look(NOW + timedelta(seconds=5 + away) + GRACE + timedelta(seconds=1))
    assert second.traces == {}


@pytest.mark.parametrize("name", ["cold_karpenter", "restarts_before_ready", "init_container_download", "preemption"])
def test_a_recorder_that_is_replaced_every_few_seconds_records_the_same(name: str) -> None:
    whole = recorded(name).rows[load(name).pod]
    kept: Recording | None = None
    for number, (at, cluster) in enumerate(played(name)):
        if kept is None or number % 7 == 0:
            before = kept or Recording(recorder(cluster))
            over = {uid for uid, row in before.rows.items() if row.outcome is not Outcome.STARTING}
            kept = Recording(recorder(cluster, settled=over.intersection), before.rows, before.traces, before.nodes)
            one = before.recorder
            kept.recorder.resume(before.traces, before.nodes, since=one.since, looked=one.looked)
        kept.look(at)
    assert kept is not None
    assert kept.rows[load(name).pod] == whole


# What is kept meanwhile


def test_a_workload_is_named_by_what_owns_it_even_if_that_is_seen_later() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW, ready_s=None, owner="Job/nightly-29"))
    found = Recording(recorder(cluster))
    found.look(NOW + timedelta(seconds=5))
    assert (found.rows["uid-p"].workload_kind, found.rows["uid-p"].workload) == ("Job", "nightly-29")
    owner = OwnerReference(kind="CronJob", name="nightly", uid="uid-nightly", controller=True)
    cluster.put("jobs", Generic(Meta(name="nightly-29", uid="uid-nightly-29", owner_references=[owner])))
    cluster.put("pods", ready_pod(created=NOW, owner="Job/nightly-29"))
    found.look(NOW + timedelta(seconds=65))
    assert (found.rows["uid-p"].workload_kind, found.rows["uid-p"].workload) == ("CronJob", "nightly")


def test_pods_without_gpus_and_placeholders_are_no_starts() -> None:
    plain = ready_pod("plain", created=NOW)
    spec = msgspec.structs.replace(
        plain.spec, containers=[msgspec.structs.replace(plain.spec.containers[0], resources=None)]
    )
    warm = ready_pod("warm", created=NOW)
    labels = {"app.kubernetes.io/managed-by": "gpu-fleet-console", "app.kubernetes.io/part-of": "gpu-headroom"}
    cluster = Shown()
    cluster.put("pods", msgspec.structs.replace(plain, spec=spec))
    cluster.put("pods", msgspec.structs.replace(warm, metadata=msgspec.structs.replace(warm.metadata, labels=labels)))
    found = Recording(recorder(cluster))
    found.look(NOW + timedelta(minutes=2))
    assert (found.rows, found.traces) == ({}, {})


def test_what_is_not_written_is_said_again() -> None:
    cluster = Shown()
    cluster.put("pods", ready_pod(created=NOW))
    one = recorder(cluster)
    one.look(NOW + timedelta(minutes=1))
    first, second = one.batch(NOW + timedelta(minutes=1)), one.batch(NOW + timedelta(minutes=1))
    assert first == second
    assert len(first.records) == 1
    one.written(second)
    assert not one.batch(NOW + timedelta(minutes=1))


def test_many_starts_are_written_in_parts() -> None:
    cluster = Shown()
    number = AT_ONCE + 20
    cluster.put("pods", *(ready_pod(f"p{i}", created=NOW - timedelta(days=1)) for i in range(number)))
    one = recorder(cluster)
    one.look(NOW)
    first = one.batch(NOW)
    assert (len(first.records), first.more, first.traces) == (AT_ONCE, True, {})
    one.written(first)
    second = one.batch(NOW)
    assert (len(second.records), second.more) == (20, False)


def test_without_a_database_the_oldest_that_are_over_are_let_go_first() -> None:
    cluster = Shown()
    pods = [ready_pod(f"p{i}", created=NOW + timedelta(seconds=i)) for i in range(5)]
    cluster.put("pods", *pods, ready_pod("waits", created=NOW - timedelta(hours=1), ready_s=None))
    one = recorder(cluster)
    one.look(NOW + timedelta(minutes=2))
    assert one.bound(4) == 2
    assert [told.trace.pod for told in one.told(NOW)] == ["waits", "p2", "p3", "p4"]
    assert one.bound(4) == 0


def test_a_node_is_remembered_as_long_as_it_is_there_and_ten_minutes_more() -> None:
    found: Recording | None = None
    for at, cluster in played("cold_karpenter"):
        found = found or Recording(recorder(cluster))
        found.look(at)
    assert found is not None
    names = [one.metadata.name for one in found.recorder._feed.nodes]
    assert sorted(found.nodes) == sorted(names)
    for uid in list(cluster.objects["nodes"]):
        cluster.remove("nodes", uid)
    found.look(at + timedelta(seconds=5))
    assert sorted(found.nodes) == sorted(names)
    found.look(at + timedelta(minutes=11))
    assert found.nodes == {}
