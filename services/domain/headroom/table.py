"""Headroom pool by pool: what is free, what is kept warm, what that costs and whether it is used."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from services.domain import frames, units
from services.domain.change.patch import at as value_at
from services.domain.headroom import MODEL, NAMESPACE, POOL, SHAPE, balloon, ours, placeholder
from services.domain.headroom.growth import Growth
from services.domain.headroom.room import requests
from services.domain.headroom.starts import KEYS, KINDS, counted
from services.domain.objects import Event, Generic, Pod

HEADROOM = {
    "cluster": "str",
    "pool": "str",
    "model": "str",
    "resource": "str",  # what a unit asks for; a pool with MIG instances has several
    "free": "float64",  # units of the resource a pod could have now; NaN when pods cannot be read
    "largest_free": "float64",  # most of them on one node
    "per_node": "float64",  # units of the resource on the pool's smallest node; NaN before it has one
    "set": "int64",  # warm units asked for
    "ready": "int64",  # of these, in place now
    "pending": "int64",  # of these, being made or waiting for a node
    "method": "str",  # placeholder, buffer, both, none
    "usd_per_day": "float64",  # list price of what ready units hold; NaN when unpriced
    "unit_usd_per_day": "float64",  # list price of one unit of the resource; NaN when unpriced
    "used": "float64",  # starts by headroom and what was ordered; not recorded: as events tell, NaN when unreadable
    "ordered": "float64",  # of these, nodes ordered for a buffer, as far as events reach back; NaN when unreadable
    "starts": "int64",  # GPU pods placed in the window of which it is known how; where unrecorded, those not yet gone
    "warm": "int64",  # of these, by the words of services.domain.startup.summary; unrecorded, with those by headroom
    "headroom": "float64",  # NaN where starts are not recorded
    "waited": "int64",
    "cold": "int64",
    "at_once_ratio": "float64",  # warm and by headroom over starts; NaN without starts
    "balloons": "int64",  # placeholder pods somebody else made
    "autoscaler": "str",  # "" when none is known
    "limit": "float64",  # most units the autoscaler may grow the pool to; NaN when unlimited or not known
    "more": "float64",  # units it may still add; NaN when unlimited or not known
}
"""One row per cluster, pool, GPU model and resource."""

_COUNTS = ("starts", "warm", "headroom", "waited", "cold", "at_once_ratio")
ROOM = {name: dtype for name, dtype in HEADROOM.items() if name not in _COUNTS}
"""The part of :data:`HEADROOM` that says nothing of starts; ``used`` is as events tell."""

PLACED = {"pool": "str", "model": "str", "resource": "str", "gpus": "float64", "ready": "bool", "ours": "bool",
          "usd_per_day": "float64"}  # fmt: skip
"""One row per placeholder pod, ours or not; ``gpus`` in units of the resource."""


def placed(pods: Iterable[Pod], nodes: pd.DataFrame, unit_frame: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`PLACED`; what is over or leaving is left out."""
    where = nodes.set_index("node")[["pool", "model", "price"]].to_dict("index")
    worth = dict(zip(zip(unit_frame["node"], unit_frame["resource"], strict=True), unit_frame["fraction"], strict=True))
    rows = []
    for pod in pods:
        mine = placeholder(pod)
        gone = pod.status.phase in ("Succeeded", "Failed") or pod.metadata.deletion_timestamp is not None
        if gone or not (mine or balloon(pod)):
            continue
        notes = pod.metadata.annotations or {}
        node = where.get(pod.spec.node_name or "")
        pool, model = (node["pool"], node["model"]) if node else (notes.get(POOL, ""), notes.get(MODEL, ""))
        for resource, count in requests(pod).items():
            if units.is_gpu_resource(resource):
                price = (
                    node["price"] * count * worth.get((pod.spec.node_name, resource), math.nan) * 24 if node else 0.0
                )
                ready = node is not None and pod.status.phase == "Running"
                rows.append((pool, model, resource, count, ready, mine, price))
    return frames.table(PLACED, rows)


def gpus_of(template: Any) -> dict[str, int]:
    """GPU units one pod of a template (plain data) asks for, by resource."""
    limits = value_at(template, ("spec", "containers", "0", "resources", "limits")) or {}
    return {name: int(units.quantity(value)) for name, value in limits.items() if units.is_gpu_resource(name)}


KEPT = {"pool": "str", "model": "str", "resource": "str", "set": "int64", "ready": "int64", "method": "str",
        "name": "str"}  # fmt: skip
"""One row per Deployment or CapacityBuffer of ours. ``ready`` of a buffer is its own word, of a Deployment 0."""


