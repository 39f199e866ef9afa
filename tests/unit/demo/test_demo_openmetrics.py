import io
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from services.demo import openmetrics
from services.demo.metrics import DemoMetrics
from services.demo.world import World
from services.domain.signals import UNIT_KEY, Query

END = datetime(2026, 12, 9, 15, 30, tzinfo=UTC)
START = END - timedelta(minutes=10)
LINE = re.compile(r"^(\w+)\{(.*)\} (\S+) (\d+)$")
PAIR = re.compile(r'(\w+)="([^"]*)"')

Sample = tuple[str, dict[str, str], float, int]


def text_of(cluster: str, *, honor_labels: bool = False) -> tuple[str, int]:
    file = io.StringIO()
    count = openmetrics.write(
        World(), cluster, START, END, timedelta(minutes=1), file, honor_labels=honor_labels
    )  # fmt: skip
    return file.getvalue(), count


def samples_of(text: str) -> list[Sample]:
    found = []
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.match(line)
            assert match is not None, line
            found.append((match[1], dict(PAIR.findall(match[2])), float(match[3]), int(match[4])))
    return found


@pytest.fixture(scope="module")
def east() -> list[Sample]:
    return samples_of(text_of("demo-east")[0])


@pytest.fixture(scope="module")
def west() -> list[Sample]:
    return samples_of(text_of("demo-west")[0])


@pytest.mark.parametrize("cluster", ["demo-east", "demo-west"])
def test_text_is_well_formed(cluster: str) -> None:
    text, count = text_of(cluster)
    assert text.endswith("\n# EOF\n")
    samples = samples_of(text)
    assert len(samples) == count
    families = [name for place, (name, *_) in enumerate(samples) if place == 0 or samples[place - 1][0] != name]
    assert len(families) == len(set(families))
    series = [(name, tuple(labels.items())) for name, labels, *_ in samples]
    starts = [one for place, one in enumerate(series) if place == 0 or series[place - 1] != one]
    assert len(starts) == len(set(starts))
    for before, after in pairwise(samples):
        if before[:2] == after[:2]:
            assert after[3] > before[3]
    assert {at for *_, at in samples} == {int(START.timestamp()) + 60 * place for place in range(11)}


def test_names_and_units_follow_the_exporter_version(east: list[Sample], west: list[Sample]) -> None:
    old, new = {name for name, *_ in east}, {name for name, *_ in west}
    assert {"DCGM_FI_DEV_FB_USED", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"} <= old
    assert {"DCGM_FI_DEV_FB_USED_BYTES", "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", "DCGM_FI_DEV_GPU_UTIL_RATIO"} <= new
    assert not old & new
    assert all("Hostname" in labels and "DCGM_FI_DRIVER_VERSION" in labels for _, labels, *_ in east)
    assert all("hostname" in labels and "DCGM_FI_SYSTEM_DRIVER_VERSION" in labels for _, labels, *_ in west)
    used = [value for name, _, value, _ in west if name == "DCGM_FI_DEV_FB_USED_BYTES"]
    assert all(value % 1048576 == 0 for value in used)
    assert max(value for name, _, value, _ in west if name == "DCGM_FI_DEV_GPU_UTIL_RATIO") <= 1.0


def test_workloads_are_exported_labels_beside_the_exporter_s_own(east: list[Sample]) -> None:
    for _, labels, *_ in east:
        assert labels["container"] == "exporter"
        assert labels["pod"].startswith(("dcgm-exporter-", "dcgm-manual-"))
        assert ("exported_pod" in labels) == ("exported_namespace" in labels) == ("exported_container" in labels)
    assert {labels["job"] for _, labels, *_ in east} == {"dcgm-exporter", "dcgm-manual"}


def test_honored_labels_name_the_workload_or_the_exporter_of_a_free_gpu() -> None:
    samples = samples_of(text_of("demo-east", honor_labels=True)[0])
    assert not any(key.startswith("exported_") for _, labels, *_ in samples for key in labels)
    names = {labels["pod"] for _, labels, *_ in samples}
    assert "ablation-study" in names
    assert any(name.startswith("dcgm-exporter-") for name in names)


def test_time_sliced_gpus_repeat_the_device_for_each_pod(west: list[Sample]) -> None:
    copies: dict[tuple[str, int], set[float]] = {}
    owners: dict[tuple[str, int], set[str]] = {}
    for name, labels, value, at in west:
        if name == "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO":
            copies.setdefault((labels["UUID"], at), set()).add(value)
            owners.setdefault((labels["UUID"], at), set()).add(labels.get("vgpu", ""))
    assert all(len(values) == 1 for values in copies.values())
    assert max(len(replicas) for replicas in owners.values()) >= 3


def test_mig_instances_have_no_gpu_util_and_repeat_the_board(east: list[Sample]) -> None:
    assert not any("GPU_I_ID" in labels for name, labels, *_ in east if name == "DCGM_FI_DEV_GPU_UTIL")
    boards: dict[tuple[str, int], set[float]] = {}
    for name, labels, value, at in east:
        if name == "DCGM_FI_DEV_POWER_USAGE" and "GPU_I_ID" in labels:
            boards.setdefault((labels["UUID"], at), set()).add(value)
    assert len({uuid for uuid, _ in boards}) == 12
    assert all(len(values) == 1 for values in boards.values())


def test_xid_series_carry_code_and_text(east: list[Sample]) -> None:
    codes = {
        (value, labels["err_code"], labels["err_msg"]) for name, labels, value, _ in east if name.endswith("XID_ERRORS")
    }
    assert (79.0, "79", "GPU has fallen off the bus") in codes
    assert (0.0, "0", "No Error") in codes


def test_energy_is_the_sum_of_power(east: list[Sample]) -> None:
    power: dict[str, dict[int, float]] = {}
    energy: dict[str, dict[int, float]] = {}
    for name, labels, value, at in east:
        if labels["job"] == "dcgm-exporter" and labels["modelName"] == "Tesla T4":
            if name == "DCGM_FI_DEV_POWER_USAGE":
                power.setdefault(labels["UUID"], {})[at] = value
            elif name == "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION":
                energy.setdefault(labels["UUID"], {})[at] = value
    assert len(energy) == 8  # seven that are watched, and one the autoscaler added at 15:11
    for uuid, series in energy.items():
        times = sorted(series)
        for before, after in pairwise(times):
            # millijoules of one minute at the watts read at its end
            assert series[after] - series[before] == pytest.approx(power[uuid][after] * 60_000, abs=1.0)


def test_the_text_says_what_the_metrics_view_answers(east: list[Sample]) -> None:
    at = int(END.timestamp())
    engine = {
        (labels["UUID"], labels.get("GPU_I_ID", "")): value
        for name, labels, value, moment in east
        if name == "DCGM_FI_PROF_GR_ENGINE_ACTIVE" and moment == at
    }
    util = {
        (labels["UUID"], ""): value * 0.01
        for name, labels, value, moment in east
        if name == "DCGM_FI_DEV_GPU_UTIL" and moment == at and labels["modelName"] == "Tesla T4"
    }
    frame = DemoMetrics(World().sites["demo-east"], lambda: END).instant(Query("util", UNIT_KEY), END).frame
    assert {(row.gpu, row.instance): row.value for row in frame.itertuples()} == pytest.approx(engine | util)
