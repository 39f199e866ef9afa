from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.startup import Phase
from services.domain.startup.groups import GROUPS, folded
from services.domain.startup.summary import FIGURES, HISTOGRAM, TREND, by, histogram, totals, trend
from tests.unit.domain.startup.recorded import NAN, at, start, starts

TARGET = 120.0


def mixed() -> pd.DataFrame:
    """Three that became ready, one that failed, one gone, one under way in time and one already late."""
    return starts(
        [
            start(0, wait_s=10, pull_s=30, load_s=20, cold=False, usd=2.0),
            start(1, provision_s=100, boot_s=40, pull_s=60, load_s=100, cold=True, usd=6.0),
            start(2, load_s=120, headroom=True, usd=NAN, flags="restarted,no_readiness"),
            start(3, total_s=500, outcome="failed", cold=None, headroom=None, usd=3.0),
            start(4, total_s=30, outcome="gone", cold=None, usd=NAN),
            start(5, total_s=60, outcome="starting"),
            start(6, total_s=900, outcome="starting", cold=True),
        ]
    )


def test_totals_count_every_start_once() -> None:
    found = totals(mixed(), TARGET)
    assert (found.number, found.ready, found.not_ready, found.starting) == (7, 3, 2, 2)
    assert (found.warm, found.headroom, found.waited, found.cold, found.unknown) == (2, 1, 0, 2, 2)
    assert found.no_readiness == 1


def test_a_start_that_waited_longer_than_half_a_minute_for_room_was_not_warm_unless_room_was_kept_for_it() -> None:
    found = totals(
        starts(
            [
                start(0, wait_s=30),
                start(1, wait_s=30.5),
                start(2, wait_s=31, headroom=True),
                start(3, wait_s=31, headroom=None),
                start(4, wait_s=300, cold=True),
                start(5, wait_s=300, cold=None),
            ]
        ),
        TARGET,
    )
    assert (found.warm, found.headroom, found.waited, found.cold, found.unknown) == (1, 1, 2, 1, 1)


def test_percentiles_are_of_ready_starts_alone() -> None:
    found = totals(mixed(), TARGET)
    # 60, 120 and 300 s; place 0.95 × 2 = 1.9: 120 + 0.9 × 180.
    assert (found.p50_s, found.max_s) == (120.0, 300.0)
    assert found.p95_s == pytest.approx(282.0)


def test_a_start_that_never_became_ready_missed_the_target_and_one_under_way_in_time_is_not_decided() -> None:
    found = totals(mixed(), TARGET)
    # Decided: three ready, two not ready, one that is late already. In time: 60 s and exactly 120 s.
    assert found.decided == 6
    assert found.in_target == pytest.approx(2 / 6)


def test_a_job_that_was_done_before_it_was_seen_ready_has_no_time_and_no_target() -> None:
    job = start(7, total_s=10, outcome="completed", usd=0.5)
    found = totals(starts([start(0, load_s=100), start(1, total_s=400, outcome="failed"), job]), TARGET)
    assert (found.number, found.ready, found.not_ready, found.completed, found.starting) == (3, 1, 1, 1, 0)
    assert (found.decided, found.in_target, found.p50_s, found.usd) == (2, 0.5, 100.0, 2.5)


def test_a_start_whose_first_readiness_is_not_known_exactly_has_no_time() -> None:
    frame = starts([start(0, load_s=100), start(1, load_s=300), start(2, load_s=3000, flags="flapped,late")])
    found = totals(frame, TARGET)
    assert (found.number, found.ready, found.timed, found.decided, found.in_target) == (3, 3, 2, 2, 0.5)
    assert (found.p50_s, found.max_s, found.mean_s[Phase.LOAD]) == (200.0, 300.0, 200.0)
    assert histogram(frame, TARGET)["number"].sum() == 2
    alone = totals(frame[2:].reset_index(drop=True), TARGET)
    assert (alone.ready, alone.p50_s, alone.in_target, alone.mean_s, alone.shares) == (1, None, None, {}, {})


def test_time_is_shared_among_the_phases_of_ready_starts() -> None:
    found = totals(mixed(), TARGET)
    assert sum(found.shares.values()) == pytest.approx(1.0)
    # 480 s in all, 90 of them pulling and 240 loading.
    assert found.shares[Phase.PULL] == pytest.approx(90 / 480)
    assert found.shares[Phase.LOAD] == pytest.approx(0.5)
    assert found.mean_s[Phase.PROVISION] == pytest.approx(100 / 3)
    assert folded(found.mean_s)["pull"] == pytest.approx(30.0)


def test_money_is_the_sum_of_what_has_a_price() -> None:
    found = totals(mixed(), TARGET)
    assert (found.usd, found.unpriced) == (13.0, 2)
    assert totals(starts([start(usd=NAN)]), TARGET).usd is None


def test_no_starts_have_no_times_shares_or_money() -> None:
    found = totals(starts([]), TARGET)
    assert (found.number, found.ready, found.decided) == (0, 0, 0)
    assert (found.p50_s, found.p95_s, found.max_s, found.in_target, found.usd) == (None,) * 5
    assert (found.mean_s, found.shares) == ({}, {})


