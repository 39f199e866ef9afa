"""One hour of the books: what each node cost and what became of it, and whether the hour comes out the same again."""

from datetime import datetime

import pandas as pd
import streamlit as st

from pages.ui import panels, queries_prices, shell, tables, tables_prices, words
from pages.ui.shell import Page
from services.cost.books import Hour
from services.domain.cost import MICRO

AGAIN = "books_again"


def draw(page: Page, asked: tuple[str, datetime] | None) -> None:
    """The hour that is looked at, if one is."""
    if asked is None:
        return
    cluster, at = asked
    st.subheader(
        f"{words.plain(cluster)}, hour from {words.plain(words.utc(at))}",
        anchor=False,
        help="Worked out again from who was where, with the prices that were in force.",
    )
    reading = queries_prices.book_of_hour(page.mode, cluster, at)
    if reading.problem is not None or reading.absence is not None:
        shell.shown(reading, "The hour", needs="database")
        return
    found = reading.value
    if found is None:
        panels.nothing("This hour is not closed", "There are no facts of it: unknown, not zero.")
        return
    if found.nodes is None:
        st.info(
            f"This hour was priced by {words.plain(found.priced_by)}. Its amounts are kept by kind of node, and not "
            "node by node, so it cannot be taken apart here.",
            icon=":material/info:",
        )
        return
    _answer(found, found.nodes)
    tables.show(
        found.nodes,
        tables_prices.NODES,
        key="books_nodes",
        **tables.RECORDED,
        alt="What each node cost in this hour, and what became of it.",
        page=page,
        as_of=reading.as_of,
        height=420 if len(found.nodes) > 10 else "auto",
    )
    _again(page, found.again, f"{cluster}/{at.isoformat()}")


def _answer(found: Hour, nodes: pd.DataFrame) -> None:
    row = found.row.iloc[0]
    total = round(float(nodes["usd"].sum()) * MICRO)
    same = total == row["micro"]
    unpriced = int(nodes["usd"].isna().sum())
    said = f"{words.counted(len(nodes), 'node')} together cost {_exact(total)}"
    st.markdown(
        f":material/{'check' if same else 'error'}: {words.plain(said)}; "
        + words.plain(
            "that is what the record says, to the micro-dollar."
            if same
            else f"the record says {_exact(int(row['micro']))}, {_exact(total - int(row['micro']))} apart."
        )
        + (f" {words.counted(unpriced, 'node')} without a price in no amount." if unpriced else "")
    )


def _exact(micro: int) -> str:
    return f"{'−' if micro < 0 else ''}${abs(micro) / MICRO:,.6f}"


def _again(page: Page, found: pd.DataFrame | None, hour: str) -> None:
    if st.button("Work this hour out again", key="books_recompute", icon=":material/replay:"):
        st.session_state[AGAIN] = hour
    if found is None or st.session_state.get(AGAIN) != hour:
        return
    if found.empty:
        st.success("Worked out again, every figure came out the same.", icon=":material/check:")
        return
    st.error(
        f"{words.counted(len(found), 'figure')} came out differently. The record of who was where, or the "
        "list prices, changed since the hour was closed.",
        icon=":material/error:",
    )
    tables.show(
        found,
        tables_prices.AGAIN,
        key="books_different",
        **tables.RECORDED,
        alt="Figures that differ between the record and working the hour out again.",
        page=page,
        as_of=None,
    )
