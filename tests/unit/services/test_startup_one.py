"""One start in full: its phases from 0 s on, its events, and how others of its workload did, worked out by hand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from db.work import Database
from services.domain.scope import EVERYTHING, Sight
from services.domain.startup import Confidence, Outcome, Phase, Pulled, Span
from services.ports import Sources
from services.reading import Absence
from services.startup import one
from tests import started, tiny
from tests.conftest import NOW
from tests.started import event, start

P = Phase
BEGAN = NOW - timedelta(minutes=90)
SECOND = timedelta(seconds=1)
PROXY = Span(P.START, BEGAN + 15 * SECOND, BEGAN + 27 * SECOND, "container state", Confidence.DERIVED, "proxy")
THIS = start(
    "this",
    90,
    {P.WAIT: 10, P.SETUP: 5, P.PULL: 100, P.LOAD: 60},
    how=Pulled.PULLED,
    size=8_000_000_000,
    events=[
        event(90, 115, "Pulled", 'Successfully pulled image "reg.example/vllm:1" in 1m40s'),
        event(90, 10, "Scheduled", "Successfully assigned web/chat-this to a", "default-scheduler"),
    ],
    beside=[PROXY],
    flags=["revalidated"],
)
OTHERS = [
    start("fast", 80, {P.SETUP: 5, P.LOAD: 45}),
    start("cold", 70, {P.PROVISION: 90, P.SETUP: 5, P.PULL: 60, P.LOAD: 45}, cold=True, how=Pulled.PULLED),
    start("never", 60, {P.PULL: 900}, outcome=Outcome.FAILED, how=Pulled.UNKNOWN),
    start("else", 50, {P.LOAD: 1}, workload="embedder"),
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with started.kept(tmp_path, [THIS, *OTHERS]) as found:
        yield found


@pytest.fixture
def sources(database: Database) -> Sources:
    return replace(tiny.sources(), work=database)


def found_of(sources: Sources, uid: str = "this", sees: Sight = EVERYTHING) -> one.One:
    found = one.one(sources, sees, "tiny", uid).value
    assert found is not None
    return found


def test_phases_run_from_the_pods_creation_and_what_ran_beside_comes_last(sources: Sources) -> None:
    spans = found_of(sources).spans
    assert list(spans.itertuples(index=False, name=None)) == [
        ("Waiting for room", "main", 0, 10, 10, "evidence of wait", "exact", "note of wait", "waiting", False),
        ("Pod setup", "main", 10, 15, 5, "evidence of setup", "exact", "note of setup", "setup", False),
        ("Image pull", "main", 15, 115, 100, "evidence of pull", "exact", "note of pull", "pull", False),
        ("Model load", "main", 115, 175, 60, "evidence of load", "exact", "note of load", "load", False),
        ("Container start", "proxy", 15, 27, 12, "container state", "derived", "", "start", True),
    ]


def test_events_are_in_order_and_say_how_long_after_the_creation_they_came(sources: Sources) -> None:
    events = found_of(sources).events
    assert events[["after_s", "reason", "component"]].to_numpy().tolist() == [
        [10, "Scheduled", "default-scheduler"],
        [115, "Pulled", "kubelet"],
    ]


def test_its_pulls_are_its_own(sources: Sources) -> None:
    pulls = found_of(sources).pulls
    assert pulls[["uid", "container", "how", "seconds", "size_bytes"]].to_numpy().tolist() == [
        ["this", "main", "pulled", 100, 8e9]
    ]


def test_it_is_compared_with_ready_starts_of_its_workload_alone(sources: Sources) -> None:
    found = found_of(sources)
    assert (found.others, found.cold) == (3, 1), "this, fast and cold; the failed one has no startup time"
    rows = found.compared.set_index("title")
    # by group, of this / fast / cold: waiting 10 0 0, provision 0 0 90, setup 5 5 5, pull 100 0 60, load 60 45 45;
    # provisioning is 0 here, at the median and in the fastest, so it has no row
    assert rows["this_s"].to_dict() == {
        "Waiting": 10, "Pod setup": 5, "Image pull": 100, "Model load": 60, one.WHOLE: 175,
    }  # fmt: skip
    assert rows["median_s"].to_dict() == {
        "Waiting": 0, "Pod setup": 5, "Image pull": 60, "Model load": 45, one.WHOLE: 175,
    }  # fmt: skip
    assert rows["best_s"].to_dict() == {
        "Waiting": 0, "Pod setup": 5, "Image pull": 0, "Model load": 45, one.WHOLE: 50,
    }  # fmt: skip
    assert rows.loc["Image pull", "more_s"] == 40


def test_without_a_ready_start_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with started.kept(tmp_path, [OTHERS[2]]) as database:
        found = found_of(replace(tiny.sources(), work=database), "never")
    assert (found.others, found.cold) == (0, 0)
    assert found.compared["this_s"].tolist() == [900, 900]
    assert found.compared["median_s"].isna().all()
    assert found.compared["best_s"].isna().all()


def test_how_it_came_to_its_node_is_said(sources: Sources) -> None:
    assert [found_of(sources, uid).row["served"] for uid in ("this", "cold")] == ["warm", "cold"]


@pytest.mark.parametrize(
    ("cluster", "uid", "sees"),
    [
        ("tiny", "nobody", EVERYTHING),
        ("elsewhere", "this", EVERYTHING),
        ("", "", EVERYTHING),
        ("tiny", "this", Sight(namespaces=frozenset({"lab"}), teams=frozenset({"research"}))),
        ("tiny", "this", Sight(namespaces=frozenset(), teams=frozenset())),
    ],
)
def test_a_start_that_is_not_there_and_one_that_may_not_be_seen_look_alike(
    sources: Sources, cluster: str, uid: str, sees: Sight
) -> None:
    reading = one.one(sources, sees, cluster, uid)
    assert (reading.value, reading.problem, reading.absence) == (None, None, None)


def test_others_of_the_workload_that_may_not_be_seen_are_not_compared_with(
    sources: Sources, database: Database
) -> None:
    started.add(database, [start("theirs", 40, {P.LOAD: 1}, team="another")])
    mine = Sight(namespaces=frozenset(), teams=frozenset({"product"}))
    assert found_of(sources, sees=mine).others == 3
    assert found_of(sources).others == 4


def test_detail_that_nobody_can_read_any_more_costs_the_detail_alone(tmp_path: Path) -> None:
    broken = replace(THIS, uid="odd", detail={"schema": 99})
    (tmp_path / "other").mkdir()
    with started.kept(tmp_path / "other", [broken]) as database:
        found = found_of(replace(tiny.sources(), work=database), "odd")
    assert found.spans.empty
    assert found.events.empty
    assert found.row["total_s"] == 175


def test_every_phase_has_a_title() -> None:
    assert set(one.TITLES) == set(Phase)
    assert len(set(one.TITLES.values())) == len(Phase)


def test_without_a_database_nothing_is_configured() -> None:
    assert one.one(tiny.sources(), EVERYTHING, "tiny", "this").absence is Absence.NOT_CONFIGURED


def test_frames_have_the_columns_they_promise(sources: Sources) -> None:
    found = found_of(sources)
    for frame, columns in ((found.spans, one.SPANS), (found.events, one.EVENTS), (found.compared, one.COMPARED)):
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == columns
        assert isinstance(frame, pd.DataFrame)
