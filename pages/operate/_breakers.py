"""Circuit breakers: rules of the mesh beside cooldowns of gateways, what each did, and what is chosen of them."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.operate import _breakers_rule as one
from pages.ui import filters, panels, queries, shell, tables
from pages.ui.rows import clicked
from pages.ui.shell import Page
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
