"""What a GPU costs per hour. The rule: a GPU carries the whole instance's price divided by its GPUs.

Prices are list prices in US dollars unless a rate card says otherwise; a node whose price is not known is unpriced
(NaN), never free.
"""

import pandas as pd

BOOK = {
    "provider": "str",
    "region": "str",
    "instance_type": "str",
    "gpu_model": "str",
    "gpu_count": "int64",
    "on_demand_usd_per_hour": "float64",
    "spot_usd_per_hour": "float64",
    "source": "str",
    "as_of": "str",
}
"""Columns of a price book: one row per provider, region and instance type; prices are of the whole instance."""

ASSUMED_SPOT_DISCOUNT = 0.60
"""Spot discount assumed where no spot price is known; an assumption, and marked as one wherever it is used."""


def gpu_hour(nodes: pd.DataFrame, book: pd.DataFrame) -> pd.DataFrame:
    """Price of one GPU-hour for every row of ``nodes`` (columns of :data:`services.domain.inventory.NODES`).

    Returns a frame with ``nodes``' index and columns ``price`` (USD per physical GPU and hour; NaN when unpriced) and
    ``price_note`` ("list price", "list price of another region", "spot assumed 60 % below list", "no price"). An
    instance type has its own region's price, else that of the region listed first.
    """
    exact = book.drop_duplicates(["region", "instance_type"]).set_index(["region", "instance_type"])
    anywhere = book.drop_duplicates("instance_type").set_index("instance_type")
    keys = pd.MultiIndex.from_arrays([nodes["region"], nodes["instance_type"]])
    columns = ["on_demand_usd_per_hour", "spot_usd_per_hour", "gpu_count"]
    here = exact[columns].reindex(keys).set_axis(nodes.index)
    elsewhere = anywhere[columns].reindex(nodes["instance_type"]).set_axis(nodes.index)
    other_region = here["on_demand_usd_per_hour"].isna() & elsewhere["on_demand_usd_per_hour"].notna()
    found = here.where(~other_region, elsewhere)
    spot = nodes["capacity_type"].eq("spot")
    assumed = spot & found["spot_usd_per_hour"].isna()
    instance = (
        found["on_demand_usd_per_hour"]
        .where(~spot, found["spot_usd_per_hour"])
        .where(~assumed, found["on_demand_usd_per_hour"] * (1 - ASSUMED_SPOT_DISCOUNT))
    )
    price = instance / found["gpu_count"]
    note = pd.Series("list price", index=nodes.index, dtype="str")
    note = note.mask(other_region, "list price of another region")
    note = note.mask(assumed & price.notna(), f"spot, assumed {ASSUMED_SPOT_DISCOUNT:.0%} below list")
    note = note.mask(price.isna(), "no price")
    return pd.DataFrame({"price": price.astype("float64"), "price_note": note.astype("str")}, index=nodes.index)


def instance_gpus(book: pd.DataFrame) -> dict[str, int]:
    """GPUs of each instance type in a book."""
    return dict(zip(book["instance_type"], book["gpu_count"].astype(int), strict=True))
