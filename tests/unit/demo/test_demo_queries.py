from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from services.demo import answer
from services.domain.signals import MIB, SIGNALS, UNIT_KEY, Combine, Query, Stat
from services.domain.window import ending
from services.errors import Rejected

NOON = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEP = timedelta(minutes=5)


def ask(source: Any, signal: str, by: tuple[str, ...], at: datetime = NOON, **more: Any) -> pd.DataFrame:
    only = more.pop("only", None)
    return source.metrics.instant(Query(signal, by, **more), at, only).frame


def test_each_physical_gpu_is_counted_once(estate: Any) -> None:
    sources = estate()
    # 24 H100 + 16 A100 + 8 T4, one of the T4 without an exporter; 16 L4 shared by several pods each
    assert ask(sources["demo-east"], "power", ())["weight"].tolist() == [47.0]
    assert ask(sources["demo-west"], "power", ())["weight"].tolist() == [16.0]
    models = ask(sources["demo-east"], "temperature", ("model",)).set_index("model")["weight"].to_dict()
    assert models == {"NVIDIA H100 80GB HBM3": 24.0, "NVIDIA A100-SXM4-80GB": 16.0, "Tesla T4": 7.0}


def test_mig_instances_weigh_their_compute_slices(estate: Any) -> None:
    east = estate()["demo-east"]
    profiles = ask(east, "util", ("profile",)).set_index("profile")["weight"]
    # ten 3g, ten 2g, thirty 1g instances of a seven-slice GPU; 24 H100, 4 whole A100 and 7 T4
    assert profiles["3g.40gb"] == pytest.approx(30 / 7)
    assert profiles["2g.20gb"] == pytest.approx(20 / 7)
    assert profiles["1g.10gb"] == pytest.approx(30 / 7)
    assert profiles[""] == 35.0
    nodes = ask(east, "util", ("node", "model"))
    a100 = sorted(nodes.loc[nodes["model"] == "NVIDIA A100-SXM4-80GB", "weight"])
    # first node: 5 GPUs cut to 7/7, 2 to 6/7 and 1 to 6/7; second: 2 + 1 to 7/7, 1 to 6/7, 4 whole
    assert a100 == [pytest.approx(5 + 18 / 7), pytest.approx(3 + 6 / 7 + 4)]


def test_level_of_the_gpu_has_no_instances(estate: Any) -> None:
    frame = ask(estate()["demo-east"], "power", UNIT_KEY)
    assert len(frame) == 47
    assert set(frame["instance"]) == set(frame["profile"]) == {""}
    assert (frame["value"] > 5).all()  # an idle board draws power too


def test_frames_have_the_documented_columns(estate: Any) -> None:
    east = estate()["demo-east"]
    instant = ask(east, "util", ("node", "pod"))
    ranged = east.metrics.range(Query("util", ("node", "pod")), ending(NOON, "1h")).frame
    assert {name: str(kind) for name, kind in ranged.dtypes.items()} == {
        "node": "str", "pod": "str", "at": "datetime64[us, UTC]", "value": "float64", "weight": "float64",
    }  # fmt: skip
    assert list(instant.columns) == ["node", "pod", "value", "weight"]
    nothing = ask(east, "util", ("node", "pod"), only={"node": ["nowhere"]})
    assert nothing.empty
    assert nothing.dtypes.equals(instant.dtypes)
    with pytest.raises(Rejected):
        east.metrics.range(Query("util", ("node",), over=HOUR), ending(NOON, "1h"))


@pytest.mark.parametrize("name", ["demo-east", "demo-west"])
def test_groups_add_up_to_the_whole(estate: Any, name: str) -> None:
    source = estate()[name]
    for signal in ("util", "memory_used", "power"):
        whole = ask(source, signal, ())
        parts = ask(source, signal, ("node",))
        share = SIGNALS[signal].combine is Combine.SHARE
        assert parts["weight"].sum() == pytest.approx(whole["weight"].iloc[0])
        total = (parts["value"] * parts["weight"] if share else parts["value"]).sum()
        assert total == pytest.approx((whole["value"] * whole["weight"] if share else whole["value"]).iloc[0])


