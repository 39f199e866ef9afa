"""What stands on the Breakers page over the demo, and over an estate without a mesh."""

import re
from typing import Any

import pytest

from pages.operate._breakers import COLUMNS
from services.actions.edit_breaker import BreakerParams
from tests import tiny
from tests.conftest import demo_sources
from tests.pages.opening import opened, rerun, table, words
from tests.pages.test_hostile import SIGNS, estate, interpreted

STALE = "demo-west/search-prod/embed"


def test_rules_of_the_mesh_stand_beside_cooldowns_of_the_gateway() -> None:
    rows = table(opened(demo_sources(), "breakers"), COLUMNS).set_index(["by", "host"])
    embed, chat = rows.loc[("Istio", "embed")], rows.loc[("LiteLLM", "chat")]
    assert (embed["errors"], embed["max_percent"], embed["wrong"] > 0) == (5, 10, True)
    assert embed["taken_out"] == 0, "it is counted, and nothing happened"
    assert (chat["errors"], rows.loc[("LiteLLM", "rerank"), "says"]) == (3, "Its only deployment is never taken out.")


def test_the_stale_rule_says_what_is_wrong_and_what_to_do() -> None:
    said = words(opened(demo_sources(), "breakers", breaker=STALE)).replace("\\", "")
    assert "consecutiveErrors is deprecated; count on it having no effect." in said
    assert "Set consecutive5xxErrors instead and remove it." in said


def test_a_rule_without_faults_says_so_and_cannot_be_changed_to_what_it_is() -> None:
    at = opened(demo_sources(), "breakers", breaker="demo-west/assistants-prod/chat-8b")
    assert "Nothing wrong was found." in words(at)
    assert at.button(key="breaker_apply").disabled


def test_the_button_asks_for_exactly_what_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.ui import actions

    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(actions, "button", lambda label, action, params, **more: asked.append((action, params)))
    given = demo_sources()
    at = opened(given, "breakers", breaker=STALE)
    assert asked.pop() == ("edit-breaker", BreakerParams("demo-west", "search-prod", "embed", replace_errors=True))
    at.number_input(key=f"breaker_percent_{STALE}").set_value(50)
    at.text_input(key=f"breaker_out_{STALE}").set_value("2m")
    rerun(at, given)
    wanted = BreakerParams("demo-west", "search-prod", "embed", max_percent=50, ejection="2m", replace_errors=True)
    assert asked.pop() == ("edit-breaker", wanted)


def test_a_cluster_without_a_mesh_or_gateway_says_so_and_is_no_error() -> None:
    at = opened(demo_sources(), "breakers", cluster="demo-east")
    assert "Circuit breakers: not collected. Unknown, not zero." in [one.value for one in at.info]
    assert "Istio is not installed there" in words(at)


def test_a_rule_nobody_knows_is_said_to_be_unknown() -> None:
    assert "This rule is not known here (yet)." in words(opened(demo_sources(), "breakers", breaker="a/b/c"))


def test_an_estate_without_metrics_still_opens() -> None:
    opened(tiny.sources(tiny.source(metrics=False)), "breakers")


def test_what_an_enemy_named_is_never_interpreted() -> None:
    texts = list(interpreted(opened(estate(), "breakers")))
    for sign in SIGNS:
        assert [text for text in texts if re.search(rf"(?<!\\){sign}", text)] == [], sign
