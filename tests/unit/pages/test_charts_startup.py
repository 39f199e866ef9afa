"""Figures of starts, by what they draw."""

import re

import numpy as np
import pandas as pd
import pytest

from pages.ui import charts_startup as charts
from pages.ui.theme import Theme
from services.domain.startup.groups import GROUPS
from services.domain.startup.summary import SERVED, TREND, histogram
from services.startup.board import SPLIT
from services.startup.one import SPANS
from tests.unit.domain.startup import recorded

THEME = Theme(
    categorical=tuple(f"#00000{place}" for place in range(8)),
    sequential=tuple(f"#0000{shade:02}" for shade in range(10)),
    active="teal",
    idle="orange",
    free="gray",
    unknown="#C0C0C0",
    broken="crimson",
    mixed="violet",
    text="black",
)
NAN = float("nan")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "—"),
        (NAN, "—"),
        (0, "0 s"),
        (0.4, "<1 s"),
        (44.6, "45 s"),
        (60, "1 min"),
        (192, "3 min 12 s"),
        (599.7, "10 min"),
        (754, "12 min"),
        (3900, "1 h 5 min"),
        (93_600, "1 d 2 h"),
        (-75, "−1 min 15 s"),
    ],
)
def test_a_length_of_time_is_said_as_people_say_it(seconds: float | None, said: str) -> None:
    assert charts.took(seconds) == said


def test_no_two_groups_of_phases_look_alike() -> None:
    assert set(charts.LOOKS) == set(GROUPS)
    assert len(set(charts.LOOKS.values())) == len(GROUPS)
    assert set(charts.SERVED_WORDS) == set(SERVED)


def split(*rows: tuple[str, int, dict[str, float]]) -> pd.DataFrame:
    whole = [
        {"name": name, "ready": ready, "mean_s": sum(times.values())}
        | {f"{key}_s": times.get(key, 0.0) for key in GROUPS}
        for name, ready, times in rows
    ]
    return pd.DataFrame(whole, columns=list(SPLIT)).astype(SPLIT)


def labels(figure: object) -> list[str]:
    return [re.sub("\u200b", "", name) for name in figure.data[0].y]  # type: ignore[attr-defined]


def test_groups_that_took_no_time_are_left_out_and_the_others_keep_their_order() -> None:
    figure = charts.phases(split(("a", 9, {"load": 50, "pull": 70}), ("b", 6, {"waiting": 30})), THEME, target_s=120)
    assert [bar.name for bar in figure.data] == ["Waiting", "Image pull", "Model load"]
    assert list(figure.data[1].x) == [70, 0]
    assert labels(figure) == ["a (9)  <b>2 min</b>", "b (6)  <b>30 s</b>"]
    assert [note.text for note in figure.layout.annotations] == ["target 2 min"]


def test_two_bars_of_one_name_and_length_stay_two() -> None:
    figure = charts.phases(split(("a", 5, {"load": 50}), ("a", 5, {"load": 50})), THEME, target_s=120)
    assert len(set(figure.data[0].y)) == 2
    assert len(set(labels(figure))) == 1


def test_a_bar_of_one_very_long_start_leaves_room_for_the_others_and_says_so() -> None:
    rows = split(("odd", 1, {"waiting": 4000}), ("usual", 40, {"load": 200}))
    figure = charts.phases(rows, THEME, target_s=120)
    assert figure.layout.xaxis.range[1] == pytest.approx(200 * 1.25 * 1.02)
    assert "<b>1 h 6 min ▸</b>" in [note.text for note in figure.layout.annotations]
    many = charts.phases(rows.assign(ready=40), THEME, target_s=120)
    assert many.layout.xaxis.range[1] == pytest.approx(4000 * 1.02), "what many starts stand behind is drawn whole"


def test_a_target_far_beyond_all_bars_is_not_drawn() -> None:
    figure = charts.phases(split(("a", 5, {"load": 20})), THEME, target_s=120)
    assert not figure.layout.annotations
    assert figure.layout.xaxis.range[1] < 25


def trend(*p50: float) -> pd.DataFrame:
    at = pd.date_range("2026-06-03T10:00Z", periods=len(p50), freq="h").as_unit("us")
    rows = {"at": at, "number": 4, "ready": 4, "p50_s": p50, "p95_s": [2 * value for value in p50], "in_target": 1.0}
    return pd.DataFrame(rows).astype(TREND)


def test_the_trend_has_gaps_where_nothing_started_and_room_above_its_highest_point() -> None:
    figure = charts.trend(trend(60, NAN, 300), "UTC", THEME, target_s=120)
    p95, p50 = figure.data[:2]
    assert (p95.name, p50.name) == ("p95", "p50")
    assert np.isnan(p50.y[1])
    assert p50.connectgaps is False
    assert p50.text[0] == "1 min, 4 ready"
    assert figure.layout.yaxis.range[1] == pytest.approx(600 * 1.15)
    assert "target 2 min" in [note.text for note in figure.layout.annotations]


