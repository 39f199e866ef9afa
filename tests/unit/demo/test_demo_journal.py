from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from services.demo.journal import Memory, entry
from services.domain.change.refs import Ref
from services.domain.signals import Query
from services.domain.window import ending

NOW = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)
SCALED = NOW - timedelta(hours=2, seconds=20)


def scale(replicas: int, at: datetime = SCALED, workload: str = "rerank") -> tuple[datetime, Ref, dict[str, Any]]:
    return at, Ref.of("demo-east", "Deployment", workload, "search-prod"), {"spec": {"replicas": replicas}}


def journal_of(*changes: tuple[datetime, Ref, dict[str, Any]]) -> Memory:
    journal = Memory()
    for at, ref, body in changes:
        journal.append(ref.cluster, entry("patch", ref, body), at=at, actor="kim")
    return journal


def running(source: Any, phase: str = "Running") -> list[str]:
    pods = source.cluster.snapshot("pods").objects
    return [p.metadata.name for p in pods if p.metadata.name.startswith("rerank-") and p.status.phase == phase]


def replicas(source: Any) -> int:
    return next(
        d.spec["replicas"] for d in source.cluster.snapshot("deployments").objects if d.metadata.name == "rerank"
    )


@pytest.mark.parametrize(("wanted", "run", "wait"), [(0, 0, 0), (2, 2, 0), (5, 5, 0), (7, 5, 2)])
def test_scaling_changes_the_world_from_then_on(estate: Any, wanted: int, run: int, wait: int) -> None:
    east = estate(journal=journal_of(scale(wanted)))["demo-east"]
    assert len(running(east)) == run
    assert len(running(east, "Pending")) == wait
    assert replicas(east) == wanted
    owners = east.metrics.instant(Query("util", ("pod",)), NOW, {"namespace": ["search-prod"]}).frame
    assert sorted(name for name in owners["pod"] if name.startswith("rerank-")) == sorted(running(east))


def test_what_was_before_a_change_stays(estate: Any) -> None:
    query = Query("util", ("node", "gpu", "instance", "namespace", "pod"))
    window = ending(SCALED - timedelta(minutes=1), "6h")
    before = estate()["demo-east"].metrics.range(query, window).frame
    after = estate(journal=journal_of(scale(1)))["demo-east"].metrics.range(query, window).frame
    pd.testing.assert_frame_equal(before, after)


def test_fewer_replicas_share_the_same_requests(estate: Any) -> None:
    def load(replicas: int) -> float:
        east = estate(journal=journal_of(scale(replicas)))["demo-east"]
        query = Query("util", ("pod",), over=timedelta(hours=1))
        frame = east.metrics.instant(query, NOW, {"namespace": ["search-prod"]}).frame
        return float(frame.loc[frame["pod"].str.startswith("rerank-"), "value"].mean())

    assert load(4) == pytest.approx(1.25 * load(5), rel=0.05)


def test_the_last_of_several_changes_counts(estate: Any) -> None:
    journal = journal_of(scale(0), scale(3, NOW - timedelta(hours=1)), scale(1, NOW - timedelta(minutes=20)))
    east = estate(journal=journal)["demo-east"]
    assert len(running(east)) == 1
    assert replicas(east) == 1
    hour = NOW - timedelta(minutes=40)
    at_three = estate(hour, journal=journal)["demo-east"]
    assert len(running(at_three)) == 3
    kept = set(running(east)) & set(running(at_three))
    assert len(kept) == 1  # the pod that stayed is the same pod


def test_a_change_makes_a_new_version_within_the_minute(estate: Any) -> None:
    cluster = estate()["demo-east"].cluster
    before = cluster.snapshot("pods")
    _, ref, body = scale(0)
    cluster.patch(ref, body, expected=cluster.read(ref).version)
    after = cluster.snapshot("pods")
    assert after.version == before.version + 20 + 1, "seconds since the minute, and a write"
    assert len(after.objects) < len(before.objects)


def test_unknown_workloads_are_ignored(estate: Any) -> None:
    plain = running(estate()["demo-east"])
    assert running(estate(journal=journal_of(scale(0, workload="nothing")))["demo-east"]) == plain
