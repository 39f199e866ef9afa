"""What a trace says: phases worked out by hand, in seconds since the pod was created."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.startup import Confidence, Outcome, Phase, Pull, Pulled, Start
from services.domain.startup.phases import start
from services.domain.startup.trace import ContainerSeen, EventSeen, NodeSeen, Trace
from services.domain.startup.work import initial
from tests.unit.domain.startup.looks import IMAGE, at

EXACT, DERIVED, ESTIMATED, MISSING = Confidence.EXACT, Confidence.DERIVED, Confidence.ESTIMATED, Confidence.MISSING
GPU = "nvidia.com/gpu"
OLD = NodeSeen("n1", seen=at(-60), created=at(-3600), ready=at(-3540), offers={GPU: at(-3500)})
NEW = NodeSeen("n1", seen=at(60), created=at(60), ready=at(105), offers={GPU: at(170)})
PULLED = f'Successfully pulled image "{IMAGE}" in 1m0.5s (1m0.5s including waiting). Image size: 18200000000 bytes.'
CACHED = f'Container image "{IMAGE}" already present on machine'
SCALED = "pod triggered scale-up: [{h100 3->4 (max: 10)}]"


def said(
    reason: str, first: float, message: str = "", *, of: str = "server", by: str = "kubelet", last: float = 0.0
) -> EventSeen:
    return EventSeen(by, reason, of, at(first), at(max(first, last)), message=message)


def server(started: float | None = 70, name: str = "server", **values: Any) -> ContainerSeen:
    """A main container with both probes that ran once."""
    times = {key: at(value) for key, value in values.items() if key in ("up", "ready", "finished", "started_last")}
    run = None if started is None else at(started)
    given_ = {
        "started": run,
        "started_last": run,
        "image": IMAGE,
        "has_startup_probe": True,
        "has_readiness_probe": True,
    }
    return ContainerSeen(name, values.pop("role", "main"), **{**given_, **values, **times, "up_known": "up" in times})


def trace(*containers: ContainerSeen, conditions: dict[str, float] | None = None, **values: Any) -> Trace:
    """A pod that was watched from its creation; by default bound at 2 on a node that was there."""
    known = {"PodScheduled": 2.0} if conditions is None else conditions
    return Trace(
        "east",
        "serving",
        "chat-0",
        "u1",
        at(0),
        values.pop("seen", at(0.5)),
        conditions={name: at(seconds) for name, seconds in known.items()},
        containers=containers or (server(None),),
        **{"node": OLD, "resource": GPU, **values},
    )


def spans(found: Start) -> list[tuple[str, float, float, str]]:
    return [(span.phase.value, since(span.begin), since(span.end), span.confidence.value) for span in found.spans]


def beside(found: Start) -> list[tuple[str, str, float, float]]:
    return [(span.container, span.phase.value, since(span.begin), since(span.end)) for span in found.beside]


def since(moment: datetime | None) -> float:
    assert moment is not None
    return round((moment - at(0)).total_seconds(), 3)


WARM = {"PodScheduled": 2.0, "PodReadyToStartContainers": 4.0, "ContainersReady": 190.0, "Ready": 190.0}


def test_a_warm_start_from_creation_to_readiness() -> None:
    found = start(
        trace(
            server(66, up=180.5),
            conditions=WARM,
            events=(said("Pulling", 4), said("Pulled", 65, PULLED), said("Started", 66)),
        ),
        at(500),
    )
    assert spans(found) == [
        ("wait", 0, 2, EXACT),
        ("setup", 2, 4, EXACT),
        ("start", 4, 4.5, ESTIMATED),  # less than the resolution of the times
        ("pull", 4.5, 65, EXACT),
        ("start", 65, 66, EXACT),
        ("load", 66, 180.5, EXACT),
        ("readiness", 180.5, 190, EXACT),
    ]
    assert (found.outcome, found.cold, found.total_s) == (Outcome.READY, False, 190)
    assert (since(found.scheduled), since(found.running), since(found.ended)) == (2, 66, 190)
    assert found.pulls == (Pull("server", IMAGE, Pulled.PULLED, at(65), 60.5, 0.0, 18_200_000_000),)
    assert found.spans[3].note == f'Pulled "{IMAGE}" in 1 m, 18.2 GB, 301 MB/s'
    assert found.flags == frozenset()
    assert found.reason == ""


def cold(**values: Any) -> Start:
    """Bound at 175 on a node that came at 60; cached image, running at 180, ready at 190."""
    given_ = {"node": NEW, "events": (said("TriggeredScaleUp", 11, SCALED, of="", by="cluster-autoscaler"),)}
    times = {"PodScheduled": 175.0, "PodReadyToStartContainers": 178.0, "ContainersReady": 190.0, "Ready": 190.0}
    values["events"] = (*values.get("events", given_["events"]), said("Pulled", 179, CACHED))
    return start(trace(server(180), conditions=times, **{**given_, **values}), at(500))


AFTER = [("setup", 175, 178, EXACT), ("start", 178, 180, EXACT), ("load", 180, 190, DERIVED)]


def test_a_cold_start_from_the_autoscalers_decision_to_the_gpus() -> None:
    found = cold()
    assert found.cold is True
    assert spans(found) == [
        ("decision", 0, 11, EXACT),
        ("provision", 11, 60, EXACT),
        ("boot", 60, 105, EXACT),
        ("device", 105, 170, EXACT),
        ("bind", 170, 175, EXACT),
        *AFTER,
    ]
    assert found.spans[0].note == f"TriggeredScaleUp: {SCALED}"


def test_without_a_word_on_the_decision_waiting_and_provisioning_cannot_be_told_apart() -> None:
    assert spans(cold(events=()))[:2] == [("unattributed", 0, 60, MISSING), ("boot", 60, 105, EXACT)]


def test_a_decision_after_the_node_was_there_is_about_another_node() -> None:
    later = (said("TriggeredScaleUp", 90, SCALED, of="", by="cluster-autoscaler"),)
    found = cold(events=later)
    assert spans(found)[0] == ("unattributed", 0, 60, MISSING)
    assert found.flags == frozenset()


def test_a_node_claim_stands_for_the_decision() -> None:
    claimed = msgspec.structs.replace(NEW, claim_created=at(14), claim_registered=at(61), claim_initialized=at(168))
    assert spans(cold(events=(), node=claimed))[:2] == [("decision", 0, 14, DERIVED), ("provision", 14, 60, EXACT)]


def test_a_node_on_its_way_before_the_pod_is_its_node_too() -> None:
    early = msgspec.structs.replace(NEW, created=at(-29), ready=at(20), claim_created=at(-80))
    found = cold(events=(), node=early)
    assert (found.cold, found.flags) == (True, frozenset())
    assert spans(found)[:2] == [("boot", 0, 20, EXACT), ("device", 20, 170, EXACT)]
    assert cold(events=(), node=msgspec.structs.replace(early, created=at(-30))).cold is False


def test_gpus_that_were_there_at_first_sight_leave_the_claim_or_the_scheduler_as_bound() -> None:
    unseen = msgspec.structs.replace(NEW, seen=at(160), offers={GPU: at(160)})
    assert spans(cold(node=unseen))[3:5] == [("device", 105, 175, ESTIMATED), AFTER[0]]
    claimed = msgspec.structs.replace(unseen, claim_created=at(9), claim_initialized=at(168))
    assert spans(cold(node=claimed))[3:5] == [("device", 105, 168, DERIVED), ("bind", 168, 175, EXACT)]


def test_gpus_seen_after_the_pod_was_bound_were_seen_late() -> None:
    late = msgspec.structs.replace(NEW, offers={GPU: at(178)})
    assert spans(cold(node=late))[3] == ("device", 105, 175, ESTIMATED)


def test_without_a_trusted_readiness_of_the_node_boot_and_driver_cannot_be_told_apart() -> None:
    unknown = msgspec.structs.replace(NEW, ready=None)
    flapped = msgspec.structs.replace(NEW, ready=at(110), ready_exact=False)
    for node in (unknown, flapped):
        assert spans(cold(node=node))[1:4] == [
            ("provision", 11, 60, EXACT),
            ("unattributed", 60, 170, MISSING),
            ("bind", 170, 175, EXACT),
        ]
    registered = msgspec.structs.replace(unknown, claim_registered=at(65))
    assert spans(cold(node=registered))[2:4] == [("boot", 60, 65, ESTIMATED), ("device", 65, 170, ESTIMATED)]


def test_gpus_that_were_offered_before_the_node_was_ready_took_no_time() -> None:
    found = cold(node=msgspec.structs.replace(NEW, offers={GPU: at(100)}))
    assert spans(found)[2:4] == [("boot", 60, 105, EXACT), ("bind", 105, 175, EXACT)]
    assert found.flags == frozenset()


def test_a_node_of_unknown_age_leaves_the_wait_open() -> None:
    found = start(trace(server(None), conditions={"PodScheduled": 40.0}, node=NodeSeen("n1")), at(41))
    assert (found.cold, spans(found)[0]) == (None, ("unattributed", 0, 40, MISSING))
    soon = start(trace(server(None), conditions={"PodScheduled": 2.0}, node=NodeSeen("n1")), at(41))
    assert spans(soon)[0] == ("wait", 0, 2, ESTIMATED)


def test_a_pod_held_by_gates_is_queued_until_they_are_gone() -> None:
    times = {**WARM, "PodScheduled": 50.0, "PodReadyToStartContainers": 52.0}
    gated = trace(server(53), conditions=times, gated=True, ungated=at(45.5))
    assert spans(start(gated, at(500)))[:2] == [("queue", 0, 45.5, EXACT), ("wait", 45.5, 50, EXACT)]
    unseen = trace(server(53), conditions=times, gated=True, ungated=at(60))
    assert spans(start(unseen, at(500)))[:2] == [("queue", 0, 50, ESTIMATED), ("setup", 50, 52, ESTIMATED)]
    assert spans(start(trace(conditions={}, node=None, gated=True), at(30))) == [("queue", 0, 30, ESTIMATED)]


def test_who_was_preempted_is_said_with_the_wait() -> None:
    waited = (said("FailedScheduling", 0, "0/12 nodes are available: 12 Insufficient nvidia.com/gpu.", of=""),)
    found = start(trace(server(5), conditions=WARM, events=waited, victims=2), at(500))
    assert found.flags >= {"preempted"}
    assert found.spans[0].note == (
        "2 pods were preempted for it. FailedScheduling: 0/12 nodes are available: 12 Insufficient nvidia.com/gpu."
    )


def test_the_event_or_else_the_kubelets_first_word_stands_for_the_scheduler() -> None:
    times = {name: seconds for name, seconds in WARM.items() if name != "PodScheduled"}
    bound = (said("Scheduled", 1.2, "Successfully assigned serving/chat-0 to n1", of="", by="default-scheduler"),)
    assert spans(start(trace(server(5), conditions=times, events=bound), at(500)))[0] == ("wait", 0, 1.2, EXACT)
    told = trace(server(5), conditions=times, start_time=at(3))
    assert spans(start(told, at(500)))[:2] == [("wait", 0, 3, ESTIMATED), ("setup", 3, 4, ESTIMATED)]


def test_a_volume_counts_only_when_it_was_attached() -> None:
    attach = said("SuccessfulAttachVolume", 9, 'AttachVolume.Attach succeeded for volume "pvc-1"', of="",
                  by="attachdetach-controller", last=12)  # fmt: skip
    times = {**WARM, "PodReadyToStartContainers": 15.0}
    found = start(trace(server(16), conditions=times, events=(attach, said("Pulled", 15, CACHED))), at(500))
    assert spans(found)[1:3] == [("volume", 2, 12, EXACT), ("setup", 12, 15, EXACT)]


def setup(*events: EventSeen, started: float = 70, condition: float | None = None, **values: Any) -> list[Any]:
    times = {name: seconds for name, seconds in WARM.items() if name != "PodReadyToStartContainers"}
    if condition is not None:
        times["PodReadyToStartContainers"] = condition
    found = start(trace(server(started), conditions=times, events=events, **values), at(500))
    return spans(found)[1:-1]


def test_without_the_condition_the_first_event_about_a_container_ends_the_setup() -> None:
    assert setup(said("Pulling", 6), said("Pulled", 66, PULLED))[0] == ("setup", 2, 6, DERIVED)
    assert setup(said("Pulled", 66, PULLED))[0] == ("setup", 2, 5.5, DERIVED)
    assert setup(said("Pulled", 69, CACHED))[0] == ("setup", 2, 69, DERIVED)
    assert setup(said("Created", 69), started=70) == [("setup", 2, 69, DERIVED), ("start", 69, 70, ESTIMATED)]


def test_without_any_event_setup_and_pulling_cannot_be_told_apart() -> None:
    assert setup() == [("unattributed", 2, 70, MISSING)]
    assert setup(started=4) == [("setup", 2, 4, ESTIMATED)]


def test_a_condition_that_came_only_with_the_first_container_says_nothing_of_the_setup() -> None:
    """Kubelets before 1.36 do not report it while they pull."""
    assert setup(said("Pulling", 6), said("Pulled", 66, PULLED), condition=70)[:2] == [
        ("setup", 2, 6, DERIVED),
        ("pull", 6, 66, EXACT),
    ]
    assert setup(condition=70) == [("unattributed", 2, 70, MISSING)]
    held = msgspec.structs.replace(OLD, holds=(IMAGE,))
    assert setup(condition=69, node=held) == [("setup", 2, 69, DERIVED), ("start", 69, 70, DERIVED)]


def main(*events: EventSeen, started: float = 70, **values: Any) -> list[Any]:
    """What follows the sandbox at 4."""
    found = start(trace(server(started), conditions=WARM, events=events, **values), at(500))
    return spans(found)[2:-1]


def test_a_gap_without_a_word_on_the_image_is_unattributed() -> None:
    assert main() == [("unattributed", 4, 70, MISSING)]
    assert main(started=6) == [("start", 4, 6, ESTIMATED)]
    assert main(started=6.5) == [("unattributed", 4, 6.5, MISSING)]


def test_an_image_that_the_node_listed_before_was_not_pulled() -> None:
    assert main(node=msgspec.structs.replace(OLD, holds=(IMAGE,))) == [("start", 4, 70, DERIVED)]
    assert main(node=msgspec.structs.replace(OLD, holds=("reg.example/other:1",)))[0][0] == "unattributed"


def test_a_cached_image_is_no_pull() -> None:
    found = start(trace(server(5), conditions=WARM, events=(said("Pulled", 4, CACHED),)), at(500))
    assert spans(found)[2] == ("start", 4, 5, EXACT)
    assert found.pulls == (Pull("server", IMAGE, Pulled.CACHED, at(4)),)
    assert found.spans[2].note == CACHED


def test_a_pull_behind_others_waited_first() -> None:
    message = f'Successfully pulled image "{IMAGE}" in 20s (50s including waiting). Image size: 2000000000 bytes.'
    assert main(said("Pulled", 54, message), started=55) == [
        ("pull_wait", 4, 34, EXACT),
        ("pull", 34, 54, EXACT),
        ("start", 54, 55, EXACT),
    ]


def test_pulls_that_failed_before_are_part_of_the_pull() -> None:
    events = (
        said("Pulling", 4),
        said("Failed", 9, f'Failed to pull image "{IMAGE}": not found'),
        said("Pulled", 90, f'Successfully pulled image "{IMAGE}" in 30s (30s including waiting)'),
    )
    found = start(trace(server(91), conditions=WARM, events=events), at(500))
    assert spans(found)[2:5] == [("pull", 4, 60, DERIVED), ("pull", 60, 90, EXACT), ("start", 90, 91, EXACT)]
    assert found.spans[2].note == f'Failed: Failed to pull image "{IMAGE}": not found'


def how(message: str, *, streaming: bool = False) -> tuple[Pulled, set[str]]:
    node = msgspec.structs.replace(OLD, streaming=streaming)
    found = start(trace(server(70), conditions=WARM, events=(said("Pulled", 65, message),), node=node), at(500))
    return found.pulls[0].how, set(found.flags)


def pulled(took: str, size: int) -> str:
    return f'Successfully pulled image "{IMAGE}" in {took} ({took} including waiting). Image size: {size} bytes.'


def test_a_pull_too_fast_for_its_size_only_asked_for_the_manifest() -> None:
    assert how(pulled("4.9s", 200_000_001)) == (Pulled.REVALIDATED, {"revalidated"})
    assert how(pulled("5s", 200_000_001)) == (Pulled.PULLED, set())
    assert how(pulled("1s", 200_000_000)) == (Pulled.PULLED, set())


def test_an_image_that_is_streamed_is_there_in_seconds() -> None:
    assert how(pulled("4.9s", 18_200_000_000), streaming=True) == (Pulled.STREAMED, {"streamed"})
    assert how(pulled("31s", 18_200_000_000), streaming=True) == (Pulled.PULLED, set())


def test_what_nobody_says_of_an_image_is_unknown() -> None:
    found = start(trace(server(70), conditions=WARM), at(500))
    assert found.pulls == (Pull("server", IMAGE, Pulled.UNKNOWN, None),)
    assert found.flags == {"no_events"}


def init(started: float | None, name: str = "setup", **values: Any) -> ContainerSeen:
    return server(started, name, role="init", has_startup_probe=False, has_readiness_probe=False, **values)


def test_init_containers_work_one_after_another() -> None:
    found = start(
        trace(
            init(6, "wait-for-db", image="busybox:1", finished=20),
            init(25, "model-download", image="amazon/aws-cli:2", finished=85),
            server(88),
            conditions=WARM,
            events=(
                said("Pulled", 5, CACHED, of="wait-for-db"),
                said("Pulled", 24, 'Successfully pulled image "amazon/aws-cli:2" in 3s (3s including waiting)',
                     of="model-download"),
                said("Pulled", 87, CACHED),
            ),
        ),
        at(500),
    )  # fmt: skip
    assert spans(found)[2:] == [
        ("start", 4, 6, EXACT),
        ("init", 6, 20, EXACT),
        ("start", 20, 21, ESTIMATED),
        ("pull", 21, 24, EXACT),
        ("start", 24, 25, EXACT),
        ("download", 25, 85, EXACT),
        ("start", 85, 88, EXACT),
        ("load", 88, 190, DERIVED),
    ]
    assert [one.container for one in found.pulls] == ["wait-for-db", "model-download", "server"]


@pytest.mark.parametrize(
    ("name", "image", "phase"),
    [
        ("model-download", "busybox:1", Phase.DOWNLOAD),
        ("fetch-weights", "reg.example/tools:1", Phase.DOWNLOAD),
        ("hf_pull", "python:3.12", Phase.DOWNLOAD),
        ("prepare", "amazon/aws-cli:2.15", Phase.DOWNLOAD),
        ("prepare", "peakcom/s5cmd:v2.2@sha256:0f1e", Phase.DOWNLOAD),
        ("storage-initializer", "kserve/storage-initializer:v0.13", Phase.DOWNLOAD),
        ("wait-for-db", "busybox:1", Phase.INIT),
        ("permissions", "models.example/tools/chown:1", Phase.INIT),
        ("half", "reg.example/shelf:1", Phase.INIT),
    ],
)
def test_a_download_is_known_by_its_name(name: str, image: str, phase: Phase) -> None:
    assert initial(ContainerSeen(name, "init", image)) is phase


def test_an_init_container_that_failed_first_was_retried() -> None:
    again = init(6, "setup", started_last=30, finished=40, restarts=1, said="Error, exit code 1")
    events = (said("Pulled", 5, CACHED, of="setup"), said("Started", 6, of="setup"), said("Pulled", 41, CACHED))
    found = start(trace(again, server(42), conditions=WARM, events=events), at(500))
    assert spans(found)[2:6] == [
        ("start", 4, 6, EXACT),
        ("retry", 6, 30, EXACT),
        ("init", 30, 40, EXACT),
        ("start", 40, 42, EXACT),
    ]
    assert found.restarts == 1
    assert found.flags == {"restarted"}


def test_others_wait_for_a_sidecar_until_its_startup_probe_passed() -> None:
    events = (said("Pulled", 5, CACHED, of="proxy"), said("Pulled", 21, CACHED))
    known = server(6, "proxy", role="sidecar", up=20)
    found = start(trace(known, server(22), conditions=WARM, events=events), at(500))
    assert spans(found)[2:5] == [("start", 4, 6, EXACT), ("start", 6, 20, EXACT), ("start", 20, 22, EXACT)]
    unseen = server(6, "proxy", role="sidecar")
    found = start(trace(unseen, server(22), conditions=WARM, events=events), at(500))
    assert spans(found)[3:5] == [("start", 6, 21, ESTIMATED), ("start", 21, 22, EXACT)]


def test_main_containers_that_start_in_turn_make_one_line() -> None:
    """The second image is pulled when the first container runs: its pull is not the second one's wait."""
    small = f'Successfully pulled image "{IMAGE}" in 20s (20s including waiting)'
    events = (said("Pulled", 24, small, of="proxy"), said("Pulled", 86, PULLED))
    proxy = server(25, "proxy", has_startup_probe=False, ready=40)
    found = start(trace(proxy, server(87, up=180, ready=190), conditions=WARM, events=events), at(500))
    assert [(span.container, *row) for span, row in zip(found.spans, spans(found), strict=True)][2:] == [
        ("proxy", "pull", 4, 24, EXACT),
        ("proxy", "start", 24, 25, EXACT),
        ("server", "start", 25, 25.5, ESTIMATED),
        ("server", "pull", 25.5, 86, EXACT),
        ("server", "start", 86, 87, EXACT),
        ("server", "load", 87, 180, EXACT),
        ("server", "readiness", 180, 190, EXACT),
    ]
    assert beside(found) == [("proxy", "load", 25, 40)]


