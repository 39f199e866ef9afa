"""The world as a Kubernetes cluster: every kind we read, as it stands at the minute of the clock."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock

from services.demo import controllers, events, karpenter, nodeobjects, podobjects, policies
from services.demo.moment import Moment
from services.demo.world import Site
from services.domain.kinds import KINDS
from services.domain.objects import Obj
from services.ports import Snapshot, SourceStatus, StoreState

_BUILDERS: Mapping[str, Callable[[Moment], Sequence[Obj]]] = {
    "nodes": nodeobjects.nodes,
    "pods": podobjects.pods,
    "events": events.events,
    "namespaces": policies.namespaces,
    "replicasets": controllers.replicasets,
    "deployments": controllers.deployments,
    "statefulsets": controllers.statefulsets,
    "daemonsets": controllers.daemonsets,
    "jobs": controllers.jobs,
    "hpas": controllers.hpas,
    "quotas": policies.quotas,
    "configmaps": lambda _moment: (),  # no Cluster Autoscaler here
    "priorityclasses": policies.priorityclasses,
    "nodepools": karpenter.nodepools,
    "nodeclaims": karpenter.nodeclaims,
}

_GROUPS = frozenset(
    {
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "coordination.k8s.io",
        "events.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)


class DemoCluster:
    """One simulated cluster.

    A snapshot is computed once a minute; its version is the number of the minute since the epoch plus the number of
    recorded changes, so it grows with either.
    """

    def __init__(self, site: Site, clock: Callable[[], datetime]) -> None:
        self._site = site
        self._clock = clock
        self._lock = Lock()
        self._version = -1
        self._moment: Moment | None = None
        self._snapshots: dict[str, Snapshot] = {}

    def snapshot(self, kind: str) -> Snapshot:
        """The objects of a kind at the present minute. Raises KeyError for a kind that is not in KINDS."""
        with self._lock:
            now = int(self._clock().timestamp()) // 60 * 60
            version = now // 60 + len(self._site.changes)
            if self._moment is None or version != self._version:
                self._moment, self._version, self._snapshots = Moment(self._site, now), version, {}
            if kind not in self._snapshots:
                self._snapshots[kind] = self._taken(kind, self._moment, version)
            return self._snapshots[kind]

    def _taken(self, kind: str, moment: Moment, version: int) -> Snapshot:
        known = KINDS[kind]
        builder = _BUILDERS.get(kind)
        if builder is None or (not known.installed and not karpenter.installed(moment)):
            message = f"The cluster has no API for {known.plural}."
            return Snapshot(kind, (), version, StoreState.ABSENT, None, message=message)
        return Snapshot(
            kind, tuple(builder(moment)), version, StoreState.READY, datetime.fromtimestamp(moment.now, UTC)
        )

    def probe(self) -> SourceStatus:
        """Always reachable."""
        now = datetime.fromtimestamp(int(self._clock().timestamp()) // 60 * 60, UTC)
        return SourceStatus(
            source="kubernetes",
            address=f"demo://{self._site.name}",
            reachable=True,
            latency_s=0.0,
            version="v1.34.1 (demo)",
            newest_at=now,
        )

    def api_groups(self) -> frozenset[str]:
        """The groups every server has, and Karpenter's where it is installed."""
        return _GROUPS | {"karpenter.sh"} if self._site.plan.labels == "karpenter" else _GROUPS

    def start(self) -> None:
        """Nothing to start: answers are computed when asked."""

    def close(self) -> None:
        """Nothing to release."""
