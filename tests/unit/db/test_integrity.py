from datetime import timedelta

import pytest

from db import integrity
from db.work import Database
from services.errors import Refused
from services.ports import Broken
from tests.conftest import NOW
from tests.unit.db.recorded import NODE_A, broken, event, finish, log, operation, propose, tamper, waiting, would_break

ALTERED = (
    "INSERT INTO operation_events SELECT {id}, operation, kind, at, actor, says, step, detail, record, view, "
    "{previous}, hash FROM operation_events WHERE id = 2"
)


@pytest.fixture
def recorded(database: Database) -> Database:
    """Events 1 applied, 2 and 3 step-done, 4 done of p1; 5 proposed of p2; 6 a note of the installation."""
    propose(database, operation(), NODE_A)
    for step in (0, 1):
        log(database, event(kind="step-done", step=step), worker="w1", cursor=step + 1)
    finish(database)
    propose(database, waiting("p2"), NODE_A)
    log(database, event("", "note"))
    assert broken(database) == []
    return database


def test_a_changed_event_is_found(recorded: Database) -> None:
    for change in (
        "operation = 'p2'", "kind = 'failed'", "at = '2026-06-03 12:00:31.000000+00'", "actor = 'sub-2'", "says = ''",
        "step = NULL", "detail = '{\"a\": 1}'", "record = ''", "view = ''",
    ):  # fmt: skip
        found = would_break(recorded, f"UPDATE operation_events SET {change} WHERE id = 3")
        assert Broken(2, "Event 3 is not as it was written.") in found, change
    assert broken(recorded) == []


def test_a_change_with_a_matching_hash_is_found_at_the_next_event(recorded: Database) -> None:
    tamper(recorded, f"UPDATE operation_events SET hash = '{'0' * 64}' WHERE id = 3")
    assert broken(recorded) == [
        Broken(2, "Event 3 is not as it was written."),
        Broken(3, "Event 4 does not follow the one before it: one of the two was rewritten."),
    ]


def test_a_rewritten_last_event_is_found(recorded: Database) -> None:
    tamper(recorded, f"UPDATE operation_events SET hash = '{'0' * 64}' WHERE id = 6")
    assert broken(recorded) == [
        Broken(5, "Event 6 is not as it was written."),
        Broken(6, "Event 6 is not the one that was written last."),
    ]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("id = 3", Broken(2, "Event 3 is missing.")),
        ("id IN (2, 3)", Broken(1, "Events 2 to 3 are missing.")),
        ("id = 1", Broken(0, "Event 1 is missing.")),
        ("id = 6", Broken(5, "Event 6 is missing at the end.")),
    ],
)
def test_a_removed_event_is_found(recorded: Database, which: str, expected: Broken) -> None:
    tamper(recorded, f"DELETE FROM operation_events WHERE {which}")
    assert broken(recorded) == [expected]


def test_a_record_that_was_emptied_is_found(recorded: Database) -> None:
    tamper(recorded, "DELETE FROM operation_events")
    tamper(recorded, "DELETE FROM operations")
    assert broken(recorded) == [Broken(0, "Events 1 to 6 are missing at the end.")]


def test_what_is_appended_after_a_cut_does_not_hide_it(recorded: Database) -> None:
    tamper(recorded, "DELETE FROM operation_events WHERE id = 6")
    log(recorded, event("", "note"))
    assert broken(recorded) == [Broken(5, "Event 6 is missing.")]


def test_an_inserted_event_is_found(recorded: Database) -> None:
    tamper(recorded, ALTERED.format(id=7, previous="previous"))
    tamper(recorded, ALTERED.format(id=0, previous="previous"))
    assert broken(recorded) == [
        Broken(0, "Event 0 was put before the start of the chain."),
        Broken(6, "Event 7 does not follow the one before it: one of the two was rewritten."),
        Broken(6, "Event 7 is not as it was written."),
        Broken(6, "Event 7 is behind the end of the chain."),
        Broken(7, "What operation p1 says of its state or outcome is not what its events say."),
    ]


def test_an_event_that_replaces_another_is_found(recorded: Database) -> None:
    tamper(recorded, "DELETE FROM operation_events WHERE id = 3")
    tamper(recorded, ALTERED.format(id=3, previous="(SELECT hash FROM operation_events WHERE id = 2)"))
    assert broken(recorded) == [
        Broken(2, "Event 3 is not as it was written."),
        Broken(3, "Event 4 does not follow the one before it: one of the two was rewritten."),
    ]


def test_an_operation_with_another_plan_person_or_reason_is_found(recorded: Database) -> None:
    for change in (
        "reason = 'none'", "actor = 'sub-2'", "actor_name = 'Bob'", "roles = '[\"admin\"]'", "address = ''",
        "summary = 'x'", "action = 'x'", "undoes = 'p0'", "mode = 'demo'", "clusters = '[]'", "rehearsal = '[]'",
        "proposed_at = '2026-06-03 12:00:31.000000+00'", "plan = '{\"schema\": 1}'",
    ):  # fmt: skip
        assert would_break(recorded, f"UPDATE operations SET {change} WHERE id = 'p1'") == [
            Broken(4, "What operation p1 says of its plan, person or reason is not what was recorded.")
        ], change