def test_what_runs_beside_the_slowest_container_is_beside() -> None:
    small = f'Successfully pulled image "{IMAGE}" in 8s (8s including waiting)'
    events = (said("Pulled", 65, PULLED), said("Pulled", 75, small, of="proxy"))
    proxy = server(76, "proxy", has_startup_probe=False, has_readiness_probe=False)
    found = start(trace(server(66, up=180), proxy, conditions=WARM, events=events), at(500))
    assert spans(found)[3:6] == [("pull", 4.5, 65, EXACT), ("start", 65, 66, EXACT), ("load", 66, 180, EXACT)]
    assert beside(found) == [("proxy", "pull", 67, 75), ("proxy", "start", 75, 76)]
    assert since(found.running) == 66


def test_the_last_to_be_ready_is_the_slowest_whoever_started_last() -> None:
    events = (said("Pulled", 4, CACHED, of="a"), said("Pulled", 6, CACHED, of="b"))
    a, b = server(5, "a", up=150.4, ready=189.6), server(7, "b", up=90.2, ready=90.2)
    found = start(trace(a, b, conditions=WARM, events=events), at(500))
    assert spans(found)[-2:] == [("load", 5, 150.4, EXACT), ("readiness", 150.4, 190, EXACT)]
    assert beside(found) == [("b", "start", 6, 7), ("b", "load", 7, 90.2)]


