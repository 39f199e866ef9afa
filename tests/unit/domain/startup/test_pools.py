import numpy as np

from services.domain.startup.pools import POOLS, node_times, table
from tests.unit.domain.startup.recorded import start, starts


def cold(minutes: float, node: str, **values: object) -> dict[str, object]:
    """A start that waited for its own node: 100 s machine, 50 s boot, 60 s device, if not said otherwise."""
    phases = {"decision_s": 20, "provision_s": 100, "boot_s": 50, "device_s": 60}
    return start(minutes, node=node, cold=True, **(phases | values))


def test_a_pool_is_described_by_the_nodes_that_came() -> None:
    rows = [
        cold(0, "n1"),
        cold(1, "n2", provision_s=140, boot_s=70, device_s=80),
        start(2, node="n1", load_s=30),
        cold(3, "n3", outcome="failed"),
    ]
    row = table(starts(rows)).iloc[0]
    assert (row["starts"], row["cold"], row["nodes"]) == (4, 3, 3)
    assert (row["provision_p50_s"], row["boot_p50_s"], row["device_p50_s"]) == (100, 50, 60)
    # 210, 210 and 290 s; the 95th percentile lies at place 1.9.
    assert row["node_p50_s"] == 210
    np.testing.assert_allclose(row["node_p95_s"], 282)
    # Of the two that became ready: 230 and 310 s.
    assert row["total_p50_s"] == 270


def test_pods_that_waited_for_one_node_are_one_measurement_by_the_one_that_saw_most() -> None:
    row = table(starts([cold(0, "n1"), cold(1, "n1", provision_s=40)])).iloc[0]
    assert (row["cold"], row["nodes"], row["provision_nodes"], row["provision_p50_s"]) == (2, 1, 1, 100)


def test_what_could_not_be_told_apart_is_not_measured_as_zero() -> None:
    found = node_times(
        starts(
            [
                cold(0, "n1", provision_s=0, boot_s=0, device_s=0, decision_s=0, unattributed_s=230),
                cold(1, "n2", device_s=0),
                cold(2, "n3", decision_s=0, provision_s=0, boot_s=20),
                start(3, load_s=10),
            ]
        )
    )
    nan = np.nan
    np.testing.assert_array_equal(found["provision"], [nan, 100, nan, nan])
    # The third pod came when its node was on the way: it saw only the end of the boot.
    np.testing.assert_array_equal(found["boot"], [nan, 50, nan, nan])
    # GPUs that were there when the second node was Ready took no time.
    np.testing.assert_array_equal(found["device"], [nan, 0, 60, nan])
    np.testing.assert_array_equal(found["node"], [nan, 150, nan, nan])


def test_pools_with_the_same_gpus_are_compared_when_enough_nodes_are_known() -> None:
    rows = [cold(i, f"a{i}", pool="a") for i in range(5)] + [cold(i, f"b{i}", pool="b", boot_s=90) for i in range(5)]
    rows += [cold(0, "few", pool="few"), *(cold(i, f"t{i}", pool="t", model="T4") for i in range(5))]
    found = table(starts(rows)).set_index("pool")
    assert found["fastest"].to_dict() == {"b": "a", "a": "a", "few": "", "t": ""}
    assert (found.loc["b", "slower_s"], found.loc["a", "slower_s"]) == (40, 0)
    assert np.isnan(found.loc["few", "slower_s"])


def test_a_pool_whose_nodes_were_always_there_has_no_times() -> None:
    found = table(starts([start(0), start(1, pool="", node="", outcome="starting")]))
    assert len(found) == 1
    assert found.iloc[0][["cold", "nodes"]].tolist() == [0, 0]
    assert np.isnan(found.iloc[0]["node_p50_s"])
    assert {name: str(kind) for name, kind in found.dtypes.items()} == POOLS
    assert {name: str(kind) for name, kind in table(starts([])).dtypes.items()} == POOLS
