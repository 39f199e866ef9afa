"""Two independent ways to the same number: PromQL on what the exporters wrote, arithmetic on the demo's own truth.

A query that counts a shared GPU twice, loses a MIG slice or mistakes an owner differs here.
"""

from collections.abc import Iterator

import pandas as pd
import pytest

from services.domain.signals import SIGNALS, UNIT_KEY, Query, Stat, Unit
from services.domain.window import Window
from tests.integration.prom_estate import CLUSTERS, END, SPAN, STEP, Estate, estate

GROUPINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("node",),
    ("model",),
    ("profile",),
    ("gpu", "instance"),
    ("gpu",),
    UNIT_KEY,
    ("namespace",),
    ("namespace", "pod"),
    ("node", "namespace"),
    ("gpu", "instance", "pod"),
)
OWNERS = tuple(by for by in GROUPINGS if {"namespace", "pod"} & set(by))
WINDOW = Window(END - SPAN, END, STEP)


@pytest.fixture(scope="module", params=CLUSTERS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with estate(tmp_path_factory.mktemp("estate"), request.param) as sources:
        yield sources


@pytest.fixture(scope="module", params=CLUSTERS)
def honoring(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with estate(tmp_path_factory.mktemp("estate"), request.param, honor_labels=True) as sources:
        yield sources


NEVER = {("demo-west", "sm_active")}
"""What a cluster does not collect: both sides must have nothing."""


def assert_equal(demo: pd.DataFrame, real: pd.DataFrame, what: object) -> None:
    keys = [name for name in demo.columns if name not in {"value", "weight"}]
    assert list(real.columns) == list(demo.columns), what
    assert real.dtypes.astype(str).to_dict() == demo.dtypes.astype(str).to_dict(), what
    if keys:
        demo, real = (frame.sort_values(keys, ignore_index=True) for frame in (demo, real))
    pd.testing.assert_frame_equal(real, demo, check_exact=False, rtol=1e-6, atol=1e-9, obj=str(what))


def spans(signal: str, by: tuple[str, ...]) -> list[Query]:
    stats = [Stat.MEAN, Stat.MAX, *([Stat.IDLE] if SIGNALS[signal].unit is Unit.RATIO else [])]
    return [Query(signal, by, SPAN, stat, STEP) for stat in stats]


@pytest.mark.parametrize("signal", SIGNALS)
def test_each_grouping_of_each_signal_is_the_same_at_an_instant(both, signal):
    for by in GROUPINGS:
        query = Query(signal, by)
        assert_equal(both.demo.instant(query, END).frame, both.real.instant(query, END).frame, query)


@pytest.mark.parametrize("signal", SIGNALS)
def test_each_statistic_over_two_hours_is_the_same(both, signal):
    for by in GROUPINGS:
        for query in spans(signal, by):
            assert_equal(both.demo.instant(query, END).frame, both.real.instant(query, END).frame, query)


@pytest.mark.parametrize("signal", SIGNALS)
def test_each_range_is_the_same(both, signal):
    for by in GROUPINGS:
        query = Query(signal, by)
        assert_equal(both.demo.range(query, WINDOW).frame, both.real.range(query, WINDOW).frame, query)


@pytest.mark.parametrize("signal", ["util", "power", "memory_used", "temperature"])
def test_owners_are_the_same_where_labels_are_honoured(honoring, signal):
    for by in OWNERS:
        for query in (Query(signal, by), *spans(signal, by)):
            assert_equal(honoring.demo.instant(query, END).frame, honoring.real.instant(query, END).frame, query)


@pytest.mark.parametrize("signal", ["util", "power", "memory_used"])
def test_choices_are_the_same(both, signal):
    held = both.demo.instant(Query("util", ("node", "gpu", "namespace", "pod")), END).frame
    first = held.iloc[0]
    choices = (
        {"node": sorted(set(held["node"]))[:2]},
        {"gpu": [first["gpu"]]},
        {"namespace": [first["namespace"]]},
        {"namespace": sorted(set(held["namespace"]))[:2], "node": [first["node"]]},
        {"pod": [first["pod"], "nobody"]},
        {"profile": ["1g.10gb", ""]},
        {"node": ["nowhere"]},
    )
    for only in choices:
        for by in (("node",), ("namespace", "pod"), UNIT_KEY):
            query = Query(signal, by)
            demo, real = (source.instant(query, END, only).frame for source in (both.demo, both.real))
            assert_equal(demo, real, (query, only))
            span = Query(signal, by, SPAN, Stat.MEAN, STEP)
            demo, real = (source.instant(span, END, only).frame for source in (both.demo, both.real))
            assert_equal(demo, real, (span, only))


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_comparison_is_of_something(cluster, tmp_path):
    with estate(tmp_path, cluster) as sources:
        for signal in SIGNALS:
            for by in GROUPINGS:
                frame = sources.real.instant(Query(signal, by), END).frame
                assert frame.empty == ((cluster, signal) in NEVER), (signal, by)
        shared = sources.real.instant(Query("util", ("gpu", "instance", "pod")), END).frame
        # MIG instances in one cluster, time slices in the other
        assert (shared["weight"] < 1).any() or shared.duplicated(["gpu", "instance"]).any()


def test_coverage_is_the_same(both):
    demo, real = both.demo.coverage(), both.real.coverage()
    keys = ["signal", "metric"]
    pd.testing.assert_frame_equal(
        real.carriers.sort_values(keys, ignore_index=True), demo.carriers.sort_values(keys, ignore_index=True)
    )
    assert real.labels == demo.labels
    assert (real.owner_labels, real.duplicates) == (demo.owner_labels, demo.duplicates)
    assert both.real.probe().newest_at == both.demo.probe().newest_at == END