def ready(*, conditions: dict[str, float] | None = None, events: tuple[EventSeen, ...] = (), **values: Any) -> Start:
    """Runs at 5 with a cached image, ready at 190."""
    times = {**WARM, **(conditions or {})}
    seen = values.pop("seen", at(0.5))
    told = (said("Pulled", 4, CACHED), *events)
    return start(trace(server(5, **values), conditions=times, events=told, seen=seen), at(500))


def test_loading_ends_where_the_best_evidence_says() -> None:
    assert spans(ready(up=150.2))[3:] == [("load", 5, 150.2, EXACT), ("readiness", 150.2, 190, EXACT)]
    assert spans(ready(conditions={"ContainersReady": 160}))[3:] == [
        ("load", 5, 160, DERIVED),
        ("readiness", 160, 190, EXACT),  # readiness gates
    ]
    assert spans(ready(has_startup_probe=False))[3:] == [("load", 5, 190, DERIVED)]
    assert spans(ready(up=190.3))[3:] == [("load", 5, 190, EXACT)]  # seen a moment after it was told


def test_a_startup_probe_seen_after_readiness_was_seen_late() -> None:
    assert spans(ready(up=191.9, conditions={"ContainersReady": 160}))[3] == ("load", 5, 160, DERIVED)


def test_a_startup_probe_seen_before_the_container_ran_tells_of_two_clocks() -> None:
    found = ready(up=2.9)
    assert spans(found)[3] == ("load", 5, 190, DERIVED)
    assert found.flags == {"clock_skew"}
    assert ready(up=3.1).flags == frozenset()


