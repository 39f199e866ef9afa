"""Who uses the GPUs: workloads with what they hold now and what they did over the window."""

from dataclasses import dataclass, replace

import pandas as pd

from services import fleet, metrics, snapshots
from services.domain import attribution, frames
from services.domain.headroom import NAMESPACE
from services.domain.scope import Scope
from services.domain.signals import Query, Stat
from services.domain.window import Window
from services.merge import merged
from services.ports import ClusterSource, Sources
from services.reading import Absence, Reading

WORKLOADS = {
    "cluster": "str",
    "namespace": "str",
    "workload": "str",
    "workload_kind": "str",
    "team": "str",
    "pods": "int64",  # that hold GPUs now
    "waiting": "int64",  # pods that want GPUs and cannot start
    "held": "float64",  # GPU equivalents held now
    "util": "float64",  # mean over the window while held, 0..1; NaN when not measured
    "gpu_hours": "float64",  # GPU equivalents × hours held in the window, as the metrics saw it; NaN when not measured
    "idle_gpu_hours": "float64",  # of those, below IDLE_BELOW
    "idle_usd": "float64",  # what the idle GPU-hours cost; NaN when not measured or unpriced
    "since": "datetime64[us, UTC]",  # creation of its oldest present pod
}
"""One row per workload that holds or wants GPUs now, or held some in the window."""

BY_POD = ("node", "namespace", "pod")
_KEYS = ["cluster", "namespace", "workload"]


