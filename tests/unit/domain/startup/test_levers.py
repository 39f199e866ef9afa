import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.startup import Phase
from services.domain.startup.groups import GROUPS
from services.domain.startup.levers import LEVERS, LEVERS_BY_NAME, levers
from tests.unit.domain.startup.recorded import NAN, pull, pulls, start, starts

Rows = list[dict[str, object]]


def found(rows: Rows, lever: str, *, pulled: Rows | None = None, **given: object) -> pd.DataFrame:
    """The rows of one lever, of two recorded days and a target of two minutes."""
    options = {"target_s": 120.0, "days": 2.0} | given
    every = levers(starts(rows), pulls(pulled or []), **options)  # type: ignore[arg-type]
    return every[every["lever"].eq(lever)].reset_index(drop=True)


def several(number: int, first: float = 0.0, **values: object) -> Rows:
    """Starts ten minutes apart."""
    return [start(first + 10 * place, **values) for place in range(number)]


def test_pulling_ahead_makes_pulls_what_they_are_with_the_image_on_the_node() -> None:
    rows = several(2, pull="pulled", pull_wait_s=10, pull_s=90, load_s=40)
    rows += [start(100 + i, pull="cached", pull_s=seconds, load_s=40) for i, seconds in enumerate([0, 1, 2, 3, 4])]
    (row,) = found(rows, "prepull").to_dict("records")
    # The median with the image there is 2 s: 98 s less, in two starts of two days.
    assert (row["starts"], row["of"], row["n"]) == (2, 7, 5)
    assert (row["seconds_spent_mean"], row["seconds_saved_mean"], row["seconds_saved_per_day"]) == (100, 98, 98)
    # Totals 40 … 44, 140, 140 become 40 … 44, 42, 42.
    assert (row["total_p50_before"], row["total_p50_after"]) == (43, 42)
    assert row["total_p95_before"] == pytest.approx(140)
    assert row["in_target_before"] == pytest.approx(5 / 7)
    assert row["in_target_after"] == 1.0
    # Two starts, $4 an hour, 98 s each, over two days.
    assert row["usd_saved_per_day"] == pytest.approx(4 * 98 / 3600)
    assert (row["phase_group"], row["subject_kind"], row["subject"]) == ("pull", "image", "reg.example/vllm:1")
    assert row["basis"] == "median of 5 starts with this image on the node"
    assert row["action"] == "prepull-images"
    assert row["params"] == {"cluster": "east", "pool": "a", "images": ["reg.example/vllm:1"]}


def test_without_cached_starts_of_the_image_those_of_the_cluster_speak() -> None:
    rows = several(1, pull="pulled", pull_s=90)
    rows += several(5, 100, pull="cached", pull_s=1, image="reg.example/other:1", workload="other")
    (row,) = found(rows, "prepull").to_dict("records")
    assert row["basis"] == "median of 5 starts of this cluster with their image on the node"
    assert row["seconds_saved_mean"] == 89


def test_four_starts_are_no_basis_and_that_is_said() -> None:
    rows = several(1, pull="pulled", pull_s=90) + several(4, 100, pull="cached", pull_s=1)
    rows += several(9, 300, pull="cached", pull_s=1, cluster="west")
    (row,) = found(rows, "prepull").to_dict("records")
    assert row["basis"] == "no prediction: too few recorded starts found their image on the node"
    assert np.isnan(row["seconds_saved_mean"])
    assert np.isnan(row["total_p95_after"])
    assert np.isnan(row["in_target_after"])
    assert np.isnan(row["usd_saved_per_day"])
    assert row["total_p95_before"] == pytest.approx(72.2)  # 90, 1, 1, 1, 1: place 3.8 of 0 … 4


def test_a_node_that_comes_for_the_pod_needs_the_image_on_its_disk() -> None:
    rows = several(2, pull="pulled", pull_s=90, cold=True) + several(5, 100, pull="cached", pull_s=1)
    assert found(rows, "prepull").empty
    (row,) = found(rows, "node-image").to_dict("records")
    assert (row["seconds_saved_mean"], row["action"], row["params"]) == (89, "", {})


def test_an_image_no_workload_starts_with_any_more_is_not_pulled_ahead() -> None:
    rows = several(2, pull="pulled", pull_s=90, image="reg.example/vllm:1")
    rows += several(6, 100, pull="cached", pull_s=1, image="reg.example/vllm:2")
    assert found(rows, "prepull").empty


