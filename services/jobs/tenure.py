"""Who works: of any number of processes the one that holds the lease."""

import logging
import os
import secrets
import socket
from datetime import datetime, timedelta

from services.errors import OpsError
from services.ports import UnitOfWork, Work

log = logging.getLogger(__name__)

LEASE = "collector"
LASTS = timedelta(seconds=30)
"""A process that stops renewing is replaced after so long."""


class Lost(OpsError):
    """Another process works now."""


class Tenure:
    """This process's hold on the lease. ``token`` is None while another has it."""

    def __init__(self, work: Work, *, holder: str = "", lasts: timedelta = LASTS) -> None:
        self.holder = holder or f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self.token: int | None = None
        self._work, self._lasts = work, lasts

    def take(self, now: datetime) -> bool:
        """Take the lease if it is free; whether it is ours. Raises SourceUnavailable."""
        with self._work() as unit:
            self.token = unit.leases.take(LEASE, self.holder, until=now + self._lasts, now=now)
            unit.commit()
        return self.token is not None

    def prolong(self, unit: UnitOfWork, now: datetime) -> None:
        """Prolong the lease in a transaction, which nobody can take it from before that ends.

        Raises Lost when it has changed hands, even if it is ours again: others have written meanwhile.
        """
        if unit.leases.take(LEASE, self.holder, until=now + self._lasts, now=now) != self.token:
            self.token = None
            raise Lost("Another process records the starts now.")

    def release(self) -> None:
        """Give the lease back, so that nobody has to wait for its end. Raises SourceUnavailable."""
        if self.token is not None:
            with self._work() as unit:
                unit.leases.release(LEASE, self.holder)
                unit.commit()
            self.token = None
