"""The books of pieces of time: every node's money over everything its GPUs were."""

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import LISTLESS, TICKS, UNPRICED, money
from services.domain.cost.keys import NOBODY

PIECES = {
    "piece": "int64",  # 0 … n−1, in the order of the rows
    "cluster": "str",
    "uid": "str",  # of the node
    "node": "str",
    "place": "int64",
    "hour": "datetime64[us, UTC]",  # the piece lies in
    "seconds": "int64",
    "gpus": "int64",  # physical ones
    "out": "int64",  # ticks per second, as in NODE_SPANS
    "remainder": "int64",
    "closed": "bool",
    "basis": "str",  # "" when unpriced
    "micro": "int64",  # for these seconds; UNPRICED when no price is known
    "list_micro": "int64",  # at on-demand list price; LISTLESS when there is none
}
"""A node as it was, and cost, for a part of an hour."""

SHARES = {
    "piece": "int64",
    "kind": "str",  # held or warm
    "owner": "int64",
    "pod_uid": "str",
    "ticks": "int64",
}
"""What pods held in a piece."""

PARTS = {
    "piece": "int64",
    "kind": "str",
    "owner": "int64",
    "pod_uid": "str",  # "" unless a pod held it
    "ticks": "int64",
    "micro": "int64",  # UNPRICED when the piece is
    "list_micro": "int64",  # LISTLESS when the piece is
}
"""Everything a piece was. Ticks sum to those it had, money to what it cost."""


def book(pieces: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`PARTS` of :data:`PIECES` and :data:`SHARES`.

    What nobody's share covers is free, on a closed node out. Where more was accounted for than a node had (two accounts
    of one second, a pod on a GPU that is out), all of it gives way in proportion and nothing is free.
    """
    seconds = pieces["seconds"].to_numpy()
    own = pieces["piece"].to_numpy()
    had = seconds * pieces["gpus"].to_numpy() * TICKS
    lost = [_of_nobody(own, kind, pieces[kind].to_numpy() * seconds) for kind in ("out", "remainder")]
    rows = pd.concat([shares[list(SHARES)], *lost], ignore_index=True)
    taken = np.zeros(len(pieces), dtype="int64")
    np.add.at(taken, rows["piece"].to_numpy(dtype="int64"), rows["ticks"].to_numpy(dtype="int64"))
    rest = np.maximum(had - taken, 0)
    closed = pieces["closed"].to_numpy(dtype=bool)
    left = [_of_nobody(own[wanted], kind, rest[wanted]) for kind, wanted in (("free", ~closed), ("out", closed))]
    rows = pd.concat([rows, *left], ignore_index=True)
    rows = rows[rows["ticks"] > 0]
    rows = rows.groupby(["piece", "kind", "owner", "pod_uid"], sort=True)["ticks"].sum().reset_index()
    codes, ticks = rows["piece"].to_numpy(dtype="int64"), rows["ticks"].to_numpy(dtype="int64", copy=True)
    too_much = (taken > had)[codes]
    if too_much.any():
        ticks[too_much] = money.apportion(np.where(taken > had, had, 0), codes[too_much], ticks[too_much])
    prices = {}
    for name, unknown in (("micro", UNPRICED), ("list_micro", LISTLESS)):
        totals = pieces[name].to_numpy()
        bearing = np.where((totals == unknown) | (had == 0), 0, totals)
        prices[name] = np.where((totals == unknown)[codes], unknown, money.apportion(bearing, codes, ticks))
    return frames.conform(rows.assign(ticks=ticks, **prices), PARTS)


def _of_nobody(pieces: np.ndarray, kind: str, ticks: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"piece": pieces, "kind": kind, "owner": NOBODY, "pod_uid": "", "ticks": ticks})
