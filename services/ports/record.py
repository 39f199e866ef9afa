"""The database: what people did, as units of work keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import pandas as pd

from services.ports.alerts import Alerts
from services.ports.budgets import Budgets
from services.ports.costs import Costs
from services.ports.starts import Leases, Starts


@dataclass(frozen=True)
class JournalEntry:
    """One thing a person did to the demo estate. ``entry`` is JSON with a number under "schema"; ids grow with time."""

    id: int
    at: datetime
    cluster: str
    actor: str
    entry: Mapping[str, Any]


class Journal(Protocol):
    """What people did to the demo estate, in order."""

    def append(self, cluster: str, entry: Mapping[str, Any], *, at: datetime, actor: str) -> int:
        """Add an entry; its id."""
        ...

    def entries(self, since: int = 0, *, cluster: str | None = None) -> Sequence[JournalEntry]:
        """Entries with an id above ``since``, oldest first; of one cluster or of all."""
        ...


@dataclass(frozen=True)
class Event:
    """One entry of the audit's chain. ``id`` and ``hash`` are given by the store; 0 and "" before.

    ``kind``: proposed, approved, declined, applied, step-started, step-done, step-failed, waited, verified, unverified,
    failed, done, interrupted, resumed, undone, breaker-tripped, breaker-reset, note. ``step`` is the index of the step
    concerned, None otherwise. ``detail`` is JSON for people and machines, secrets redacted.
    """

    operation: str  # plan id; "" for events of the installation (breaker)
    kind: str
    at: datetime
    actor: str
    says: str
    step: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    hash: str = ""


@dataclass(frozen=True)
class Operation:
    """A plan somebody proposed or applied, as the view of its events that the store keeps beside them.

    ``state``: proposed (waits for a second person), running, done, unverified, failed, interrupted, declined.
    ``cursor`` is the index of the next step; ``lease_until`` is until when its worker is known to live. ``plan`` is
    :meth:`services.domain.change.plan.Plan.stored`. ``rehearsal`` is what the dry run answered, step by step.
    """

    id: str
    action: str
    summary: str
    state: str
    plan: Mapping[str, Any]
    reason: str
    actor: str
    actor_name: str
    roles: tuple[str, ...]
    address: str
    mode: str
    proposed_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cursor: int = 0
    worker: str = ""
    lease_until: datetime | None = None
    outcome: str = ""
    verification: str = ""
    rehearsal: Sequence[Mapping[str, Any]] = ()
    undoes: str = ""
    undone_by: str = ""
    clusters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Broken:
    """A place where the audit's chain does not hold: the event after which it breaks and why."""

    event: int
    says: str


OPERATIONS = {
    "id": "str",
    "at": "datetime64[us, UTC]",
    "finished_at": "datetime64[us, UTC]",
    "action": "str",
    "summary": "str",
    "state": "str",
    "actor": "str",
    "actor_name": "str",
    "roles": "str",
    "address": "str",
    "reason": "str",
    "clusters": "str",
    "outcome": "str",
    "verification": "str",
    "undoes": "str",
    "undone_by": "str",
    "mode": "str",
}
"""Columns of :meth:`Operations.recent`, one row per operation, newest first."""


class Operations(Protocol):
    """The record of what people did: operations, the chain of their events, and what they touch while they run."""

    def propose(self, operation: Operation, events: Sequence[Event], *, targets: Sequence[str]) -> None:
        """Record a plan for the first time, with its first events, in the state it has.

        ``targets`` are keys of the objects it changes; while the state is "proposed" they are not taken. Raises
        Refused when the plan was recorded before or a target is being changed by another operation (named in words).
        """
        ...

    def begin(self, id: str, *, worker: str, lease_until: datetime, at: datetime) -> bool:
        """Take an operation for a worker: from proposed, interrupted or failed to running, taking its targets.

        False when somebody else took it first. Raises Refused when a target is busy.
        """
        ...

    def hold(self, id: str, *, worker: str, lease_until: datetime) -> bool:
        """Prolong the lease; False when the operation is no longer this worker's or no longer running."""
        ...

    def log(self, event: Event, *, worker: str = "", cursor: int | None = None) -> bool:
        """Append an event and move the cursor. With ``worker``: False, and nothing appended, when it lost its hold."""
        ...

    def finish(
        self,
        id: str,
        state: str,
        events: Sequence[Event],
        *,
        at: datetime,
        outcome: str,
        verification: str = "",
        worker: str = "",
    ) -> bool:
        """End a run in a state and free the targets; False, and nothing kept, when ``worker`` lost its hold."""
        ...

    def undone(self, id: str, by: str, event: Event) -> None:
        """Note that an operation was taken back by another."""
        ...

    def expired(self, at: datetime) -> Sequence[Operation]:
        """Operations that run on a lease that has passed."""
        ...

    def get(self, id: str) -> Operation | None:
        """One operation."""
        ...

    def events(self, id: str) -> Sequence[Event]:
        """The events of an operation in order; of the installation for ""."""
        ...

    def recent(self, *, since: datetime | None = None, limit: int = 1000) -> pd.DataFrame:
        """Operations by :data:`OPERATIONS`, newest first."""
        ...

    def touched(self, since: datetime) -> Sequence[tuple[str, str, str]]:
        """(cluster, pool, node) of the nodes operations that began since then have named in their plans."""
        ...

    def breaker(self) -> Event | None:
        """The event that tripped the breaker, None while it is closed."""
        ...

    def verify(self) -> Sequence[Broken]:
        """Check the whole chain; empty when every event is as it was written."""
        ...

    def prune(self, before: datetime) -> int:
        """Remove a prefix of the chain older than that, keeping its last hash as the anchor; how many events."""
        ...


class ReadUnit(Protocol):
    """A short transaction that only reads, all of it as of one instant, as a context manager.

    It waits for no writer and holds none up. Raises SourceUnavailable; RuntimeError when it was asked to write.
    """

    @property
    def journal(self) -> Journal:
        """The journal inside this transaction."""
        ...

    @property
    def operations(self) -> Operations:
        """The record of operations inside this transaction."""
        ...

    @property
    def starts(self) -> Starts:
        """The recorded starts inside this transaction."""
        ...

    @property
    def costs(self) -> Costs:
        """The record of costs inside this transaction."""
        ...

    @property
    def budgets(self) -> Budgets:
        """The budgets inside this transaction."""
        ...

    @property
    def alerts(self) -> Alerts:
        """Alerts and their outbox inside this transaction."""
        ...

    @property
    def leases(self) -> Leases:
        """The leases inside this transaction."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what was not committed is undone."""
        ...


class UnitOfWork(ReadUnit, Protocol):
    """A short transaction that may write; leaving without ``commit`` keeps nothing. Raises SourceUnavailable."""

    def commit(self) -> None:
        """Keep what was done so far."""
        ...


class Work(Protocol):
    """The database, as use cases see it; grows with the repositories."""

    def __call__(self) -> UnitOfWork:
        """A unit of work, to be entered with ``with``. One writes at a time where the database is a file."""
        ...

    def reading(self) -> ReadUnit:
        """A unit of work for what only reads, to be entered with ``with``."""
        ...

    def close(self) -> None:
        """Dispose of the engine."""
        ...
