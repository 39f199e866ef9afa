"""From answer bytes to columns, with numbers small enough to check by eye."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest

from services.adapters.prom_frames import Grid, Table, answered, columns_of, decoded, equivalents
from services.adapters.promql import Plan
from services.errors import Rejected, SourceUnavailable
from tests.integration.prom_server import DATA

GRID = Grid(100.0, 10.0, 3)


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]], gap: str = "") -> bytes:
    result = [{"metric": labels, "values": points} for labels, points in series]
    separators = ("," + gap, ":" + gap)
    return json.dumps({"resultType": "matrix", "result": result}, separators=separators).encode()


@pytest.mark.parametrize("gap", ["", " "])
def test_samples_stand_in_the_columns_of_their_instants(gap):
    content = matrix(
        ({"a": "x", "b": "1"}, [(100, "1"), (110, "2.5"), (120, "-3e+02")]),
        ({"a": "y"}, [(110.0, "7")]),
        ({"a": "z"}, []),
        gap=gap,
    )
    table = decoded("s", content, ("a", "b"), GRID, max_series=10)
    assert table.labels == {"a": ["x", "y", "z"], "b": ["1", "", ""]}
    np.testing.assert_array_equal(
        table.samples, [[1, 2.5, -300], [math.nan, 7, math.nan], [math.nan, math.nan, math.nan]]
    )


def test_what_is_not_finite_is_missing():
    content = matrix(({}, [(100, "NaN"), (110, "+Inf"), (120, "-Inf")]))
    assert np.isnan(decoded("s", content, (), GRID, max_series=1).samples).all()
    body = json.loads((DATA / "prom_api" / "nan_inf.json").read_bytes())
    table = decoded("s", json.dumps(body["data"]).encode(), ("k",), Grid(0.0), max_series=2)
    assert table.labels == {"k": ["nan", "inf"]}
    assert np.isnan(table.samples).all()


def test_a_recorded_matrix_keeps_its_numbers():
    body = json.loads((DATA / "prom_api" / "range_matrix.json").read_bytes())
    table = decoded("s", json.dumps(body["data"]).encode(), ("UUID",), Grid(1795348200.0, 60.0, 11), max_series=3)
    assert table.samples[0].tolist() == [0.85, 0.87, 0.89, 0.86, 0.88, 0.85, 0.87, 0.89, 0.86, 0.88, 0.85]
    assert table.samples[1:].sum() == 0


def test_native_histograms_are_passed_over():
    series = b'{"metric":{"a":"h"},"histogram":[1,{}]},{"metric":{"a":"v"},"value":[1,"2"]}'
    content = b'{"resultType":"vector","result":[' + series + b"]}"
    table = decoded("s", content, ("a",), Grid(1.0), max_series=5)
    assert table.labels == {"a": ["v"]}
    assert table.samples.tolist() == [[2.0]]


@pytest.mark.parametrize(
    "content",
    [
        matrix(({}, [(90, "1")])),
        matrix(({}, [(130, "1")])),
        matrix(({}, [(100, "one")])),
        b'{"resultType":"matrix","result":[{"metric":{},"values":"x"}]}',
        b'{"resultType":"matrix","result":[{"metric":{},"values":[["a","1"]]}]}',
        b'{"resultType":"vector","result":[{"metric":{"a":1},"value":[1,"1"]}]}',
        b'{"resultType":"scalar","result":[1,"3"]}',
        b"{",
    ],
)
def test_what_the_api_never_sends_is_a_failing_source(content):
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        decoded("s", content, (), GRID, max_series=10)


def test_too_many_series_are_refused():
    with pytest.raises(Rejected, match="2 series; at most 1"):
        decoded("s", matrix(({"a": "1"}, []), ({"a": "2"}, [])), ("a",), GRID, max_series=1)


def test_equivalents_are_slices_over_the_slices_of_the_model():
    labels = {
        "profile": ["", "1g.10gb", "3g.40gb", "2g.12gb", "1g.10gb+me", "huge"],
        "model": ["A", "NVIDIA H100", "NVIDIA A100", "NVIDIA A30", "NVIDIA H100", "NVIDIA H100"],
    }
    expected = [1, 1 / 7, 3 / 7, 2 / 4, 1 / 7, math.nan]
    np.testing.assert_allclose(equivalents(labels, 6), expected)
    assert equivalents({}, 2).tolist() == [1, 1]


def plan(by: tuple[str, ...], classes: tuple[str, ...], *, weighted: bool) -> Plan:
    return Plan("v", "w", classes if weighted else by, classes, weighted, {})


def test_classes_of_a_group_are_weighted_by_their_equivalents():
    # Node a: two whole GPUs whose utilisations sum to 1.0, and one 3g instance at 0.7; node b: one whole GPU at 0.2.
    labels = {"node": ["a", "a", "b"], "profile": ["", "3g.40gb", ""], "model": ["X", "X", "X"]}
    value = Table(labels, np.array([[1.0], [0.7], [0.2]]))
    backwards = {name: texts[::-1] for name, texts in labels.items()}
    weight = Table(backwards, np.array([[1.0], [1.0], [2.0]]))
    asked = plan(("node",), ("node", "profile", "model"), weighted=True)
    frame = answered(("node",), asked, value, weight, grid=Grid(0.0), instants=1, ranged=False)
    assert frame["node"].tolist() == ["a", "b"]
    assert frame["weight"].tolist() == pytest.approx([2 + 3 / 7, 1])
    assert frame["value"].tolist() == pytest.approx([(1.0 + 0.3) / (2 + 3 / 7), 0.2])


def test_a_class_only_one_of_the_two_answers_has_is_in_neither_number():
    labels = {"node": ["a", "a"], "profile": ["", ""], "model": ["X", "Y"]}
    value = Table({name: texts[:1] for name, texts in labels.items()}, np.array([[0.5]]))
    weight = Table(labels, np.array([[1.0], [1.0]]))
    asked = plan(("node",), ("node", "profile", "model"), weighted=True)
    frame = answered(("node",), asked, value, weight, grid=Grid(0.0), instants=1, ranged=False)
    assert (frame["value"].tolist(), frame["weight"].tolist()) == ([0.5], [1.0])


def test_weights_of_a_span_are_divided_by_all_its_instants():
    value, weight = Table({"pod": ["p"]}, np.array([[90.0]])), Table({"pod": ["p"]}, np.array([[6.0]]))
    asked = plan(("pod",), ("pod",), weighted=False)
    frame = answered(("pod",), asked, value, weight, grid=Grid(0.0), instants=24, ranged=False)
    assert (frame["value"].tolist(), frame["weight"].tolist()) == ([90.0], [0.25])


def test_a_range_has_a_row_for_each_instant_a_group_was_seen():
    nan = math.nan
    value = Table({"gpu": ["g2", "g1"], "instance": ["", ""]}, np.array([[1.0, nan, 3.0], [nan, 5.0, nan]]))
    asked = Plan("v", "", ("gpu", "instance"), ("gpu", "instance"), False, {})
    frame = answered(("gpu",), asked, value, None, grid=GRID, instants=1, ranged=True)
    seconds = [datetime.fromtimestamp(at, UTC) for at in (110, 100, 120)]
    assert list(zip(frame["gpu"], frame["at"], frame["value"], strict=True)) == [
        ("g1", seconds[0], 5.0),
        ("g2", seconds[1], 1.0),
        ("g2", seconds[2], 3.0),
    ]
    assert frame["weight"].tolist() == [1.0] * 3
    assert frame.dtypes.astype(str).to_dict() == columns_of(("gpu",), ranged=True)


def test_no_series_is_an_empty_frame_with_its_columns():
    nothing = Table({"node": [], "profile": [], "model": []}, np.empty((0, 1)))
    asked = plan(("node",), ("node", "profile", "model"), weighted=True)
    frame = answered(("node",), asked, nothing, nothing, grid=Grid(0.0), instants=1, ranged=False)
    assert frame.empty
    assert frame.dtypes.astype(str).to_dict() == columns_of(("node",), ranged=False)
