"""Windows: quantised, and coarser for large fleets."""

from datetime import UTC, datetime, timedelta

import pytest

from services.domain.window import OWNER_BUDGET, RANGES, STEPS, ending, finest

NOW = datetime(2026, 6, 3, 12, 7, 31, tzinfo=UTC)


def test_a_window_ends_at_the_last_whole_step() -> None:
    window = ending(NOW, "24h")
    assert (window.end, window.step, window.points, window.hours) == (
        datetime(2026, 6, 3, 12, 5, tzinfo=UTC),
        timedelta(minutes=5),
        288,
        24,
    )


def test_the_same_question_within_a_step_is_the_same_window() -> None:
    assert ending(NOW, "24h") == ending(NOW + timedelta(minutes=2), "24h")


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("units", [0, 64, 1000, 10_000, 1e9])
def test_a_larger_fleet_is_sampled_more_coarsely_over_the_same_span(name: str, units: float) -> None:
    window = ending(NOW, name, units=units, budget=OWNER_BUDGET)
    assert window.end - window.start == RANGES[name]
    assert window.points * window.step == RANGES[name]
    assert window.step % STEPS[name] == timedelta(0)
    assert units * window.points <= OWNER_BUDGET or window.points == 1
    assert window.end.timestamp() % window.step.total_seconds() == 0
    assert finest(window) == STEPS[name]


def test_ten_thousand_gpus_by_pod_are_asked_hourly_over_a_day() -> None:
    # 10,000 × 288 points are 2.9 million; 24 points are the first divisor within 300,000.
    window = ending(NOW, "24h", units=10_000, budget=OWNER_BUDGET)
    assert (window.points, window.step) == (24, timedelta(hours=1))