def test_operations_and_changes_are_pinned_to_the_trend() -> None:
    at = pd.to_datetime(["2026-06-03T11:30Z"]).as_unit("us")
    marks = pd.DataFrame({"at": at, "summary": "Keep 2 warm", "state": "done"})
    changes = pd.DataFrame({"at": at, "says": "chat: image a:1 → <b>b</b>"})
    figure = charts.trend(trend(60, 70, 80), "UTC", THEME, target_s=120, marks=marks, changes=changes)
    pins = {pin.name: pin for pin in figure.data if pin.mode == "markers"}
    assert pins["Operations"].text[0] == "Keep 2 warm (done)"
    assert pins["Image, GPUs or pool changed"].text[0] == "chat: image a:1 → &lt;b&gt;b&lt;/b&gt;"
    assert figure.layout.xaxis.range == (np.datetime64("2026-06-03T10:00"), np.datetime64("2026-06-03T12:00"))


def test_a_trend_without_any_ready_start_is_drawn_all_the_same() -> None:
    figure = charts.trend(trend(NAN, NAN), "UTC", THEME, target_s=120)
    assert figure.layout.yaxis.range[1] == pytest.approx(120 * 1.15)


def test_a_trend_of_one_moment_has_an_hour_on_either_side() -> None:
    found = charts.trend(trend(60), "UTC", THEME, target_s=120).layout.xaxis.range
    assert [pd.Timestamp(at) for at in found] == [pd.Timestamp("2026-06-03T09:00"), pd.Timestamp("2026-06-03T11:00")]


def test_the_spread_names_its_bins_and_stands_the_target_between_two_of_them() -> None:
    rows = [recorded.start(i, total_s=total) for i, total in enumerate([10, 100, 130, 5000])]
    figure = charts.spread(histogram(recorded.starts(rows), 120.0), THEME, target_s=120)
    (bars,) = figure.data
    assert bars.customdata[:2] == ("0 s to 15 s", "15 s to 30 s")
    assert bars.customdata[5] == "1 min 30 s to 2 min"
    assert bars.customdata[-1] == "more than 1 h"
    axis = figure.layout.xaxis
    assert dict(zip(axis.tickvals, axis.ticktext, strict=True)) == {
        1.5: "30 s", 3.5: "1 min", 5.5: "2 min", 7.5: "4 min", 9.5: "7 min", 11.5: "15 min", 13.5: "30 min",
        15.5: "1 h",
    }  # fmt: skip
    assert figure.layout.shapes[0].x0 == 5.5, "after the sixth bin"


def spans(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(SPANS)).astype(SPANS)


ONE = spans(
    ("Image pull", "main", 0, 100, 100, "event Pulled", "exact", "Pulled <b>x</b>", "pull", False),
    ("Model load", "main", 100, 160, 60, "", "missing", "", "load", False),
    ("Model load", "main", 160, 161, 1, "probe", "estimated", "", "load", False),
    ("Container start", "proxy", 20, 25, 5, "container state", "exact", "", "start", True),
)


def test_a_waterfall_gives_every_phase_a_lane_with_its_length() -> None:
    figure = charts.waterfall(ONE, THEME, target_s=120, total_s=161)
    assert [re.sub("\u200b", "", bar.y[0]) for bar in figure.data] == [
        "Image pull · main", "Model load · main", "Model load · main", "Container start · proxy",
    ]  # fmt: skip
    assert len({bar.y[0] for bar in figure.data}) == 4
    assert [(bar.base[0], bar.x[0]) for bar in figure.data] == [(0, 100), (100, 60), (160, 1), (20, 5)]
    assert [bar.text for bar in figure.data] == ["1 min 40 s", "1 min", "1 s", "5 s"]


def test_a_waterfall_tells_by_pattern_how_well_a_phase_is_known_and_by_outline_what_ran_beside() -> None:
    figure = charts.waterfall(ONE, THEME, target_s=120, total_s=161)
    assert [bar.marker.pattern.shape for bar in figure.data] == ["", ".", "/", ""]
    assert [bar.marker.line.width for bar in figure.data] == [0, 0, 0, 1.5]
    assert figure.data[0].customdata[0] == (
        "<b>Image pull</b> 1 min 40 s<br>from 0 s to 1 min 40 s<br>event Pulled (exact)<br>Pulled &lt;b&gt;x&lt;/b&gt;"
    )
    assert "no evidence (missing)" in figure.data[1].customdata[0]
