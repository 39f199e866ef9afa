"""Counters of inference engines: vLLM, SGLang, TGI, Triton.

vLLM: ``v1/metrics/loggers.py``; SGLang: ``srt/metrics/collector.py``; TGI: ``docs/source/reference/metrics.md``;
Triton: ``docs/user_guide/metrics.md``. A name is told by one engine alone, so the names of one thing never meet in a
process but for those vLLM gave up, which some versions tell beside the new ones.
"""

from services.domain.counters.counter import Counter

_ENGINE = {"model": ("model_name",), "namespace": ("namespace",), "pod": ("pod",)}
_MODEL = {"model": ("model_name", "model"), "namespace": ("namespace",), "pod": ("pod",)}
_BUCKETS = {**_MODEL, "le": ("le",)}
_TOGETHER = ("engine",)
"""vLLM's ranks of data parallelism, which serve requests of their own; SGLang's ranks of a tensor tell the same."""
_RUNNING = "vllm:num_requests_running", ("sglang:num_running_reqs", "tgi_batch_current_size")
_WAITING = (
    "vllm:num_requests_waiting",
    ("sglang:num_queue_reqs", "tgi_queue_size", "nv_inference_pending_request_count"),
)
_CACHE = "vllm:kv_cache_usage_perc", ("vllm:gpu_cache_usage_perc", "sglang:token_usage")

ENGINES = (
    Counter("engine_prompt_tokens", "vllm:prompt_tokens_total", "Tokens an engine read", _ENGINE),
    Counter("engine_completion_tokens", "vllm:generation_tokens_total", "Tokens an engine wrote", _ENGINE),
)

SERVING = (
    Counter(
        "serving_running",
        _RUNNING[0],
        "Requests an engine works at",
        _MODEL,
        level="mean",
        parts=_TOGETHER,
        also=_RUNNING[1],
    ),
    Counter(
        "serving_running_peak",
        _RUNNING[0],
        "Most requests an engine worked at",
        _MODEL,
        level="peak",
        parts=_TOGETHER,
        also=_RUNNING[1],
    ),
    Counter(
        "serving_waiting",
        _WAITING[0],
        "Requests that wait in an engine",
        _MODEL,
        level="mean",
        parts=_TOGETHER,
        also=_WAITING[1],
    ),
    Counter(
        "serving_waiting_peak",
        _WAITING[0],
        "Most requests that waited in an engine",
        _MODEL,
        level="peak",
        parts=_TOGETHER,
        also=_WAITING[1],
    ),
    Counter(
        "serving_cache_peak",
        _CACHE[0],
        "Share of the KV cache in use at most, 0..1 in spite of its name",
        _MODEL,
        level="peak",
        also=_CACHE[1],
    ),
    Counter(
        "serving_prompt_tokens",
        "vllm:prompt_tokens_total",
        "Tokens an engine read",
        _MODEL,
        also=("sglang:prompt_tokens_total", "tgi_request_input_length_sum"),
    ),
    Counter(
        "serving_completion_tokens",
        "vllm:generation_tokens_total",
        "Tokens an engine wrote",
        _MODEL,
        also=("sglang:generation_tokens_total", "tgi_request_generated_tokens_sum"),
    ),
    Counter(
        "serving_finished",
        "vllm:request_success_total",
        "Requests an engine finished",
        _MODEL,
        also=("sglang:num_requests_total", "tgi_request_success", "nv_inference_request_success"),
    ),
    Counter(
        "serving_preemptions",
        "vllm:num_preemptions_total",
        "Times a request had to give its KV cache back and begin anew",
        _MODEL,
        also=("sglang:num_retracted_requests_total",),
    ),
    Counter(
        "serving_first_token",
        "vllm:time_to_first_token_seconds_bucket",
        "Requests by the time to their first token, cumulative by upper bound in seconds",
        _BUCKETS,
        also=("sglang:time_to_first_token_seconds_bucket",),
    ),
    Counter(
        "serving_each_token",
        "vllm:inter_token_latency_seconds_bucket",
        "Tokens by the time since the one before, cumulative by upper bound in seconds",
        _BUCKETS,
        also=(
            "vllm:time_per_output_token_seconds_bucket",
            "sglang:inter_token_latency_seconds_bucket",
            "sglang:time_per_output_token_seconds_bucket",
            "tgi_request_mean_time_per_token_duration_bucket",
        ),
    ),
)