def test_without_probes_it_counts_as_ready_when_it_runs() -> None:
    found = ready(has_startup_probe=False, has_readiness_probe=False, conditions={"ContainersReady": 6, "Ready": 6})
    assert spans(found)[3:] == [("readiness", 5, 6, EXACT)]
    assert found.flags == {"no_readiness"}


def test_runs_before_the_last_one_are_retries() -> None:
    found = ready(started_last=100, restarts=2, said="OOMKilled, exit code 137", up=180, events=(said("Started", 5),))
    assert spans(found)[3:] == [
        ("retry", 5, 100, EXACT),
        ("load", 100, 180, EXACT),
        ("readiness", 180, 190, EXACT),
    ]
    assert found.spans[3].note == "Restarted 2 times: OOMKilled, exit code 137"
    assert (found.restarts, since(found.running)) == (2, 5)
    assert found.flags == {"restarted"}


def test_the_first_start_is_the_events_when_the_state_is_of_a_later_run() -> None:
    found = start(
        trace(
            server(60, started_last=100, restarts=2, said="Error, exit code 1"),
            conditions=WARM,
            events=(said("Pulled", 4, CACHED), said("Started", 5, "Started container server")),
            seen=at(90),
        ),
        at(500),
    )
    assert spans(found)[2:4] == [("start", 4, 5, EXACT), ("retry", 5, 100, EXACT)]
    assert since(found.running) == 5


