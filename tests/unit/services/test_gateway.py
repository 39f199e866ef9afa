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


def test_requests_nobody_answered_count_in_the_shares_and_are_told_apart() -> None:
    counted = pd.DataFrame(
        {
            "group": ["chat", "chat", "chat", "large"],
            "id": ["chat-own", "chat-cloud", "", "large-azure"],
            "requests": [60.0, 30.0, 10.0, 5.0],
            "usd": [0.0, float("nan"), 0.0, 2.0],
        }
    )
    sources, _ = room(process=MemoryGateway(counted=counted))
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
