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
    UnitOfWork,
    Work,
)
from services.ports.sources import ClusterSource, Policy, Sources
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
    "Gateway",
    "GatewayPlace",
    "Journal",
    "JournalEntry",
    "Metrics",
    "Operation",
    "Operations",
    "Policy",
    "Routing",
    "Samples",
    "Snapshot",
    "SourceStatus",
    "Sources",
    "StoreState",
    "Tier",
    "UnitOfWork",
    "Work",
    "Writable",
]
