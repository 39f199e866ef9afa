"""Budgets, what happened at their thresholds, and advice that was set aside."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import bulk
from db.chain import clean
from db.tables import BUDGET_CHANGES_TABLE, BUDGETS_TABLE, CROSSINGS_TABLE, DISMISSALS_TABLE
from services.domain.cost.budget import Budget
from services.domain.cost.periods import Calendar
from services.errors import Conflict
from services.ports import BudgetChange, Crossing, Dismissal


class Budgets:
    """Budgets inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> Sequence[Budget]:
        """Those that are in force, by name."""
        wanted = select(BUDGETS_TABLE.c.document).order_by(BUDGETS_TABLE.c.name, BUDGETS_TABLE.c.id)
        return [_budget(document) for document in self._session.execute(wanted).scalars()]

    def save(self, budget: Budget, *, at: datetime, actor: str) -> Budget:
        """Write a budget whose ``revision`` is the one that was read (0: new); with its new one. Raises Conflict."""
        last = select(func.max(BUDGET_CHANGES_TABLE.c.revision)).where(BUDGET_CHANGES_TABLE.c.id == budget.id)
        newest = self._session.execute(last).scalar() or 0
        saved = replace(budget, revision=newest + 1 if budget.revision == 0 else budget.revision + 1)
        row = {"name": clean(saved.name), "revision": saved.revision, "document": asdict(saved)}
        if budget.revision == 0:
            try:
                self._session.execute(insert(BUDGETS_TABLE), [{"id": saved.id, **row}])
            except IntegrityError as error:
                raise _changed() from error
        else:
            self._expect(
                update(BUDGETS_TABLE)
                .where(BUDGETS_TABLE.c.id == budget.id, BUDGETS_TABLE.c.revision == budget.revision)
                .values(row)
            )
        self._log(saved.id, saved.revision, at, actor, asdict(saved))
        return saved

    def remove(self, id: str, *, revision: int, at: datetime, actor: str) -> None:
        """Remove a budget; its history stays. Raises Conflict."""
        self._expect(delete(BUDGETS_TABLE).where(BUDGETS_TABLE.c.id == id, BUDGETS_TABLE.c.revision == revision))
        self._log(id, revision + 1, at, actor, None)

    def history(self, id: str = "") -> Sequence[BudgetChange]:
        """Changes of one budget or of all, newest first."""
        table = BUDGET_CHANGES_TABLE
        wanted = select(table).order_by(table.c.at.desc(), table.c.revision.desc(), table.c.id)
        if id:
            wanted = wanted.where(table.c.id == id)
        return [
            BudgetChange(
                one.id, one.revision, one.at, one.actor, None if one.document is None else _budget(one.document)
            )
            for one in self._session.execute(wanted)
        ]

    def cross(self, crossing: Crossing) -> bool:
        """Note a crossing; False when it was noted before, and nothing changes."""
        connection = self._session.connection()
        made = bulk.inserting(connection, CROSSINGS_TABLE).values(asdict(crossing)).on_conflict_do_nothing()
        return connection.execute(made.returning(CROSSINGS_TABLE.c.threshold)).first() is not None

    def crossings(self, since: datetime) -> Sequence[Crossing]:
        """Crossings noted since then, newest first."""
        table = CROSSINGS_TABLE
        wanted = select(table).where(table.c.at >= since).order_by(table.c.at.desc(), table.c.budget, table.c.threshold)
        return [Crossing(**one) for one in self._session.execute(wanted).mappings()]

    def dismiss(self, dismissal: Dismissal) -> None:
        """Set advice aside, in place of an earlier dismissal of the same key."""
        row = {name: clean(value) if isinstance(value, str) else value for name, value in asdict(dismissal).items()}
        bulk.upsert(self._session.connection(), DISMISSALS_TABLE, [row])

    def restore(self, key: str) -> bool:
        """Have advice back; False when it was not set aside."""
        gone = delete(DISMISSALS_TABLE).where(DISMISSALS_TABLE.c.key == key)
        return self._session.connection().execute(gone).rowcount == 1

    def dismissed(self, now: datetime) -> Sequence[Dismissal]:
        """What is set aside now, the one that comes back first in front."""
        table = DISMISSALS_TABLE
        wanted = select(table).where(table.c.until > now).order_by(table.c.until, table.c.key)
        return [Dismissal(**one) for one in self._session.execute(wanted).mappings()]

    def _expect(self, statement: Any) -> None:
        if self._session.connection().execute(statement).rowcount != 1:
            raise _changed()

    def _log(self, id: str, revision: int, at: datetime, actor: str, document: Mapping[str, Any] | None) -> None:
        row = {"id": id, "revision": revision, "at": at, "actor": clean(actor), "document": document}
        try:
            self._session.execute(insert(BUDGET_CHANGES_TABLE), [row])
        except IntegrityError as error:
            raise _changed() from error


def _changed() -> Conflict:
    return Conflict("Somebody else changed this budget meanwhile.", hint="Look at it and try again.")


def _budget(document: Mapping[str, Any]) -> Budget:
    """A budget from its JSON."""
    known = dict(document)
    known["calendar"] = Calendar(**known["calendar"])
    known["thresholds"] = tuple(known["thresholds"])
    return Budget(**known)