def test_a_readiness_that_may_not_be_the_first_is_an_estimate() -> None:
    for late in (
        ready(seen=at(200), restarts=1, started_last=100, said="Error, exit code 1"),
        ready(seen=at(4000), conditions={"Ready": 3601, "ContainersReady": 3601}),
        ready(seen=at(200), events=(said("Unhealthy", 126, "Readiness probe failed: HTTP probe failed"),)),
    ):
        assert late.flags >= {"flapped", "late"}
        assert spans(late)[-1][0::3] == ("load", ESTIMATED)
    assert ready(seen=at(200)).flags == {"late"}
    assert ready(seen=at(200), events=(said("Unhealthy", 124, "Readiness probe failed: timeout"),)).flags == {"late"}
    assert start(msgspec.structs.replace(trace(server(5), conditions=WARM), ready_exact=False), at(1)).flags >= {
        "flapped"
    }


def test_clocks_that_differ_by_more_than_two_seconds_are_said_and_set_right() -> None:
    behind = {**WARM, "PodScheduled": 9.0, "PodReadyToStartContainers": 5.0}
    found = start(trace(server(11), conditions=behind, events=(said("Pulled", 10, CACHED),)), at(500))
    assert spans(found)[:2] == [("wait", 0, 9, EXACT), ("start", 9, 11, EXACT)]
    assert found.flags == {"clock_skew"}
    ahead = start(trace(server(5), conditions={"PodScheduled": 9.0, "Ready": 6.0, "ContainersReady": 6.0}), at(500))
    assert "clock_skew" in ahead.flags
    assert spans(ahead) == [("wait", 0, 6, EXACT)]


