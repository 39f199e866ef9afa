"""Engines as a real Prometheus holds them: names of versions and engines, parts of a process, and copies."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.adapters.prometheus import PrometheusMetrics
from services.ports import Metrics
from services.settings import MetricsAccess
from tests.integration.prom_server import Series, backfill, openmetrics, prometheus

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ELEVEN = TEN + HOUR
VLLM = {"job": "vllm", "instance": "10.0.8.1:8000", "namespace": "chat", "pod": "llama-a", "model_name": "llama"}
OLD = {"job": "vllm", "instance": "10.0.8.2:8000", "namespace": "chat", "pod": "llama-old", "model_name": "llama"}
SGLANG = {"job": "sgl", "instance": "10.0.8.3:30000", "namespace": "chat", "pod": "qwen-a", "model_name": "qwen"}
TGI = {"job": "tgi", "instance": "10.0.8.4:80", "namespace": "chat", "pod": "mistral-a"}
TRITON = {"job": "triton", "instance": "10.0.8.5:8002", "namespace": "chat", "pod": "rank-a", "model": "rank"}


def steady(value: float) -> Callable[[datetime], float]:
    return lambda _: value


def halves(first: float, second: float) -> Callable[[datetime], float]:
    """One value until half past, another from then on."""
    return lambda at: first if at < TEN + 30 * MINUTE else second


def growing(each_minute: float) -> Callable[[datetime], float]:
    return lambda at: each_minute * ((at - TEN) / MINUTE + 60)


def story() -> list[Series]:
    rank = [{**VLLM, "engine": number} for number in ("0", "1")]
    again = {**rank[0], "job": "kubernetes-pods"}
    tensor = [{**SGLANG, "tp_rank": number} for number in ("0", "1")]
    targets = ({key: one[key] for key in ("job", "instance", "namespace", "pod")} for one in
               (VLLM, OLD, SGLANG, TGI, TRITON, again))  # fmt: skip
    return [
        *(Series("up", target, 1.0) for target in targets),
        Series("vllm:num_requests_running", rank[0], halves(4.0, 8.0)),
        Series("vllm:num_requests_running", again, halves(4.0, 8.0)),
        Series("vllm:num_requests_running", rank[1], steady(3.0)),
        Series("vllm:kv_cache_usage_perc", rank[0], halves(0.5, 0.75)),
        Series("vllm:gpu_cache_usage_perc", rank[0], steady(0.99)),
        Series("vllm:kv_cache_usage_perc", rank[1], steady(0.25)),
        Series("vllm:generation_tokens_total", rank[0], growing(100.0)),
        Series("vllm:generation_tokens_total", again, growing(100.0)),
        Series("vllm:generation_tokens_total", rank[1], growing(50.0)),
        Series("vllm:gpu_cache_usage_perc", {**OLD, "engine": "0"}, steady(0.4)),
        *(Series("sglang:num_running_reqs", one, steady(6.0)) for one in tensor),
        *(Series("sglang:token_usage", one, steady(0.3)) for one in tensor),
        Series("sglang:num_queue_reqs", tensor[0], steady(2.0)),
        Series("tgi_batch_current_size", TGI, steady(5.0)),
        Series("tgi_queue_size", TGI, halves(0.0, 9.0)),
        Series("tgi_request_generated_tokens_sum", TGI, growing(30.0)),
        Series("nv_inference_pending_request_count", TRITON, steady(7.0)),
        Series("nv_inference_request_success", TRITON, growing(12.0)),
        Series("vllm:time_to_first_token_seconds_bucket", {**rank[0], "le": "0.5"}, growing(1.0)),
        Series("vllm:time_to_first_token_seconds_bucket", {**rank[0], "le": "+Inf"}, growing(2.0)),
        Series("vllm:time_per_output_token_seconds_bucket", {**OLD, "le": "+Inf"}, growing(3.0)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Metrics]:
    folder = tmp_path_factory.mktemp("serving")
    text = folder / "serving.om"
    text.write_text(openmetrics(story(), TEN - HOUR, ELEVEN, MINUTE))
    backfill(text, folder)
    with prometheus(folder) as url:
        source = PrometheusMetrics("prometheus", MetricsAccess(url), clock=lambda: ELEVEN)
        yield source
        source.close()


def told(metrics: Metrics, name: str, step: timedelta = HOUR) -> dict[tuple[str, ...], list[float]]:
    """Values of each step by model and pod, and by bound."""
    frame = metrics.grown(f"serving_{name}", TEN, ELEVEN, step).frame
    by = [one for one in ("model", "pod", "le") if one in frame]
    return {key: rows["value"].tolist() for key, rows in frame.groupby(by)}


def test_ranks_of_data_add_up_and_ranks_of_a_tensor_tell_the_same(metrics: Metrics) -> None:
    found = told(metrics, "running", 30 * MINUTE)
    assert found["llama", "llama-a"] == pytest.approx([7.0, 11.0], abs=0.2)
    assert found["qwen", "qwen-a"] == [6.0, 6.0]
    assert found["", "mistral-a"] == [5.0, 5.0]
    assert set(found) == {("llama", "llama-a"), ("qwen", "qwen-a"), ("", "mistral-a")}


def test_what_waits_by_the_name_each_engine_has(metrics: Metrics) -> None:
    assert told(metrics, "waiting_peak") == {
        ("qwen", "qwen-a"): [2.0], ("", "mistral-a"): [9.0], ("rank", "rank-a"): [7.0],
    }  # fmt: skip


def test_the_newer_name_of_a_cache_counts_and_the_older_where_it_is_alone(metrics: Metrics) -> None:
    assert told(metrics, "cache_peak") == {
        ("llama", "llama-a"): [0.75], ("llama", "llama-old"): [0.4], ("qwen", "qwen-a"): [0.3],
    }  # fmt: skip


def test_tokens_of_all_ranks_and_of_one_scrape_job(metrics: Metrics) -> None:
    assert told(metrics, "completion_tokens") == {
        ("llama", "llama-a"): [9000.0], ("", "mistral-a"): [1800.0],
    }  # fmt: skip
    assert told(metrics, "finished") == {("rank", "rank-a"): [720.0]}


def test_times_by_bound_and_by_the_older_name(metrics: Metrics) -> None:
    assert told(metrics, "first_token") == {("llama", "llama-a", "0.5"): [60.0], ("llama", "llama-a", "+Inf"): [120.0]}
    assert told(metrics, "each_token") == {("llama", "llama-old", "+Inf"): [180.0]}