def test_an_operation_in_another_state_than_its_events_say_is_found(recorded: Database) -> None:
    for change in (
        "state = 'failed'", "started_at = NULL", "finished_at = NULL", "cursor = 1", "outcome = 'x'",
        "verification = 'x'", "undone_by = 'p2'",
    ):  # fmt: skip
        assert would_break(recorded, f"UPDATE operations SET {change} WHERE id = 'p1'") == [
            Broken(4, "What operation p1 says of its state or outcome is not what its events say.")
        ], change


def test_a_proposal_made_to_run_is_found(recorded: Database) -> None:
    tamper(recorded, "UPDATE operations SET state = 'running', worker = 'w9' WHERE id = 'p2'")
    assert broken(recorded) == [Broken(5, "What operation p2 says of its state or outcome is not what its events say.")]


def test_another_plan_stays_found_after_more_events(database: Database) -> None:
    propose(database, operation())
    tamper(database, "UPDATE operations SET plan = '{\"schema\": 1}'")
    assert finish(database)
    assert broken(database) == [
        Broken(2, "What operation p1 says of its plan, person or reason is not what was recorded.")
    ]


def test_a_removed_and_an_added_operation_are_found(recorded: Database) -> None:
    tamper(recorded, "DELETE FROM operation_targets")
    tamper(recorded, "DELETE FROM operation_nodes")
    tamper(recorded, "UPDATE operations SET id = 'p7' WHERE id = 'p1'")
    assert broken(recorded) == [Broken(0, "Operation p7 has no events."), Broken(4, "Operation p1 is missing.")]


@pytest.mark.parametrize("column", ["detail", "at"])
def test_an_event_that_cannot_be_read_is_found_among_the_others(recorded: Database, column: str) -> None:
    if recorded.engine.dialect.name == "postgresql":
        return  # it refuses such values
    tamper(recorded, f"UPDATE operation_events SET {column} = 'rubbish' WHERE id = 3")
    tamper(recorded, "UPDATE operations SET plan = 'rubbish' WHERE id = 'p2'")
    assert broken(recorded) == [
        Broken(2, "Event 3 is not as it was written."),
        Broken(5, "What operation p2 says of its plan, person or reason is not what was recorded."),
    ]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM audit_ends WHERE name = 'head'", "Where the chain begins and ends is no longer known."),
        ("UPDATE audit_ends SET event = 5 WHERE name = 'head'", "Event 6 is behind the end of the chain."),
        ("UPDATE audit_ends SET event = 1 WHERE name = 'anchor'", "Event 1 was put before the start of the chain."),
    ],
)
def test_moved_ends_are_found(recorded: Database, statement: str, expected: str) -> None:
    tamper(recorded, statement)
    assert expected in [each.says for each in broken(recorded)]


def test_a_long_chain_is_read_in_batches(recorded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "BATCH", 2)
    assert broken(recorded) == []
    tamper(recorded, "DELETE FROM operation_events WHERE id = 4")
    assert Broken(3, "Event 4 is missing.") in broken(recorded)


def test_pruning_removes_a_prefix_and_what_is_left_holds(recorded: Database) -> None:
    with recorded() as work:
        assert work.operations.prune(NOW) == 0
        assert work.operations.prune(NOW + timedelta(seconds=1)) == 3
        work.commit()
    assert broken(recorded) == []
    with recorded() as work:
        assert [each.id for each in work.operations.events("p1")] == [4]
        assert list(work.operations.recent()["id"]) == ["p1", "p2"]
        assert work.operations.prune(NOW + timedelta(hours=1)) == 3
        work.commit()
    assert broken(recorded) == []
    with recorded() as work:
        assert work.operations.recent().empty
        assert work.operations.touched(NOW) == ()
        assert work.operations.prune(NOW + timedelta(hours=2)) == 0
    log(recorded, event("", "note"))
    assert broken(recorded) == []
    with recorded() as work:
        assert [each.id for each in work.operations.events("")] == [7]
    propose(recorded, operation("p9"), NODE_A)


def test_pruning_that_is_given_up_removes_nothing(recorded: Database) -> None:
    with recorded() as work:
        assert work.operations.prune(NOW + timedelta(hours=1)) == 6
    assert broken(recorded) == []
    with recorded() as work:
        assert len(work.operations.events("p1")) == 4


def test_what_is_not_over_stays(database: Database) -> None:
    log(database, event("", "note"))
    log(database, event("", "breaker-tripped"))
    propose(database, operation())
    later = NOW + timedelta(hours=1)
    with database() as work:
        assert work.operations.prune(later) == 1
        work.operations.log(event("", "breaker-reset"))
        assert work.operations.prune(later) == 1
        assert work.operations.prune(later) == 0
        assert work.operations.finish("p1", "done", [event(kind="done")], at=NOW, outcome="", worker="w1")
        assert work.operations.prune(later) == 3
        work.commit()
    assert broken(database) == []


def test_what_was_tampered_with_is_kept_as_evidence(recorded: Database) -> None:
    tamper(recorded, "UPDATE operation_events SET says = 'nothing' WHERE id = 2")
    with recorded() as work, pytest.raises(Refused, match="tampered with"):
        work.operations.prune(NOW + timedelta(hours=1))
    assert broken(recorded) == [Broken(1, "Event 2 is not as it was written.")]


def test_a_prefix_cut_by_hand_is_found(recorded: Database) -> None:
    with recorded() as work:
        assert work.operations.prune(NOW + timedelta(seconds=1)) == 3
        work.commit()
    tamper(recorded, "DELETE FROM operation_events WHERE id = 4")
    assert broken(recorded) == [Broken(3, "Event 4 is missing."), Broken(0, "Operation p1 has no events.")]
