from pathlib import Path

import pytest

from db import audit, migrate
from db.engine import open_engine
from db.work import Database
from tests.unit.db.recorded import broken, event, log, operation, propose, tamper

ROOT = Path(__file__).parents[3]


def test_the_command_says_that_the_chain_holds(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GFC_DATABASE_URL", database_url)
    assert audit.main(["verify"]) == 0
    propose(database, operation())
    assert audit.main(["verify"]) == 0
    log(database, event("", "note"))
    assert audit.main(["verify"]) == 0
    with database() as work:
        (applied,), (note,) = work.operations.events("p1"), work.operations.events("")
    assert capsys.readouterr().out.splitlines() == [
        "0 events, chain holds; last hash none",
        f"1 event, chain holds; last hash {applied.hash}",
        f"2 events, chain holds; last hash {note.hash}",
    ]


def test_the_command_names_each_break(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GFC_DATABASE_URL", database_url)
    propose(database, operation())
    for _ in range(3):
        log(database, event("", "note"))
    tamper(database, "UPDATE operation_events SET actor = 'sub-2' WHERE id = 2")
    tamper(database, "DELETE FROM operation_events WHERE id = 3")
    tamper(database, "UPDATE operations SET reason = 'none'")
    assert audit.main(["verify"]) == 1
    *breaks, last = capsys.readouterr().out.splitlines()
    assert breaks == [
        "after event 1: Event 2 is not as it was written.",
        "after event 2: Event 3 is missing.",
        "after event 1: What operation p1 says of its plan, person or reason is not what was recorded.",
    ]
    assert last.startswith("3 events, chain is broken; last hash ")


def test_checking_does_not_wait_for_who_writes(database: Database) -> None:
    log(database, event("", "note"))
    with database() as work:
        work.operations.log(event("", "note"))
        assert audit.verify(database.engine)[0::2] == (1, ())
    assert broken(database) == []


def test_checking_leaves_the_engine_as_it_was(database: Database) -> None:
    assert audit.verify(database.engine) == (0, "", ())
    log(database, event("", "note"))
    assert audit.verify(database.engine)[0] == 1


@pytest.mark.parametrize("arguments", [[], ["verify", "now"], ["prune"]])
def test_another_call_is_answered_with_how_to_call_it(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(arguments) == 2
    assert capsys.readouterr().err == "Usage: python -m db.audit verify\n"


def test_a_database_without_the_record_has_not_been_migrated(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GFC_DATABASE_URL", database_url)
    engine = open_engine(database_url)
    migrate.upgrade(engine, "0001")
    engine.dispose()
    assert audit.main(["verify"]) == 1
    assert capsys.readouterr().err == "The database has not been migrated. Run python -m db.migrate.\n"


def test_an_unreachable_database_is_code_1_and_a_wrong_setting_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GFC_DATABASE_URL", "postgresql://console:hunter2@127.0.0.1:1/console")
    assert audit.main(["verify"]) == 1
    monkeypatch.setenv("GFC_DATABASE_URL", "nowhere")
    assert audit.main(["verify"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("The database does not answer.")
    assert "hunter2" not in said


def test_the_manual_names_the_command() -> None:
    assert "\nverify-audit: product ##" in (ROOT / "Makefile").read_text()
