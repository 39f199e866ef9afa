"""What stands on the Breakers page over the demo, and over an estate without a mesh."""

import re
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.operate._breakers import COLUMNS
from services.actions.edit_breaker import BreakerParams
from services.domain.change.refs import Ref
from tests import tiny
from tests.conftest import demo_sources
from tests.pages.opening import opened, rerun, table, tiles, words
from tests.pages.test_hostile import SIGNS, estate, interpreted

STALE, GOOD = "demo-west/search-prod/embed", "demo-west/assistants-prod/chat-8b"
AWAY = "rerank.search-prod.demo-east.internal"


def number(at: AppTest, label: str) -> Any:
    """The number field of that label."""
    (found,) = [one for one in at.number_input if one.label == label]
    return found


def text(at: AppTest, label: str) -> Any:
    """The text field of that label."""
    (found,) = [one for one in at.text_input if one.label == label]
    return found


def plainly(at: AppTest) -> str:
    """What the page says, without the signs that keep names from being interpreted."""
    return words(at).replace("\\", "")


def headings(at: AppTest) -> list[str]:
    """What stands over the parts of the page."""
    return [str(one.value) for one in at.subheader]


def test_rules_of_the_mesh_stand_beside_cooldowns_of_the_gateway() -> None:
    rows = table(opened(demo_sources(), "breakers"), COLUMNS).set_index(["by", "host"])
    embed, chat = rows.loc[("Istio", "embed")], rows.loc[("LiteLLM", "chat")]
    assert (embed["errors"], embed["max_percent"], embed["wrong"] > 0) == (5, 10, True)
    assert embed["taken_out"] == 0, "it is counted, and nothing happened"
    assert (chat["errors"], rows.loc[("LiteLLM", "rerank"), "says"]) == (3, "Its only deployment is never taken out.")


def test_the_tiles_add_up_what_the_table_has() -> None:
    at = opened(demo_sources(), "breakers", range="7d")
    rows, said = table(at, COLUMNS), tiles(at)
    mesh, gateways = rows[rows["by"] == "Istio"], rows[rows["by"] == "LiteLLM"]
    out = mesh["taken_out"].sum() + gateways["taken_out"].sum()
    assert said["Taken out, 7d"] == (f"{out:,.0f}", f"{mesh['taken_out'].sum():,.0f} by the mesh")
    assert out > 0
    assert said["Requests refused, 7d"][0] == f"{mesh['refused'].sum() + mesh['turned_away'].sum():,.0f}"
    assert said["Rules with problems"] == ("2", "of 3 rules")


def test_without_metrics_the_tiles_say_that_nothing_is_counted() -> None:
    estate = demo_sources()
    bare = replace(estate, clusters={name: replace(one, metrics=None) for name, one in estate.clusters.items()})
    said = tiles(opened(bare, "breakers"))
    for label in ("Taken out, 24h", "Out now", "Requests refused, 24h"):
        assert said[label] == ("—", "not counted")
    assert said["Rules with problems"] == ("2", "of 3 rules")


def test_the_stale_rule_says_what_is_wrong_and_what_to_do() -> None:
    said = words(opened(demo_sources(), "breakers", breaker=STALE)).replace("\\", "")
    assert "consecutiveErrors is deprecated; count on it having no effect." in said
    assert "Set consecutive5xxErrors instead and remove it." in said


def test_a_rule_without_faults_says_so_and_cannot_be_changed_to_what_it_is() -> None:
    at = opened(demo_sources(), "breakers", breaker=GOOD)
    assert "Nothing wrong was found." in words(at)
    assert at.button(key="breaker_apply").disabled


def test_the_button_asks_for_exactly_what_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.ui import actions

    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(actions, "button", lambda label, action, params, **more: asked.append((action, params)))
    given = demo_sources()
    at = opened(given, "breakers", breaker=STALE)
    assert asked.pop() == ("edit-breaker", BreakerParams("demo-west", "search-prod", "embed", replace_errors=True))
    number(at, "Most out at once, %").set_value(50)
    number(at, "Requests that may wait").set_value(64)
    text(at, "Out for, the first time").set_value("2m")
    text(at, "Brought back every").set_value("")
    text(at, "Opening a connection").set_value("500ms")
    rerun(at, given)
    wanted = BreakerParams(
        "demo-west",
        "search-prod",
        "embed",
        max_percent=50,
        pending=64,
        ejection="2m",
        connect_timeout="500ms",
        unset=("interval",),
        replace_errors=True,
    )
    assert asked.pop() == ("edit-breaker", wanted)


def test_what_it_does_is_told_and_what_it_would_do_before_it_is_asked_for() -> None:
    given = demo_sources()
    at = opened(given, "breakers", breaker=GOOD)
    assert re.search(r"At most 50 % of replicas are out at once: [1-9]\d* of [1-9]\d*\.", plainly(at))
    assert "What it does" in headings(at)
    number(at, "Most out at once, %").set_value(1)
    rerun(at, given)
    assert re.search(r"At most 1 % of replicas are out at once, which of \d+ is none: nothing is taken", plainly(at))
    assert "What it would do" in headings(at)
    assert not at.button(key="breaker_apply").disabled


def test_a_duration_that_is_none_is_refused_before_anything_is_planned() -> None:
    given = demo_sources()
    at = opened(given, "breakers", breaker=GOOD)
    text(at, "Out for, the first time").set_value("a while")
    rerun(at, given)
    assert at.button(key="breaker_apply").disabled
    assert "baseEjectionTime is a duration from 1ms to 1h in whole milliseconds, such as 30s." in plainly(at)


def test_a_host_without_a_rule_is_made_one_with_what_stands_in_the_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.ui import actions

    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(actions, "button", lambda label, action, params, **more: asked.append((action, params)))
    given = demo_sources()
    at = opened(given, "breakers", breaker_host=f"demo-west/ai-gateway/{AWAY}")
    usual: dict[str, Any] = {"errors": 5, "interval": "10s", "ejection": "30s", "max_percent": 50}
    assert asked.pop() == ("edit-breaker", BreakerParams("demo-west", "ai-gateway", host=AWAY, **usual))
    assert "`rerank-breaker` in namespace `ai-gateway`" in words(at)
    text(at, "Brought back every").set_value("")
    number(at, "Requests under way").set_value(100)
    rerun(at, given)
    del usual["interval"]
    assert asked.pop() == ("edit-breaker", BreakerParams("demo-west", "ai-gateway", host=AWAY, requests=100, **usual))


def test_a_host_that_has_a_rule_by_now_says_so() -> None:
    at = opened(demo_sources(), "breakers", breaker_host="demo-west/ai-gateway/elsewhere.example.com")
    assert "This host has a rule by now, or is not known here (yet)." in words(at)


def test_what_no_field_can_hold_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.ui import actions

    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(actions, "button", lambda label, action, params, **more: asked.append((action, params)))
    given = demo_sources()
    odd = {"outlierDetection": {"consecutive5xxErrors": 4000, "maxEjectionPercent": "many", "interval": 10}}
    ref = Ref.of("demo-west", "DestinationRule", "odd", "ai-gateway")
    given.clusters["demo-west"].cluster.create(ref, {"spec": {"host": "odd", "trafficPolicy": odd}})
    at = opened(given, "breakers", breaker="demo-west/ai-gateway/odd")
    assert asked.pop() == ("edit-breaker", BreakerParams("demo-west", "ai-gateway", "odd"))
    assert number(at, "Errors in a row").placeholder == "now 4000"


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
