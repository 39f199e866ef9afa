"""The file of a gateway beside its running process."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from services.domain.litellm import read as config_of
from services.errors import SourceUnavailable
from services.gateway import compare
from services.gateway import read as gateway
from services.ports import Sources, Tier
from services.reading import Absence
from tests.conftest import NOW, Inline
from tests.gateway import FILE, MemoryGateway, config_ref, installed, with_gateway
from tests.memory import MemoryCluster, source


def room(text: str = FILE, process: Any = None) -> tuple[Sources, MemoryCluster]:
    memory = MemoryCluster()
    installed(memory, text)
    east = with_gateway(source("east", memory), process)
    return Sources("demo", {"east": east, "west": source("west", memory)}, now=lambda: NOW, pool=Inline()), memory


def test_clusters_with_a_gateway_are_named() -> None:
    sources, _ = room()
    assert gateway.places(sources) == ["east"]
    assert gateway.board(sources, "west").absence is Absence.NOT_CONFIGURED


def test_tiers_are_ranked_and_priced_per_million_tokens() -> None:
    sources, _ = room(process=MemoryGateway())
    board = gateway.board(sources, "east").value
    assert board is not None
    assert list(board.tiers) == list(compare.TIERS)
    assert board.tiers[["key", "rank", "runs", "stored", "input_usd"]].to_numpy().tolist() == [
        ["chat-own", 1, "self-hosted", "file", 1.0],
        ["chat-cloud", 2, "managed", "file", 1.0],
        ["large-azure", 1, "managed", "file", 1.0],
    ]
    assert (board.differences, board.locked, board.counted) == ((), {}, False)


def test_without_the_process_the_file_is_shown_and_the_problem_told() -> None:
    process = MemoryGateway(error=SourceUnavailable("litellm", "It is away."))
    sources, memory = room(process=process)
    reading = gateway.board(sources, "east")
    assert reading.value is not None
    assert (reading.value.routing, reading.value.unasked) == (None, "It is away.")
    assert reading.problem is not None
    del memory.objects[config_ref()]
    assert gateway.board(sources, "east").value is None


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("order: 2", "order: 7", "chat-cloud runs with order 7, the file says order 2."),
        ("order: 2", "weight: 3", "chat-cloud runs with no order and weight 3, the file says order 2."),
        ("{chat: [large]}", "{large: [chat]}", "The fallbacks in force are none, the file says large."),
        ("id: chat-cloud", "id: other", "chat-cloud is in the file and not in the running proxy."),
    ],
)
def test_differences_are_told_as_what_runs_and_what_the_file_says(was: str, now: str, says: str) -> None:
    routing = MemoryGateway(FILE.replace(was, now)).routing()
    found = list(compare.differences(config_of(FILE), routing))
    assert (found[0].group, found[0].says) == ("chat", says)


def test_deployments_without_an_id_are_matched_by_model() -> None:
    text = FILE.replace("    model_info: {id: chat-own}\n", "")
    assert list(compare.differences(config_of(text), MemoryGateway(text).routing())) == []


def test_fallbacks_a_version_does_not_tell_are_no_difference() -> None:
    routing = replace(MemoryGateway().routing(), fallbacks={}, knows_fallbacks=False)
    assert list(compare.differences(config_of(FILE), routing)) == []


def test_defaults_stand_in_for_a_rule() -> None:
    routing = replace(MemoryGateway().routing(), default_fallbacks=("large",))
    assert compare.effective(routing, "fallbacks", "large") == ("large",)
    assert compare.effective(routing, "context_window_fallbacks", "large") == ()


def test_groups_of_the_proxys_database_are_locked() -> None:
    routing = MemoryGateway(database=(Tier("db-1", "large", "openai/x", stored="database"),)).routing()
    assert list(compare.locked(routing)) == ["large"]
    rows = compare.table("east", config_of(FILE), routing, None)
    assert rows[rows["stored"] == "database"]["key"].tolist() == ["db-1"]


def test_requests_nobody_answered_count_in_the_shares_and_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = pd.DataFrame(
        {
            "group": ["chat", "chat", "chat", "large"],
            "id": ["chat-own", "chat-cloud", "", "large-azure"],
            "requests": [60.0, 30.0, 10.0, 5.0],
            "usd": [0.0, 0.0, 0.0, 2.0],  # what LiteLLM counts for the cloud, of which it has no price
        }
    )
    process = MemoryGateway(counted=counted)
    routing = process.routing()
    bare = [replace(one, input_usd=None, output_usd=None) if one.id == "chat-cloud" else one for one in routing.tiers]
    monkeypatch.setattr(process, "routing", lambda: replace(routing, tiers=tuple(bare)))
    sources, _ = room(process=process)
    board = gateway.board(sources, "east").value
    assert board is not None
    assert board.unanswered == {"chat": 10.0}
    tiers = board.tiers.set_index("key")
    assert tiers["share"].to_dict() == {"chat-own": 0.6, "chat-cloud": 0.3, "large-azure": 1.0}
    assert tiers["usd"].fillna(-1).to_dict() == {"chat-own": 0.0, "chat-cloud": -1.0, "large-azure": 2.0}


def test_requests_nobody_answered_are_no_deployments_of_a_file_without_ids() -> None:
    counted = pd.DataFrame({"group": ["chat"], "id": [""], "requests": [10.0], "usd": [0.0]})
    bare = FILE.replace("    model_info: {id: chat-own}\n", "")
    process = MemoryGateway(bare, counted=counted)
    sources, _ = room(bare, process)
    board = gateway.board(sources, "east").value
    assert board is not None
    assert board.tiers["requests"].tolist() == [0.0, 0.0, 0.0]


UNREADABLE = {
    "nothing": ("", "it has no sections"),
    "a list": ("- sk-PLANTED\n", "it has no sections"),
    "no YAML": ("a: [sk-PLANTED", "The text is not YAML, line 2"),
    "two documents": ("a: 1\n---\nb: sk-PLANTED\n", "several YAML documents"),
    "five MiB": ("a: sk-PLANTED" + "x" * (5 << 20), "larger than 1 MiB"),
    "10,000 levels": ("a: " + "[" * 10_000, "nested too deeply"),
    "an alias of what it is in": ("a: &a [*a]\n", "an alias stands for what it is in"),
    "a byte of zero": ("a: sk-PLANTED\x00", "characters YAML does not allow"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_costs_the_file_only(name: str) -> None:
    text, says = UNREADABLE[name]
    sources, _ = room(text, MemoryGateway())
    reading = gateway.board(sources, "east")
    assert reading.problem is not None
    assert reading.as_of == NOW
    board = reading.value
    assert board is not None
    assert (board.config, board.sha256, board.lints, board.differences) == (None, "", (), ())
    assert says in board.unread
    assert "sk-PLANTED" not in f"{board.unread}{reading.problem}"
    assert board.routing is not None
    assert board.unasked == ""
    assert sorted(board.tiers["key"]) == ["chat-cloud", "chat-own", "large-azure"]
    assert set(board.tiers["rank"]) == {0}  # in no file


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "has no key config.yaml"),
        ({"data": None}, "has no key config.yaml"),
        ({"data": {"other.yaml": FILE}}, "has no key config.yaml"),
        ({"binaryData": {"config.yaml": "AAAA"}}, "as binary data"),
    ],
)
def test_a_configmap_without_the_file_costs_the_file_only(body: dict[str, Any], says: str) -> None:
    sources, memory = room(process=MemoryGateway())
    memory.put(config_ref(), body)
    board = gateway.board(sources, "east").value
    assert board is not None
    assert says in board.unread
    assert len(board.tiers) == 3


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_and_no_process_are_a_problem_and_no_board(name: str) -> None:
    text, says = UNREADABLE[name]
    sources, _ = room(text, MemoryGateway(error=SourceUnavailable("litellm", "It is away.")))
    reading = gateway.board(sources, "east")
    assert (reading.value, reading.as_of) == (None, None)
    assert reading.problem is not None
    assert says in reading.problem.message


@pytest.mark.parametrize(
    "wrong",
    [
        FILE.replace("order: 2", "order: first"),
        FILE.replace("order: 2", "order: .inf"),
        FILE.replace("order: 2", "weight: []"),
        FILE.replace("order: 2", "weight: " + "9" * 1_000),
        FILE.replace("[{chat: [large]}]", "x"),
        FILE.replace("[{chat: [large]}]", "[[], {}, null, {a: 1, b: 2}, {chat: {large: 1}}]"),
        FILE.replace("timeout: 60", "max_fallbacks: .nan"),
        FILE.replace("timeout: 60", "num_retries: !!bool maybe"),
        "model_list: {}\nrouter_settings: []\n",
        "model_list:\n- null\n- word\n- [a]\n- {model_name: [x], litellm_params: 3, model_info: y}\n",
    ],
)
def test_a_wrong_value_in_the_file_costs_neither_the_file_nor_the_process(wrong: str) -> None:
    sources, _ = room(wrong, MemoryGateway())
    reading = gateway.board(sources, "east")
    assert reading.problem is None
    assert reading.value is not None
    assert (reading.value.unread, reading.value.unasked) == ("", "")
    assert set(reading.value.tiers["key"]) >= {"chat-own", "chat-cloud", "large-azure"}
    assert list(reading.value.tiers) == list(compare.TIERS)


@pytest.mark.parametrize("process", [None, MemoryGateway(error=SourceUnavailable("litellm", "It is away."))])
def test_without_the_process_every_tier_of_the_file_is_ranked(process: Any) -> None:
    sources, _ = room(process=process)
    board = gateway.board(sources, "east").value
    assert board is not None
    assert board.unread == ""
    assert board.tiers[["key", "rank"]].to_numpy().tolist() == [["chat-own", 1], ["chat-cloud", 2], ["large-azure", 1]]
    assert board.differences == ()