def table(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Workloads of the scope, frame :data:`WORKLOADS`, most idle GPU-hours first.

    ``absence`` NOT_COLLECTED or a problem with a value: Kubernetes answered, the metrics did not.
    """
    window = fleet.window(sources, scope, by_owner=True)
    parts = [_of_cluster(sources, source, scope, window) for source in sources.chosen(scope.cluster)]
    whole = merged(parts, lambda found: pd.concat(found, ignore_index=True))
    if whole.value is None:
        return whole
    rows = whole.value.sort_values(["idle_gpu_hours", "held"], ascending=False, kind="stable", na_position="last")
    absence = next((part.absence for part in parts if part.absence is not None), None)
    return replace(whole, value=frames.conform(rows, WORKLOADS), absence=whole.absence or absence)


def _of_cluster(sources: Sources, source: ClusterSource, scope: Scope, window: Window) -> Reading[pd.DataFrame]:
    stock = snapshots.read(sources, source)
    if stock.value is None:
        return Reading(None, stock.as_of, stock.problem, stock.absence, stock.notes)
    present = scope.keep(fleet.placed(stock.value))
    used, measured = _used(sources, source, scope, window, stock.value)
    now = _present(present)
    rows = now if used is None else now.merge(used, on=_KEYS, how="outer")
    if used is None:
        rows = rows.assign(
            util=float("nan"), gpu_hours=float("nan"), idle_gpu_hours=float("nan"), idle_usd=float("nan")
        )
    else:
        rows["team"] = rows["team"].where(rows["team"].notna(), rows["team_used"])
    rows = rows.assign(
        workload_kind=rows["workload_kind"].fillna("gone"),
        pods=rows["pods"].fillna(0),
        waiting=rows["waiting"].fillna(0),
        held=rows["held"].fillna(0.0),
        since=pd.to_datetime(rows["since"], utc=True),
    )
    return Reading(
        frames.conform(rows, WORKLOADS),
        stock.as_of,
        stock.problem or measured.problem,
        measured.absence,
        (*stock.notes, *measured.notes),
    )


def _present(pods: pd.DataFrame) -> pd.DataFrame:
    bound = pods["node"] != ""
    counted = pods.assign(
        holds=bound.astype("int64"),
        stuck=pods["state"].isin(["waiting", "failing"]).astype("int64"),
        held=pods["equivalents"].where(bound, 0.0),
    )
    grouped = counted.groupby(_KEYS, sort=True)
    return grouped.agg(
        workload_kind=("workload_kind", "first"),
        team=("team", "first"),
        pods=("holds", "sum"),
        waiting=("stuck", "sum"),
        held=("held", "sum"),
        since=("created_at", "min"),
    ).reset_index()


def _used(
    sources: Sources, source: ClusterSource, scope: Scope, window: Window, stock: snapshots.Inventory
) -> tuple[pd.DataFrame | None, Reading[pd.DataFrame]]:
    mean, idle = (
        sources.pool.submit(
            metrics.instant,
            sources,
            source,
            Query("util", BY_POD, over=window.end - window.start, stat=stat, step=window.step),
            window.end,
            {"namespace": [scope.namespace]} if scope.namespace else None,
        )
        for stat in (Stat.MEAN, Stat.IDLE)
    )
    answer, idle_answer = mean.result(), idle.result()
    if answer.value is None or idle_answer.value is None or answer.absence is Absence.NOT_COLLECTED:
        return None, answer if answer.value is None or answer.absence else idle_answer
    pods = hours(answer.value, idle_answer.value, stock, window.hours).assign(cluster=source.name)
    kept = scope.keep(pods)
    return by_workload(kept), answer


def hours(mean: pd.DataFrame, idle: pd.DataFrame, stock: snapshots.Inventory, window_hours: float) -> pd.DataFrame:
    """GPU-hours of each pod and node: ``gpu_hours``, ``busy`` and ``idle_gpu_hours`` in GPU-hours, ``idle_usd``."""
    mean = mean[mean["namespace"] != NAMESPACE]  # what is kept warm is free to whoever needs it
    both = mean.merge(idle[[*BY_POD, "value"]], on=list(BY_POD), how="left", suffixes=("", "_idle"))
    placed = attribution.attribute(both, stock.nodes, stock.pods)
    price = stock.nodes.set_index("node")["price"].reindex(placed["node"]).to_numpy()
    gpu_hours = placed["weight"] * window_hours
    idle_hours = gpu_hours * placed["value_idle"]
    return placed.assign(
        gpu_hours=gpu_hours, busy=gpu_hours * placed["value"], idle_gpu_hours=idle_hours, idle_usd=idle_hours * price
    )


def by_workload(pods: pd.DataFrame) -> pd.DataFrame:
    """Sums per workload; ``idle_usd`` is NaN when any of its idle hours has no price."""
    grouped = pods.groupby(_KEYS, observed=True, sort=True)
    sums = grouped[["gpu_hours", "busy", "idle_gpu_hours"]].sum()
    sums["idle_usd"] = grouped["idle_usd"].sum(skipna=False)
    sums["util"] = (sums["busy"] / sums["gpu_hours"]).where(sums["gpu_hours"] > 0)
    sums["team_used"] = grouped["team"].first()
    frame = sums.drop(columns="busy").reset_index()
    return frame.astype({"namespace": "str", "workload": "str", "team_used": "str"})


POD_USE = {
    "cluster": "str",
    "namespace": "str",
    "pod": "str",
    "node": "str",
    "pool": "str",
    "state": "str",
    "message": "str",
    "resources": "str",
    "held": "float64",
    "util": "float64",
    "gpu_hours": "float64",
    "idle_gpu_hours": "float64",
    "created_at": "datetime64[us, UTC]",
}
"""One row per pod of a workload: present ones, and gone ones that held GPUs in the window (state "gone")."""


def pods(sources: Sources, scope: Scope, namespace: str, workload: str) -> Reading[pd.DataFrame]:
    """The pods of one workload, frame :data:`POD_USE`."""
    window = fleet.window(sources, scope, by_owner=True)
    parts = [
        _pods_of(sources, source, scope, (namespace, workload), window) for source in sources.chosen(scope.cluster)
    ]
    return merged(parts, lambda found: frames.conform(pd.concat(found, ignore_index=True), POD_USE))


def _pods_of(
    sources: Sources, source: ClusterSource, scope: Scope, owner: tuple[str, str], window: Window
) -> Reading[pd.DataFrame]:
    stock = snapshots.read(sources, source)
    if stock.value is None:
        return Reading(None, stock.as_of, stock.problem, stock.absence, stock.notes)
    namespace, workload = owner
    present = fleet.placed(stock.value)
    present = scope.sees.seen(present[(present["namespace"] == namespace) & (present["workload"] == workload)])
    span = Query("util", BY_POD, over=window.end - window.start, step=window.step)
    # Asked as the table of workloads asks, so that the answer is there already.
    only = {"namespace": [scope.namespace]} if scope.namespace else None
    mean = metrics.instant(sources, source, span, window.end, only)
    idle = metrics.instant(sources, source, replace(span, stat=Stat.IDLE), window.end, only)
    rows = present.assign(held=present["equivalents"])
    if mean.value is not None and idle.value is not None:
        used = hours(mean.value, idle.value, stock.value, window.hours)
        used = scope.sees.seen(used[(used["namespace"] == namespace) & (used["workload"] == workload)])
        grouped = used.groupby(["namespace", "pod"], observed=True)
        sums = grouped[["gpu_hours", "busy", "idle_gpu_hours"]].sum()
        sums["util"] = sums["busy"] / sums["gpu_hours"]
        sums["node_used"], sums["pool_used"] = grouped["node"].first(), grouped["pool"].first()
        rows = rows.merge(sums.reset_index(), on=["namespace", "pod"], how="outer")
        rows["node"] = rows["node"].where(rows["node"].notna(), rows["node_used"])
        rows["pool"] = rows["pool"].where(rows["pool"].notna(), rows["pool_used"].astype("object"))
    else:
        rows = rows.assign(util=float("nan"), gpu_hours=float("nan"), idle_gpu_hours=float("nan"))
    rows = rows.assign(
        cluster=source.name,
        state=rows["state"].fillna("gone"),
        message=rows["message"].fillna(""),
        resources=rows["resources"].fillna(""),
        held=rows["held"].fillna(0.0),
    ).sort_values(["state", "idle_gpu_hours"], ascending=[False, False], kind="stable")
    return Reading(frames.conform(rows, POD_USE), stock.as_of, mean.problem or stock.problem, mean.absence, mean.notes)


@dataclass(frozen=True)
class Totals:
    """Sums over the workloads of a scope; None where nothing was measured."""

    held: float
    holders: int
    gpu_hours: float | None
    idle_gpu_hours: float | None
    waiting: int

    @property
    def idle_share(self) -> float | None:
        """Idle over held GPU-hours, 0..1."""
        return self.idle_gpu_hours / self.gpu_hours if self.gpu_hours and self.idle_gpu_hours is not None else None


def totals(sources: Sources, scope: Scope) -> Reading[Totals]:
    """Headline figures of the workloads of a scope; ``waiting`` counts blocked controllers too."""
    whole = table(sources, scope)
    if whole.value is None:
        return Reading(None, whole.as_of, whole.problem, whole.absence, whole.notes)
    rows = whole.value
    queue = fleet.waiting(sources, scope)
    hours_, idle = rows["gpu_hours"].sum(min_count=1), rows["idle_gpu_hours"].sum(min_count=1)
    value = Totals(
        held=float(rows["held"].sum()),
        holders=int((rows["held"] > 0).sum()),
        gpu_hours=None if pd.isna(hours_) else float(hours_),
        idle_gpu_hours=None if pd.isna(idle) else float(idle),
        waiting=0 if queue.value is None else len(queue.value),
    )
    return Reading(value, whole.as_of, whole.problem, whole.absence, whole.notes)


CLASS_HOURS = {"use": "str", "gpu_hours": "float64"}
"""GPU-hours by class: active, held idle, not held; they add up to the GPU-hours the metrics saw."""


def class_hours(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU-hours of the window by class, frame :data:`CLASS_HOURS`.

    Every instant of a unit counts as what it was then: held and at or above IDLE_BELOW, held and below, or not held. A
    scope of pods has no hours that are not held; without one, these are totals of the hardware and name nobody.
    """
    scope = scope if scope.by_owner else scope.hardware
    window = fleet.window(sources, scope, by_owner=True)
    parts = [_class_hours(sources, source, scope, window) for source in sources.chosen(scope.cluster)]

    def added(found: list[pd.DataFrame]) -> pd.DataFrame:
        return pd.concat(found).groupby("use", sort=False)[["gpu_hours"]].sum().reset_index()

    return merged(parts, added)


def _class_hours(sources: Sources, source: ClusterSource, scope: Scope, window: Window) -> Reading[pd.DataFrame]:
    stock = snapshots.read(sources, source)
    if stock.value is None:
        return Reading(None, stock.as_of, stock.problem, stock.absence, stock.notes)
    span = Query("util", BY_POD, over=window.end - window.start, step=window.step)
    asked = [
        sources.pool.submit(metrics.instant, sources, source, query, window.end)
        for query in (span, replace(span, stat=Stat.IDLE), replace(span, by=("node",)))
    ]
    mean, idle, nodes = (future.result() for future in asked)
    if mean.value is None or idle.value is None or nodes.value is None or mean.absence is not None:
        return replace(mean, value=None)
    held = scope.keep(hours(mean.value, idle.value, stock.value, window.hours).assign(cluster=source.name))
    seen = scope.keep(attribution.attribute(nodes.value, stock.value.nodes, stock.value.pods))
    idle_hours, held_hours = float(held["idle_gpu_hours"].sum()), float(held["gpu_hours"].sum())
    rows: list[tuple[object, ...]] = [("active", held_hours - idle_hours), ("held idle", idle_hours)]
    if not scope.by_owner:
        rows.append(("not held", max(float(seen["weight"].sum()) * window.hours - held_hours, 0.0)))
    return Reading(frames.table(CLASS_HOURS, rows), mean.as_of, mean.problem, None, mean.notes)
