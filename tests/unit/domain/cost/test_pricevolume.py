"""Changes worked out by hand: p5 on demand and g6 spot."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cost.read import joined
from services.domain.cost import report
from services.domain.cost.movers import movers
from services.domain.cost.pricevolume import Change, change
from tests import costing
from tests.costing import CHAT, H100, SPOT, TRAIN, USD, cost


def costs(*rows: dict[str, object]) -> pd.DataFrame:
    return joined(costing.days(*rows), costing.owners(CHAT, TRAIN), costing.places(H100, SPOT))


def of(p5: tuple[float, float], g6: tuple[float, float]) -> pd.DataFrame:
    """Hours and dollars of p5 and of g6."""
    return costs(cost("2026-06-01", *p5, who=CHAT), cost("2026-06-01", *g6, who=TRAIN, at=SPOT))


BEFORE = of((10, 100), (30, 30))
"""40 hours for 130 dollars: p5 at 10, g6 at 1; 3.25 a mean hour."""


def test_twice_the_hours_at_the_same_mix_and_prices_is_volume() -> None:
    assert change(BEFORE, of((20, 200), (60, 60))) == Change(130 * USD, 260 * USD, 130 * USD, 0, 0)


def test_the_same_hours_elsewhere_are_mix() -> None:
    # ten hours moved from g6 (1) to p5 (10): 90 dollars
    assert change(BEFORE, of((20, 200), (20, 20))) == Change(130 * USD, 220 * USD, 0, 90 * USD, 0)


def test_other_prices_for_the_same_hours_are_price() -> None:
    # p5 at 8: 10 × −2; g6 at 1.5: 30 × 0.5
    assert change(BEFORE, of((10, 80), (30, 45))) == Change(130 * USD, 125 * USD, 0, 0, -5 * USD)


def test_all_three_at_once() -> None:
    """50 hours: p5 20 at 9, g6 30 at 2, together 240.

    volume (50 − 40) × 3.25 = 32.50
    mix    p5 (20 − 50 × ¼) × 10 = 75, g6 (30 − 50 × ¾) × 1 = −7.50: 67.50
    price  20 × (9 − 10) + 30 × (2 − 1) = 10
    """
    found = change(BEFORE, of((20, 180), (30, 60)))
    assert found == Change(130 * USD, 240 * USD, 32_500_000, 67_500_000, 10 * USD)
    assert found.ratio == pytest.approx(110 / 130)


def test_a_class_that_is_new_is_mix_and_not_price() -> None:
    before = costs(cost("2026-05-01", 10, 100, who=CHAT))
    # 20 hours: volume 10 × 10; g6 instead of ten of p5: 10 × 1 − 10 × 10
    found = change(before, of((10, 100), (10, 10)))
    assert (found.volume, found.mix, found.price) == (100 * USD, -90 * USD, 0)


def test_from_nothing_everything_is_volume_and_no_ratio() -> None:
    found = change(BEFORE.iloc[:0], BEFORE)
    assert found == Change(0, 130 * USD, 130 * USD, 0, 0)
    assert found.ratio is None


def test_hours_without_a_price_move_nothing() -> None:
    more = costs(
        cost("2026-06-01", 10, 100, who=CHAT),
        cost("2026-06-01", 30, 30, who=TRAIN, at=SPOT),
        cost("2026-06-01", 500, None, who=TRAIN, at=SPOT),
    )
    assert change(BEFORE, more).total == 0
    assert change(BEFORE, more).volume == 0


_CLASS = st.tuples(st.integers(0, 900), st.integers(0, 9_000_000))


@settings(deadline=None)
@given(st.lists(_CLASS, min_size=4, max_size=4))
def test_the_three_always_sum_to_the_change(classes: list[tuple[int, int]]) -> None:
    p5, g6, then_p5, then_g6 = ((hours, micro / USD if hours else 0) for hours, micro in classes)
    found = change(of(then_p5, then_g6), of(p5, g6))
    assert found.volume + found.mix + found.price == found.total


def test_movers_are_new_gone_up_and_down_the_largest_first() -> None:
    other = ("tiny", "web", "Deployment", "other", "product", "{}")
    known, where = costing.owners(CHAT, TRAIN, other), costing.places(H100)
    before = joined(
        costing.days(cost("2026-05-01", 1, 10, who=CHAT), cost("2026-05-01", 1, 70, who=TRAIN)), known, where
    )
    after = joined(
        costing.days(
            cost("2026-06-01", 1, 30, who=CHAT), cost("2026-06-01", 1, 5, who=other), cost("2026-06-01", 1, 4)
        ),
        known,
        where,
    )
    found = movers(report.by(before, "workload"), report.by(after, "workload"))
    assert found[["name", "delta_micro", "moved"]].to_numpy().tolist() == [
        ["train", -70 * USD, "gone"],
        ["chat", 20 * USD, "up"],
        ["other", 5 * USD, "new"],
        ["free", 4 * USD, "new"],
    ]
