"""Another layout for some nodes: what can be chosen, what it would give, what stands against it."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import actions, filters, queries, shell, tables, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services.domain.sharing import NO_ISOLATION, Layout, Mode
from services.domain.sharing.checks import BLOCKS
from services.sharing import Desk

C = st.column_config
POOL, ROW, LAYOUT = "share_pool", "share_row", "share_layout"
ACTION = "set-sharing"
PREVIEW: dict[str, Any] = {
    "node": C.TextColumn("Node", pinned=True),
    "before": C.TextColumn("Now"),
    "after": C.TextColumn("Then"),
    "units_before": C.NumberColumn("Units now", format="%.0f"),
    "units_after": C.NumberColumn("Units then", format="%.0f"),
    "equivalents_before": C.NumberColumn("Worth now", format="%.2f", help="GPU equivalents"),
    "equivalents_after": C.NumberColumn("Worth then", format="%.2f", help="GPU equivalents"),
    "memory_before": C.NumberColumn("Memory per unit now", format="%.1f GiB"),
    "memory_after": C.NumberColumn("Memory per unit then", format="%.1f GiB"),
}
CHECKS: dict[str, Any] = {
    "level": C.TextColumn("Weight"),
    "about": C.TextColumn("About"),
    "says": C.TextColumn("What was found", width="large", pinned=True),
    "do": C.TextColumn("What to do", width="medium"),
    "who": C.TextColumn("Concerned", width="medium"),
}


def choose(nodes: pd.DataFrame, row: int | None) -> pd.DataFrame | None:
    """The nodes of the pool looked at: the table's choice, or the link's."""
    names = (nodes["cluster"] + "/" + nodes["pool"]).rename("name")
    known = sorted(set(names))
    if clicked(row, key=ROW) and row is not None:
        listed = nodes.assign(name=names).groupby(["cluster", "pool", "model"], sort=True)["name"].first().tolist()
        if row < len(listed):
            st.session_state[POOL] = listed[row]
    chosen = filters.choose("Pool to look at", known, key=POOL, nothing="Choose a pool")
    if chosen and chosen not in known:
        st.info("This pool is not known here (yet).", icon=":material/help:")
    return nodes[names == chosen].reset_index(drop=True) if chosen in known else None


def draw(page: Page, nodes: pd.DataFrame) -> None:
    """The choice of nodes and layout, and what would come of it."""
    st.subheader("Change the layout", anchor=False)
    cluster, names = str(nodes["cluster"].iat[0]), nodes["node"].tolist()
    picked = st.multiselect(
        "Nodes", names, key=f"share_pick_{cluster}_{nodes['pool'].iat[0]}", placeholder=f"All {len(names)} nodes"
    )
    chosen = tuple(sorted(picked or names))
    asked = queries.sharing_desk(page.mode, page.scope, cluster, chosen, "", False)
    desk = shell.shown(asked, "Layouts that could be chosen")
    if desk is None:
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom", gap="large")
    with left:
        possible = [one.layout.key for one in desk.choices if not one.refusal]
        layout = filters.choose("Layout", possible, key=LAYOUT, nothing="Choose a layout")
    with right, st.container(horizontal=True, vertical_alignment="bottom"):
        drain = st.toggle(
            "Drain first", key="share_drain", help="Evict the GPU pods of each node, within their disruption budgets."
        )
        pace = st.number_input(
            "Seconds between nodes", min_value=0, max_value=3600, value=30, key="share_pace", width=200
        )
    _impossible(desk, several=len(chosen) > 1)
    if layout:
        params = {"cluster": cluster, "nodes": chosen, "layout": layout, "drain": drain, "pace_s": float(pace)}
        _outcome(page, params, possible)


def _impossible(desk: Desk, *, several: bool) -> None:
    st.caption(f":material/settings_suggest: {words.plain(words.sentence(desk.install))}")
    reasons: dict[str, list[str]] = {}
    for one in desk.choices:
        if one.refusal:
            reasons.setdefault(one.refusal, []).append(str(one.layout))
    if len(reasons) == 1 and all(one.refusal for one in desk.choices):
        other = " Or choose nodes without it above." if several else ""
        st.warning(f"{words.plain(next(iter(reasons)))}{other}", icon=":material/block:")
    elif reasons:
        with st.expander(f"Not possible here ({sum(map(len, reasons.values()))})", icon=":material/block:"):
            for reason, layouts in reasons.items():
                st.markdown(f"{words.plain(', '.join(layouts))}: {words.plain(reason)}")


def _outcome(page: Page, params: dict[str, Any], possible: list[str]) -> None:
    key = params["layout"]
    if key not in possible:
        st.info("These nodes cannot have that layout; see what is not possible and why.", icon=":material/block:")
        return
    reading = queries.sharing_desk(page.mode, page.scope, params["cluster"], params["nodes"], key, params["drain"])
    desk = shell.shown(reading, "What it would do")
    if desk is None or desk.rows is None or desk.checks is None:
        return
    layout, rows = Layout.of(key), desk.rows
    _totals(rows)
    tables.show(rows, PREVIEW, key="share_preview", alt="Each node now and then.", page=page, as_of=reading.as_of)
    if layout.mode is Mode.TIME_SLICING:
        st.warning(NO_ISOLATION, icon=":material/warning:")
    _checks(page, desk)
    todo = int(rows["changes"].sum())
    where = "all GPU nodes of the cluster" if desk.static else words.counted(todo, "node")
    actions.button(
        f"Set {layout} on {where}",
        ACTION,
        params,
        key="share_apply",
        icon=":material/call_split:",
        primary=True,
        reason="It is so already." if not todo else desk.blocked,
    )


def _totals(rows: pd.DataFrame) -> None:
    sums = rows[["units_before", "units_after", "equivalents_before", "equivalents_after"]].sum()
    st.markdown(
        f"**{words.count(sums['units_before'])} → {words.count(sums['units_after'])} units**, worth "
        f"{words.count(sums['equivalents_before'])} → {words.count(sums['equivalents_after'])} GPU equivalents; "
        f"memory per unit {_gib(rows['memory_before'].min())} → {_gib(rows['memory_after'].min())}."
    )


def _gib(size: float) -> str:
    return words.DASH if pd.isna(size) else f"{size / tables.GIB:,.1f} GiB"


def _checks(page: Page, desk: Desk) -> None:
    checks = desk.checks
    if checks is None or checks.empty:
        st.success("Nothing stands against it.", icon=":material/check_circle:")
        return
    for one in checks.to_dict("records"):
        said = f"{words.plain(one['says'])} {words.plain(one['do'])}"
        if one["level"] == BLOCKS:
            st.error(said, icon=":material/block:")
        else:
            st.markdown(f":material/warning: {said}")
    with st.expander("Whom it concerns", icon=":material/table_rows:"):
        tables.show(checks, CHECKS, key="share_checks", alt="What was checked and found.", page=page, as_of=None)
