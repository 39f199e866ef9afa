from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db.work import Database
from services.errors import NotFound, Refused
from services.ports import OPERATIONS, Operation
from tests.unit.db.recorded import LEASE, NODE_A, NODE_B, broken, event, finish, log, operation, propose, waiting


def stored(database: Database, key: str = "p1") -> Operation:
    with database() as work:
        found = work.operations.get(key)
    assert found is not None
    return found


def kinds(database: Database, key: str = "p1") -> list[str]:
    with database() as work:
        return [each.kind for each in work.operations.events(key)]


def begin(database: Database, at: datetime, *, worker: str = "w2", kind: str = "resumed") -> bool:
    with database() as work:
        taken = work.operations.begin("p1", worker=worker, lease_until=at + LEASE, at=at)
        if taken:
            work.operations.log(event(kind=kind, at=at), worker=worker)
        work.commit()
    return taken


def test_an_operation_and_its_events_come_back_as_they_were_written(database: Database) -> None:
    given = operation(undoes="p0", cursor=2)
    written = event(step=3, detail={"nodes": ["a-1"], "uid": None, "größe": 1.5, "7": True})
    with database() as work:
        work.operations.propose(given, [written], targets=[NODE_A])
        work.commit()
    assert stored(database) == given
    with database() as work:
        (read,) = work.operations.events("p1")
        assert work.operations.get("p2") is None
    assert replace(read, hash="") == replace(written, id=1)
    assert len(read.hash) == 64


def test_what_is_no_proper_text_is_kept_all_the_same(database: Database) -> None:
    odd = event(says="broken \0 and \ud800", detail={"says": "\0 \ud800", 9: (1, 2)})
    with database() as work:
        work.operations.propose(operation(summary="a\0b"), [odd], targets=[])
        work.commit()
    with database() as work:
        (read,) = work.operations.events("p1")
        assert (read.says, read.detail) == ("broken \ufffd and ?", {"says": "\0 \ud800", "9": [1, 2]})
    assert stored(database).summary == "a\ufffdb"
    assert broken(database) == []


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("running", "This plan was applied already, by Ada. Plan the change anew to repeat it."),
        ("proposed", "This plan was proposed already, by Ada. Plan the change anew to repeat it."),
    ],
)
def test_a_plan_is_recorded_once(database: Database, state: str, says: str) -> None:
    propose(database, operation() if state == "running" else waiting(), NODE_A)
    with database() as work, pytest.raises(Refused) as caught:
        work.operations.propose(operation(actor_name="Bob"), [event()], targets=[NODE_B])
    assert str(caught.value) == says
    assert stored(database).actor_name == "Ada"


def test_an_object_is_changed_by_one_operation_at_a_time(database: Database) -> None:
    propose(database, operation(), NODE_A)
    with database() as work, pytest.raises(Refused) as caught:
        work.operations.propose(operation("p2"), [event("p2")], targets=[NODE_B, NODE_A])
    assert str(caught.value) == "Node a-1 in east is being changed by Ada: Cordon a-1. Wait until that is over."
    with database() as work:
        assert work.operations.get("p2") is None
    assert finish(database)
    propose(database, operation("p2"), NODE_B, NODE_A)
    assert stored(database, "p2").state == "running"


def test_the_database_itself_gives_an_object_to_one_operation(database: Database) -> None:
    propose(database, operation(), NODE_A)
    propose(database, operation("p2"), NODE_B)
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(text(f"UPDATE operation_targets SET target = '{NODE_A}'"))


def test_a_proposal_takes_its_objects_when_it_begins(database: Database, now: datetime) -> None:
    propose(database, waiting(), NODE_A)
    propose(database, operation("p2", actor_name="Bob", summary="Drain a-1."), NODE_A)
    with database() as work, pytest.raises(Refused, match=r"by Bob: Drain a-1\. Wait"):
        work.operations.begin("p1", worker="w2", lease_until=now + LEASE, at=now)
    assert finish(database, "p2")
    assert begin(database, now + LEASE, kind="approved")
    assert stored(database) == operation(worker="w2", started_at=now + LEASE, lease_until=now + 2 * LEASE)
    assert not begin(database, now + LEASE, worker="w3")


