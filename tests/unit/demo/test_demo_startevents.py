"""What is told of starts that do not go smoothly, how long it is told, and starts after people changed something."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from services.demo.starts import told
from services.demo.world import World
from services.domain.startup import Phase
from services.ports import ClusterSource
from tests.unit.demo.handling import Hands
from tests.unit.demo.looking import CLUSTERS, NOON, Look, conditions, day, first, lasted, main, seconds


def test_a_restart_before_readiness_is_in_the_status_and_the_events() -> None:
    # first run 10:01:45 to 10:02:10, the second from 10:02:11, ready at 10:03:16
    look = Look("demo-west", day("08T10:03:00"))
    pod = look.pod("captions-29945400-0")
    status = main(pod)
    assert status.restart_count == 1
    assert status.last_state is not None
    ended = status.last_state.terminated
    assert ended is not None
    assert (ended.started_at, ended.finished_at) == (day("08T10:01:45"), day("08T10:02:10"))
    assert (ended.exit_code, ended.reason) == (1, "Error")
    assert status.state is not None
    assert status.state.running is not None
    assert status.state.running.started_at == day("08T10:02:11")
    (started,) = [one for one in look.said(pod.metadata.uid, "Started") if "{main}" in str(one.involved_object)]
    assert (started.count, started.first_timestamp, started.last_timestamp) == (
        2, day("08T10:01:45"), day("08T10:02:11"),
    )  # fmt: skip
    site = World().sites["demo-west"]
    steps = told(site, seconds(day("08T10:00")), seconds(day("08T10:10")))[pod.metadata.uid]
    assert lasted(steps, Phase.RETRY) == 26
    assert lasted(steps, Phase.LOAD) == 65


def test_a_pull_that_fails_and_heals_is_told_by_the_kubelet() -> None:
    # wanted 01:36:22, tried again 01:36:53, done 01:40:33
    look = Look("demo-west", day("09T01:36:40"))
    look.at(day("09T01:41:00"))
    pod = look.pod("report-runs-29946328")
    said = {(one.reason, (one.message or "").split('"')[0]): one for one in look.said(pod.metadata.uid)}
    failed = said["Failed", "Failed to pull image "]
    assert first(failed) == day("09T01:36:25")
    assert "rpc error: code = DeadlineExceeded" in (failed.message or "")
    assert {("Failed", "Error: ErrImagePull"), ("Failed", "Error: ImagePullBackOff")} <= set(said)
    pulling = said["Pulling", "Pulling image "]
    assert (pulling.count, pulling.last_timestamp) == (2, day("09T01:36:53"))
    assert first(said["Pulled", "Successfully pulled image "]) == day("09T01:40:33")


def test_a_pod_that_never_gets_ready_crashes_until_it_is_given_up() -> None:
    look = Look("demo-west", day("07T02:09:00"))
    name = "captions-29943480-0"
    assert look.pod(name).status.phase == "Running"
    look.at(day("07T02:07:00"))
    waiting = main(look.pod(name))
    assert waiting.restart_count > 2
    assert "Ready" not in conditions(look.pod(name))
    assert any(one.reason == "BackOff" for one in look.said(look.pod(name).metadata.uid))
    look.at(day("07T02:15:00"))
    pod = look.pod(name)
    assert pod.status.phase == "Failed"
    (ready,) = [one for one in pod.status.conditions or () if one.type == "Ready"]
    assert (ready.status, ready.reason) == ("False", "PodFailed")
    assert ready.last_transition_time == pod.status.start_time  # it never was true


def test_a_pod_held_by_a_gate_says_so_and_is_bound_when_it_is_let_go() -> None:
    # created 04:17:55, let go 04:24:14
    look = Look("demo-east", day("08T04:20:00"))
    pod = look.pod("finetune-support-22685")
    assert [gate.name for gate in pod.spec.scheduling_gates or ()] == ["kueue.x-k8s.io/admission"]
    (condition,) = pod.status.conditions or []
    assert (condition.type, condition.reason) == ("PodScheduled", "SchedulingGated")
    assert not look.said(pod.metadata.uid)
    look.at(day("08T04:25:00"))
    pod = look.pod("finetune-support-22685")
    assert pod.spec.scheduling_gates is None
    assert conditions(pod)["PodScheduled"] == day("08T04:24:16")
    steps = told(World().sites["demo-east"], seconds(day("08T04:00")), seconds(day("08T04:30")))[pod.metadata.uid]
    assert lasted(steps, Phase.QUEUE) == 379
    assert lasted(steps, Phase.WAIT) == 2


def test_volumes_are_attached_before_the_sandbox() -> None:
    look = Look("demo-east", day("03T05:20:00"))
    attached = [one for one in look.objects("events") if one.reason == "SuccessfulAttachVolume"]
    assert attached
    for event in attached:
        assert event.reporting_component == "attachdetach-controller"
        assert re.fullmatch(r'AttachVolume.Attach succeeded for volume "pvc-[0-9a-f-]{36}" ', event.message or "")
        (pod,) = [one for one in look.objects("pods") if one.metadata.uid == event.involved_object.uid]
        at = conditions(pod)
        assert at["PodScheduled"] < first(event) < at["PodReadyToStartContainers"]  # type: ignore[operator]


def test_one_workload_has_no_probes_and_counts_as_ready_when_it_runs() -> None:
    bare: set[str] = set()
    for name in CLUSTERS:
        for pod in Look(name, NOON).objects("pods"):
            (container, *_) = pod.spec.containers
            gpus = any(
                name.startswith("nvidia.com/") for name in (container.resources and container.resources.limits) or ()
            )
            if gpus and not (container.startup_probe or container.readiness_probe):
                bare.add((pod.metadata.owner_references or [])[0].name.rsplit("-", 1)[0])
                if pod.status.phase == "Running":
                    assert conditions(pod)["Ready"] == main(pod).state.running.started_at  # type: ignore[union-attr]
    assert bare == {"regression-suite"}


# -- events --------------------------------------------------------------------------------------------------------


def moments(hours: int) -> Iterator[datetime]:
    return (NOON - timedelta(minutes=30 * step) for step in range(hours * 2))


def test_a_pod_that_is_gone_is_still_told_of_for_an_hour() -> None:
    look = Look("demo-west", NOON)
    told_of = 0
    for at in moments(24):
        look.at(at)
        there = {pod.metadata.uid for pod in look.objects("pods")}
        gone = {one.involved_object.uid for one in look.objects("events") if one.involved_object.kind == "Pod"} - there
        told_of += len(gone)
    assert told_of > 5


def test_some_pods_lose_events_and_most_do_not() -> None:
    lost = whole = 0
    for name in CLUSTERS:
        look = Look(name, NOON)
        for at in moments(48):
            look.at(at)
            reasons: dict[str, set[str]] = {}
            for event in look.objects("events"):
                reasons.setdefault(event.involved_object.uid, set()).add(event.reason)
            for pod in look.objects("pods"):
                ready = conditions(pod).get("Ready")
                if (
                    ready is not None
                    and timedelta(0) < at - ready < timedelta(minutes=30)
                    and pod.status.phase == "Running"
                ):
                    found = reasons.get(pod.metadata.uid, set())
                    whole += {"Pulled", "Started"} <= found
                    lost += not {"Pulled", "Started"} <= found
    assert whole > 120
    assert 0.01 < lost / (lost + whole) < 0.08


def test_no_event_comes_twice_and_none_is_older_than_an_hour() -> None:
    for name in CLUSTERS:
        look = Look(name, NOON)
        for at in moments(12):
            look.at(at)
            events = look.objects("events")
            assert len({one.metadata.uid for one in events}) == len(events)
            for one in events:
                last = (one.series and one.series.last_observed_time) or one.last_timestamp or one.event_time
                assert timedelta(0) <= at.replace(second=0) - last < timedelta(hours=1)


# -- what is written, and objects that stay ------------------------------------------------------------------------


def test_a_pod_that_takes_a_placeholders_place_starts_warm() -> None:
    hands = Hands()
    hands.headroom(1)
    hands.clock.at = datetime(2026, 6, 3, 11, 18, tzinfo=UTC)
    eleven = datetime(2026, 6, 3, 11, tzinfo=UTC)
    (real,) = [pod for pod in hands.pods("east", "clip-search") if (pod.metadata.creation_timestamp or eleven) > eleven]
    site = hands.world().sites["demo-east"]
    steps = told(site, seconds(hands.clock.at) - 3600, seconds(hands.clock.at))[real.metadata.uid]
    assert [phase for phase, *_ in steps] == [Phase.WAIT, Phase.SETUP, Phase.PULL, Phase.START, Phase.LOAD]
    assert lasted(steps, Phase.WAIT) == 2
    assert lasted(steps, Phase.PULL) == 60  # nobody had brought its image to the placeholder's node
    assert conditions(real)["Ready"] == datetime.fromtimestamp(steps[-1][2], UTC)


def test_a_node_that_was_added_for_a_placeholder_is_announced() -> None:
    hands = Hands()
    hands.headroom(1)
    hands.wait(minutes=6)
    (pod,) = hands.pods("east", "warm-")
    events = [
        one for one in hands["east"].cluster.snapshot("events").objects if one.involved_object.uid == pod.metadata.uid
    ]  # type: ignore[union-attr]
    nominated = [one.message for one in events if one.reason == "Nominated"]
    assert len(nominated) == 2
    assert nominated[-1].endswith(f", node/{pod.spec.node_name}")


def test_pods_made_in_place_of_others_stay_the_same_pods() -> None:
    hands = Hands()
    node = hands.ref("west", "Node", hands.gpu_nodes("west", "l4-inference")[0])
    hands.patch(node, {"spec": {"unschedulable": True}})
    cluster = hands["west"].cluster
    (before,) = [pod for pod in cluster.pods_on(node.name) if pod.ref.name.startswith("shadow-rank")] or [None]
    victims = [pod for pod in cluster.pods_on(node.name) if "DaemonSet" not in str(pod.meta["ownerReferences"])]
    assert before is None or before in victims
    cluster.evict(victims[0].ref, uid=victims[0].uid)
    hands.wait(seconds=20)
    known = {pod.metadata.name: pod.metadata.uid for pod in hands.pods("west", "")}
    for _ in range(4):
        hands.wait(minutes=20)
        now = {pod.metadata.name: pod.metadata.uid for pod in hands.pods("west", "")}
        assert all(now[name] == uid for name, uid in known.items() if name in now)


def test_objects_that_do_not_change_are_the_same_objects(estate: Callable[..., dict[str, ClusterSource]]) -> None:
    look = Look("demo-east", NOON)
    before = {pod.metadata.uid: pod for pod in look.objects("pods") if pod.status.phase == "Running"}
    look.at(NOON + timedelta(minutes=1))
    after = {pod.metadata.uid: pod for pod in look.objects("pods")}
    fresh = estate(NOON + timedelta(minutes=1))["demo-east"].cluster.snapshot("pods").objects
    assert list(after.values()) == list(fresh)
    same = sum(after.get(uid) is pod for uid, pod in before.items())
    assert same > 20
