"""How engines serve, worked out by hand from what each pod told minute by minute."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

from services import serving
from services.domain.scope import Scope, Sight
from services.errors import SourceUnavailable
from services.ports import Sources
from tests import tiny
from tests.conftest import NOW
from tests.fakes import Clock
from tests.fallbacks import CountedMetrics

HOUR = Scope(range="1h")
CHAT, LAB = ("web", "chat-0"), ("lab", "notebook-0")
GONE, STRANGER = ("web", "chat-9"), ("web", "else-0")
BUSY = {
    "running": [(ago, CHAT, 6.0) for ago in range(1, 61)] + [(ago, LAB, 1.0) for ago in range(1, 31)],
    "finished": [(ago, CHAT, 30.0) for ago in range(1, 61)] + [(ago, LAB, 2.0) for ago in range(1, 31)],
}
Told = dict[str, list[tuple[int, tuple[str, str], float]]]


def metrics(told: Told, error: SourceUnavailable | None = None) -> CountedMetrics:
    grew: dict[str, list[tuple[Any, ...]]] = {
        f"serving_{name}": [(ago, "llama", *pod, value) for ago, pod, value in rows] for name, rows in told.items()
    }
    return CountedMetrics(tiny.cards(), NOW, grew, error)


def sources(told: Told, clock: Clock | None = None) -> Sources:
    """The tiny estate whose engines told, by figure, rows of minutes before now, pod and value."""
    found = tiny.sources(replace(tiny.source(), metrics=metrics(told)))
    return found if clock is None else replace(found, now=clock)


def board(given: Sources, scope: Scope = HOUR) -> serving.Board:
    value = serving.board(given, scope).value
    assert value is not None
    return value


def test_a_workload_is_its_engines_with_the_gpus_they_hold() -> None:
    rows = board(sources(BUSY)).served.set_index("workload")
    assert rows.loc["chat", ["running", "finished", "gpus", "replicas"]].tolist() == [6.0, 1800.0, 2.0, 1.0]
    assert rows.loc["notebook", ["finished", "gpus", "team"]].tolist() == [60.0, 4.0, "research"]


def test_what_no_engine_told_is_unknown_and_not_zero() -> None:
    chat = board(sources(BUSY)).served.set_index("workload").loc["chat"]
    assert all(math.isnan(chat[name]) for name in ("waiting_peak", "cache_peak", "first_p95_s", "tokens_per_s"))


def test_a_pod_that_is_gone_counts_for_its_workload_and_a_strangers_for_nobody() -> None:
    told = {
        "running": [*BUSY["running"], *((ago, GONE, 3.0) for ago in range(31, 61)), (5, STRANGER, 50.0)],
        "finished": [*BUSY["finished"], (40, GONE, 100.0), (5, STRANGER, 7000.0)],
    }
    found = board(sources(told))
    assert set(found.served["workload"]) == {"chat", "notebook"}
    assert found.served.set_index("workload").loc["chat", "finished"] == 1900.0
    assert found.strangers == 1
    mine = found.of(("tiny", "web", "chat"))
    assert set(mine["pod"]) == {"chat-0", "chat-9"}


def test_who_sees_a_team_sees_its_engines_and_no_number_of_others() -> None:
    told = {**BUSY, "running": [*BUSY["running"], (5, STRANGER, 50.0)]}
    mine = board(sources(told), replace(HOUR, sees=Sight(teams=frozenset({"research"}), namespaces=frozenset())))
    assert mine.served["workload"].tolist() == ["notebook"]
    assert set(mine.rows["workload"]) == {"notebook"}
    assert mine.strangers == 0
    assert set(mine.advice) == {("tiny", "lab", "notebook")}


def test_when_metrics_die_the_last_good_figures_stay_with_the_time_of_the_first_failure() -> None:
    clock = Clock(NOW)
    given = sources(BUSY, clock)
    before = serving.board(given, HOUR)
    assert before.problem is None
    given.clusters["tiny"] = replace(
        given.clusters["tiny"], metrics=metrics(BUSY, SourceUnavailable("prometheus", "It is away."))
    )
    failed = clock.forward(minutes=2)
    first = serving.board(given, HOUR)
    clock.forward(minutes=5)
    later = serving.board(given, HOUR)
    for reading in (first, later):
        assert reading.problem is not None
        assert (reading.problem.message, reading.problem.since) == ("It is away.", failed)
        assert reading.as_of == before.as_of
        assert reading.value is not None
        assert sorted(reading.value.served["finished"]) == [60.0, 1800.0]
    given.clusters["tiny"] = replace(given.clusters["tiny"], metrics=metrics(BUSY))
    clock.forward(minutes=1)
    assert serving.board(given, HOUR).problem is None


def test_a_finding_names_the_workload_that_queues_and_what_it_holds() -> None:
    told = {**BUSY, "waiting_peak": [(ago, CHAT, 25.0) for ago in range(1, 61)], "waiting": BUSY["running"][:60]}
    (found,) = serving.attention(sources(told), Scope())
    assert (found.title, found.gpus, found.cluster) == ("Requests wait in chat", 2.0, "tiny")
    assert found.params["serving_workload"] == "web/chat"


def test_the_strain_of_a_burst_is_the_queue_of_all_replicas_and_the_fullest_cache() -> None:
    told = {
        "waiting_peak": [(3, CHAT, 4.0), (3, GONE, 5.0), (2, CHAT, 1.0), (3, LAB, 90.0)],
        "cache_peak": [(3, CHAT, 0.5), (3, GONE, 0.97), (2, CHAT, 0.4), (3, LAB, 1.0)],
    }
    given = sources(told)
    end = NOW.replace(second=0)
    strained = serving.strain(given, given.clusters["tiny"], "web", "chat", end - timedelta(minutes=10), end)
    assert strained is not None
    assert strained[["waiting", "cache"]].to_numpy().tolist() == [[9.0, 0.97], [1.0, 0.4]]
    at = [end - timedelta(minutes=2), end - timedelta(minutes=1)]  # a value stands at the end of its minute
    assert strained["at"].tolist() == at


def test_of_a_workload_nobody_tells_of_no_strain_is_known() -> None:
    given = sources(BUSY)
    end = NOW.replace(second=0)
    tiny_ = given.clusters["tiny"]
    assert serving.strain(given, tiny_, "web", "chat", end - timedelta(minutes=10), end) is None
    broken = replace(tiny_, metrics=metrics(BUSY, SourceUnavailable("prometheus", "It is away.")))
    assert serving.strain(given, broken, "web", "chat", end - timedelta(minutes=10), end) is None
    assert serving.strain(given, replace(tiny_, metrics=None), "web", "chat", end - timedelta(minutes=10), end) is None
