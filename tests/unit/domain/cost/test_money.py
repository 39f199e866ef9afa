from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.cost import money


def split(totals: list[int], codes: list[int], weights: list[int]) -> list[int]:
    found = money.apportion(*(np.array(values, dtype="int64") for values in (totals, codes, weights)))
    return [int(value) for value in found]


def test_an_amount_is_taken_as_it_is_written() -> None:
    assert money.micro("0.8048") == 804_800
    assert money.micro(0.1) == 100_000
    assert money.micro(Decimal("0.0000005")) == 0, "half to even"
    assert money.micro(Decimal("0.0000015")) == 2


def test_three_who_share_a_dollar_alike_get_a_third_each_and_the_first_the_cent_that_is_left() -> None:
    assert split([100], [0, 0, 0], [1, 1, 1]) == [34, 33, 33]


def test_what_is_left_goes_to_the_largest_remainders() -> None:
    # 10 by 3 : 3 : 1 is 4.28, 4.28, 1.43: two whole, and the last unit to the third
    assert split([10], [0, 0, 0], [3, 3, 1]) == [4, 4, 2]


def test_groups_do_not_touch_each_other_however_they_are_mixed() -> None:
    assert split([100, 7, 0], [1, 0, 1, 0, 2], [1, 1, 1, 3, 5]) == [4, 25, 3, 75, 0]


def test_who_has_no_weight_bears_nothing() -> None:
    assert split([5], [0, 0], [0, 2]) == [0, 5]


def test_an_amount_nobody_can_bear_is_an_error() -> None:
    with pytest.raises(ValueError, match="without anybody"):
        split([5], [0], [0])
    with pytest.raises(ValueError, match="without anybody"):
        split([1, 5], [0], [1])
    with pytest.raises(ValueError, match="weights are from 0 up"):
        split([5], [0, 0], [-1, 2])


def test_amounts_whose_products_are_beyond_64_bits_are_split_as_exactly() -> None:
    # 2^50 + 1 in two equal parts: 2^49 each, and the one that is left to the first; the products are about 2^90
    assert split([2**50 + 1], [0, 0], [2**40, 2**40]) == [2**49 + 1, 2**49]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.lists(st.integers(1, 10**9), min_size=1, max_size=6)), max_size=6))
def test_parts_are_whole_sum_to_the_amount_and_are_less_than_one_away_from_the_exact_share(
    groups: list[tuple[int, list[int]]],
) -> None:
    codes = [number for number, (_, weights) in enumerate(groups) for _ in weights]
    found = iter(split([total for total, _ in groups], codes, [w for _, weights in groups for w in weights]))
    for total, weights in groups:
        parts = [next(found) for _ in weights]
        assert sum(parts) == total
        assert all(abs(part * sum(weights) - total * w) < sum(weights) for part, w in zip(parts, weights, strict=True))


def test_an_hour_costs_its_price_however_it_is_cut() -> None:
    price = money.micro("55.04")
    assert money.lasting(price, 0, 3600) == 55_040_000
    assert money.lasting(price, 0, 1) == 15_289  # 15,288.9
    assert sum(money.lasting(price, at, at + 7) for at in range(0, 3596, 7)) + money.lasting(price, 3598, 3600) == price


def test_a_spot_node_that_dies_in_the_middle_costs_what_it_was_there() -> None:
    # 0.21 dollars an hour for 37 min 12 s: 2,232 of 3,600 seconds
    assert money.lasting(money.micro("0.21"), 0, 2232) == 130_200
