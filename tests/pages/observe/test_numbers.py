"""What stands on the pages of the tiny estate, worked out by hand in tests/tiny.py."""

import numpy as np
import pytest

from pages.ui import tables as columns
from tests import tiny
from tests.pages.opening import figures, opened, table, tiles, words


def test_the_overview_says_what_was_worked_out() -> None:
    assert tiles(opened(tiny.sources(), "overview")) == {
        "Utilisation, 24h": ("55 %", "15 points below 70 %"),  # 8.2 / 15; 70 − 54.67 = 15.33
        "Free GPUs": ("1", "of 16 on 2 nodes"),
        "Unmet demand": ("1 pod", "20 min: No free GPU"),
        "GPUs out of use": ("1", "1 node affected"),
        "Warm headroom": ("0 units", "nothing is kept warm"),
        "Room at once, 24h": ("—", "no start in the window"),
        "Sharing would free": ("0 GPUs", "no pool would gain"),
        "Cost this month": ("—", "not recorded yet"),
        "Fallback, 24h": ("—", "no gateway is counted"),
        "Changes, 24h": ("—", ""),
    }


def test_the_funnel_narrows_from_sixteen_to_what_was_busy() -> None:
    """16 GPUs, 14 held, 10 of them active; 8 × 0.9 + 2 × 0.5 = 8.2 effective; 165.12 USD a GPU and day."""
    bars = next(
        trace
        for figure in figures(opened(tiny.sources(), "overview"))
        for trace in figure["data"]
        if trace["type"] == "bar"
    )
    assert [name.split("  ")[0] for name in bars["y"]] == ["Total", "Allocated", "Active", "Effective"]
    assert bars["text"] == [
        "100 % · $2,642/day",
        "88 % · $2,312/day",
        "62 % · $1,651/day",
        "51 % · $1,354/day",
    ]


def test_pools_are_listed_with_what_is_free_in_them() -> None:
    pools = table(opened(tiny.sources(), "overview"), columns.POOLS).to_dict("records")
    assert len(pools) == 1
    row = pools[0]
    assert (row["pool"], row["free"], row["gpus"], row["nodes"], row["largest_free"], row["out"]) == (
        "h100",
        1,
        16,
        2,
        1,
        1,
    )
    assert row["held_ratio"] == pytest.approx(100 * 14 / 15)  # drawn as a percentage
    assert row["usd_per_day"] == pytest.approx(16 * tiny.GPU_DAY_USD)


def test_what_needs_attention_is_ranked_by_urgency_and_size() -> None:
    at = opened(tiny.sources(), "overview")
    findings = table(at, columns.FINDINGS)
    assert findings["title"].tolist() == [
        "notebook holds 4 GPUs and uses none",  # critical: 660 of 2,642 USD a day is more than a twentieth; has a fix
        "1 pod of big waits for GPUs: no free GPU",  # critical: 20 minutes are more than 15; eight GPUs
        "b has 1 of its 8 GPUs out of use",
    ]
    assert findings["severity"].tolist() == ["critical", "critical", "warning"]
    assert np.isnan(findings["usd_per_day"].tolist()[1]), "waiting costs nothing that is known"
    assert findings["usd_per_day"].tolist()[0] == pytest.approx(4 * tiny.GPU_DAY_USD)


def test_the_utilisation_page_says_what_was_worked_out() -> None:
    at = opened(tiny.sources(), "utilisation")
    assert tiles(at) == {
        "Utilisation, 24h": ("55 %", "over 15 GPUs measured"),
        "Held idle": ("4 GPUs", "$660 a day at list prices"),
        "Memory used": ("25 %", "of framebuffer memory, now"),  # 20 of 80 GiB each
        "Power": ("7.5 kW", "hottest GPU 71 °C"),  # 15 × 500 W
    }
    text = words(at)
    for said in (
        "**Active**: 10 GPUs (62 %)",
        "**Held idle**: 4 GPUs (25 %)",
        "**Free**: 1 GPU (6 %)",
        "**Out of use**: 1 GPU (6 %)",
    ):
        assert said in text
    assert "Together 16 GPUs, each once" in text
    # 15 GPUs × 24 h = 360 GPU-hours: 10 active, 4 idle, 1 not held
    assert "67 % active, 27 % held idle, 7 % not held, of 360 measured GPU-hours" in text


