"""Rehearsing a chain from its page: what it may cost is shown first, and the path taken is shown after."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.operate._fallback_rehearse import REQUESTS
from pages.ui import identity
from pages.ui.proposal import REASON
from services import access, runtime
from services.access import ROLES, User
from services.actions import rehearsals
from services.actions.engine import Engine
from services.errors import SourceUnavailable
from tests.conftest import Inline
from tests.gateway import FILE, KEY
from tests.pages.opening import has_table, table, words
from tests.pages.operate.test_fallback_edit import Room

MOCKS = "  dangerously_allow_mock_testing_request_params: true\n"


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    found = Room(tmp_path)
    monkeypatch.setattr(runtime, "engine", lambda: Engine(found.sources, pool=Inline(), wait=lambda _seconds: None))
    monkeypatch.setattr(identity, "person", lambda: access.DEMO)
    yield found
    found.database.close()


def said(at: AppTest) -> str:
    return words(at).replace("\\", "")


def rehearsed(room: Room, at: AppTest) -> None:
    room.click(at, "fallback_rehearse")
    with runtime.using(room.sources):
        at.text_input(key=REASON).set_value("before the weekend")
    room.click(at, "review_apply")
    st.cache_data.clear()


def test_who_may_answer_and_what_it_may_cost_is_shown_before(room: Room) -> None:
    at = room.open(fallback_group="chat")
    assert "First tier fails: chat-cloud (tier 2) → large-azure (group large)" in said(at)
    assert "1 request · at most $0.0001" in said(at)
    assert "Last rehearsal" not in said(at)
    with runtime.using(room.sources):
        at.number_input(key="fallback_times").set_value(20).run()
    assert "20 requests · at most $0.0015" in said(at)
    with runtime.using(room.sources):
        at.number_input(key="fallback_cap").set_value(0.001).run()
    assert at.button(key="fallback_rehearse").disabled
    assert "The cap is below what it may cost: $0.0015." in said(at)
    assert room.gateway.sent == []


def test_nothing_is_sent_before_it_is_confirmed_and_the_path_is_shown_after(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_rehearse")
    shown = said(at)
    assert "1 test request is sent to chat through llm/litellm." in shown
    assert "may be sent" in shown
    assert "cluster east · 1 request" in shown
    assert room.gateway.sent == []
    with runtime.using(room.sources):
        at.text_input(key=REASON).set_value("before the weekend")
    room.click(at, "review_apply")
    assert len(room.gateway.sent) == 1
    assert "progress_undo" not in {button.key for button in at.button}
    room.click(at, "progress_close")
    rows = table(at, REQUESTS)
    assert rows.drop(columns="usd").to_dict("records") == [
        {"request": 1, "mode": "first tier fails", "answered_by": "chat-cloud", "tier": "tier 2",
         "result": "as planned", "fallbacks": 1, "retries": 0, "seconds": 0.25}
    ]  # fmt: skip
    assert rows["usd"].tolist() == [7.4e-5]
    assert "chat: with tier 1 failing, 1 of 1 was answered by chat-cloud (tier 2)." in said(at)
    assert {"fallback_rehearsed_audit"} <= {button.key for button in at.button}
    assert KEY not in said(at) + rows.to_csv()


def test_what_failed_is_shown_with_what_was_not_sent(room: Room) -> None:
    room.gateway.down = {"chat-cloud", "large-azure"}
    at = room.open(fallback_group="chat")
    with runtime.using(room.sources):
        at.number_input(key="fallback_times").set_value(2).run()
    rehearsed(room, at)
    at = room.open(fallback_group="chat")
    rows = table(at, REQUESTS)
    assert rows["result"].tolist() == ["nobody answered", "not sent"]
    assert rows[["seconds", "usd"]].iloc[1].isna().all()
    assert "Nobody answered (HTTP 503, ServiceUnavailableError)." in said(at)


def test_a_rehearsal_of_one_group_is_not_shown_of_another(room: Room) -> None:
    rehearsed(room, room.open(fallback_group="chat"))
    assert has_table(room.open(fallback_group="chat"), REQUESTS)
    assert not has_table(room.open(fallback_group="large"), REQUESTS)
    assert rehearsals.last(room.sources, "east", "chat", own="somebody-else").value is None
    assert rehearsals.last(room.sources, "west", "chat").value is None


@pytest.mark.parametrize(
    ("group", "text", "reason"),
    [
        ("large", FILE, "large has no fallback for “first tier fails”, so there is nothing to rehearse."),
        (
            "chat",
            FILE.replace(MOCKS, ""),
            "This proxy refuses requests that ask for a failure: its file does not set general_settings.",
        ),
        ("chat", FILE.replace("{id: chat-own}", "{id: chat-own, mode: embedding}"), "chat is for embedding"),
    ],
)
def test_what_cannot_be_rehearsed_says_why_and_offers_no_button(room: Room, group: str, text: str, reason: str) -> None:
    room.memory.set(_config(room), {"data": {"config.yaml": text}})
    room.gateway.text = text
    at = room.open(fallback_group=group)
    assert at.button(key="fallback_rehearse").disabled
    assert reason in said(at)


def _config(room: Room) -> object:
    return next(ref for ref in room.memory.objects if ref.kind == "ConfigMap")


def test_a_proxy_that_is_away_is_said_to_be_and_nothing_is_offered(room: Room) -> None:
    room.gateway.error = SourceUnavailable("litellm", "LiteLLM cannot be reached.")
    at = room.open(fallback_group="chat")
    assert "nothing can be sent through it" in said(at)
    assert "fallback_rehearse" not in {button.key for button in at.button}


def test_what_is_prepared_is_said_not_to_be_rehearsed(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_up_chat_chat-cloud")
    assert "What is prepared above is not in force, so it is not what is rehearsed." in said(at)
    assert "First tier fails: chat-cloud (tier 2)" in said(at)


def test_a_viewer_sees_the_last_rehearsal_and_no_way_to_another(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsed(room, room.open(fallback_group="chat"))
    viewer = User(id="v", name="Vera", rights=ROLES["viewer"], roles=("viewer",), via="demo")
    monkeypatch.setattr(identity, "person", lambda: viewer)
    at = room.open(fallback_group="chat")
    assert has_table(at, REQUESTS)
    assert {"fallback_rehearse", "fallback_modes"}.isdisjoint(button.key for button in at.button)
