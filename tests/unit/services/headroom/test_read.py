from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from db.work import Database
from services.domain.change.refs import Ref
from services.domain.headroom.table import HEADROOM
from services.domain.scope import Scope, Sight
from services.domain.startup import Phase
from services.domain.startup.frame import StartRecord
from services.headroom import read, shapes
from services.ports import ClusterSource, Sources, StoreState, Work
from services.reading import Absence
from services.startup import board
from tests import memory, started, tiny, warm
from tests.conftest import NOW, Inline
from tests.warm import CLUSTER, GPU, T4_DAY_USD, WarmCluster

ALL = Scope()


def sources(*clusters: WarmCluster) -> Sources:
    given = {CLUSTER if not n else f"{CLUSTER}{n}": cluster for n, cluster in enumerate(clusters)}
    made: dict[str, ClusterSource] = {name: memory.source(name, cluster) for name, cluster in given.items()}
    return Sources(mode="live", clusters=made, now=lambda: NOW, pool=Inline())


def test_a_pool_shows_its_room_its_price_its_limit_and_how_its_pods_started() -> None:
    """chat-1 was created at 11:00 and placed at once; its node had been there since 8:00."""
    answer = read.pools(sources(WarmCluster()), ALL)
    assert answer.value is not None
    assert {name: str(kind) for name, kind in answer.value.dtypes.items()} == HEADROOM
    (row,) = answer.value.to_dict("records")
    assert (row["pool"], row["model"], row["resource"]) == ("spot", "T4", GPU)
    assert (row["free"], row["set"], row["ready"]) == (1, 0, 0)
    assert row["unit_usd_per_day"] == pytest.approx(T4_DAY_USD)
    assert (row["autoscaler"], row["limit"], row["more"]) == ("Karpenter", 3, 1)
    assert (row["starts"], row["warm"], row["cold"]) == (1, 1, 0)


def test_a_start_before_the_window_is_not_in_it() -> None:
    rows = read.pools(sources(WarmCluster()), replace(ALL, range="1h")).value
    assert rows is not None
    assert rows["starts"].tolist() == [0], "chat-1 is an hour and half a minute old"


def test_the_summary_adds_up_over_clusters() -> None:
    both = read.summary(sources(WarmCluster(), WarmCluster()), ALL).value
    assert both is not None
    assert (both.units, both.ready, both.usd_per_day, both.starts, both.warm, both.used) == (0, 0, 0.0, 2, 2, 0)
    assert both.used_since is None, "there is no event"


def recorded(**changes: object) -> StartRecord:
    """A start of the last hour in pool spot that was placed within 10 seconds on a node that was there."""
    how: dict[str, Any] = {
        "uid": "r",
        "minutes_ago": 30,
        "phases": {Phase.WAIT: 10, Phase.LOAD: 60},
        "pool": "spot",
        **changes,
    }
    return replace(started.start(**how), model="T4")


MIXED = [
    recorded(uid="warm"),
    recorded(uid="kept", headroom=True),
    recorded(uid="kept again", headroom=True, phases={Phase.WAIT: 40, Phase.LOAD: 60}),
    recorded(uid="waited", phases={Phase.WAIT: 31, Phase.LOAD: 60}),
    recorded(uid="cold", cold=True, namespace="lab", team="research"),
    recorded(uid="not known", cold=None, headroom=None),
    recorded(uid="too old", minutes_ago=25 * 60),
    recorded(uid="its pool has no node left", pool="gone"),
    recorded(uid="no node yet", pool="", cold=None, headroom=None),
]
"""In pool spot 1 warm, 2 by headroom, 1 that waited, 1 cold; 1 warm elsewhere."""


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Database]:
    with started.kept(tmp_path, MIXED, CLUSTER) as database:
        yield database


