import math

import pandas as pd
import pytest

from services.domain.findings import Finding, Severity
from services.domain.headroom import Shape, Want
from services.domain.headroom.findings import cold, offered
from services.domain.headroom.table import HEADROOM

ROW = {
    "cluster": "east", "pool": "spot", "model": "T4", "resource": "nvidia.com/gpu", "free": 0.0, "largest_free": 0.0,
    "per_node": 1.0, "set": 0, "ready": 0, "pending": 0, "method": "none", "usd_per_day": 0.0, "unit_usd_per_day": 5.05,
    "used": 0.0, "ordered": 0.0, "starts": 8, "warm": 3, "headroom": 0.0, "waited": 0, "cold": 5,
    "at_once_ratio": 0.375, "balloons": 0, "autoscaler": "Karpenter", "limit": 10.0, "more": 2.0,
}  # fmt: skip


def frame(**changes: object) -> pd.DataFrame:
    return pd.DataFrame([{**ROW, **changes}])[list(HEADROOM)].astype(HEADROOM)


def full(key: str = "full/east/spot/T4") -> Finding:
    return Finding(key, "Pool full", Severity.NOTICE, "Pool spot is 100 % held", "0 free", "east")


def test_cold_starts_in_a_pool_that_keeps_nothing_warm_are_found_with_the_fix() -> None:
    (found,) = cold(frame(), "24h")
    assert found.title == "5 of 8 starts in pool spot waited for a new node"
    assert found.severity is Severity.WARNING
    assert found.detail.endswith("One unit kept warm costs about $5 a day.")
    assert found.params == {"cluster": "east", "headroom_pool": "east · spot · T4 · nvidia.com/gpu"}
    assert found.fix is not None
    assert found.fix.label == "Keep 1 unit of pool spot warm"
    assert found.fix.params == {
        "cluster": "east", "pool": "spot", "model": "T4", "units": 1, "shape": {"resource": "nvidia.com/gpu"},
    }  # fmt: skip


def test_the_fix_is_what_the_action_takes() -> None:
    import msgspec

    (found,) = cold(frame(), "24h")
    assert found.fix is not None
    want = msgspec.convert(found.fix.params, Want)
    assert want == Want("east", "spot", 1, model="T4", shape=Shape("nvidia.com/gpu"))


def test_one_cold_start_is_worth_knowing() -> None:
    (found,) = cold(frame(cold=1, starts=1, unit_usd_per_day=math.nan), "1h")
    assert (found.severity, found.title) == (Severity.NOTICE, "1 of 1 start in pool spot waited for a new node")
    assert "$" not in found.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"cold": 0},
        {"set": 1},  # kept already
        {"balloons": 2},  # somebody else keeps it
        {"autoscaler": ""},
        {"more": 0.0},
        {"more": 6.0, "per_node": 8.0},  # no whole node fits under the limit
    ],
)
def test_where_a_warm_unit_is_there_or_cannot_come_nothing_is_proposed(changes: dict[str, object]) -> None:
    assert list(cold(frame(**changes), "24h")) == []
    if "cold" not in changes:
        assert offered([full()], frame(**changes))[0].fix is None


def test_a_free_unit_can_be_kept_whatever_the_limit() -> None:
    assert len(list(cold(frame(more=0.0, free=1.0), "24h"))) == 1
    assert len(list(cold(frame(more=math.nan), "24h"))) == 1


def test_full_pools_that_could_grow_are_given_the_fix_and_others_stay_as_they_are() -> None:
    mine, other = offered([full(), full("full/west/spot/T4")], frame())
    assert mine.fix is not None
    assert mine.fix.action == "scale-headroom"
    assert other.fix is None