@pytest.mark.parametrize("state", ["done", "unverified", "declined"])
def test_what_is_over_does_not_begin_again(database: Database, now: datetime, state: str) -> None:
    propose(database, waiting() if state == "declined" else operation(), NODE_A)
    assert finish(database, state=state, worker="" if state == "declined" else "w1")
    assert not begin(database, now + timedelta(hours=1))
    assert stored(database).state == state


@pytest.mark.parametrize("state", ["failed", "interrupted"])
def test_what_stopped_half_way_goes_on_where_it_stands(database: Database, now: datetime, state: str) -> None:
    propose(database, operation(), NODE_A)
    assert log(database, event(kind="step-done", step=0), worker="w1", cursor=1)
    assert finish(database, state=state, verification="Not seen.")
    assert (stored(database).outcome, stored(database).verification) == (f"It is {state}.", "Not seen.")
    assert begin(database, now + timedelta(hours=1))
    again = stored(database)
    assert (again.state, again.cursor, again.worker, again.started_at) == ("running", 1, "w2", now)
    assert (again.finished_at, again.outcome, again.verification) == (None, "", "")
    assert kinds(database) == ["applied", "step-done", state, "resumed"]
    assert broken(database) == []


def test_a_worker_that_lost_its_hold_writes_nothing(database: Database, now: datetime) -> None:
    propose(database, operation(), NODE_A)
    later = now + LEASE
    with database() as work:
        assert not work.operations.begin("p1", worker="w2", lease_until=later + LEASE, at=now + LEASE / 2)
        assert work.operations.begin("p1", worker="w2", lease_until=later + LEASE, at=later)
        work.operations.log(event(kind="resumed"), worker="w2")
        work.commit()
    with database() as work:
        assert not work.operations.hold("p1", worker="w1", lease_until=later + 2 * LEASE)
        assert not work.operations.log(event(kind="step-done"), worker="w1", cursor=5)
        assert not work.operations.finish("p1", "done", [event(kind="done")], at=later, outcome="x", worker="w1")
        work.commit()
    assert (stored(database).state, stored(database).cursor, stored(database).worker) == ("running", 0, "w2")
    assert kinds(database) == ["applied", "resumed"]
    with pytest.raises(Refused), database() as work:
        work.operations.propose(operation("p2"), [event("p2")], targets=[NODE_A])


def test_a_lease_is_prolonged_by_who_holds_it(database: Database, now: datetime) -> None:
    propose(database, operation())
    with database() as work:
        assert work.operations.hold("p1", worker="w1", lease_until=now + 5 * LEASE)
        work.commit()
    with database() as work:
        assert work.operations.expired(now + 4 * LEASE) == ()
        (found,) = work.operations.expired(now + 5 * LEASE)
    assert (found.id, found.lease_until) == ("p1", datetime(2026, 6, 3, 12, 5, 30, tzinfo=UTC))
    assert finish(database)
    with database() as work:
        assert work.operations.expired(now + 9 * LEASE) == ()
        assert not work.operations.hold("p1", worker="w1", lease_until=now + 9 * LEASE)


def test_nobody_ends_the_run_of_a_worker_that_lives(database: Database, now: datetime) -> None:
    propose(database, operation(), NODE_A)
    assert not finish(database, state="interrupted", worker="", at=now + LEASE / 2)
    assert not finish(database, state="declined", worker="")
    assert stored(database).state == "running"
    assert finish(database, state="interrupted", worker="", at=now + LEASE)
    assert not finish(database, state="done")


def test_a_proposal_that_began_meanwhile_is_not_declined(database: Database, now: datetime) -> None:
    propose(database, waiting(), NODE_A)
    assert begin(database, now, kind="approved")
    assert not finish(database, state="declined", worker="")
    assert stored(database).state == "running"


def test_an_operation_names_who_took_it_back(database: Database) -> None:
    propose(database, operation())
    assert finish(database)
    with database() as work:
        work.operations.undone("p1", "p2", event(kind="undone"))
        work.commit()
    assert stored(database).undone_by == "p2"
    assert kinds(database) == ["applied", "done", "undone"]
    assert broken(database) == []