def test_starts_are_those_recorded_and_the_same_as_on_the_startup_page(record: Database) -> None:
    started.alive(record, NOW, CLUSTER, since=(NOW - timedelta(days=2)).isoformat())
    given = replace(sources(WarmCluster()), work=record)
    answer = read.pools(given, ALL)
    assert answer.value is not None
    assert answer.notes == ()
    (row,) = answer.value.to_dict("records")
    assert (row["starts"], row["warm"], row["headroom"], row["waited"], row["cold"]) == (5, 1, 2, 1, 1)
    assert (row["at_once_ratio"], row["used"]) == (0.6, 2)
    tiles, page = read.summary(given, ALL).value, board.totals(given, ALL).value
    assert tiles is not None
    assert page is not None
    assert (tiles.recorded, tiles.starts, tiles.used) == (True, 6, 2)
    assert (tiles.warm, tiles.headroom, tiles.waited, tiles.cold) == (2, 2, 1, 1)
    assert (page.warm, page.headroom, page.waited, page.cold, page.unknown) == (2, 2, 1, 1, 2)


def test_recorded_starts_are_those_of_the_scope_that_are_seen(record: Database) -> None:
    started.alive(record, NOW, CLUSTER)
    given = replace(sources(WarmCluster()), work=record)
    for scope in (
        replace(ALL, namespace="lab"),
        replace(ALL, team="research"),
        replace(ALL, sees=Sight(namespaces=frozenset({"lab"}))),
    ):
        found = read.summary(given, scope).value
        assert found is not None
        assert (found.starts, found.cold, found.used) == (1, 1, 0)


@pytest.mark.parametrize(
    ("since", "share", "note"),
    [
        (timedelta(hours=5), None, "tee: starts are recorded without a break since 03 Jun 07:00 UTC; of earlier ones"),
        (timedelta(hours=5), (3, 6), "tee: the past is being filled in"),
        (timedelta(hours=5), (6, 6), ""),
        (timedelta(hours=24), None, ""),
    ],
)
def test_a_record_that_does_not_reach_back_far_enough_says_so(
    record: Database, since: timedelta, share: tuple[int, int] | None, note: str
) -> None:
    started.alive(record, NOW, CLUSTER, since=(NOW - since).isoformat())
    if share is not None:
        with record() as unit:
            unit.starts.set_mark(CLUSTER, "backfill", {"done": share[0], "of": share[1]}, NOW)
            unit.commit()
    answer = read.summary(replace(sources(WarmCluster()), work=record), ALL)
    assert answer.value is not None
    assert answer.value.recorded
    assert [one.startswith(note) for one in answer.notes] == ([True] if note else [])


def fallen_back(work: object) -> str:
    """What is said when starts are counted from pods: chat-1, which was placed at once."""
    answer = read.summary(replace(sources(WarmCluster()), work=cast("Work | None", work)), ALL)
    assert answer.value is not None
    assert not answer.value.recorded
    assert (answer.value.starts, answer.value.warm, answer.value.headroom, answer.value.used) == (1, 1, None, 0)
    (note,) = answer.notes
    return note


def test_where_starts_are_not_recorded_pods_that_still_exist_are_counted(record: Database) -> None:
    rest = "only those of pods that still exist are counted."
    assert fallen_back(None) == f"Starts are not recorded: {rest}"
    assert fallen_back(record) == f"tee: starts are not being recorded: {rest}", "nobody has looked yet"
    started.alive(record, NOW - timedelta(minutes=16), CLUSTER)
    assert fallen_back(record) == f"tee: starts are not being recorded: {rest}", "nobody looks any more"


