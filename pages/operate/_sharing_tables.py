"""What is shared how: the tiles, the pools, the nodes of one of them."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import actions, panels, queries, shell, tables, tiles, words
from pages.ui.shell import Page
from services.domain.sharing import Mode
from services.domain.sharing.tables import pool_table

C = st.column_config
POOLS: dict[str, Any] = {
    "pool": C.TextColumn("Pool", pinned=True),
    "layout": C.TextColumn("Layout now"),
    "nodes": C.NumberColumn("Nodes"),
    "gpus": C.NumberColumn("GPUs", format="%.0f", help="Physical GPUs"),
    "units": C.NumberColumn("Units", format="%.0f", help="What pods can ask for, of all resources"),
    "equivalents": C.NumberColumn("Worth", format="%.2f", help="Of the units, in GPU equivalents"),
    "held": C.NumberColumn("Held", format="%.2f", help="GPU equivalents"),
    "memory_share": C.NumberColumn(
        "Memory per unit", format="%.1f GiB", help="Of the smallest unit; with time-slicing a fair share, not a limit"
    ),
    "state": C.TextColumn("State", help="Of the nodes, or where labels ask for what the GPUs do not show"),
    "model": C.TextColumn("GPU model"),
    "cluster": C.TextColumn("Cluster"),
}
NODES: dict[str, Any] = {
    "node": C.TextColumn("Node", pinned=True),
    "layout": C.TextColumn("Layout now"),
    "offers": C.TextColumn("Offers", help="Units by resource"),
    "gpus": C.NumberColumn("GPUs", format="%.0f"),
    "equivalents": C.NumberColumn("Worth", format="%.2f", help="GPU equivalents"),
    "held": C.NumberColumn("Held", format="%.2f", help="GPU equivalents"),
    "memory_share": C.NumberColumn("Memory per unit", format="%.1f GiB"),
    "state": C.TextColumn("State"),
    "config": C.TextColumn("Label", help="nvidia.com/device-plugin.config"),
    "model": C.TextColumn("GPU model"),
    "pool": C.TextColumn("Pool"),
    "cluster": C.TextColumn("Cluster"),
}


def figures(page: Page) -> None:
    """GPUs by the way they are divided, and what sharing would free."""
    reading = queries.shared_nodes(page.mode, page.scope)
    if reading.value is None:
        shell.shown(reading, "Sharing")
        return
    nodes = reading.value
    gpus = {mode: float(nodes.loc[nodes["mode"] == mode.value, "gpus"].sum()) for mode in Mode}
    shared = nodes[nodes["mode"].isin([Mode.TIME_SLICING.value, Mode.MPS.value])]
    grid = st.grid(4, min_column_width=230)
    one, two, three, four = (grid.container(height="stretch") for _ in range(4))
    with one:
        tiles.tile("Exclusive", words.gpus(gpus[Mode.EXCLUSIVE]), "one pod holds a whole GPU")
    with two:
        under = f"sold as {words.counted(int(shared['units'].sum()), 'unit')}" if len(shared) else "no GPU is shared"
        tiles.tile("Time-slicing and MPS", words.gpus(gpus[Mode.TIME_SLICING] + gpus[Mode.MPS]), under)
    with three:
        cut = nodes[nodes["mode"] == Mode.MIG.value]
        under = f"cut into {words.counted(int(cut['units'].sum()), 'unit')}" if len(cut) else "no GPU is cut"
        tiles.tile("MIG", words.gpus(gpus[Mode.MIG]), under)
    with four:
        _freed(page)


def _freed(page: Page) -> None:
    tip = (
        "Whole GPUs held by pods that keep them little busy and use little of their memory, where every held GPU of "
        "the node is held so. GPUs nobody measures are not in it."
    )
    found = queries.sharing_findings(page.mode, page.scope)
    freed = sum(one.gpus or 0.0 for one in found)
    money = [one.usd_per_day for one in found if one.usd_per_day is not None]
    under = f"{words.money(sum(money))} a day at list prices" if money else "no small pod holds whole GPUs"
    tiles.tile("Sharing would free", words.gpus(freed), under, "orange" if freed else "off", tip)


def pools(page: Page) -> tuple[pd.DataFrame | None, int | None]:
    """The nodes of the scope, and the position of the pool chosen in the table."""
    reading = queries.shared_nodes(page.mode, page.scope)
    nodes = shell.shown(reading, "Layouts")
    if nodes is None:
        return None, None
    if nodes.empty:
        panels.nothing("No GPU nodes here", "No node of this scope has GPUs, by capacity, label or device slice.")
        return nodes, None
    row = tables.show(
        pool_table(nodes),
        POOLS,
        key="share_pools",
        alt="How the GPUs of each pool are divided and what units that gives.",
        page=page,
        as_of=reading.as_of,
        select=True,
    )
    return nodes, row


def suggestions(page: Page) -> None:
    """Where sharing would free GPUs, each with its button."""
    for place, one in enumerate(queries.sharing_findings(page.mode, page.scope)[:3]):
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"share_hint_{place}"):
            st.markdown(f"**{words.plain(one.title)}.** {words.plain(one.detail)}")
            if one.fix is not None:
                label = words.plain(one.fix.label)
                actions.button(
                    label, one.fix.action, one.fix.params, key=f"share_fix_{place}", icon=":material/call_split:"
                )


def one_pool(page: Page, nodes: pd.DataFrame) -> None:
    """The nodes of the chosen pool."""
    st.subheader(f"Nodes of {words.plain(str(nodes['pool'].iat[0]))}", anchor=False)
    tables.show(
        nodes,
        NODES,
        key="share_nodes",
        alt="How the GPUs of each node of the pool are divided.",
        page=page,
        as_of=queries.shared_nodes(page.mode, page.scope).as_of,
    )
