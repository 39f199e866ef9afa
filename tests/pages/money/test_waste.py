"""The Waste page over the demo estate, with a record of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from db import migrate
from db.work import Database
from pages.money import _waste_aside as aside
from pages.money import _waste_list as listed
from pages.ui import identity
from services.access import ROLES, User
from services.cost import waste
from services.domain.cost.waste import Limits
from services.domain.scope import Scope, Sight
from services.ports import Sources
from tests.conftest import demo_sources
from tests.pages.opening import figures, has_table, opened, rerun, table, tiles, words

VIEWER = User(id="v", name="Vera", rights=ROLES["viewer"], roles=("viewer",), via="demo")
FINANCE = replace(VIEWER, rights=ROLES["finance"], roles=("finance",))


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    yield demo_sources(work=database)
    database.close()


def test_the_parts_stand_in_their_order(sources: Sources) -> None:
    at = opened(sources, "waste")
    found = tiles(at)
    assert list(found) == ["Remove, a month", "Optimise, a month", "Share, a month", "Set aside"]
    assert found["Optimise, a month"] == ("$0", "nothing found")
    assert found["Set aside"] == ("0", "nobody set anything aside")
    assert len(figures(at)) == 1
    rows = table(at, listed.COLUMNS)
    assert rows["usd_per_month"].is_monotonic_decreasing
    # 8 H100 at the list price of $6.88 for 730.5 hours
    assert rows.set_index("workload").loc["ablation-study", "usd_per_month"] == pytest.approx(40_206.72)
    assert "Nothing controls this pod" in words(at)


def test_filters_of_the_link_choose_what_is_shown(sources: Sources) -> None:
    everything = table(opened(sources, "waste"), listed.COLUMNS)
    rows = table(opened(sources, "waste", waste_least="3000"), listed.COLUMNS)
    assert len(rows) == (everything["usd_per_month"] >= 3000).sum() < len(everything)
    at = opened(sources, "waste", waste_verbs="Optimise")
    assert not has_table(at, listed.COLUMNS)
    assert "Nothing passes the filters" in words(at)


def test_a_day_is_never_enough_to_be_sure(sources: Sources) -> None:
    rows = table(opened(sources, "waste", waste_window="24h"), listed.COLUMNS)
    assert "high" not in set(rows["confidence"])
    assert "high" in set(table(opened(sources, "waste"), listed.COLUMNS)["confidence"])


def test_set_aside_with_a_reason_it_is_in_no_sum_and_not_on_overview(sources: Sources) -> None:
    at = opened(sources, "waste")
    next(one for one in at.text_input if one.label == "Why").input("Review on *Friday*")
    next(one for one in at.button if one.label == "Set aside").click()
    at = rerun(at, sources)
    assert tiles(at)["Set aside"] == ("1", "listed below")
    assert "ablation-study" not in set(table(at, listed.COLUMNS)["workload"])
    rows = table(at, aside.COLUMNS)
    assert rows["reason"].tolist() == ["Review on *Friday*"]
    assert rows["key"].tolist() == ["waste/remove/demo-east/research/ablation-study"]
    assert rows["usd_per_month"].tolist() == pytest.approx([40_206.72])
    assert "ablation-study holds" not in words(opened(sources, "overview")).replace("\\", "")


def test_without_a_reason_nothing_is_set_aside(sources: Sources) -> None:
    at = opened(sources, "waste")
    next(one for one in at.button if one.label == "Set aside").click()
    at = rerun(at, sources)
    assert "Say why" in words(at)
    assert tiles(at)["Set aside"][0] == "0"


def test_an_idle_finding_on_overview_can_be_mended(sources: Sources) -> None:
    at = opened(sources, "overview")
    labels = {one.label.replace("\\", "") for one in at.button}
    assert "Release idle GPUs of playground" in labels
    assert not any("ablation-study" in label for label in labels), "nothing controls it"


def test_who_may_only_read_sees_advice_and_no_way_to_act(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "user", lambda: VIEWER)
    at = opened(sources, "waste")
    assert has_table(at, listed.COLUMNS)
    assert not [one.label for one in at.button if "elease" in one.label or "aside" in one.label]


def test_finance_sets_aside_and_cannot_act(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "user", lambda: FINANCE)
    labels = [one.label for one in opened(sources, "waste").button]
    assert "Set aside" in labels
    assert not [label for label in labels if "elease" in label]


def test_a_view_of_one_team_names_no_other(sources: Sources) -> None:
    scope = Scope(range="7d", sees=Sight(teams=frozenset({"search"})))
    board = waste.read(sources, scope, Limits()).value
    assert board is not None
    assert {one.team for one in board.advice} == {"search"}


def test_without_metrics_waste_is_unknown_and_not_nothing(sources: Sources) -> None:
    clusters = {name: replace(one, metrics=None) for name, one in sources.clusters.items()}
    at = opened(replace(sources, clusters=clusters), "waste")
    assert "Waste: no metrics source is configured." in words(at)
    assert tiles(at) == {}
