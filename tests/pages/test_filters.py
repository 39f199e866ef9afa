"""The global scope: every filter changes the rows, unknown values stay and are said, links keep the view."""

import pytest

from pages.ui import tables as columns
from services import fleet
from services.ports import Sources
from tests import tiny
from tests.pages.opening import ENTRIES, has_table, links, opened, rerun, table, tiles, words

HARDWARE = ("cluster", "pool", "model")
OWNERS = {"ns": "namespace", "team": "team"}


@pytest.mark.parametrize("name", HARDWARE)
def test_a_filter_of_hardware_leaves_only_its_pools(name: str, sources: Sources) -> None:
    everything = table(opened(sources, "overview"), columns.POOLS)
    value = fleet.choices(sources)[name][0]
    kept = table(opened(sources, "overview", **{name: value}), columns.POOLS)
    assert set(kept[name]) == {value}
    assert len(kept) == (everything[name] == value).sum()
    assert 0 < len(kept) < len(everything)


@pytest.mark.parametrize("key", list(OWNERS))
def test_a_filter_of_owners_leaves_only_their_workloads(key: str, sources: Sources) -> None:
    column = OWNERS[key]
    everything = table(opened(sources, "workloads"), columns.WORKLOADS)
    value = everything[column].mode().iat[0]
    at = opened(sources, "workloads", **{key: value})
    kept = table(at, columns.WORKLOADS)
    assert set(kept[column]) == {value}
    assert 0 < len(kept) < len(everything)
    assert tiles(at)["GPUs held"] != tiles(opened(sources, "workloads"))["GPUs held"]


def test_the_time_range_changes_what_the_figures_speak_of(sources: Sources) -> None:
    assert "Utilisation, 7d" in tiles(opened(sources, "overview", range="7d"))
    assert "GPU-hours, 1h" in tiles(opened(sources, "workloads", range="1h"))
    assert tiles(opened(tiny.sources(), "workloads", range="7d"))["GPU-hours, 7d"][0] == "2,352"  # 14 × 168


def test_a_choice_in_the_sidebar_changes_the_page(sources: Sources) -> None:
    at = opened(sources, "overview")
    names = fleet.choices(sources)["cluster"]
    at.selectbox(key="cluster").set_value(names[-1])
    rerun(at, sources)
    assert set(table(at, columns.POOLS)["cluster"]) == {names[-1]}


@pytest.mark.parametrize("key", ["cluster", "pool", "model", "ns", "team"])
def test_a_value_nobody_knows_stays_chosen_and_is_said_to_be_unknown(key: str) -> None:
    at = opened(tiny.sources(), "workloads", **{key: "nowhere"})
    assert at.selectbox(key=key).value == "nowhere"
    assert "nowhere is not known here (yet)." in words(at)
    assert not has_table(at, columns.WORKLOADS) or len(table(at, columns.WORKLOADS)) == 0
    assert tiles(at).get("GPUs held", ("0", ""))[0] in ("0", "—"), "the view is not silently widened"


def test_filters_can_be_cleared_together() -> None:
    at = opened(tiny.sources(), "overview", pool="nowhere", team="nobody", range="7d")
    next(button for button in at.sidebar.button if button.label == "Clear filters").click()
    rerun(at, tiny.sources())
    assert [at.selectbox(key=key).value for key in ("cluster", "pool", "model", "ns", "team")] == [""] * 5
    assert at.segmented_control(key="range").value == "7d", "the window is no filter"
    assert not [button for button in at.sidebar.button if button.label == "Clear filters"]


def test_refreshing_can_be_switched_off_by_the_link() -> None:
    assert opened(tiny.sources(), "overview").toggle(key="live").value is True
    assert opened(tiny.sources(), "overview", live="false").toggle(key="live").value is False


def test_links_of_findings_keep_the_scope_and_name_their_thing() -> None:
    at = opened(tiny.sources(), "overview", team="research", range="7d", live="false")
    found = links(at)
    assert found["notebook holds 4 GPUs and uses none"] == (
        "workloads",
        {"cluster": "tiny", "team": "research", "range": "7d", "live": "false", "work_name": "lab/notebook"},
    )


def test_default_values_do_not_stand_in_links() -> None:
    found = links(opened(tiny.sources(), "overview"))
    assert found["b has 1 of its 8 GPUs out of use"] == ("utilisation", {"cluster": "tiny", "util_node": "b"})


def test_every_finding_leads_to_a_view_of_its_thing(sources: Sources) -> None:
    found = links(opened(sources, "overview"))
    assert len(found) == 8
    for label, (path, params) in found.items():
        assert path in ENTRIES, label
        at = opened(sources, path, **params)
        text = words(at).replace("\\", "")
        if "work_name" in params:
            assert f"Pods of {params['work_name']}" in text, label
            assert has_table(at, columns.POD_USE), label
        elif "util_node" in params:
            assert f"GPUs of {params['util_node']}" in text, label
        else:
            assert at.selectbox(key="cluster").value == params["cluster"], label


def test_every_table_can_be_downloaded() -> None:
    for path in ENTRIES:
        at = opened(tiny.sources(), path)
        assert len(at.download_button) == len(at.dataframe), path
        assert {button.label for button in at.download_button} <= {"Download CSV"}
