"""Savings worked by hand: a part of the books before and after a change."""

import math
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from services.domain.change.promise import Promise
from services.domain.cost import MICRO
from services.domain.cost.savings import SAVINGS, Applied, part, savings

AT = datetime(2026, 6, 10, 15, tzinfo=UTC)
WARM = {"cluster": "one", "pool": "h100", "kind": "warm"}


def costs(amounts: dict[int, int], **columns: str) -> pd.DataFrame:
    """Dollars of the part by day of June."""
    rows = [
        {"cluster": "one", "pool": "h100", "kind": "warm", "namespace": "", "workload": "", "basis": "rate card"}
        | {"ticks": 1, **columns}
        | {"day": f"2026-06-{day:02}", "micro": dollars * MICRO}
        for day, dollars in amounts.items()
    ]
    return pd.DataFrame(rows)


def complete(first: int, last: int) -> dict[str, frozenset[str]]:
    return {"one": frozenset(f"2026-06-{day:02}" for day in range(first, last + 1))}


def change(**changed: object) -> Applied:
    return Applied("op", AT, "scale-headroom", "less", **{"promise": Promise(-20 * MICRO, WARM), **changed})


def days(*applied: Applied) -> dict[datetime, date]:
    instants = [instant for one in applied for instant in (one.at, one.undone_at) if instant is not None]
    return {instant: instant.date() for instant in instants}


def test_a_change_is_measured_by_whole_days_on_both_sides_of_its_own():
    # 30 dollars a day before; 999 on the day itself count nowhere; 8 on the day after, then 10.
    amounts = dict.fromkeys(range(3, 10), 30) | {10: 999, 11: 8} | dict.fromkeys(range(12, 20), 10)
    row = savings(costs(amounts), [change()], days(change()), complete(1, 19)).iloc[0]
    assert (row["promised"], row["before"], row["days_before"]) == (20.0, 30.0, 7)
    assert row["after_1"] == 22.0
    assert row["after_7"] == pytest.approx(30 - (8 + 6 * 10) / 7)
    assert math.isnan(row["after_30"])  # not over yet


def test_only_the_part_that_was_promised_counts():
    other = costs(dict.fromkeys(range(1, 20), 1000), pool="t4")
    mine = costs(dict.fromkeys(range(3, 12), 30))
    row = savings(pd.concat([mine, other]), [change()], days(change()), complete(1, 19)).iloc[0]
    assert (row["before"], row["after_1"]) == (30.0, 0.0)


def test_a_recorded_day_without_the_part_cost_nothing_and_a_day_that_is_not_recorded_is_not_zero():
    amounts = dict.fromkeys(range(8, 10), 30)
    row = savings(costs(amounts), [change()], days(change()), complete(8, 11)).iloc[0]
    assert (row["before"], row["days_before"]) == (30.0, 2)
    assert row["after_1"] == 30.0
    missing = savings(costs(amounts), [change()], days(change()), complete(10, 20)).iloc[0]
    assert missing["days_before"] == 0
    assert math.isnan(missing["before"])
    assert math.isnan(missing["after_1"])


def test_what_had_no_price_is_no_saving():
    priced = costs(dict.fromkeys(range(3, 10), 30))
    row = savings(pd.concat([priced, costs({11: 0}, basis="")]), [change()], days(change()), complete(1, 19)).iloc[0]
    assert row["before"] == 30.0
    assert math.isnan(row["after_1"])
    assert math.isnan(row["after_7"])


def test_a_change_that_was_taken_back_is_measured_only_while_it_lasted():
    undone = change(undone_at=datetime(2026, 6, 13, tzinfo=UTC))
    amounts = dict.fromkeys(range(3, 20), 30)
    row = savings(costs(amounts), [undone], days(undone), complete(1, 19)).iloc[0]
    assert row["after_1"] == 0.0
    assert math.isnan(row["after_7"])


def test_a_change_that_spends_more_promised_a_negative_saving_and_one_without_a_price_none():
    more, unknown = change(promise=Promise(5 * MICRO, WARM)), change(promise=Promise(None, WARM))
    found = savings(costs({9: 1}), [more, unknown], days(more, unknown), complete(1, 9))
    assert found["promised"].tolist()[0] == -5.0
    assert math.isnan(found["promised"].tolist()[1])


def test_there_is_a_frame_without_changes():
    assert list(savings(costs({1: 1}), [], {}, {}).columns) == list(SAVINGS)


def test_parts_have_words():
    assert part(WARM) == "warm room in pool h100"
    assert part({"cluster": "one", "kind": "held", "namespace": "ml", "workload": "rank"}) == "what is held by ml/rank"
