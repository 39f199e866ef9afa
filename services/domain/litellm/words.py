"""The words of the findings about a LiteLLM configuration, and the settings its router knows."""

from services.domain.findings import Severity

TEXTS: dict[str, tuple[Severity, str, str]] = {
    "malicious-version": (
        Severity.CRITICAL,
        "The proxy runs LiteLLM {version}, which carried code that steals credentials.",
        "Stop it, change every key it could read, and install another version.",
    ),
    "default-not-a-list": (
        Severity.CRITICAL,
        "The default fallbacks are one word; LiteLLM reads its letters as groups, or does not start.",
        "Write a list: [name].",
    ),
    "rule-shape": (
        Severity.CRITICAL,
        "LiteLLM cannot read this rule: {wrong}.",
        "Write one group and its list: {{group: [other, another]}}.",
    ),
    "own-parameters": (
        Severity.NOTICE,
        "This rule has entries with parameters of their own; it is shown and cannot be edited here.",
        "Edit it by hand.",
    ),
    "bare-environ": (
        Severity.WARNING,
        "LiteLLM does not resolve os.environ/… as an item of a list; it stays that text.",
        "Put it under a key, or write the value.",
    ),
    "rule-twice": (Severity.WARNING, "{group} has a rule before this one, which counts.", "Remove one of them."),
    "rule-hidden": (Severity.WARNING, "router_settings.{kind} hides this list: it is not read.", "Keep one list."),
    "self": (
        Severity.WARNING,
        "{group} falls back to itself, which LiteLLM skips.",
        "Remove it from its own list.",
    ),
    "unknown-group": (
        Severity.CRITICAL,
        "No deployment has the model group {name}: requests sent there fail.",
        "Correct the name, or add a deployment.",
    ),
    "target-twice": (Severity.NOTICE, "{name} is in this list twice; the second is skipped.", "Remove one."),
    "too-many-hops": (
        Severity.WARNING,
        "{group} can be sent on {number} times and at most {most} are allowed: the last may never be tried.",
        "Raise max_fallbacks or shorten the chain.",
    ),
    "single": (
        Severity.WARNING,
        "{group} has one deployment, nothing behind it and so no breaker: when it fails, requests fail.",
        "Add a fallback group.",
    ),
    "no-escalation": (
        Severity.WARNING,
        "LiteLLM {version} sends failed requests of {group} to the next order only once the first has cooled down.",
        "Upgrade to 1.83 or later.",
    ),
    "loop": (
        Severity.NOTICE,
        "These fall back to each other: {ring}. When all fail, old versions try them again and again.",
        "End the chain at the group you trust most.",
    ),
    "no-order": (
        Severity.WARNING,
        "{name} has no order while others of {group} have: it gets requests only when all of those have cooled down.",
        "Give it an order.",
    ),
    "priority": (
        Severity.WARNING,
        "LiteLLM does not read model_info.priority.",
        "Use litellm_params.order, lowest first.",
    ),
    "bad-tier": (
        Severity.CRITICAL,
        "model_info.tier is {tier}; LiteLLM knows free and paid only, and leaves {name} out without failing.",
        "Remove the tier, or name the key otherwise.",
    ),
    "unpriced": (
        Severity.NOTICE,
        "{name} has no price: its spend counts as zero and no budget stops it.",
        "Set input_cost_per_token and output_cost_per_token.",
    ),
    "dead-tier": (
        Severity.NOTICE,
        "{name} answered nothing {over}: nobody knows whether it would.",
        "Send it a request, or take it out.",
    ),
    "no-timeout": (
        Severity.WARNING,
        "No timeout is set, so a silent provider holds a request for 6000 seconds before the next tier is tried.",
        "Set router_settings.timeout, such as 120.",
    ),
    "unknown-key": (
        Severity.NOTICE,
        "The router has no setting {name}: LiteLLM ignores it.",
        "Correct or remove it.",
    ),
    "unread-key": (
        Severity.WARNING,
        "LiteLLM has no setting {name}.",
        "Budgets are max_budget with budget_duration, or provider_budget_config.",
    ),
    "clear-text-keys": (
        Severity.WARNING,
        "Keys stand in the ConfigMap in clear text ({number}).",
        "Keep them in a Secret and write os.environ/NAME.",
    ),
}
"""Code → how urgent, what is so, what to do."""

ROUTER_KEYS = frozenset({
    "alerting_config", "allowed_fails", "allowed_fails_policy", "assistants_config",
    "background_health_check_model_groups", "cache_kwargs", "cache_responses", "caching_groups", "client_ttl",
    "content_policy_fallbacks", "context_window_fallbacks", "cooldown_time", "debug_level", "default_fallbacks",
    "default_litellm_params", "default_max_parallel_requests", "default_priority",
    "deployment_affinity_ttl_seconds", "disable_cooldowns", "enable_health_check_routing", "enable_pre_call_checks",
    "enable_tag_filtering", "enable_weighted_failover", "fallbacks", "guardrail_list",
    "health_check_ignore_transient_errors", "health_check_staleness_threshold", "ignore_invalid_deployments",
    "max_fallbacks", "max_retries", "model_group_affinity_config", "model_group_alias", "model_group_retry_policy",
    "num_retries", "optional_pre_call_checks", "plugins", "polling_interval", "provider_budget_config", "redis_db",
    "redis_host", "redis_password", "redis_port", "redis_url", "retry_after", "retry_policy",
    "router_general_settings", "routing_groups", "routing_strategy", "routing_strategy_args", "search_tools",
    "semaphore", "set_verbose", "stream_timeout", "tag_filtering_match_any", "tag_routing_prefix", "timeout",
    "weights",
})  # fmt: skip
"""Arguments of ``Router.__init__`` in 1.55-1.109; any other key under ``router_settings`` is ignored."""
