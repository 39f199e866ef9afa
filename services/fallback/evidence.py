"""What the console's own records and the clusters know of the time of a burst."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import cast

import pandas as pd

from services import metrics, snapshots
from services import serving as engines
from services.domain import frames
from services.domain.cost import TICKS
from services.domain.fallback import rollouts
from services.domain.fallback.reasons import BEFORE, Evidence, Serving
from services.domain.objects import Pod
from services.domain.scope import EVERYTHING, Scope
from services.domain.signals import Query
from services.domain.window import Window
from services.errors import OpsError
from services.ports import ClusterSource, Sources
from services.startup import read as startup

STEP = timedelta(minutes=1)


def serving(sources: Sources, cluster: str, base: str) -> Serving | None:
    """The workload an address of a deployment leads to, by the names in it: service, namespace, perhaps a cluster.

    None when no cluster has a workload of that name in that namespace, as for a provider. The gateway's own cluster
    comes first, unless the address names another.
    """
    name, _, rest = base.partition(":")[0].partition(".")
    namespace, *more = rest.split(".") if rest else [""]
    if not namespace:
        return None
    order = sorted(sources.clusters, key=lambda one: (one not in more, one != cluster, one))
    for one in order:
        stock = snapshots.read(sources, sources.clusters[one]).value
        if stock is None:
            continue
        mine = stock.pods[(stock.pods["namespace"] == namespace) & (stock.pods["workload"] == name)]
        if len(mine):
            return Serving(one, namespace, name, _pool(stock, mine))
    return None


def whole(sources: Sources) -> bool:
    """Whether every cluster can be read: else a workload may be one that is not seen now."""
    return all(snapshots.read(sources, one).value is not None for one in sources.clusters.values())


def _pool(stock: snapshots.Inventory, pods: pd.DataFrame) -> str:
    """The pool most of these pods are in."""
    pools = pods["node"].map(stock.nodes.set_index("node")["pool"]).dropna()
    return str(pools.mode().iat[0]) if len(pools) else ""


def gathered(sources: Sources, of: Serving, begin: datetime, end: datetime) -> Evidence:
    """Everything known of the time from :data:`BEFORE` ``begin`` to ``end``; a source that fails costs its own part."""
    source, since = sources.clusters[of.cluster], begin - BEFORE
    held, gone, free = _spans(sources, of, since, end)
    starts = _starts(sources, of, since, end)
    return Evidence(
        starts=None if starts is None else starts[~(starts["ended_at"] < pd.Timestamp(since))],
        rollout=None if starts is None else rollouts.began(starts, since, end),
        ready=_ready(held, begin, end),
        gone=gone,
        xids=_xids(sources, source, held, since, end),
        ended=_ended(source, of, since, end),
        free=free,
        engine=engines.strain(sources, source, of.namespace, of.workload, since, end),
    )


def _starts(sources: Sources, of: Serving, since: datetime, end: datetime) -> pd.DataFrame | None:
    """Every start of the workload that is recorded up to the end; None when nothing was recorded by then."""
    length = "24h" if sources.now() - since < timedelta(hours=24) else "30d"
    recorded = startup.recorded(sources, Scope(cluster=of.cluster, range=length, sees=EVERYTHING)).value
    if recorded is None or recorded.since > pd.Timestamp(end):
        return None
    rows = recorded.starts
    mine = (rows["namespace"] == of.namespace) & (rows["workload"] == of.workload)
    return rows[mine & (rows["created_at"] < pd.Timestamp(end))]


def _spans(
    sources: Sources, of: Serving, since: datetime, end: datetime
) -> tuple[pd.DataFrame | None, pd.DataFrame | None, pd.DataFrame | None]:
    """Of the record of costs: what the workload held, nodes it ran on that went, and free GPUs of its pool."""
    if sources.work is None:
        return None, None, None
    try:
        with sources.work.reading() as unit:
            nodes, holds = unit.costs.spans(since, end, (of.cluster,))
            owners, places = unit.costs.owners(), unit.costs.places()
    except OpsError:
        return None, None, None
    if nodes.empty:
        return None, None, None
    mine = owners[(owners["namespace"] == of.namespace) & (owners["workload"] == of.workload)]["owner"]
    held = holds[holds["owner"].isin(mine) & holds["kind"].eq("held")]
    names = nodes.drop_duplicates("uid", keep="last").set_index("uid")["node"]
    held = held.assign(node=held["node_uid"].map(names))
    lasting = nodes.loc[nodes["end"].isna() | (nodes["end"] > pd.Timestamp(end)), "uid"]
    over = nodes[~nodes["uid"].isin(lasting) & nodes["uid"].isin(held["node_uid"])]
    gone = over.groupby("node")["end"].max().rename("at").reset_index()
    return held, gone, _free(nodes, holds, places, of.pool, since, end) if of.pool else None


def _free(
    nodes: pd.DataFrame, holds: pd.DataFrame, places: pd.DataFrame, pool: str, since: datetime, end: datetime
) -> pd.DataFrame:
    """GPU equivalents of a pool that nobody held, every minute: without what is broken or left over."""
    of_pool = nodes[nodes["place"].isin(places.loc[places["pool"] == pool, "place"])]
    of_pool = of_pool.assign(ticks=of_pool["gpus"] * TICKS - of_pool["out"] - of_pool["remainder"])
    taken = holds[holds["node_uid"].isin(of_pool["uid"]) & holds["kind"].eq("held")]
    rows = []
    for at in _minutes(since, end):
        open_, used = (frame[(frame["begin"] <= at) & ~(frame["end"] <= at)] for frame in (of_pool, taken))
        usable = open_.loc[~open_["closed"] | open_["uid"].isin(used["node_uid"]), "ticks"].sum()
        rows.append((at, max(float(usable - used["ticks"].sum()) / TICKS, 0.0)))
    return frames.table({"at": "datetime64[us, UTC]", "free": "float64"}, rows)


def _ready(held: pd.DataFrame | None, begin: datetime, end: datetime) -> pd.DataFrame | None:
    """Pods of the workload on nodes, every minute; none is surely none ready."""
    if held is None or held.empty:
        return None
    rows = [(at, float(((held["begin"] <= at) & ~(held["end"] <= at)).sum())) for at in _minutes(begin, end)]
    return frames.table({"at": "datetime64[us, UTC]", "ready": "float64"}, rows)


def _xids(
    sources: Sources, source: ClusterSource, held: pd.DataFrame | None, since: datetime, end: datetime
) -> pd.DataFrame | None:
    """XIDs on the workload's nodes that were not there when the time began."""
    if held is None or held.empty or source.metrics is None:
        return None
    window = Window(since.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0), STEP)
    names = tuple(sorted(set(held["node"].dropna())))
    answer = metrics.over_window(sources, source, Query("xid", ("node", "gpu")), window, {"node": names})
    if answer.value is None or answer.problem is not None:
        return None
    rows = answer.value[answer.value["value"] > 0].sort_values("at")
    first = rows.drop_duplicates(["node", "gpu", "value"])
    new = first[first["at"] > pd.Timestamp(window.start + STEP)]
    return pd.DataFrame({"node": new["node"], "code": new["value"].astype("int64"), "at": new["at"]})


def _ended(source: ClusterSource, of: Serving, since: datetime, end: datetime) -> pd.DataFrame | None:
    """Containers of its pods that ended badly; of pods that are gone nothing is known any more."""
    pods = cast("Iterable[Pod]", source.cluster.snapshot("pods").objects)
    rows = []
    for pod in pods:
        if pod.metadata.namespace != of.namespace or not pod.metadata.name.startswith(f"{of.workload}-"):
            continue
        for status in pod.status.container_statuses or ():
            last = status.last_state.terminated if status.last_state is not None else None
            if (
                last is not None
                and last.finished_at is not None
                and since <= last.finished_at <= end
                and last.exit_code
            ):
                rows.append((pod.metadata.name, last.reason or "", last.finished_at))
    return frames.table({"pod": "str", "reason": "str", "at": "datetime64[us, UTC]"}, rows)


def _minutes(begin: datetime, end: datetime) -> list[pd.Timestamp]:
    first = begin.replace(second=0, microsecond=0)
    return [pd.Timestamp(first + STEP * number) for number in range(int((end - first) / STEP) + 1)]
