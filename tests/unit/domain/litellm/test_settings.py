"""Settings of the router, strategies, rotation and presets: read, edited, and taken back to the byte."""

import math
from dataclasses import replace
from typing import Any

import pytest

from services.domain import litellm
from services.domain.litellm import Chain, Place, presets, yamltext
from services.domain.litellm.edits import edits, ranks
from services.domain.litellm.settings import Grouped
from services.errors import Refused

TEXT = """\
model_list:
  - model_name: chat   # ours
    litellm_params: {model: hosted_vllm/llama, api_base: "http://vllm.llm:8000", order: 1}
    model_info: {id: own}
  - model_name: chat
    litellm_params:
      model: openai/gpt
      order: 2
      input_cost_per_token: 0.000002
      output_cost_per_token: 0.00001
  - model_name: other
    litellm_params: {model: azure/x}
    model_info:
      id: azure
      blocked: true   # on holiday
  - model_name: other
    litellm_params: {model: azure/y}
router_settings:
  num_retries: 3   # twice is not enough
  timeout: 30.5
  disable_cooldowns: "yes"
litellm_settings:
  num_retries: 9
  request_timeout: 600
  allowed_fails: 4
"""


def after(text: str = TEXT, *chains: Chain, **wanted: Any) -> str:
    """The text after the edits; undone, it is the same bytes."""
    made = edits(text, chains, **wanted)
    changed = yamltext.apply(text, made)
    assert yamltext.apply(changed, yamltext.inverse(text, made)) == text
    return changed


def test_the_routers_section_counts_and_the_other_where_it_is_silent():
    config = litellm.read(TEXT)
    assert config.settings == {"num_retries": 3.0, "timeout": 30.5, "allowed_fails": 4.0}
    assert config.unusable == ("disable_cooldowns",)


def test_a_setting_is_changed_where_it_stands_and_its_comment_stays():
    changed = after(settings={"num_retries": 1.0})
    assert changed == TEXT.replace("num_retries: 3   #", "num_retries: 1   #")


def test_a_setting_that_is_not_there_is_added():
    changed = after(settings={"cooldown_time": 45.0, "routing_strategy": "latency-based-routing"})
    config = litellm.read(changed)
    assert config.settings["cooldown_time"] == 45
    assert config.settings["routing_strategy"] == "latency-based-routing"


def test_taken_out_of_the_routers_section_the_other_counts():
    assert litellm.read(after(settings={"num_retries": None})).settings["num_retries"] == 9


def test_what_is_so_already_is_no_edit():
    assert edits(TEXT, (), settings={"num_retries": 3.0, "cooldown_time": None}) == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"num_retries": -1.0},
        {"num_retries": 2.5},
        {"num_retries": True},
        {"timeout": 0.0},
        {"timeout": math.nan},
        {"cooldown_time": 1e9},
        {"disable_cooldowns": "no"},
        {"routing_strategy": "fastest"},
        {"master_key": "sk-1"},
    ],
)
def test_what_cannot_be_is_refused(wanted):
    with pytest.raises(Refused):
        edits(TEXT, (), settings=wanted)


def test_a_value_litellm_cannot_use_is_not_written_over():
    with pytest.raises(Refused, match="nothing LiteLLM can use"):
        edits(TEXT, (), settings={"disable_cooldowns": True})


def test_a_group_gets_a_strategy_of_its_own_and_gives_it_back():
    changed = after(strategies={"chat": "least-busy"})
    config = litellm.read(changed)
    assert config.routing_groups == (Grouped(0, "chat-routing", ("chat",), "least-busy"),)
    assert (config.strategy("chat"), config.strategy("other")) == ("least-busy", "")
    other = after(changed, strategies={"chat": "cost-based-routing"})
    assert litellm.read(other).strategy("chat") == "cost-based-routing"
    assert litellm.read(after(other, strategies={"chat": ""})).routing_groups == ()


SHARED = (
    TEXT
    + """\
"""
).replace(
    "router_settings:\n",
    "router_settings:\n  routing_groups:\n    - group_name: both\n      models: [chat, other]\n"
    "      routing_strategy: least-busy\n",
)


def test_a_group_leaves_what_it_shares_with_others():
    changed = litellm.read(after(SHARED, strategies={"chat": "cost-based-routing"}))
    assert (changed.strategy("chat"), changed.strategy("other")) == ("cost-based-routing", "least-busy")
    alone = litellm.read(after(SHARED, strategies={"chat": ""}))
    assert (alone.strategy("chat"), alone.strategy("other")) == ("", "least-busy")


def test_a_routing_group_with_arguments_is_left_to_hands():
    text = SHARED.replace("models: [chat, other]", "models: [chat]").replace(
        "      routing_strategy: least-busy\n",
        "      routing_strategy: least-busy\n      routing_strategy_args: {ttl: 9}\n",
    )
    with pytest.raises(Refused, match="parameters of its own"):
        edits(text, (), strategies={"chat": ""})


