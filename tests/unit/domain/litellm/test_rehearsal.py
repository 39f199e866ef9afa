"""Who may answer a request that is made to fail, and what it may cost."""

import pytest

from services.domain import litellm
from services.domain.litellm import rehearsal
from services.domain.litellm.rehearsal import FAILS, LENGTH, NORMAL, POLICY

FILE = """\
model_list:
  - {model_name: chat, litellm_params: {model: hosted_vllm/llama, order: 1}, model_info: {id: own}}
  - {model_name: chat, litellm_params: {model: openai/mini, order: 2}, model_info: {id: cloud}}
  - {model_name: chat, litellm_params: {model: openai/last}, model_info: {id: unordered}}
  - {model_name: large, litellm_params: {model: azure/large, order: 1}, model_info: {id: large-1}}
  - {model_name: large, litellm_params: {model: azure/large, order: 2}, model_info: {id: large-2}}
  - {model_name: last, litellm_params: {model: openai/last}, model_info: {id: last-1}}
  - {model_name: alone, litellm_params: {model: openai/alone}, model_info: {id: alone-1}}
router_settings:
  fallbacks: [{chat: [large]}, {large: [last, chat]}]
"""


def keys(text: str, mode: str, group: str = "chat") -> list[str]:
    return [stop.key for stop in rehearsal.way(litellm.read(text), group, mode)]


def test_as_usual_every_tier_may_answer_and_then_every_group_of_the_chain() -> None:
    assert keys(FILE, NORMAL) == ["own", "cloud", "unordered", "large-1", "large-2", "last-1"]


def test_when_the_first_tier_fails_only_higher_orders_and_the_groups_are_asked() -> None:
    # a deployment without an order is in no order that is tried next
    assert keys(FILE, FAILS) == ["cloud", "large-1", "large-2", "last-1"]
    stops = rehearsal.way(litellm.read(FILE), "chat", FAILS)
    assert [(one.group, one.rank) for one in stops] == [("chat", 2), ("large", 1), ("large", 2), ("last", 1)]


def test_without_orders_a_failing_group_goes_to_its_groups_at_once() -> None:
    assert keys(FILE, FAILS, "last") == []
    text = FILE.replace("{large: [last, chat]}", "{last: [alone]}")
    assert keys(text, FAILS, "last") == ["alone-1"]


def test_a_group_that_falls_back_to_itself_in_a_ring_ends() -> None:
    assert keys(FILE.replace("[last, chat]", "[chat]"), FAILS) == ["cloud", "large-1", "large-2"]


@pytest.mark.parametrize("mode", [LENGTH, POLICY])
def test_a_prompt_too_long_or_refused_goes_to_groups_and_never_to_another_order(mode: str) -> None:
    assert keys(FILE, mode) == ["large-1", "large-2", "last-1"]


@pytest.mark.parametrize(("mode", "kind"), [(LENGTH, "context_window_fallbacks"), (POLICY, "content_policy_fallbacks")])
def test_rules_of_a_kind_hide_those_for_errors_from_every_group(mode: str, kind: str) -> None:
    text = FILE + f"  {kind}: [{{alone: [last]}}]\n"
    assert keys(text, mode) == []
    assert keys(text, mode, "alone") == ["last-1"]
    assert keys(text, FAILS) == keys(FILE, FAILS)


def test_defaults_stand_in_for_groups_without_a_rule() -> None:
    text = FILE + "  default_fallbacks: [last]\n"
    assert keys(text, FAILS, "alone") == ["last-1"]
    assert keys(text, LENGTH, "alone") == ["last-1"]
    assert keys(FILE, FAILS, "alone") == []


def test_what_is_out_of_rotation_is_not_asked_and_keeps_its_order() -> None:
    text = FILE.replace("{id: own}", "{id: own, blocked: true}")
    assert keys(text, NORMAL)[0] == "cloud"
    assert keys(text, FAILS)[0] == "cloud"
    assert keys(FILE.replace("{id: cloud}", "{id: cloud, blocked: true}"), FAILS)[0] == "large-1"


def test_aliases_are_followed_and_no_hops_are_no_hops() -> None:
    assert keys(FILE.replace("[large]", "[big]") + "  model_group_alias: {big: alone}\n", LENGTH) == ["alone-1"]
    text = FILE + "  max_fallbacks: 0\n"
    assert (keys(text, FAILS), keys(text, NORMAL)) == ([], ["own", "cloud", "unordered"])


def test_the_most_is_the_dearest_answer_there_may_be() -> None:
    assert rehearsal.most([(1e-6, 2e-6), (0.0, 0.0), None]) == pytest.approx(64 * 1e-6 + 5 * 2e-6)
    # another may be dearer by its answers
    assert rehearsal.most([(1e-6, 0.0), (0.0, 1e-4)]) == pytest.approx(5e-4)
    assert rehearsal.most([None]) is None
    assert rehearsal.most([]) is None


@pytest.mark.parametrize(
    ("model", "info", "says"),
    [
        ("hosted_vllm/llama", "mode: embedding", "chat is for embedding"),
        ("hosted_vllm/llama", "mode: image_generation", "chat is for image generation"),
        ("openai/text-embedding-3-small", "tier: x", "text-embedding-3-small in chat does not look like a chat model"),
        ("hosted_vllm/BAAI/bge-m3", "tier: x", "does not look like a chat model"),
        ("cohere/rerank-v3.5", "tier: x", "does not look like a chat model"),
        ("openai/whisper-1", "tier: x", "does not look like a chat model"),
        ("openai/my-embedder-that-talks", "mode: chat", ""),
        ("hosted_vllm/meta-llama/Llama-3.3-70B-Instruct", "tier: x", ""),
        ("openai/gpt-4o-mini", "tier: x", ""),
    ],
)
def test_only_chat_is_rehearsed(model: str, info: str, says: str) -> None:
    text = f"model_list:\n  - {{model_name: chat, litellm_params: {{model: {model}}}, model_info: {{{info}}}}}\n"
    said = rehearsal.not_chat(litellm.read(text), "chat")
    assert (says in said) if says else said == ""


def test_a_model_only_the_process_knows_is_looked_at_too() -> None:
    config = litellm.read("model_list:\n  - {model_name: chat, litellm_params: {model: os.environ/MODEL}}\n")
    assert rehearsal.not_chat(config, "chat") == ""
    assert "nomic-embed-text" in rehearsal.not_chat(config, "chat", ["ollama/nomic-embed-text"])


@pytest.mark.parametrize(("value", "mocks"), [("true", True), ("false", False), ('"true"', False), ("1", False)])
def test_failures_may_be_asked_for_where_the_file_says_true_itself(value: str, mocks: bool) -> None:
    text = f"general_settings:\n  dangerously_allow_mock_testing_request_params: {value}\n"
    assert litellm.read(text).mocks is mocks
    assert litellm.read("model_list: []\n").mocks is False
