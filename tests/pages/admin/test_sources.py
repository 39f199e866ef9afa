"""The Sources page: what is connected, how fresh it is, what is missing."""

from pages.ui import tables as columns
from services.ports import StoreState
from tests import fakes, tiny
from tests.conftest import demo_sources
from tests.pages.opening import opened, table, words
from tests.pages.troubles import TROUBLES, ill


def test_what_is_connected_is_shown_with_its_latency_and_version() -> None:
    text = words(opened(tiny.sources(), "sources"))
    assert "version v1\\.34\\.1 · answers in 12 ms" in text
    assert "answers in 20 ms" in text


def test_a_source_that_fails_says_why() -> None:
    text = words(opened(TROUBLES["metrics dead"](), "sources"))
    assert "Failed" in text
    assert fakes.SILENT.removesuffix(".") in text.replace("\\", "")


def test_what_may_not_be_read_is_named_with_what_it_costs_and_the_rule_that_allows_it() -> None:
    at = opened(ill(pods=StoreState.FORBIDDEN), "sources")
    stores = table(at, columns.STORES).set_index("kind")
    assert stores.loc["pods", "state"] == "forbidden"
    assert stores.loc["pods", "loses"] == "who holds which GPUs, demand and owners"
    assert stores.loc["nodes", "state"] == "ready"
    assert any("resources: [pods]" in element.value for element in at.code)


def test_a_counter_nobody_exports_comes_with_the_row_to_add() -> None:
    at = opened(TROUBLES["half the metrics"](), "sources")
    assert any("DCGM_FI_DEV_POWER_USAGE, gauge" in element.value for element in at.code)
    signals = table(at, columns.SIGNALS).set_index("signal")
    assert signals.loc["Power", "state"] == "not collected"
    assert signals.loc["GPU utilisation", "state"] == "collected"
    assert signals.loc["GPU utilisation", "gpus"] == 15


def test_one_cluster_can_be_looked_at_alone() -> None:
    two = tiny.sources(tiny.source("alive"), tiny.source("other"))
    at = opened(two, "sources", cluster="other")
    assert set(table(at, columns.STORES)["cluster"]) == {"other"}


def test_a_cluster_nobody_configured_is_said_to_be_unknown() -> None:
    assert "No such cluster" in words(opened(tiny.sources(), "sources", cluster="nowhere"))


def test_a_gateway_has_a_card_of_its_own() -> None:
    text = words(opened(demo_sources(), "sources", cluster="demo-west")).replace("\\", "")
    assert "**demo-west** · Gateway" in text
    assert "version 1.106.2 (demo)" in text
    assert "demo://demo-west/litellm" in text
    assert "· Gateway" not in words(opened(demo_sources(), "sources", cluster="demo-east"))
