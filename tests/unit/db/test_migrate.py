from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from db import migrate, models
from db.engine import open_engine
from db.work import Database
from services.settings import Settings
from tests.unit.db.recorded import NODE_A, operation, propose


def test_an_empty_database_becomes_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, models.Base.metadata) == []


def test_constraints_carry_the_names_of_the_convention(database: Database) -> None:
    found = inspect(database.engine)
    if database.engine.dialect.name == "postgresql":  # SQLite's own counter is part of the column and has no name
        assert found.get_pk_constraint("journal")["name"] == "pk_journal"
        assert found.get_pk_constraint("operations")["name"] == "pk_operations"
        assert found.get_pk_constraint("starts")["name"] == "pk_starts"
    assert [index["name"] for index in found.get_indexes("journal")] == ["ix_journal_cluster_id"]
    assert sorted(str(index["name"]) for index in found.get_indexes("starts")) == [
        "ix_starts_cluster_namespace_workload_created_at",
        "ix_starts_created_at_cluster",
    ]
    assert [key["name"] for key in found.get_unique_constraints("cost_controls")] == [
        "uq_cost_controls_cluster_hour_card"
    ]
    tables = "operation_targets", "operation_nodes", "start_details", "start_pulls", "rate_card_lines"
    assert {key["name"] for table in tables for key in found.get_foreign_keys(table)} == {
        "fk_operation_targets_operation_operations",
        "fk_operation_nodes_operation_operations",
        "fk_start_details_cluster_uid_starts",
        "fk_start_pulls_cluster_uid_starts",
        "fk_rate_card_lines_version_rate_cards",
    }


def test_a_populated_database_keeps_its_rows(database_url: str) -> None:
    engine = open_engine(database_url)
    assert migrate.upgrade(engine, "0001") == (None, "0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO journal (at, cluster, actor, entry) VALUES "
                "('2026-06-03 12:00:00.000000', 'east', 'ada', '{\"schema\": 1}')"
            )
        )
    before, after = migrate.upgrade(engine)
    assert (before, after) == ("0001", migrate.head())
    database = Database(database_url)
    with database() as work:
        assert [(entry.cluster, entry.actor, dict(entry.entry)) for entry in work.journal.entries()] == [
            ("east", "ada", {"schema": 1})
        ]
        assert work.operations.recent().empty
        assert work.operations.verify() == ()
        assert work.starts.extent().number == 0
        assert work.leases.holder("collector") is None
        assert work.costs.extent("east") is None
        assert work.budgets.history() == []
    database.close()
    engine.dispose()


def test_the_record_of_operations_is_kept_and_still_holds(database_url: str) -> None:
    engine = open_engine(database_url)
    assert migrate.upgrade(engine, "0002") == (None, "0002")
    database = Database(database_url)
    propose(database, operation(), NODE_A)
    assert migrate.upgrade(engine) == ("0002", migrate.head())
    with database() as work:
        assert work.operations.get("p1") == operation()
        assert work.operations.verify() == ()
    database.close()
    engine.dispose()


def test_recorded_starts_are_kept_when_costs_come(database_url: str, now: datetime) -> None:
    engine = open_engine(database_url)
    migrate.upgrade(engine, "0003")
    database = Database(database_url)
    with database() as work:
        work.starts.set_mark("east", "backfill", {"until": 7}, now)
        work.commit()
    assert migrate.upgrade(engine) == ("0003", migrate.head())
    with database() as work:
        assert work.starts.mark("east", "backfill") == {"until": 7}
        assert work.costs.days("2026-01-01", "2026-12-31").empty
    database.close()
    engine.dispose()


def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    assert migrate.upgrade(database.engine) == (migrate.head(), migrate.head())


def test_several_processes_may_upgrade_at_once(database_url: str) -> None:
    def upgrade() -> tuple[str | None, str | None]:
        engine = open_engine(database_url)
        try:
            return migrate.upgrade(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(3) as pool:
        done = [each.result() for each in [pool.submit(upgrade) for _ in range(3)]]
    assert sorted(before or "" for before, _ in done) == ["", migrate.head(), migrate.head()]


def test_revisions_form_one_line() -> None:
    assert len(ScriptDirectory.from_config(migrate.config()).get_heads()) == 1


def test_only_the_embedded_database_is_migrated_on_start(database_url: str) -> None:
    configured = Settings(mode="demo", clusters=(), database_url=SecretStr(database_url))
    migrate.upgrade_embedded(configured)
    engine = open_engine(database_url)
    assert inspect(engine).has_table("journal") is database_url.startswith("sqlite")
    engine.dispose()


def test_the_command_migrates_the_database_of_the_settings(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GFC_DATABASE_URL", database_url)
    assert migrate.main() == 0
    assert migrate.main() == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"The database is at revision {migrate.head()} (was empty)."
    assert second == f"The database is at revision {migrate.head()}."


def test_the_command_answers_a_wrong_setting_with_one_sentence_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GFC_LIVE_REFRESH_S", "often")
    assert migrate.main() == 2
    assert capsys.readouterr().err == 'GFC_LIVE_REFRESH_S is "often"; expected a number of seconds from 5 to 3600.\n'


def test_the_command_answers_an_unreachable_database_with_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GFC_DATABASE_URL", "postgresql://console:hunter2@127.0.0.1:1/console")
    assert migrate.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("The database does not answer.")
    assert "hunter2" not in said


def test_what_was_left_half_migrated_is_migrated_anew(database_url: str) -> None:
    engine = open_engine(database_url)
    migrate.upgrade(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE operation_nodes (id INTEGER)"))
    with pytest.raises(DBAPIError, match="operation_nodes"):
        migrate.upgrade(engine)
    assert not inspect(engine).has_table("operations")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE operation_nodes"))
    assert migrate.upgrade(engine) == ("0001", migrate.head())
    engine.dispose()
