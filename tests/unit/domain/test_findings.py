"""Findings: what is found, in which words, in which order."""

from datetime import timedelta

import pandas as pd

from services.domain import allocation, capacity, demand, findings, inventory
from services.domain.findings import Finding, Fix, Severity, ranked
from tests.factories import NOW, namespace, node, pod, refused

QUOTA = (
    'pods "x" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=2, '
    "used: requests.nvidia.com/gpu=7, limited: requests.nvidia.com/gpu=8"
)


def waiting_frame(*pods: object, events: tuple[object, ...] = ()) -> pd.DataFrame:
    _, units = inventory.nodes("c", [node()])
    frame, _ = allocation.pods("c", pods, units, namespaces=[namespace("ns", team="t")])  # type: ignore[arg-type]
    return demand.waiting("c", frame, events, team_of={"ns": "t"}, now=NOW)  # type: ignore[arg-type]


def test_pods_of_one_workload_that_wait_for_one_reason_are_one_finding() -> None:
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    owner = ("Job", "train", "j")
    rows = waiting_frame(
        pod("a", node_name=None, scheduler_says=message, owner=owner, units={"nvidia.com/gpu": 8}),
        pod(
            "b",
            node_name=None,
            scheduler_says=message,
            owner=owner,
            units={"nvidia.com/gpu": 8},
            since=NOW - timedelta(hours=2),
        ),
        pod("runs"),
    )
    (found,) = findings.unmet(rows, NOW)
    assert found.title == "2 pods of train wait for GPUs: no free GPU"
    assert found.gpus == 16
    assert found.since == NOW - timedelta(hours=2)
    assert found.severity is Severity.CRITICAL


def test_a_quota_that_allows_no_more_is_unmet_demand_although_no_pod_exists() -> None:
    rows = waiting_frame(events=(refused("chat-7d9c8b6f5d", QUOTA),))
    row = rows.iloc[0]
    assert (row["workload"], row["state"], row["reason"], row["units"], row["team"]) == (
        "chat",
        "blocked",
        "Quota used up",
        2,
        "t",
    )
    assert row["message"] == "Quota gpu allows no more: 7 of 8 nvidia.com/gpu are in use"


def test_an_old_refusal_is_no_demand_any_more() -> None:
    assert waiting_frame(events=(refused("chat-x", QUOTA, at=NOW - timedelta(hours=1)),)).empty


def test_a_full_pool_is_urgent_only_while_somebody_waits() -> None:
    frame, _ = inventory.nodes("c", [node()])
    full = capacity.occupancy(frame, pd.DataFrame({"node": ["n1"], "equivalents": [8.0]})).assign(price=1.0)
    pools = capacity.by_pool(full)
    (calm,) = findings.saturated(pools, waiting_frame(), 0.95)
    (busy,) = findings.saturated(pools, waiting_frame(pod("w", node_name=None)), 0.95)
    assert (calm.severity, busy.severity) == (Severity.NOTICE, Severity.WARNING)
    assert calm.title == "Pool h100 is 100% held"


def test_broken_nodes_say_how_many_gpus_are_lost() -> None:
    frame, _ = inventory.nodes(
        "c",
        [
            node("ok"),
            node("lame", allocatable={"nvidia.com/gpu": "6"}),
            node("dead", allocatable={"nvidia.com/gpu": "0"}),
        ],
    )
    found = {f.params["util_node"]: f for f in findings.broken_nodes(frame.assign(price=2.0))}
    assert set(found) == {"lame", "dead"}
    assert (found["lame"].gpus, found["lame"].usd_per_day) == (2, 96)
    assert found["dead"].title == "dead lost all its GPUs"


def test_only_codes_that_point_at_hardware_blame_the_gpu() -> None:
    codes = pd.DataFrame({"cluster": "c", "node": "n", "gpu": ["a", "b", "c", "d"], "value": [79.0, 13.0, 0.0, 9999.0]})
    assert [f.key for f in findings.sick_gpus(codes)] == ["xid/c/a"]


def test_nodes_without_telemetry_are_named_only_where_there_is_any() -> None:
    frame, _ = inventory.nodes("c", [node("seen"), node("dark")])
    (found,) = findings.silent_nodes(frame, {("c", "seen")})
    assert "dark" in found.detail
    assert list(findings.silent_nodes(frame, set())) == []


def test_lost_capacity_comes_before_lost_money_and_more_money_first() -> None:
    def finding(key: str, severity: Severity, usd: float | None, fix: Fix | None = None) -> Finding:
        return Finding(key, "k", severity, key, "d", "c", usd_per_day=usd, fix=fix)

    order = ranked(
        [
            finding("cheap", Severity.WARNING, 1.0),
            finding("dear", Severity.WARNING, 100.0),
            finding("broken", Severity.CRITICAL, None),
            finding("mendable", Severity.WARNING, 2.0, Fix("scale-headroom", "Keep 1 warm")),
        ]
    )
    assert [f.key for f in order] == ["broken", "mendable", "dear", "cheap"]
    assert {name: str(dtype) for name, dtype in findings.frame(order).dtypes.items()} == findings.FINDINGS
