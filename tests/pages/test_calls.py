"""How often a page asks the sources: slow pages are caught by counting, not by clocks.

Per cluster: the table of all GPUs asks nine questions of which only the mean differs between time ranges (Overview
asks it for an hour and for the range), XIDs are one, GPU-hours by pod two and by node one, a trend is one (two for a
ratio of two signals), what metrics exist is asked once a minute. Answers are shared by all parts of a page, all pages
and all readers.
"""

import dataclasses

import pytest
import streamlit as st

from tests import fakes, tiny
from tests.conftest import NOW
from tests.pages.opening import opened, rerun

COLD = {
    "overview": {"instant": 11, "range": 1, "coverage": 1, "grown": 1},
    "utilisation": {"instant": 13, "range": 1, "coverage": 1},
    "workloads": {"instant": 2},
    "sources": {"instant": 9, "probe": 2, "coverage": 1, "api_groups": 1},
}


@pytest.mark.parametrize("path", list(COLD))
def test_a_cold_page_asks_each_question_once(path: str) -> None:
    sources = fakes.watched(tiny.sources())
    at = opened(sources, path)
    assert dict(fakes.calls(sources)) == COLD[path]
    rerun(at, sources)
    assert dict(fakes.calls(sources)) == COLD[path], "a warm run asks nothing"


def test_the_second_reader_asks_nothing() -> None:
    sources = fakes.watched(tiny.sources())
    opened(sources, "overview")
    opened(sources, "overview")
    assert dict(fakes.calls(sources)) == COLD["overview"]


def test_going_on_to_another_page_asks_only_what_is_new() -> None:
    sources = fakes.watched(tiny.sources())
    opened(sources, "overview")
    before = fakes.calls(sources)
    opened(sources, "utilisation")
    new = fakes.calls(sources) - before
    assert new["instant"] == 3, "the three of GPU-hours; the present and the mean over 24 hours are known already"
    assert new["coverage"] == 0


def test_choosing_a_node_asks_the_metrics_nothing_but_the_history_of_one_gpu() -> None:
    sources = fakes.watched(tiny.sources())
    opened(sources, "utilisation")
    before = fakes.calls(sources)
    opened(sources, "utilisation", util_node="b")
    assert dict(fakes.calls(sources) - before) == {"range": 7}


def test_every_further_cluster_costs_as_much_as_the_first() -> None:
    three = fakes.watched(tiny.sources(*(tiny.source(name) for name in ("one", "two", "three"))))
    opened(three, "overview")
    assert dict(fakes.calls(three)) == {kind: 3 * number for kind, number in COLD["overview"].items()}


def test_a_statistic_of_a_window_that_has_ended_is_not_asked_again_while_it_is_the_same_window() -> None:
    """At 12:00:30 and 12:04:45 the last 24 hours in steps of five minutes end at 12:00; at 12:05:15 they do not."""
    clock = fakes.Clock(NOW)
    sources = dataclasses.replace(fakes.watched(tiny.sources()), now=clock)
    metrics = fakes.metrics_of(sources, "tiny")
    for forward, expected in ((0, 2), (255, 2), (30, 4)):
        clock.forward(seconds=forward)
        st.cache_data.clear()
        opened(sources, "workloads")
        assert metrics.calls["instant"] == expected
