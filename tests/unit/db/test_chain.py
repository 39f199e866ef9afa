import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db import audit
from db.chain import digest
from db.work import Database
from services.errors import Refused
from tests.conftest import NOW
from tests.unit.db.recorded import LEASE, NODE_A, broken, event, finish, log, operation, propose, waiting

FIRST = (
    '{"actor":"sub-1","at":"2026-06-03T12:00:30.000000+00:00","detail":{"nodes":20,"ratio":0.5},"id":1,'
    '"kind":"breaker-tripped","operation":"","previous":"","record":"","says":"gr\\u00f6\\u00dfer","step":null,"view":""}'
)
SCRIPT = """
import sys
from db.work import Database
from tests.unit.db.recorded import event, log
database = Database(sys.argv[1])
for number in range(8):
    log(database, event("", "note", says=f"{sys.argv[2]} {number}"))
"""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def test_the_hash_is_that_of_the_event_in_one_way_to_write_it(database: Database) -> None:
    log(database, event("", "breaker-tripped", says="größer", detail={"ratio": 0.5, "nodes": 20}))
    log(database, event("", "breaker-reset"))
    with database() as work:
        first, second = work.operations.events("")
    assert first.hash == hashlib.sha256(FIRST.encode()).hexdigest()
    assert second.hash != first.hash
    with database.engine.connect() as connection:
        before = connection.execute(text("SELECT previous FROM operation_events ORDER BY id")).scalars().all()
    assert before == ["", first.hash]


def test_an_instant_has_one_hash_whatever_zone_it_is_told_in() -> None:
    summer = timezone(timedelta(hours=2))
    assert digest(datetime(2026, 6, 3, 14, 0, tzinfo=summer)) == digest(datetime(2026, 6, 3, 12, 0, tzinfo=UTC))
    with pytest.raises(TypeError, match="its zone"):
        digest(datetime(2026, 6, 3, 12, 0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_no_detail(database: Database, value: float) -> None:
    with database() as work, pytest.raises(ValueError, match="JSON"):
        work.operations.log(event("", "note", detail={"ratio": value}))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(says=st.text(max_size=20), detail=st.dictionaries(st.text(max_size=4), json_values, max_size=3))
def test_whatever_is_said_the_chain_holds(database: Database, says: str, detail: dict) -> None:
    log(database, event("", "note", says=says, detail=detail, at=NOW.replace(microsecond=1)))
    assert broken(database) == []
    with database() as work:
        assert work.operations.events("")[-1].detail == detail


def test_ids_count_without_gaps_although_some_transactions_are_given_up(database: Database) -> None:
    log(database, event("", "note"))
    with database() as work:
        work.operations.log(event("", "note"))
    log(database, event("", "note"))
    with database() as work:
        assert [each.id for each in work.operations.events("")] == [1, 2]
    assert broken(database) == []


def test_appends_of_many_threads_make_one_chain(database: Database) -> None:
    for number in range(4):
        propose(database, operation(f"p{number}", worker=f"w{number}"))

    def append(number: int) -> bool:
        mine = number % 4
        return log(database, event(f"p{mine}", "step-done", step=number), worker=f"w{mine}", cursor=number)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(append, range(40)))
    assert broken(database) == []
    with database() as work:
        found = [each.step for number in range(4) for each in work.operations.events(f"p{number}")]
    assert sorted(step for step in found if step is not None) == list(range(40))


def test_appends_of_several_processes_make_one_chain(database: Database, database_url: str) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, database_url, name], cwd=Path(__file__).parents[3])
        for name in ("one", "two")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert broken(database) == []
    with database() as work:
        said = [each.says for each in work.operations.events("")]
    assert [each for each in said if each.startswith("one")] == [f"one {number}" for number in range(8)]
    assert len(said) == 16


def test_of_many_workers_one_begins_an_operation(database: Database, now: datetime) -> None:
    propose(database, waiting(), NODE_A)

    def begin(worker: str) -> bool:
        with database() as work:
            taken = work.operations.begin("p1", worker=worker, lease_until=now + LEASE, at=now)
            if taken:
                work.operations.log(event(kind="approved"), worker=worker)
            work.commit()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = dict(zip("abcd", pool.map(begin, "abcd"), strict=True))
    assert sorted(taken.values()) == [False, False, False, True]
    with database() as work:
        found = work.operations.get("p1")
    assert found is not None
    assert taken[found.worker]
    assert broken(database) == []


def test_of_many_operations_on_one_object_one_runs(database: Database) -> None:
    def run(number: int) -> bool:
        try:
            propose(database, operation(f"p{number}"), f"east|v1|Node||other-{number}", NODE_A)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [False, False, False, True]
    with database() as work:
        assert len(work.operations.recent()) == 1


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE operation_events SET says = 'nothing'", "are not changed"),
        ("DELETE FROM operation_events WHERE id = 2", "removed from the start only"),
        ("DELETE FROM operation_events", "removed from the start only"),
        ("TRUNCATE operation_events", "are not changed"),
    ],
)
def test_the_database_keeps_events_from_change(database: Database, statement: str, says: str) -> None:
    if database.engine.dialect.name == "sqlite" and statement.startswith("TRUNCATE"):
        return  # SQLite has no such statement
    log(database, event("", "note"))
    log(database, event("", "note"))
    with pytest.raises(DBAPIError, match=says), database.engine.begin() as connection:
        connection.execute(text(statement))


def test_who_checks_while_others_write_sees_no_break(database: Database) -> None:
    def write(number: int) -> None:
        propose(database, operation(f"p{number}"))
        finish(database, f"p{number}")

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write, number) for number in range(20)]
        while not all(each.done() for each in writing):
            assert broken(database) == []
            assert audit.verify(database.engine)[2] == ()
        assert [each.result() for each in writing] == [None] * 20
    assert broken(database) == []
