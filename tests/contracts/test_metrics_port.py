"""What every ``Metrics`` promises, whoever implements it: the demo, and the adapter on a real Prometheus.

``tests/integration/test_oracle.py`` compares the numbers of the two; here is what holds for any of them.
"""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from services.domain.counters import COUNTERS
from services.domain.signals import DIMENSIONS, SIGNALS, UNIT_KEY, Combine, Query, Stat, Unit
from services.domain.window import Window
from services.errors import Rejected
from services.ports import COVERAGE_COLUMNS, Metrics
from tests.integration.prom_estate import END, SPAN, STEP, estate

OVER = (SPAN, Stat.MEAN, STEP)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Metrics]]:
    with estate(tmp_path_factory.mktemp("estate"), "demo-east") as sources:
        yield {"demo": sources.demo, "real": sources.real}


@pytest.fixture
def demo() -> Metrics:
    """The demo half needs no program and always runs."""
    from services.demo.metrics import DemoMetrics
    from services.demo.world import World

    world = World()
    return DemoMetrics(world.sites["demo-east"], lambda: END, world)


@pytest.fixture(params=["demo", "real"])
def metrics(request: pytest.FixtureRequest) -> Metrics:
    if request.param == "demo":
        return request.getfixturevalue("demo")
    return request.getfixturevalue("both")["real"]


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return frame.dtypes.astype(str).to_dict()


@pytest.mark.parametrize("by", [(), *((name,) for name in DIMENSIONS), ("pod", "namespace"), UNIT_KEY])
def test_an_answer_has_the_columns_asked_for_in_that_order(metrics, by):
    expected = {**dict.fromkeys(by, "str"), "value": "float64", "weight": "float64"}
    for only in (None, {"node": ["nowhere"]}):
        instant = metrics.instant(Query("util", by), END, only).frame
        assert list(instant.columns) == list(expected)
        assert dtypes(instant) == expected
        assert instant.empty == (only is not None)
        ranged = metrics.range(Query("util", by), Window(END - 2 * STEP, END, STEP), only).frame
        assert dtypes(ranged) == {**expected, "at": "datetime64[us, UTC]"}
        assert list(ranged.columns) == [*by, "at", "value", "weight"]


@pytest.mark.parametrize("signal", SIGNALS)
def test_each_group_is_one_row_with_a_number_and_a_weight(metrics, signal):
    for query in (Query(signal, ("node", "namespace")), Query(signal, ("node",), *OVER)):
        frame = metrics.instant(query, END).frame
        assert not frame.duplicated(list(query.by)).any()
        assert np.isfinite(frame[["value", "weight"]]).all(axis=None)
        assert (frame["weight"] > 0).all()
        if SIGNALS[signal].unit is Unit.RATIO:
            assert frame["value"].between(0, 1).all()


@pytest.mark.parametrize("signal", SIGNALS)
def test_weights_of_parts_add_up_to_the_whole(metrics, signal):
    for over in ((), OVER):
        whole = metrics.instant(Query(signal, (), *over), END).frame
        for by in (("node",), ("model",), ("gpu", "instance"), ("profile",)):
            parts = metrics.instant(Query(signal, by, *over), END).frame
            assert parts["weight"].sum() == pytest.approx(whole["weight"].sum())
            value, weight = parts["value"], parts["weight"]
            if SIGNALS[signal].combine is Combine.SHARE:
                assert (value * weight).sum() / weight.sum() == pytest.approx(whole["value"].iloc[0])
            elif SIGNALS[signal].combine is Combine.SUM and not over:
                assert value.sum() == pytest.approx(whole["value"].iloc[0])


def test_pods_weigh_as_much_as_their_namespaces_and_no_unit_more_than_there_is(metrics):
    for query in ("util", "power"):
        whole = metrics.instant(Query(query, ()), END).frame
        namespaces = metrics.instant(Query(query, ("namespace",)), END).frame
        pods = metrics.instant(Query(query, ("namespace", "pod")), END).frame
        units = metrics.instant(Query(query, ("gpu", "instance", "pod")), END).frame
        held = units.drop_duplicates(["gpu", "instance"])["weight"].sum()
        assert 0 < held <= whole["weight"].iloc[0] + 1e-9
        together = pods.groupby("namespace")["weight"].sum()
        pd.testing.assert_series_equal(together, namespaces.set_index("namespace")["weight"].sort_index())
        assert not (namespaces["namespace"] == "").any()


def test_no_gpu_weighs_more_than_one(metrics):
    for signal in ("util", "power"):
        weights = metrics.instant(Query(signal, ("gpu",)), END).frame["weight"]
        assert weights.max() <= 1 + 1e-9


