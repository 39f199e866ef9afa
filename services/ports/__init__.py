"""What services need from outside, in our own vocabulary. Two implementations each: ``adapters`` and ``demo``."""

from services.ports.gateway import TRAFFIC, Gateway, GatewayPlace, Routing, Tier
from services.ports.kubernetes import Cluster, Snapshot, StoreState, Writable
from services.ports.metrics import COVERAGE_COLUMNS, Coverage, Metrics, Samples
from services.ports.record import (
    OPERATIONS,
    Broken,
    Event,
    Journal,
    JournalEntry,
    Operation,
    Operations,
    ReadUnit,
    UnitOfWork,
    Work,
)
from services.ports.sources import ClusterSource, Policy, Sources
from services.ports.starts import Extent, Leases, Starts
from services.ports.status import SourceStatus

__all__ = [
    "COVERAGE_COLUMNS",
    "OPERATIONS",
    "TRAFFIC",
    "Broken",
    "Cluster",
    "ClusterSource",
    "Coverage",
    "Event",
    "Extent",
    "Gateway",
    "GatewayPlace",
    "Journal",
    "JournalEntry",
    "Leases",
    "Metrics",
    "Operation",
    "Operations",
    "Policy",
    "ReadUnit",
    "Routing",
    "Samples",
    "Snapshot",
    "SourceStatus",
    "Sources",
    "Starts",
    "StoreState",
    "Tier",
    "UnitOfWork",
    "Work",
    "Writable",
]
