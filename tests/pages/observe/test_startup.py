"""What stands on the Startup page over the six starts worked out in tests/unit/services/test_startup_board.py."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from db.work import Database
from pages.ui import tables_startup as columns
from services.domain.scope import Sight
from services.domain.startup import Outcome, Phase, Pulled
from services.ports import Sources
from tests import started, tiny
from tests.conftest import NOW
from tests.fakes import Clock
from tests.pages.opening import APP, ENTRIES, figures, has_table, opened, quiet, rerun, table, tiles, words
from tests.pages.persons import LOGIN, behind, claims, downloads, everything, opened_by  # noqa: F401
from tests.pages.test_hostile import EVIL, SIGNS, interpreted
from tests.started import event, start
from tests.unit.services.test_startup_advice import chats
from tests.unit.services.test_startup_board import CHATS, OTHERS, Gone

P = Phase


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with started.kept(tmp_path, [*CHATS, *OTHERS]) as found:
        started.alive(found)
        yield found


@pytest.fixture
def sources(database: Database) -> Sources:
    return replace(tiny.sources(), work=database)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    with started.kept(tmp_path, []) as found:
        yield found


def test_the_tiles_say_what_was_worked_out(sources: Sources) -> None:
    assert tiles(opened(sources, "startup")) == {
        "Start p50, 24h": ("1 min 45 s", "15 s below target"),  # 105 s
        "Start p95": ("6 min 2 s", "longest 6 min 40 s"),  # 362.5 s and 400 s
        "In target": ("33 %", "of 6 decided"),
        "GPU money": ("$5.75", "1 unpriced start left out"),
        "Never ready": ("1", "17 % of starts"),
    }


def test_the_answer_stands_on_the_first_screen(sources: Sources) -> None:
    said = words(opened(sources, "startup")).replace("\\", "")
    # 640 s in four ready starts: loading 210, pulling 180, provisioning 80
    assert "**Most time goes to** model load 33 %, image pull 28 %, node provisioning 12 %." in said
    assert "6 starts, 1 of them under way; their nodes: warm 50 %, by headroom 17 %, cold 17 %, not known 17 %." in said


def test_what_would_help_is_said_with_its_basis_and_offered_to_those_who_act(
    tmp_path: Path,
) -> None:
    with started.kept(tmp_path, chats()) as database:
        started.alive(database)
        at = opened(replace(tiny.sources(mode="demo"), work=database), "startup")
    said = words(at).replace("\\", "")
    assert "**What would help most:** pull images ahead, vllm:1: 2 min 30 s less in 6 of 12 starts." in said
    assert "**Pull images ahead** · vllm:1 in h100" in said
    assert "p95 2 min 50 s → 20 s · in target 50 % → 100 %" in said
    assert "Basis: median of 6 starts with this image on the node." in said
    (button,) = [one for one in at.button if str(one.key).startswith("startup_fix_")]
    assert button.label == "Pull it to the nodes of h100"
    rows = table(at, columns.LEVERS).set_index("title")
    assert rows.loc["Pull images ahead", "saved_s"] == pd.Timedelta(seconds=150)


def test_who_may_not_act_is_not_offered_anything(tmp_path: Path) -> None:
    with started.kept(tmp_path, chats()) as database:
        started.alive(database)
        at = opened_by(claims("nobodys"), behind(replace(tiny.sources(), work=database)), "startup")
    assert "Pull images ahead" in words(at)
    assert [one.key for one in at.button if str(one.key).startswith("startup_fix_")] == []


def test_the_charts_hold_the_figures(sources: Sources) -> None:
    trend, spread, phases = figures(opened(sources, "startup"))
    assert [trace["name"] for trace in trend["data"]][:2] == ["p95", "p50"]
    assert any(note["text"] == "target 2 min" for note in trend["layout"]["annotations"])
    assert {trace["name"] for trace in spread["data"]} == {"Warm", "By headroom", "Cold"}
    bars = {trace["name"]: trace for trace in phases["data"]}
    assert list(bars) == [
        "Waiting", "Autoscaler", "Node provisioning", "Node boot", "GPU device", "Pod setup", "Image pull",
        "Container start", "Model load",
    ]  # fmt: skip
    assert [re.sub("\u200b", "", name) for name in bars["Image pull"]["y"]] == [
        "l4 (1)  <b>6 min 40 s</b>",
        "h100 (3)  <b>1 min 20 s</b>",
    ]


def test_the_split_is_in_the_link(sources: Sources) -> None:
    at = opened(sources, "startup", start_split="workload")
    assert at.segmented_control(key="start_split").value == "workload"
    assert "chat (3)  <b>3 min 23 s</b>" in figures(at)[2]["data"][0]["y"][0]


def test_starts_are_listed_slowest_unready_or_newest_first_and_the_file_has_all(
    sources: Sources,
    downloads: list[str],  # noqa: F811
) -> None:
    at = opened(sources, "startup")
    assert table(at, columns.STARTS)["uid"].tolist() == ["c3", "c2", "c1", "n1"]
    assert table(at, columns.STARTS)["total_s"].tolist()[0] == pd.Timedelta(seconds=400)
    rows = next(list(csv.DictReader(io.StringIO(text))) for text in downloads if "load_s" in text)
    assert [row["uid"] for row in rows] == ["b1", "c1", "c2", "c3", "n1", "n2"]
    assert (rows[3]["total_s"], rows[3]["pull_s"], rows[3]["window"], rows[3]["mode"]) == (
        "400.0",
        "100.0",
        "24h",
        "live",
    )
    assert rows[5]["usd"] == "", "unpriced is not zero"
    unready = opened(sources, "startup", start_list="Not ready")
    assert table(unready, columns.STARTS)["uid"].tolist() == ["b1", "n2"]
    assert table(unready, columns.STARTS)["outcome"].tolist() == ["under way", "failed"]
    newest = opened(sources, "startup", start_list="Newest")
    assert table(newest, columns.STARTS)["uid"].tolist() == ["b1", "c1", "c2", "c3", "n1", "n2"]


def test_images_and_pools_have_their_tables(sources: Sources) -> None:
    at = opened(sources, "startup")
    images = table(at, columns.IMAGES).set_index("image")
    assert images.loc["reg.example/vllm:1", "size_bytes"] == 8, "drawn in GB"
    assert images.loc["reg.example/vllm:1", "pull_p50_s"] == pd.Timedelta(seconds=80)
    assert images.loc["reg.example/vllm:1", "rate_bytes_s"] == 100, "8 GB in 80 s, drawn in MB a second"
    pools = table(at, columns.POOLS).set_index("pool")
    assert pools.loc["l4", "node_p50_s"] == pd.Timedelta(seconds=180)
    assert pools.loc["h100", "cold"] == 0
    assert pd.isna(pools.loc["h100", "node_p50_s"])


def test_a_workload_in_the_link_narrows_everything(sources: Sources) -> None:
    at = opened(sources, "startup", start_workload="web/chat")
    assert at.selectbox(key="start_workload").value == "web/chat"
    assert tiles(at)["Start p50, 24h"][0] == "2 min 30 s"
    assert set(table(at, columns.STARTS)["workload"]) == {"chat"}


def test_a_workload_nobody_knows_is_said_to_be_unknown(sources: Sources) -> None:
    assert "No such start" in words(opened(sources, "startup", start_workload="lab/ghost"))


# Nothing to show, and why


def test_before_anything_was_recorded_it_is_said_what_to_do(empty: Database) -> None:
    said = words(opened(replace(tiny.sources(), work=empty), "startup")).replace("\\", "")
    assert "No start was recorded yet" in said
    assert (
        "Starts are not being recorded in tiny (never yet). Run the collector: `python -m services.collector`" in said
    )


def test_when_recording_has_just_begun_it_says_since_when_and_how_far_the_past_is(empty: Database) -> None:
    started.alive(empty, NOW - timedelta(minutes=3))
    with empty() as unit:
        unit.starts.set_mark("tiny", "backfill", {"done": 1, "of": 4, "todo": []}, NOW)
        unit.commit()
    said = words(opened(replace(tiny.sources(), work=empty), "startup"))
    assert "**No start was recorded yet.** Recording began 3 min ago." in said
    assert "The past is being filled in: tiny 25 %." in said
    assert "not being recorded" not in said


def test_a_scope_without_starts_is_no_empty_record(sources: Sources) -> None:
    said = words(opened(sources, "startup", pool="elsewhere")).replace("\\", "")
    assert "No start in this scope" in said
    assert "Starts are recorded since 2026-06-03 03:40:30 UTC." in said  # 500 minutes before 12:00:30
    assert not has_table(opened(sources, "startup", pool="elsewhere"), columns.STARTS)


def test_a_collector_that_stopped_is_said_beside_the_figures(sources: Sources, database: Database) -> None:
    started.alive(database, NOW - timedelta(hours=2))
    at = opened(sources, "startup")
    assert "Starts are not being recorded in tiny (last 2 h ago)." in words(at)
    assert "Start p50, 24h" in tiles(at)


def test_without_a_database_nothing_is_pretended() -> None:
    at = opened(tiny.sources(), "startup")
    assert "Starts: no database is configured." in words(at)
    assert tiles(at) == {}


def test_a_database_that_goes_away_leaves_the_last_figures_with_their_age(database: Database) -> None:
    clock, work = Clock(NOW), Gone(database)
    sources = replace(tiny.sources(), work=work, now=clock)
    at = opened(sources, "startup")
    work.away = True
    clock.forward(minutes=5)
    st.cache_data.clear()
    rerun(at, sources)
    assert "The database does not answer" in words(at).replace("\\", "")
    assert "Shown is the last good value, 5 min ago." in words(at)
    assert tiles(at)["In target"] == ("33 %", "of 6 decided")


def test_a_second_run_asks_the_database_nothing(database: Database) -> None:
    work = Gone(database)
    sources = replace(tiny.sources(), work=work)
    at = opened(sources, "startup")
    asked = work.asked
    rerun(at, sources)
    assert work.asked == asked
    assert asked <= 5, "the window, the marks, and the operations on the trend"


# One start


@pytest.fixture
def told(database: Database) -> Sources:
    """With a start of which everything is known."""
    record = start(
        "w1",
        60,
        {P.WAIT: 10, P.SETUP: 5, P.PULL: 100, P.LOAD: 60},
        how=Pulled.PULLED,
        size=8_000_000_000,
        flags=["revalidated"],
        events=[event(60, 115, "Pulled", 'Successfully pulled image "reg.example/vllm:1" in 1m40s')],
    )
    started.add(database, [record])
    return replace(tiny.sources(), work=database)


def test_a_start_in_the_link_is_shown_in_full(told: Sources) -> None:
    at = opened(told, "startup", start="tiny/w1")
    assert tiles(at) == {
        "Ready after": ("2 min 55 s", "55 s above target"),
        "Mostly": ("Image pull", "1 min 40 s, 57 %"),
        "Node": ("Warm", "a"),
        "GPU money": ("$1.00", "at $6.88 an hour"),
    }
    said = words(at).replace("\\", "")
    assert "chat-w1" in said
    assert "The image was there, only its manifest was asked for." in said
    spans = table(at, columns.SPANS)
    assert spans["title"].tolist() == ["Waiting for room", "Pod setup", "Image pull", "Model load"]
    assert spans["from_s"].tolist() == [pd.Timedelta(seconds=at) for at in (0, 10, 15, 115)]
    assert table(at, columns.EVENTS)["message"].tolist() == ['Successfully pulled image "reg.example/vllm:1" in 1m40s']
    assert table(at, columns.PULLS)["size_bytes"].tolist() == [8]
    assert table(at, columns.COMPARED)["title"].tolist()[-1] == "Whole start"
    (waterfall,) = figures(at)
    assert [trace["text"] for trace in waterfall["data"]] == ["10 s", "5 s", "1 min 40 s", "1 min"]
    assert not has_table(at, columns.STARTS)


def test_a_start_that_never_became_ready_says_why_it_ended(sources: Sources, database: Database) -> None:
    failed = start(
        "f1", 30, {P.PULL: 90}, outcome=Outcome.FAILED, how=Pulled.UNKNOWN, reason="ErrImagePull: no such tag"
    )
    started.add(database, [failed])
    at = opened(sources, "startup", start="tiny/f1")
    assert "It failed before it was ready. ErrImagePull: no such tag." in words(at).replace("\\", "")
    assert tiles(at)["Ended after"] == ("1 min 30 s", "target 2 min")


def test_a_start_under_way_says_of_when_that_is(sources: Sources) -> None:
    at = opened(sources, "startup", start="tiny/b1")  # created ten minutes ago, looked at 600 s later: now
    assert "It was not ready when it was looked at last, 0 s ago. Nothing says why." in words(at).replace("\\", "")
    assert tiles(at)["Under way for"] == ("10 min", "8 min above target")
    assert tiles(at)["Node"] == ("Not known", "no node")


@pytest.mark.parametrize("asked", ["tiny/nobody", "elsewhere/c1", "c1", "/", "tiny/"])
def test_a_start_nobody_recorded_is_said_to_be_unknown(sources: Sources, asked: str) -> None:
    assert "**No such start.**" in words(opened(sources, "startup", start=asked))


def test_the_only_start_of_a_workload_is_not_compared_with_itself(sources: Sources) -> None:
    at = opened(sources, "startup", start="tiny/n1")
    assert "No other start of this workload became ready, so there is nothing to compare with." in words(at)
    assert not has_table(at, columns.COMPARED)


def test_all_starts_are_one_click_away(sources: Sources) -> None:
    at = opened(sources, "startup", start="tiny/c1")
    at.button(key="start_back").click()
    rerun(at, sources)
    assert has_table(at, columns.STARTS)


def test_a_row_chosen_in_the_table_is_the_start_looked_at(sources: Sources) -> None:
    at = AppTest.from_file(APP, default_timeout=60)
    at.switch_page(ENTRIES["startup"].script)
    at.session_state["startup_starts_slowest"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    rerun(at, sources)
    assert at.text_input(key="start").value == "tiny/c2"
    assert "chat-c2" in words(at).replace("\\", "")


def test_another_workload_leaves_the_start(sources: Sources) -> None:
    at = opened(sources, "startup", start="tiny/c1")
    at.selectbox(key="start_workload").set_value("lab/notebook")
    rerun(at, sources)
    assert set(table(at, columns.STARTS)["workload"]) == {"notebook"}


# Whose starts


LIMITED = replace(LOGIN, views={"lab-team": Sight(namespaces=frozenset(), teams=frozenset({"research"}))})
HIDDEN = ("chat", "web", "product", "vllm:2", "c1", "c2", "c3", "g6.xlarge")


def hidden_in(text: str) -> list[str]:
    return [name for name in HIDDEN if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


@pytest.mark.parametrize("params", [{}, {"start_list": "Newest"}, {"start_split": "image"}, {"range": "7d"}])
def test_no_figure_and_no_file_tells_of_starts_that_may_not_be_seen(
    sources: Sources,
    params: dict[str, str],
    downloads: list[str],  # noqa: F811
) -> None:
    at = opened_by(claims("lab-team"), behind(sources, LIMITED), "startup", **params)
    assert set(table(at, columns.STARTS)["team"]) == {"research"}
    assert tiles(at)["Never ready"] == ("1", "33 % of starts")  # of three
    assert hidden_in(everything(at)) == []
    assert downloads
    assert hidden_in("\n".join(downloads)) == []
    everyone = opened_by(claims("gpu-ops"), behind(sources, LIMITED), "startup", **params)
    assert len(hidden_in(everything(everyone))) > 4, "the same look finds them where everything is seen"


def test_a_link_to_a_start_that_may_not_be_seen_tells_nothing(sources: Sources) -> None:
    at = opened_by(claims("lab-team"), behind(sources, LIMITED), "startup", start="tiny/c3")
    assert "**No such start.**" in words(at)
    assert hidden_in(everything(at).replace("tiny/c3", "")) == []


# Names of an enemy


def test_names_of_an_enemy_are_shown_and_never_interpreted(empty: Database, caplog: pytest.LogCaptureFixture) -> None:
    record = start(
        "evil", 60, {P.WAIT: 200, P.PULL: 100}, namespace=EVIL, workload=EVIL, team=EVIL, pod=EVIL, node=EVIL,
        pool=EVIL, instance=EVIL, image=EVIL, how=Pulled.PULLED, outcome=Outcome.FAILED, reason=f"because {EVIL}",
        events=[event(60, 1, "Failed", EVIL)],
    )  # fmt: skip
    slow = [replace(record, uid=f"evil-{i}", outcome=Outcome.READY) for i in range(6)]
    started.add(empty, [record, *slow])
    sources = replace(tiny.sources(), work=empty)
    for params in ({}, {"start": "tiny/evil"}, {"start_split": "workload", "start_workload": f"{EVIL}/{EVIL}"}):
        with quiet(caplog):
            at = opened(sources, "startup", **params)
        for sign in SIGNS:
            assert [text for text in interpreted(at) if re.search(rf"(?<!\\){sign}", text)] == [], (sign, params)
        for figure in figures(at):
            assert "<a href" not in str(figure)
        assert "evil" in "\n".join(interpreted(at)) or "start" not in params
