"""Engines: SQLite in a file of ours, or a PostgreSQL server."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from services.errors import WrongSetting

BUSY_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5
WRITES = {"begin": "BEGIN IMMEDIATE"}
"""Execution options of a transaction that will write.

On SQLite it takes the write lock at its start and waits for it; one that read first and then wanted to write would
fail at once when somebody else had written meanwhile. Without effect on PostgreSQL.
"""
READS: Mapping[str, Mapping[str, Any]] = {
    "sqlite": {"query_only": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
"""Execution options, by dialect, of a transaction that only reads: one snapshot, no lock, and writing is an error."""


def open_engine(database_url: str) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql+psycopg://…``; connects to nothing yet.

    The folder of an SQLite file is created. Raises WrongSetting for an address or a folder that cannot be used,
    without repeating the address: it may hold a password.
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        url = None
    if url is None:
        raise WrongSetting(
            "GFC_DATABASE_URL is no address we can use; expected sqlite:///path or postgresql://user:password@host/name."
        )
    return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)


def _sqlite(url: URL) -> Engine:
    folder = Path(url.database or "").absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongSetting(
            f"GFC_DATA_DIR is {folder}, which cannot be created; expected the path of a folder that may be written to."
        ) from error
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own transactions begin late and end before DDL; ours begin when SQLAlchemy says so.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # Changing the mode does not wait as other statements do. It is kept in the file, so whoever holds the lock now
        # has changed it or the next connection will; until then everything works in the old mode.
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    only, was = options.get("query_only", False), connection.info.get("query_only", False)
    if only != was:  # it outlives the transaction, and the pool hands the connection on
        connection.exec_driver_sql(f"PRAGMA query_only = {only:d}")
        connection.info["query_only"] = only
    connection.exec_driver_sql(options.get("begin", "BEGIN"))


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        pool_size=5,
        max_overflow=5,
        pool_timeout=10,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "gpu-fleet-console",
            "options": "-c timezone=utc -c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000",
        },
    )
