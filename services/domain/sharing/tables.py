"""Tables of how nodes and pools are divided, and of what a change would make of them."""

from collections.abc import Sequence

import pandas as pd

from services.domain import frames, sharing
from services.domain.sharing import NodeState
from services.domain.sharing.change import Change, Ground, division, mismatch

SHARED_NODES = {
    "cluster": "str",
    "node": "str",
    "pool": "str",
    "model": "str",
    "layout": "str",  # in words
    "mode": "str",  # a word of services.domain.sharing.Mode
    "gpus": "float64",  # physical
    "units": "float64",  # allocatable
    "offers": "str",  # units by resource, in words
    "equivalents": "float64",  # GPU equivalents that can be allocated
    "held": "float64",  # GPU equivalents held; NaN when pods cannot be read
    "memory_share": "float64",  # bytes of the smallest unit; NaN when unknown
    "config": "str",  # the label nvidia.com/device-plugin.config
    "state": "str",  # as the inventory says, or where the labels ask for something else
}
"""One row per GPU node."""

SHARED_POOLS = {
    "cluster": "str",
    "pool": "str",
    "model": "str",
    "layout": "str",
    "nodes": "int64",
    "gpus": "float64",
    "units": "float64",
    "equivalents": "float64",
    "held": "float64",
    "memory_share": "float64",
    "state": "str",
}
"""One row per cluster, pool and model."""

PREVIEW = {
    "node": "str",
    "before": "str",
    "after": "str",
    "units_before": "float64",
    "units_after": "float64",
    "equivalents_before": "float64",
    "equivalents_after": "float64",
    "memory_before": "float64",
    "memory_after": "float64",
    "changes": "bool",
}
"""One row per node a change is thought of for."""


def node_table(nodes: Sequence[NodeState], ground: Ground, stock: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`SHARED_NODES`; ``stock`` is the inventory's frame of the same nodes, with occupancy."""
    held = dict(zip(stock["node"], stock["held"], strict=True))
    told = dict(zip(stock["node"], stock["state"], strict=True))
    rows = []
    for one in nodes:
        offer = sharing.now(one)
        rows.append(
            (
                one.cluster, one.node, one.pool, one.model, str(one.layout), one.layout.mode.value, one.gpus,
                offer.units, division(offer), offer.equivalents, held[one.node], offer.memory_bytes, one.config,
                mismatch(one, ground) or told[one.node],
            )
        )  # fmt: skip
    return frames.table(SHARED_NODES, rows)


def pool_table(nodes: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`SHARED_POOLS` from :data:`SHARED_NODES`, by cluster and pool."""
    if nodes.empty:
        return frames.empty(SHARED_POOLS)
    grouped = nodes.groupby(["cluster", "pool", "model"], sort=True)
    pools = grouped[["gpus", "units", "equivalents"]].sum()
    pools["held"] = grouped["held"].sum(skipna=False)
    pools["memory_share"] = grouped["memory_share"].min()
    pools["nodes"] = grouped.size()
    pools["layout"] = grouped["layout"].agg(_counted)
    pools["state"] = grouped["state"].agg(_counted)
    return frames.conform(pools.reset_index(), SHARED_POOLS)


def _counted(values: pd.Series) -> str:
    """One word where all agree, else each with its number: "Exclusive (3), MPS × 4 (1)"."""
    counts = values.value_counts(sort=True)
    if len(counts) == 1:
        return str(counts.index[0])
    return ", ".join(
        f"{name} ({count})" for name, count in sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))
    )


def preview(changes: Sequence[Change]) -> pd.DataFrame:
    """Frame :data:`PREVIEW`."""
    rows = [
        (
            one.node.node, f"{one.node.layout}: {division(one.before)}", f"{one.layout}: {division(one.after)}",
            one.before.units, one.after.units, one.before.equivalents, one.after.equivalents,
            one.before.memory_bytes, one.after.memory_bytes, bool(one.labels),
        )
        for one in changes
    ]  # fmt: skip
    return frames.table(PREVIEW, rows)
