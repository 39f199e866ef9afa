from datetime import datetime, timedelta

import pytest

from services.domain.startup import Phase, money
from services.domain.startup.groups import column, seconds
from tests.unit.domain.startup.recorded import NAN, at, start, starts


def since(cold: bool | None, node: datetime | None, scheduled: datetime | None) -> datetime | None:
    return money.billed_from(cold=cold, created=at(0), node_created=node, scheduled=scheduled)


def test_a_warm_start_is_paid_for_from_scheduling() -> None:
    assert since(False, at(-600), at(1)) == at(1)
    # 8 GPUs at $3 for 5 of 60 minutes.
    assert money.spent(8, 3.0, at(1), at(6)) == pytest.approx(2.0)


def test_a_node_that_came_for_the_pod_is_paid_for_from_its_creation() -> None:
    assert since(True, at(3), at(7)) == at(3)
    # 1 GPU at $6 from minute 3 to minute 13.
    assert money.spent(1, 6.0, at(3), at(13)) == pytest.approx(1.0)


def test_what_a_node_cost_before_the_pod_came_is_not_on_its_account() -> None:
    assert since(True, at(0) - timedelta(seconds=20), at(2)) == at(0)


def test_a_pod_that_never_got_a_node_cost_nothing_and_an_unknown_price_is_no_zero() -> None:
    assert since(None, None, None) is None
    assert money.spent(8, None, None, at(60)) == 0.0
    assert money.spent(8, None, at(1), at(2)) is None
    assert money.spent(8, NAN, at(1), at(2)) is None
    assert money.spent(NAN, 3.0, at(1), at(2)) is None


def test_of_a_node_whose_age_is_unknown_the_time_from_scheduling_counts() -> None:
    assert since(None, None, at(4)) == at(4)


def test_the_paid_phases_of_a_cold_start_are_those_from_the_nodes_creation_on() -> None:
    # Decided after 20 s, the node's object after 120 s, scheduled after 300 s, ready after 400 s: 280 s are paid.
    row = starts([start(decision_s=20, provision_s=100, boot_s=80, device_s=90, bind_s=10, load_s=100)])
    paid = tuple(phase for phase in Phase if phase not in money.UNPAID)
    assert seconds(row, paid)[0] == 280
    began = since(True, at(2), at(5))
    assert money.spent(2, 9.0, began, at(0) + timedelta(seconds=400)) == pytest.approx(2 * 9.0 * 280 / 3600)
    assert {column(phase) for phase in money.UNPAID} == {"queue_s", "wait_s", "decision_s", "provision_s"}
