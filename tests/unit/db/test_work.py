from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, text

from db import engine, migrate
from db.work import Database
from services.errors import SourceUnavailable, WrongSetting
from tests.unit.db import recorded

ENTRY = {"schema": 1, "what": "cordon", "node": "a-1"}


class AbandonedScriptError(BaseException):
    """Like what ends a page script when the visitor clicks something else."""


def stored(database: Database) -> list[int]:
    with database.reading() as work:
        return [entry.id for entry in work.journal.entries()]


def test_a_commit_keeps_what_was_done(database: Database, now: datetime) -> None:
    with database() as work:
        work.journal.append("east", ENTRY, at=now, actor="ada")
        work.commit()
    assert stored(database) == [1]


def test_leaving_without_a_commit_keeps_nothing(database: Database, now: datetime) -> None:
    with database() as work:
        work.journal.append("east", ENTRY, at=now, actor="ada")
    assert stored(database) == []


@pytest.mark.parametrize("error", [ValueError, AbandonedScriptError, KeyboardInterrupt])
def test_whatever_leaves_rolls_back(database: Database, now: datetime, error: type[BaseException]) -> None:
    def leave() -> None:
        with database() as work:
            work.journal.append("east", ENTRY, at=now, actor="ada")
            raise error

    with pytest.raises(error):
        leave()
    assert stored(database) == []


def test_what_came_after_the_commit_is_not_kept(database: Database, now: datetime) -> None:
    with database() as work:
        first = work.journal.append("east", ENTRY, at=now, actor="ada")
        work.commit()
        work.journal.append("east", ENTRY, at=now, actor="ada")
    assert stored(database) == [first]


def test_a_database_that_was_not_migrated_says_so(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(SourceUnavailable, match="has not been migrated") as caught, database() as work:
        work.journal.entries()
    database.close()
    assert caught.value.source == "database"
    assert "db.migrate" in caught.value.hint
    assert caught.value.__cause__ is not None


def test_a_database_locked_for_too_long_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.05)
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    with database(), pytest.raises(SourceUnavailable, match="busy"), database():
        pass
    database.close()


@pytest.mark.parametrize(
    ("pragma", "says"),
    [
        ("query_only = ON", "The database file cannot be used."),
        ("max_page_count = 1", "The disk of the database is full."),
    ],
)
def test_a_file_that_takes_no_more_is_unavailable(tmp_path: Path, pragma: str, says: str) -> None:
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    database.close()
    event.listen(database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))
    with pytest.raises(SourceUnavailable) as caught, database() as work:
        work.operations.log(recorded.event("", "note", says="x" * 100_000))
    database.close()
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "The database can be read but not written."),
        ("SET ROLE pg_monitor", "The database does not let us do this."),
    ],
)
def test_a_server_that_lets_us_only_read_is_unavailable(database: Database, statement: str, says: str) -> None:
    if database.engine.dialect.name == "sqlite":
        return  # a file has neither standbys nor users

    def restrict(connection: psycopg.Connection, _record: object) -> None:
        connection.execute(statement)
        connection.commit()

    event.listen(database.engine, "connect", restrict)
    database.engine.dispose()
    with pytest.raises(SourceUnavailable) as caught, database() as work:
        work.operations.log(recorded.event("", "note"))
    assert str(caught.value) == says
    assert caught.value.hint


def test_what_was_logged_without_a_commit_is_not_kept(database: Database) -> None:
    with database() as work:
        work.operations.log(recorded.event("", "note"))
    with database() as work:
        assert work.operations.events("") == ()


def test_a_server_that_is_not_there_is_unavailable_and_its_password_stays_secret() -> None:
    database = Database("postgresql+psycopg://console:hunter2@127.0.0.1:1/console")
    with pytest.raises(SourceUnavailable, match="does not answer") as caught, database():
        pass
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_file_that_is_no_database_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "console.sqlite3").write_text("This is a letter, not a database." * 100)
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    with pytest.raises(SourceUnavailable, match="cannot be used"), database() as work:
        work.journal.entries()
    database.close()


def test_the_folder_of_the_embedded_database_is_created(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'folder' / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    database.close()
    assert (tmp_path / "new" / "folder" / "console.sqlite3").is_file()


def test_a_folder_that_cannot_be_created_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrongSetting, match=r"^GFC_DATA_DIR is .*/file/data, which cannot be created; expected .*\.$"):
        Database(f"sqlite:///{tmp_path / 'file' / 'data' / 'console.sqlite3'}")


def test_an_address_that_is_none_is_a_wrong_setting_and_is_not_repeated() -> None:
    with pytest.raises(WrongSetting) as caught:
        Database("hunter2@nowhere")
    assert "hunter2" not in str(caught.value)


def test_sqlite_writes_ahead_and_keeps_foreign_keys(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    with database.engine.connect() as connection:
        said = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    database.close()
    assert said == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000, "synchronous": 2}


def test_a_reader_does_not_wait_for_a_writer_and_sees_the_state_before(database: Database, now: datetime) -> None:
    with database() as writer:
        writer.journal.append("east", ENTRY, at=now, actor="ada")
        assert stored(database) == []
        writer.commit()
    assert stored(database) == [1]


def test_a_writer_does_not_wait_for_a_reader_whose_answers_stay_of_one_instant(
    database: Database, now: datetime
) -> None:
    with database.reading() as reader:
        assert reader.journal.entries() == ()
        with database() as writer:
            writer.journal.append("east", ENTRY, at=now, actor="ada")
            writer.operations.log(recorded.event("", "note"))
            writer.commit()
        assert reader.journal.entries() == ()
        assert reader.operations.events("") == ()
    assert stored(database) == [1]


def test_writing_is_refused_where_only_reading_was_asked_for(database: Database, now: datetime) -> None:
    with pytest.raises(RuntimeError, match="only reads") as caught, database.reading() as reader:
        reader.journal.append("east", ENTRY, at=now, actor="ada")
    assert caught.value.__cause__ is not None
    assert not hasattr(reader, "commit")
    assert stored(database) == []


def test_a_connection_that_only_read_writes_again(database: Database, now: datetime) -> None:
    for number in (1, 2):
        assert len(stored(database)) == number - 1
        with database() as work:
            work.journal.append("east", ENTRY, at=now, actor="ada")
            work.commit()
    assert stored(database) == [1, 2]


def test_the_database_it_does_not_reach_is_unavailable_to_a_reader_as_well() -> None:
    database = Database("postgresql+psycopg://console@127.0.0.1:1/console")
    with pytest.raises(SourceUnavailable, match="does not answer"), database.reading():
        pass