def test_a_span_is_the_range_it_covers(metrics):
    window = Window(END - SPAN, END, STEP)
    points = metrics.range(Query("util", ("node",)), window).frame
    summed = (points["value"] * points["weight"]).groupby(points["node"]).sum()
    weights = points.groupby("node")["weight"].sum()
    span = metrics.instant(Query("util", ("node",), *OVER), END).frame.set_index("node").sort_index()
    assert (summed / weights).to_numpy() == pytest.approx(span["value"].to_numpy())
    assert (weights / window.points).to_numpy() == pytest.approx(span["weight"].to_numpy())


def test_a_range_has_its_points_after_the_start_up_to_the_end(metrics):
    frame = metrics.range(Query("power", ()), Window(END - 3 * STEP, END, STEP)).frame
    assert frame["at"].tolist() == [END - 2 * STEP, END - STEP, END]


def test_a_range_of_spans_is_refused(metrics):
    with pytest.raises(Rejected):
        metrics.range(Query("util", (), *OVER), Window(END - SPAN, END, STEP))


def test_a_choice_is_an_exact_match(metrics):
    nodes = sorted(metrics.instant(Query("util", ("node",)), END).frame["node"])
    assert metrics.instant(Query("util", ("node",)), END, {"node": [nodes[0]]}).frame["node"].tolist() == nodes[:1]
    for pattern in (".*", nodes[0][:-1] + ".", nodes[0].replace(".", "x"), nodes[0].upper(), '"} or up{a="'):
        assert metrics.instant(Query("util", ("node",)), END, {"node": [pattern, "nobody"]}).frame.empty
    assert metrics.instant(Query("util", ("node",)), END, {"node": []}).frame.empty


@pytest.mark.parametrize("counter", COUNTERS)
def test_growth_has_its_columns_and_lies_at_the_ends_of_whole_steps(metrics, counter):
    frame = metrics.grown(counter, END - SPAN, END, STEP).frame
    assert dtypes(frame) == COUNTERS[counter].columns
    assert set(frame["at"]) <= {END - SPAN + STEP * (place + 1) for place in range(SPAN // STEP)}
    assert not frame.duplicated(["at", *COUNTERS[counter].dimensions]).any()
    assert (frame["value"] >= 0).all()


@pytest.mark.parametrize("counter", [name for name, one in COUNTERS.items() if not one.gauge])
def test_growth_in_parts_adds_up_to_the_whole(metrics, counter):
    names, middle = list(COUNTERS[counter].dimensions), END - SPAN / 2
    whole = metrics.grown(counter, END - SPAN, END, SPAN).frame.set_index(names)["value"]
    parts = [metrics.grown(counter, *span, STEP).frame for span in ((END - SPAN, middle), (middle, END))]
    summed = pd.concat(parts).groupby(names)["value"].sum()
    assert summed.to_dict() == pytest.approx(whole.to_dict())


@pytest.mark.parametrize("counter", [name for name, one in COUNTERS.items() if one.level in ("mean", "peak")])
def test_a_level_over_the_whole_lies_within_its_parts_and_a_peak_is_the_highest(metrics, counter):
    names = list(COUNTERS[counter].dimensions)
    whole = metrics.grown(counter, END - SPAN, END, SPAN).frame.set_index(names)["value"]
    parts = metrics.grown(counter, END - SPAN, END, STEP).frame.groupby(names)["value"]
    assert set(whole.index) == set(parts.max().index)
    if COUNTERS[counter].level == "peak":
        assert parts.max().to_dict() == pytest.approx(whole.to_dict())
    assert (whole.sort_index() <= parts.max().sort_index() + 1e-9).all()
    assert (whole.sort_index() >= parts.min().sort_index() - 1e-9).all()


def test_nothing_grows_in_no_time_and_parts_of_minutes_are_refused(metrics):
    assert dtypes(metrics.grown("gateway_spend", END, END, STEP).frame) == COUNTERS["gateway_spend"].columns
    second = timedelta(seconds=1)
    for begin, end, step in ((END - second, END, second), (END - SPAN, END, SPAN - STEP), (END, END - SPAN, STEP)):
        with pytest.raises(ValueError, match="whole"):
            metrics.grown("gateway_spend", begin, end, step)


def test_coverage_keeps_to_its_columns_and_knows_the_signals(metrics):
    coverage = metrics.coverage()
    assert dtypes(coverage.carriers) == COVERAGE_COLUMNS
    assert set(coverage.carriers["signal"]) <= SIGNALS.keys()
    assert coverage.has("util")
    assert coverage.owner_labels in {"exported", "plain"}
    assert (coverage.carriers["gpus"] <= coverage.carriers["series"]).all()
    assert (coverage.carriers["newest_at"] <= END).all()


def test_a_probe_tells_how_the_source_is(metrics):
    status = metrics.probe()
    assert status.source == "prometheus"
    assert status.reachable
    assert status.version
    assert status.newest_at == END
    assert END - status.newest_at < timedelta(minutes=5)
