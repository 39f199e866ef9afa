"""What only the databases can get wrong in the record of costs; the rest is in tests/contracts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from db.work import Database
from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOLD_SPANS, HOURS, LLM, NODE_SPANS, OWNERS, PLACES
from services.domain.cost.budget import Budget
from services.domain.cost.rates import CARD
from services.errors import Conflict
from services.ports import Costs, Crossing
from tests import costsynth

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOREVER = TEN - 10_000 * HOUR, TEN + 10_000 * HOUR
FLEET = costsynth.fleet(100)


def do(database: Database, what: Callable[[Costs], Any]) -> Any:
    with database() as unit:
        answer = what(unit.costs)
        unit.commit()
    return answer


def number(database: Database, table: str) -> int:
    with database.engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def at_once(count: int, what: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(what, turn) for turn in range(count)]]


def by_row(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["cluster", "owner", "place", "kind"], ignore_index=True)


def test_thousands_of_rows_come_back_as_they_were_written(database: Database) -> None:
    facts, controls = costsynth.hours(costsynth.fleet(3000), TEN, 2)
    do(database, lambda costs: costs.close(facts, controls))
    with database.reading() as unit:
        for begin in (TEN, TEN + HOUR):
            found = unit.costs.hours(begin, begin + HOUR)
            pd.testing.assert_frame_equal(by_row(found), by_row(facts[facts["hour"] == begin]))


def test_two_collectors_that_close_the_same_hour_leave_one_copy(database: Database) -> None:
    facts, controls = costsynth.hours(FLEET, TEN, 3)
    at_once(3, lambda _: do(database, lambda costs: costs.close(facts, controls)))
    assert number(database, "cost_hours") == len(facts)
    assert number(database, "cost_controls") == len(controls) == 9
    assert number(database, "cost_sorts") == len(facts[["kind", "basis"]].drop_duplicates())


def test_two_collectors_that_write_the_same_spans_leave_one_copy(database: Database) -> None:
    node = ("east", "n1", TEN, None, "a-1", 1, 8, 0, 0, False)
    hold = ("east", "p1", "n1", TEN, None, "held", 1, "asr", 27_720)
    given = frames.table(NODE_SPANS, [node]), frames.table(HOLD_SPANS, [hold]), FLEET.owners, FLEET.places
    at_once(3, lambda _: do(database, lambda costs: costs.save_spans(*given)))
    assert [number(database, f"cost_{table}") for table in ("node_spans", "hold_spans")] == [1, 1]
    assert number(database, "cost_owners") == len(FLEET.owners)


def test_of_several_who_write_the_next_card_one_does(database: Database) -> None:
    lines = costsynth.card()

    def add(turn: int) -> int:
        try:
            return int(do(database, lambda costs: costs.add_card(lines, after=0, at=TEN, actor=str(turn), reason="")))
        except Conflict:
            return 0

    assert sorted(at_once(4, add)) == [0, 0, 0, 1]
    with database.reading() as unit:
        assert [card.version for card in unit.costs.cards()] == [1]


def test_of_several_who_change_a_budget_one_does(database: Database) -> None:
    budget = Budget("b1", "All", "fleet", 1_000_000)

    def save(turn: int, revision: int = 0) -> int:
        try:
            with database() as unit:
                saved = unit.budgets.save(
                    Budget("b1", f"All {turn}", "fleet", 1, revision=revision), at=TEN, actor="ada"
                )
                unit.commit()
        except Conflict:
            return 0
        return saved.revision

    assert sorted(at_once(4, save)) == [0, 0, 0, 1]
    assert sorted(at_once(4, lambda turn: save(turn, 1))) == [0, 0, 0, 2]
    with database.reading() as unit:
        assert len(unit.budgets.history(budget.id)) == 2


def test_of_several_who_note_a_crossing_one_does(database: Database) -> None:
    def cross(_: int) -> bool:
        with database() as unit:
            noted = unit.budgets.cross(Crossing("b1", TEN, "0.8", TEN, 8, 10))
            unit.commit()
        return noted

    assert sorted(at_once(4, cross)) == [False, False, False, True]


def test_one_key_twice_is_refused_and_nothing_is_kept(database: Database) -> None:
    facts = costsynth.days(FLEET, date(2026, 6, 3), 1)
    twice = pd.concat([facts, facts.head(1)], ignore_index=True)
    with pytest.raises(IntegrityError):
        do(database, lambda costs: costs.set_days(twice, ("east", "west", "lab"), "2026-06-03", "2026-06-03", 1))
    assert (number(database, "cost_days"), number(database, "cost_day_sheets")) == (0, 0)


def test_a_removed_day_leaves_no_row_behind(database: Database) -> None:
    facts, clusters = costsynth.days(FLEET, date(2026, 6, 1), 3), ("east", "west", "lab")
    do(database, lambda costs: costs.set_days(facts, clusters, "2026-06-01", "2026-06-03", 1))
    do(database, lambda costs: costs.set_days(frames.empty(DAYS), clusters, "2026-06-01", "2026-06-02", 1))
    with database.reading() as unit:
        left = unit.costs.days("2026-01-01", "2026-12-31")
    assert set(left["day"]) == {"2026-06-03"}
    assert number(database, "cost_days") == len(left)
    assert number(database, "cost_day_sheets") == 3


def test_hours_are_removed_whole_the_oldest_first(database: Database) -> None:
    facts, controls = costsynth.hours(FLEET, TEN, 4)
    do(database, lambda costs: costs.close(facts, controls))
    first = do(database, lambda costs: costs.prune(TEN + 2 * HOUR, 1))
    with database.reading() as unit:
        left, sheets = unit.costs.hours(*FOREVER), unit.costs.controls(*FOREVER)
    assert first == len(facts) - len(left) + 1  # of one cluster and hour, with its control
    kept = left.groupby(["cluster", "hour"])["micro"].sum().to_dict()
    assert kept == sheets.set_index(["cluster", "hour"])["micro"].to_dict()
    gone = [first]
    while gone[-1]:
        gone.append(do(database, lambda costs: costs.prune(TEN + 2 * HOUR, 1)))
    assert len(gone) == 7  # two hours of three clusters, and the last that found nothing
    assert number(database, "cost_controls") == 6


def test_spans_are_removed_as_many_at_a_time_as_asked(database: Database) -> None:
    nodes = [("east", f"n{turn}", TEN, TEN + HOUR, "a", 1, 8, 0, 0, False) for turn in range(5)]
    given = frames.table(NODE_SPANS, nodes), frames.empty(HOLD_SPANS), frames.empty(OWNERS), frames.empty(PLACES)
    do(database, lambda costs: costs.save_spans(*given))
    gone = [do(database, lambda costs: costs.prune(TEN + 2 * HOUR, 2)) for _ in range(4)]
    assert gone == [2, 2, 1, 0]


def test_text_from_outside_that_an_engine_cannot_keep_is_replaced(database: Database) -> None:
    hold = ("east", "p1", "n1", TEN, None, "held", 1, "a\0b", 1)
    spend = ("east", TEN, "gateway", "g", "m\0", "", "", "", "", "", 1.0, 1.0, 1.0, 1)
    holds = frames.table(HOLD_SPANS, [hold])
    nothing = frames.empty(NODE_SPANS), frames.empty(OWNERS), frames.empty(PLACES)
    do(database, lambda costs: costs.save_spans(nothing[0], holds, *nothing[1:]))
    do(database, lambda costs: costs.save_llm(frames.table(LLM, [spend]), "east", "gateway", [TEN]))
    with database.reading() as unit:
        assert unit.costs.open_spans("east")[1]["pod"].tolist() == ["a�b"]
        assert unit.costs.llm(*FOREVER)["model"].tolist() == ["m�"]


def test_a_year_of_days_is_read_with_three_statements(database: Database) -> None:
    facts = costsynth.days(FLEET, date(2025, 6, 1), 365)
    costsynth.fill(database, FLEET, facts, TEN)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    with database.reading() as unit:
        found = unit.costs.days("2025-06-01", "2026-05-31")
    assert len(found) == len(facts)
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 3


def test_sums_beyond_32_bits_stay_exact(database: Database) -> None:
    row = ("east", "2026-06-03", 0, 2**62 + 1, 2**63 - 1, "held", "b", 2**62 + 3, 2**62 + 5, -1, 0, 0, 0, 0)
    days = frames.table(DAYS, [row])
    do(database, lambda costs: costs.set_days(days, ("east",), "2026-06-03", "2026-06-03", 0))
    with database.reading() as unit:
        found = unit.costs.days("2026-06-03", "2026-06-03")
    assert tuple(found.iloc[0]) == row


def test_reading_costs_writes_nothing(database: Database) -> None:
    with database.reading() as unit:
        unit.costs.hours(*FOREVER)
    hours = frames.empty(HOURS), frames.table(CONTROLS, [("east", TEN, 0, 0, 0, 0, 0, TEN)])
    with pytest.raises(RuntimeError, match="only reads"), database.reading() as unit:
        unit.costs.close(*hours)


def test_a_card_without_lines_is_a_card(database: Database) -> None:
    do(database, lambda costs: costs.add_card(frames.empty(CARD), after=0, at=TEN, actor="a\0", reason="all list"))
    with database.reading() as unit:
        card = unit.costs.card()
    assert card is not None
    assert (card.version, card.actor, len(card.lines)) == (1, "a�", 0)
