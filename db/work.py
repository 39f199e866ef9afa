"""Units of work: what is read is of one instant; what is written is all kept, or none of it."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from db.alerts import Alerts
from db.budgets import Budgets
from db.costs import Costs
from db.engine import READS, WRITES, open_engine
from db.journal import Journal
from db.leases import Leases
from db.operations import Operations
from db.starts import Starts
from services.errors import SourceUnavailable


class ReadUnit:
    """A short transaction that only reads: ``with work.reading() as w: …``.

    All of it sees what was committed when it first read. It waits for no writer and no writer waits for it; one that
    writes raises RuntimeError. No network call belongs inside. A database that fails raises SourceUnavailable with the
    driver's error as its cause.
    """

    journal: Journal
    operations: Operations
    starts: Starts
    leases: Leases
    costs: Costs
    budgets: Budgets
    alerts: Alerts
    _writes = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        self._session = Session(self._engine, expire_on_commit=False)
        options: Mapping[str, Any] = WRITES if self._writes else READS[self._engine.dialect.name]
        try:
            with translated():
                self._session.connection(execution_options=options)
        except BaseException:
            self._session.close()
            raise
        self.journal = Journal(self._session)
        self.operations = Operations(self._session)
        self.starts = Starts(self._session)
        self.leases = Leases(self._session)
        self.costs = Costs(self._session)
        self.budgets = Budgets(self._session)
        self.alerts = Alerts(self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with translated():
            try:
                self._session.rollback()
            finally:
                self._session.close()
            if not self._writes and isinstance(error, DBAPIError) and _wrote(error):
                raise RuntimeError("A unit of work that only reads was asked to write.") from error
            if isinstance(error, SQLAlchemyError):
                raise error


class UnitOfWork(ReadUnit):
    """A short transaction: ``with work() as w: …; w.commit()``.

    Leaving without :meth:`commit` rolls back, whatever left; a script that is aborted leaves by a BaseException.
    """

    _writes = True

    def commit(self) -> None:
        """Keep what was done so far."""
        with translated():
            self._session.commit()


class Database:
    """The database of the process: calling it begins a unit of work. Safe to share between threads."""

    def __init__(self, database_url: str) -> None:
        self.engine = open_engine(database_url)

    def __call__(self) -> UnitOfWork:
        """A unit of work, to be entered with ``with``."""
        return UnitOfWork(self.engine)

    def reading(self) -> ReadUnit:
        """A unit of work that only reads, to be entered with ``with``."""
        return ReadUnit(self.engine)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Turns what drivers raise when the database cannot be used into SourceUnavailable.

    Mistakes of ours, such as a violated constraint or wrong SQL, pass as they are.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise SourceUnavailable(
            "database", "The database has no free connection.", hint="Try again in a moment."
        ) from error
    except DBAPIError as error:
        said = _said(error)
        if said is None:
            raise
        raise SourceUnavailable("database", said[0], hint=said[1]) from error


_OUTDATED = ("The database has not been migrated.", "Run python -m db.migrate.")
_BUSY = ("The database is busy.", "Try again in a moment.")
_CLOSED = ("The database does not take connections now.", "Try again in a moment.")
_SILENT = ("The database does not answer.", "Check that the server runs and that GFC_DATABASE_URL names it.")
_FULL = ("The disk of the database is full.", "Free some space in the data folder.")
_BROKEN = ("The database file cannot be used.", "Check the data folder and its rights.")
_READ_ONLY = ("The database can be read but not written.", "Check that GFC_DATABASE_URL names the primary server.")
_UNGRANTED = ("The database does not let us do this.", "Grant the user of GFC_DATABASE_URL rights on all tables.")

_SQLITE = {
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_FULL": _FULL,
    "SQLITE_CANTOPEN": _BROKEN,
    "SQLITE_IOERR": _BROKEN,
    "SQLITE_READONLY": _BROKEN,
    "SQLITE_CORRUPT": _BROKEN,
    "SQLITE_NOTADB": _BROKEN,
}
"""By primary result code; extended ones such as SQLITE_IOERR_WRITE begin with it (sqlite.org/rescode.html)."""

_POSTGRESQL = {
    "UndefinedTable": _OUTDATED,
    "LockNotAvailable": _BUSY,
    "QueryCanceled": _BUSY,
    "DeadlockDetected": _BUSY,
    "ReadOnlySqlTransaction": _READ_ONLY,
    "InsufficientPrivilege": _UNGRANTED,
    "DiskFull": _FULL,
    "AdminShutdown": _CLOSED,
    "CrashShutdown": _CLOSED,
    "CannotConnectNow": _CLOSED,
    "TooManyConnections": _CLOSED,
    "OperationalError": _SILENT,
    "ConnectionTimeout": _SILENT,
    "ConnectionFailure": _SILENT,
    "InterfaceError": _SILENT,
}
"""By the class psycopg raises."""


def _said(error: DBAPIError) -> tuple[str, str] | None:
    """Message and hint when the database could not be used; None when the statement itself was wrong."""
    original = error.orig
    if isinstance(original, sqlite3.Error):
        code = "_".join(getattr(original, "sqlite_errorname", "").split("_")[:2])
        return _OUTDATED if "no such table" in str(original) else _SQLITE.get(code)
    return _POSTGRESQL.get(type(original).__name__) or (_SILENT if error.connection_invalidated else None)


def _wrote(error: DBAPIError) -> bool:
    """Whether it was refused for writing in a transaction that only reads."""
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorname == "SQLITE_READONLY"
    return type(error.orig).__name__ == "ReadOnlySqlTransaction"
