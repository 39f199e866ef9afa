"""Use cases when Kubernetes or metrics are missing, refused, loading or lost, in one cluster or another."""

from datetime import timedelta

import pytest

from services import attention, fleet, health, merge, overview, snapshots, utilisation, workloads
from services.domain.scope import Scope
from services.domain.window import ending
from services.panels import read
from services.panels.catalogue import PANELS
from services.ports import Sources, StoreState
from services.reading import Absence, Problem, Reading
from tests import fakes, tiny
from tests.conftest import NOW

ALL = Scope()


def ill(name: str = "tiny", **states: StoreState) -> Sources:
    sources = fakes.watched(tiny.sources(tiny.source(name)))
    double = fakes.cluster_of(sources, name)
    double.states = {"*" if kind == "everything" else kind: state for kind, state in states.items()}
    return sources


def two(**of_dead: object) -> Sources:
    """Two clusters, of which "dead" does not answer at all."""
    sources = fakes.watched(tiny.sources(tiny.source("alive"), tiny.source("dead")))
    gone = fakes.cluster_of(sources, "dead")
    gone.states, gone.forgetful = {"*": StoreState.FAILED}, True
    fakes.metrics_of(sources, "dead").error = fakes.dead()
    return sources


@pytest.mark.parametrize(
    "ask", [fleet.nodes, fleet.pools, fleet.waiting, overview.headline, overview.funnel, utilisation.table]
)
def test_a_cluster_being_read_is_loading_everywhere(ask: object) -> None:
    answer = ask(ill(everything=StoreState.LOADING), ALL)  # type: ignore[operator]
    assert (answer.value, answer.absence, answer.problem) == (None, Absence.LOADING, None)


@pytest.mark.parametrize("ask", [fleet.nodes, fleet.pools, overview.headline, utilisation.summary, workloads.totals])
def test_nodes_we_may_not_read_are_a_problem_everywhere(ask: object) -> None:
    answer = ask(ill(nodes=StoreState.FORBIDDEN), ALL)  # type: ignore[operator]
    assert answer.value is None
    assert answer.problem.message == "tiny: The API server refuses to list nodes."


def test_without_pods_gpus_are_known_and_who_holds_them_is_not() -> None:
    sources = ill(pods=StoreState.FORBIDDEN)
    head = overview.headline(sources, ALL)
    assert head.value is not None
    assert (head.value.gpus, head.value.out_of_use, head.value.held, head.value.free) == (16, 1, None, None)
    assert head.problem is not None
    assert overview.funnel(sources, ALL).value["gpus"].isna().tolist()[:2] == [False, True]


def test_lost_objects_are_the_last_good_ones_and_say_so() -> None:
    sources = ill(everything=StoreState.FAILED)
    fakes.cluster_of(sources, "tiny").since = NOW - timedelta(minutes=3)
    answer = fleet.nodes(sources, ALL)
    assert answer.value is not None
    assert answer.value["gpus"].sum() == 16
    assert answer.problem == Problem("kubernetes", f"tiny: {fakes.LOST}", "", NOW - timedelta(minutes=3))


def test_dead_metrics_cost_utilisation_and_keep_the_inventory() -> None:
    sources = fakes.watched(tiny.sources())
    fakes.metrics_of(sources, "tiny").error = fakes.dead()
    assert utilisation.table(sources, ALL).value is None
    assert overview.utilisation_trend(sources, ALL).problem is not None
    funnel = overview.funnel(sources, ALL)
    assert funnel.value["gpus"].tolist()[:2] == [16, 14]
    assert funnel.value["gpus"].isna().tolist() == [False, False, True, True]
    assert funnel.problem is not None
    rows = workloads.table(sources, ALL)
    assert rows.value["held"].sum() == 14
    assert rows.value["gpu_hours"].isna().all()
    kinds = {finding.kind for finding in attention.read(sources, ALL).value}
    assert kinds == {"Unmet demand", "GPUs lost"}


def test_where_no_metrics_are_configured_the_answers_say_that() -> None:
    sources = tiny.sources(tiny.source(metrics=False))
    assert utilisation.table(sources, ALL).absence is Absence.NOT_CONFIGURED
    assert workloads.table(sources, ALL).absence is Absence.NOT_CONFIGURED
    assert workloads.table(sources, ALL).value["held"].sum() == 14
    report = health.report(sources).value
    assert report is not None
    assert ("tiny", None) in report.statuses


def test_a_dead_cluster_costs_its_own_rows_and_is_said() -> None:
    sources = two()
    for ask, column, total in ((fleet.nodes, "gpus", 16), (workloads.table, "held", 14)):
        answer = ask(sources, ALL)
        assert answer.value[column].sum() == total
        assert set(answer.value["cluster"]) == {"alive"}
        assert answer.problem is not None
        assert answer.problem.message.startswith("dead: ")
    assert overview.headline(sources, Scope(cluster="alive")).problem is None
    assert overview.headline(sources, Scope(cluster="dead")).value is None