def test_streaming_is_judged_by_pulling_and_loading_together() -> None:
    rows = several(2, pull="pulled", pull_s=90, load_s=60) + several(5, 100, pull="streamed", pull_s=2, load_s=100)
    (row,) = found(rows, "stream").to_dict("records")
    assert (row["seconds_spent_mean"], row["seconds_saved_mean"]) == (150, 48)
    assert row["subject"] == "serving/chat"


def test_a_nearer_registry_pulls_at_its_own_rate() -> None:
    rows = several(2, pull="pulled", pull_wait_s=20, pull_s=80, image="far.example/vllm:1")
    pulled = [pull(image="far.example/vllm:1", seconds=400.0) for _ in range(6)]  # 25 MB/s
    pulled += [pull(seconds=100.0) for _ in range(5)]  # 100 MB/s
    (row,) = found(rows, "registry", pulled=pulled).to_dict("records")
    # A quarter of 80 s remains; the waiting stays.
    assert (row["seconds_spent_mean"], row["seconds_saved_mean"], row["n"]) == (80, 60, 5)
    assert row["subject"] == "far.example"
    assert row["basis"] == "median rate of 6 pulls from here, 25 MB/s, and of 5 from reg.example, 100 MB/s"
    assert found(rows, "registry", pulled=pulled[:4] + pulled[6:]).empty


COLD = {"cold": True, "decision_s": 20, "provision_s": 100, "boot_s": 50, "device_s": 60, "bind_s": 10, "load_s": 30}


def test_a_unit_kept_warm_spares_the_wait_for_a_node() -> None:
    rows = several(3, usd_per_hour=3.6, **COLD) + several(5, 100, cold=False, wait_s=4, load_s=30)
    (row,) = found(rows, "headroom", kept={("east", "a", "H100 80GB HBM3", "nvidia.com/gpu"): 2}).to_dict("records")
    # 240 s become 4 s; boot, device and bind (120 s) were paid for.
    assert (row["starts"], row["seconds_spent_mean"], row["seconds_saved_mean"]) == (3, 240, 236)
    assert row["usd_saved_per_day"] == pytest.approx(3 * 3.6 * 120 / 3600 / 2)
    assert row["usd_cost_per_day"] == pytest.approx(3.6 * 24)
    assert row["basis"] == (
        "median wait of 5 warm starts in this pool; 1 unit would have been there for 3 of 3 that waited"
    )
    assert row["action"] == "scale-headroom"
    assert row["params"] == {
        "cluster": "east", "pool": "a", "model": "H100 80GB HBM3", "units": 3,
        "shape": {"resource": "nvidia.com/gpu", "gpus": 1},
    }  # fmt: skip


def test_what_it_proposes_is_what_the_action_takes() -> None:
    import msgspec

    from services.domain.headroom import Shape, Want

    rows = several(3, **COLD) + several(5, 100, cold=False, wait_s=4)
    (row,) = found(rows, "headroom", kept={}).to_dict("records")
    want = msgspec.convert(row["params"], Want)
    assert want == Want("east", "a", 1, model="H100 80GB HBM3", shape=Shape("nvidia.com/gpu", 1))


def test_while_it_is_not_known_what_is_kept_no_number_is_proposed() -> None:
    rows = several(3, **COLD) + several(5, 100, cold=False, wait_s=4)
    (row,) = found(rows, "headroom").to_dict("records")
    assert (row["seconds_saved_mean"], row["action"], row["params"]) == (236, "", {})


def test_one_unit_is_there_again_only_after_a_new_node_has_come() -> None:
    # Bursts of three within 240 s, twice an hour apart; two of three are 67 %, three of three 100 %.
    rows = [start(minute, **COLD) for minute in (0, 1, 2, 60, 61, 62)] + several(5, 200, cold=False, wait_s=4)
    (row,) = found(rows, "headroom", kept={}).to_dict("records")
    assert row["params"]["units"] == 3
    assert "3 units would have been there for 6 of 6 that waited" in row["basis"]


def test_starts_that_ask_for_more_than_a_unit_holds_are_not_helped() -> None:
    rows = [*several(3, **COLD), start(100, gpus=8.0, **COLD), *several(5, 200, cold=False, wait_s=4)]
    (row,) = found(rows, "headroom", kept={}).to_dict("records")
    assert row["params"]["shape"] == {"resource": "nvidia.com/gpu", "gpus": 1}
    assert row["starts"] == 3
    assert "for 3 of 4 that waited" in row["basis"]


