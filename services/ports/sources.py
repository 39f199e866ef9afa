"""Everything a use case is given: the clusters with their sources, the record, the clock, and the policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from services.access import ActionPolicy, Login
from services.memo import Memo
from services.ports.alerts import ChannelSource
from services.ports.gateway import Gateway, GatewayPlace
from services.ports.kubernetes import Cluster
from services.ports.metrics import Metrics
from services.ports.pricing import Pricing
from services.ports.record import Work

if TYPE_CHECKING:
    from concurrent.futures import Executor


@dataclass(frozen=True)
class ClusterSource:
    """Everything known of one cluster. ``metrics``, ``gateway`` and ``pricing`` are None when none is configured."""

    name: str
    cluster: Cluster
    metrics: Metrics | None
    gateway: Gateway | None = None
    gateway_place: GatewayPlace | None = None
    pricing: Pricing | None = None


@dataclass(frozen=True)
class CostPolicy:
    """How this installation counts money.

    ``zone`` is the time zone of days, months and reports, ``labels`` the pod labels costs are kept by besides team and
    workload, ``keep_hours`` how long facts of hours stay. Energy: ``pue`` multiplies board power, ``usd_per_kwh`` and
    ``grams_per_kwh`` (CO₂ of the grid) are None until somebody says what they are.
    """

    zone: str = "UTC"
    labels: tuple[str, ...] = ()
    keep_hours: timedelta = timedelta(days=400)
    pue: float = 1.4
    usd_per_kwh: float | None = None
    grams_per_kwh: float | None = None


@dataclass(frozen=True)
class Policy:
    """The installation's own numbers. Ratios are 0..1."""

    team_label: str = "team"
    idle_after: timedelta = timedelta(minutes=30)  # a held GPU below IDLE_BELOW for this long is idle
    utilisation_target: float = 0.70
    fallback_target: float = 0.10  # of answered requests, those that fell to another tier after a failure
    saturated_above: float = 0.95  # share of a pool's GPUs held
    refresh_s: int = 15
    actions: ActionPolicy = field(default_factory=ActionPolicy)
    login: Login = field(default_factory=Login)
    cost: CostPolicy = field(default_factory=CostPolicy)
    public_url: str = ""  # the console's own address for browsers, for links in messages


@dataclass(frozen=True)
class Sources:
    """What use cases take as their first argument. ``mode`` is "demo" or "live"; they are never mixed.

    ``memo`` holds derived frames and ``good`` the last good answers, for the whole process. ``past``: the same clusters
    as another clock has them, None where nobody can be asked about the past. ``channels``: where alerts go, by name.
    """

    mode: str
    clusters: Mapping[str, ClusterSource]
    now: Callable[[], datetime]
    pool: "Executor"
    policy: Policy = Policy()
    work: Work | None = None
    past: Callable[[Callable[[], datetime]], Mapping[str, ClusterSource]] | None = None
    channels: Mapping[str, ChannelSource] = field(default_factory=dict)
    memo: Memo = field(default_factory=Memo)
    good: Memo = field(default_factory=lambda: Memo(64))

    def chosen(self, cluster: str) -> list[ClusterSource]:
        """The cluster of this name, none if there is no such, all when the name is empty."""
        return [source for name, source in self.clusters.items() if cluster in ("", name)]
