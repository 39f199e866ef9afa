"""Alerts: looks at what needs attention about once a minute, and delivers messages while others work.

What is slow (asking all sources, a channel that hangs) happens in other threads; what is written of it is written by
the collector, under its lease. A message is sent at least once: a process that ends between sending and noting it
leaves the message to the next one, which sends it again with the same key.
"""

import logging
import os
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from services.alerts.look import Look, bundle, look, note
from services.domain.alerts import Message, timing, words
from services.errors import OpsError, SourceUnavailable
from services.ports import Sources, UnitOfWork, Work

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=60)
DELIVER_EVERY = timedelta(seconds=5)
PRUNE_EVERY = timedelta(hours=1)
KEEP = timedelta(days=90)
LEASE = timedelta(minutes=2)
"""Longer than a channel may take; a message under way for longer is somebody else's to send."""
_AT_ONCE = 4
"""Channels that are sent to at the same time."""


class Alerting:
    """The alerts of a collector; ``hold`` proves its lease in a transaction. Does nothing where no channel is set."""

    def __init__(
        self, sources: Sources, work: Work, hold: Callable[[UnitOfWork], None], *, senders: Executor | None = None
    ) -> None:
        self._sources, self._work, self._hold = sources, work, hold
        self._worker = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._senders = senders or ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="alerts")
        self._looking: Future[Look] | None = None
        self._sending: dict[str, Future[None]] = {}
        self._due: dict[str, datetime] = {}

    def tick(self, now: datetime) -> None:
        """Do what is due; waits for nobody outside. Raises Lost and SourceUnavailable as the hold and the record do."""
        if not self._sources.channels:
            return
        try:
            self._work_on(now)
        except OpsError:
            raise
        except Exception:  # whatever it is, starts are recorded all the same
            log.exception("alerts failed; they are tried again")

    def close(self) -> None:
        """Begin nothing new; what is under way ends, or is sent again by whoever works next."""
        self._senders.shutdown(wait=False, cancel_futures=True)

    def _work_on(self, now: datetime) -> None:
        if self._looking is None and self._is_due("look", now, LOOK_EVERY):
            self._looking = self._sources.pool.submit(look, self._sources)
        if self._looking is not None and self._looking.done():
            looked, self._looking = self._looking, None
            self._note(looked, now)
        if self._is_due("deliver", now, DELIVER_EVERY):
            self._deliver(now)
        if self._is_due("prune", now, PRUNE_EVERY):
            with self._work() as unit:
                self._hold(unit)
                unit.alerts.prune(now - KEEP)
                unit.commit()

    def _note(self, looked: Future[Look], now: datetime) -> None:
        if (error := looked.exception()) is not None:
            log.error("what needs attention could not be found out: %s", error)
            return
        with self._work() as unit:
            self._hold(unit)
            note(self._sources, unit, looked.result(), now)
            unit.commit()
        self._due.pop("deliver", None)

    def _deliver(self, now: datetime) -> None:
        """Hand each channel that is free its next message."""
        self._sending = {name: sending for name, sending in self._sending.items() if not sending.done()}
        free = [name for name in self._sources.channels if name not in self._sending]
        with self._work() as unit:
            self._hold(unit)
            bundle(unit, now)
            claimed = [
                message
                for name in free
                if (message := unit.alerts.claim(name, worker=self._worker, now=now, lease_until=now + LEASE))
            ]
            unit.commit()
        for message in claimed:
            self._sending[message.channel] = self._senders.submit(self._send, message)

    def _send(self, message: Message) -> None:
        demo = self._sources.mode == "demo"
        notifier = self._sources.channels[message.channel].notifier
        subject = words.subject(message, demo=demo)
        error = ""
        try:
            notifier.send(subject, words.body(message, base=self._sources.policy.public_url, demo=demo))
        except SourceUnavailable as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - its text may hold the address
            log.error("the channel %s failed: %s", message.channel, type(failure).__name__)  # noqa: TRY400 - see above
            error = "The channel failed in a way nobody foresaw."
        try:
            self._mark(message, error)
        except OpsError as failure:
            log.warning("what became of a message to %s could not be noted: %s", message.channel, failure)

    def _mark(self, message: Message, error: str) -> None:
        now = self._sources.now()
        with self._work() as unit:
            if error:
                again: datetime | None = timing.retry(message.key, message.attempts, now)
                if now - message.made > timing.GIVE_UP:
                    again = None
                unit.alerts.failed(message.key, worker=self._worker, at=now, error=error, next_at=again)
                log.warning("a message to %s did not arrive: %s", message.channel, error)
            else:
                unit.alerts.sent(message.key, worker=self._worker, at=now)
            unit.commit()

    def _is_due(self, what: str, now: datetime, every: timedelta) -> bool:
        last = self._due.get(what)
        if last is not None and timedelta(0) <= now - last < every:
            return False
        self._due[what] = now
        return True
