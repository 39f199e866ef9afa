from datetime import datetime, timedelta

import pandas as pd

from services.domain import frames, inventory
from services.domain.headroom.starts import KINDS, STARTS, counted, starts
from services.domain.objects import Condition, Pod
from services.domain.startup.summary import served
from tests import factories
from tests.factories import NOW

NODES = inventory.nodes("c", [factories.node("n1")])[0]
"""n1 joined at NOW."""


def started(name: str, *, created_s: float, scheduled_s: float | None, node: str | None = "n1") -> Pod:
    """A pod created and scheduled so many seconds after the node joined."""
    pod = factories.pod(name, node_name=node, since=NOW + timedelta(seconds=created_s))
    if scheduled_s is None:
        return pod
    at = NOW + timedelta(seconds=scheduled_s)
    conditions = [Condition(type="PodScheduled", status="True", last_transition_time=at)]
    return Pod(pod.metadata, pod.spec, type(pod.status)(phase="Running", conditions=conditions))


def living(*pods: Pod, since: datetime = NOW - timedelta(hours=1)) -> pd.DataFrame:
    return starts("c", pods, NODES, since, lambda pod: f"team of {pod.metadata.name}")


def kinds(*pods: Pod) -> dict[str, str]:
    frame = living(*pods)
    how = served(frame)
    return {pod: next(kind for kind in KINDS if how[kind][row]) for row, pod in enumerate(frame["pod"])}


def test_a_start_is_warm_when_the_node_was_there_and_the_pod_placed_at_once() -> None:
    assert kinds(
        started("warm", created_s=600, scheduled_s=602),
        started("preempted somebody", created_s=600, scheduled_s=630),
        started("waited", created_s=600, scheduled_s=631),
        started("cold", created_s=-180, scheduled_s=60),
        started("cold by a whisker", created_s=29, scheduled_s=30),
    ) == {
        "warm": "warm",
        "preempted somebody": "warm",
        "waited": "waited",
        "cold": "cold",
        "cold by a whisker": "cold",
    }


def test_the_wait_runs_from_creation_to_the_schedulers_decision_and_is_never_negative() -> None:
    frame = living(
        started("a", created_s=600, scheduled_s=645), started("b", created_s=600, scheduled_s=599), since=NOW
    )
    assert frame["wait_s"].tolist() == [45.0, 0.0]
    assert frame["team"].tolist() == ["team of a", "team of b"]
    assert frame["headroom"].isna().all(), "a pod does not tell whose room it took"
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == STARTS
    assert frame[["pool", "model", "resource"]].iloc[0].tolist() == ["h100", "H100 80GB HBM3", "nvidia.com/gpu"]


def test_what_cannot_be_told_is_not_counted() -> None:
    assert (
        kinds(
            started("too old", created_s=-3601, scheduled_s=-3600),
            started("still waiting", created_s=600, scheduled_s=None, node=None),
            started("node gone", created_s=600, scheduled_s=601, node="n9"),
        )
        == {}
    )
    no_gpu = factories.pod("cpu", units={"cpu": "1"}, since=NOW + timedelta(seconds=60))
    assert kinds(no_gpu) == {}


def test_without_pods_there_is_an_empty_frame_of_the_right_columns() -> None:
    frame = living()
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == STARTS
    assert frame.empty
    assert counted(frame).to_dict("list") == {kind: [] for kind in KINDS}


def test_starts_are_counted_by_pool_model_and_resource_and_unknown_ones_nowhere() -> None:
    """In h100 two warm ones, one by headroom, one that waited, one whose node's age is not known; in l4 a cold one."""
    rows = [
        ("h100", 1.0, False, False),
        ("h100", 30.0, False, None),
        ("h100", 40.0, False, True),
        ("h100", 40.0, False, False),
        ("h100", 40.0, None, None),
        ("l4", 200.0, True, False),
    ]
    frame = frames.table(
        STARTS, [("c", "ns", "t", "p", pool, "m", "r", NOW, wait_s, cold, kept) for pool, wait_s, cold, kept in rows]
    )
    assert counted(frame).reset_index().to_dict("records") == [
        {"pool": "h100", "model": "m", "resource": "r", "warm": 2, "headroom": 1, "waited": 1, "cold": 0},
        {"pool": "l4", "model": "m", "resource": "r", "warm": 0, "headroom": 0, "waited": 0, "cold": 1},
    ]