def test_each_pod_on_a_shared_unit_counts_it_whole_and_sums_are_split_between_them(estate: Any) -> None:
    west = estate()["demo-west"]
    owners = ask(west, "util", ("gpu", "namespace", "pod"))
    sharers = owners.groupby("gpu")["pod"].count()
    assert sharers.max() > 1
    assert set(owners["weight"]) == {1.0}
    devices = ask(west, "util", ("gpu",)).set_index("gpu")["value"]
    assert owners["value"].to_numpy() == pytest.approx(owners["gpu"].map(devices).to_numpy())  # each sees the device
    spaces = ask(west, "util", ("namespace",)).set_index("namespace")["weight"]
    assert spaces.to_dict() == pytest.approx(owners.groupby("namespace")["weight"].sum().to_dict())
    memory = ask(west, "memory_used", ("pod",))["value"].sum()
    held = ask(west, "memory_used", ("gpu",)).set_index("gpu")["value"]
    assert memory == pytest.approx(held[held.index.isin(set(owners["gpu"]))].sum())


def test_filters_keep_units_whole_unless_grouped_by_owner(estate: Any) -> None:
    west = estate()["demo-west"]
    owners = ask(west, "util", ("gpu", "namespace"))
    noisy = owners.loc[owners["namespace"] == "platform-tools", "gpu"].iloc[0]
    only = {"namespace": ["platform-tools"]}
    assert ask(west, "util", ("gpu",), only=only)[["gpu", "weight"]].to_numpy().tolist() == [[noisy, 1.0]]
    grouped = ask(west, "util", ("gpu", "namespace"), only=only)
    expected = owners[(owners["gpu"] == noisy) & (owners["namespace"] == "platform-tools")]
    assert grouped["weight"].tolist() == pytest.approx(expected["weight"].tolist())
    assert ask(west, "util", ("gpu",), only={"gpu": [noisy]})["gpu"].tolist() == [noisy]


@pytest.mark.parametrize("signal", ["util", "memory_used", "temperature"])
@pytest.mark.parametrize("by", [("node",), ("namespace",), ("gpu", "pod")])
def test_statistics_of_a_span_are_those_of_its_instants(estate: Any, signal: str, by: tuple[str, ...]) -> None:
    west = estate()["demo-west"]
    instants = [NOON - STEP * place for place in range(12)]
    unit = ("gpu", *by) if "gpu" not in by else by
    seen = pd.concat([ask(west, signal, unit, at).assign(at=at) for at in instants])
    mean = ask(west, signal, by, over=HOUR).set_index(list(by))
    top = ask(west, signal, by, over=HOUR, stat=Stat.MAX).set_index(list(by))
    combine = SIGNALS[signal].combine
    for key, rows in seen.groupby(list(by) if len(by) > 1 else by[0]):
        weight = rows["weight"]
        if combine is Combine.SHARE:
            expected = (rows["value"] * weight).sum() / weight.sum()
        elif combine is Combine.SUM:
            expected = rows.groupby("at")["value"].sum().mean()
        else:
            expected = rows["value"].mean()
        assert mean.loc[key, "value"] == pytest.approx(expected)
        assert mean.loc[key, "weight"] == pytest.approx(weight.sum() / 12)
        if combine is not Combine.SUM:
            assert top.loc[key, "value"] == pytest.approx(rows["value"].max())


def test_idle_is_the_share_of_observed_equivalents_below_one_percent(estate: Any) -> None:
    east = estate()["demo-east"]
    seen = pd.concat([ask(east, "util", (*UNIT_KEY, "namespace"), NOON - STEP * place) for place in range(12)])
    idle = ask(east, "util", ("namespace",), over=HOUR, stat=Stat.IDLE).set_index("namespace")["value"]
    below = seen["weight"] * (seen["value"] < 0.01)
    expected = below.groupby(seen["namespace"]).sum() / seen["weight"].groupby(seen["namespace"]).sum()
    assert idle.to_dict() == pytest.approx(expected.to_dict())
    assert idle["research"] > 0.5  # eight idle GPUs of ten


