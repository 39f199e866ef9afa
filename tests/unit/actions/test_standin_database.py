"""A record that cannot be written: nothing is done then, or nothing more."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from db import engine as database_engine
from services.errors import Refused, SourceUnavailable
from tests import proving
from tests.cases import CASES, ON_API
from tests.proving import LAB, OPERATOR, REASON, Bench, Written


@pytest.fixture(params=sorted(ON_API))
def action(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(database_engine, "BUSY_TIMEOUT_S", 0.05)
    with proving.bench("memory", tmp_path) as found:
        yield found


class Lock:
    """Another connection that holds the write lock of the file."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self.held = False

    def take(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self.held = True

    def release(self) -> None:
        self._connection.execute("ROLLBACK")
        self.held = False

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def lock(bench: Bench) -> Iterator[Lock]:
    with closing(Lock(bench.file)) as found:
        yield found


def test_while_the_file_is_locked_nothing_is_applied(bench: Bench, lock: Lock, action: str) -> None:
    engine = bench.engine()
    plan = bench.plan(engine, action, CASES[action].lab)
    rehearsal = engine.rehearse(plan, OPERATOR)
    lock.take()
    with pytest.raises((SourceUnavailable, Refused), match=r"[Dd]atabase"):
        engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    assert bench.writes == []
    lock.release()
    with bench.database() as unit:
        assert unit.operations.get(plan.id) is None
    assert bench.operation(bench.applied(engine, plan)).state == "done", "the plan was not used up"


def test_while_the_file_is_locked_a_rehearsal_says_that_nothing_can_be_recorded(
    bench: Bench, lock: Lock, action: str
) -> None:
    engine = bench.engine()
    plan = bench.plan(engine, action, CASES[action].lab)
    lock.take()
    rehearsal = engine.rehearse(plan, OPERATOR)
    assert not rehearsal.ok
    assert "Nothing is changed without a record." in rehearsal.refusal
    lock.release()


def test_a_file_that_cannot_be_written_refuses_before_anything_is_done(bench: Bench, action: str) -> None:
    engine = bench.engine()
    plan = bench.plan(engine, action, CASES[action].lab)
    rehearsal = engine.rehearse(plan, OPERATOR)
    bench.database.close()

    def read_only(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    event.listen(bench.database.engine, "connect", read_only)
    with pytest.raises((SourceUnavailable, Refused)):
        engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    assert bench.writes == []
    event.remove(bench.database.engine, "connect", read_only)
    bench.database.close()
    with bench.database() as unit:
        assert unit.operations.get(plan.id) is None
        assert unit.operations.verify() == ()


def test_a_file_locked_during_a_change_holds_it_up_and_no_longer(bench: Bench, lock: Lock, action: str) -> None:
    """The lock comes with the first write and goes ten seconds later: what follows waits for it."""
    spy = bench.spies[LAB]

    def locks(_written: Written) -> None:
        spy.before = lambda written: None
        lock.take()
        waited = bench.clock.now

        def tick() -> None:
            usual()
            if lock.held and (bench.clock.now - waited).total_seconds() >= 10:
                lock.release()

        assert bench.standin is not None
        usual = bench.standin.tick
        bench.standin.tick = tick  # type: ignore[method-assign]

    spy.before = locks
    engine = bench.engine()
    operation = bench.operation(bench.applied(engine, bench.plan(engine, action, CASES[action].lab)))
    assert operation.state == "done"
    written = tuple(f"{one.verb} {one.ref.kind} {one.ref.name}" for one in bench.writes)
    assert written == CASES[action].writes
    assert bench.broken() == ()


def test_a_file_locked_for_good_during_a_change_stops_it_and_it_is_found_later(
    bench: Bench, lock: Lock, action: str
) -> None:
    spy = bench.spies[LAB]

    def locks(_written: Written) -> None:
        spy.before = lambda written: None
        lock.take()

    spy.before = locks
    engine = bench.engine()
    plan = bench.plan(engine, action, CASES[action].lab)
    rehearsal = engine.rehearse(plan, OPERATOR)
    engine.apply(plan, OPERATOR, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
    assert len(bench.writes) == 1, "nothing follows the step that could not be recorded"
    lock.release()
    assert bench.operation(plan.id).state == "running"
    bench.later(3600)
    later = bench.engine()
    assert later.recover() == [plan.id]
    assert "Step 1 had landed" in bench.operation(plan.id).outcome
    later.resume(plan.id, OPERATOR, reason="the disk was mended")
    assert bench.operation(plan.id).state == "done"
    written = tuple(f"{one.verb} {one.ref.kind} {one.ref.name}" for one in bench.writes)
    assert written == CASES[action].writes
    assert bench.broken() == ()
