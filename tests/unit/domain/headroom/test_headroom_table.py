import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from services.domain import allocation, frames, inventory
from services.domain.headroom import OURS, POOL, SHAPE, Place, Shape
from services.domain.headroom import objects as headroom_objects
from services.domain.headroom import table as headroom_table
from services.domain.headroom.growth import KARPENTER, Growth
from services.domain.headroom.starts import STARTS
from services.domain.headroom.table import HEADROOM, KEPT, PLACED, kept, placed, table, uses, with_starts
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
    given: dict[str, object] = {"used": {}, "started": STARTED, "recorded": False, "growth": {}, **more}
    started, recorded = given.pop("started"), given.pop("recorded")
    room = table(
        "c",
        nodes,
        units,
        given.pop("claims", claims),  # type: ignore[arg-type]
        placeholders=placed(pods, nodes, units),
        kept_frame=kept([], []) if kept_frame is None else kept_frame,
        **given,  # type: ignore[arg-type]
    )
    return with_starts(room, started, recorded=recorded).set_index("resource")  # type: ignore[arg-type]


def came(*starts: tuple[float, bool, bool | None], resource: str = GPU) -> pd.DataFrame:
    """Starts in pool h100: how long each waited for room, whether its node came for it, whether room was kept."""
    where = "c", "ns", "team", "p", "h100", "H100 80GB HBM3", resource, NOW
    return frames.table(STARTS, [(*where, *start) for start in starts])


STARTED = came((1.0, False, None), (2.0, False, None), (30.0, False, None), (300.0, True, None))


def test_every_column_is_there_even_of_nothing() -> None:
    nodes, units, claims = (frame.iloc[:0] for frame in estate())
    empty = table(
        "c", nodes, units, claims, placeholders=placed([], nodes, units), kept_frame=kept([], []), used={}, growth={}
    )
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == headroom_table.ROOM
    for recorded in (True, False):
        whole = with_starts(empty, STARTED.iloc[:0], recorded=recorded)
        assert {name: str(kind) for name, kind in whole.dtypes.items()} == HEADROOM
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
    assert (row["starts"], row["warm"], row["waited"], row["cold"], row["at_once_ratio"]) == (4, 3, 0, 1, 0.75)
    assert math.isnan(row["headroom"]), "pods do not tell whose room they took"
    assert math.isnan(rows().loc[MIG, "at_once_ratio"]), "without starts there is no share"


def test_recorded_starts_say_how_often_kept_room_was_used_whatever_events_are_left() -> None:
    """By headroom 2, warm 1, waited 1, cold 1: 3 of 5 found room at once."""
    starts = came((1.0, False, True), (2.0, False, True), (3.0, False, False), (31.0, False, False), (9.0, True, False))
    frame = kept([deployment(1)], [])
    for used in ({}, {"warm-h100-1x-gpu": 7}, None):
        row = rows(kept_frame=frame, started=starts, recorded=True, used=used).loc[GPU]
        assert (row["used"], row["ordered"]) == (2, 0)
        assert (row["starts"], row["headroom"], row["warm"], row["waited"], row["cold"]) == (5, 2, 1, 1, 1)
        assert row["at_once_ratio"] == 0.6


def test_what_a_buffer_ordered_is_known_from_events_alone() -> None:
    frame = kept([deployment(1)], [buffer(1)])
    starts = came((1.0, False, True), resource=MIG)
    row = rows(kept_frame=frame, started=starts, recorded=True, used={"b": 4}).loc[MIG]
    assert (row["used"], row["ordered"], row["headroom"]) == (5, 4, 1)
    unreadable = rows(kept_frame=frame, started=starts, recorded=True, used=None)
    assert math.isnan(unreadable.loc[MIG, "used"])
    assert unreadable.loc[GPU, "used"] == 0, "it keeps no buffer"


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
        used={}, growth={},
    )  # fmt: skip
    assert found.set_index("resource")["usd_per_day"].isna().to_dict() == {GPU: True, MIG: False}
