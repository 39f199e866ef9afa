import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.startup import percentiles

TIMES = st.lists(st.floats(0, 3600), min_size=1, max_size=40)


def test_a_percentile_lies_between_its_neighbours() -> None:
    # Of four values place 0.95 × 3 = 2.85: 30 + 0.85 × 10.
    assert percentiles.of(np.array([40.0, 10.0, 30.0, 20.0]), 0.5) == 25.0
    assert percentiles.of(np.array([40.0, 10.0, 30.0, 20.0]), 0.95) == pytest.approx(38.5)
    assert percentiles.of(np.array([7.0]), 0.95) == 7.0


def test_nothing_has_no_percentile_and_what_is_missing_is_no_zero() -> None:
    assert percentiles.of(np.array([]), 0.5) is None
    assert percentiles.of(np.array([np.nan]), 0.5) is None
    assert percentiles.of(np.array([np.nan, 6.0, np.nan, 8.0]), 0.5) == 7.0


def test_each_group_has_its_own_and_a_group_without_values_has_none() -> None:
    values, codes = np.array([3.0, 100.0, 1.0, np.nan, 300.0]), np.array([0, 2, 0, 1, 2])
    (medians,) = percentiles.grouped(values, codes, 3, (0.5,))
    np.testing.assert_array_equal(medians, [2.0, np.nan, 200.0])
    np.testing.assert_array_equal(percentiles.means(values, codes, 3), [2.0, np.nan, 200.0])
    np.testing.assert_array_equal(percentiles.sums(values, codes, 3), [4.0, np.nan, 400.0])


@settings(deadline=None)
@given(st.lists(TIMES, min_size=1, max_size=5), st.floats(0, 1))
def test_it_is_the_percentile_numpy_gives(groups: list[list[float]], share: float) -> None:
    values = np.array([value for group in groups for value in group])
    codes = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    shuffled = np.random.default_rng(1).permutation(len(values))
    (found,) = percentiles.grouped(values[shuffled], codes[shuffled], len(groups), (share,))
    np.testing.assert_allclose(found, [np.quantile(group, share) for group in groups], rtol=1e-9, atol=1e-9)
