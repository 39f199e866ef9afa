from dataclasses import replace

import pytest

from services.domain.change.refs import Ref
from services.domain.headroom.table import HEADROOM
from services.domain.scope import Scope, Sight
from services.headroom import read, shapes
from services.ports import ClusterSource, Sources, StoreState
from services.reading import Absence
from tests import memory, tiny, warm
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
