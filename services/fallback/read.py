"""What gateways counted, as routes: the one place that asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from services.domain.counters import MINUTE, ends
from services.domain.fallback import Chains, Deployed
from services.domain.fallback.routes import routes
from services.domain.litellm import SELF_HOSTED
from services.domain.window import RANGES
from services.errors import OpsError
from services.gateway import read as gateways
from services.gateway.read import Board as Gateway
from services.ports import Metrics, Sources
from services.reading import Absence, Problem, Reading

STEPS = {
    "1h": MINUTE,
    "6h": 5 * MINUTE,
    "24h": 5 * MINUTE,
    "7d": 30 * MINUTE,
    "30d": 120 * MINUTE,
}
"""Resolution of each range."""
KEEP_S = {"1h": 20.0, "6h": 30.0, "24h": 60.0, "7d": 180.0, "30d": 600.0}
"""How long what was counted is good enough."""


@dataclass(frozen=True)
class Counted:
    """Routes (:data:`services.domain.fallback.ROUTES`) of one gateway over steps that end at ``points``, all teams'."""

    cluster: str
    routes: pd.DataFrame
    points: tuple[datetime, ...]
    chains: Chains

    @property
    def step(self) -> timedelta:
        """The length of each step."""
        return self.points[1] - self.points[0]

    @property
    def begin(self) -> datetime:
        """When the first step begins."""
        return self.points[0] - self.step

    @property
    def end(self) -> datetime:
        """When the last step ends."""
        return self.points[-1]


def places(sources: Sources, cluster: str = "") -> list[str]:
    """Clusters with a gateway that is configured, sorted; of all when none is named."""
    return sorted(
        one.name for one in sources.chosen(cluster) if one.gateway is not None or one.gateway_place is not None
    )


def counted(sources: Sources, cluster: str, range_name: str) -> Reading[Counted]:
    """What the gateway of a cluster counted over a range; not collected when it answered nothing anybody counted."""
    source = sources.clusters.get(cluster)
    if source is None or cluster not in places(sources):
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    metrics = source.metrics
    if metrics is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    points = _points(sources.now(), range_name)
    at = sources.now().timestamp()

    def build() -> Reading[Counted]:
        chains = known(gateways.board(sources, cluster).value)
        return asked(sources, ("routes", cluster, range_name), lambda: between(metrics, cluster, chains, points))

    return sources.memo.get(("routes", cluster, range_name), points, build, at=at, keep_s=KEEP_S[range_name])


def between(metrics: Metrics, cluster: str, chains: Chains, points: tuple[datetime, ...]) -> Reading[Counted]:
    """Routes of some steps. Raises SourceError."""
    step = points[1] - points[0]
    found: dict[str, pd.DataFrame] = {}
    notes: list[str] = []
    for name in ("answers", "hops", "lost", "spend"):
        samples = metrics.grown(f"fallback_{name}", points[0] - step, points[-1], step)
        found[name] = samples.frame
        notes += samples.notes
    table = routes(points, chains, **found)
    absence = Absence.NOT_COLLECTED if all(frame.empty for frame in found.values()) else None
    return Reading(Counted(cluster, table, points, chains), points[-1], None, absence, tuple(dict.fromkeys(notes)))


def asked(sources: Sources, key: tuple[object, ...], ask: Callable[[], Reading[Counted]]) -> Reading[Counted]:
    """The answer, or the last good one with what is wrong since when."""
    try:
        answer = ask()
    except OpsError as error:
        good: Reading[Counted] | None = sources.good.last(key)
        since = sources.good.last((*key, "failing since")) or sources.now()
        sources.good.put((*key, "failing since"), since)
        problem = Problem.of(error, source="prometheus", since=since)
        return Reading(None, problem=problem) if good is None else replace(good, problem=problem)
    sources.good.put(key, answer)
    sources.good.put((*key, "failing since"), None)
    return answer


def known(board: Gateway | None) -> Chains:
    """What routes need to know of a gateway's chains; nothing when neither its file nor its process is readable."""
    if board is None:
        return Chains()
    tiers = board.tiers
    order = tiers["order"].fillna(float("inf"))
    ranks = order.groupby(tiers["group"]).rank(method="dense").astype("int64")
    priced = tiers["input_usd"].notna() | tiers["output_usd"].notna()
    own = tiers["provider"].isin(SELF_HOSTED)
    rows = zip(tiers["id"], tiers["group"], ranks, own, priced, strict=True)
    found = {
        name: Deployed(name, group, rank, own=own, priced=priced) for name, group, rank, own, priced in rows if name
    }
    return Chains(found, board.config.aliases if board.config is not None else {})


def _points(now: datetime, range_name: str) -> tuple[datetime, ...]:
    """The ends of the range's steps; the last is the last whole minute, or five of them, before now."""
    step = STEPS[range_name]
    whole = int(min(step, 5 * MINUTE).total_seconds())
    end = datetime.fromtimestamp(int(now.timestamp()) // whole * whole, UTC)
    return tuple(ends(end - RANGES[range_name], end, step))
