"""Quantiles of histograms, by hand."""

import math

import pytest

from services.domain.quantiles import Quantile, quantile

TEN = {"1.0": 4.0, "2.0": 8.0, "5.0": 10.0, "+Inf": 10.0}
"""Four up to one second, four more up to two, two more up to five."""


@pytest.mark.parametrize(
    ("q", "value", "low", "high"),
    [
        (0.2, 0.5, 0.0, 1.0),  # the second of four in the first bucket
        (0.4, 1.0, 0.0, 1.0),
        (0.5, 1.25, 1.0, 2.0),  # the first of four
        (0.95, 4.25, 2.0, 5.0),  # one and a half of two
        (1.0, 5.0, 2.0, 5.0),
    ],
)
def test_inside_a_bucket_the_line_is_straight(q, value, low, high):
    assert quantile(TEN, q) == Quantile(pytest.approx(value), low, high)


def test_beyond_the_last_bound_nothing_is_known_but_that_bound():
    found = quantile({"1.0": 1.0, "+Inf": 10.0}, 0.5)
    assert found == Quantile(1.0, 1.0, math.inf)


def test_empty_buckets_between_are_passed():
    assert quantile({"1": 5.0, "2": 5.0, "5": 5.0, "+Inf": 10.0, "10": 10.0}, 0.75) == Quantile(7.5, 5.0, 10.0)


@pytest.mark.parametrize("buckets", [{}, {"+Inf": 0.0, "1": 0.0}, {"1": 4.0}])
def test_without_requests_or_a_total_there_is_none(buckets):
    assert quantile(buckets, 0.5) is None


def test_a_bound_that_is_no_number_is_left_out() -> None:
    buckets = {"1": 5.0, "2": 10.0, "+Inf": 10.0}
    assert quantile({**buckets, "evil": 99.0, "": 3.0, "nan": 7.0}, 0.5) == quantile(buckets, 0.5)
    assert quantile({"evil": 4.0}, 0.5) is None
