"""What stands on the Headroom page over the pool worked out in tests/warm.py."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.operate._headroom_table import COLUMNS
from services.domain.headroom import Shape, Want
from services.domain.headroom.findings import pool_name
from services.domain.scope import Scope
from services.domain.startup import Phase
from services.headroom import read
from services.ports import Sources
from tests import memory, started, tiny, warm
from tests.conftest import NOW, Inline
from tests.pages.desk import laid
from tests.pages.opening import APP, ENTRIES, opened, rerun, table, tiles, words
from tests.pages.test_hostile import SIGNS, estate, interpreted
from tests.warm import CLUSTER, GPU, WarmCluster

LINK = "tee · spot · T4 · nvidia.com/gpu"


def sources(cluster: WarmCluster | None = None) -> Sources:
    held = memory.source(CLUSTER, cluster or WarmCluster())
    return Sources(mode="demo", clusters={CLUSTER: held}, now=lambda: NOW, pool=Inline())


def chosen(cluster: WarmCluster | None = None) -> AppTest:
    return opened(sources(cluster), "headroom", headroom_pool=LINK)


def test_the_page_says_what_was_worked_out() -> None:
    at = opened(sources(), "headroom")
    assert tiles(at) == {
        "Warm units": ("0", "nothing is kept warm"),
        "Cost per day": ("$0.00", "for warm units, at list prices"),
        "Room at once, 24h": ("100 %", "1 of 1 start"),
        "Used": ("0 times", "no events to be read"),
    }
    (row,) = table(at, COLUMNS).to_dict("records")
    assert (row["pool"], row["free"], row["set"], row["method"], row["more"]) == ("spot", 1, 0, "none", 1)
    assert [one.label for one in at.button if one.key == "headroom_apply"] == []


def test_recorded_starts_are_counted_alike_here_and_on_the_startup_page(tmp_path: Path) -> None:
    """Two warm starts, one by headroom, one that waited a minute for room: three of four found room at once."""
    load = {Phase.LOAD: 60}
    spot = [
        started.start("a", 50, load, pool="spot"),
        started.start("b", 60, load, pool="spot"),
        started.start("c", 70, load, pool="spot", headroom=True),
        started.start("d", 80, {Phase.WAIT: 60, **load}, pool="spot"),
    ]
    with started.kept(tmp_path, [replace(one, model="T4") for one in spot], CLUSTER) as database:
        started.alive(database, NOW, CLUSTER, since=(NOW - timedelta(days=1)).isoformat())
        given = replace(sources(), work=database)
        at, startup = opened(given, "headroom"), opened(given, "startup")
        (row,) = table(at, COLUMNS).to_dict("records")
        assert tiles(at)["Room at once, 24h"] == ("75 %", "3 of 4 starts")
        assert tiles(at)["Used"] == ("1 time", "in the last 24h")
        assert [row[name] for name in ("starts", "warm", "headroom", "waited", "cold")] == [4, 2, 1, 1, 0]
        assert "4 starts; their nodes: warm 50 %, by headroom 25 %, waited 25 %." in words(startup).replace("\\", "")
        assert "still exist" not in words(at)


def test_where_starts_are_not_recorded_the_page_says_what_is_counted_instead() -> None:
    assert "only those of pods that still exist are counted" in words(opened(sources(), "headroom"))


def test_a_pool_in_the_link_shows_what_one_unit_takes() -> None:
    at = chosen()
    assert at.number_input[0].value == 1
    said = words(at)
    assert r"**About \$5\.05 a day at list prices.**" in said
    assert "Each unit holds 1 GPU, 2 CPUs and 8Gi of memory. It fits now." in said
    button = at.button(key="headroom_apply")
    assert button.label == "Keep 1 unit of spot warm"
    assert not button.disabled


def test_a_row_chosen_in_the_table_is_the_pool_looked_at() -> None:
    at = AppTest.from_file(APP, default_timeout=60)
    at.switch_page(ENTRIES["headroom"].script)
    at.session_state["headroom_table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    rerun(at, sources())
    assert at.selectbox(key="headroom_pool").value == LINK


def test_more_than_fits_is_told_before_it_is_asked_for() -> None:
    given = sources()
    at = opened(given, "headroom", headroom_pool=LINK)
    at.number_input[0].set_value(2)
    rerun(at, given)
    assert "Some of them wait for new nodes." in words(at)
    assert "Karpenter has to bring nodes for 1 unit" in words(at)
    at.number_input[0].set_value(3)
    rerun(at, given)
    assert at.button(key="headroom_apply").disabled
    assert "2 more would be needed" in words(at)


def test_the_shape_can_be_that_of_a_workload_or_typed() -> None:
    given = sources()
    at = opened(given, "headroom", headroom_pool=LINK)
    shape = at.selectbox(key=f"headroom_shape_{LINK}")
    assert shape.options == ["As is usual in the pool", "web/chat", "As typed here"]
    shape.set_value("web/chat")
    rerun(at, given)
    assert "Each unit holds 1 GPU, 2 CPUs and 8Gi" in words(at)
    at.selectbox(key=f"headroom_shape_{LINK}").set_value("As typed here")
    rerun(at, given)
    at.text_input(key=f"headroom_cpu_{LINK}").set_value("9")
    rerun(at, given)
    assert at.button(key="headroom_apply").disabled
    assert "large enough for 1 GPU with 9 CPUs" in words(at)
    at.text_input(key=f"headroom_cpu_{LINK}").set_value("lots")
    rerun(at, given)
    assert "CPUs are written as 8 or 500m" in words(at)
    assert "headroom_apply" not in [one.key for one in at.button], "what cannot be read cannot be asked for"


def test_units_in_place_and_on_their_way_are_told_apart() -> None:
    cluster = WarmCluster()
    from services.domain.change.refs import Ref
    from services.domain.headroom import Place
    from services.domain.headroom import objects as headroom_objects

    made = headroom_objects.deployment("warm-spot-1x-gpu", Place("spot", "", {}, [], []), Shape(GPU, 1, "2", "8Gi"), 2)
    meta = {**made["metadata"], "namespace": "gpu-headroom"}
    cluster.put(Ref.of(CLUSTER, "Deployment", "warm-spot-1x-gpu", "gpu-headroom"), {**made, "metadata": meta})
    cluster.controllers()()
    at = chosen(cluster)
    assert tiles(at)["Warm units"] == ("1 of 2", "refill in progress: 1 missing")
    assert tiles(at)["Cost per day"][0] == "$5.05"
    (row,) = table(at, COLUMNS).to_dict("records")
    assert (row["ready"], row["set"], row["pending"], row["free"]) == (1, 2, 1, 0)
    assert at.number_input[0].value == 2
    assert at.button(key="headroom_apply").disabled, "two are asked for already"


def test_a_pool_nobody_knows_is_said_to_be_unknown() -> None:
    at = opened(sources(), "headroom", headroom_pool="ghost · pool")
    assert "This pool is not known here (yet)." in words(at)


def test_nothing_kept_cannot_be_removed() -> None:
    given = sources()
    at = opened(given, "headroom", headroom_pool=LINK)
    at.number_input[0].set_value(0)
    rerun(at, given)
    button = at.button(key="headroom_apply")
    assert (button.label, button.disabled) == ("Keep nothing warm in spot", True)


def test_an_estate_without_metrics_or_autoscaler_still_has_its_pools() -> None:
    at = opened(tiny.sources(tiny.source(metrics=False)), "headroom")
    (row,) = table(at, COLUMNS).to_dict("records")
    assert (row["pool"], row["free"], row["autoscaler"]) == ("h100", 1, "")


def test_the_button_asks_for_exactly_what_is_shown(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from pages.ui import actions

    asked = []
    monkeypatch.setattr(actions, "button", lambda label, action, params, **more: asked.append((action, params)))
    chosen()
    assert asked == [("scale-headroom", Want(CLUSTER, "spot", 1, model="T4", shape=Shape(GPU)))]
    assert warm.POOL == "spot"


def test_a_pool_named_by_an_enemy_is_shown_and_never_interpreted() -> None:
    rows = read.pools(estate(), Scope()).value
    assert rows is not None
    at = opened(estate(), "headroom", headroom_pool=pool_name(rows.to_dict("records")[0]))
    assert at.button(key="headroom_apply").label.startswith("Keep 1 unit of")
    texts = list(interpreted(at))
    for sign in SIGNS:
        assert [text for text in texts if re.search(rf"(?<!\\){sign}", text)] == [], sign


def test_one_unit_is_warm_after_two_clicks_and_can_be_taken_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = WarmCluster()
    cluster.after = lambda _verb, _ref: cluster.controllers()()
    with laid(tmp_path, monkeypatch.setattr, memory=cluster) as desk:
        at = desk.open("headroom", headroom_pool="east · spot · T4 · nvidia.com/gpu")
        at = desk.click(at, "headroom_apply")
        assert "Holds 1 × 1 GPU of pool spot: about $5.05 a day" in words(at).replace("\\", "")
        assert cluster.changed == []
        at = desk.click(at, "review_apply")
        assert "1 of 1 are warm" in words(at).replace("\\", "")
        at = desk.click(at, "progress_close")
        desk.seconds += 60
        st.cache_data.clear()
        at = desk.run(at)
        assert tiles(at)["Warm units"] == ("1 of 1", "all in place")
        at.number_input[0].set_value(0)
        at = desk.click(desk.click(desk.run(at), "headroom_apply"), "review_apply")
        assert "No warm units are kept any more" in words(at).replace("\\", "")
