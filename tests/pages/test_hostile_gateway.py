"""Names a gateway and its counters tell are shown as they are, on every page about gateways."""

import json
from typing import Any

import pytest

from services.errors import SourceUnavailable
from tests import fallbacks
from tests.pages.opening import ENTRIES, opened
from tests.pages.test_hostile import EVIL, GATEWAYS, SIGNS, interpretations, interpreted

MODEL = f"""model_list:
  - model_name: {json.dumps(EVIL)}
    litellm_params:
      model: "hosted_vllm/chat"
      api_base: "http://chat.serving:8000/v1"
      order: 1
    model_info: {{id: chat-own}}
  - model_name: {json.dumps(EVIL)}
    litellm_params: {{model: openai/chat, order: 2}}
    model_info: {{id: chat-cloud}}
"""


def counted() -> dict[str, list[tuple[Any, ...]]]:
    """An outage of a group with a hostile name, told with hostile labels: team, status, class, deployment, replica."""
    answers = [(ago, "chat-own", EVIL, EVIL, 20.0) for ago in range(16, 61)]
    answers += [(ago, "chat-cloud", EVIL, EVIL, 7.5) for ago in range(8, 16)]
    answers += [(ago, EVIL, EVIL, EVIL, 7.5) for ago in range(8, 16)]
    return {
        "fallback_answers": answers,
        "fallback_hops": [(ago, EVIL, EVIL, EVIL, EVIL, EVIL, 3.0) for ago in range(8, 16)],
        "fallback_lost": [(ago, EVIL, EVIL, EVIL, EVIL, 2.5) for ago in range(8, 16)],
        "fallback_spend": [(ago, "chat-cloud", EVIL, 0.375) for ago in range(8, 16)],
        "fallback_failures": [(ago, "chat-own", EVIL, EVIL, EVIL, 6.0) for ago in range(8, 16)],
        "fallback_cooldowns": [(ago, "chat-own", EVIL, EVIL, 1.0) for ago in range(8, 16)],
        "fallback_replica_answers": [(20, "chat-own", EVIL, 10.0), (1, EVIL, EVIL, 10.0)],
        "fallback_latency": [(20, "chat-own", EVIL, 500.0), (20, EVIL, "1.0", 900.0), (20, EVIL, "+Inf", 900.0)],
    }


@pytest.mark.parametrize("path", GATEWAYS)
@pytest.mark.parametrize("split", ["Cause", "Team"])
def test_names_of_an_enemy_are_shown_and_never_interpreted(path: str, split: str) -> None:
    sources = fallbacks.sources(counted(), text=MODEL)
    at = opened(
        sources, path, fallback_group=EVIL, fell_group=EVIL, fallback_split=split, fallback_by=split, range="1h"
    )
    assert interpretations(at, *SIGNS) == []
    assert path == "breakers" or any("evil" in text for text in interpreted(at))


@pytest.mark.parametrize("path", GATEWAYS)
def test_messages_of_sources_are_shown_and_never_interpreted(path: str) -> None:
    sources = fallbacks.sources(error=SourceUnavailable("prometheus", f"Said {EVIL}", hint=EVIL))
    at = opened(sources, path)
    assert interpretations(at, *SIGNS) == []
    assert path == "fallback-edit" or any("evil" in text for text in interpreted(at))


def test_all_pages_about_gateways_are_asked() -> None:
    assert set(GATEWAYS) <= set(ENTRIES)
