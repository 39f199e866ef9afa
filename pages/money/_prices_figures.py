"""The first screen of the Prices page: how much of the fleet has a price, from where, and each of them."""

import streamlit as st

from pages.ui import panels, queries_prices, shell, tables, tables_prices, tiles, words
from pages.ui.shell import Page
from services.cost.prices import Prices
from services.domain.cost import opencost

_NAMED = 5


def draw(page: Page) -> None:
    """Tiles, the answer in words, prices in force."""
    reading = queries_prices.prices_in_force(page.mode, page.scope)
    found = shell.shown(reading, "Prices", needs="cluster")
    if found is None:
        return
    if found.rows.empty:
        panels.nothing("No GPU node to be seen", "There is none in this scope, and none in the record of costs.")
        return
    _tiles(found)
    _answer(found)
    st.subheader("Prices in force", anchor=False, help="Those without a price first, then those of the most GPUs.")
    tables.show(
        found.rows,
        tables_prices.PRICES,
        key="prices_table",
        window="",
        alt="Price of an instance and of a GPU by instance type, region and capacity type, and where it comes from.",
        page=page,
        as_of=reading.as_of,
        height=420 if len(found.rows) > 10 else "auto",
    )


def _tiles(found: Prices) -> None:
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    unpriced = float(found.unpriced["gpus"].sum())
    with places[0]:
        mean = found.mean_usd
        tip = "What an hour of one GPU costs, over all that have a price. It carries its share of the whole instance."
        tiles.tile("GPU-hour", None if mean is None else words.money(mean), "mean of the fleet now", tip=tip)
    with places[1]:
        under = f"version {found.version} is in force" if found.version else "there is no rate card"
        tiles.tile("By rate card", words.gpus(found.gpus_by("rate card")), under, tip="GPUs priced by the rate card.")
    with places[2]:
        assumed = found.gpus_by("spot, assumed")
        under = f"{words.count(assumed)} at an assumed discount" if assumed else "published prices"
        tip = "GPUs priced by the list prices that come with the console: without your discounts."
        tiles.tile("At list price", words.gpus(found.gpus_by("list price", "spot")), under, tip=tip)
    with places[3]:
        under = "left out of every total" if unpriced else "every GPU has a price"
        tip = "GPUs of which no price is known. They are counted in GPU-hours, and never as zero money."
        tiles.tile("Without a price", words.gpus(unpriced), under, "red" if unpriced else "green", tip)


def _answer(found: Prices) -> None:
    with st.container(border=True, key="prices_answer", gap="xxsmall"):
        parts = {
            "the rate card": found.gpus_by("rate card"),
            "OpenCost": found.gpus_by(opencost.BASIS),
            "list prices": found.gpus_by("list price", "spot"),
        }
        said = ", ".join(f"{name} {words.gpus(gpus)}" for name, gpus in parts.items() if gpus)
        priced = sum(parts.values())
        st.markdown(
            f":material/sell: **{words.count(priced)} of {words.gpus(found.gpus)} have a price**{': ' if said else '.'}"
            f"{said}{'.' if said else ''}"
        )
        unpriced = found.unpriced
        if not unpriced.empty:
            names = list(dict.fromkeys(name or "instances of unknown type" for name in unpriced["instance_type"]))
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            st.markdown(
                f":material/money_off: **No price is known** for {words.plain(', '.join(names[:_NAMED]))}{more}: "
                f"{words.gpus(float(unpriced['gpus'].sum()))}. They are in no total; a line of the rate card gives "
                "them one."
            )
        assumed = found.rows[found.rows["basis"].str.startswith("spot, assumed") & found.rows["nodes"].gt(0)]
        if not assumed.empty:
            st.markdown(
                f":material/help: **Assumed:** {words.gpus(float(assumed['gpus'].sum()))} of spot nodes are counted at "
                "60 % below the list price, because no spot price of theirs is known."
            )
        if parts["OpenCost"]:
            st.markdown(
                ":material/info: What OpenCost has a price for is counted at that price where the rate card says none. "
                "A GPU carries its share of the whole node, processors and memory included."
            )
        if found.suspicious:
            st.markdown(
                f":material/warning: **OpenCost counts its default of {opencost.DEFAULT_GPU_USD} USD a GPU-hour** for "
                f"{words.plain(', '.join(found.suspicious[:_NAMED]))}. That is what it takes where it knows no price: "
                "set the price there, or in the rate card."
            )
        if not found.version:
            st.caption(
                "There is no rate card yet: list prices stand in for what you really pay. Amounts are US dollars."
            )
