"""What services need from outside, in our own vocabulary. Two implementations each: ``adapters`` and ``demo``."""

from services.ports.alerts import ALERTS, Alerts, ChannelSource, Delivery, Notifier
from services.ports.budgets import BudgetChange, Budgets, Crossing, Dismissal
from services.ports.costs import Card, Costs
from services.ports.gateway import Answered, Gateway, GatewayPlace, Routing, Tier, Trial
from services.ports.kubernetes import Cluster, Life, Remembering, Snapshot, StoreState, Writable
from services.ports.metrics import COVERAGE_COLUMNS, Coverage, Metrics, Samples
from services.ports.pricing import NODE_PRICES, Pricing
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
from services.ports.sources import ClusterSource, CostPolicy, Policy, Sources
from services.ports.starts import Extent, Leases, Starts
from services.ports.status import SourceStatus

__all__ = [
    "ALERTS",
    "COVERAGE_COLUMNS",
    "NODE_PRICES",
    "OPERATIONS",
    "Alerts",
    "Answered",
    "Broken",
    "BudgetChange",
    "Budgets",
    "Card",
    "ChannelSource",
    "Cluster",
    "ClusterSource",
    "CostPolicy",
    "Costs",
    "Coverage",
    "Crossing",
    "Delivery",
    "Dismissal",
    "Event",
    "Extent",
    "Gateway",
    "GatewayPlace",
    "Journal",
    "JournalEntry",
    "Leases",
    "Life",
    "Metrics",
    "Notifier",
    "Operation",
    "Operations",
    "Policy",
    "Pricing",
    "ReadUnit",
    "Remembering",
    "Routing",
    "Samples",
    "Snapshot",
    "SourceStatus",
    "Sources",
    "Starts",
    "StoreState",
    "Tier",
    "Trial",
    "UnitOfWork",
    "Work",
    "Writable",
]
