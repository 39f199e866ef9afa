"""Who answers whom, worked out by hand."""

import numpy as np
import pytest

from services.demo.gateway_flow import Flow, Path, flow
from services.domain import litellm

CONFIG = """\
model_list:
  - {model_name: chat, litellm_params: {model: hosted_vllm/small, order: 1}, model_info: {id: own}}
  - {model_name: chat, litellm_params: {model: openai/mini, order: 2}, model_info: {id: cloud}}
  - {model_name: large, litellm_params: {model: azure/big}, model_info: {id: big}}
router_settings:
  fallbacks: [{chat: [large]}]
"""
SHARED = """\
model_list:
  - {model_name: chat, litellm_params: {model: openai/a, weight: 3}, model_info: {id: a}}
  - {model_name: chat, litellm_params: {model: azure/b, weight: 1}, model_info: {id: b}}
"""


def sent(text: str, asked: dict[str, list[float]], long: dict[str, float] | None = None, **room: list[float]) -> Flow:
    """The flow where each provider is an upstream of its own."""
    return flow(
        litellm.read(text),
        {group: np.array(requests) for group, requests in asked.items()},
        {name: np.array(limit) for name, limit in room.items()},
        lambda one: one.provider,
        long,
    )


def told(found: Flow) -> dict[tuple[str, ...], list[float]]:
    return {
        (*path[:2], *(("long",) if path.long else ())): requests.tolist()
        for path, requests in found.items()
        if requests.any()
    }


def test_the_first_tier_takes_what_it_can_and_the_next_the_rest() -> None:
    found = sent(CONFIG, {"chat": [100, 50]}, hosted_vllm=[60, 60])
    assert told(found) == {("chat", "own"): [60, 50], ("chat", "cloud"): [40, 0]}


def test_what_no_tier_takes_goes_to_the_fallback_group_and_then_is_lost() -> None:
    found = sent(CONFIG, {"chat": [100]}, hosted_vllm=[0], openai=[30], azure=[50])
    assert told(found) == {("chat", "cloud"): [30], ("chat", "big"): [50], ("chat", ""): [20]}


def test_a_groups_own_requests_come_before_those_that_fell_back_to_it() -> None:
    found = sent(CONFIG, {"chat": [30], "large": [40]}, hosted_vllm=[0], openai=[0], azure=[50])
    assert told(found) == {("large", "big"): [40], ("chat", "big"): [10], ("chat", ""): [20]}


LENGTHS = CONFIG + "  context_window_fallbacks: [{chat: [large]}]\n"


def test_a_prompt_that_is_too_long_goes_where_the_file_says_while_the_first_tier_answers() -> None:
    found = sent(LENGTHS, {"chat": [100, 100]}, {"chat": 0.04}, hosted_vllm=[90, 0])
    assert told(found) == {
        ("chat", "own"): [90, 0],
        ("chat", "big", "long"): [4, 0],
        ("chat", "cloud"): [6, 100],  # its model takes them
    }


def test_a_prompt_that_is_too_long_is_answered_by_nobody_where_its_group_is_away() -> None:
    found = sent(LENGTHS, {"chat": [100]}, {"chat": 0.04}, azure=[1])
    assert told(found) == {("chat", "own"): [96], ("chat", "big", "long"): [1], ("chat", "", "long"): [3]}


def test_without_a_rule_for_long_prompts_nothing_is_sent_on() -> None:
    assert told(sent(CONFIG, {"chat": [100]}, {"chat": 0.04})) == {("chat", "own"): [100]}


def test_a_group_without_a_rule_falls_back_to_the_defaults() -> None:
    text = CONFIG.replace("fallbacks: [{chat: [large]}]", "default_fallbacks: [chat]")
    assert told(sent(text, {"large": [10]}, azure=[4])) == {("large", "big"): [4], ("large", "own"): [6]}


def test_no_request_is_sent_on_more_often_than_allowed() -> None:
    once = CONFIG + "  max_fallbacks: 1\n"
    found = sent(once, {"chat": [10]}, hosted_vllm=[2], openai=[3])
    assert told(found) == {("chat", "own"): [2], ("chat", "cloud"): [3], ("chat", ""): [5]}


def test_a_group_nobody_serves_loses_everything() -> None:
    assert told(sent(CONFIG, {"gone": [7]})) == {("gone", ""): [7]}


@pytest.mark.parametrize(
    ("text", "room", "shares"),
    [
        (SHARED, {}, [75, 25]),
        (SHARED.replace(", weight: 3", "").replace(", weight: 1", ""), {}, [50, 50]),
        (SHARED, {"openai": [0]}, [0, 100]),
        (SHARED, {"openai": [40]}, [40, 60]),
        (SHARED.replace("weight: 1", "weight: 0"), {"openai": [40]}, [40, 60]),
    ],
)
def test_deployments_of_one_rank_share_by_weight_and_help_each_other_out(
    text: str, room: dict[str, list[float]], shares: list[float]
) -> None:
    found = sent(text, {"chat": [100]}, **room)
    assert [found[Path("chat", "a")].sum(), found[Path("chat", "b")].sum(), found[Path("chat", "")].sum()] == [
        *shares,
        0,
    ]


def test_shares_are_whole_requests() -> None:
    found = sent(SHARED, {"chat": [1, 2, 3]})
    # three quarters of 1, 2 and 3, to the nearest whole (halves to even)
    assert found[Path("chat", "a")].tolist() == [1, 2, 2]
    assert found[Path("chat", "b")].tolist() == [0, 0, 1]