def test_only_held_gpus_that_were_measured_can_be_called_idle() -> None:
    sources = fakes.watched(tiny.sources())
    double = fakes.metrics_of(sources, "tiny")
    double.change = lambda query, frame: frame.assign(value=float("nan"))
    summary = utilisation.summary(sources, ALL).value
    assert summary is not None
    assert (summary.measured, summary.util, summary.held_idle, summary.memory, summary.power) == (
        0,
        None,
        None,
        None,
        None,
    )


def test_a_trend_by_team_has_a_line_for_each() -> None:
    trend = read.trend(tiny.sources(), PANELS["utilisation"], ALL, ending(NOW, "1h"), "team").value
    assert trend is not None
    last = trend[trend["at"] == trend["at"].max()].set_index("group")
    assert last["value"].to_dict() == {"product": pytest.approx(0.5), "research": pytest.approx(7.2 / 12)}
    assert last["weight"].to_dict() == {"product": 2, "research": 12}


def test_memory_is_used_over_used_and_free() -> None:
    trend = read.trend(tiny.sources(), PANELS["memory"], ALL, ending(NOW, "1h"), "pool").value
    assert trend is not None
    assert trend["value"].tolist() == pytest.approx([0.25] * 60)


def test_a_panel_nobody_measures_is_not_collected() -> None:
    trend = read.trend(tiny.sources(), PANELS["tensor_active"], ALL, ending(NOW, "1h"), "pool")
    assert trend.absence is Absence.NOT_COLLECTED
    assert trend.value is None


@pytest.mark.parametrize("panel", list(PANELS))
@pytest.mark.parametrize("group", ["pool", "model", "namespace", "workload", "team", "node"])
def test_every_panel_can_be_split_every_way_on_the_demo(panel: str, group: str, sources: Sources) -> None:
    trend = read.trend(sources, PANELS[panel], ALL, ending(NOW, "1h"), group)
    if trend.absence is Absence.NOT_COLLECTED:
        return
    assert trend.value is not None
    assert {name: str(kind) for name, kind in trend.value.dtypes.items()} == read.TREND
    assert 0 < trend.value["group"].nunique() <= read.MOST_GROUPS + 1
    assert not trend.value.duplicated(["at", "group"]).any()


def test_an_inventory_is_derived_once_per_version_and_at_most_every_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    derived = []
    real = snapshots.derive
    monkeypatch.setattr(snapshots, "derive", lambda *args, **more: derived.append(1) or real(*args, **more))
    sources = fakes.watched(tiny.sources())
    for _ in range(4):
        fleet.nodes(sources, ALL)
        fleet.pods(sources, ALL)
    assert len(derived) == 1


def test_merging_keeps_the_oldest_age_the_first_problem_and_tells_the_others() -> None:
    first, second = Problem("kubernetes", "east is gone."), Problem("prometheus", "west is gone.", "Try again.")
    whole = merge.merged(
        [
            Reading(1, NOW, first, notes=("partial",)),
            Reading(2, NOW - timedelta(minutes=5), second, notes=("partial",)),
            Reading(None, absence=Absence.LOADING),
        ],
        sum,
    )
    assert whole.value == 3
    assert whole.as_of == NOW - timedelta(minutes=5)
    assert whole.problem == first
    assert whole.absence is None
    assert whole.notes == ("partial", "west is gone. Try again.", "Some clusters are still being read.")


def test_merging_nothing_is_nothing() -> None:
    assert merge.merged([], sum) == Reading(None)
    assert merge.merged([Reading(None, absence=Absence.LOADING)] * 2, sum).absence is Absence.LOADING


def test_a_summary_of_one_node_speaks_of_that_node() -> None:
    summary = utilisation.summary(tiny.sources(), ALL, "b").value
    assert summary is not None
    assert (summary.measured, summary.util) == (7, pytest.approx(1 / 7))


def test_pods_of_a_workload_are_found_across_clusters_and_say_who_is_gone() -> None:
    both = tiny.sources(tiny.source("one"), tiny.source("other"))
    rows = workloads.pods(both, ALL, "web", "chat").value
    assert rows is not None
    assert rows["cluster"].tolist() == ["one", "other"]
    assert rows["gpu_hours"].tolist() == pytest.approx([48, 48])
    gone = tiny.source()
    objects = dict(gone.cluster.objects)  # type: ignore[attr-defined]
    objects["pods"] = [pod for pod in objects["pods"] if pod.metadata.name != "chat-0"]
    left = tiny.sources(type(gone)("tiny", fakes.HeldCluster(objects, NOW), gone.metrics))
    rows = workloads.pods(left, ALL, "web", "chat").value
    assert rows is not None
    assert rows[["pod", "state", "held"]].values.tolist() == [["chat-0", "gone", 0.0]]
    assert rows["gpu_hours"].tolist() == pytest.approx([48])
