import numpy as np
import pandas as pd
import pytest

from services.domain.startup.regressions import REGRESSIONS, regressions
from tests.unit.domain.startup.recorded import at, start, starts

Rows = list[dict[str, object]]
V1, V2 = "reg.example/vllm:1", "reg.example/vllm:2"


def several(number: int, first: float, **values: object) -> Rows:
    return [start(first + place, **values) for place in range(number)]


def found(rows: Rows, **given: object) -> pd.DataFrame:
    return regressions(starts(rows), **({"now": at(10000)} | given))  # type: ignore[arg-type]


def test_a_workload_that_starts_slower_since_its_new_image_is_told_with_what_grew() -> None:
    rows = several(5, 0, image=V1, setup_s=10, load_s=90) + several(5, 100, image=V2, setup_s=14, load_s=136)
    (row,) = found(rows).to_dict("records")
    assert (row["p95_before_s"], row["p95_after_s"], row["rise"]) == (100, 150, 0.5)
    assert (row["n_before"], row["n_after"]) == (5, 5)
    assert (row["phase_group"], row["phase_group_s"]) == ("load", 46)
    assert (row["change"], row["before"], row["after"]) == ("image vllm:1 → vllm:2", V1, V2)
    assert row["compared"] == "warm starts that found the image on the node"
    assert row["at"] == at(100)


def test_a_rise_of_a_fifth_is_not_yet_a_regression() -> None:
    assert found(several(5, 0, image=V1, load_s=100) + several(5, 100, image=V2, load_s=120)).empty
    assert len(found(several(5, 0, image=V1, load_s=100) + several(5, 100, image=V2, load_s=121))) == 1
    assert found(several(5, 0, image=V1, load_s=100) + several(5, 100, image=V2, load_s=121), share=0.5).empty


def test_four_starts_are_too_few_on_either_side() -> None:
    assert found(several(4, 0, image=V1, load_s=100) + several(9, 100, image=V2, load_s=300)).empty
    assert found(several(9, 0, image=V1, load_s=100) + several(4, 100, image=V2, load_s=300)).empty


def test_one_slow_start_among_few_is_no_regression() -> None:
    rows = (
        several(9, 0, image=V1, load_s=100)
        + several(8, 100, image=V2, load_s=100)
        + several(1, 200, image=V2, load_s=900)
    )
    assert found(rows).empty
    # Among twenty, two slow ones are a tail: place 18.05 of 0 … 19.
    rows = (
        several(20, 0, image=V1, load_s=100)
        + several(18, 100, image=V2, load_s=100)
        + several(2, 200, image=V2, load_s=900)
    )
    assert len(found(rows)) == 1


def test_more_cold_starts_after_a_change_are_no_regression_of_it() -> None:
    rows = several(5, 0, image=V1, load_s=30) + several(5, 50, image=V1, cold=True, provision_s=300, load_s=30)
    rows += several(1, 100, image=V2, load_s=30) + several(9, 150, image=V2, cold=True, provision_s=300, load_s=30)
    assert found(rows).empty


def test_the_pulls_that_follow_a_new_image_are_no_regression_of_it() -> None:
    rows = several(9, 0, image=V1, pull="cached", load_s=30)
    rows += several(5, 100, image=V2, pull="pulled", pull_s=200, load_s=30)
    rows += several(5, 150, image=V2, pull="cached", load_s=30)
    assert found(rows).empty


def test_a_larger_image_shows_where_both_were_pulled() -> None:
    rows = several(5, 0, image=V1, pull="pulled", cold=True, pull_s=100) + several(5, 50, image=V1, load_s=30)
    rows += several(5, 100, image=V2, pull="pulled", cold=True, pull_s=180) + several(5, 150, image=V2, load_s=30)
    (row,) = found(rows).to_dict("records")
    assert (row["compared"], row["phase_group"]) == ("cold starts that fetched the image", "pull")
    assert row["rise"] == pytest.approx(0.8)


def test_starts_whose_node_is_of_unknown_age_and_those_never_ready_are_not_compared() -> None:
    before = several(5, 0, image=V1, load_s=30)
    assert found(before + several(9, 100, image=V2, load_s=300, cold=None)).empty
    assert found(before + several(9, 100, image=V2, load_s=300, outcome="failed")).empty


def test_before_reaches_back_only_to_the_change_before() -> None:
    rows = several(5, 0, image="reg.example/vllm:0", load_s=30)
    rows += several(5, 100, image=V1, load_s=200) + several(5, 200, image=V2, load_s=210)
    assert found(rows).empty


def test_what_changed_together_is_named_together() -> None:
    rows = several(5, 0, image=V1, gpus=1.0, load_s=30) + several(5, 100, image=V2, gpus=2.0, load_s=60)
    (row,) = found(rows).to_dict("records")
    assert row["change"] == "image vllm:1 → vllm:2, resource 1 × nvidia.com/gpu → 2 × nvidia.com/gpu"


def test_a_new_pool_is_compared_with_the_old_one_under_the_same_image() -> None:
    rows = several(5, 0, pool="a", load_s=30) + several(5, 100, pool="b", load_s=60)
    (row,) = found(rows).to_dict("records")
    assert (row["change"], row["p50_before_s"], row["p50_after_s"]) == ("pool a → b", 30, 60)


def test_another_pool_at_another_time_does_not_speak_for_the_image() -> None:
    rows = several(5, 0, image=V1, pool="a", load_s=30) + several(5, 50, image=V2, pool="a", load_s=31)
    rows += several(5, 100, image=V2, pool="b", load_s=90)
    (row,) = found(rows).to_dict("records")
    assert row["change"] == "pool a → b"


def test_starts_after_now_are_not_known_yet() -> None:
    rows = several(5, 0, image=V1, load_s=30) + several(5, 100, image=V2, load_s=60)
    assert found(rows, now=at(102)).empty


def test_the_worst_kind_of_start_speaks_for_its_workload_and_workloads_stand_by_seconds_lost() -> None:
    rows = several(5, 0, image=V1, load_s=30) + several(5, 100, image=V2, load_s=60)
    rows += several(5, 20, image=V1, cold=True, load_s=100) + several(5, 120, image=V2, cold=True, load_s=200)
    rows += several(5, 0, workload="b", image=V1, load_s=10) + several(5, 100, workload="b", image=V2, load_s=500)
    table = found(rows)
    assert list(table["workload"]) == ["b", "chat"]
    assert table["compared"].iloc[1] == "cold starts that found the image on the node"
    assert {name: str(kind) for name, kind in table.dtypes.items()} == REGRESSIONS


def test_without_a_change_or_without_starts_there_is_nothing_to_tell() -> None:
    for rows in ([], several(9, 0)):
        assert {name: str(kind) for name, kind in found(rows).dtypes.items()} == REGRESSIONS
        assert found(rows).empty


def test_a_start_that_took_no_time_before_has_no_ratio() -> None:
    (row,) = found(several(5, 0, image=V1, total_s=0) + several(5, 100, image=V2, load_s=60)).to_dict("records")
    assert np.isnan(row["rise"])