def test_combined_events_are_said() -> None:
    lost = said("Failed", 30, "(combined from similar events): Error: ErrImagePull", of="")
    assert ready(events=(lost,)).flags == {"combined_events"}


def test_a_start_under_way_ends_now_in_what_it_does() -> None:
    pulling = (said("Pulling", 4, f'Pulling image "{IMAGE}"'),)
    times = {"PodScheduled": 2.0, "PodReadyToStartContainers": 4.0}
    waits = server(None, waiting="ContainerCreating")
    broken = server(None, waiting="ImagePullBackOff", said="Back-off pulling image")
    asked = said("TriggeredScaleUp", 11, SCALED, of="", by="cluster-autoscaler")

    def now(*containers: ContainerSeen, **values: Any) -> tuple[str, float, float, str]:
        found = start(trace(*containers, **values), at(60))
        assert (found.outcome, found.total_s) == (Outcome.STARTING, 60)
        return spans(found)[-1]

    assert now(conditions={}, node=None) == ("wait", 0, 60, ESTIMATED)
    assert now(conditions={}, node=None, events=(asked,)) == ("provision", 11, 60, ESTIMATED)
    assert now(conditions={"PodScheduled": 2.0}) == ("setup", 2, 60, ESTIMATED)
    assert now(waits, conditions=times) == ("unattributed", 4, 60, MISSING)
    assert now(waits, conditions=times, events=pulling) == ("pull", 4, 60, ESTIMATED)
    assert now(broken, conditions=times) == ("pull", 4, 60, ESTIMATED)
    assert now(waits, conditions=times, events=(said("Pulled", 5, CACHED),)) == ("start", 4, 60, ESTIMATED)
    assert now(init(6), waits, conditions=times)[:2] == ("init", 6)
    assert now(init(6), waits, conditions=times)[3] == ESTIMATED
    assert now(server(6), conditions=times) == ("load", 6, 60, ESTIMATED)
    assert now(server(6, up=50), conditions=times) == ("readiness", 50, 60, ESTIMATED)
    crashing = server(6, started_last=30, restarts=1, waiting="CrashLoopBackOff", said="Error, exit code 1")
    assert now(crashing, conditions=times) == ("retry", 30, 60, ESTIMATED)


