"""Engines as a person looks at them: one by a link, its settings and replicas, and the way to what fell back."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.screens import shoot
from tests.e2e.test_drill import download

NAMES = {"chat-70b", "chat-8b", "embed"}
"""The workloads of the demo's scenario that serve with an engine."""


def test_a_link_opens_one_workload_with_its_settings_replicas_and_files(visit: Visit) -> None:
    tab = visit().open("/serving", serving_workload="assistants-prod/chat-70b", live="false").on("Serving")
    tab.holds(Workload="assistants-prod/chat-70b")
    expect(tab.main.get_by_role("heading", name="Load of chat-70b")).to_be_attached()
    settings = {row["Argument"]: row["Value"] for row in tab.rows(tab.told("Batch settings of the workload's engine."))}
    assert settings == {"--max-num-seqs": "64", "--gpu-memory-utilization": "0.90", "--max-model-len": "16384"}
    name, rows = download(tab, "serving_table_csv")
    assert name == "serving_table-24h-demo.csv"
    assert {row["workload"] for row in rows} == NAMES
    (mine,) = [row for row in rows if row["workload"] == "chat-70b"]
    assert (mine["cluster"], mine["pool"], mine["team"]) == ("demo-east", "h100-train", "assistants")
    assert mine["models"] == "meta-llama/Llama-3.3-70B-Instruct"
    _, replicas = download(tab, "serving_replicas_csv")
    assert len(replicas) == float(mine["replicas"])
    assert {row["pod"].startswith("chat-70b-") for row in replicas} == {True}
    assert {float(row["gpus"]) for row in replicas} == {4.0}, "four H100 each"
    for key in ("serving_load", "serving_cache", "serving_tokens"):
        expect(tab.keyed(key).locator(".main-svg").first).to_be_attached()
    shoot(tab, "serving-chat-70b")


def test_the_workload_and_the_window_stand_in_the_link_and_come_back_after_a_reload(visit: Visit) -> None:
    tab = visit().open("/serving", live="false").on("Serving")
    tab.pick("Workload", "search-prod/embed")
    tab.says(live="false", serving_workload="search-prod/embed")
    tab.choose("Time range", "6h")
    tab.says(live="false", range="6h", serving_workload="search-prod/embed")
    tab.page.reload()
    tab.on("Serving").holds(Workload="search-prod/embed")
    other = visit()
    other.page.goto(tab.page.url)
    other.on("Serving").holds(Workload="search-prod/embed")
    other.chosen("Time range", "6h")
    expect(other.main.get_by_role("heading", name="Load of embed")).to_be_attached()
    name, rows = download(other, "serving_table_csv")
    assert name == "serving_table-6h-demo.csv"
    assert {row["window"] for row in rows} == {"6h"}


def test_from_an_engine_to_what_fell_back_and_to_the_gpus_it_holds(visit: Visit) -> None:
    tab = visit().open("/serving", serving_workload="assistants-prod/chat-8b", range="7d").on("Serving")
    tab.main.get_by_role("link", name="What fell back").click()
    tab.on("Fallback").says(range="7d", cluster="demo-west")
    expect(tab.main.get_by_role("heading", name=re.compile("^Who answered "))).to_be_attached()
    tab.open("/serving", serving_workload="assistants-prod/chat-8b", range="7d").on("Serving")
    tab.main.get_by_role("link", name="GPUs it holds").click()
    tab.on("Workloads").says(range="7d", cluster="demo-west", ns="assistants-prod")
    _, rows = download(tab, "work_table_csv")
    assert "chat-8b" in {row["workload"] for row in rows}


def test_a_cluster_shows_its_own_engines_alone(visit: Visit) -> None:
    tab = visit().open("/serving", cluster="demo-east", live="false").on("Serving")
    _, rows = download(tab, "serving_table_csv")
    assert {row["workload"] for row in rows} == {"chat-70b"}
    expect(tab.main.get_by_role("heading", name="Load of chat-70b")).to_be_attached()
