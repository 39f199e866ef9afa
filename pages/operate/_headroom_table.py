"""The tiles and the table of the Headroom page."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import panels, queries, shell, tables, tiles, words
from pages.ui.shell import Page
from services import runtime
from services.headroom.read import Summary
from services.reading import Reading

C = st.column_config
COLUMNS: dict[str, Any] = {
    "pool": C.TextColumn("Pool", pinned=True),
    "resource": C.TextColumn("A unit asks for", help="A pool with MIG instances has several kinds"),
    "free": C.NumberColumn("Free now", format="%.0f", help="A pod could have them now, warm units not among them"),
    "ready": C.NumberColumn("Warm", help="Warm units in place: the next start takes one at once"),
    "set": C.NumberColumn("Set", help="Warm units asked for"),
    "pending": C.NumberColumn("Refill", help="Warm units being made again or waiting for a node"),
    "method": C.TextColumn("Kept by", help="Placeholder pods of low priority, or the autoscaler's buffer"),
    "usd_per_day": C.NumberColumn("Per day", format="$%.0f", help="List price of what warm units hold"),
    "used": C.NumberColumn(
        "Used", format="%.0f", help="Starts by headroom, and nodes the autoscaler ordered for a buffer as events tell"
    ),
    "at_once_ratio": C.ProgressColumn(
        "Room at once", format="percent", min_value=0.0, max_value=1.0, help="Of the starts: warm or by headroom"
    ),
    "starts": C.NumberColumn("Starts", help="GPU pods of the time range that were placed on a node whose age is known"),
    "warm": C.NumberColumn("Warm starts", help="Placed within 30 seconds on a node that was there before the pod"),
    "headroom": C.NumberColumn(
        "By headroom", format="%.0f", help="They took room kept warm for them; empty: starts are not recorded"
    ),
    "waited": C.NumberColumn("Waited", help="Placed on a node that was there, once others had left"),
    "cold": C.NumberColumn("Cold", help="Placed on a node that joined for them"),
    "autoscaler": C.TextColumn("Grows by", help="Empty: nothing is known to add nodes"),
    "more": C.NumberColumn("May add", format="%.0f", help="Units up to the autoscaler's limit; empty: none or unknown"),
    "limit": C.NumberColumn("Limit", format="%.0f", help="Most units the pool may have; empty: none or unknown"),
    "balloons": C.NumberColumn("Others'", help="Placeholder pods this console did not make"),
    "model": C.TextColumn("GPU model"),
    "cluster": C.TextColumn("Cluster"),
}  # fmt: skip


def figures(page: Page) -> None:
    """Warm units, what they cost, starts that found room at once, times used."""
    reading = queries.headroom_summary(page.mode, page.scope)
    value = reading.value
    if value is None:
        shell.shown(reading, "Headroom")
        return
    grid = st.grid(4, min_column_width=230)
    one, two, three, four = (grid.container(height="stretch") for _ in range(4))
    with one:
        _units(value)
    with two:
        tip = "List price of the GPUs that warm units hold now; GPUs without a price are not in it."
        tiles.tile("Cost per day", words.money(value.usd_per_day), "for warm units, at list prices", tip=tip)
    with three:
        _warm(value, page.scope.range)
    with four:
        _used(value, page.scope.range)


def _units(value: Summary) -> None:
    tip = "In place now, of those asked for. The rest are being made again or wait for a node."
    if not value.units:
        tiles.tile("Warm units", "0", "nothing is kept warm", tip=tip)
        return
    missing = value.units - value.ready
    under = "all in place" if missing <= 0 else f"refill in progress: {missing} missing"
    colour: tiles.Colour = "green" if missing <= 0 else "orange"
    tiles.tile("Warm units", f"{value.ready} of {value.units}", under, colour, tip)


def _warm(value: Summary, window: str) -> None:
    tip = (
        "Warm: placed within 30 seconds on a node that was there before the pod. By headroom: it took room kept warm. "
        + ("As the Startup page counts them." if value.recorded else _PODS_ONLY)
    )
    share = (value.warm + (value.headroom or 0)) / value.starts if value.starts else None
    under = f"{value.warm + (value.headroom or 0):,} of {words.counted(value.starts, 'start')}"
    under = under if value.starts else "no start to be seen"
    tiles.tile(f"Room at once, {window}", None if share is None else words.share(share), under, tip=tip)


_PODS_ONLY = "Counted from pods that still exist; those by headroom cannot be told from warm ones."


def _used(value: Summary, window: str) -> None:
    tip = (
        "Recorded starts that took a warm unit's room, and nodes ordered for a buffer as far as events reach back."
        if value.recorded
        else "Times a pod took a warm unit's place, as far as events reach back: most API servers keep them an hour."
    )
    reach = value.used_since
    age = None if reach is None else runtime.current().now() - reach
    under = "no events to be read" if age is None else f"in the last {words.span(age)}"
    said = None if value.used is None else words.counted(value.used, "time")
    tiles.tile("Used", said, f"in the last {window}" if value.recorded else under, tip=tip)


def table(page: Page) -> tuple[pd.DataFrame | None, int | None]:
    """The pools and the position of the chosen one."""
    reading: Reading[pd.DataFrame] = queries.headroom(page.mode, page.scope)
    rows = shell.shown(reading, "Headroom by pool")
    if rows is None:
        return None, None
    if rows.empty:
        panels.nothing("No GPU pools here", "No node of this scope has GPUs, by capacity, label or device slice.")
        return rows, None
    row = tables.show(
        rows,
        COLUMNS,
        key="headroom_table",
        alt="Free and warm units, their cost and use, and how starts were served, for each pool.",
        page=page,
        as_of=reading.as_of,
        select=True,
    )
    if rows["balloons"].sum():
        st.caption(
            f":material/info: {words.counted(int(rows['balloons'].sum()), 'placeholder pod')} here were not made by "
            "this console. They keep GPUs warm too; it leaves them alone."
        )
    return rows, row


WORDS = {
    "Warm unit": "Room for one replica of a real workload, ready before it is asked for.",
    "Placeholder": "A pause pod of priority -10 that holds such room. Any pod of priority 0 or above takes its place "
    "at once; the placeholder is then made again and waits for the next room.",
    "Buffer": "A CapacityBuffer: the autoscaler keeps the room by itself. Nothing is reserved, nothing is preempted.",
    "Room at once": "Warm or by headroom. Warm: placed within 30 seconds on a node that was there before the pod. By "
    "headroom: it took room kept warm for it. Waited: the node was there, and others had to leave first. Cold: the "
    "node joined for the pod. As recorded; where starts are not, pods that are gone are not counted.",
    "Used": "Starts by headroom, as recorded; where they are not, preemptions of placeholders that events still tell. "
    "A buffer was used when the autoscaler ordered nodes for it; only events tell.",
    "Grows by": "Karpenter's NodePools and the Cluster Autoscaler's status say which pools may grow and how far.",
}
"""The page's own words."""