def test_a_strategy_of_a_group_there_is_not_is_refused():
    with pytest.raises(Refused, match="no model group"):
        edits(TEXT, (), strategies={"nobody": "least-busy"})


def chain(group: str, **blocked: bool) -> Chain:
    found = litellm.read(TEXT).chain(group)
    return replace(
        found, tiers=tuple(replace(place, blocked=blocked.get(place.key, place.blocked)) for place in found.tiers)
    )


def test_a_deployment_goes_out_of_rotation_and_stays_in_the_file():
    changed = after(TEXT, chain("chat", own=True))
    assert changed == TEXT.replace("{id: own}", "{id: own, blocked: true}")
    assert [place.blocked for place in litellm.read(changed).chain("chat").tiers] == [True, False]


def test_a_deployment_without_anything_known_of_it_can_go_out_too():
    config = litellm.read(TEXT)
    wanted = replace(
        config.chain("chat"),
        tiers=tuple(replace(place, blocked=place.key != "own") for place in config.chain("chat").tiers),
    )
    assert [place.blocked for place in litellm.read(after(TEXT, wanted)).chain("chat").tiers] == [False, True]


def test_a_deployment_comes_back():
    changed = after(TEXT, chain("other", azure=False))
    assert not any(place.blocked for place in litellm.read(changed).chain("other").tiers)


def test_somebody_stays_in_rotation():
    found = litellm.read(TEXT).chain("chat")
    with pytest.raises(Refused, match="out of rotation"):
        edits(TEXT, [replace(found, tiers=tuple(replace(place, blocked=True) for place in found.tiers))])


def test_a_deployment_has_a_timeout_of_its_own():
    found = litellm.read(TEXT).chain("chat")
    wanted = replace(found, tiers=(replace(found.tiers[0], timeout=4.0), found.tiers[1]))
    changed = after(TEXT, wanted)
    assert 'api_base: "http://vllm.llm:8000", order: 1, timeout: 4}' in changed
    with pytest.raises(Refused, match="timeout"):
        edits(TEXT, [replace(found, tiers=(replace(found.tiers[0], timeout=0.0), found.tiers[1]))])


FOUR = Chain("g", (Place("cloud", 1), Place("own", 2), Place("new", 3), Place("cheap", 4, 2.0)))
KNOWN = {
    "cloud": litellm.Deployment("cloud", 0, "g", "openai/a", provider="openai", input_usd=2e-6, output_usd=1e-5),
    "own": litellm.Deployment("own", 1, "g", "hosted_vllm/b", provider="hosted_vllm"),
    "new": litellm.Deployment("new", 2, "g", "mistral/c", provider="mistral"),
    "cheap": litellm.Deployment("cheap", 3, "g", "openai/d", provider="openai", input_usd=1e-7, output_usd=4e-7),
}
PRICES = {key: presets.price(one) for key, one in KNOWN.items()}


def order(found: Chain) -> list[list[str]]:
    return [[place.key for place in rank] for rank in ranks(found.tiers)]


def test_prices_are_per_million_tokens_three_of_the_prompt_to_one_of_the_answer():
    assert PRICES["cloud"] == pytest.approx(4.0)  # 0.75 × 2 + 0.25 × 10
    assert PRICES["cheap"] == pytest.approx(0.175)
    assert PRICES["own"] == 0.0
    assert math.isnan(PRICES["new"])


def test_own_gpus_first_then_the_cheaper_and_what_has_no_price_last():
    assert order(presets.own_first(FOUR, KNOWN, PRICES)) == [["own"], ["cheap"], ["cloud"], ["new"]]


def test_cheapest_first_keeps_orders_and_weights():
    found = presets.cheapest(FOUR, PRICES)
    assert order(found) == [["own"], ["cheap"], ["cloud"], ["new"]]
    assert {place.key: (place.order, place.weight) for place in found.tiers} == {
        "own": (1, None), "cheap": (2, 2.0), "cloud": (3, None), "new": (4, None),
    }  # fmt: skip


def test_fastest_first_is_by_what_was_measured():
    assert order(presets.fastest(FOUR, {"cloud": 0.9, "own": 1.4})) == [["cloud"], ["own"], ["new"], ["cheap"]]


def test_what_shares_a_rank_and_is_alike_goes_on_sharing_it():
    two = Chain("g", (Place("new", 1, 1.0), Place("a", 2, 3.0), Place("b", 2, 1.0)))
    found = presets.cheapest(two, {"a": 1.0, "b": 1.0})
    assert order(found) == [["a", "b"], ["new"]]
    assert sorted(place.weight or 0 for place in found.tiers) == [1.0, 1.0, 3.0]


def test_one_rank_without_an_order_stays_without_one():
    one = Chain("g", (Place("a"), Place("b")))
    assert presets.cheapest(one, {"a": 1.0, "b": 1.0}) == one
