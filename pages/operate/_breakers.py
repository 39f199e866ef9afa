"""Circuit breakers: rules of the mesh beside cooldowns of gateways, what each did, and what is chosen of them."""

import math
from typing import Any

import pandas as pd
import streamlit as st

from pages.operate import _breakers_rule as one
from pages.ui import filters, panels, queries, shell, tables, tiles, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services.breakers import board
from services.breakers.board import ISTIO

C = st.column_config
COLUMNS: dict[str, Any] = {
    "host": C.TextColumn("For", pinned=True, width="medium", help="A host of the mesh, or a gateway's model group"),
    "by": C.TextColumn("By", help="Istio takes out replicas, LiteLLM deployments"),
    "wrong": C.NumberColumn("Problems", help="Things found in the rule; choose the row to see them"),
    "taken_out": C.NumberColumn("Taken out", format="%.0f", help="Times in the range, over all proxies"),
    "out_now": C.NumberColumn("Out now", format="%.1f", help="As the mean proxy saw it in the last five minutes"),
    "errors": C.NumberColumn(
        "Errors", format="%.0f", help="That take one out. Istio: 5xx in a row; LiteLLM: failures a minute; 0 is off"
    ),
    "interval_s": C.NumberColumn("Brought back every", format="compact", help="How often Istio looks who is due"),
    "out_s": C.NumberColumn("Out for", format="compact", help="The first time; Istio takes longer each time"),
    "max_percent": C.NumberColumn("Most out, %", format="%.0f", help="Share of replicas that may be out at once"),
    "pending": C.NumberColumn("May wait", format="%.0f", help="Requests that may wait; empty: no limit is set"),
    "blocked": C.NumberColumn("Not taken out", format="%.0f", help="Times too many were out already"),
    "turned_away": C.NumberColumn("Turned away", format="%.0f", help="Requests for which the queue was full"),
    "refused": C.NumberColumn(
        "Refused", format="%.0f", help="Requests: breaker open, too many retries, or no healthy replica"
    ),
    "says": C.TextColumn("Most urgent", width="large"),
    "policy": C.TextColumn("Part", help="Part of the rule; counts of the whole host stand beside its top part"),
    "name": C.TextColumn("Rule", help="The DestinationRule, or the gateway's ConfigMap"),
    "namespace": C.TextColumn("Namespace"),
    "cluster": C.TextColumn("Cluster"),
}  # fmt: skip
RULE, ROW = "breaker", "breaker_row"


def draw(page: Page) -> None:
    """The table, and the rule that is chosen."""
    reading = queries.breakers(page.mode, page.scope)
    rows = shell.shown(reading, "Circuit breakers")
    if rows is None:
        return
    if rows.empty:
        panels.nothing("No circuit breakers here", "No rule of the mesh and no gateway is in this scope.")
        return
    _tiles(page, rows)
    st.subheader("What breaks off", anchor=False, help="Rules of the mesh, and cooldowns of gateways per model group.")
    row = tables.show(
        rows,
        COLUMNS,
        key="breakers",
        alt="Rules of the mesh and cooldowns of gateways: their settings, and how often each took something out.",
        page=page,
        as_of=reading.as_of,
        select=True,
    )
    st.caption("Empty is not counted or not set; 0 is counted and did not happen.")
    if rows["by"].ne(ISTIO).any():
        shell.link("Chains", "Cooldowns of gateways are set on Chains", page.scope, icon=":material/route:")
    mesh = rows[rows["by"] == ISTIO]
    if not mesh.empty:
        _rule(page, mesh, rows, row)
    one.hosts(page)


def _tiles(page: Page, rows: pd.DataFrame) -> None:
    """What was taken out, what is out now, who was turned away, and how many rules have problems."""
    over = page.scope.range
    told = board.once(rows)
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    with places[0]:
        value = told["taken_out"].sum(min_count=1)
        of_mesh = told.loc[told["by"] == ISTIO, "taken_out"].sum()
        under = f"{words.many(of_mesh)} by the mesh" if value > 0 else "nothing broke off"
        tip = "Times a replica or a deployment was taken out, over all proxies; the rest are cooldowns of gateways."
        _amount(f"Taken out, {over}", value, under, "orange", tip)
    with places[1]:
        value = told["out_now"].sum(min_count=1)
        tip = "Replicas the mesh leaves out, as the mean proxy saw it in the last five minutes. Gateways do not tell."
        _amount("Out now", value, "replicas of the mesh", "red", tip)
    with places[2]:
        value = told[["turned_away", "refused"]].sum(axis=1, min_count=1).sum(min_count=1)
        tip = "By a full queue, an open breaker, too many retries, or because no replica was healthy."
        _amount(f"Requests refused, {over}", value, "by the mesh", "red", tip)
    with places[3]:
        wrong = rows.loc[rows["wrong"] > 0, ["cluster", "namespace", "name"]].drop_duplicates()
        mesh = rows.loc[rows["by"] == ISTIO, ["cluster", "namespace", "name"]].drop_duplicates()
        under = f"of {words.counted(len(mesh), 'rule')}"
        tip = "Rules of the mesh in which something is wrong; choose one to see what, and to mend it."
        tiles.tile("Rules with problems", str(len(wrong)), under, "orange" if len(wrong) else "green", tip)


def _amount(label: str, value: float, under: str, colour: tiles.Colour, tip: str) -> None:
    """A tile of something that should be nothing; what nobody counts is a dash."""
    if math.isnan(value):
        tiles.tile(label, None, "not counted", tip=tip)
    else:
        tiles.tile(label, words.count(value), under, colour if value > 0 else "green", tip)


def _rule(page: Page, mesh: pd.DataFrame, rows: pd.DataFrame, row: int | None) -> None:
    """The rule looked at: the table's choice, or the link's."""
    found = mesh.drop_duplicates(["cluster", "namespace", "name"]).to_dict("records")
    names = {one.named(each): each for each in found}
    if clicked(row, key=ROW) and row is not None and row < len(rows) and rows.iloc[row]["by"] == ISTIO:
        st.session_state[RULE] = one.named(dict(rows.iloc[row]))
    name = filters.choose("Rule to look at", list(names), key=RULE, nothing="Choose a rule")
    if not name:
        return
    if name not in names:
        st.info("This rule is not known here (yet).", icon=":material/help:")
        return
    each = names[name]
    one.rule(page, each["cluster"], each["namespace"], each["name"])
