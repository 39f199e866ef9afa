"""Channels of alerts: how they are doing, and a test message for one."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui import filters, panels, proposal, queries_alerts, tables, tables_alerts, tiles, words
from pages.ui.shell import Page
from services import runtime
from services.access import Right
from services.alerts import trial
from services.alerts.read import State

CHANNEL, TOLD = "alerts_channel", "alerts_told"
SAMPLE = """channels:
  - name: gpu-ops
    url_file: /run/secrets/slack   # slack://…, workflows://… (Teams), mailtos://…, jsons://… (a webhook)
    min_severity: critical
  - name: finance
    url_file: /run/secrets/mail
    kinds: [money]
    digest: 08:00
    zone: Europe/Berlin
"""


def nothing() -> None:
    """What to do where no channel is set."""
    panels.nothing("No channel is set", "Findings stand on Overview; nobody is told of them.")
    st.markdown(
        "Name one or more in the file that `GFC_CONFIG` names, or a single one by `GFC_CHANNEL_URL`. An address is "
        "written as the notification library Apprise writes it. `GFC_PUBLIC_URL` gives messages their links."
    )
    st.code(SAMPLE, language="yaml")


def headline(states: Sequence[State], recent: pd.DataFrame | None, period: str) -> None:
    """Channels, what was sent, what waits, what could not be sent; and the answer in words."""
    set_ = [one for one in states if one.channel is not None]
    failing = sum(one.delivery.failing_since is not None for one in set_)
    waiting = sum(one.delivery.waiting for one in set_)
    collected = sum(one.delivery.collected for one in set_)
    lost = sum(one.delivery.given_up for one in states)
    grid = st.grid(4, min_column_width=210)
    with grid.container(height="stretch"):
        tiles.tile(
            "Channels",
            words.count(len(set_)),
            f"{words.count(failing)} failing" if failing else "All deliver",
            "red" if failing else "green",
        )
    with grid.container(height="stretch"):
        sent = None if recent is None else int(((recent["state"] == "sent") & (recent["kind"] != "Test")).sum())
        tiles.tile("Alerts sent", None if sent is None else words.count(sent), f"Noted in the last {period}")
    with grid.container(height="stretch"):
        tiles.tile("Messages waiting", words.count(waiting), f"{words.counted(collected, 'alert')} collected for later")
    with grid.container(height="stretch"):
        tiles.tile(
            "Given up",
            words.count(lost),
            "Not sent for a week" if lost else "Nothing is lost",
            "red" if lost else "off",
        )
    st.markdown(tables_alerts.answer(set_, runtime.current().now()))


def table(page: Page, states: Sequence[State]) -> None:
    """All channels."""
    st.subheader("Channels", anchor=False)
    tables.show(
        tables_alerts.channels(states),
        tables_alerts.CHANNELS,
        key="alerts_channels",
        **tables.RECORDED,
        alt="Channels with what they are told, what they got last and what waits.",
        page=page,
        as_of=None,
    )


def chosen(states: Sequence[State]) -> str:
    """The channel the table below is narrowed to and a test is sent to; "" for all."""
    return filters.choose("Channel", [one.name for one in states], key=CHANNEL, nothing="All channels")


def test(states: Sequence[State], name: str) -> None:
    """The button that sends a test message to the chosen channel."""
    known = any(one.name == name and one.channel is not None for one in states)
    why = proposal.why(Right.ADMIN) or ("" if known else "Choose a channel first.")
    st.button(
        f"Send a test message to {words.plain(name)}" if known else "Send a test message",
        key="alerts_test",
        icon=":material/send:",
        on_click=_ask,
        args=(name,),
        disabled=bool(why),
        help=words.plain(why) or "The collector sends it within seconds. The audit keeps who asked.",
    )
    if TOLD in st.session_state:
        st.info(words.plain(st.session_state.pop(TOLD)), icon=":material/outgoing_mail:")
    if proposal.COMPLAINT in st.session_state:
        st.error(words.plain(st.session_state.pop(proposal.COMPLAINT)), icon=":material/block:")


def _ask(name: str) -> None:
    def ask() -> None:
        key = trial.ask(runtime.current(), proposal.person(), name)
        st.session_state[TOLD] = f"Message {key} waits for the collector, which sends it within seconds."

    proposal.with_complaint(ask)
    queries_alerts.channels.clear()
    queries_alerts.recent.clear()
