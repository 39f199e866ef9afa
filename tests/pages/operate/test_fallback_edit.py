"""The Chains page: chains as they are tried, findings, and a change prepared, reviewed and applied."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from db import migrate
from db.work import Database
from pages.operate._fallback_board import CHAINS
from pages.operate._fallback_presets import PRICES
from services import runtime
from services.errors import SourceUnavailable
from services.ports import Sources, Tier
from tests.conftest import NOW, Inline
from tests.gateway import FILE, KEY, PLACE, MemoryGateway, config_ref, installed, with_gateway
from tests.memory import MemoryCluster, source
from tests.pages.opening import opened, rerun, table, tiles, words


class Room:
    """A console over one cluster with a gateway."""

    def __init__(self, folder: Path) -> None:
        self.memory, self.gateway = MemoryCluster(), MemoryGateway()
        installed(self.memory)
        self.database = Database(f"sqlite:///{folder / 'console.sqlite3'}")
        migrate.upgrade(self.database.engine)

    @property
    def sources(self) -> Sources:
        east = with_gateway(source("east", self.memory), self.gateway)
        return Sources("demo", {"east": east}, now=lambda: NOW, pool=Inline(), work=self.database)

    def open(self, **params: str) -> AppTest:
        return opened(self.sources, "fallback-edit", **params)

    def click(self, at: AppTest, key: str) -> AppTest:
        with runtime.using(self.sources):
            at.button(key=key).click()
        return rerun(at, self.sources)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    yield found
    found.database.close()


def test_every_group_shows_what_it_tries_in_order(room: Room) -> None:
    at = room.open()
    chains = table(at, CHAINS)
    assert dict(zip(chains["group"], chains["chain"], strict=True)) == {
        "chat": "chat-own → chat-cloud → large",
        "large": "large-azure",
    }
    assert list(chains["first"]) == ["self-hosted", "managed"]
    assert "LiteLLM 1\\.106\\.2" in words(at)
    assert "llm/litellm-config config.yaml" in words(at)


def test_no_key_reaches_the_page(room: Room) -> None:
    at = room.open(fallback_group="chat")
    assert KEY not in words(at) + str([frame.value.to_csv() for frame in at.dataframe])


def test_traffic_is_shown_where_it_is_counted(room: Room) -> None:
    room.gateway.counted = pd.DataFrame(
        {
            "group": ["chat", "chat", "chat"],
            "id": ["chat-own", "chat-cloud", ""],
            "requests": [900.0, 60.0, 40.0],
            "usd": [0.0, 1.25, 0.0],
        }
    )
    at = room.open(fallback_group="chat")
    chat = table(at, CHAINS).iloc[0]
    assert chat[["first_share", "requests", "unanswered", "spent_usd"]].tolist() == [90.0, 1000.0, 40.0, 1.25]
    assert "6.0 % of requests in 24 h · $1.25 spent · $1.00 in, $2.00 out per million tokens" in words(at).replace(
        "\\", ""
    )


def test_the_tiles_are_of_all_groups(room: Room) -> None:
    room.gateway.counted = pd.DataFrame(
        {
            "group": ["chat", "chat", "chat", "large", "large"],
            "id": ["chat-own", "chat-cloud", "", "large-azure", ""],
            "requests": [900.0, 60.0, 40.0, 40.0, 5.0],
            "usd": [0.0, 1.25, 0.0, 2.0, 0.0],
        }
    )
    said = tiles(room.open())
    assert said["First choice, 24h"] == ("94 %", "of 1,000 requests")  # 900 of chat and 40 of large
    assert said["Lost"] == ("45", "in the last 24 hours")
    assert said["Spend"] == ("$3.25", "at providers, 24 hours")
    room.memory.objects.pop(config_ref())
    st.cache_data.clear()
    said = tiles(room.open())
    assert said["First choice, 24h"][0] == said["Findings"][0] == "—"
    assert said["Findings"][1] == "the file is not read"


def test_what_nobody_counts_is_no_zero_in_the_tiles(room: Room) -> None:
    said = tiles(room.open())
    assert [said[name][0] for name in ("First choice, 24h", "Lost", "Spend")] == ["—"] * 3
    assert said["Findings"][0].isdigit()


def test_figures_from_before_the_proxy_started_are_said_to_be_in_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.gateway.counted = pd.DataFrame({"group": ["chat"], "id": ["chat-own"], "requests": [9.0], "usd": [0.0]})
    routing = replace(room.gateway.routing(), since=NOW - timedelta(minutes=5))
    monkeypatch.setattr(room.gateway, "routing", lambda: routing)
    said = words(room.open()).replace("\\", "")
    assert "started 5 min ago" in said
    assert "include what was in force before this start" in said
    routing = replace(routing, since=NOW - timedelta(days=3))
    st.cache_data.clear()
    said = words(room.open()).replace("\\", "")
    assert "started 3 d ago" in said
    assert "include what was in force before" not in said


def test_findings_name_the_place_and_the_remedy(room: Room) -> None:
    said = words(room.open())
    assert "Keys stand in the ConfigMap in clear text (1)" in said.replace("\\", "")
    assert "`model_list[1].litellm_params.api_key`" in said


def test_a_tier_is_moved_with_a_button_and_nothing_is_written_yet(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_up_chat_chat-cloud")
    chains = table(at, CHAINS)
    assert chains["chain"].iat[0] == "chat-cloud → chat-own → large"
    assert chains["pending"].iat[0] == "changed"
    assert room.memory.changed == []
    room.click(at, "fallback_down_chat_chat-cloud")
    assert "Prepared, not applied" not in words(at)


def test_a_change_is_reviewed_with_its_diff(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_up_chat_chat-cloud")
    room.click(at, "fallback_propose")
    said = words(at).replace("\\", "")
    assert "Requests to chat are tried in the new order." in said
    assert "Its 2 pods are restarted" in said
    assert KEY not in said
    assert room.memory.changed == []


def test_prepared_changes_can_be_dropped(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_out_chat_chat-own")
    assert table(at, CHAINS)["chain"].iat[0] == "chat-cloud → large"
    room.click(at, "fallback_keep_chat_chat-own")
    assert table(at, CHAINS)["chain"].iat[0] == "chat-own → chat-cloud → large"
    room.click(at, "fallback_join_chat_chat-cloud")
    assert table(at, CHAINS)["chain"].iat[0] == "chat-own + chat-cloud → large"
    room.click(at, "fallback_discard")
    assert table(at, CHAINS)["chain"].iat[0] == "chat-own → chat-cloud → large"


def test_a_group_is_added_and_removed_as_fallback(room: Room) -> None:
    at = room.open(fallback_group="large")
    with runtime.using(room.sources):
        at.selectbox(key="fallback_new_fallbacks_large").select("chat").run()
    room.click(at, "fallback_add_fallbacks_large")
    assert list(table(at, CHAINS)["chain"]) == ["chat-own → chat-cloud → large", "large-azure → chat"]
    room.click(at, "fallback_remove_fallbacks_large_chat")
    assert table(at, CHAINS)["chain"].iat[1] == "large-azure"


def test_the_file_changing_meanwhile_drops_what_was_prepared(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_up_chat_chat-cloud")
    room.memory.set(config_ref(), {"data": {PLACE.key: FILE + "# touched\n"}})
    st.cache_data.clear()
    rerun(at, room.sources)
    assert "what you had prepared was dropped" in words(at)
    assert table(at, CHAINS)["chain"].iat[0] == "chat-own → chat-cloud → large"


def test_what_was_applied_is_forgotten_without_a_word(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_up_chat_chat-cloud")
    text = FILE.replace("order: 2", "order: 0").replace("order: 1", "order: 2").replace("order: 0", "order: 1")
    room.memory.set(config_ref(), {"data": {PLACE.key: text}})
    st.cache_data.clear()
    rerun(at, room.sources)
    assert "dropped" not in words(at)
    assert "Prepared, not applied" not in words(at)
    assert table(at, CHAINS)["chain"].iat[0] == "chat-cloud → chat-own → large"


def test_a_process_that_does_otherwise_than_its_file_is_said(room: Room) -> None:
    room.gateway.text = FILE.replace("order: 2", "order: 5")
    assert "chat-cloud runs with order 5, the file says order 2" in words(room.open()).replace("\\", "")


def test_groups_in_the_proxys_database_are_shown_and_locked(room: Room) -> None:
    room.gateway.database = (Tier("db-1", "chat", "openai/gpt-5", stored="database"),)
    at = room.open(fallback_group="chat")
    assert "live in the proxy's database" in words(at).replace("\\", "")
    assert at.button(key="fallback_up_chat_chat-cloud").disabled


def test_a_dead_proxy_leaves_the_files_chains(room: Room) -> None:
    room.gateway.error = SourceUnavailable("litellm", "LiteLLM of east cannot be reached.")
    at = room.open()
    assert "LiteLLM of east cannot be reached" in words(at).replace("\\", "")
    assert table(at, CHAINS)["chain"].iat[0] == "chat-own → chat-cloud → large"


def test_a_file_that_is_gone_leaves_the_processes_chains(room: Room) -> None:
    del room.memory.objects[config_ref()]
    at = room.open(fallback_group="chat")
    assert table(at, CHAINS)["chain"].iat[0] == "hosted_vllm/llama + openai/gpt-4o-mini"
    assert "This group is not in the file, so it is only shown." in words(at)


def test_without_a_gateway_the_page_says_what_is_missing(room: Room) -> None:
    bare = replace(room.sources, clusters={"east": source("east", room.memory)})
    assert "No LiteLLM gateway is configured for this scope" in words(opened(bare, "fallback-edit"))


def test_hostile_names_are_shown_and_not_interpreted(room: Room) -> None:
    evil = FILE.replace("model_name: chat", 'model_name: "[x](javascript:1) <b> $a$"')
    room.memory.set(config_ref(), {"data": {PLACE.key: evil}})
    room.gateway.text = evil
    at = room.open(fallback_group="[x](javascript:1) <b> $a$")
    assert "Chain of \\[x\\]\\(javascript\\:1\\) \\<b\\> \\$a\\$" in words(at)


def test_a_deployment_is_taken_out_of_rotation_and_back(room: Room) -> None:
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_rotate_chat_chat-own")
    assert "out of rotation" in words(at)
    assert at.button(key="fallback_rotate_chat_chat-cloud").disabled
    room.click(at, "fallback_propose")
    assert "chat: chat-own (out of rotation) → chat-cloud → large" in words(at).replace("\\", "")
    assert room.memory.changed == []
    at = room.open(fallback_group="chat")
    room.click(at, "fallback_rotate_chat_chat-own")
    room.click(at, "fallback_rotate_chat_chat-own")
    assert "Prepared, not applied" not in words(at)


def test_an_order_by_cost_is_one_click_with_the_prices_it_goes_by(room: Room) -> None:
    at = room.open(fallback_group="chat")
    assert at.button(key="fallback_preset_own").disabled  # it is so already
    assert at.button(key="fallback_preset_fastest").help.startswith("Fewer than two of its deployments answered")
    prices = table(at, PRICES)
    assert prices[["key", "input_usd", "output_usd", "price_usd"]].to_numpy().tolist() == [
        ["chat-own", 1.0, 2.0, 1.25],  # three quarters of the prompt's price, one of the answer's
        ["chat-cloud", 1.0, 2.0, 1.25],
    ]


def test_a_setting_is_prepared_reviewed_and_dropped_when_it_is_as_before(room: Room) -> None:
    at = room.open()
    key = next(one.key for one in at.number_input if one.key and one.key.startswith("fallback_set_num_retries"))
    assert at.number_input(key=key).value is None
    assert at.number_input(key=key).placeholder == "not set (2)"
    with runtime.using(room.sources):
        at.number_input(key=key).set_value(5.0)
    rerun(at, room.sources)
    assert "Prepared, not applied:** retries" in words(at)
    room.click(at, "fallback_propose")
    said = words(at).replace("\\", "")
    assert "Retries: not set (2) → 5, for every model group." in said
    assert room.memory.changed == []


def test_a_group_gets_a_strategy_of_its_own(room: Room) -> None:
    at = room.open(fallback_group="chat")
    key = next(one.key for one in at.selectbox if one.key and one.key.startswith("fallback_strategy_chat"))
    with runtime.using(room.sources):
        at.selectbox(key=key).set_value("least-busy")
    rerun(at, room.sources)
    room.click(at, "fallback_propose")
    assert "chat: chosen within a rank by least-busy." in words(at).replace("\\", "")
