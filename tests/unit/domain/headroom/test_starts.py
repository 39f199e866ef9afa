from datetime import timedelta

import pandas as pd

from services.domain import inventory
from services.domain.headroom.starts import STARTS, starts
from services.domain.objects import Condition, Pod
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


def kinds(*pods: Pod) -> dict[str, str]:
    frame = starts("c", pods, NODES, NOW - timedelta(hours=1))
    return dict(zip(frame["pod"], frame["start"], strict=True))


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
    frame = starts(
        "c",
        [started("a", created_s=600, scheduled_s=645), started("b", created_s=600, scheduled_s=599)],
        NODES,
        NOW,
    )
    assert frame["wait_s"].tolist() == [45.0, 0.0]
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
    frame = starts("c", [], NODES, NOW)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == STARTS
    assert isinstance(frame, pd.DataFrame)
    assert frame.empty
