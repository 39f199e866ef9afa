"""A value, zero, not collected, stale, loading and forbidden must not be mistaken for each other."""

import dataclasses
from datetime import timedelta

import pytest

from services import runtime
from services.gateway import read as gateway
from services.ports import StoreState
from services.reading import Absence, Reading
from tests import fakes, tiny
from tests.conftest import NOW, demo_sources
from tests.fakes import LOST, SILENT
from tests.pages.opening import METRIC_PAGES, opened, tables, tiles, words
from tests.pages.troubles import TROUBLES, estate_of

DASH = "—"


def test_no_gpus_is_zero_and_said_to_be_an_empty_answer() -> None:
    at = opened(estate_of(), "overview")
    assert tiles(at)["Free GPUs"] == ("0", "of 0 on 0 nodes")
    assert "No GPU nodes here" in words(at)
    assert "No GPUs in this scope" in words(at)


def test_a_dead_metrics_source_costs_what_it_carries_and_nothing_else() -> None:
    at = opened(TROUBLES["metrics dead"](), "overview")
    told = tiles(at)
    assert told["Utilisation, 24h"][0] == DASH
    assert told["Free GPUs"] == ("1", "of 16 on 2 nodes")
    assert told["GPUs out of use"][0] == "1"
    assert any(SILENT.removesuffix(".") in element.value.replace("\\", "") for element in at.warning)
    assert "Shown is the last good value" not in words(at)


def test_a_figure_nobody_exports_is_unknown_and_not_zero() -> None:
    at = opened(TROUBLES["no utilisation"](), "utilisation")
    assert "not collected. Unknown, not zero." in words(at)
    assert "0 %" not in [value for value, _ in tiles(at).values()]


def test_a_figure_of_half_the_fleet_leaves_the_other_tiles_alone() -> None:
    told = tiles(opened(TROUBLES["half the metrics"](), "utilisation"))
    assert told["Utilisation, 24h"] == ("55 %", "over 15 GPUs measured")
    assert told["Memory used"][0] == DASH
    assert told["Power"] == (DASH, f"hottest GPU {DASH}")


def test_nan_is_not_measured_and_never_zero() -> None:
    told = tiles(opened(TROUBLES["only NaN"](), "utilisation"))
    assert told["Utilisation, 24h"][0] == DASH
    assert told["Memory used"][0] == DASH
    assert told["Held idle"][0] == DASH


def test_no_metrics_source_in_the_settings_is_said_and_leads_to_sources() -> None:
    at = opened(TROUBLES["no metrics configured"](), "utilisation")
    assert "no metrics source is configured" in words(at)
    assert any(element.proto.page == "sources" for element in at.page_link)
    health = opened(TROUBLES["no metrics configured"](), "sources")
    assert "Not configured" in words(health)
    assert any("Connect a Prometheus-compatible server" in element.label for element in health.expander)


def test_what_is_not_configured_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "board", lambda sources, cluster: Reading(None, absence=Absence.NOT_CONFIGURED))
    at = opened(demo_sources(), "fallback-edit")
    assert "Chains: no gateway is configured" in words(at)
    assert "no metrics source" not in words(at)


@pytest.mark.parametrize("path", METRIC_PAGES)
def test_a_cluster_still_being_read_is_said_to_be(path: str) -> None:
    at = opened(TROUBLES["kubernetes loading"](), path)
    assert "the first reading is still under way" in words(at)
    assert list(at.warning) == []


@pytest.mark.parametrize("path", METRIC_PAGES)
def test_a_dead_api_server_is_said_in_its_own_words(path: str) -> None:
    at = opened(TROUBLES["kubernetes dead"](), path)
    assert LOST.removesuffix(".") in words(at).replace("\\", "")
    assert tables(at) == []


def test_nodes_we_may_not_read_are_a_refusal_and_no_empty_fleet() -> None:
    at = opened(TROUBLES["nodes forbidden"](), "overview")
    assert "refuses to list nodes" in words(at)
    assert tiles(at)["Free GPUs"][0] == DASH
    assert "No GPU nodes here" not in words(at)


def test_without_pods_gpus_are_counted_and_what_is_free_is_unknown() -> None:
    at = opened(TROUBLES["pods forbidden"](), "overview")
    assert tiles(at)["Free GPUs"] == (DASH, "of 16 on 2 nodes")
    assert tiles(at)["GPUs out of use"][0] == "1"


def test_a_value_from_before_the_source_died_is_shown_with_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = fakes.Clock(NOW)
    sources = dataclasses.replace(fakes.watched(tiny.sources()), now=clock)
    assert tiles(opened(sources, "utilisation"))["Utilisation, 24h"][0] == "55 %"
    later = clock.forward(minutes=4)
    monkeypatch.setattr(runtime, "now", lambda: later)
    fakes.metrics_of(sources, "tiny").error = fakes.dead()
    import streamlit as st

    st.cache_data.clear()
    at = opened(sources, "utilisation")
    assert tiles(at)["Utilisation, 24h"][0] == "55 %"
    assert "Shown is the last good value, 4 min ago." in words(at)


def test_since_when_the_api_server_is_gone_is_said() -> None:
    sources = fakes.watched(tiny.sources())
    double = fakes.cluster_of(sources, "tiny")
    double.states, double.since = {"*": StoreState.FAILED}, NOW - timedelta(minutes=12)
    at = opened(sources, "overview")
    assert "Since 12 min." in words(at)
    assert tiles(at)["Free GPUs"] == ("1", "of 16 on 2 nodes"), "the last good objects are still shown"


@pytest.mark.parametrize(
    ("path", "first", "both"),
    [("overview", "Free GPUs", ("1", "of 16 on 2 nodes")), ("workloads", "GPUs held", ("14", "by 3 workloads, now"))],
)
def test_one_dead_cluster_of_two_costs_its_own_rows_only(path: str, first: str, both: tuple[str, str]) -> None:
    at = opened(TROUBLES["one of two clusters dead"](), path)
    assert tiles(at)[first] == both
    assert "dead: " in words(at).replace("\\", "")


def test_both_clusters_alive_count_together() -> None:
    two = tiny.sources(tiny.source("alive"), tiny.source("dead"))
    assert tiles(opened(two, "overview"))["Free GPUs"] == ("2", "of 32 on 4 nodes")
