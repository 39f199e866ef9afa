"""Where small pods hold whole GPUs: what sharing them would free."""

from collections.abc import Iterable

import pandas as pd

from services.domain import frames
from services.domain.change.breaker import limit
from services.domain.findings import Finding, Fix, Severity
from services.domain.sharing import Layout, Mode

SMALL = {
    "cluster": "str",
    "pool": "str",
    "model": "str",
    "replicas": "int64",  # units one GPU could be sold as
    "nodes": "int64",
    "names": "str",  # of the nodes, by ", "
    "pods": "int64",
    "util": "float64",  # mean over the window of the GPUs they hold
    "memory_used": "float64",  # the most one of them uses, bytes
    "freed": "float64",  # GPU equivalents sharing would free
    "usd_per_day": "float64",  # of these; NaN when unpriced
}
"""One row per cluster, pool and model in which sharing would free GPUs."""
FACTORS = (8, 4, 2)
BUSY = 0.7
"""Sharers together may keep a GPU this busy, on average."""
FULL = 0.9
"""Sharers together may use this part of its memory."""
WORTH = 1.0
"""GPU equivalents below which nobody is bothered."""


def small(units: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`SMALL`: pools of whole GPUs each held by one pod that holds no other, uses little time and memory.

    ``units``: :data:`services.domain.gpus.GPUS`; ``nodes``: :data:`services.domain.inventory.NODES`. Only nodes on
    which every held GPU is held so; of a node with a GPU nobody measured nothing is said.
    """
    plain = nodes[(nodes["sharing"] == "none") & nodes["ready"] & nodes["schedulable"]]
    here = units[units["instance"].eq("") & units["held"].gt(0)].merge(
        plain[["cluster", "node"]], on=["cluster", "node"]
    )
    if here.empty:
        return frames.empty(SMALL)
    alone = here.groupby(["cluster", "pods"])["gpu"].transform("size").eq(1) & here["holders"].eq(1)
    here["factor"] = _factor(here).where(alone, 1)
    least = here.groupby(["cluster", "node"])["factor"].transform("min")
    fitting = here[least > 1]
    if fitting.empty:
        return frames.empty(SMALL)
    keys = ["cluster", "pool", "model"]
    grouped = fitting.groupby(keys, sort=True)
    rows = grouped.agg(
        replicas=("factor", "min"), nodes=("node", "nunique"), pods=("gpu", "size"), util=("util", "mean"),
        memory_used=("memory_used", "max"), held=("held", "sum"), price=("price", "first"),
    )  # fmt: skip
    rows["names"] = grouped["node"].agg(lambda names: ", ".join(sorted(set(names))))
    rows["freed"] = rows["held"] * (1 - 1 / rows["replicas"])
    rows["usd_per_day"] = rows["freed"] * rows["price"] * 24
    worth = rows[(rows["freed"] >= WORTH) & (rows["pods"] > 1)]
    return frames.conform(worth.reset_index(), SMALL)


def _factor(rows: pd.DataFrame) -> pd.Series:
    """The most sharers like the one there now that a GPU would bear; 1 where it bears no second, or is not measured."""
    best = pd.Series(1, index=rows.index)
    for factor in sorted(FACTORS):
        fits = (rows["util"] * factor <= BUSY) & (rows["memory_used"] * factor <= FULL * rows["memory_total"])
        best = best.mask(fits, factor)
    return best


def shareable(units: pd.DataFrame, nodes: pd.DataFrame, *, most: int, ratio: float) -> Iterable[Finding]:
    """The rows of :func:`small` as findings, each with the change that would free the GPUs.

    The change keeps to what the breaker lets pass at once: ``most`` nodes, ``ratio`` (0..1) of a pool.
    """
    for row in small(units, nodes).to_dict("records"):
        layout = Layout(Mode.TIME_SLICING, int(row["replicas"]))
        names = row["names"].split(", ")
        size = int(((nodes["cluster"] == row["cluster"]) & (nodes["pool"] == row["pool"])).sum())
        first = names[: min(most, limit(size, ratio))]
        freed = f"{row['freed']:.1f}".removesuffix(".0")
        yield Finding(
            key=f"share/{row['cluster']}/{row['pool']}/{row['model']}",
            kind="Sharing would help",
            severity=Severity.WARNING,
            title=f"{row['pods']} small pods hold whole GPUs in pool {row['pool']}",
            detail=f"{layout} on {_nodes(len(names))} would free {freed} of {row['pods']} GPUs. They are "
            f"{row['util']:.0%} busy, and a pod uses at most {row['memory_used'] / 2**30:.0f} GiB. "
            "Time-slicing isolates neither memory nor faults.",
            cluster=str(row["cluster"]),
            gpus=float(row["freed"]),
            usd_per_day=None if pd.isna(row["usd_per_day"]) else float(row["usd_per_day"]),
            page="sharing",
            params={
                "cluster": str(row["cluster"]),
                "share_pool": f"{row['cluster']}/{row['pool']}",
                "share_layout": layout.key,
            },
            fix=Fix(
                "set-sharing",
                f"Share {_nodes(len(first))} × {layout.replicas}",
                {"cluster": str(row["cluster"]), "nodes": first, "layout": layout.key},
            ),
        )


def _nodes(number: int) -> str:
    return "1 node" if number == 1 else f"{number} nodes"
