"""The form that keeps images on nodes, over the starts worked out in tests/unit/services/test_startup_board.py."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.ports import Sources
from tests import started, tiny
from tests.pages.opening import opened, rerun, words
from tests.pages.test_hostile import EVIL, SIGNS, interpreted
from tests.unit.services.test_startup_board import CHATS, OTHERS

POOL = "tiny · h100"


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    with started.kept(tmp_path, [*CHATS, *OTHERS]) as database:
        started.alive(database)
        yield replace(tiny.sources(), work=database)


def asked(sources: Sources, *images: str) -> AppTest:
    at = opened(sources, "startup", prepull_pool=POOL)
    (field,) = [one for one in at.multiselect if one.label == "Images"]
    assert "reg.example/vllm:1" in field.options
    field.set_value(list(images))
    rerun(at, sources)
    return at


def test_without_a_pool_only_what_is_kept_is_told(sources: Sources) -> None:
    at = opened(sources, "startup")
    assert [one for one in at.multiselect if one.label == "Images"] == []
    assert "keeps images on these nodes now" in words(at)


def test_a_pool_nobody_knows_is_said_to_be_unknown(sources: Sources) -> None:
    assert "This pool is not known here (yet)." in words(opened(sources, "startup", prepull_pool="tiny · other"))


def test_network_and_disk_are_told_before_the_button_is_pressed(sources: Sources) -> None:
    at = asked(sources, "reg.example/vllm:1")
    said = words(at).replace("\\", "")
    # two nodes, which list nothing; the recorded pulls had 8 GB
    assert "Network: about 16.0 GB from reg.example (vllm:1: 2 nodes × 8.0 GB)." in said
    assert "Disk: up to 8.0 GB more on a node" in said
    button = at.button(key="prepull_apply")
    assert button.label.replace("\\", "") == "Pull vllm:1 to the nodes of h100"


def test_what_is_no_name_of_an_image_is_refused_and_not_lost(sources: Sources) -> None:
    at = asked(sources, "reg.example/vllm:1", EVIL)
    assert [button for button in at.button if button.key == "prepull_apply"] == []
    assert "is not the name of an image" in words(at)
    (field,) = [one for one in at.multiselect if one.label == "Images"]
    assert field.value == ["reg.example/vllm:1", EVIL]
    for sign in SIGNS:
        assert [text for text in interpreted(at) if re.search(rf"(?<!\\){sign}", text)] == [], sign