def test_more_than_eight_units_are_not_proposed() -> None:
    rows = [start(place / 10, **COLD) for place in range(12)] + several(5, 200, cold=False, wait_s=4)
    (row,) = found(rows, "headroom", kept={}).to_dict("records")
    assert row["params"]["units"] == 8
    assert "8 units would have been there for 8 of 12 that waited" in row["basis"]


def test_where_a_pool_has_no_warm_starts_those_of_its_cluster_speak() -> None:
    (row,) = found(several(3, **COLD) + several(5, 100, pool="b", wait_s=6), "headroom").to_dict("records")
    assert row["seconds_saved_mean"] == 234
    assert row["basis"].startswith("median wait of 5 warm starts in this cluster; ")
    (row,) = found(several(3, **COLD), "headroom", kept={}).to_dict("records")
    assert row["basis"] == "no prediction: too few recorded starts found room on a node that was there"
    assert np.isnan(row["usd_saved_per_day"])


def test_a_pool_that_never_brought_a_node_is_not_proposed_to_keep_units() -> None:
    assert found(several(3, wait_s=300) + several(5, 100, wait_s=4), "headroom", kept={}).empty


def test_a_faster_pool_has_the_same_gpus_in_the_same_cluster() -> None:
    slow = several(5, cold=True, provision_s=200, boot_s=50, device_s=100, decision_s=10, pool="slow")
    fast = several(5, 100, cold=True, provision_s=100, boot_s=40, device_s=60, decision_s=10, pool="fast")
    other = several(5, 200, cold=True, provision_s=10, boot_s=10, device_s=0, decision_s=10, pool="t4", model="T4")
    (row,) = found([*slow, *fast, *other], "pool").to_dict("records")
    # 350 s become 200 s; of the 150 s, boot and device went from 150 to 100 s, and only these are paid for.
    assert (row["subject"], row["seconds_saved_mean"], row["n"]) == ("slow", 150, 5)
    assert row["usd_saved_per_day"] == pytest.approx(5 * 4 * 50 / 3600 / 2)
    assert row["basis"] == "median of 5 starts that waited for a node of pool fast, which has the same GPUs"


def test_a_driver_is_judged_by_the_pool_that_offers_its_gpus_first() -> None:
    slow = several(5, cold=True, provision_s=200, boot_s=50, device_s=100, pool="slow")
    other = several(5, 100, cold=True, provision_s=200, boot_s=50, device_s=30, pool="t4", model="T4")
    rows = found([*slow, *other], "driver").set_index("subject")
    assert rows.loc["slow", "seconds_saved_mean"] == 70
    assert rows.loc["slow", "basis"] == "median of 5 new nodes' starts in pool t4, which has other GPUs"
    assert rows.loc["t4", "basis"].startswith("no prediction")
    assert np.isnan(rows.loc["t4", "seconds_saved_mean"])


def test_downloads_are_judged_by_their_fastest_quarter() -> None:
    rows = [start(place, download_s=10.0 * (place + 1)) for place in range(20)]
    (row,) = found(rows, "cache").to_dict("records")
    # 10 … 200 s; the fastest five have the median 30. The others save 10, 20, … 170: on average over all 20, 76.5.
    assert (row["n"], row["seconds_saved_mean"]) == (5, pytest.approx(76.5))
    assert row["basis"] == "median of the fastest 5 of 20 downloads of this workload"
    (row,) = found(rows[1:], "cache").to_dict("records")
    assert row["basis"] == "no prediction: only 19 downloads of this workload are recorded"


def test_loading_is_compared_on_the_same_gpus_and_where_a_probe_tells_its_end() -> None:
    rows = [start(place, load_s=50.0 if place < 5 else 100.0) for place in range(20)]
    rows += [start(100 + place, load_s=1.0, model="T4") for place in range(20)]
    rows += [start(200 + place, load_s=1.0, flags="late,no_readiness") for place in range(20)]
    (row,) = found(rows, "preload").to_dict("records")
    assert (row["subject"], row["starts"], row["of"]) == ("serving/chat on H100 80GB HBM3", 20, 40)
    assert row["seconds_saved_mean"] == pytest.approx(15 * 50 / 20)


