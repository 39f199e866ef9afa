"""What is read of recorded starts, for whom, and the figures made of it, worked out by hand.

Six starts of the last hours. chat (web, product): 60 s on a node that was there; 150 s, of which 80 s pulled; 400 s on
a node that came for it. notebook (lab, research): 30 s in room kept warm; one that failed after 300 s. big (train,
research): under way for 600 s, without a node.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from db.work import Database
from services.domain.scope import Scope, Sight
from services.domain.startup import Outcome, Phase, Pulled
from services.errors import SourceUnavailable
from services.ports import Sources
from services.reading import Absence
from services.startup import board, recorder
from services.startup.read import recorded
from tests import started, tiny
from tests.conftest import NOW
from tests.fakes import Clock
from tests.started import start

P = Phase
CHATS = [
    start("c1", 100, {P.WAIT: 10, P.SETUP: 5, P.START: 5, P.LOAD: 40}, usd=0.5),
    start("c2", 200, {P.SETUP: 10, P.PULL: 80, P.LOAD: 60}, how=Pulled.PULLED, size=8_000_000_000),
    start(
        "c3",
        300,
        {P.DECISION: 20, P.PROVISION: 80, P.BOOT: 40, P.DEVICE: 60, P.SETUP: 10, P.PULL: 100, P.LOAD: 90},
        how=Pulled.PULLED,
        cold=True,
        node="b",
        pool="l4",
        instance="g6.xlarge",
        image="reg.example/vllm:2",
        usd=4.0,
    ),
]
LAB: dict[str, Any] = {"namespace": "lab", "workload": "notebook", "team": "research"}
OTHERS = [
    start("n1", 400, {P.SETUP: 10, P.LOAD: 20}, headroom=True, image="jupyter", usd=0.25, **LAB),
    start("n2", 500, {P.PULL: 300}, outcome=Outcome.FAILED, how=Pulled.UNKNOWN, image="secret", usd=None, **LAB),
    start(
        "b1",
        10,
        {P.WAIT: 600},
        namespace="train",
        workload="big",
        team="research",
        pool="",
        cold=None,
        headroom=None,
        how=Pulled.UNKNOWN,
        outcome=Outcome.STARTING,
        usd=0.0,
    ),
]
PRODUCT = Sight(namespaces=frozenset(), teams=frozenset({"product"}))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with started.kept(tmp_path, [*CHATS, *OTHERS]) as found:
        yield found


@pytest.fixture
def sources(database: Database) -> Sources:
    return replace(tiny.sources(), work=database)


ALL = Scope()


def figures(sources: Sources, scope: Scope = ALL, workload: str = "") -> board.Board:
    found = board.board(sources, scope, workload).value
    assert found is not None
    return found


def test_all_starts_together(sources: Sources) -> None:
    totals = figures(sources).totals
    assert (totals.number, totals.ready, totals.not_ready, totals.starting) == (6, 4, 1, 1)
    # 30, 60, 150, 400: half way from 60 to 150; 0.85 of the way from 150 to 400
    assert (totals.p50_s, totals.p95_s, totals.max_s) == pytest.approx((105, 362.5, 400))
    assert (totals.decided, totals.in_target) == (6, 2 / 6), "who is late already has missed it"
    assert (totals.usd, totals.unpriced) == (5.75, 1)
    assert (totals.warm, totals.headroom, totals.cold, totals.unknown) == (3, 1, 1, 1)
    assert board.totals(sources, Scope()).value == totals


def test_phases_are_split_by_what_is_asked_and_add_up(sources: Sources) -> None:
    splits = figures(sources).splits
    chat, notebook = splits["workload"].to_dict("records")
    assert (chat["name"], chat["ready"], chat["mean_s"]) == ("chat", 3, pytest.approx(610 / 3))
    assert (chat["pull_s"], chat["provision_s"], chat["load_s"]) == pytest.approx((60, 80 / 3, 190 / 3))
    assert (notebook["name"], notebook["ready"], notebook["mean_s"]) == ("notebook", 1, 30)
    assert splits["pool"]["name"].tolist() == ["l4", "h100"]
    assert splits["pool"]["mean_s"].tolist() == [400, 80], "60, 150 and 30"
    assert splits["node type"]["name"].tolist() == ["g6.xlarge", "p5.48xlarge"]
    assert splits["image"]["name"].tolist() == ["vllm:2", "vllm:1", "jupyter:latest"]
    for split in splits.values():
        groups = split.drop(columns=["name", "ready", "mean_s"])
        assert groups.sum(axis=1).tolist() == pytest.approx(split["mean_s"].tolist())


def test_workloads_of_one_name_are_told_apart(sources: Sources, database: Database) -> None:
    started.add(database, [start("x", 50, {P.LOAD: 10}, namespace="lab", team="research")])
    assert set(figures(sources).splits["workload"]["name"]) == {"chat · web", "chat · lab", "notebook"}


def test_of_many_workloads_those_are_shown_that_most_seconds_were_spent_in(database: Database) -> None:
    many = [start(f"m{i}-{j}", 60, {P.LOAD: 50}, workload=f"job-{i}") for i in range(12) for j in range(2 + i)]
    started.add(database, many)
    names = figures(replace(tiny.sources(), work=database)).splits["workload"]["name"].tolist()
    # chat 610 s; job-11 650, job-10 600, … job-3 250: ten of thirteen, by their mean
    assert names[0] == "chat"
    assert set(names) == {"chat", *(f"job-{i}" for i in range(3, 12))}


def test_one_workload_alone(sources: Sources) -> None:
    found = figures(sources, workload="web/chat")
    assert (found.totals.number, found.totals.p50_s) == (3, 150)
    assert found.workloads == ("lab/notebook", "train/big", "web/chat"), "the choice stays"
    assert set(found.newest["uid"]) == {"c1", "c2", "c3"}
    assert figures(sources, workload="web/nobody").totals.number == 0


def test_the_slowest_the_unready_and_the_newest_are_listed_with_words_for_them(sources: Sources) -> None:
    found = figures(sources)
    assert found.slowest["uid"].tolist() == ["c3", "c2", "c1", "n1"]
    assert found.unready["uid"].tolist() == ["b1", "n2"]
    assert found.newest["uid"].tolist() == ["b1", "c1", "c2", "c3", "n1", "n2"]
    rows = found.newest.set_index("uid")
    assert rows["mostly"].to_dict() == {
        "b1": "Waiting", "c3": "Image pull", "n2": "Image pull", "c2": "Image pull", "c1": "Model load",
        "n1": "Model load",
    }  # fmt: skip
    assert rows["served"].to_dict() == {
        "b1": "unknown", "c3": "cold", "n2": "warm", "c2": "warm", "c1": "warm", "n1": "headroom",
    }  # fmt: skip
    assert board.listed(sources, Scope())["uid"].tolist() == found.newest["uid"].tolist()
    assert list(found.slowest.columns) == list(board.ROWS) == list(board.listed(tiny.sources(), Scope()).columns)


def test_a_scope_keeps_its_own(sources: Sources) -> None:
    for scope, uids in {
        Scope(team="research"): {"n1", "n2", "b1"},
        Scope(namespace="web"): {"c1", "c2", "c3"},
        Scope(pool="l4"): {"c3"},
        Scope(cluster="elsewhere"): set(),
        Scope(range="1h"): {"b1"},
        Scope(range="6h"): {"b1", "c1", "c2", "c3"},
    }.items():
        found = recorded(sources, scope).value
        assert found is not None
        assert set(found.starts["uid"]) == uids, scope
        assert set(found.pulls["uid"]) == uids, scope


def test_who_sees_a_part_is_told_of_that_part_alone(sources: Sources) -> None:
    whole, part = figures(sources), figures(sources, Scope(sees=PRODUCT))
    assert (whole.totals.number, part.totals.number, part.totals.p50_s, part.totals.not_ready) == (6, 3, 150, 0)
    assert part.workloads == ("web/chat",)
    assert set(part.newest["uid"]) == {"c1", "c2", "c3"}
    assert set(part.splits["workload"]["name"]) == {"chat"}
    assert set(board.listed(sources, Scope(sees=PRODUCT))["team"]) == {"product"}
    found = recorded(sources, Scope(sees=PRODUCT)).value
    assert found is not None
    assert set(found.pulls["image"]) == {"reg.example/vllm:1", "reg.example/vllm:2"}, "the image tells, too"
    nothing = Sight(namespaces=frozenset(), teams=frozenset())
    assert figures(sources, Scope(sees=nothing)).totals.number == 0


def test_starts_of_clusters_that_are_not_configured_are_left_out(sources: Sources, database: Database) -> None:
    started.add(database, [start("old", 30, {P.LOAD: 5})], cluster="retired")
    assert figures(sources).totals.number == 6


def test_figures_a_day_are_of_the_time_that_was_recorded(sources: Sources, database: Database) -> None:
    def days(name: str) -> float:
        found = recorded(replace(tiny.sources(), work=database), Scope(range=name)).value
        assert found is not None
        return found.days

    assert days("24h") == pytest.approx(500 / 1440), "the first start was 500 minutes ago"
    started.add(database, [start("older", 60 * 24 * 40, {P.LOAD: 5})])
    assert days("24h") == 1
    assert days("30d") == 30, "it was recorded then, and nothing started"


def test_the_same_starts_are_worked_out_once(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = board._board
    monkeypatch.setattr(board, "_board", lambda *args: asked.append(1) or original(*args))
    figures(sources)
    figures(sources)
    assert len(asked) == 1
    figures(sources, Scope(sees=PRODUCT))
    assert len(asked) == 2, "never one person's for another"


def test_without_a_database_nothing_is_configured() -> None:
    assert board.board(tiny.sources(), Scope()).absence is Absence.NOT_CONFIGURED
    assert recorder.state(tiny.sources()).absence is Absence.NOT_CONFIGURED
    assert recorder.looked(tiny.sources()) == {}


class Gone:
    """A database that answers until it is away."""

    def __init__(self, inner: Database) -> None:
        self.inner, self.away, self.asked = inner, False, 0

    def reading(self) -> Any:
        self.asked += 1
        if self.away:
            raise SourceUnavailable("database", "The database does not answer.")
        return self.inner.reading()

    def close(self) -> None:
        self.inner.close()


def test_while_the_database_is_away_the_last_good_figures_stay_with_their_age(database: Database) -> None:
    clock, work = Clock(NOW), Gone(database)
    sources = replace(tiny.sources(), work=work, now=clock)
    assert board.board(sources, Scope()).problem is None
    work.away = True
    clock.forward(seconds=20)
    found = board.board(sources, Scope())
    assert found.problem is not None
    assert (found.problem.source, found.problem.since) == ("database", NOW + timedelta(seconds=20))
    assert found.value is not None
    assert (found.value.totals.number, found.as_of) == (6, NOW)
    asked = work.asked
    board.totals(sources, Scope())
    assert work.asked == asked, "a failure waits like any answer"
    clock.forward(seconds=20)
    again = board.board(sources, Scope())
    assert again.problem is not None
    assert again.problem.since == NOW + timedelta(seconds=20), "since it began"
    assert recorder.state(sources).problem is not None
    work.away = False
    clock.forward(seconds=20)
    assert board.board(sources, Scope()).problem is None


def test_a_database_that_was_never_there_gives_no_figures_and_says_why(database: Database) -> None:
    work = Gone(database)
    work.away = True
    found = board.board(replace(tiny.sources(), work=work), Scope())
    assert (found.value, found.as_of) == (None, None)
    assert found.problem is not None
    assert board.listed(replace(tiny.sources(), work=work), Scope()).empty


def test_marks_say_how_far_recording_is(sources: Sources, database: Database) -> None:
    state = recorder.state(sources).value
    assert state is not None
    assert (state.looked, state.since, state.filled) == ({"tiny": None}, {}, {})
    assert state.first == NOW - timedelta(minutes=500)
    started.alive(database)
    with database() as unit:
        unit.starts.set_mark("tiny", "backfill", {"done": 3, "of": 4, "todo": []}, NOW)
        unit.commit()
    state = recorder.state(sources, "tiny").value
    assert state is not None
    assert (state.looked, state.since, state.filled) == ({"tiny": NOW}, {"tiny": NOW}, {"tiny": 0.75})
    assert recorder.looked(sources) == {"tiny": NOW}
    assert recorder.looked(sources, "elsewhere") == {}
