"""Alerts: the outbox in the record, and the way out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pandas as pd

from services.domain.alerts import Alert, Channel, Episode, Message

ALERTS = {
    "key": "str",
    "channel": "str",
    "finding": "str",
    "severity": "str",  # critical, warning, notice
    "kind": "str",
    "title": "str",
    "detail": "str",
    "cluster": "str",
    "team": "str",
    "begin": "datetime64[us, UTC]",
    "at": "datetime64[us, UTC]",
    "due": "datetime64[us, UTC]",
    "state": "str",  # collected (until due), waiting, sending, sent, failed (is tried again), given up
    "attempts": "int64",
    "sent_at": "datetime64[us, UTC]",
    "next_at": "datetime64[us, UTC]",
    "error": "str",
    "message": "str",
}
"""One row per alert, newest first, with what became of its message; tests somebody asked for have the kind "Test"."""


@dataclass(frozen=True)
class Delivery:
    """How a channel is doing.

    ``waiting`` messages are not sent yet, ``collected`` alerts are in no message yet, ``given_up`` messages never
    arrived. ``failing_since`` is the first failure of those that are tried again; None when all is well.
    """

    waiting: int = 0
    collected: int = 0
    given_up: int = 0
    last_sent: datetime | None = None
    failing_since: datetime | None = None
    error: str = ""
    next_at: datetime | None = None


class Alerts(Protocol):
    """Findings that last, and the outbox, inside one unit of work.

    A message is waiting, sending (on a lease), sent, failed (to be tried again) or given up.
    """

    def episodes(self) -> Mapping[str, Episode]:
        """Findings that last, by key."""
        ...

    def set_episodes(self, written: Sequence[Episode], over: Collection[str]) -> None:
        """Write some in place of those with the same key, and forget others."""
        ...

    def add(self, alerts: Sequence[Alert]) -> int:
        """Note alerts; those noted before stay as they are. How many were new."""
        ...

    def due(self, now: datetime) -> Sequence[Alert]:
        """Alerts that may be sent and are in no message yet, by channel, oldest first."""
        ...

    def post(self, message: Message) -> bool:
        """Put a message in the outbox and its alerts into it; False, and nothing changes, when it is there."""
        ...

    def claim(self, channel: str, *, worker: str, now: datetime, lease_until: datetime) -> Message | None:
        """Take the message of a channel that waits longest, one whose worker's lease has passed included."""
        ...

    def sent(self, key: str, *, worker: str, at: datetime) -> bool:
        """Note that it arrived; False when it is another worker's by now."""
        ...

    def failed(self, key: str, *, worker: str, at: datetime, error: str, next_at: datetime | None) -> bool:
        """Note that it did not, and when to try again, None for never; False when it is another worker's by now."""
        ...

    def deliveries(self) -> Mapping[str, Delivery]:
        """How each channel is doing of which there is anything in the outbox."""
        ...

    def recent(self, since: datetime, *, limit: int = 1000) -> pd.DataFrame:
        """Alerts and tests noted since then, :data:`ALERTS`."""
        ...

    def prune(self, before: datetime) -> int:
        """Forget alerts and messages that old, but for those of findings that last; how many alerts."""
        ...


class Notifier(Protocol):
    """The way to one channel."""

    def send(self, subject: str, body: str) -> None:
        """Send a message; returns once it was accepted. Raises SourceUnavailable, in words without secrets."""
        ...


@dataclass(frozen=True)
class ChannelSource:
    """A channel and the way to it."""

    channel: Channel
    notifier: Notifier