def test_the_wasters_are_those_who_leave_most_unused() -> None:
    """notebook 4 × 1 = 4; chat 2 × 0.5 = 1; pretrain 8 × 0.1 = 0.8."""
    wasters = table(opened(tiny.sources(), "utilisation"), columns.WASTERS)
    assert wasters["workload"].tolist() == ["notebook", "chat", "pretrain"]
    assert wasters["wasted"].tolist() == pytest.approx([4.0, 1.0, 0.8])
    assert wasters["wasted_usd_per_day"].tolist() == pytest.approx([4 * 165.12, 165.12, 0.8 * 165.12])
    assert wasters["idle"].tolist() == [4.0, 0.0, 0.0]


def test_one_node_shows_its_gpus_and_the_history_of_one() -> None:
    at = opened(tiny.sources(), "utilisation", util_node="b")
    units = table(at, columns.UNITS)
    assert units["gpu"].tolist() == [f"GPU-b-{i}" for i in range(7)]
    assert tiles(at)["Utilisation, 24h"] == ("14 %", "over 7 GPUs measured")  # 1.0 / 7
    assert at.selectbox(key="util_gpu").value == "GPU-b-0"
    chosen = opened(tiny.sources(), "utilisation", util_node="b", util_gpu="GPU-b-6")
    assert chosen.selectbox(key="util_gpu").value == "GPU-b-6"
    assert "Nobody holds it." in words(chosen)
    assert "Not collected. Unknown, not zero." in words(chosen), "nobody exports its tensor activity"


def test_the_map_has_a_mark_for_every_gpu_even_the_silent_one() -> None:
    maps = [f for f in figures(opened(tiny.sources(), "utilisation")) if any("customdata" in t for t in f["data"])]
    marks = {trace["name"]: len(trace["customdata"]) for trace in maps[0]["data"]}
    assert marks == {"Active (10)": 10, "Held idle (4)": 4, "Free (1)": 1, "Not measured (1)": 1}


def test_the_workloads_page_says_what_was_worked_out() -> None:
    at = opened(tiny.sources(), "workloads")
    assert tiles(at) == {
        "GPUs held": ("14", "by 3 workloads, now"),
        "GPU-hours, 24h": ("336", "held, as metrics saw it"),  # 14 × 24
        "Idle GPU-hours": ("96", "29 % of the hours held"),  # 4 × 24; 96 / 336
        "Cannot run": ("1 pod", "waiting, failing or held back"),
    }
    rows = table(at, columns.WORKLOADS).set_index("workload")
    assert rows.index.tolist() == ["notebook", "pretrain", "chat", "big"]
    assert rows["held"].tolist() == [4, 8, 2, 0]
    assert rows["gpu_hours"].tolist()[:3] == pytest.approx([96, 192, 48])
    assert rows["util"].tolist()[:3] == pytest.approx([0, 90, 50])  # drawn as percentages
    assert rows["idle_usd"].tolist()[:3] == pytest.approx([96 * 6.88, 0, 0])
    assert np.isnan(rows.loc["big", "util"])
    assert rows["team"].tolist() == ["research", "research", "product", "research"]
    queue = table(at, columns.WAITING)
    assert queue["reason"].tolist() == ["No free GPU"]


def test_a_workload_in_the_link_shows_its_pods() -> None:
    at = opened(tiny.sources(), "workloads", work_name="lab/notebook")
    pods = table(at, columns.POD_USE)
    assert pods["pod"].tolist() == ["notebook-0"]
    assert pods["idle_gpu_hours"].tolist() == pytest.approx([96])


def test_a_row_chosen_in_the_table_shows_its_pods() -> None:
    from streamlit.testing.v1 import AppTest

    from tests.pages.opening import APP, ENTRIES, rerun

    at = AppTest.from_file(APP, default_timeout=60)
    at.switch_page(ENTRIES["workloads"].script)
    at.session_state["work_table"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    rerun(at, tiny.sources())
    assert table(at, columns.POD_USE)["pod"].tolist() == ["pretrain-0"]
    assert at.selectbox(key="work_name").value == "train/pretrain"


def test_a_workload_nobody_knows_is_said_to_be_unknown() -> None:
    assert "No such workload" in words(opened(tiny.sources(), "workloads", work_name="lab/ghost"))
