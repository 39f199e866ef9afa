"""What is found wrong in a LiteLLM configuration."""

import pytest

from services.domain.findings import Severity
from services.domain.litellm import read
from services.domain.litellm.lint import Known, hops, lint, parsed
from services.domain.litellm.words import TEXTS

SOUND = """\
model_list:
  - {model_name: a, litellm_params: {model: vllm/x, order: 1}}
  - {model_name: a, litellm_params: {model: openai/y, order: 2}}
  - {model_name: b, litellm_params: {model: azure/z}}
  - {model_name: b, litellm_params: {model: openai/z}}
router_settings:
  fallbacks: [{a: [b]}]
  timeout: 60
"""


def codes(text: str, known: Known | None = None) -> list[str]:
    return [one.code for one in lint(read(text), known)]


def test_a_sound_file_has_no_findings() -> None:
    assert codes(SOUND) == []


@pytest.mark.parametrize(
    ("was", "now", "code", "place"),
    [
        ("[{a: [b]}]", "[{a: [c]}]", "unknown-group", "router_settings.fallbacks[0]"),
        ("[{a: [b]}]", "[{a: [b, b]}]", "target-twice", "router_settings.fallbacks[0]"),
        ("[{a: [b]}]", "[{a: [a, b]}]", "self", "router_settings.fallbacks[0]"),
        ("[{a: [b]}]", "[{a: [b]}, {b: [a]}]", "loop", "router_settings.fallbacks"),
        ("[{a: [b]}]", "[{a: [b]}, {a: [b]}]", "rule-twice", "router_settings.fallbacks[1]"),
        ("[{a: [b]}]", "[{a: b}]", "rule-shape", "router_settings.fallbacks[0]"),
        ("[{a: [b]}]", "[{a: [b], b: [a]}]", "rule-shape", "router_settings.fallbacks[0]"),
        ("[{a: [b]}]", "[{a: [{model: b}]}]", "own-parameters", "router_settings.fallbacks[0]"),
        ("  timeout: 60", "  max_fallbacks: 1\n  timeout: 60", "too-many-hops", "router_settings.max_fallbacks"),
        ("  timeout: 60\n", "", "no-timeout", "router_settings.timeout"),
        ("  timeout: 60", "  timeout: 60\n  retries: 3", "unknown-key", "router_settings.retries"),
        ("  timeout: 60", "  timeout: 60\n  daily_budget: 3", "unread-key", "router_settings.daily_budget"),
        ("  timeout: 60", "  timeout: 60\n  default_fallbacks: b", "default-not-a-list",
         "router_settings.default_fallbacks"),
        ("  timeout: 60", "  timeout: 60\nlitellm_settings:\n  fallbacks: [{b: [a]}]", "rule-hidden",
         "litellm_settings.fallbacks[0]"),
        ("  timeout: 60", "  timeout: 60\nlitellm_settings: {callbacks: [os.environ/X]}", "bare-environ",
         "litellm_settings.callbacks[0]"),
        ("  - {model_name: b, litellm_params: {model: openai/z}}\n", "", "single", "model_list[2]"),
        ("openai/y, order: 2}", "openai/y}", "no-order", "model_list[1]"),
        ("order: 2}}", "order: 2}, model_info: {priority: 1}}", "priority", "model_list[1].model_info.priority"),
        ("order: 2}}", "order: 2}, model_info: {tier: managed}}", "bad-tier", "model_list[1].model_info.tier"),
        ("order: 2}}", "order: 2, api_key: sk-1}}", "clear-text-keys", "model_list[1].litellm_params.api_key"),
    ],
)  # fmt: skip
def test_each_fault_is_found_at_its_place(was: str, now: str, code: str, place: str) -> None:
    text = SOUND.replace(was, now)
    assert text != SOUND
    assert (code, place) in [(one.code, one.place) for one in lint(read(text))]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Known("1.82.7"), ["malicious-version", "no-escalation"]),
        (Known("1.82.8"), ["malicious-version", "no-escalation"]),
        (Known("1.82.6"), ["no-escalation"]),
        (Known("1.83.0"), []),
        (Known("1.106.2", unpriced=frozenset({"#1 vllm/x"})), ["unpriced"]),
        (Known("1.106.2", idle=frozenset({"#3 azure/z"}), over="today"), ["dead-tier"]),
    ],
)
def test_what_the_process_tells_is_judged_too(known: Known, expected: list[str]) -> None:
    assert codes(SOUND, known) == expected


def test_hops_count_orders_and_groups() -> None:
    config = read(SOUND)
    assert (hops(config, "a"), hops(config, "a", escalates=False), hops(config, "b")) == (2, 1, 0)


def test_wildcards_and_aliases_are_groups() -> None:
    text = SOUND.replace("[{a: [b]}]", "[{a: [openai/gpt-4o, old]}]").replace("model_name: b", "model_name: openai/*")
    assert "unknown-group" not in codes(text + "  model_group_alias: {old: a}\n")


def test_the_most_urgent_comes_first_and_every_text_is_whole() -> None:
    text = SOUND.replace("[{a: [b]}]", "[{a: [c]}]").replace("  timeout: 60\n", "")
    assert [one.severity for one in lint(read(text))] == [Severity.CRITICAL, Severity.WARNING]
    assert all(says.endswith(".") and do.endswith(".") for _, says, do in TEXTS.values())


def test_versions_compare_as_numbers() -> None:
    assert parsed("1.106.2") > parsed("1.83.0")
    assert parsed("unknown") == ()