def kept(deployments: Iterable[Generic], buffers: Iterable[Generic]) -> pd.DataFrame:
    """Frame :data:`KEPT`."""
    rows = []
    for method, objects in (("placeholder", deployments), ("buffer", buffers)):
        for obj in objects:
            meta = obj.metadata
            if not ours(meta.labels) or meta.namespace != NAMESPACE:
                continue
            notes = meta.annotations or {}
            spec, status = obj.spec or {}, obj.status or {}
            wanted = int(spec.get("replicas") or 0)
            resource = next(iter(gpus_of(spec.get("template"))), "") or _resource_of((meta.labels or {}).get(SHAPE, ""))
            ready = int(status.get("replicas") or 0) if method == "buffer" and _provisioned(status) else 0
            rows.append((notes.get(POOL, ""), notes.get(MODEL, ""), resource, wanted, ready, method, meta.name))
    return frames.table(KEPT, rows)


def _resource_of(slug: str) -> str:
    return f"nvidia.com/{slug.partition('x-')[2]}" if "x-" in slug else ""


def _provisioned(status: Mapping[str, Any]) -> bool:
    conditions = status.get("conditions") or ()
    return any(one.get("type") == "Provisioning" and one.get("status") == "True" for one in conditions)


def uses(events: Iterable[Event], kept_frame: pd.DataFrame, since: datetime) -> dict[str, int]:
    """Times each of :data:`KEPT` (by name) was used: placeholders preempted, nodes ordered for a buffer."""
    names = sorted(kept_frame["name"], key=len, reverse=True)
    found: dict[str, int] = {}
    for event in events:
        about = event.involved_object
        if about.namespace != NAMESPACE or (last_seen(event) or since) < since:
            continue
        if about.kind == "Pod" and event.reason == "Preempted":
            name = next((one for one in names if about.name.startswith(f"{one}-")), "")
        elif about.kind == "CapacityBuffer" and event.reason == "TriggeredScaleUp":
            name = about.name
        else:
            continue
        times = (event.series.count if event.series else None) or event.count or 1
        found[name] = found.get(name, 0) + times
    return found


def last_seen(event: Event) -> datetime | None:
    """When an event was last repeated, from whichever of its times its writer sets."""
    series = event.series.last_observed_time if event.series else None
    return series or event.last_timestamp or event.event_time or event.metadata.creation_timestamp


def table(
    cluster: str,
    nodes: pd.DataFrame,
    unit_frame: pd.DataFrame,
    claims: pd.DataFrame | None,
    *,
    placeholders: pd.DataFrame,
    kept_frame: pd.DataFrame,
    used: Mapping[str, int] | None,
    growth: Mapping[tuple[str, str], Growth],
) -> pd.DataFrame:
    """Frame :data:`ROOM` of one cluster, by pool, model and resource.

    ``nodes`` with occupancy and price; ``claims`` None when pods cannot be read, ``used`` None when events cannot.
    ``growth`` is by pool and resource. A pool that has no node yet has a row when it is known to grow.
    """
    rows = _rooms(nodes, unit_frame, claims)
    empty = sorted({key for key in growth if key[0] not in set(nodes["pool"])})
    if empty:
        more = pd.DataFrame(
            [(pool, "", resource, 0.0, 0.0, math.nan, math.nan) for pool, resource in empty], columns=list(rows)
        )
        rows = pd.concat([rows, more], ignore_index=True) if len(rows) else more
    index = pd.MultiIndex.from_frame(rows[KEYS])
    mine = placeholders[placeholders["ours"]]
    wanted = _placed_in(kept_frame, rows)
    by_row = mine.groupby(KEYS)
    ready = _count(by_row["ready"].sum(), index) + _count(wanted.groupby(KEYS)["ready"].sum(), index)
    there = _count(wanted.groupby(KEYS)["set"].sum(), index)
    grows = [
        growth.get((pool, resource), Growth()) for pool, resource in zip(rows["pool"], rows["resource"], strict=True)
    ]
    held = mine.assign(usd=mine["usd_per_day"].where(mine["ready"], 0.0)).groupby(KEYS)["usd"].sum(min_count=1)
    unknown = mine[mine["ready"] & mine["usd_per_day"].isna()].groupby(KEYS).size().reindex(index).fillna(0).to_numpy()
    whole = rows.assign(
        cluster=cluster,
        set=there,
        ready=ready,
        pending=np.maximum(there - ready, 0),
        method=_methods(wanted, index),
        usd_per_day=np.where(unknown > 0, np.nan, held.reindex(index).fillna(0.0).to_numpy())
        + _count(wanted.groupby(KEYS)["ready"].sum(), index) * rows["unit_usd_per_day"].fillna(0.0).to_numpy(),
        used=np.nan if used is None else _used(wanted, used, index),
        ordered=_used(wanted[wanted["method"] == "buffer"], used, index),
        balloons=_count(placeholders[~placeholders["ours"]].groupby(KEYS).size(), index),
        autoscaler=[one.by for one in grows],
        limit=[one.limit if math.isfinite(one.limit) else math.nan for one in grows],
        more=[one.more if math.isfinite(one.more) else math.nan for one in grows],
    )
    return frames.conform(whole, ROOM)


