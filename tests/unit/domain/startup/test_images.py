import numpy as np
import pytest

from services.domain import frames
from services.domain.startup.holdings import HOLDINGS
from services.domain.startup.images import IMAGES, RATES, rates, table
from tests.unit.domain.startup.recorded import NAN, pull, pulls

FAR = "far.example/vllm:1"


def test_an_image_is_told_by_its_pulls() -> None:
    rows = [
        pull(node="n1", seconds=100.0, waiting_s=0.0),
        pull(node="n2", seconds=200.0, waiting_s=30.0),
        pull(node="n1", how="cached", seconds=NAN, waiting_s=NAN, size_bytes=NAN),
        pull(node="n3", how="revalidated", seconds=1.5),
        pull(node="n4", how="streamed", seconds=3.0),
        pull(node="n5", how="unknown", seconds=NAN, size_bytes=NAN),
    ]
    row = table(pulls(rows)).iloc[0]
    assert (row["containers"], row["pulled"], row["cached"], row["streamed"], row["unknown"]) == (6, 2, 2, 1, 1)
    assert row["cached_ratio"] == pytest.approx(2 / 5)
    assert (row["pull_p50_s"], row["waiting_p50_s"]) == (150.0, 15.0)
    assert row["pull_p95_s"] == pytest.approx(195.0)
    # 10 GB in 100 s and in 200 s.
    assert row["rate_bytes_s"] == pytest.approx(75e6)
    assert (row["size_bytes"], row["repulled"]) == (10e9, 0)


def test_nodes_are_not_counted_when_nobody_read_them() -> None:
    row = table(pulls([pull()])).iloc[0]
    assert np.isnan(row["holding"])
    held = frames.table(HOLDINGS, [("east", "reg.example/vllm:1", 3, 2, 1, 12e9)])
    row = table(pulls([pull()]), held).iloc[0]
    assert (row["holding"], row["lacking"], row["unclear"], row["size_bytes"]) == (3, 2, 1, 10e9)


def test_a_size_nobody_told_when_pulling_comes_from_the_nodes_or_stays_unknown() -> None:
    cached = pulls([pull(how="cached", seconds=NAN, size_bytes=NAN)])
    held = frames.table(HOLDINGS, [("east", "reg.example/vllm:1", 1, 0, 0, 12e9)])
    assert table(cached, held).iloc[0]["size_bytes"] == 12e9
    row = table(cached).iloc[0]
    assert np.isnan(row["size_bytes"])
    assert np.isnan(row["pull_p50_s"])
    assert row["advice"] == ""


def test_spellings_of_one_image_are_one_row_and_tags_are_two() -> None:
    rows = [pull(image="nginx"), pull(image="docker.io/library/nginx:latest"), pull(image="nginx:2"), pull(image="")]
    found = table(pulls(rows)).set_index("image")["containers"]
    assert found.to_dict() == {"docker.io/library/nginx:latest": 2, "docker.io/library/nginx:2": 1}


def test_rates_are_told_by_registry_and_zone_from_large_pulls_alone() -> None:
    rows = [
        *(pull(seconds=100.0, zone="z1") for _ in range(3)),
        pull(seconds=200.0, zone="z2"),
        pull(image=FAR, seconds=500.0),
        pull(image=FAR, seconds=1.0, size_bytes=1e6),
        pull(image=FAR, seconds=0.0),
        pull(image=FAR, how="cached", seconds=NAN),
    ]
    found = rates(pulls(rows))
    assert found[["registry", "zone", "pulls"]].to_numpy().tolist() == [
        ["reg.example", "z1", 3], ["reg.example", "z2", 1], ["far.example", "z1", 1],
    ]  # fmt: skip
    assert list(found["rate_p50_bytes_s"]) == [100e6, 50e6, 20e6]
    whole = rates(pulls(rows), by_zone=False)
    assert list(whole["pulls"]) == [4, 1]
    assert set(whole["zone"]) == {""}


def test_advice_names_size_distance_repetition_and_waiting() -> None:
    near = [pull(node=f"n{i}", size_bytes=5e9, seconds=25.0) for i in range(5)]
    far = [pull(image=FAR, node="n1", size_bytes=18e9, seconds=360.0, waiting_s=40.0) for _ in range(5)]
    found = table(pulls(near + far)).set_index("image")["advice"]
    assert found["reg.example/vllm:1"] == ""
    assert found[FAR] == (
        "18.0 GB to pull: a smaller image comes sooner. "
        "far.example delivers 50 MB/s here, reg.example 200 MB/s: copy it to a nearer registry. "
        "Pulled again 4 times on nodes that had pulled it before: it was removed there, its tag moved, or the node was "
        "replaced under its name. "
        "Half of its pulls wait 40 s or longer behind others: allow parallel pulls."
    )


def test_four_pulls_do_not_make_a_registry_far() -> None:
    near = [pull(node=f"n{i}", size_bytes=5e9, seconds=25.0) for i in range(5)]
    far = [pull(image=FAR, node=f"n{i}", size_bytes=5e9, seconds=360.0) for i in range(4)]
    assert set(table(pulls(near + far))["advice"]) == {""}


def test_the_frames_keep_their_columns_without_pulls() -> None:
    assert {name: str(kind) for name, kind in table(pulls([])).dtypes.items()} == IMAGES
    assert {name: str(kind) for name, kind in table(pulls([pull()])).dtypes.items()} == IMAGES
    assert {name: str(kind) for name, kind in rates(pulls([])).dtypes.items()} == RATES
    assert {name: str(kind) for name, kind in rates(pulls([pull()])).dtypes.items()} == RATES
