"""The journal: what people did to the demo estate, in order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db.models import JournalRow
from services.ports import JournalEntry

_APPEND_LOCK = 7_201_001
"""Key of the PostgreSQL advisory lock that puts appends in order; any number nobody else uses."""


class Journal:
    """The journal inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, cluster: str, entry: Mapping[str, Any], *, at: datetime, actor: str) -> int:
        """Add an entry; its id, which is larger than any that was visible before.

        ``entry`` must be JSON with a whole number under "schema" (ValueError otherwise), ``at`` must be aware.
        """
        schema = entry.get("schema")
        if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
            raise ValueError('a journal entry needs a whole number from 1 under "schema"')
        if self._session.get_bind().dialect.name == "postgresql":
            # Ids are drawn before the commit: without this a reader could see 6, remember it, and never see 5.
            self._session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})
        row = JournalRow(at=at, cluster=cluster, actor=actor, entry=dict(entry))
        self._session.add(row)
        self._session.flush()
        return row.id

    def entries(self, since: int = 0, *, cluster: str | None = None) -> tuple[JournalEntry, ...]:
        """Entries with an id above ``since``, oldest first; of one cluster or of all."""
        columns = JournalRow.id, JournalRow.at, JournalRow.cluster, JournalRow.actor, JournalRow.entry
        wanted = select(*columns).where(JournalRow.id > since).order_by(JournalRow.id)
        if cluster is not None:
            wanted = wanted.where(JournalRow.cluster == cluster)
        return tuple(
            JournalEntry(id=row.id, at=row.at, cluster=row.cluster, actor=row.actor, entry=row.entry)
            for row in self._session.execute(wanted)
        )
