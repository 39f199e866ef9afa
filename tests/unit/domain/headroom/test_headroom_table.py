import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from services.domain import allocation, inventory
from services.domain.headroom import OURS, POOL, SHAPE, Place, Shape
from services.domain.headroom import objects as headroom_objects
from services.domain.headroom.growth import KARPENTER, Growth
from services.domain.headroom.starts import STARTS
from services.domain.headroom.table import HEADROOM, KEPT, PLACED, kept, placed, table, uses
from services.domain.objects import Event, EventSeries, Generic, Meta, Pod, PodSpec, Reference
from tests import factories
from tests.factories import NOW

GPU, MIG = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"
MARKS = {**OURS, SHAPE: "1x-gpu", "app.kubernetes.io/instance": "warm-h100-1x-gpu"}
ROOM = {GPU: "7", MIG: "7"}
"""Seven whole H100 and one cut into seven."""


def pause(name: str, *, node: str | None = "n1", labels: dict[str, str] | None = None, priority: int = -10) -> Pod:
    pod = factories.pod(name, namespace="gpu-headroom", node_name=node, labels=MARKS if labels is None else labels)
    meta = Meta(name=name, namespace="gpu-headroom", labels=pod.metadata.labels, annotations={POOL: "h100"})
    images = [
        type(one)(name="pause", image="registry.k8s.io/pause:3.10", resources=one.resources)
        for one in pod.spec.containers
    ]
    return Pod(meta, PodSpec(node_name=node, containers=images, priority=priority), pod.status)


def deployment(units: int, name: str = "warm-h100-1x-gpu") -> Generic:
    shape = Shape(GPU, 1, "8", "64Gi")
    made = headroom_objects.deployment(name, Place("h100", "", {}, [], []), shape, units)
    meta = Meta(name=name, namespace="gpu-headroom", labels=made["metadata"]["labels"], annotations={POOL: "h100"})
    return Generic(metadata=meta, spec=made["spec"])


def buffer(units: int, *conditions: dict[str, str]) -> Generic:
    meta = Meta(
        name="b", namespace="gpu-headroom", labels={**OURS, SHAPE: "1x-mig-1g.10gb"}, annotations={POOL: "h100"}
    )
    return Generic(metadata=meta, spec={"replicas": units}, status={"replicas": units, "conditions": list(conditions)})


def preempted(pod: str, *, minutes: int = 10, series: int | None = None, **more: object) -> Event:
    at = NOW - timedelta(minutes=minutes)
    about = Reference(**{"kind": "Pod", "name": pod, "namespace": "gpu-headroom", **more})
    repeated = None if series is None else EventSeries(count=series, last_observed_time=at)
    return Event(metadata=Meta(name="e"), involved_object=about, reason="Preempted", event_time=at, series=repeated)


