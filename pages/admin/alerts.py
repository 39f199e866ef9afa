"""Alerts: who was told what and when, and did it arrive?"""

import pandas as pd
import streamlit as st

from pages.admin import _alerts_channels as channels
from pages.ui import filters, panels, queries_alerts, shell, tables, tables_alerts

FILTERS = {"alerts_state": ("state", "State", "All states"), "alerts_severity": ("severity", "Severity", "All")}
SOME = 10

page = shell.page("Alerts")
scope, mode = page.scope, page.mode


def listed(recent: pd.DataFrame, channel: str) -> None:
    """The newest alerts with what became of them."""
    rows = recent[recent["channel"] == channel] if channel else recent
    left, right, far = st.columns([1, 1, 2])
    for place, (key, (column, label, everything)) in zip((left, right), FILTERS.items(), strict=True):
        with place:
            wanted = filters.choose(label, sorted(set(rows[column])), key=key, nothing=everything)
        rows = rows[rows[column] == wanted] if wanted else rows
    text = far.text_input("Text", key="alerts_text", bind="query-params", placeholder="In what and why", max_chars=100)
    said = rows["title"] + " " + rows["detail"] + " " + rows["kind"] + " " + rows["message"]
    rows = rows[said.str.contains(text.strip(), case=False, regex=False)] if text.strip() else rows
    if rows.empty:
        panels.nothing("No alert", f"Nothing was told in the last {scope.range} that the filters leave.")
        return
    tables.show(
        rows.reset_index(drop=True),
        tables_alerts.ALERTS,
        key="alerts_table",
        **tables.RECORDED,
        alt="Alerts, newest first, with their delivery.",
        page=page,
        as_of=None,
        height="auto" if len(rows) <= SOME else 420,
    )


@shell.live
def picture() -> None:
    """Tiles, the answer in words, channels and alerts."""
    reading, told = queries_alerts.channels(mode), queries_alerts.recent(mode, scope)
    states = shell.shown(reading, "Alerts", needs="database")
    if states is None:
        return
    if not states:
        channels.nothing()
        return
    channels.headline(states, told.value, scope.range)
    channels.table(page, states)
    st.subheader("Alerts", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        channel = channels.chosen(states)
        channels.test(states, channel)
    recent = shell.shown(told, "The list of alerts", needs="database")
    if recent is not None:
        listed(recent, channel)


if scope.sees.whole:
    picture()
else:
    st.info("Alerts speak of the whole fleet; you see a part of it.", icon=":material/visibility_lock:")
shell.glossary("Alert", "Channel", "Digest", "Quiet hours")
