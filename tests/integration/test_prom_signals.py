"""Every signal over every kind of fleet, asked of a real Prometheus and compared with numbers worked by hand."""

from collections.abc import Iterator
from datetime import timedelta

import pandas as pd
import pytest

from services.adapters.prometheus import PrometheusMetrics
from services.domain.signals import UNIT_KEY, Query, Stat
from services.domain.window import Window
from services.settings import MetricsAccess
from tests.integration.prom_scenarios import END, HALF, START, STEP, everything
from tests.integration.prom_server import backfill, openmetrics, prometheus

MIB = 1048576
A1, A2, A3 = (f"GPU-0{x}0{x}0000-0000-4000-8000-00000000000{n}" for x, n in (("a", 1), ("a", 2), ("b", 3)))
M1 = "GPU-0c0c0000-0000-4000-8000-000000000004"
H100, A100 = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"
HOURS = timedelta(hours=2)
FIVE = timedelta(minutes=5)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "fleets.om").write_text(openmetrics(everything(), START, END, STEP))
    backfill(folder / "fleets.om", folder)
    with prometheus(folder) as address:
        yield address


def metrics(url: str, fleet: str) -> PrometheusMetrics:
    return PrometheusMetrics("prometheus", MetricsAccess(url, matchers={"cluster": fleet}), clock=lambda: END)


def rows(frame: pd.DataFrame) -> dict[tuple[str, ...], tuple[float, float]]:
    """{labels: (value, weight)}."""
    names = [name for name in frame.columns if name not in {"value", "weight"}]
    keys = list(zip(*(frame[name] for name in names), strict=True)) if names else [()] * len(frame)
    return dict(zip(keys, zip(frame["value"], frame["weight"], strict=True), strict=True))


def approx(expected: dict[tuple[str, ...], tuple[float, float]]) -> dict[tuple[str, ...], object]:
    return {key: pytest.approx(pair, rel=1e-9, abs=1e-12) for key, pair in expected.items()}


