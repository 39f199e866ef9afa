import numpy as np
import pandas as pd
import pytest

from pages.ui import charts
from pages.ui.theme import Theme
from services.domain.gpus import USES
from services.domain.signals import Unit

THEME = Theme(
    categorical=("red", "green", "blue"),
    sequential=tuple(f"#0000{shade:02}" for shade in range(10)),
    active="teal",
    idle="orange",
    free="gray",
    unknown="silver",
    broken="crimson",
    mixed="violet",
    text="black",
)
AT = pd.to_datetime(["2026-06-03T12:00Z", "2026-06-03T12:01Z", "2026-06-03T12:02Z"]).as_unit("us")


def trend(**groups: list[float]) -> pd.DataFrame:
    parts = [pd.DataFrame({"at": AT, "group": name, "value": values, "weight": 1.0}) for name, values in groups.items()]
    return pd.concat(parts, ignore_index=True)


def test_a_gap_stays_a_gap() -> None:
    figure = charts.lines(trend(a=[0.1, np.nan, 0.3]), Unit.RATIO, "UTC", THEME)
    line = figure.data[0]
    assert line.connectgaps is False
    assert np.isnan(line.y[1])
    assert line.x[0] == np.datetime64("2026-06-03T12:00")


def test_a_group_keeps_its_colour_and_the_others_are_grey_and_last() -> None:
    figure = charts.lines(trend(b=[1, 1, 1], others=[1, 1, 1], a=[1, 1, 1]), Unit.RATIO, "UTC", THEME)
    assert [(line.name, line.line.color) for line in figure.data] == [("a", "red"), ("b", "green"), ("others", "gray")]
    assert figure.layout.showlegend is True
    assert charts.lines(trend(a=[1, 1, 1]), Unit.RATIO, "UTC", THEME).layout.showlegend is False


def test_times_are_the_readers() -> None:
    figure = charts.lines(trend(a=[1, 1, 1]), Unit.RATIO, "Asia/Tokyo", THEME)
    assert figure.data[0].x[0] == np.datetime64("2026-06-03T21:00")


def test_shares_reach_from_nothing_to_all_and_amounts_from_zero() -> None:
    assert charts.lines(trend(a=[0.5] * 3), Unit.RATIO, "UTC", THEME).layout.yaxis.range == (0, 1)
    watts = charts.lines(trend(a=[5000.0] * 3), Unit.WATTS, "UTC", THEME, stacked=True)
    assert watts.layout.yaxis.rangemode == "tozero"
    assert watts.layout.yaxis.ticksuffix == "W"
    assert watts.data[0].stackgroup == "all"


def test_a_target_is_drawn_and_named() -> None:
    figure = charts.lines(trend(a=[0.5] * 3), Unit.RATIO, "UTC", THEME, target=("target 70 %", 0.7))
    assert figure.layout.shapes[0].y0 == 0.7
    assert figure.layout.annotations[0].text == "target 70 %"


def test_names_in_figures_hold_no_tags() -> None:
    figure = charts.lines(trend(**{"<a href='x'>a</a> & b": [0.5] * 3}), Unit.RATIO, "UTC", THEME)
    assert figure.data[0].name == "&lt;a href='x'&gt;a&lt;/a&gt; &amp; b"


def stages(gpus: list[float], usd: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"stage": ["total", "allocated", "active", "effective"], "gpus": gpus, "usd_per_day": usd})


def test_the_funnel_says_gpus_share_and_money_of_each_stage() -> None:
    bar = charts.funnel(stages([16, 12, 8, 4], [1600.0, 1200.0, np.nan, 400.0]), THEME).data[0]
    assert list(bar.y) == ["Total  <b>16</b>", "Allocated  <b>12</b>", "Active  <b>8</b>", "Effective  <b>4</b>"]
    assert list(bar.text) == ["100 % · $1,600/day", "75 % · $1,200/day", "50 %", "25 % · $400/day"]


def test_a_stage_that_cannot_be_told_is_left_out_and_not_zero() -> None:
    bar = charts.funnel(stages([16, 12, np.nan, np.nan], [1.0, 1.0, np.nan, np.nan]), THEME).data[0]
    assert list(bar.x) == [16, 12]


