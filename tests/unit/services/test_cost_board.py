"""Reading costs and what the Cost page makes of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from services.cost.board import Asked, board, llm
from services.cost.read import recorded
from services.domain import frames
from services.domain.cost import HOURS, LISTLESS
from services.domain.cost.budget import Budget
from services.domain.cost.periods import Calendar
from services.domain.cost.report import totals
from services.domain.cost.windows import Window
from services.domain.scope import Scope, Sight
from services.ports import CostPolicy, Sources
from services.reading import Absence
from tests import costing, tiny
from tests.conftest import NOW
from tests.costing import CHAT, SPOT, TRAIN, USD, Book, cost

ROWS = (
    cost("2026-06-01", 24, 100, who=CHAT),
    cost("2026-06-02", 24, 60, who=TRAIN, at=SPOT),
    cost("2026-06-02", 24, 40),
    cost("2026-05-02", 24, 10, who=CHAT),
)
MONTH = Window(date(2026, 6, 1), date(2026, 6, 3))


def over(book: Book, **changes: object) -> Sources:
    return replace(tiny.sources(), work=book, **changes)  # type: ignore[arg-type]


def hours(*rows: tuple[str, dict[str, object]]) -> pd.DataFrame:
    """Frame HOURS of costs that are an hour's."""
    known = [{**row, "hour": pd.Timestamp(at)} for at, row in rows]
    return frames.table(HOURS, [[row[name] for name in HOURS] for row in known])


def test_hours_not_yet_in_days_are_in_the_figures_and_those_that_are_count_once() -> None:
    """2 June is in the days as 100 already; two of its hours say 30 and 5, and they are newer. 3 June has one: 7."""
    book = Book(
        days=costing.days(*ROWS),
        hours=hours(
            ("2026-06-02T10:00Z", cost("", 4, 30, who=CHAT)),
            ("2026-06-02T11:00Z", cost("", 4, 5, who=CHAT, listed=9)),
            ("2026-06-03T11:00Z", cost("", 4, 7, who=CHAT)),
        ),
    )
    found = recorded(over(book), MONTH).value
    assert found is not None
    by_day = found.costs.groupby("day", observed=True)["micro"].sum().to_dict()
    assert by_day == {"2026-06-01": 100 * USD, "2026-06-02": 35 * USD, "2026-06-03": 7 * USD}
    second = found.costs[found.costs["day"] == "2026-06-02"]
    assert sorted(second["list_micro"]) == [LISTLESS, 9 * USD], "what has no list price is not summed with what has"


def test_hours_belong_to_the_day_of_the_reporting_zone() -> None:
    """20:00 UTC on 1 June is 01:30 on 2 June in Kolkata."""
    book = Book(days=costing.days(), hours=hours(("2026-06-01T20:00Z", cost("", 4, 30, who=CHAT))))
    policy = replace(tiny.sources().policy, cost=CostPolicy(zone="Asia/Kolkata"))
    found = recorded(over(book, policy=policy), MONTH).value
    assert found is not None
    assert found.costs["day"].tolist() == ["2026-06-02"]


def test_windows_inside_two_months_are_read_once_and_together() -> None:
    book = Book(days=costing.days(*ROWS))
    sources = over(book)
    for window in ("month", "last month", "7d", "30d"):
        assert board(sources, Scope(), Asked(window=window)).value is not None
    assert book.reads == 4, "May and June once, and three windows in April that they are set beside"


def test_a_failure_keeps_what_was_read_and_says_since_when() -> None:
    book = Book(days=costing.days(*ROWS))
    sources = over(book)
    good = board(sources, Scope(), Asked())
    book.broken = True
    later = board(replace(sources, now=lambda: NOW + timedelta(minutes=5)), Scope(), Asked())
    assert later.value == good.value or later.value is not None
    assert later.as_of == NOW
    assert later.problem is not None
    assert later.problem.source == "database"
    assert later.problem.since == NOW + timedelta(minutes=5)


def test_without_a_record_nothing_is_configured() -> None:
    assert board(tiny.sources(), Scope(), Asked()).absence is Absence.NOT_CONFIGURED


def test_the_scope_selects_hardware_or_what_its_owners_hold() -> None:
    sources = over(Book(days=costing.days(*ROWS)))

    def total(scope: Scope) -> int:
        found = board(sources, scope, Asked()).value
        assert found is not None
        return found.totals.micro

    assert total(Scope()) == 200 * USD
    assert total(Scope(pool="h100")) == 140 * USD
    assert total(Scope(model="L4")) == 60 * USD
    assert total(Scope(team="product")) == 100 * USD
    assert total(Scope(namespace="lab")) == 60 * USD
    assert total(Scope(cluster="nowhere")) == 0
    assert total(Scope(sees=Sight(teams=frozenset({"research"})))) == 60 * USD
    assert total(Scope(sees=Sight(teams=frozenset({""})))) == 0, "no team is not nobody: the free GPUs are not theirs"


def test_the_change_is_of_whole_days_of_clusters_recorded_in_both() -> None:
    found = board(over(Book(days=costing.days(*ROWS))), Scope(), Asked()).value
    assert found is not None
    assert found.beside is not None
    assert (found.beside.now, found.beside.then) == (
        Window(date(2026, 6, 1), date(2026, 6, 2)),
        Window(date(2026, 5, 1), date(2026, 5, 2)),
    )
    assert (found.beside.change.before, found.beside.change.after) == (10 * USD, 200 * USD)
    assert found.beside.missing == 1, "nothing is recorded of 1 May"
    young = board(over(Book(days=costing.days(*ROWS), since=datetime(2026, 5, 2, tzinfo=UTC))), Scope(), Asked()).value
    assert young is not None
    assert young.beside is None
    assert young.uncovered == ("tiny",)


def test_days_that_are_over_and_not_recorded_are_counted() -> None:
    found = board(over(Book(days=costing.days(ROWS[0]))), Scope(), Asked()).value
    assert found is not None
    assert found.unrecorded == 1, "2 June; 3 June is not over"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [(Scope(), ["Fleet"]), (Scope(team="product"), ["Product"]), (Scope(team="product", pool="h100"), [])],
)
def test_lines_are_budgets_of_exactly_this_scope(scope: Scope, expected: list[str]) -> None:
    budgets = (
        Budget("a", "Fleet", "fleet", 3000 * USD),
        Budget("b", "Product", "team", 700 * USD, "product", Calendar("week")),
    )
    found = board(over(Book(days=costing.days(*ROWS), budgets=budgets)), scope, Asked()).value
    assert found is not None
    assert [line.name for line in found.budgets] == expected
    assert {line.micro_per_day for line in found.budgets} <= {100 * USD}, "June has 30 days, a week 7"


def test_keys_are_read_for_nobody_who_may_not_see_them() -> None:
    sources = over(Book(days=costing.days(*ROWS)))
    closed, opened = (llm(sources, Scope(), Asked(), spenders=may).value for may in (False, True))
    assert closed is not None
    assert opened is not None
    assert "key" not in closed.splits
    assert "key" in opened.splits


def test_costs_of_a_month_are_the_sum_of_their_halves() -> None:
    sources = over(Book(days=costing.days(*ROWS)))
    parts = [Window(date(2026, 6, 1), date(2026, 6, 1)), Window(date(2026, 6, 2), date(2026, 6, 3))]
    halves = [recorded(sources, part).value for part in parts]
    assert sum(totals(half.costs).micro for half in halves if half is not None) == 200 * USD