# Each case: fleet, signal, grouping, and for each group its value and weight.
INSTANTS: list[tuple[str, str, tuple[str, ...], dict[tuple[str, ...], tuple[float, float]]]] = [
    # three whole GPUs: 0.87, 0 and 0, the third held by nobody
    ("exclusive", "util", (), {(): (0.29, 3)}),
    ("exclusive", "util", ("node",), {("gpu-a1",): (0.29, 3)}),
    ("exclusive", "util", ("model",), {(H100,): (0.29, 3)}),
    ("exclusive", "util", ("namespace",), {("team-a",): (0.87, 1), ("team-b",): (0, 1)}),
    ("exclusive", "util", ("namespace", "pod"), {("team-a", "train-0"): (0.87, 1), ("team-b", "notebook-0"): (0, 1)}),
    ("exclusive", "util", ("node", "pod"), {("gpu-a1", "train-0"): (0.87, 1), ("gpu-a1", "notebook-0"): (0, 1)}),
    (
        "exclusive",
        "util",
        UNIT_KEY,
        {
            ("gpu-a1", A1, "", "", H100): (0.87, 1),
            ("gpu-a1", A2, "", "", H100): (0, 1),
            ("gpu-a1", A3, "", "", H100): (0, 1),
        },
    ),
    ("exclusive", "tensor_active", ("node",), {("gpu-a1",): (0.62 / 3, 3)}),
    ("exclusive", "memory_bandwidth", ("node",), {("gpu-a1",): (0.18, 3)}),
    ("exclusive", "memory_used", ("node",), {("gpu-a1",): (132254 * MIB, 3)}),  # 71234 + 61020 + 0
    ("exclusive", "memory_free", ("node",), {("gpu-a1",): (109411 * MIB, 3)}),  # 9321 + 19535 + 80555
    ("exclusive", "memory_used", ("namespace",), {("team-a",): (71234 * MIB, 1), ("team-b",): (61020 * MIB, 1)}),
    ("exclusive", "power", (), {(): (752.5, 3)}),  # 612.4 + 71.9 + 68.2
    ("exclusive", "power", ("gpu",), {(A1,): (612.4, 1), (A2,): (71.9, 1), (A3,): (68.2, 1)}),
    ("exclusive", "temperature", ("node",), {("gpu-a1",): (64, 3)}),
    ("exclusive", "xid", ("gpu",), {(A1,): (0, 1), (A2,): (0, 1), (A3,): (79, 1)}),
    ("exclusive", "xid", (), {(): (79, 3)}),
    ("exclusive", "row_remap_failed", ("node",), {("gpu-a1",): (0, 3)}),
    ("exclusive", "sm_active", ("node",), {}),
    # one GPU as 3g, 2g and 1g: 0.71, 0.12 and 0; together 6 of 7 slices
    ("mig", "util", ("node",), {("gpu-m1",): ((3 * 0.71 + 2 * 0.12 + 0) / 6, 6 / 7)}),
    ("mig", "util", ("gpu",), {(M1,): (0.395, 6 / 7)}),
    ("mig", "util", ("profile",), {("3g.40gb",): (0.71, 3 / 7), ("2g.20gb",): (0.12, 2 / 7), ("1g.10gb",): (0, 1 / 7)}),
    ("mig", "util", ("namespace",), {("team-a",): (0.71, 3 / 7), ("team-b",): (0.12, 2 / 7)}),
    (
        "mig",
        "util",
        UNIT_KEY,
        {
            ("gpu-m1", M1, "2", "3g.40gb", A100): (0.71, 3 / 7),
            ("gpu-m1", M1, "3", "2g.20gb", A100): (0.12, 2 / 7),
            ("gpu-m1", M1, "9", "1g.10gb", A100): (0, 1 / 7),
        },
    ),
    ("mig", "tensor_active", (), {(): ((3 * 0.44 + 2 * 0.02) / 6, 6 / 7)}),
    ("mig", "memory_bandwidth", (), {(): ((3 * 0.52 + 2 * 0.05) / 6, 6 / 7)}),
    ("mig", "memory_used", ("node",), {("gpu-m1",): (38246 * MIB, 6 / 7)}),  # 30111 + 8123 + 12
    ("mig", "memory_free", ("gpu", "instance"), {
        (M1, "2"): (9900 * MIB, 3 / 7), (M1, "3"): (11400 * MIB, 2 / 7), (M1, "9"): (9716 * MIB, 1 / 7)}),
    ("mig", "power", ("node",), {("gpu-m1",): (231.5, 1)}),
    ("mig", "power", UNIT_KEY, {("gpu-m1", M1, "", "", A100): (231.5, 1)}),
    ("mig", "power", ("namespace",), {("team-a",): (115.75, 1), ("team-b",): (115.75, 1)}),
    ("mig", "temperature", ("profile",), {("",): (52, 1)}),
    ("mig", "xid", ("node",), {("gpu-m1",): (0, 1)}),
    # honorLabels on: the exporter's pod stands on GPUs nobody holds
    ("honored", "util", ("pod",), {("train-0",): (0.87, 1), ("notebook-0",): (0, 1)}),
    ("honored", "util", ("node",), {("gpu-a1",): (0.29, 3)}),
    ("honored", "power", ("namespace",), {("team-a",): (612.4, 1), ("team-b",): (71.9, 1)}),
    ("honored-mig", "util", ("namespace",), {("team-a",): (0.71, 3 / 7), ("team-b",): (0.12, 2 / 7)}),
    ("mixed-owners", "util", ("namespace",), {
        ("team-a",): ((0.87 + 3 / 7 * 0.71) / (10 / 7), 10 / 7), ("team-b",): (2 / 7 * 0.12 / (9 / 7), 9 / 7)}),
    # two pods on one GPU: the card's utilisation for each, half its power and memory, half a GPU
    ("sliced-old", "util", ("node",), {("gpu-t1",): (0.4, 1)}),
    ("sliced-old", "util", ("pod",), {("api-0",): (0.4, 1), ("api-1",): (0.4, 1)}),
    ("sliced-old", "power", ("node",), {("gpu-t1",): (58, 1)}),
    ("sliced-old", "memory_used", ("node",), {("gpu-t1",): (9200 * MIB, 1)}),
    ("sliced-old", "memory_used", ("namespace",), {("team-a",): (4600 * MIB, 1), ("team-b",): (4600 * MIB, 1)}),
    ("sliced", "util", ("pod",), {("api-0",): (0.4, 1), ("api-1",): (0.4, 1)}),
    ("sliced", "memory_used", ("node",), {("gpu-t1",): (9200 * MIB, 1)}),
    ("sliced", "memory_used", ("pod",), {("api-0",): (4600 * MIB, 1), ("api-1",): (4600 * MIB, 1)}),
    ("sliced", "memory_free", ("node",), {("gpu-t1",): (13383 * MIB, 1)}),
    ("sliced", "power", ("pod",), {("api-0",): (29, 1), ("api-1",): (29, 1)}),
    ("sliced-unprofiled", "util", ("node",), {("gpu-t1",): (0.48, 1)}),
    ("sliced-unprofiled", "util", ("pod",), {("api-0",): (0.48, 1), ("api-1",): (0.48, 1)}),
    ("sliced-loud", "util", ("node",), {("gpu-t1",): (0.48, 1)}),  # a process reads 99 %, the device 48 %
    # 4.9.0 names and units: the first two GPUs of "exclusive"
    ("renamed", "util", ("node",), {("gpu-a1",): (0.435, 2)}),
    ("renamed", "memory_used", ("node",), {("gpu-a1",): (132254 * MIB, 2)}),
    ("renamed", "memory_free", ("node",), {("gpu-a1",): (28856 * MIB, 2)}),
    ("renamed", "power", ("node",), {("gpu-a1",): (684.3, 2)}),
    ("renamed", "temperature", ("node",), {("gpu-a1",): (64, 2)}),
    ("renamed", "tensor_active", ("node",), {("gpu-a1",): (0.31, 2)}),
    ("renamed", "memory_bandwidth", ("node",), {("gpu-a1",): (0.27, 2)}),
    ("renamed", "xid", ("node",), {("gpu-a1",): (0, 2)}),
    ("renamed", "row_remap_failed", ("node",), {("gpu-a1",): (0, 2)}),
    # a fleet in the middle of the upgrade, and GPUs that report under both names
    ("upgrading", "util", ("node",), {("gpu-a1",): (0.29, 3), ("gpu-a2",): (0.435, 2)}),
    ("upgrading", "memory_used", (), {(): (2 * 132254 * MIB, 5)}),
    ("upgrading", "power", (), {(): (752.5 + 684.3, 5)}),
    ("both-names", "util", ("node",), {("gpu-a1",): (0.29, 3)}),
    ("both-names", "memory_used", ("node",), {("gpu-a1",): (132254 * MIB, 3)}),
    ("both-names", "power", ("pod",), {("train-0",): (612.4, 1), ("notebook-0",): (71.9, 1)}),
    # two exporters on one node
    ("twice", "util", ("node",), {("gpu-a1",): (0.29, 3)}),
    ("twice", "power", (), {(): (752.5, 3)}),
    ("twice", "util", ("pod",), {("train-0",): (0.87, 1), ("notebook-0",): (0, 1)}),
    # lines from real fleets
    ("captured", "util", ("node",), {("gsrh100-074",): (0, 3 / 7)}),
    ("captured", "memory_used", ("profile",), {("1g.11gb",): (12 * MIB, 1 / 7)}),
    ("captured", "power", ("node",), {("",): (302.206, 1)}),
    ("captured", "power", ("pod",), {}),
    # what is no number does not report; where another carrier has one, that one counts
    ("not-numbers", "util", ("gpu",), {("G1",): (0.4, 1), ("G4",): (0.6, 1)}),
    ("not-numbers", "util", ("node",), {("n1",): (0.5, 2)}),
    ("not-numbers", "util", ("pod",), {("x",): (0.4, 1), ("w",): (0.6, 1)}),
    # a ratio that some node exports in percent: n1 read 97 this day, so its 1 is 1 %; on n2 1 is 100 %
    ("percent", "util", ("node",), {("n1",): (0.01, 1), ("n2",): (0.75, 2)}),
    ("percent", "util", ("gpu", "instance"), {("G1", ""): (0.01, 1), ("G2", ""): (1, 1), ("G3", ""): (0.5, 1)}),
    # G1 held by x, y (team-a) and z (team-b); G2 by x alone
    ("shared-namespace", "power", ("namespace",), {("team-a",): (200 / 3 + 30, 3), ("team-b",): (100 / 3, 1)}),
    ("shared-namespace", "util", ("namespace",), {
        ("team-a",): ((0.9 * 2 + 0.1) / 3, 3), ("team-b",): (0.9, 1)}),
    ("shared-namespace", "power", ("pod",), {
        ("x",): (100 / 3 + 30, 2), ("y",): (100 / 3, 1), ("z",): (100 / 3, 1)}),
    # A30 has four slices; profiles nobody can read are left out
    ("odd-names", "util", ("node",), {
        ("a.b",): (0.25, 1), ("axb",): (0.75, 1), ("c|d",): (0.5, 1), ("plain",): (0.125, 1), ("n3",): (0.5, 0.5)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fleet", "signal", "by", "expected"), INSTANTS, ids=[f"{c[0]}-{c[1]}-{'+'.join(c[2]) or 'all'}" for c in INSTANTS]
)
def test_an_instant_equals_the_hand_worked_value(url, fleet, signal, by, expected):
    samples = metrics(url, fleet).instant(Query(signal, by), END)
    assert rows(samples.frame) == approx(expected)
    assert list(samples.frame.columns) == [*by, "value", "weight"]
    assert [str(samples.frame[name].dtype) for name in by] == ["str"] * len(by)
    assert str(samples.frame["value"].dtype) == str(samples.frame["weight"].dtype) == "float64"


# "windows", (10:00, 12:00] in 24 instants: G1 reads 0.2 for 12 instants, then 0.8; G2 exists for the last 12 at 0.005
SPANS: list[tuple[str, str, tuple[str, ...], Stat, dict[tuple[str, ...], tuple[float, float]]]] = [
    ("windows", "util", ("node",), Stat.MEAN, {("n1",): ((12 * 0.2 + 12 * 0.8 + 12 * 0.005) / 36, 1.5)}),
    ("windows", "util", ("gpu", "instance"), Stat.MEAN, {("G1", ""): (0.5, 1), ("G2", ""): (0.005, 0.5)}),
    ("windows", "util", ("pod",), Stat.MEAN, {("x",): (0.5, 1), ("y",): (0.005, 0.5)}),
    ("windows", "util", ("node",), Stat.MAX, {("n1",): (0.8, 1.5)}),
    ("windows", "util", ("pod",), Stat.MAX, {("x",): (0.8, 1), ("y",): (0.005, 0.5)}),
    ("windows", "util", ("node",), Stat.IDLE, {("n1",): (12 / 36, 1.5)}),
    ("windows", "util", ("namespace",), Stat.IDLE, {("team-a",): (0, 1), ("team-b",): (1, 0.5)}),
    ("windows", "power", (), Stat.MEAN, {(): ((12 * 100 + 12 * 150) / 24, 1.5)}),
    ("windows", "power", ("namespace",), Stat.MEAN, {("team-a",): (100, 1), ("team-b",): (50, 0.5)}),
    ("windows", "power", (), Stat.MAX, {(): (100, 1.5)}),
    ("windows", "temperature", (), Stat.MEAN, {(): ((12 * 40 + 12 * 60 + 12 * 80) / 36, 1.5)}),
    ("windows", "temperature", ("pod",), Stat.MEAN, {("x",): (50, 1), ("y",): (80, 0.5)}),
    ("shared-namespace", "power", ("namespace",), Stat.MAX, {("team-a",): (100, 3), ("team-b",): (100, 1)}),
    ("windows", "temperature", (), Stat.MAX, {(): (80, 1.5)}),
    ("handover", "util", ("pod",), Stat.MEAN, {("first",): (0.5, 0.5), ("second",): (0.9, 0.5)}),
    ("handover", "util", ("node",), Stat.MEAN, {("n1",): (0.7, 1)}),
    ("mig", "util", ("node",), Stat.MEAN, {("gpu-m1",): (0.395, 6 / 7)}),
    ("mig", "util", (), Stat.IDLE, {(): (1 / 6, 6 / 7)}),  # only the 1g instance
    ("mig", "power", ("pod",), Stat.MEAN, {("infer-0",): (115.75, 1), ("infer-1",): (115.75, 1)}),
    ("sliced", "util", ("pod",), Stat.MEAN, {("api-0",): (0.4, 1), ("api-1",): (0.4, 1)}),
    ("percent", "util", ("node",), Stat.MEAN, {("n1",): ((12 * 0.97 + 12 * 0.01) / 24, 1), ("n2",): (0.75, 2)}),
]


@pytest.mark.parametrize(
    ("fleet", "signal", "by", "stat", "expected"), SPANS, ids=[f"{c[0]}-{c[1]}-{c[3]}-{'+'.join(c[2])}" for c in SPANS]
)
def test_a_span_equals_the_hand_worked_value(url, fleet, signal, by, stat, expected):
    answer = metrics(url, fleet).instant(Query(signal, by, HOURS, stat, FIVE), END)
    assert rows(answer.frame) == approx(expected)


def test_a_span_covers_its_end_but_not_its_start(url):
    # 11:00 still belongs to the first half: of (10:55, 11:05] in steps of five minutes one instant is in each half.
    query = Query("util", ("pod",), timedelta(minutes=10), Stat.MEAN, FIVE)
    answer = metrics(url, "handover").instant(query, HALF + FIVE)
    assert rows(answer.frame) == approx({("first",): (0.5, 0.5), ("second",): (0.9, 0.5)})


def test_the_end_of_a_span_is_taken_back_to_a_whole_step(url):
    query = Query("util", ("pod",), timedelta(minutes=10), Stat.MEAN, FIVE)
    asked = metrics(url, "handover")
    late = asked.instant(query, HALF + timedelta(minutes=9, seconds=59))
    pd.testing.assert_frame_equal(late.frame, asked.instant(query, HALF + FIVE).frame)


def test_a_range_answers_each_point_after_the_start(url):
    window = Window(HALF - 2 * FIVE, HALF + 2 * FIVE, FIVE)
    frame = metrics(url, "handover").range(Query("util", ("pod",)), window).frame
    assert str(frame["at"].dtype) == "datetime64[us, UTC]"
    assert list(frame.columns) == ["pod", "at", "value", "weight"]
    assert list(zip(frame["pod"], frame["at"], frame["value"], frame["weight"], strict=True)) == [
        ("first", HALF - FIVE, 0.5, 1.0),
        ("first", HALF, 0.5, 1.0),
        ("second", HALF + FIVE, 0.9, 1.0),
        ("second", HALF + 2 * FIVE, 0.9, 1.0),
    ]


def test_a_range_of_mixed_instances_is_weighted_at_each_point(url):
    window = Window(HALF, HALF + 3 * FIVE, FIVE)
    frame = metrics(url, "mig").range(Query("util", ("node",)), window).frame
    assert frame["value"].tolist() == pytest.approx([0.395] * 3)
    assert frame["weight"].tolist() == pytest.approx([6 / 7] * 3)


def test_a_range_by_unit_keeps_units_apart(url):
    window = Window(HALF - FIVE, HALF + FIVE, FIVE)
    frame = metrics(url, "windows").range(Query("power", ("gpu",)), window).frame
    assert list(zip(frame["gpu"], frame["at"], frame["value"], strict=True)) == [
        ("G1", HALF, 100.0),
        ("G1", HALF + FIVE, 100.0),
        ("G2", HALF + FIVE, 50.0),
    ]


CHOICES: list[tuple[str, str, tuple[str, ...], dict[str, list[str]], dict[tuple[str, ...], tuple[float, float]]]] = [
    ("upgrading", "util", ("node",), {"node": ["gpu-a2"]}, {("gpu-a2",): (0.435, 2)}),
    ("upgrading", "power", (), {"node": ["gpu-a1", "gpu-a2"]}, {(): (752.5 + 684.3, 5)}),
    ("exclusive", "util", ("node",), {"gpu": [A1, A2]}, {("gpu-a1",): (0.435, 2)}),
    ("mig", "util", ("node",), {"profile": ["3g.40gb", "1g.10gb"]}, {("gpu-m1",): (3 * 0.71 / 4, 4 / 7)}),
    ("mig", "util", ("node",), {"instance": ["2"]}, {("gpu-m1",): (0.71, 3 / 7)}),
    ("mig", "power", ("node",), {"instance": ["2"]}, {}),  # power is the card's, and the card is no instance
    ("mig", "power", ("node",), {"instance": [""]}, {("gpu-m1",): (231.5, 1)}),
    ("mixed-owners", "util", ("model",), {"instance": [""]}, {(H100,): (0.29, 3)}),
    ("mixed-owners", "util", ("model",), {"instance": ["", "2"]}, {(H100,): (0.29, 3), (A100,): (0.71, 3 / 7)}),
    ("exclusive", "util", ("pod",), {"namespace": ["team-a"]}, {("train-0",): (0.87, 1)}),
    ("exclusive", "util", ("node",), {"namespace": ["team-a"]}, {("gpu-a1",): (0.87, 1)}),
    ("exclusive", "util", ("node",), {"namespace": ["team-a"], "pod": ["notebook-0"]}, {}),
    ("honored", "util", ("node",), {"pod": ["train-0", "notebook-0"]}, {("gpu-a1",): (0.435, 2)}),
    # of three pods on G1, team-b's counts a third although the others are not asked for
    ("shared-namespace", "power", ("pod",), {"namespace": ["team-b"]}, {("z",): (100 / 3, 1)}),
    ("exclusive", "util", ("node",), {"node": []}, {}),
    ("exclusive", "util", ("node",), {"pod": [""]}, {}),
    ("odd-names", "util", ("node",), {"node": ["a.b"]}, {("a.b",): (0.25, 1)}),
    ("odd-names", "util", ("node",), {"node": ["a.b", "c|d"]}, {("a.b",): (0.25, 1), ("c|d",): (0.5, 1)}),
    ("odd-names", "util", ("node",), {"node": ["plain", "nobody"]}, {("plain",): (0.125, 1)}),
    ("odd-names", "util", ("gpu",), {"gpu": ['G"1']}, {('G"1',): (0.25, 1)}),
    ("odd-names", "util", ("gpu",), {"gpu": ['"} or vector(1) #']}, {}),
    ("odd-names", "util", ("gpu",), {"gpu": [".*", "G2"]}, {("G2",): (0.75, 1)}),
    ("percent", "util", ("gpu",), {"gpu": ["G1"]}, {("G1",): (0.01, 1)}),
]


@pytest.mark.parametrize(("fleet", "signal", "by", "only", "expected"), CHOICES)
def test_a_choice_keeps_exactly_the_units_named(url, fleet, signal, by, only, expected):
    assert rows(metrics(url, fleet).instant(Query(signal, by), END, only).frame) == approx(expected)


def test_units_that_cannot_be_weighed_are_mentioned(url):
    answer = metrics(url, "odd-names").instant(Query("util", ("gpu",)), END)
    assert answer.notes == ("MIG instances whose profile cannot be read are left out.",)


def test_a_fleet_nobody_scrapes_gives_empty_frames_with_their_columns(url):
    nothing = metrics(url, "no-such-cluster")
    frame = nothing.instant(Query("util", ("node", "pod")), END).frame
    assert frame.empty
    assert frame.dtypes.astype(str).to_dict() == {"node": "str", "pod": "str", "value": "float64", "weight": "float64"}
    ranged = nothing.range(Query("util", ()), Window(START, END, FIVE)).frame
    assert ranged.dtypes.astype(str).to_dict() == {"at": "datetime64[us, UTC]", "value": "float64", "weight": "float64"}
    coverage = nothing.coverage()
    assert coverage.carriers.empty
    assert not coverage.has("util")
    assert nothing.probe().reachable
    assert nothing.probe().newest_at is None


def test_coverage_tells_carriers_gpus_labels_and_what_else_there_is(url):
    coverage = metrics(url, "exclusive").coverage()
    assert coverage.has("util")
    assert not coverage.has("sm_active")
    util = coverage.carriers[coverage.carriers["signal"] == "util"]
    assert util["metric"].tolist() == ["DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"]
    assert util["series"].tolist() == util["gpus"].tolist() == [3, 3]
    assert util["newest_at"].tolist() == [END, END]
    assert {"UUID", "Hostname", "exported_pod", "err_code"} <= coverage.labels
    assert coverage.owner_labels == "exported"
    assert coverage.duplicates == 0
    assert coverage.also == {"kube_pod_info", "vllm:num_requests_running"}


def test_coverage_counts_copies_and_duplicates(url):
    twice = metrics(url, "twice").coverage()
    assert twice.duplicates == 3
    assert twice.carriers.loc[twice.carriers["signal"] == "power", ["series", "gpus"]].to_numpy().tolist() == [[6, 3]]
    sliced = metrics(url, "sliced").coverage()
    assert sliced.duplicates == 0
    assert sliced.carriers.loc[sliced.carriers["signal"] == "power", ["series", "gpus"]].to_numpy().tolist() == [[2, 1]]
    assert metrics(url, "honored").coverage().owner_labels == "plain"
    assert metrics(url, "percent").coverage().owner_labels == ""


def test_a_probe_tells_version_and_the_newest_datum(url):
    status = metrics(url, "mig").probe()
    assert status.reachable
    assert status.version[0].isdigit()
    assert status.newest_at == END
    assert status.latency_s is not None
    assert status.address == url
