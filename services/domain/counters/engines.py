"""Counters of inference engines. vLLM: ``v1/metrics/loggers.py``."""

from services.domain.counters.counter import Counter

_ENGINE = {"model": ("model_name",), "namespace": ("namespace",), "pod": ("pod",)}

ENGINES = (
    Counter("engine_prompt_tokens", "vllm:prompt_tokens_total", "Tokens an engine read", _ENGINE),
    Counter("engine_completion_tokens", "vllm:generation_tokens_total", "Tokens an engine wrote", _ENGINE),
)
