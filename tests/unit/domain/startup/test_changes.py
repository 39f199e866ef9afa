import pandas as pd

from services.domain.startup.changes import CHANGES, of
from tests.unit.domain.startup.recorded import at, start, starts


def images(*names: str) -> pd.DataFrame:
    """The changes of a workload that starts every minute with these images."""
    return of(starts([start(minute, image=name) for minute, name in enumerate(names)]))


def told(found: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(found[["what", "before", "after"]].itertuples(index=False, name=None))


def test_the_first_start_with_a_new_image_is_the_change() -> None:
    found = images("v1", "v1", "v2", "v2")
    assert told(found) == [("image", "v1", "v2")]
    assert found["at"].iloc[0] == at(2)
    assert pd.isna(found["since"].iloc[0])
    assert {name: str(kind) for name, kind in found.dtypes.items()} == CHANGES


def test_pods_of_the_old_image_that_are_replaced_during_a_rollout_are_no_change_back() -> None:
    assert told(images("v1", "v2", "v1", "v2", "v1", "v2", "v2")) == [("image", "v1", "v2")]


def test_an_image_that_comes_back_to_stay_is_a_change() -> None:
    found = images("v1", "v1", "v2", "v2", "v1", "v1")
    assert told(found) == [("image", "v1", "v2"), ("image", "v2", "v1")]
    assert list(found["at"]) == [at(2), at(4)]
    assert found["since"].iloc[1] == at(2)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [start(minute, image=name) for minute, name in enumerate(("v1", "v1", "v2", "v2"))]
    assert told(of(starts(rows[::-1]))) == [("image", "v1", "v2")]


def test_a_workload_that_lives_in_two_pools_came_to_each_once() -> None:
    found = of(starts([start(minute, pool=name) for minute, name in enumerate(["a", "b", "a", "a", "b", "b", "a"])]))
    assert told(found) == [("pool", "a", "b")]


def test_what_is_not_known_is_no_change() -> None:
    assert of(starts([start(0, pool="a"), start(1, pool="", resource=""), start(2, pool="a")])).empty


def test_another_number_of_gpus_is_a_change() -> None:
    found = of(starts([start(0, gpus=1), start(1, gpus=2)]))
    assert told(found) == [("resource", "1 × nvidia.com/gpu", "2 × nvidia.com/gpu")]


def test_workloads_of_one_name_are_told_apart_by_namespace_and_cluster() -> None:
    rows = [start(0, image="v1"), start(1, image="v2", namespace="other"), start(2, image="v2", cluster="west")]
    assert of(starts(rows)).empty
    assert {name: str(kind) for name, kind in of(starts([])).dtypes.items()} == CHANGES
