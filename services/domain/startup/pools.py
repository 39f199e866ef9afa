"""How long new nodes take, pool by pool: provisioning, boot and GPU registration of the nodes starts waited for."""

import math

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.startup import Phase, percentiles
from services.domain.startup.groups import seconds
from services.domain.startup.summary import is_timed, served

ENOUGH = 5
"""Below so many nodes a median is chance, and pools are not compared."""

POOLS = {
    "cluster": "str",
    "pool": "str",
    "model": "str",
    "instance": "str",  # the one it has, or the first of several
    "capacity_type": "str",
    "starts": "int64",
    "cold": "int64",  # starts whose node came for them
    "nodes": "int64",  # new nodes these waited for
    "provision_nodes": "int64",  # nodes of which the time is known
    "provision_p50_s": "float64",  # until the machine joins the cluster
    "provision_p95_s": "float64",
    "boot_nodes": "int64",
    "boot_p50_s": "float64",  # until it is Ready
    "boot_p95_s": "float64",
    "device_nodes": "int64",
    "device_p50_s": "float64",  # until it offers GPUs
    "device_p95_s": "float64",
    "node_nodes": "int64",  # nodes of which all three are known
    "node_p50_s": "float64",  # the three together
    "node_p95_s": "float64",
    "total_p50_s": "float64",  # of cold starts that became ready: the whole start
    "total_p95_s": "float64",
    "fastest": "str",  # the pool of this cluster with the same GPUs whose nodes come fastest; "" when not comparable
    "slower_s": "float64",  # median of this pool's nodes above that one's; 0 for the fastest, NaN when not comparable
}
"""One row per cluster, pool and GPU model, slowest nodes first, pools without cold starts last. NaN: not measured."""

_BEFORE_NODE = (Phase.QUEUE, Phase.WAIT, Phase.DECISION, Phase.PROVISION, Phase.UNATTRIBUTED)
_TIMES = ("provision", "boot", "device", "node")


def node_times(starts: pd.DataFrame) -> pd.DataFrame:
    """``provision``, ``boot``, ``device`` and their sum ``node``, seconds of each start's new node; NaN: not measured.

    A stretch whose parts cannot be told apart is unattributed and its phases are 0, so 0 alone measures nothing. It is
    a true 0 only for GPUs that were there as soon as a boot that was measured ended. A pod that came when its node was
    already on the way saw only part of the boot.
    """
    cold = served(starts)["cold"]
    provision = seconds(starts, (Phase.PROVISION,))
    boot = seconds(starts, (Phase.BOOT,))
    device = seconds(starts, (Phase.DEVICE,))
    whole = cold & (seconds(starts, _BEFORE_NODE) > 0)
    found = pd.DataFrame(
        {
            "provision": np.where(cold & (provision > 0), provision, np.nan),
            "boot": np.where(whole & (boot > 0), boot, np.nan),
            "device": np.where(cold & ((device > 0) | (boot > 0)), device, np.nan),
        },
        index=starts.index,
    )
    return found.assign(node=found["provision"] + found["boot"] + found["device"])


def table(starts: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`POOLS`. Several pods may wait for one node: it counts once, with the longest times one saw."""
    placed = starts[starts["pool"].ne("")]
    if placed.empty:
        return frames.empty(POOLS)
    keys = ["cluster", "pool", "model"]
    codes, parts = frames.keyed(*(placed[key] for key in keys))
    number = len(parts[0])
    cold = served(placed)["cold"]
    per_node = (
        node_times(placed).assign(code=codes, node_name=placed["node"])[cold].groupby(["code", "node_name"]).max()
    )
    where = per_node.index.get_level_values("code").to_numpy(dtype="int64")
    found = pd.DataFrame(dict(zip(keys, parts, strict=True)))
    for column in ("instance", "capacity_type"):
        found[column] = (
            frames.one_or_many(placed.assign(code=codes), ["code"], column).reindex(range(number)).to_numpy()
        )
    found["starts"] = np.bincount(codes, minlength=number)
    found["cold"] = percentiles.counts(cold, codes, number)
    found["nodes"] = np.bincount(where, minlength=number)
    for name in _TIMES:
        times = per_node[name].to_numpy()
        found[f"{name}_nodes"] = percentiles.counts(~np.isnan(times), where, number)
        found[f"{name}_p50_s"], found[f"{name}_p95_s"] = percentiles.grouped(times, where, number, (0.5, 0.95))
    done = cold & is_timed(placed)
    total = placed["total_s"].to_numpy(dtype="float64")[done]
    found["total_p50_s"], found["total_p95_s"] = percentiles.grouped(total, codes[done], number, (0.5, 0.95))
    found = _compared(found)
    ordered = found.sort_values(
        ["node_p50_s", "cold", *keys], ascending=[False, False, True, True, True], kind="stable"
    )
    return frames.conform(ordered, POOLS)


def _compared(found: pd.DataFrame) -> pd.DataFrame:
    """With ``fastest`` and ``slower_s``: among pools of one cluster and model of which enough nodes are known."""
    enough = found[(found["node_nodes"] >= ENOUGH) & found["model"].ne("")]
    best = enough.sort_values(["node_p50_s", "pool"], kind="stable").drop_duplicates(["cluster", "model"])
    names = dict(zip(zip(best["cluster"], best["model"], strict=True), best["pool"], strict=True))
    medians = dict(zip(zip(best["cluster"], best["model"], strict=True), best["node_p50_s"], strict=True))
    several = enough.groupby(["cluster", "model"]).size()
    fastest, slower = [], []
    for row in found[["cluster", "model", "node_nodes", "node_p50_s"]].itertuples(index=False, name=None):
        cluster, model, nodes, median = row
        compared = nodes >= ENOUGH and several.get((cluster, model), 0) > 1
        fastest.append(names[cluster, model] if compared else "")
        slower.append(median - medians[cluster, model] if compared else math.nan)
    return found.assign(fastest=fastest, slower_s=slower)