def test_while_the_record_cannot_be_read_pods_that_still_exist_are_counted(tmp_path: Path) -> None:
    unmigrated = Database(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert fallen_back(unmigrated) == (
        "The recorded starts cannot be read: only those of pods that still exist are counted."
    )
    unmigrated.close()


def test_pods_of_namespaces_somebody_may_not_see_are_not_counted() -> None:
    given = sources(WarmCluster())
    assert read.summary(given, replace(ALL, sees=Sight(namespaces=frozenset({"web"})))).value.starts == 1  # type: ignore[union-attr]
    assert read.summary(given, replace(ALL, sees=Sight(namespaces=frozenset({"other"})))).value.starts == 0  # type: ignore[union-attr]


def test_the_scope_narrows_to_pool_and_model() -> None:
    given = sources(WarmCluster())
    assert len(read.pools(given, replace(ALL, pool="spot")).value) == 1  # type: ignore[arg-type]
    assert read.pools(given, replace(ALL, pool="other")).value.empty  # type: ignore[union-attr]
    assert read.summary(given, replace(ALL, model="L4")).value.starts == 0  # type: ignore[union-attr]


def test_workloads_show_the_shape_of_a_replica_and_placeholders_none() -> None:
    rows = shapes.shapes(sources(WarmCluster()), ALL).value
    assert rows is not None
    assert {name: str(kind) for name, kind in rows.dtypes.items()} == shapes.SHAPES
    assert rows.to_dict("records") == [
        {
            "cluster": "tee", "namespace": "web", "workload": "chat", "team": "(no team)", "pool": "spot",
            "model": "T4", "resource": GPU, "gpus": 1, "cpu": "2", "memory": "8Gi", "priority": 0,
        }
    ]  # fmt: skip


def test_shapes_of_workloads_somebody_may_not_see_are_hidden_and_pools_are_not() -> None:
    given, outsider = sources(WarmCluster()), replace(ALL, sees=Sight(namespaces=frozenset({"other"})))
    assert shapes.shapes(given, outsider).value.empty  # type: ignore[union-attr]
    assert len(read.pools(given, outsider).value) == 1  # type: ignore[arg-type]


def test_what_may_not_be_read_is_said_and_unknown() -> None:
    cluster = WarmCluster()
    cluster.states |= {"events": StoreState.FORBIDDEN, "nodepools": StoreState.FORBIDDEN}
    answer = read.pools(sources(cluster), ALL)
    assert answer.value is not None
    assert answer.value["used"].isna().all()
    assert answer.value["autoscaler"].tolist() == [""]
    assert "tee: events cannot be read, so it is not known how often warm units were used." in answer.notes
    assert "tee: nodepools cannot be read, so it is not known how far Karpenter may grow a pool." in answer.notes
    assert read.summary(sources(cluster), ALL).value.used is None  # type: ignore[union-attr]


def test_a_cluster_that_is_being_read_or_lost_is_not_empty() -> None:
    cluster = WarmCluster()
    cluster.states["nodes"] = StoreState.LOADING
    assert read.pools(sources(cluster), ALL).absence is Absence.LOADING
    assert read.summary(sources(cluster), ALL).value is None
    cluster.states["nodes"] = StoreState.FORBIDDEN
    assert read.pools(sources(cluster), ALL).problem is not None


def test_a_nodepool_without_nodes_is_listed_when_it_brings_gpus() -> None:
    cluster = WarmCluster()
    cluster.extra["nodepools"] += [
        {"metadata": {"name": "from-zero"}, "spec": {"limits": {GPU: "4"}}},
        {"metadata": {"name": "system"}, "spec": {"limits": {"cpu": "100"}}},
    ]
    rows = read.pools(sources(cluster), ALL).value
    assert rows is not None
    assert rows[["pool", "more"]].values.tolist() == [["from-zero", 4], ["spot", 1]]


def test_cold_starts_are_findings_with_a_fix() -> None:
    cluster = WarmCluster()
    cluster.add_node("t3", created="2026-06-03T11:00:40Z")
    cluster.put(Ref.of(CLUSTER, "Pod", "chat-2", "web"), warm.pod("web", "t3"))
    cluster.extra["nodepools"][0]["spec"]["limits"][GPU] = "5"
    (found,) = read.findings(sources(cluster), ALL)
    assert found.title == "1 of 2 starts in pool spot waited for a new node"
    assert found.fix is not None


def test_where_no_gpu_grows_by_itself_nothing_is_proposed() -> None:
    assert read.findings(tiny.sources(), ALL) == []
