"""Leases: which of several processes works, and proof of it for what it writes."""

from datetime import datetime

from sqlalchemy import case, or_, select, update
from sqlalchemy.orm import Session

from db import bulk
from db.models import Base, LeaseRow

_LEASES = Base.metadata.tables[LeaseRow.__tablename__]
_FREE = ""
"""The holder of a lease that was given back; its row stays, for its token must not be given twice."""


class Leases:
    """The leases inside one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, name: str, holder: str, *, until: datetime, now: datetime) -> int | None:
        """Take a lease that is free, or prolong one's own; the token, None while somebody else holds it.

        ``holder`` names one process. A lease past its ``until`` is free; a holder nobody replaced prolongs it even
        then, with the token it has. Commit before acting on the token. Raises ValueError without a holder or for a
        lease that would be over.
        """
        if holder == _FREE or until <= now:
            raise ValueError("a lease needs a holder and an end that is to come")
        made = bulk.inserting(self._session.connection(), _LEASES).values(
            name=name, holder=holder, token=1, until=until, taken_at=now
        )
        own = LeaseRow.holder == holder
        # One statement: the engine locks the row before it looks at the condition, so of two that take it one waits.
        taking = made.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "holder": holder,
                "token": case((own, LeaseRow.token), else_=LeaseRow.token + 1),
                "until": until,
                "taken_at": case((own, LeaseRow.taken_at), else_=made.excluded.taken_at),
            },
            where=or_(own, LeaseRow.holder == _FREE, LeaseRow.until <= now),
        )
        return self._session.execute(taking.returning(_LEASES.c.token)).scalar()

    def release(self, name: str, holder: str) -> bool:
        """Give a lease back before it ends; False when it was not this holder's."""
        own = LeaseRow.name == name, LeaseRow.holder == holder, LeaseRow.holder != _FREE
        return self._session.connection().execute(update(_LEASES).where(*own).values(holder=_FREE)).rowcount == 1

    def holder(self, name: str) -> tuple[str, datetime] | None:
        """Who took the lease last and until when, which may be over; None when it was given back or never taken."""
        wanted = select(LeaseRow.holder, LeaseRow.until).where(LeaseRow.name == name, LeaseRow.holder != _FREE)
        row = self._session.execute(wanted).first()
        return None if row is None else (row.holder, row.until)

    def check(self, name: str, token: int) -> bool:
        """True while the lease has not changed hands since the token was given, and not until the transaction ends.

        It needs no clock: a lease that is over but that nobody took since is still the holder's to write under.
        """
        own = LeaseRow.name == name, LeaseRow.token == token, LeaseRow.holder != _FREE
        return self._session.execute(select(LeaseRow.name).where(*own).with_for_update()).first() is not None