def test_starts_none_of_which_became_ready_have_a_share_of_zero_and_no_times() -> None:
    found = totals(starts([start(total_s=50, outcome="failed")]), TARGET)
    assert (found.in_target, found.p50_s) == (0.0, None)
    assert found.shares == {}


def test_figures_are_told_per_key_slowest_first() -> None:
    rows = [start(0, load_s=100, pool="a"), start(1, load_s=200, pool="a"), start(2, load_s=400, pool="b")]
    found = by(starts([*rows, start(3, total_s=9, outcome="failed", pool="c")]), ["cluster", "pool"], TARGET)
    assert list(found["pool"]) == ["b", "a", "c"]
    middle = found.iloc[1]
    assert (middle["number"], middle["p50_s"], middle["mean_s"], middle["in_target"]) == (2, 150.0, 150.0, 0.5)
    assert middle["p95_s"] == pytest.approx(195.0)
    last = found.iloc[2]
    assert (last["ready"], last["not_ready"], last["in_target"]) == (0, 1, 0.0)
    assert np.isnan(last["p95_s"])
    assert np.isnan(last["load_s"])
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {"cluster": "str", "pool": "str", **FIGURES}


def test_the_frames_keep_their_columns_without_starts() -> None:
    empty = starts([])
    assert {name: str(kind) for name, kind in by(empty, ["pool"], TARGET).dtypes.items()} == {"pool": "str", **FIGURES}
    assert {name: str(kind) for name, kind in trend(empty, timedelta(hours=1), TARGET).dtypes.items()} == TREND
    assert {name: str(kind) for name, kind in histogram(empty, TARGET).dtypes.items()} == HISTOGRAM
    assert histogram(empty, TARGET)["number"].sum() == 0


def test_a_trend_has_a_row_for_every_bucket_and_no_time_where_nothing_started() -> None:
    rows = [start(5, load_s=60), start(59, load_s=180), start(150, load_s=90)]
    found = trend(starts(rows), timedelta(hours=1), TARGET)
    assert list(found["at"]) == [at(0), at(60), at(120)]
    assert list(found["number"]) == [2, 0, 1]
    assert list(found["p50_s"].fillna(-1)) == [120.0, -1, 90.0]
    assert list(found["in_target"].fillna(-1)) == [0.5, -1, 1.0]
    assert {name: str(kind) for name, kind in found.dtypes.items()} == TREND


def test_a_start_of_exactly_the_target_is_on_its_good_side() -> None:
    rows = [start(0, load_s=120), start(1, load_s=120.5, cold=True), start(2, load_s=7200), start(3, total_s=0)]
    found = histogram(starts(rows), TARGET)
    assert found.loc[found["number"] > 0, ["from_s", "to_s", "number", "in_target"]].to_numpy().tolist() == [
        [0.0, 15.0, 1, True], [90.0, 120.0, 1, True], [120.0, 180.0, 1, False], [3600.0, np.inf, 1, False],
    ]  # fmt: skip
    assert found.loc[found["from_s"].eq(120.0), "cold"].tolist() == [1]


def test_any_target_is_an_edge() -> None:
    found = histogram(starts([start(0, load_s=100), start(1, load_s=99)]), 100.0)
    assert found.loc[found["to_s"].eq(100.0), "number"].tolist() == [2]
    assert found["in_target"].sum() == list(found["to_s"]).index(100.0) + 1


ROWS = st.lists(
    st.builds(
        lambda seconds, pool, outcome, flags, cold: start(
            0,
            **dict(zip((f"{phase}_s" for phase in Phase), seconds, strict=True)),
            pool=pool,
            outcome=outcome,
            flags=flags,
            cold=cold,
        ),
        st.lists(st.integers(0, 600), min_size=len(Phase), max_size=len(Phase)),
        st.sampled_from(["a", "b", ""]),
        st.sampled_from(["ready", "ready", "failed", "gone", "starting", "completed"]),
        st.sampled_from(["", "flapped", "late,flapped,restarted"]),
        st.sampled_from([True, False, None]),
    ),
    min_size=1,
    max_size=15,
)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_shares_sum_to_one_and_totals_are_the_sum_of_their_groups(rows: list[dict[str, object]]) -> None:
    frame = starts(rows)
    whole, parts = totals(frame, TARGET), by(frame, ["pool"], TARGET)
    for name in (
        "number",
        "ready",
        "timed",
        "not_ready",
        "completed",
        "starting",
        "decided",
        "unpriced",
        "warm",
        "headroom",
        "waited",
        "cold",
        "unknown",
    ):
        assert parts[name].sum() == getattr(whole, name)
    assert whole.number == whole.ready + whole.not_ready + whole.completed + whole.starting
    assert whole.number == whole.warm + whole.headroom + whole.waited + whole.cold + whole.unknown
    if any(whole.mean_s.values()):
        assert sum(whole.shares.values()) == pytest.approx(1.0)
    spent = parts[[f"{name}_s" for name in GROUPS]].sum(axis=1)
    np.testing.assert_allclose(spent[parts["timed"] > 0], parts.loc[parts["timed"] > 0, "mean_s"])
    assert histogram(frame, TARGET)["number"].sum() == whole.timed