def test_a_pod_seen_for_part_of_the_span_weighs_that_part(estate: Any) -> None:
    west = estate()["demo-west"]
    pods = ask(west, "util", ("namespace", "pod"), over=timedelta(hours=4))
    captions = pods[pods["pod"].str.startswith("captions-")]
    assert len(captions) >= 8  # two pods an hour, each for 18 to 48 minutes
    assert (captions["weight"] <= 48 / 240 + 5 / 240).all()
    assert (captions["weight"] > 0).all()


def test_answers_do_not_depend_on_how_time_is_cut(estate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = [Query("util", ("namespace", "pod"), over=3 * HOUR), Query("memory_used", ("node",), over=3 * HOUR)]
    whole = [estate()["demo-west"].metrics.instant(query, NOON).frame for query in queries]
    monkeypatch.setattr(answer, "_CELLS", 400)
    for query, frame in zip(queries, whole, strict=True):
        pd.testing.assert_frame_equal(estate()["demo-west"].metrics.instant(query, NOON).frame, frame)


def test_what_is_not_collected_is_not_there(estate: Any) -> None:
    sources = estate()
    assert ask(sources["demo-west"], "sm_active", ("node",)).empty
    assert not sources["demo-west"].metrics.coverage().has("sm_active")
    models = set(ask(sources["demo-east"], "tensor_active", ("model",))["model"])
    assert models == {"NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"}  # a T4 has no profiling counters here
    t4 = ask(sources["demo-east"], "util", ("gpu", "model"))
    percent = t4.loc[t4["model"] == "Tesla T4", "value"].to_numpy() * 100
    assert np.allclose(percent, np.round(percent))
    assert "Tesla T4" not in set(ask(sources["demo-east"], "row_remap_failed", ("model",))["model"])


def test_memory_is_used_free_and_reserved(estate: Any) -> None:
    east = estate()["demo-east"]
    by = ("gpu", "instance", "profile", "model")
    both = ask(east, "memory_used", by).merge(ask(east, "memory_free", by), on=list(by), suffixes=("", "_free"))
    h100 = both[both["model"].str.contains("H100")]
    # 81559 MiB on the board, 551 of them reserved
    assert ((h100["value"] + h100["value_free"]) == (81559 - 551) * MIB).all()
    one = both[both["profile"] == "1g.10gb"]
    assert ((one["value"] + one["value_free"]) / MIB == 9728 - round(615 * 9728 / 81920)).all()


def test_coverage_tells_carriers_labels_and_duplicates(estate: Any) -> None:
    sources = estate()
    east, west = (sources[name].metrics.coverage() for name in ("demo-east", "demo-west"))
    rows = east.carriers.set_index("metric")
    assert rows.loc["DCGM_FI_DEV_GPU_TEMP", ["series", "gpus"]].tolist() == [35 + 50 + 8, 47]  # eight scraped twice
    assert rows.loc["DCGM_FI_PROF_GR_ENGINE_ACTIVE", ["series", "gpus"]].tolist() == [28 + 50 + 8, 40]
    assert rows.loc["DCGM_FI_DEV_GPU_UTIL", ["series", "gpus"]].tolist() == [35 + 8, 35]
    assert (east.duplicates, west.duplicates) == (8, 0)
    assert east.owner_labels == west.owner_labels == "exported"
    assert "Hostname" in east.labels
    assert "hostname" not in east.labels
    assert {"hostname", "vgpu"} <= west.labels
    owners = ask(sources["demo-west"], "util", ("gpu", "pod"))
    free = 16 - owners["gpu"].nunique()
    assert west.carriers.set_index("metric").loc["DCGM_FI_DEV_BOARD_POWER_WATTS", "series"] == len(owners) + free
    assert east.carriers["newest_at"].unique().tolist() == [pd.Timestamp("2026-12-09T15:30:00Z")]