def test_an_event_of_no_operation_is_not_found(database: Database) -> None:
    with database() as work:
        with pytest.raises(NotFound):
            work.operations.log(event("p9"))
        with pytest.raises(NotFound):
            work.operations.undone("p9", "p1", event("p9", "undone"))
        assert not work.operations.log(event("p9"), worker="w1")
        assert work.operations.events("p9") == ()


def test_no_change_without_an_event(database: Database) -> None:
    with database() as work, pytest.raises(ValueError, match="an event that says so"):
        work.operations.propose(operation(), [], targets=[])


def test_recent_operations_newest_first(database: Database, now: datetime) -> None:
    propose(database, operation(undoes="p0"), NODE_A)
    propose(database, waiting("p2", proposed_at=now + timedelta(hours=1), roles=(), clusters=("east",)))
    propose(database, operation("p3", proposed_at=now - timedelta(hours=1)), NODE_B)
    assert finish(database, verification="Seen.")
    with database() as work:
        frame = work.operations.recent(limit=2)
        since = work.operations.recent(since=now)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == OPERATIONS
    assert list(frame["id"]) == list(since["id"]) == ["p2", "p1"]
    assert frame["finished_at"].isna().tolist() == [True, False]
    assert frame.iloc[1].to_dict() == {
        "id": "p1",
        "at": now,
        "finished_at": now + timedelta(minutes=1),
        "action": "cordon-node",
        "summary": "Cordon a-1",
        "state": "done",
        "actor": "sub-1",
        "actor_name": "Ada",
        "roles": "operator, finance",
        "address": "10.0.0.7",
        "reason": "ECC errors",
        "clusters": "east, west",
        "outcome": "It is done.",
        "verification": "Seen.",
        "undoes": "p0",
        "undone_by": "",
        "mode": "live",
    }


def test_no_operations_are_a_frame_of_the_same_columns(database: Database) -> None:
    with database() as work:
        frame = work.operations.recent()
    assert frame.empty
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == OPERATIONS


def test_touched_nodes_are_those_of_operations_that_began_since(database: Database, now: datetime) -> None:
    hour = timedelta(hours=1)
    more = {"schema": 1, "nodes": [["east", "h100", ["a-2", "a-3"]], ["west", "", ["c-1"]]]}
    propose(database, operation(started_at=now))
    propose(database, operation("p2", plan=more, started_at=now + hour))
    propose(database, waiting("p3", plan={"nodes": [["east", "h100", ["a-9"]]]}))
    with database() as work:
        assert work.operations.touched(now) == (
            ("east", "h100", "a-1"), ("east", "h100", "a-2"), ("east", "h100", "a-3"), ("west", "", "c-1"),
        )  # fmt: skip
        assert work.operations.touched(now + hour) == (
            ("east", "h100", "a-2"), ("east", "h100", "a-3"), ("west", "", "c-1"),
        )  # fmt: skip


def test_what_goes_on_touches_its_nodes_anew_and_what_is_taken_over_does_not(database: Database, now: datetime) -> None:
    propose(database, operation())
    with database() as work:
        assert work.operations.begin("p1", worker="w2", lease_until=now + 2 * LEASE, at=now + LEASE)
        assert work.operations.touched(now + LEASE) == ()
        work.operations.log(event(kind="resumed"))
        assert work.operations.finish("p1", "failed", [event(kind="failed")], at=now, outcome="", worker="w2")
        assert work.operations.begin("p1", worker="w3", lease_until=now + 4 * LEASE, at=now + 3 * LEASE)
        assert work.operations.touched(now + 3 * LEASE) == (("east", "h100", "a-1"), ("east", "h100", "a-2"))


def test_the_breaker_is_open_from_the_event_that_tripped_it_to_its_reset(database: Database) -> None:
    def tripped() -> str | None:
        with database() as work:
            found = work.operations.breaker()
        return None if found is None else found.says

    assert tripped() is None
    log(database, event("", "breaker-tripped", says="21 nodes in an hour"))
    log(database, event("", "note"))
    assert tripped() == "21 nodes in an hour"
    log(database, event("", "breaker-reset"))
    assert tripped() is None
    assert kinds(database, "") == ["breaker-tripped", "note", "breaker-reset"]
