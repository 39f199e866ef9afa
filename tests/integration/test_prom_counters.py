"""Counters of a real Prometheus: what LiteLLM, vLLM and OpenCost export, and how much it grew, to the token."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.prometheus import PrometheusMetrics
from services.domain.counters import COUNTERS
from services.errors import SourceUnavailable
from services.ports import Metrics
from services.settings import MetricsAccess
from tests.integration.prom_server import DATA, Series, backfill, free_port, openmetrics, prometheus

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ELEVEN, NOON, ONE = TEN + HOUR, TEN + 2 * HOUR, TEN + 3 * HOUR
LONG_AGO = (TEN - timedelta(days=30)).timestamp()

_LINE = re.compile(r"^([\w:]+)\{(.*)\}\s+(\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Shape = Callable[[datetime], float | None]
"""What a counter shows, as a multiple of its value in the file; None where it is not there."""


def doubling(at: datetime) -> float:
    """At 10:00 what the file says, at 11:00 twice as much, and no more."""
    return 1.0 + min(max((at - TEN) / HOUR, 0.0), 1.0)


def from_eleven(at: datetime) -> float | None:
    """There from 11:20 on, with what the file says."""
    return 1.0 if at >= ELEVEN + 20 * MINUTE else None


def process(job: str, instance: str, *, pod: str = "", namespace: str = "") -> dict[str, str]:
    return {"job": job, "instance": instance, "pod": pod, "namespace": namespace}


def up(target: dict[str, str], since: datetime = TEN - HOUR, until: datetime = ONE) -> Series:
    return Series("up", target, lambda at: 1.0 if since <= at <= until else None)


def sample(file: str, target: dict[str, str], shape: Shape) -> list[Series]:
    """The series of a file as one process exports them, moving as ``shape`` says."""
    found = []
    for line in (DATA / file).read_text().splitlines():
        match = _LINE.match(line)
        if match:
            value = float(match[3])
            found.append(Series(match[1], {**dict(_LABEL.findall(match[2])), **target}, _scaled(value, shape)))
    return found


def _scaled(value: float, shape: Shape) -> Callable[[datetime], float | None]:
    def at(instant: datetime) -> float | None:
        factor = shape(instant)
        return None if factor is None else value * factor

    return at


def spend(labels: dict[str, str], values: Callable[[datetime], float | None]) -> Series:
    return Series("litellm_spend_metric_total", labels, values)


LITELLM = process("litellm", "10.0.3.7:4000", pod="litellm-0", namespace="ai")
AGAIN = process("kubernetes-pods", "10.0.3.7:4000")
OTHER = process("litellm", "10.0.3.8:4000", pod="litellm-1", namespace="ai")
CAPTURED = process("litellm-edge", "10.0.4.1:4000", pod="edge-0", namespace="edge")
OLD = process("litellm-old", "10.0.5.1:4000")
RESTARTED = process("litellm-tried", "10.0.6.1:4000")
UNSEEN = process("litellm-found", "10.0.7.1:4000")
VLLM = process("vllm", "10.0.8.1:8000", pod="chat-8b-a", namespace="assistants-prod")
YOUNG = process("vllm", "10.0.8.2:8000", pod="chat-8b-b", namespace="assistants-prod")
FOUND = process("vllm", "10.0.8.3:8000", pod="chat-8b-c", namespace="assistants-prod")


def restarting(at: datetime) -> float | None:
    """3 dollars until 11:29, away for five minutes, then from 0 at 11:35 a cent a minute; 0.25 at noon."""
    if at < ELEVEN + 30 * MINUTE:
        return 3.0
    return None if at < ELEVEN + 35 * MINUTE else 0.01 * ((at - ELEVEN - 35 * MINUTE) / MINUTE)


def away(at: datetime) -> float | None:
    """7 dollars, not scraped from 11:10 to 11:39, then 8."""
    if ELEVEN + 10 * MINUTE <= at < ELEVEN + 40 * MINUTE:
        return None
    return 7.0 if at < ELEVEN + 10 * MINUTE else 8.0


def story() -> list[Series]:
    old = {"model": "gpt-4o", "team": "t-1", "end_user": "None", "user": "u", "hashed_api_key": "h", **OLD}
    tried = {"model": "restarted", "requested_model": "tried", **RESTARTED}
    gap = {"model": "away", "requested_model": "tried", **RESTARTED}
    engine = {"model_name": "m", "engine": "1", **VLLM}
    node = {"instance_type": "p5.48xlarge", "job": "opencost", "instance": "10.0.9.1:9003"}
    return [
        *(up(target) for target in (LITELLM, AGAIN, CAPTURED, OLD, RESTARTED, VLLM)),
        up(OTHER, ELEVEN - 5 * MINUTE),
        up(UNSEEN, ELEVEN + 30 * MINUTE),
        up(YOUNG, ELEVEN + 30 * MINUTE),
        up(FOUND, ELEVEN + 30 * MINUTE),
        Series("process_start_time_seconds", UNSEEN, LONG_AGO),
        Series("process_start_time_seconds", FOUND, LONG_AGO),
        Series("process_start_time_seconds", YOUNG, (ELEVEN + 25 * MINUTE).timestamp()),
        *sample("litellm/spend_1_109_1.prom", LITELLM, doubling),
        *sample("litellm/spend_1_109_1.prom", AGAIN, doubling),
        *sample("litellm/spend_1_106_captured.prom", CAPTURED, from_eleven),
        spend(old, lambda at: 5.0 + doubling(at)),
        spend(tried, restarting),
        spend(gap, away),
        spend({"model": "long-there", "requested_model": "found", **UNSEEN}, lambda at: 900.0 if at >= NOON else None),
        *sample("vllm/tokens_v1.prom", VLLM, doubling),
        Series("vllm:prompt_tokens_total", engine, lambda at: 1000.0 * doubling(at)),
        *sample("vllm/tokens_v1.prom", YOUNG, lambda at: from_eleven(at - 10 * MINUTE)),
        *sample("vllm/tokens_v1.prom", FOUND, lambda at: from_eleven(at - 10 * MINUTE)),
        Series(
            "litellm_provider_remaining_budget_metric", {"api_provider": "openai", **LITELLM}, lambda at: 90.0 - at.hour
        ),
        Series(
            "litellm_provider_remaining_budget_metric", {"api_provider": "openai", **OTHER}, lambda at: 85.0 - at.hour
        ),
        Series("node_total_hourly_cost", {"node": "n1", **node}, lambda at: 55.0 if at <= TEN + 30 * MINUTE else 35.0),
        Series("node_total_hourly_cost", {"exported_instance": "n2", **node}, 2.0),
    ]


@dataclass(frozen=True)
class Server:
    url: str
    metrics: Metrics


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("counters")
    text = folder / "counters.om"
    text.write_text(openmetrics(story(), TEN - HOUR, ONE, MINUTE))
    backfill(text, folder)
    with prometheus(folder) as url:
        metrics = PrometheusMetrics("prometheus", MetricsAccess(url), clock=lambda: ONE)
        yield Server(url, metrics)
        metrics.close()


def told(metrics: Metrics, counter: str, begin: datetime = TEN, end: datetime = ELEVEN) -> dict[tuple[str, ...], float]:
    """What a counter gained in a span, by its dimensions."""
    frame = metrics.grown(counter, begin, end, end - begin).frame
    assert frame.columns.tolist() == list(COUNTERS[counter].columns)
    assert frame["at"].eq(end).all()
    names = [frame[name] for name in COUNTERS[counter].dimensions]
    return dict(zip(zip(*names, strict=True), frame["value"].round(9), strict=True))


LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def by_key(found: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {names: value for names, value in found.items() if names[4].startswith("svc-")}


def test_spend_of_1_109_is_what_its_counters_gained_once_for_two_scrape_jobs(server):
    found = by_key(told(server.metrics, "gateway_spend"))
    assert found == {
        ("chat", LLAMA, "hosted_vllm", "team-a", "svc-chat"): 2.856,
        ("chat", "gpt-4o-mini", "openai", "team-a", "svc-chat"): 0.917,
        ("chat-large", "gpt-4o", "azure", "team-a", "svc-chat"): 6.426,
        ("chat", LLAMA, "hosted_vllm", "team-b", "svc-batch"): 1.224,
        ("chat", "gpt-4o-mini", "openai", "team-b", "svc-batch"): 0.393,
        ("chat-large", "gpt-4o", "azure", "team-b", "svc-batch"): 2.754,
    }
    assert sum(found.values()) == pytest.approx(14.57)


@pytest.mark.parametrize(
    ("counter", "chat", "large"),
    [
        ("gateway_requests", 7140 + 1092, 714),
        ("gateway_prompt_tokens", 4_270_000 + 655_200, 428_400),
        ("gateway_completion_tokens", 1_428_000 + 218_400, 214_200),
    ],
)
def test_requests_and_tokens_of_1_109_are_what_its_counters_gained(server, counter, chat, large):
    found = {names: value for names, value in told(server.metrics, counter).items() if names[4] == "svc-chat"}
    groups = {
        group: sum(value for names, value in found.items() if names[0] == group) for group in ("chat", "chat-large")
    }
    assert groups == {"chat": pytest.approx(chat), "chat-large": pytest.approx(large)}


def test_the_first_requests_of_1_106_count_from_nothing_and_none_is_no_name(server):
    groups = {
        "gateway_spend": (0.0, 0.00018, 0.0002625),
        "gateway_requests": (3, 4, 3),
        "gateway_prompt_tokens": (300, 400, 300),
        "gateway_completion_tokens": (150, 200, 150),
    }
    for counter, (own, openai, haiku) in groups.items():
        found = told(server.metrics, counter, ELEVEN, NOON)
        assert found["chat-large", "llama-3-70b", "openai", "", ""] == pytest.approx(own)
        assert found["chat-large", "gpt-4o-mini", "openai", "", ""] == pytest.approx(openai)
        assert found["chat-haiku", "claude-3-haiku", "openai", "", ""] == pytest.approx(haiku)


def test_labels_a_version_lacks_are_empty_and_an_alias_that_is_missing_is_its_id(server):
    assert told(server.metrics, "gateway_spend")["", "gpt-4o", "", "t-1", ""] == pytest.approx(1.0)


def test_what_did_not_grow_is_zero_and_what_was_not_there_has_no_row(server):
    found = told(server.metrics, "gateway_spend", ELEVEN, NOON)
    assert found["chat", "gpt-4o-mini", "openai", "team-a", "svc-chat"] == 0.0
    assert ("chat-haiku", "claude-3-haiku", "openai", "", "") not in told(server.metrics, "gateway_spend")


def test_a_counter_that_began_anew_grew_by_what_it_shows_since(server):
    assert told(server.metrics, "gateway_spend", ELEVEN, NOON)["tried", "restarted", "", "", ""] == pytest.approx(0.25)


def test_what_grew_while_nobody_looked_is_booked_when_somebody_does(server):
    found = server.metrics.grown("gateway_spend", ELEVEN, NOON, 10 * MINUTE).frame
    own = found[found["model"].eq("away")]
    assert dict(zip(own["at"], own["value"], strict=True)) == {
        ELEVEN + 10 * MINUTE: 0.0,
        ELEVEN + 40 * MINUTE: 1.0,
        ELEVEN + 50 * MINUTE: 0.0,
        NOON: 0.0,
    }


def test_a_new_series_of_a_known_process_is_new_and_one_found_with_its_process_only_starts_there(server):
    first = server.metrics.grown("gateway_spend", ELEVEN, ONE, HOUR).frame
    new = first[first["model"].eq("long-there")]
    assert new["value"].tolist() == [900.0, 0.0]
    engines = told(server.metrics, "engine_prompt_tokens", ELEVEN, NOON)
    assert engines[LLAMA, "assistants-prod", "chat-8b-c"] == 0.0


def test_tokens_of_engines_are_those_of_their_pods_and_a_young_one_counts_from_nothing(server):
    assert told(server.metrics, "engine_prompt_tokens") == {
        (LLAMA, "assistants-prod", "chat-8b-a"): 181_042.0,
        ("m", "assistants-prod", "chat-8b-a"): 1000.0,
    }
    assert told(server.metrics, "engine_completion_tokens", ELEVEN, NOON) == {
        (LLAMA, "assistants-prod", "chat-8b-a"): 0.0,
        (LLAMA, "assistants-prod", "chat-8b-b"): 27_453.0,
        (LLAMA, "assistants-prod", "chat-8b-c"): 0.0,
    }


def test_a_price_is_its_mean_by_the_node_it_is_of(server):
    assert told(server.metrics, "node_price") == {("n1",): 45.0, ("n2",): 2.0}


def test_what_is_left_of_a_budget_is_the_least_that_a_process_saw_last(server):
    assert told(server.metrics, "budget_provider_left") == {("openai",): 74.0}  # at eleven itself, of the second


@pytest.mark.parametrize("counter", ["gateway_spend", "engine_prompt_tokens"])
def test_steps_add_up_to_the_whole(server, counter):
    names = list(COUNTERS[counter].dimensions)
    whole = server.metrics.grown(counter, TEN, ONE, 3 * HOUR).frame.set_index(names)["value"]
    for step in (MINUTE, 15 * MINUTE, HOUR):
        parts = server.metrics.grown(counter, TEN, ONE, step).frame.groupby(names)["value"].sum()
        assert parts.sort_index().to_dict() == pytest.approx(whole.sort_index().to_dict())


def test_nobody_is_asked_for_who_sent_requests_or_from_where(server):
    from services.adapters.prom_counters import question

    for counter in COUNTERS.values():
        text, labels = question(counter, HOUR, ('cluster="east"',))
        assert not {"user", "user_email", "end_user", "client_ip", "user_agent", "hashed_api_key"} & set(labels)
        names = (counter.metric, *counter.also)
        series = sum(text.count(f"{name}{{") for name in names)
        assert series >= len(names)
        assert text.count('cluster="east"') == series + (0 if counter.gauge else 2 * len(names))


def test_a_counter_nobody_exports_has_no_rows_and_a_dead_source_says_so(server):
    only = MetricsAccess(server.url, matchers={"cluster": "elsewhere"})
    elsewhere = PrometheusMetrics("prometheus", only, clock=lambda: ONE)
    dead = PrometheusMetrics("prometheus", MetricsAccess(f"http://127.0.0.1:{free_port()}"), clock=lambda: ONE)
    for counter in COUNTERS.values():
        frame = elsewhere.grown(counter.id, TEN, ELEVEN, HOUR).frame
        assert frame.empty
        assert frame.dtypes.astype(str).to_dict() == counter.columns
        with pytest.raises(SourceUnavailable):
            dead.grown(counter.id, TEN, ELEVEN, HOUR)
    elsewhere.close()
    dead.close()
