"""What needs attention in the record of operations: changes that stopped, people waited for, a tripped breaker."""

from collections.abc import Iterable
from datetime import timedelta

import pandas as pd

from services.domain.findings import Finding, Severity

RECENT = timedelta(days=1)
"""An operation that failed earlier has been seen, or will not be."""


def stopped(operations: pd.DataFrame, now: pd.Timestamp) -> Iterable[Finding]:
    """Operations that stopped on the way, took no effect, or wait for a second person. Columns: ports.OPERATIONS."""
    recent = operations[(operations["at"] >= now - RECENT) & (operations["undone_by"] == "")]
    says = {
        "failed": (Severity.WARNING, "Change failed"),
        "interrupted": (Severity.CRITICAL, "Change stopped half-way"),
        "unverified": (Severity.WARNING, "Change without seen effect"),
        "proposed": (Severity.NOTICE, "Waits for a second person"),
    }
    for row in recent[recent["state"].isin(list(says))].to_dict("records"):
        severity, kind = says[row["state"]]
        yield Finding(
            key=f"operation/{row['id']}",
            kind=kind,
            severity=severity,
            title=row["summary"],
            detail=row["outcome"] or f"Proposed by {row['actor_name']}: {row['reason']}",
            cluster=row["clusters"],
            since=row["at"].to_pydatetime(),
            page="audit",
            params={"op": row["id"]},
        )


def tripped(says: str, at: pd.Timestamp) -> Finding:
    """The finding of a breaker that is open: nobody can change nodes until an admin closes it."""
    return Finding(
        key="breaker",
        kind="Breaker open",
        severity=Severity.CRITICAL,
        title="The fleet-wide breaker is open: no node can be changed",
        detail=says,
        cluster="",
        since=at.to_pydatetime(),
        page="audit",
    )
