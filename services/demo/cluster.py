"""The world as a Kubernetes cluster: every kind we read, as it stands at the minute of the clock, and its writes."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from threading import Lock

from services.access import User
from services.demo import bodies, gateway_rollout, history, karpenter, mesh_rules
from services.demo.moment import Moment, turns
from services.demo.reaction import seen
from services.demo.server import Server
from services.demo.world import Site
from services.domain.kinds import KINDS
from services.ports import Life, Snapshot, SourceStatus, StoreState

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
_KARPENTERS = frozenset({"karpenter.sh", "autoscaling.x-k8s.io", "nvidia.com"})


class DemoCluster(Server):
    """One simulated cluster.

    A snapshot is computed once a minute, and at once after a write, when something happened because of one, and when
    something turns that nobody dates (:func:`services.demo.moment.turns`). Its version is the second since the epoch
    that it shows plus the number of writes, so it grows with each.
    """

    def __init__(
        self,
        site: Site,
        clock: Callable[[], datetime],
        *,
        actor: str = "demo",
        forbidden: Collection[tuple[str, str]] = (),
    ) -> None:
        super().__init__(site, clock, actor=actor, forbidden=forbidden)
        self._lock = Lock()
        self._version = -1
        self._moment: Moment | None = None
        self._snapshots: dict[str, Snapshot] = {}
        self._turns: tuple[Site | None, int, list[int]] = (None, 0, [])

    def snapshot(self, kind: str) -> Snapshot:
        """The objects of a kind at the present minute. Raises KeyError for a kind that is not in KINDS."""
        with self._lock:
            clock = int(self._clock().timestamp())
            site = seen(self._site, clock)
            writes = [write.at for write in site.ledger.writes if write.at <= clock]
            happened = [one.last(clock) for one in (site.reaction, site.daemons) if one is not None]
            happened += [self._turned(site, clock), *writes[-1:], *gateway_rollout.moments(site, clock)[-1:]]
            now = max(clock // 60 * 60, *happened)
            version = now + len(writes)
            if self._moment is None or version != self._version:
                self._moment, self._version, self._snapshots = Moment(site, now), version, {}
            if kind not in self._snapshots:
                self._snapshots[kind] = self._taken(kind, self._moment, version)
            return self._snapshots[kind]

    def _turned(self, site: Site, clock: int) -> int:
        """The last turn up to a time of those in its hour; 0 for none."""
        hour = clock // 3600
        if self._turns[0] is not site or self._turns[1] != hour:
            self._turns = (site, hour, turns(site, hour * 3600, hour * 3600 + 3599))
        place = bisect_right(self._turns[2], clock)
        return self._turns[2][place - 1] if place else 0

    def _taken(self, kind: str, moment: Moment, version: int) -> Snapshot:
        known = KINDS[kind]
        ready = known.installed or (
            mesh_rules.installed(moment.site) if kind == "destinationrules" else karpenter.installed(moment)
        )
        if kind not in bodies.BUILDERS or not ready:
            message = f"The cluster has no API for {known.plural}."
            return Snapshot(kind, (), version, StoreState.ABSENT, None, message=message)
        objects = tuple(bodies.listed(moment, kind))
        at = datetime.fromtimestamp(moment.now, UTC)
        return Snapshot(kind, objects, version, StoreState.READY, at, api=known.groups[0])

    def lives(self, kind: str, begin: datetime, end: datetime) -> Sequence[Life]:
        """Nodes or pods that were there somewhere in [begin, end), and when they went.

        Of pods that went, those of the cluster's own system are left out. Raises KeyError for another kind.
        """
        past = {"nodes": history.nodes, "pods": history.pods}[kind]
        first, last = int(begin.timestamp()), min(int(end.timestamp()), int(self._clock().timestamp()) + 1)
        if first >= last:
            return ()
        with self._lock:
            return tuple(past(seen(self._site, last), first, last))

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
        """The groups every server has, and those of what is installed where Karpenter is."""
        return _GROUPS | _KARPENTERS if self._site.plan.labels == "karpenter" else _GROUPS

    def as_user(self, user: User) -> Server:
        """The same writes, recorded under the person's name."""
        return Server(self._site, self._clock, actor=user.id, forbidden=self._forbidden)

    def start(self) -> None:
        """Nothing to start: answers are computed when asked."""

    def close(self) -> None:
        """Nothing to release."""
