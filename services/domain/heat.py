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
    "column": "float64",
    "value": "float64",  # the measure; NaN when not measured
    "use": "str",  # free, held idle, active, unknown, mixed
    "gpus": "float64",  # GPU equivalents in the cell
    "text": "str",  # who holds it
    "label": "str",  # name of the pool (of one node: the node), the same on all its rows
}
A_ROW = 32
"""Squares in a row of the map."""
GAP = 0.6
"""Room between two nodes, in squares."""


def cells(gpus: pd.DataFrame, nodes: pd.DataFrame, measure: str, *, per_node: bool) -> pd.DataFrame:
    """Frame :data:`CELLS` from :data:`services.domain.gpus.GPUS` and the node inventory.

    ``measure``: util, util_now, memory (used ÷ total) or temperature. Every pool begins a row; its nodes follow each
    other with a gap between them, each as a run of its GPUs, or with ``per_node`` as one square.
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
    keys = ["cluster", "node", "gpu"]
    grouped = work.groupby(keys, sort=True)
    sums = grouped[["weight", "product", "gpus"]].sum()
    sums["value"] = (sums["product"] / sums["weight"]).where(sums["weight"] > 0)
    sums["use"] = _one(work, keys)
    sums["text"] = grouped["text"].first()
    several = work[grouped["text"].transform("size") > 1].groupby(keys)["text"]
    shared = several.agg(lambda texts: ", ".join(sorted({text for text in texts if text})))
    sums.loc[shared.index, "text"] = shared
    return sums.reset_index()


def _one(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Per group, the class of use all its rows share, else "mixed"."""
    grouped = rows.groupby(keys)["use"]
    kinds = grouped.nunique()
    return grouped.first().where(kinds.eq(1), "mixed")


def _by_gpu(cards: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    seen = cards.sort_values(["cluster", "node", "gpu"], kind="stable")
    seen = seen.assign(place=seen.groupby(["cluster", "node"]).cumcount())
    count = seen.groupby(["cluster", "node"]).size().to_dict()
    dark = [
        (cluster, node, "", count.get((cluster, node), 0) + offset)
        for cluster, node, gpus in zip(nodes["cluster"], nodes["node"], nodes["gpus"], strict=True)
        for offset in range(max(round(gpus) - count.get((cluster, node), 0), 0))
    ]
    unseen = pd.DataFrame(dark, columns=["cluster", "node", "gpu", "place"]).assign(
        value=np.nan, use="unknown", gpus=1.0, text=""
    )
    both = pd.concat([seen, unseen], ignore_index=True) if len(unseen) else seen
    width = both.groupby(["cluster", "node"]).size()
    placed = _lay_out(nodes, width.reindex(pd.MultiIndex.from_frame(nodes[["cluster", "node"]])).fillna(0.0).to_numpy())
    both = both.merge(placed, on=["cluster", "node"])
    both["column"] = both["start"] + both["place"]
    return frames.conform(both.sort_values(["row", "column"]), CELLS)


def _lay_out(nodes: pd.DataFrame, widths: np.ndarray) -> pd.DataFrame:
    """Where each node begins: ``cluster``, ``node``, ``pool``, ``label``, ``row``, ``start``."""
    row, column, last = -1, 0.0, ("", "")
    places = []
    for cluster, pool, width in zip(nodes["cluster"], nodes["pool"], widths, strict=True):
        if (cluster, pool) != last or column + width > A_ROW:
            row, column, last = row + 1, 0.0, (cluster, pool)
        places.append((row, column))
        column += width + GAP
    one = len(nodes) == 1
    return nodes[["cluster", "node", "pool"]].assign(
        label=nodes["node"] if one else nodes["pool"],
        row=[place[0] for place in places],
        start=[place[1] for place in places],
    )


def _by_node(cards: pd.DataFrame, nodes: pd.DataFrame, measure: str) -> pd.DataFrame:
    grouped = cards.groupby(["cluster", "node"])
    sums = grouped[["weight", "product"]].sum()
    value = (sums["product"] / sums["weight"]).where(sums["weight"] > 0)
    if measure == "temperature":
        value = grouped["value"].max()
    use = _one(cards, ["cluster", "node"])
    index = pd.MultiIndex.from_frame(nodes[["cluster", "node"]])
    placed = _lay_out(nodes, np.full(len(nodes), 1.0 - GAP))
    return frames.conform(
        placed.assign(
            gpu="",
            column=placed["start"],
            gpus=nodes["gpus"],
            value=value.reindex(index).to_numpy(),
            use=use.reindex(index).fillna("unknown").to_numpy(),
            text="",
        ),
        CELLS,
    )
