"""The catalogue of counters: whose labels are read, and which steps can be asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from services.domain.cost import LLM
from services.domain.counters import COUNTERS, ends

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
HALF = timedelta(minutes=30)
PRIVATE = {"user", "user_email", "end_user", "client_ip", "user_agent", "hashed_api_key"}


def test_no_dimension_is_a_person_or_a_machine_of_theirs():
    for counter in COUNTERS.values():
        assert not PRIVATE & {label for labels in counter.dimensions.values() for label in labels}


def test_dimensions_of_gateways_and_engines_are_columns_of_the_record():
    for name, counter in COUNTERS.items():
        if name.startswith(("gateway_", "engine_")):
            assert set(counter.dimensions) - {"pod"} <= LLM.keys(), name  # a pod is its workload there


def test_steps_end_where_the_next_begins():
    assert ends(TEN, TEN + 3 * HALF, HALF) == [TEN + HALF, TEN + 2 * HALF, TEN + 3 * HALF]
    assert ends(TEN, TEN, HALF) == []


@pytest.mark.parametrize(
    ("begin", "end", "step"),
    [
        (TEN, TEN + HALF, timedelta(seconds=90)),
        (TEN, TEN + HALF, timedelta(minutes=20)),
        (TEN, TEN + HALF, timedelta(0)),
        (TEN + HALF, TEN, HALF),
        (TEN + timedelta(seconds=30), TEN + HALF + timedelta(seconds=30), HALF),
    ],
)
def test_steps_that_do_not_fit_or_are_parts_of_minutes_are_refused(begin, end, step):
    with pytest.raises(ValueError, match="whole"):
        ends(begin, end, step)
