"""What one replica of each workload asks for, and so what a warm unit should hold."""

from collections.abc import Mapping
from statistics import median

import pandas as pd

from services import snapshots
from services.domain import frames
from services.domain.allocation import NO_TEAM, owner, teams
from services.domain.headroom import (
    GPU,
    NAMESPACE,
    Shape,
    Want,
    balloon,
    keeps,
    placeholder,
    room,
    settled,
    shape_of,
    written,
)
from services.domain.headroom.objects import shape_in
from services.domain.objects import Pod
from services.domain.scope import Scope
from services.errors import Refused
from services.headroom import stores
from services.merge import merged
from services.ports import ClusterSource, Sources
from services.reading import Reading
from services.snapshots import Inventory

_DERIVE_EVERY_S = 5.0
_STEP = {"cpu": 0.5, "memory": 2.0**30}
"""Defaults are whole multiples of these."""
SHARE = 0.8
"""Part of a unit's share of its node that a default shape takes at most: the rest is the node's own daemons'."""


SHAPES = {
    "cluster": "str",
    "namespace": "str",
    "workload": "str",
    "team": "str",
    "pool": "str",
    "model": "str",
    "resource": "str",
    "gpus": "int64",  # units of the resource
    "cpu": "str",  # Kubernetes quantities
    "memory": "str",
    "priority": "int64",
}
"""What one replica of each workload asks for, from its newest pod. A pod without a node has no pool and no model."""


def shapes(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Shapes of the workloads in the scope, frame :data:`SHAPES`."""
    parts = []
    for source in sources.chosen(scope.cluster):
        stock = snapshots.read(sources, source)
        value = None if stock.value is None else scope.keep(_shapes(sources, source, stock.value))
        parts.append(Reading(value, stock.as_of, stock.problem, stock.absence, stock.notes))
    return merged(parts, lambda found: frames.conform(pd.concat(found, ignore_index=True), SHAPES))


def _shapes(sources: Sources, source: ClusterSource, stock: Inventory) -> pd.DataFrame:
    version = tuple(source.cluster.snapshot(kind).version for kind in ("pods", "namespaces", "nodes"))

    def build() -> pd.DataFrame:
        place = stock.nodes.set_index("node")[["pool", "model"]].to_dict("index")
        known = stock.pods.set_index(["namespace", "pod"])["workload"].to_dict()
        team_of = teams(stores.all_of(source, "namespaces"), sources.policy.team_label)
        rows: dict[tuple[str, str], tuple[object, ...]] = {}
        for pod in sorted(stores.pods(source), key=lambda one: str(one.metadata.creation_timestamp)):
            meta, shape = pod.metadata, shape_of(pod)
            over = pod.status.phase in ("Succeeded", "Failed")
            if shape is None or over or placeholder(pod) or balloon(pod):
                continue
            workload = known.get((meta.namespace, meta.name)) or owner(pod, {})[1]
            node = place.get(pod.spec.node_name or "", {"pool": "", "model": ""})
            team = (meta.labels or {}).get(sources.policy.team_label) or team_of.get(meta.namespace, NO_TEAM)
            rows[meta.namespace, workload] = (
                source.name, meta.namespace, workload, team, node["pool"], node["model"],
                shape.resource, shape.gpus, shape.cpu, shape.memory, pod.spec.priority or 0,
            )  # fmt: skip
        return frames.table(SHAPES, [rows[key] for key in sorted(rows)])

    at = sources.now().timestamp()
    return sources.memo.get(("shapes", source.name), version, build, at=at, keep_s=_DERIVE_EVERY_S)


def wanted(source: ClusterSource, stock: Inventory, want: Want, rows: pd.DataFrame) -> Shape:
    """The unit's shape: as given, else as the workload's, else as it is kept already, else as is usual in the pool."""
    kept = [
        shape_in(one.spec.get("template"))
        for one in stores.all_of(source, "deployments")
        if isinstance(one.spec, Mapping) and one.metadata.namespace == NAMESPACE and keeps(one, want.pool, want.model)
    ]
    pod = replica_pod(source, stock, want.from_workload)
    asked = None if pod is None else shape_of(pod)
    if want.from_workload and asked is None:
        raise Refused(f"No running or waiting pod of {want.from_workload} asks for one kind of GPU.")
    known = settled(want.shape, asked, *kept)
    return settled(known, usual(source, stock, rows, known.resource, known.gpus or 1))


def usual(source: ClusterSource, stock: Inventory, rows: pd.DataFrame, resource: str, gpus: int) -> Shape:
    """A unit as pods of the pool ask for it: the middle of what they request for each GPU, within a node's share."""
    here = stock.units[stock.units["node"].isin(set(rows["node"])) & (stock.units["allocatable"] > 0)]
    if not resource:
        worth = (here["allocatable"] * here["fraction"]).groupby(here["resource"]).sum()
        resource = str(worth.idxmax()) if len(worth) else GPU
    here = here[here["resource"] == resource]
    each = dict(zip(here["node"], here["allocatable"], strict=True))
    shapes = [shape_of(pod) for pod in stores.pods(source) if pod.spec.node_name in each and not placeholder(pod)]
    of = [shape for shape in shapes if shape is not None and shape.resource == resource]
    amounts = {"cpu": "1", "memory": "4Gi"}
    for kind in amounts:
        shares = [
            SHARE * room.quantity((node.status.allocatable or {}).get(kind)) / each[node.metadata.name]
            for node in stores.nodes(source)
            if node.metadata.name in each
        ]
        asked = [room.quantity(getattr(shape, kind)) / shape.gpus for shape in of]
        if asked and median(asked):
            amount = gpus * min([median(asked), *(share for share in shares if share)])
            amounts[kind] = written(amount // _STEP[kind] * _STEP[kind] or amount, kind)
    return Shape(resource, gpus, amounts["cpu"], amounts["memory"])


def replica_pod(source: ClusterSource, stock: Inventory, workload: str) -> Pod | None:
    """The newest pod of "namespace/workload" that is not over; None when there is none."""
    if not workload:
        return None
    namespace, _, called = workload.partition("/")
    frame = stock.pods[(stock.pods["namespace"] == namespace) & (stock.pods["workload"] == called)]
    names = set(frame["pod"])
    pods = [
        pod
        for pod in stores.pods(source)
        if pod.metadata.namespace == namespace
        and (pod.metadata.name in names or owner(pod, {})[1] == called)
        and pod.status.phase not in ("Succeeded", "Failed")
    ]
    return max(pods, key=lambda pod: str(pod.metadata.creation_timestamp), default=None)