def test_a_volume_that_cannot_be_attached_is_waited_for() -> None:
    failed = said(
        "FailedAttachVolume", 20, 'Multi-Attach error for volume "pvc-1"', of="", by="attachdetach-controller"
    )
    waits = server(None, waiting="ContainerCreating")
    found = start(trace(waits, events=(failed,)), at(60))
    assert spans(found)[-1] == ("volume", 2, 60, ESTIMATED)
    assert found.reason == 'FailedAttachVolume: Multi-Attach error for volume "pvc-1"'


def test_why_a_pod_is_not_ready_is_said_in_the_clusters_words() -> None:
    def reason(*containers: ContainerSeen, **values: Any) -> str:
        return start(trace(*containers, **values), at(60)).reason

    unschedulable = "Unschedulable: 0/12 nodes are available: 12 Insufficient nvidia.com/gpu."
    assert reason(conditions={}, node=None, reason=unschedulable) == unschedulable
    broken = server(None, waiting="ImagePullBackOff", said='Back-off pulling image "x"')
    assert reason(broken) == 'ImagePullBackOff: Back-off pulling image "x"'
    mount = said("FailedMount", 20, 'MountVolume.SetUp failed for volume "weights"', of="")
    assert reason(events=(mount,)) == 'FailedMount: MountVolume.SetUp failed for volume "weights"'
    crashed = server(6, restarts=1, waiting="CrashLoopBackOff", said="Error, exit code 1")
    assert reason(crashed) == "CrashLoopBackOff: Error, exit code 1"
    assert reason(server(6)) == ""
    assert len(reason(conditions={}, node=None, reason="x" * 512)) == 300


def test_a_deleted_pod_ends_when_it_was_deleted() -> None:
    broken = server(None, waiting="ErrImagePull", said="not found")
    times = {"PodScheduled": 2.0, "PodReadyToStartContainers": 4.0}
    found = start(trace(broken, conditions=times, deleted=at(90)), at(500))
    assert (found.outcome, found.total_s, found.reason) == (Outcome.GONE, 90, "ErrImagePull: not found")
    assert spans(found)[-1] == ("pull", 4, 90, ESTIMATED)
    assert start(trace(broken, conditions=times, deleted=at(90)), at(80)).outcome is Outcome.STARTING


def test_a_failed_pod_ends_when_it_failed() -> None:
    dead = server(6, waiting="Error", said="Error, exit code 1")
    found = start(trace(dead, conditions={"PodScheduled": 2.0}, phase="Failed", ended=at(90)), at(500))
    assert (found.outcome, found.total_s, found.reason) == (Outcome.FAILED, 90, "Error, exit code 1")
    assert spans(found)[-1] == ("load", 6, 90, ESTIMATED)


def test_a_rejected_pod_ends_with_the_event_that_says_so() -> None:
    why = "Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu"
    rejected = trace(
        conditions={"PodScheduled": 2.0},
        phase="Failed",
        reason=f"UnexpectedAdmissionError: {why}",
        ended=at(9.3),
        events=(said("UnexpectedAdmissionError", 3, why, of=""),),
    )
    found = start(rejected, at(500))
    assert (found.outcome, found.total_s) == (Outcome.FAILED, 3)
    assert spans(found) == [("wait", 0, 2, EXACT), ("setup", 2, 3, ESTIMATED)]
    assert found.reason == found.spans[-1].note == f"UnexpectedAdmissionError: {why}"


