"""What a node costs per hour: the rate card's line that fits it best, else its list price, else nothing is known.

A line fits a node when everything it names is the node's. Of those that fit, the one that names the most telling wins,
in the order of :data:`NAMED`; of equals the later one. A line is in force from ``begins`` until before ``ends``. Its
price is of the whole instance, or of one physical GPU of it, before its discount.
"""

import numpy as np
import pandas as pd

from services.domain import prices
from services.domain.cost import MICRO, UNPRICED

NAMED = ("cluster", "instance_type", "zone", "region", "capacity_type", "model")
"""What a line may name of a node, the most telling first; "" names nothing."""

CARD = {
    "cluster": "str",
    "instance_type": "str",
    "zone": "str",
    "region": "str",
    "capacity_type": "str",
    "model": "str",
    "per": "str",  # "instance" or "gpu"
    "micro_per_hour": "int64",
    "discount": "float64",  # 0 … 1 of the price
    "term": "str",  # what was agreed, such as "reserved, 1 year"; "" for none
    "begins": "datetime64[us, UTC]",
    "ends": "datetime64[us, UTC]",  # NaT while no end is known
}
"""A rate card: one row per line, in the order they were written."""

CARD_BASIS = "rate card"
"""The basis of a price that is a line of the card; which version of it is said beside every fact."""

PRICED = {
    "micro_per_hour": "int64",  # of the whole instance; UNPRICED when nothing is known
    "basis": "str",  # CARD_BASIS, "list price 2026-07-20", …; "" when unpriced
}


def priced(nodes: pd.DataFrame, card: pd.DataFrame, book: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Frame :data:`PRICED` with the index of ``nodes`` (:data:`NAMED` and ``gpus``), as prices are at an instant.

    ``card`` is :data:`CARD`, ``book`` the list prices (:data:`services.domain.prices.BOOK`).
    """
    found = _listed(nodes, book)
    force = card[(card["begins"] <= at) & ~(card["ends"] <= at)]
    named = np.zeros(len(force), dtype="int64")
    for place, name in enumerate(reversed(NAMED)):
        named += force[name].ne("").to_numpy() * 2**place
    for line in force.iloc[np.argsort(named, kind="stable")].to_dict("records"):
        fits = np.ones(len(nodes), dtype=bool)
        for name in NAMED:
            if line[name]:
                fits &= nodes[name].eq(line[name]).to_numpy()
        amount = round(line["micro_per_hour"] * (1 - line["discount"]))
        gpus = nodes["gpus"].to_numpy() if line["per"] == "gpu" else 1
        found["micro_per_hour"] = np.where(fits, gpus * amount, found["micro_per_hour"])
        found["basis"] = found["basis"].mask(fits, CARD_BASIS)
    return found.astype(PRICED)


def _listed(nodes: pd.DataFrame, book: pd.DataFrame) -> pd.DataFrame:
    """List prices, with what they rest on."""
    each = prices.gpu_hour(nodes, book)
    dated = book.drop_duplicates("instance_type").set_index("instance_type")["as_of"]
    known = each["price"].notna()
    whole = (each["price"] * nodes["gpus"] * MICRO).round()
    basis = each["price_note"] + " " + nodes["instance_type"].map(dated).fillna("").astype("str")
    return pd.DataFrame(
        {"micro_per_hour": whole.where(known, UNPRICED).astype("int64"), "basis": basis.where(known, "")},
        index=nodes.index,
    )


def turns(card: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> list[pd.Timestamp]:
    """Instants after ``begin`` and before ``end`` at which a line comes into force or goes out of it, each once."""
    every = pd.concat([card["begins"], card["ends"]]).dropna()
    return sorted(every[(every > begin) & (every < end)].unique())
