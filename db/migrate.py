"""Migrations: ``python -m db.migrate`` brings the database of the settings up to date.

Exit codes: 0 up to date, 1 the database cannot be used, 2 a setting is wrong.
"""

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from db.engine import WRITES, open_engine
from db.work import translated
from services import settings
from services.errors import OpsError, WrongSetting

LOCK_TIMEOUT = "10s"
STATEMENT_TIMEOUT = "10min"
_MIGRATION_LOCK = 7_201_000
"""Key of the PostgreSQL advisory lock that lets one migration run at a time."""


def config() -> Config:
    """Alembic's configuration, wherever the process was started."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return made


def upgrade(engine: Engine, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the database to a revision in one transaction; the revision before and after.

    Safe to run by several processes at once: one migrates, the others wait. Raises SourceUnavailable.
    """
    with translated(), engine.connect().execution_options(**WRITES) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        before = current(connection)
        if before != revision and not (revision == "head" and before == head()):
            alembic = config()
            alembic.attributes["connection"] = connection
            command.upgrade(alembic, revision)
        return before, current(connection)


def current(connection: Connection) -> str | None:
    """The revision the database is at; None before the first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory.from_config(config()).get_current_head()


def upgrade_embedded(configured: settings.Settings) -> None:
    """Migrate the embedded SQLite file; a server that others share is migrated by the command only."""
    if not configured.embedded_database:
        return
    engine = open_engine(configured.database_url.get_secret_value())
    try:
        upgrade(engine)
    finally:
        engine.dispose()


def main() -> int:
    """The command; its exit code."""
    try:
        configured = settings.load(os.environ)
        engine = open_engine(configured.database_url.get_secret_value())
        before, after = upgrade(engine)
    except WrongSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one sentence a command owes its caller
        return 2
    except OpsError as error:
        print(f"{error} {error.hint}".strip(), file=sys.stderr)  # noqa: T201 - the same
        return 1
    engine.dispose()
    done = f"The database is at revision {after}" + ("." if before == after else f" (was {before or 'empty'}).")
    print(done)  # noqa: T201 - what a command says
    return 0


if __name__ == "__main__":
    sys.exit(main())