def test_restarts_cost_what_starts_without_one_do_not_need() -> None:
    rows = several(1, retry_s=90, load_s=30, restarts=2) + several(5, 100, load_s=30)
    (row,) = found(rows, "restarts").to_dict("records")
    assert (row["seconds_saved_mean"], row["total_p50_after"]) == (90, 30)
    assert row["basis"] == "5 starts of this workload needed no restart"


def test_phases_that_are_short_need_no_lever() -> None:
    assert levers(starts(several(30, load_s=9, pull="pulled", pull_s=3)), pulls([]), target_s=120, days=1).empty


def test_only_starts_that_became_ready_are_what_a_lever_would_have_helped() -> None:
    rows = several(1, pull="pulled", pull_s=90, outcome="failed") + several(5, 100, pull="cached", pull_s=1)
    assert found(rows, "prepull").empty
    rows += several(1, 300, pull="pulled", pull_s=200)
    (row,) = found(rows, "prepull").to_dict("records")
    # Seven are decided; the failed one stays missed.
    assert (row["starts"], row["in_target_before"], row["in_target_after"]) == (
        1, pytest.approx(5 / 7), pytest.approx(6 / 7),
    )  # fmt: skip


def test_a_start_without_a_price_saves_time_and_no_money() -> None:
    rows = several(1, pull="pulled", pull_s=90, usd_per_hour=NAN) + several(5, 100, pull="cached", pull_s=1)
    (row,) = found(rows, "prepull").to_dict("records")
    assert (row["seconds_saved_mean"], row["unpriced"]) == (89, 1)
    assert np.isnan(row["usd_saved_per_day"])


def test_the_best_lever_comes_first_and_those_without_a_prediction_last() -> None:
    rows = several(2, pull="pulled", pull_s=90, load_s=40) + several(5, 100, pull="cached", pull_s=1, load_s=40)
    every = levers(starts(rows + several(3, 300, **COLD)), pulls([]), target_s=120, days=1)
    assert list(every["lever"]) == ["headroom", "prepull", "driver", "preload"]
    assert list(every["seconds_saved_mean"].isna()) == [False, False, True, True]


def test_every_lever_has_words_and_a_group() -> None:
    rows = several(2, pull="pulled", pull_s=90, download_s=60, retry_s=20, **COLD) + several(5, 100, pull="cached")
    every = levers(starts(rows), pulls([]), target_s=120, days=1)
    assert set(every["lever"]) <= set(LEVERS_BY_NAME)
    assert set(every["phase_group"]) <= set(GROUPS)
    assert {name: str(kind) for name, kind in every.dtypes.items()} == LEVERS
    none = levers(starts([]), pulls([]), target_s=120, days=1)
    assert {name: str(kind) for name, kind in none.dtypes.items()} == LEVERS


ROWS = st.lists(
    st.builds(
        lambda minute, seconds, pool, how, cold, image: start(
            minute, **dict(zip((f"{phase}_s" for phase in Phase), seconds, strict=True)), pool=pool, pull=how,
            cold=cold, image=image,
        ),
        st.integers(0, 5000),
        st.lists(st.integers(0, 300), min_size=len(Phase), max_size=len(Phase)),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["pulled", "cached", "streamed", "unknown"]),
        st.sampled_from([True, False, None]),
        st.sampled_from(["reg.example/a:1", "far.example/b:1"]),
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_no_lever_saves_more_than_its_phases_took_or_makes_a_start_slower(rows: Rows) -> None:
    pulled = [pull(seconds=50.0)] * 5 + [pull(image="far.example/b:1", seconds=90.0)] * 5
    every = levers(starts(rows), pulls(pulled), target_s=600, days=1, kept={})
    known = every[every["seconds_saved_mean"].notna()]
    assert (known["seconds_saved_mean"] >= 2).all()
    assert (known["seconds_saved_mean"] <= known["seconds_spent_mean"] + 1e-6).all()
    for name in ("total_p50", "total_p95"):
        assert (known[f"{name}_after"] <= known[f"{name}_before"] + 1e-6).all()
        assert (known[f"{name}_after"] >= -1e-6).all()
    assert (known["in_target_after"] >= known["in_target_before"]).all()
    assert known["in_target_after"].between(0, 1).all()
    assert (every["starts"] <= every["of"]).all()