def with_starts(room: pd.DataFrame, started: pd.DataFrame, *, recorded: bool) -> pd.DataFrame:
    """Frame :data:`HEADROOM` of one cluster from its :data:`ROOM` and what started there.

    ``started``: recorded starts, or :data:`services.domain.headroom.starts.STARTS` where they are not ``recorded``.
    """
    index = pd.MultiIndex.from_frame(room[KEYS])
    found = counted(started).reindex(index, fill_value=0).reset_index(drop=True).set_axis(room.index)
    total, at_once = found.sum(axis=1), found["warm"] + found["headroom"]
    kept = found["headroom"].astype("float64") if recorded else pd.Series(np.nan, index=room.index)
    whole = room.assign(
        **{kind: found[kind] for kind in KINDS if kind != "headroom"},
        headroom=kept,
        used=kept + room["ordered"] if recorded else room["used"],
        starts=total,
        at_once_ratio=(at_once / total).where(total > 0),
    )
    sort = whole.sort_values(["set", "cold", "pool", "resource"], ascending=[False, False, True, True], kind="stable")
    return frames.conform(sort, HEADROOM)


def _rooms(nodes: pd.DataFrame, unit_frame: pd.DataFrame, claims: pd.DataFrame | None) -> pd.DataFrame:
    """Free units by pool, model and resource, and the list price of one."""
    offered = unit_frame[unit_frame["allocatable"] > 0]
    place = nodes.set_index("node")[["pool", "model", "price", "ready", "schedulable"]].reindex(offered["node"])
    held = pd.Series(np.nan, index=offered.index)
    if claims is not None:
        taken = claims.groupby(["node", "resource"])["units"].sum()
        held = (
            taken.reindex(pd.MultiIndex.from_frame(offered[["node", "resource"]])).fillna(0.0).set_axis(offered.index)
        )
    open_ = (place["ready"] & place["schedulable"]).to_numpy(dtype=bool)
    left = (offered["allocatable"] - held).clip(lower=0.0)
    rows = offered.assign(
        pool=place["pool"].to_numpy(),
        model=place["model"].to_numpy(),
        free=left.where(open_, 0.0),
        usd=offered["fraction"].to_numpy() * place["price"].to_numpy() * 24,
    )
    grouped = rows.groupby(KEYS, sort=True)
    return pd.DataFrame(
        {
            "free": grouped["free"].sum(min_count=1),
            "largest_free": grouped["free"].max(),
            "per_node": grouped["allocatable"].min(),
            "unit_usd_per_day": grouped["usd"].mean(),
        }
    ).reset_index()


def _placed_in(kept_frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """What is kept, with the model of its pool where it names none; the first of several."""
    models = rows.drop_duplicates(["pool", "resource"]).set_index(["pool", "resource"])["model"]
    own = models.reindex(pd.MultiIndex.from_frame(kept_frame[["pool", "resource"]])).fillna("").to_numpy()
    return kept_frame.assign(model=kept_frame["model"].where(kept_frame["model"] != "", own))


def _count(values: pd.Series, index: pd.MultiIndex) -> np.ndarray:
    return values.reindex(index).fillna(0).to_numpy().astype("int64")


def _methods(wanted: pd.DataFrame, index: pd.MultiIndex) -> list[str]:
    known = wanted.groupby(KEYS)["method"].agg(set).reindex(index)
    return ["none" if not isinstance(one, set) else "both" if len(one) > 1 else min(one) for one in known]


def _used(wanted: pd.DataFrame, used: Mapping[str, int] | None, index: pd.MultiIndex) -> np.ndarray:
    times = wanted.assign(times=[math.nan if used is None else used.get(name, 0) for name in wanted["name"]])
    return times.groupby(KEYS)["times"].sum(min_count=1).reindex(index, fill_value=0.0).to_numpy(dtype="float64")
