"""Circuit breakers: rules of the mesh beside cooldowns of gateways, what each did, and the form that changes a rule."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import actions, filters, panels, queries, shell, tables, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services.breakers import ISTIO
from services.domain.breakers.edit import MOST_ERRORS, BreakerParams
from services.domain.breakers.findings import ACTION
from services.domain.findings import Severity
from services.domain.litellm.lint import Lint

C = st.column_config
COLUMNS: dict[str, Any] = {
    "host": C.TextColumn("For", pinned=True, help="The host of a mesh rule, or the gateway's model group"),
    "by": C.TextColumn("By", help="Istio takes out replicas, LiteLLM deployments"),
    "wrong": C.NumberColumn("Problems", help="Things found in the rule; choose the row to see them"),
    "taken_out": C.NumberColumn("Taken out", format="%.0f", help="Times in the range, over all proxies"),
    "out_now": C.NumberColumn("Out now", format="%.1f", help="As the mean proxy saw it in the last five minutes"),
    "errors": C.NumberColumn(
        "Errors", format="%.0f", help="That take one out. Istio: 5xx in a row; LiteLLM: failures a minute; 0 is off"
    ),
    "interval_s": C.NumberColumn("Looked at every", format="compact", help="How often Istio looks at errors"),
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
_ICONS = {
    Severity.CRITICAL: ":material/error:", Severity.WARNING: ":material/warning:", Severity.NOTICE: ":material/info:",
}  # fmt: skip


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
    chosen = _choose(rows, row)
    if chosen is not None:
        _rule(page, chosen)


def _choose(rows: pd.DataFrame, row: int | None) -> dict[Any, Any] | None:
    """The rule looked at: the table's choice, or the link's. Gateways are changed on their own page."""
    mesh = rows[rows["by"] == ISTIO]
    names = [_name(one) for one in mesh.to_dict("records")]
    if clicked(row, key=ROW) and row is not None and row < len(rows) and rows.iloc[row]["by"] == ISTIO:
        st.session_state[RULE] = _name(dict(rows.iloc[row]))
    name = filters.choose("Rule to look at", list(dict.fromkeys(names)), key=RULE, nothing="Choose a rule")
    if not name:
        return None
    if name not in names:
        st.info("This rule is not known here (yet).", icon=":material/help:")
        return None
    return dict(mesh.iloc[names.index(name)])


def _name(row: Mapping[Any, Any]) -> str:
    return f"{row['cluster']}/{row['namespace']}/{row['name']}"


def _rule(page: Page, row: dict[Any, Any]) -> None:
    found = queries.breaker_lints(page.mode, row["cluster"]).get((row["namespace"], row["name"]), [])
    left, right = st.columns([5, 6], gap="large")
    with right:
        _told(found)
    with left:
        _form(row, found)


def _told(found: list[Lint]) -> None:
    st.subheader("Found in this rule", anchor=False)
    if not found:
        st.caption(":material/check: Nothing wrong was found.")
    for one in found[:20]:
        st.markdown(f"{_ICONS[one.severity]} {words.plain(one.says)} {words.plain(one.do)}  \n{words.code(one.place)}")


def _form(row: dict[Any, Any], found: list[Lint]) -> None:
    key = _name(row)
    st.subheader("Change it", anchor=False, help="For the whole host; other parts of the rule stay as they are.")
    errors = _number("Errors in a row that take a replica out", row["errors"], MOST_ERRORS, f"breaker_errors_{key}")
    percent = _number("Most replicas out at once, %", row["max_percent"], 100, f"breaker_percent_{key}")
    interval = _span("Look at errors every", row["interval_s"], f"breaker_interval_{key}")
    ejection = _span("Keep it out for", row["out_s"], f"breaker_out_{key}")
    old = any(one.code == "consecutive-errors" and one.place.startswith("trafficPolicy:") for one in found)
    replaced = old and st.checkbox("Replace consecutiveErrors by consecutive5xxErrors", True, key=f"breaker_old_{key}")
    want = BreakerParams(
        row["cluster"],
        row["namespace"],
        row["name"],
        errors=errors,
        max_percent=percent,
        interval=interval,
        ejection=ejection,
        replace_errors=bool(replaced),
    )
    same = want == BreakerParams(row["cluster"], row["namespace"], row["name"])
    label = f"Change the breaker {words.plain(row['name'])}"
    reason = "It is so already." if same else ""
    actions.button(label, ACTION, want, key="breaker_apply", icon=":material/tune:", primary=True, reason=reason)


def _number(label: str, now: float, most: int, key: str) -> int | None:
    """What was typed, None when it is what stands there."""
    before = None if math.isnan(now) else int(now)
    value = st.number_input(label, min_value=0, max_value=most, value=_within(before, most), key=key)
    return None if value is None or value == before else int(value)


def _within(before: int | None, most: int) -> int | None:
    return None if before is None else min(before, most)


def _span(label: str, now: float, key: str) -> str | None:
    before = "" if math.isnan(now) else f"{now:g}s"
    value = st.text_input(label, value=before, key=key, max_chars=20, help="Such as 30s or 2m, from 1ms to 1h").strip()
    return None if value in ("", before) else value
