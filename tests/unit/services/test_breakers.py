"""Rules beside what they did, over the demo and where nothing counts."""

import math
from dataclasses import replace

from services import breakers
from services.domain.scope import Scope
from services.reading import Absence
from tests.conftest import demo_sources


def test_an_outage_opens_the_breaker_of_its_host_and_no_other() -> None:
    rows = breakers.board(demo_sources(), Scope(range="7d")).value
    assert rows is not None
    mesh = rows[rows["by"] == breakers.ISTIO].set_index("name")
    assert mesh.loc["chat-70b", "taken_out"] > 0
    assert mesh.loc["chat-70b", "refused"] > 0
    assert mesh.loc[["chat-8b", "embed"], ["taken_out", "refused", "blocked"]].to_numpy().tolist() == [[0.0] * 3] * 2


def test_what_nobody_counts_is_unknown_and_says_how_to_count_it() -> None:
    given = demo_sources()
    without = {name: replace(source, metrics=None) for name, source in given.clusters.items()}
    reading = breakers.board(replace(given, clusters=without), Scope(cluster="demo-west"))
    assert reading.value is not None
    assert all(math.isnan(value) for value in reading.value["taken_out"])
    assert any("proxyStatsMatcher.inclusionRegexps" in note for note in reading.notes)


def test_a_cluster_without_the_mesh_is_not_collected_and_no_error() -> None:
    reading = breakers.board(demo_sources(), Scope(cluster="demo-east"))
    assert (reading.value, reading.problem, reading.absence) == (None, None, Absence.NOT_COLLECTED)


def test_a_namespace_in_the_scope_leaves_only_its_rules() -> None:
    rows = breakers.board(demo_sources(), Scope(namespace="search-prod")).value
    assert rows is not None
    assert rows["name"].tolist() == ["embed"]
