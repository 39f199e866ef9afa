"""Counters of a LiteLLM proxy: who answered, what failed, who was sent on, what it cost.

Read in ``integrations/prometheus.py`` (1.80 to 1.109) and seen in a running 1.106. A deployment's counters count
attempts, the proxy's count requests. ``group`` of what was answered is the group that answered, of what was lost the
one that was asked.
"""

from services.domain.counters.counter import Counter

_SPENT = {
    "model_group": ("requested_model", "model_group"),  # the group that answered, not the one that was asked
    "model": ("model", "litellm_model_name"),
    "provider": ("api_provider",),
    "team": ("team_alias", "team"),
    "key_alias": ("api_key_alias",),
}
_TEAM = {"team": ("team_alias", "team")}
_ERROR = {"status": ("exception_status",), "error": ("exception_class",)}
_BY = {"id": ("model_id",), "group": ("model_group", "requested_model")}
_SENT = {"asked": ("requested_model",), "to": ("fallback_model",), **_ERROR, **_TEAM}
_REPLICA = {"replica": ("pod", "instance")}

GATEWAY = (
    Counter("gateway_spend", "litellm_spend_metric_total", "US dollars the gateway counted; 0 without a price", _SPENT),
    Counter("gateway_requests", "litellm_requests_metric_total", "Requests that were answered", _SPENT),
    Counter("gateway_prompt_tokens", "litellm_input_tokens_metric_total", "Tokens of prompts", _SPENT),
    Counter("gateway_completion_tokens", "litellm_output_tokens_metric_total", "Tokens of answers", _SPENT),
    Counter(
        "fallback_answers", "litellm_deployment_success_responses_total", "Requests a deployment answered", _BY | _TEAM
    ),
    Counter("fallback_failures", "litellm_deployment_failure_responses_total", "Attempts that failed", _BY | _ERROR),
    Counter("fallback_hops", "litellm_deployment_successful_fallbacks_total", "Hops that led to an answer", _SENT),
    Counter(
        "fallback_lost",
        "litellm_proxy_failed_requests_metric_total",
        "Requests that nobody answered",
        {"group": ("requested_model",), **_ERROR, **_TEAM},
    ),
    Counter(
        "fallback_spend",
        "litellm_spend_metric_total",
        "US dollars by who answered",
        {"id": ("model_id",), **_TEAM},
    ),
    Counter(
        "fallback_cooldowns",
        "litellm_deployment_cooled_down_total",
        "Times a proxy took a deployment out of rotation for a while",
        {"id": ("model_id",), "status": ("exception_status",), **_REPLICA},
    ),
    Counter(
        "fallback_replica_answers",
        "litellm_deployment_success_responses_total",
        "Requests a deployment answered, by the proxy that sent them",
        {"id": ("model_id",), **_REPLICA},
    ),
    Counter(
        "fallback_latency",
        "litellm_request_total_latency_metric_bucket",
        "Requests by how long they took from end to end, cumulative by upper bound in seconds",
        {"id": ("model_id",), "le": ("le",)},
    ),
    Counter(
        "budget_provider_left",
        "litellm_provider_remaining_budget_metric",
        "US dollars that are left of a provider's budget",
        {"provider": ("api_provider",)},
        level="least",
    ),
    Counter(
        "budget_team_left",
        "litellm_remaining_team_budget_metric",
        "US dollars that are left of a team's budget",
        _TEAM,
        level="least",
    ),
    Counter(
        "budget_team_whole",
        "litellm_team_max_budget_metric",
        "US dollars of a team's budget",
        _TEAM,
        level="least",
    ),
    Counter(
        "budget_team_hours",
        "litellm_team_budget_remaining_hours_metric",
        "Hours until a team's budget begins anew",
        _TEAM,
        level="least",
    ),
)
