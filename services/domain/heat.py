"""The heat map's cells: where each GPU (or, for large fleets, each node) stands, and what it shows."""

import numpy as np
import pandas as pd

from services.domain import frames

CELLS = {
    "cluster": "str",
    "pool": "str",
    "node": "str",
    "gpu": "str",  # "" when the cell is a node, or a GPU that sends no metrics
    "row": "int64",  # place on the map
    "column": "int64",
    "value": "float64",  # the measure; NaN when not measured
    "use": "str",  # free, held idle, active, unknown, mixed
    "gpus": "float64",  # GPU equivalents in the cell
    "text": "str",  # who holds it
    "label": "str",  # name of the row
}
NODES_A_ROW = 40


def cells(gpus: pd.DataFrame, nodes: pd.DataFrame, measure: str, *, per_node: bool) -> pd.DataFrame:
    """Frame :data:`CELLS` from :data:`services.domain.gpus.GPUS` and the node inventory.

    ``measure``: util, util_now, memory (used ÷ total) or temperature. Rows are nodes ordered by cluster and pool, and a
    node's cells its GPUs; with ``per_node`` each cell is a node and a row holds up to :data:`NODES_A_ROW` of one pool.
    """
    ordered = nodes.sort_values(["cluster", "pool", "node"], kind="stable").reset_index(drop=True)
    if ordered.empty:
        return frames.empty(CELLS)
    cards = _cards(gpus, measure)
    return _by_node(cards, ordered, measure) if per_node else _by_gpu(cards, ordered)


def _cards(gpus: pd.DataFrame, measure: str) -> pd.DataFrame:
    """One row per physical GPU: MIG instances weighted by their equivalents."""
    value = gpus["memory_used"] / gpus["memory_total"] if measure == "memory" else gpus[measure]
    work = pd.DataFrame(
        {
            "cluster": gpus["cluster"],
            "node": gpus["node"],
            "gpu": gpus["gpu"],
            "weight": gpus["fraction"].where(value.notna(), 0.0),
            "product": (value * gpus["fraction"]).fillna(0.0),
            "gpus": gpus["fraction"],
            "use": gpus["use"],
            "text": gpus["pods"],
        }
    )
    if not gpus["instance"].ne("").any():
        value = (work["product"] / work["weight"]).where(work["weight"] > 0)
        return work.assign(value=value)
    grouped = work.groupby(["cluster", "node", "gpu"], sort=True)
    sums = grouped[["weight", "product", "gpus"]].sum()
    sums["value"] = (sums["product"] / sums["weight"]).where(sums["weight"] > 0)
    sums["use"] = grouped["use"].agg(_one)
    sums["text"] = grouped["text"].agg(lambda texts: ", ".join(sorted({t for t in texts if t})))
    return sums.reset_index()


def _one(values: pd.Series) -> str:
    kinds = set(values)
    return str(values.iat[0]) if len(kinds) == 1 else "mixed"


def _by_gpu(cards: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    rows = {(c, n): place for place, (c, n) in enumerate(zip(nodes["cluster"], nodes["node"], strict=True))}
    seen = cards.sort_values(["cluster", "node", "gpu"], kind="stable")
    seen = seen.assign(column=seen.groupby(["cluster", "node"]).cumcount())
    count = seen.groupby(["cluster", "node"]).size().to_dict()
    dark = [
        (cluster, node, "", count.get((cluster, node), 0) + offset)
        for cluster, node, gpus in zip(nodes["cluster"], nodes["node"], nodes["gpus"], strict=True)
        for offset in range(max(round(gpus) - count.get((cluster, node), 0), 0))
    ]
    unseen = pd.DataFrame(dark, columns=["cluster", "node", "gpu", "column"]).assign(
        value=np.nan, use="unknown", gpus=1.0, text=""
    )
    both = pd.concat([seen, unseen], ignore_index=True) if len(unseen) else seen
    place = [rows.get(key, -1) for key in zip(both["cluster"], both["node"], strict=True)]
    both = both.assign(row=place)
    both = both[both["row"] >= 0]
    pools = nodes["pool"].to_numpy()[both["row"]]
    return frames.conform(both.assign(pool=pools, label=both["node"]).sort_values(["row", "column"]), CELLS)


def _by_node(cards: pd.DataFrame, nodes: pd.DataFrame, measure: str) -> pd.DataFrame:
    grouped = cards.groupby(["cluster", "node"])
    sums = grouped[["weight", "product"]].sum()
    value = (sums["product"] / sums["weight"]).where(sums["weight"] > 0)
    if measure == "temperature":
        value = grouped["value"].max()
    use = grouped["use"].agg(_one)
    index = pd.MultiIndex.from_frame(nodes[["cluster", "node"]])
    within = nodes.groupby(["cluster", "pool"], sort=False).cumcount()
    height = nodes.groupby(["cluster", "pool"], sort=False).size()
    starts = (-(-height // NODES_A_ROW)).cumsum().shift(fill_value=0)
    start = starts.reindex(pd.MultiIndex.from_frame(nodes[["cluster", "pool"]])).to_numpy()
    return frames.conform(
        nodes.assign(
            gpu="",
            row=start + within.to_numpy() // NODES_A_ROW,
            column=within % NODES_A_ROW,
            value=value.reindex(index).to_numpy(),
            use=use.reindex(index).fillna("unknown").to_numpy(),
            text="",
            label=nodes["pool"],
        ),
        CELLS,
    )
