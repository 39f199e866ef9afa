import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.domain.startup import Confidence, Outcome, Phase, Pull, Pulled, Span, Start
from services.domain.startup.frame import STARTS, document, record, told
from services.domain.startup.trace import ContainerSeen, EventSeen, NodeSeen, Trace

BEGIN = datetime(2026, 6, 3, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def span(phase: Phase, begin: float, end: float, container: str = "") -> Span:
    return Span(phase, at(begin), at(end), "container state", Confidence.EXACT, container)


TRACE = Trace(
    cluster="east",
    namespace="speech",
    pod="asr-1",
    uid="u1",
    created=BEGIN,
    seen=at(1.5),
    workload_kind="Deployment",
    workload="asr",
    attempt="rs-7",
    team="voice",
    resource="nvidia.com/gpu",
    gpus=2.0,
    conditions={"PodScheduled": at(4), "Ready": at(100)},
    containers=(
        ContainerSeen("fetch", "init", "rclone:1", started=at(5), finished=at(20)),
        ContainerSeen("main", "main", "asr:2", started=at(25), up=at(90), up_known=True),
        ContainerSeen("tokens", "main", "tokens:3", started=at(24)),
    ),
    node=NodeSeen("a-1", pool="h100", zone="eu-1a", model="H100", instance="p5", capacity_type="spot"),
    events=(EventSeen("kubelet", "Pulled", "main", at(22), at(22), message='Pulled "asr:2"'),),
)
SPANS = (
    span(Phase.WAIT, 0, 4),
    span(Phase.DOWNLOAD, 4, 20, "fetch"),
    span(Phase.PULL, 20, 25, "main"),
    span(Phase.LOAD, 25, 90, "main"),
    span(Phase.READINESS, 90, 100),
)
START = Start(
    created=BEGIN,
    ended=at(100),
    outcome=Outcome.READY,
    spans=SPANS,
    beside=(span(Phase.LOAD, 24, 60, "tokens"),),
    pulls=(
        Pull("tokens", "tokens:3", Pulled.CACHED, at(23)),
        Pull("main", "asr:2", Pulled.PULLED, at(25), 5.0, 0.0, 18_200_000_000),
    ),
    cold=False,
    scheduled=at(4),
    restarts=1,
    flags=frozenset({"restarted"}),
)


def test_a_record_says_who_started_where_and_for_how_long() -> None:
    kept = record(TRACE, START, headroom=True, usd=0.5, usd_per_hour=18.0)
    assert (kept.uid, kept.namespace, kept.pod) == ("u1", "speech", "asr-1")
    assert (kept.workload_kind, kept.workload, kept.attempt, kept.team) == ("Deployment", "asr", "rs-7", "voice")
    assert (kept.node, kept.pool, kept.zone) == ("a-1", "h100", "eu-1a")
    assert (kept.model, kept.instance, kept.capacity_type) == ("H100", "p5", "spot")
    assert (kept.resource, kept.gpus, kept.restarts) == ("nvidia.com/gpu", 2.0, 1)
    assert (kept.created_at, kept.scheduled_at, kept.ended_at) == (BEGIN, at(4), at(100))
    assert (kept.outcome, kept.total_s, kept.cold) == (Outcome.READY, 100.0, False)
    assert (kept.headroom, kept.usd, kept.usd_per_hour) == (True, 0.5, 18.0)
    assert (kept.flags, kept.reason, kept.pulls) == (frozenset({"restarted"}), "", START.pulls)
    assert {phase: seconds for phase, seconds in kept.seconds.items() if seconds} == {
        Phase.WAIT: 4.0,
        Phase.DOWNLOAD: 16.0,
        Phase.PULL: 5.0,
        Phase.LOAD: 65.0,
        Phase.READINESS: 10.0,
    }


def test_the_image_is_that_of_the_main_container_that_was_ready_last() -> None:
    kept = record(TRACE, START)
    assert (kept.image, kept.image_bytes, kept.pull) == ("asr:2", 18_200_000_000, Pulled.PULLED)
    slower = msgspec.structs.replace(TRACE, containers=TRACE.containers[::-1])
    assert record(slower, START).image == "asr:2"


@pytest.mark.parametrize(
    ("spans", "image"),
    [
        ((span(Phase.WAIT, 0, 4), span(Phase.DOWNLOAD, 4, 100, "fetch")), "asr:2"),
        ((span(Phase.WAIT, 0, 100),), "asr:2"),
        ((*SPANS[:-1], span(Phase.LOAD, 90, 100, "tokens")), "tokens:3"),
    ],
)
def test_where_no_span_names_a_main_container_the_first_one_counts(spans: tuple[Span, ...], image: str) -> None:
    started = Start(BEGIN, at(100), Outcome.STARTING, spans)
    kept = record(TRACE, started)
    assert (kept.image, kept.image_bytes, kept.pull) == (image, None, Pulled.UNKNOWN)


def test_a_pod_without_a_node_is_nowhere() -> None:
    waiting = msgspec.structs.replace(TRACE, node=None, containers=())
    kept = record(waiting, Start(BEGIN, at(50), Outcome.STARTING, (span(Phase.WAIT, 0, 50),)))
    assert (kept.node, kept.pool, kept.zone, kept.image, kept.pull) == ("", "", "", "", Pulled.UNKNOWN)
    assert (kept.cold, kept.headroom, kept.scheduled_at, kept.usd) == (None, None, None, None)


def test_the_document_of_a_start_is_json_and_tells_it_again() -> None:
    written = json.loads(json.dumps(document(TRACE, START)))
    assert set(written) == {"schema", "spans", "beside", "events", "trace"}
    assert written["schema"] == 1
    assert written["spans"][0]["begin"] == "2026-06-03T09:00:00Z"
    assert "events" not in written["trace"]
    assert told(written) == (TRACE, SPANS, START.beside)


def test_a_trace_without_events_is_told_again() -> None:
    silent = msgspec.structs.replace(TRACE, events=())
    assert told(document(silent, START))[0] == silent


def test_phases_are_columns_in_the_order_of_a_start() -> None:
    phases = [name for name in STARTS if name.endswith("_s") and name != "total_s"]
    assert phases == [f"{phase}_s" for phase in Phase]