def test_a_job_that_was_done_before_it_was_ever_ready_ended_well() -> None:
    job = server(6, has_startup_probe=False, has_readiness_probe=False)
    done: dict[str, Any] = {"conditions": {"PodScheduled": 2.0}, "phase": "Succeeded", "ended": at(9)}
    found = start(trace(job, **done), at(500))
    assert (found.outcome, found.total_s, found.reason) == (Outcome.COMPLETED, 9, "Completed")
    assert spans(found)[-1] == ("unattributed", 6, 9, MISSING)


def test_a_pod_that_was_ready_while_nobody_looked_was_ready() -> None:
    over: dict[str, Any] = {
        "conditions": {"PodScheduled": 2.0},
        "phase": "Succeeded",
        "ended": at(900),
        "ready_exact": False,
    }
    job = start(trace(server(6, has_startup_probe=False, has_readiness_probe=False), **over), at(999))
    assert (job.outcome, job.total_s) == (Outcome.READY, 6)
    assert job.flags == {"no_events", "no_readiness"}
    probed = start(trace(server(6, up=50), **over), at(999))
    assert (probed.outcome, probed.total_s) == (Outcome.READY, 50)
    assert probed.flags == {"no_events", "flapped"}


def test_notes_are_not_longer_than_they_may_be() -> None:
    events = (said("TriggeredScaleUp", 11, "x" * 512, of="", by="cluster-autoscaler"),)
    assert max(len(span.note) for span in cold(events=events).spans) == 300


TIMES = st.none() | st.integers(-20, 400).map(at)
NAMES = st.sampled_from(["server", "proxy", "setup", ""])
TEXTS = st.sampled_from([PULLED, CACHED, "", "(combined from similar events): x", f'Failed to pull image "{IMAGE}"'])
REASONS = [
    "Pulled",
    "Pulling",
    "Created",
    "Started",
    "Failed",
    "TriggeredScaleUp",
    "Nominated",
    "SuccessfulAttachVolume",
]
CONTAINERS = st.builds(
    ContainerSeen,
    NAMES,
    st.sampled_from(["init", "sidecar", "main"]),
    started=TIMES,
    started_last=TIMES,
    finished=TIMES,
    up=TIMES,
    up_known=st.booleans(),
    ready=TIMES,
    restarts=st.integers(0, 2),
    waiting=st.sampled_from(["", "ErrImagePull", "CrashLoopBackOff"]),
    has_startup_probe=st.booleans(),
    has_readiness_probe=st.booleans(),
)
NODES = st.builds(
    NodeSeen,
    st.just("n1"),
    created=TIMES,
    ready=TIMES,
    ready_exact=st.booleans(),
    offers=st.dictionaries(st.sampled_from([GPU, "nvidia.com/mig-1g.10gb"]), TIMES.filter(bool)),
    claim_created=TIMES,
    claim_registered=TIMES,
    claim_initialized=TIMES,
)
EVENTS = st.builds(
    EventSeen, st.just("kubelet"), st.sampled_from(REASONS), NAMES, TIMES.filter(bool), st.just(at(400)), message=TEXTS
)
CONDITIONS = st.dictionaries(
    st.sampled_from(["PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"]),
    st.integers(-20, 400).map(at),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(CONTAINERS, max_size=4),
    CONDITIONS,
    st.lists(EVENTS, max_size=8),
    st.none() | NODES,
    st.fixed_dictionaries(
        {"gated": st.booleans(), "ungated": TIMES, "start_time": TIMES, "deleted": TIMES, "ended": TIMES,
         "resource": st.sampled_from([GPU, f"{GPU}, nvidia.com/mig-1g.10gb"]), "ready_exact": st.booleans(),
         "phase": st.sampled_from(["Pending", "Running", "Failed", "Succeeded"])}
    ),
)  # fmt: skip
def test_whatever_was_seen_phases_follow_each_other_and_sum_to_the_total(
    containers: list[ContainerSeen], conditions: dict[str, datetime], events: list[EventSeen], node: NodeSeen | None,
    rest: dict[str, Any],
) -> None:  # fmt: skip
    seen = Trace("c", "n", "p", "u", at(0), at(1), conditions=conditions, containers=tuple(containers),
                 events=tuple(events), node=node, **rest)  # fmt: skip
    found = start(seen, at(300))
    edges = [found.created, *(span.end for span in found.spans)]
    assert [span.begin for span in found.spans] == edges[:-1]
    assert edges[-1] == found.ended
    assert all(span.begin < span.end for span in found.spans)
    assert all(span.begin < span.end <= found.ended for span in found.beside)
    assert sum(found.seconds().values()) == pytest.approx(found.total_s, abs=1e-6)
