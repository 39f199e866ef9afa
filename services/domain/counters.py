"""What is counted for money: counters of gateways and engines, and prices others work out, by our own names.

Metrics and labels: LiteLLM ``integrations/prometheus.py`` (1.80 to 1.109), vLLM ``v1/metrics/loggers.py``, OpenCost
``pkg/costmodel/metrics.go``. Labels came and went with LiteLLM's versions, and operators can remove some, so a
dimension names several, best first. Labels that name people or their machines (``user``, ``user_email``, ``end_user``,
``client_ip``, ``user_agent``, ``hashed_api_key``) are in no dimension, and nothing asks for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Counter:
    """Something that only grows while its process lives, or with ``gauge`` a level whose mean is wanted.

    ``dimensions``: the columns of an answer, each with the labels it is taken from.
    """

    id: str
    metric: str
    help: str
    dimensions: Mapping[str, tuple[str, ...]]
    gauge: bool = False

    @property
    def columns(self) -> dict[str, str]:
        """Columns of an answer: ``at`` is the END of a step; a dimension whose labels are missing is ""."""
        return {"at": "datetime64[us, UTC]", **dict.fromkeys(self.dimensions, "str"), "value": "float64"}


_GATEWAY = {
    "model_group": ("requested_model", "model_group"),  # the group that answered, not the one that was asked
    "model": ("model", "litellm_model_name"),
    "provider": ("api_provider",),
    "team": ("team_alias", "team"),
    "key_alias": ("api_key_alias",),
}
_ENGINE = {"model": ("model_name",), "namespace": ("namespace",), "pod": ("pod",)}

_COUNTERS = (
    Counter(
        "gateway_spend", "litellm_spend_metric_total", "US dollars the gateway counted; 0 without a price", _GATEWAY
    ),
    Counter("gateway_requests", "litellm_requests_metric_total", "Requests that were answered", _GATEWAY),
    Counter("gateway_prompt_tokens", "litellm_input_tokens_metric_total", "Tokens of prompts", _GATEWAY),
    Counter("gateway_completion_tokens", "litellm_output_tokens_metric_total", "Tokens of answers", _GATEWAY),
    Counter("engine_prompt_tokens", "vllm:prompt_tokens_total", "Tokens an engine read", _ENGINE),
    Counter("engine_completion_tokens", "vllm:generation_tokens_total", "Tokens an engine wrote", _ENGINE),
    Counter(
        "node_price",
        "node_total_hourly_cost",
        "US dollars an hour OpenCost counts a whole node at",
        # scraped without honorLabels its ``instance``, which is the node too, is renamed
        {"node": ("node", "exported_instance")},
        gauge=True,
    ),
    Counter(
        "gpu_price",
        "node_gpu_hourly_cost",
        "US dollars an hour OpenCost counts one GPU of a node at",
        {"node": ("node", "exported_instance")},
        gauge=True,
    ),
)

COUNTERS: dict[str, Counter] = {counter.id: counter for counter in _COUNTERS}


def ends(begin: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """The ends of the steps from ``begin`` to ``end``. Raises ValueError unless all are whole minutes and steps fit."""
    whole = not any(at.second or at.microsecond for at in (begin, end)) and not step % MINUTE
    if not whole or step < MINUTE or end < begin or (end - begin) % step:
        raise ValueError("begin, end and step are whole minutes, and the span is a whole number of steps")
    return [begin + step * number for number in range(1, (end - begin) // step + 1)]
