"""Where small pods hold whole GPUs."""

from typing import Any

import pandas as pd
import pytest

from services.domain.findings import Severity
from services.domain.sharing import findings as sharing_findings

GIB = 2.0**30


def units(*rows: tuple[str, str, float, float], **more: Any) -> pd.DataFrame:
    """Rows (node, pod, utilisation, GiB used) on GPUs of 16 GiB at half a dollar an hour."""
    return pd.DataFrame(
        [
            {
                "cluster": "c", "node": node, "gpu": f"g{place}", "instance": "", "pool": "t4", "model": "T4",
                "util": util, "memory_used": used * GIB, "memory_total": 16 * GIB, "held": 1.0 if pod else 0.0,
                "holders": 1 if pod else 0, "pods": pod, "price": 0.5, **more,
            }
            for place, (node, pod, util, used) in enumerate(rows)
        ]
    )  # fmt: skip


def nodes(*names: str, **more: Any) -> pd.DataFrame:
    plain = {"cluster": "c", "pool": "t4", "sharing": "none", "ready": True, "schedulable": True}
    return pd.DataFrame([{**plain, "node": name, **more} for name in names])


def test_small_pods_on_whole_gpus_could_share_them() -> None:
    """Busy 15 % bears four (60 %), and four times 3 of 16 GiB fit: 4 × (1 − 1/4) = 3 GPUs, $36 a day."""
    held = units(*((name, f"ns/{name}", 0.15, 3.0) for name in ("a", "b", "c", "d")))
    (row,) = sharing_findings.small(held, nodes("a", "b", "c", "d")).to_dict("records")
    assert (row["replicas"], row["nodes"], row["pods"], row["names"]) == (4, 4, 4, "a, b, c, d")
    assert (row["freed"], row["usd_per_day"], row["util"]) == (3.0, pytest.approx(36.0), pytest.approx(0.15))
    assert {name: str(kind) for name, kind in sharing_findings.small(held, nodes("a")).dtypes.items()} == (
        sharing_findings.SMALL
    )


@pytest.mark.parametrize(
    ("util", "used", "replicas"), [(0.05, 1.0, 8), (0.08, 1.9, 4), (0.3, 1.0, 2), (0.05, 7.0, 2), (0.1, 3.0, 4)]
)
def test_time_and_memory_both_limit_the_sharers(util: float, used: float, replicas: int) -> None:
    held = units(*((name, f"ns/{name}", util, used) for name in ("a", "b", "c", "d")))
    assert sharing_findings.small(held, nodes("a", "b", "c", "d"))["replicas"].tolist() == [replicas]


@pytest.mark.parametrize(
    "held",
    [
        units(("a", "ns/p", 0.5, 1.0), ("b", "ns/q", 0.4, 1.0)),  # too busy for a second
        units(("a", "ns/p", 0.1, 9.0), ("b", "ns/q", 0.1, 8.0)),  # too much memory
        units(("a", "ns/p", 0.1, float("nan")), ("b", "ns/q", float("nan"), 1.0)),  # not measured
        units(("a", "ns/p", 0.1, 1.0), ("a", "ns/p", 0.1, 1.0)),  # one pod with two GPUs
        units(("a", "", 0.0, 0.0), ("b", "", 0.0, 0.0)),  # free
        units(("a", "ns/p", 0.1, 1.0)),  # one pod alone has nobody to share with
    ],
)
def test_what_is_not_small_or_not_known_is_left_alone(held: pd.DataFrame) -> None:
    assert sharing_findings.small(held, nodes("a", "b")).empty


def test_a_large_pod_on_a_node_speaks_for_the_whole_node() -> None:
    held = units(("a", "ns/p", 0.1, 1.0), ("a", "ns/q", 0.9, 1.0), ("b", "ns/r", 0.1, 1.0), ("c", "ns/s", 0.1, 1.0))
    (row,) = sharing_findings.small(held, nodes("a", "b", "c")).to_dict("records")
    assert row["names"] == "b, c"
    assert sharing_findings.small(held, nodes("a", "b", "c", sharing="mps")).empty
    assert sharing_findings.small(held, nodes("a", "b", "c", schedulable=False)).empty


def test_a_finding_carries_its_fix_within_what_the_breaker_lets_pass() -> None:
    names = [f"n{place}" for place in range(6)]
    held = units(*((name, f"ns/{name}", 0.1, 3.0) for name in names))
    (found,) = sharing_findings.shareable(held, nodes(*names), most=20, ratio=0.5)
    assert found.title == "6 small pods hold whole GPUs in pool t4"
    assert found.detail.startswith("Time-slicing × 4 on 6 nodes would free 4.5 of 6 GPUs. They are 10% busy")
    assert (found.severity, found.gpus, found.usd_per_day) == (Severity.WARNING, 4.5, pytest.approx(54.0))
    assert found.params == {"cluster": "c", "share_pool": "c/t4", "share_layout": "time-slicing-4"}
    assert found.fix is not None
    assert found.fix.label == "Share 4 nodes × 4", "a pool of six: at most four at once"
    assert found.fix.params == {"cluster": "c", "nodes": ["n0", "n1", "n2", "n3"], "layout": "time-slicing-4"}