def estate(*pods: Pod) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Nodes with a price of 10 USD a GPU and hour, units, and what pods hold."""
    cut = factories.node("n1", capacity=ROOM, labels={**factories.H100, "nvidia.com/mig-1g.10gb.count": "7"})
    nodes, units = inventory.nodes("c", [cut])
    return nodes.assign(price=10.0), units, allocation.pods("c", pods, units)[1]


def rows(*pods: Pod, kept_frame: pd.DataFrame | None = None, **more: object) -> pd.DataFrame:
    nodes, units, claims = estate(*pods)
    given: dict[str, object] = {"used": {}, "started": STARTED, "growth": {}, **more}
    return table(
        "c",
        nodes,
        units,
        given.pop("claims", claims),  # type: ignore[arg-type]
        placeholders=placed(pods, nodes, units),
        kept_frame=kept([], []) if kept_frame is None else kept_frame,
        **given,  # type: ignore[arg-type]
    ).set_index("resource")


STARTED = pd.DataFrame(
    [
        ("c", "ns", f"p{i}", "n1", "h100", "H100 80GB HBM3", GPU, NOW, 1.0, kind)
        for i, kind in enumerate(["warm"] * 3 + ["cold"])
    ],
    columns=list(STARTS),
).astype(STARTS)


def test_every_column_is_there_even_of_nothing() -> None:
    nodes, units, claims = (frame.iloc[:0] for frame in estate())
    empty = table(
        "c", nodes, units, claims, placeholders=placed([], nodes, units), kept_frame=kept([], []), used={},
        started=STARTED.iloc[:0], growth={},
    )  # fmt: skip
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == HEADROOM
    assert {name: str(kind) for name, kind in placed([], nodes, units).dtypes.items()} == PLACED
    assert {name: str(kind) for name, kind in kept([], []).dtypes.items()} == KEPT


def test_each_resource_of_a_pool_has_its_room_and_its_price() -> None:
    """A whole GPU is 240 USD a day, a seventh 34.29; one GPU is held by a real pod."""
    found = rows(factories.pod("real"))
    assert found["free"].to_dict() == {GPU: 6, MIG: 7}
    assert found["per_node"].to_dict() == {GPU: 7, MIG: 7}
    assert found["unit_usd_per_day"].to_dict() == {GPU: 240, MIG: pytest.approx(240 / 7)}
    assert found["method"].tolist() == ["none", "none"]


def test_warm_units_are_ready_when_they_run_and_refill_until_then() -> None:
    found = rows(pause("a"), pause("b", node=None), kept_frame=kept([deployment(3)], []))
    row = found.loc[GPU]
    assert (row["set"], row["ready"], row["pending"], row["method"]) == (3, 1, 2, "placeholder")
    assert row["usd_per_day"] == 240
    assert row["free"] == 6, "what a placeholder holds is warm and not free"
    assert row["balloons"] == 0


def test_placeholders_of_somebody_else_are_counted_apart() -> None:
    found = rows(pause("theirs", labels={}, priority=-1))
    assert (found.loc[GPU, "balloons"], found.loc[GPU, "ready"], found.loc[GPU, "usd_per_day"]) == (1, 0, 0)


def test_a_buffer_is_ready_when_the_autoscaler_says_so() -> None:
    ready = buffer(2, {"type": "Provisioning", "status": "True"})
    row = rows(kept_frame=kept([], [ready])).loc[MIG]
    assert (row["set"], row["ready"], row["method"]) == (2, 2, "buffer")
    assert row["usd_per_day"] == pytest.approx(2 * 240 / 7)
    assert rows(kept_frame=kept([], [buffer(2)])).loc[MIG, "ready"] == 0


def test_what_is_not_ours_keeps_nothing() -> None:
    stranger = Generic(metadata=Meta(name="x", namespace="gpu-headroom"), spec={"replicas": 3})
    elsewhere = deployment(2)
    moved = Generic(metadata=Meta(name="y", namespace="web", labels=elsewhere.metadata.labels), spec=elsewhere.spec)
    assert kept([stranger, moved], []).empty


def test_starts_are_told_apart_and_their_share_is_of_all() -> None:
    row = rows().loc[GPU]
    assert (row["starts"], row["warm"], row["waited"], row["cold"], row["warm_ratio"]) == (4, 3, 0, 1, 0.75)
    assert math.isnan(rows().loc[MIG, "warm_ratio"]), "without starts there is no share"


def test_uses_are_preemptions_of_our_placeholders_within_the_window() -> None:
    frame = kept([deployment(1), deployment(1, "warm-h100")], [buffer(1)])
    scaled = Event(
        metadata=Meta(name="e"),
        involved_object=Reference(kind="CapacityBuffer", name="b", namespace="gpu-headroom"),
        reason="TriggeredScaleUp",
        last_timestamp=NOW,
        count=2,
    )
    events = [
        preempted("warm-h100-1x-gpu-6d5b8-x"),
        preempted("warm-h100-1x-gpu-6d5b8-y", series=3),
        preempted("warm-h100-7c9f6-z"),
        preempted("warm-h100-1x-gpu-6d5b8-old", minutes=61),
        preempted("chat-1", namespace="web"),
        scaled,
    ]
    assert uses(events, frame, NOW - timedelta(hours=1)) == {"warm-h100-1x-gpu": 4, "warm-h100": 1, "b": 2}
    assert rows(kept_frame=frame, used={"warm-h100-1x-gpu": 4, "warm-h100": 1}).loc[GPU, "used"] == 5


def test_what_cannot_be_read_is_unknown_and_not_zero() -> None:
    found = rows(used=None, claims=None)
    assert np.isnan(found["free"]).all()
    assert np.isnan(found["used"]).all()


def test_limits_are_shown_where_there_are_some_and_pools_without_nodes_where_they_may_grow() -> None:
    grows = {
        ("h100", GPU): Growth(KARPENTER, 16, 8),
        ("h100", MIG): Growth(KARPENTER, math.inf, math.inf),
        ("empty", GPU): Growth(KARPENTER, 4, 4),
    }
    found = rows(growth=grows).reset_index().set_index(["pool", "resource"])
    assert found.loc[("h100", GPU), ["autoscaler", "limit", "more"]].tolist() == [KARPENTER, 16, 8]
    assert math.isnan(found.loc[("h100", MIG), "more"])
    assert found.loc[("empty", GPU), ["free", "more", "model"]].tolist() == [0, 4, ""]


def test_a_placeholder_on_a_node_without_a_price_makes_the_cost_unknown() -> None:
    nodes, units, claims = estate(pause("a"))
    bare = nodes.assign(price=np.nan)
    found = table(
        "c", bare, units, claims, placeholders=placed([pause("a")], bare, units), kept_frame=kept([deployment(1)], []),
        used={}, started=STARTED, growth={},
    )  # fmt: skip
    assert found.set_index("resource")["usd_per_day"].isna().to_dict() == {GPU: True, MIG: False}
