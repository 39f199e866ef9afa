"""The tables of the Startup page: starts, images, pools."""

import streamlit as st

from pages.observe import _startup_one as one
from pages.observe import _startup_prepull as prepull
from pages.ui import panels, queries, tables, tables_startup, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services.startup.board import Board

LIST, ROW = "start_list", "startup_row"
SLOWEST, UNREADY, NEWEST = "Slowest", "Not ready", "Newest"

_ORDER = {SLOWEST: "slowest first", UNREADY: "those that are not ready, longest first", NEWEST: "newest first"}


def wanted(page: Page, workload: str) -> bool:
    """Whether there are starts to be listed."""
    found = queries.startup(page.mode, page.scope, workload).value
    return found is not None and found.totals.number > 0


def draw(page: Page, workload: str) -> None:
    """Starts with their download, then images and pools."""
    found = queries.startup(page.mode, page.scope, workload).value
    if found is None:
        return
    st.subheader("Starts", anchor=False, help="Choose a row to see everything about a start.")
    _starts(page, found, workload)
    known = queries.startup_advice(page.mode, page.scope, workload)
    if known.value is None:
        return
    st.subheader("Images", anchor=False, help="Those that cost most seconds of pulling first.")
    if known.value.images.empty:
        panels.nothing("No image to be seen", "No start of this scope says which images its containers have.")
    else:
        tables.show(
            known.value.images,
            tables_startup.IMAGES,
            key="startup_images",
            alt="Images with their sizes, pulls, how often they were on the node, and advice.",
            page=page,
            as_of=known.as_of,
        )
    prepull.draw(page, known.value.images)
    st.subheader("Pools", anchor=False, help="How long new nodes take; slowest first.")
    if known.value.pools.empty:
        panels.nothing("No pool to be seen", "No start of this scope has a node yet.")
        return
    tables.show(
        known.value.pools,
        tables_startup.POOLS,
        key="startup_pools",
        alt="Pools with how long their new nodes take to come, to boot and to offer GPUs.",
        page=page,
        as_of=known.as_of,
    )


def _starts(page: Page, found: Board, workload: str) -> None:
    chosen = st.segmented_control(
        "Starts", [SLOWEST, UNREADY, NEWEST], default=SLOWEST, required=True, key=LIST, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    asked = str(chosen)
    rows = {UNREADY: found.unready, NEWEST: found.newest}.get(asked, found.slowest)
    row = tables.show(
        tables_startup.starts(rows),
        tables_startup.STARTS,
        key=f"startup_starts_{asked.replace(' ', '_').lower()}",
        alt=f"Starts, {_ORDER[asked]}, with the seconds of their phases.",
        page=page,
        as_of=None,
        select=True,
        height=420 if len(rows) > 10 else "auto",
        download=False,
    )
    number = found.totals.number
    if len(rows) < number:
        st.caption(f"Shown are {len(rows):,} of {words.counted(number, 'start')}; the file has all of them.")
    st.download_button(
        "Download CSV",
        data=lambda: tables.csv(
            queries.starts(page.scope, workload),
            tables_startup.STARTS,
            window=page.scope.range,
            mode=page.mode,
            as_of=None,
            prices=tables.LISTED,
        ),
        file_name=f"startup_starts-{page.scope.range}{'-demo' if page.mode == 'demo' else ''}.csv",
        mime="text/csv",
        key="startup_starts_csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
    if clicked(row, key=ROW) and row is not None:
        one.look_at(f"{rows['cluster'].iloc[row]}/{rows['uid'].iloc[row]}")