def cells(*rows: tuple[str, float, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"cluster": "c", "pool": "p", "node": "n", "gpu": gpu, "row": 0, "column": float(place), "value": value,
             "use": use, "gpus": 1.0, "text": "", "label": "p"}
            for place, (gpu, value, use) in enumerate(rows)
        ]
    )  # fmt: skip


def test_a_square_has_the_colour_of_its_value_and_the_shape_of_its_use() -> None:
    figure = charts.heat(cells(("a", 0.9, "active"), ("b", 0.0, "held idle"), ("c", 0.0, "free")), Unit.RATIO, THEME)
    by_name = {trace.name: trace for trace in figure.data}
    assert set(by_name) == {"Active (1)", "Held idle (1)", "Free (1)"}
    assert by_name["Active (1)"].marker.symbol == "square"
    assert list(by_name["Active (1)"].marker.color) == [0.9]
    assert (by_name["Active (1)"].marker.cmin, by_name["Active (1)"].marker.cmax) == (0.0, 1.0)
    assert by_name["Free (1)"].marker.color == "gray"
    assert by_name["Active (1)"].customdata[0][1:4].tolist() == ["n", "a", "90 %"]


def test_a_square_nobody_measured_says_so() -> None:
    figure = charts.heat(cells(("", np.nan, "unknown")), Unit.RATIO, THEME)
    assert figure.data[0].name == "Not measured (1)"
    assert figure.data[0].customdata[0][3] == "not measured"


def test_only_one_scale_is_shown() -> None:
    figure = charts.heat(cells(("a", 70.0, "active"), ("b", 40.0, "held idle")), Unit.CELSIUS, THEME)
    assert [trace.marker.showscale for trace in figure.data].count(True) == 1
    assert {(trace.marker.cmin, trace.marker.cmax) for trace in figure.data} == {(40.0, 70.0)}


@pytest.mark.parametrize("use", [*USES, "mixed"])
def test_every_use_has_a_word_and_a_shape_of_its_own(use: str) -> None:
    assert use in charts.USE_WORDS
    assert list(charts.USE_SYMBOLS.values()).count(charts.USE_SYMBOLS[use]) == 1


def test_bands_stack_held_and_free() -> None:
    frame = pd.DataFrame({"band": ["0–10 %"] * 2, "use": ["held", "free"], "gpus": [3.0, 1.0]})
    figure = charts.bands(frame, THEME)
    assert [(bar.name, list(bar.x), list(bar.y)) for bar in figure.data] == [
        ("Held", ["0–10"], [3.0]),
        ("Free", ["0–10"], [1.0]),
    ]
    assert figure.layout.barmode == "stack"


def marks(*summaries: str) -> pd.DataFrame:
    return pd.DataFrame({"at": AT[: len(summaries)], "summary": summaries, "state": "done"})


def test_operations_are_dashed_lines_with_a_pin_that_says_what_was_done() -> None:
    figure = charts.lines(trend(a=[0.5] * 3), Unit.RATIO, "Asia/Tokyo", THEME, marks=marks("warm 2 → 3", "<b>x</b>"))
    assert [(shape.line.dash, shape.x0) for shape in figure.layout.shapes] == [
        ("dash", np.datetime64("2026-06-03T21:00")),
        ("dash", np.datetime64("2026-06-03T21:01")),
    ]
    pins = figure.data[-1]
    assert pins.marker.symbol == "triangle-down"
    assert list(pins.text) == ["warm 2 → 3 (done)", "&lt;b&gt;x&lt;/b&gt; (done)"]
    assert figure.layout.showlegend is False
    assert figure.layout.xaxis.range == (np.datetime64("2026-06-03T21:00"), np.datetime64("2026-06-03T21:02"))


def test_a_trend_without_operations_has_nothing_more() -> None:
    none = marks().astype({"summary": "str"})
    for given in (None, none):
        figure = charts.lines(trend(a=[0.5] * 3), Unit.RATIO, "UTC", THEME, marks=given)
        assert len(figure.data) == 1
        assert figure.layout.shapes == ()


def test_a_long_summary_is_cut_in_the_hover() -> None:
    figure = charts.lines(trend(a=[0.5] * 3), Unit.RATIO, "UTC", THEME, marks=marks("x" * 500))
    assert len(figure.data[-1].text[0]) == charts.LABEL + len(" (done)")
