"""The recorded starts of GPU pods, and leases: who of several collectors works."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pandas as pd

from services.domain.startup.frame import StartRecord


@dataclass(frozen=True)
class Extent:
    """How many starts are recorded, and when the pods of the first and the last were created; None without any."""

    number: int
    first: datetime | None
    last: datetime | None


class Starts(Protocol):
    """Recorded starts, by (cluster, pod uid), and what a collector has to remember between two looks.

    Frames hold starts of all namespaces: what somebody may see of them is for the caller to decide.
    """

    def save(self, cluster: str, records: Sequence[StartRecord], at: datetime) -> int:
        """Record starts, those known already anew; how many were new or changed.

        What is known better stays: a start that is over is not replaced by one under way, nor a ready one by one
        that is not, nor one over that was watched from its beginning by one as far but flagged "late". Recording the
        same again changes nothing, not even ``recorded_at``.
        """
        ...

    def settled(self, cluster: str, uids: Collection[str]) -> frozenset[str]:
        """Which of these are recorded and over, whatever their outcome: nobody needs to watch them."""
        ...

    def remember(self, cluster: str, traces: Mapping[str, bytes], nodes: Mapping[str, bytes], at: datetime) -> None:
        """Keep traces in progress by pod uid and nodes by name, as JSON, in place of what was kept of them."""
        ...

    def open(self, cluster: str) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
        """The traces in progress and the nodes, as they were given."""
        ...

    def forget_traces(self, cluster: str, uids: Collection[str]) -> None:
        """Drop traces that are no longer in progress."""
        ...

    def forget_nodes(self, cluster: str, names: Collection[str]) -> None:
        """Drop nodes that are gone."""
        ...

    def window(self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None) -> pd.DataFrame:
        """Starts of pods created in [begin, end), by STARTS, oldest first; of all clusters when None."""
        ...

    def of(self, cluster: str, namespace: str, workload: str, *, limit: int = 1000) -> pd.DataFrame:
        """The latest starts of a workload, by STARTS, oldest first."""
        ...

    def row(self, cluster: str, uid: str) -> pd.DataFrame:
        """One start by STARTS; no row when it is not recorded."""
        ...

    def detail(self, cluster: str, uid: str) -> Mapping[str, Any] | None:
        """One start in full, see services.domain.startup.frame.document; None when it is not recorded."""
        ...

    def pulls(self, begin: datetime, end: datetime, clusters: tuple[str, ...] | None = None) -> pd.DataFrame:
        """How the containers of :meth:`window`'s starts came to their images, by PULLS, in the same order."""
        ...

    def extent(self, clusters: tuple[str, ...] | None = None) -> Extent:
        """How much is recorded; of all clusters when None."""
        ...

    def prune(self, before: datetime, limit: int) -> int:
        """Remove what ended, and what nobody touched since, before that instant; how many rows.

        At most ``limit`` starts, with all that belongs to them, and as many traces and nodes: call it in transactions
        of its own until it answers 0.
        """
        ...

    def mark(self, cluster: str, name: str) -> Mapping[str, Any] | None:
        """What a collector noted under a name, such as how far a backfill is; None when nothing."""
        ...

    def set_mark(self, cluster: str, name: str, value: Mapping[str, Any], at: datetime) -> None:
        """Note something, in place of what was noted under the name."""
        ...


class Leases(Protocol):
    """Leases by name: one holder at a time, until it stops renewing.

    A token grows whenever a lease changes hands, so a write that checks its token in its own transaction
    (:meth:`check`) is never one of a holder that slept through the end of its lease.
    """

    def take(self, name: str, holder: str, *, until: datetime, now: datetime) -> int | None:
        """Take a lease that is free, or prolong one's own; the token, None while somebody else holds it.

        ``holder`` names one process. A lease past its ``until`` is free. Commit before acting on the token.
        """
        ...

    def release(self, name: str, holder: str) -> bool:
        """Give a lease back before it ends; False when it was not this holder's."""
        ...

    def holder(self, name: str) -> tuple[str, datetime] | None:
        """Who took the lease last and until when, which may be over; None when it is free for the taking."""
        ...

    def check(self, name: str, token: int) -> bool:
        """True while the lease has not changed hands since the token was given, and not until the transaction ends."""
        ...
