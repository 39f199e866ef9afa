"""Columns of the tables about alerts; see :mod:`pages.ui.tables`."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from pages.ui import words
from services.alerts.read import State
from services.domain import frames

C = st.column_config

CHANNELS = {
    "channel": C.TextColumn("Channel", pinned=True),
    "state": C.TextColumn("State"),
    "last_sent": C.DatetimeColumn("Last sent", format="distance"),
    "waiting": C.NumberColumn("Waiting", help="Messages that are due and not sent yet"),
    "collected": C.NumberColumn("Collected", help="Alerts that wait for a digest or the end of quiet hours"),
    "given_up": C.NumberColumn("Given up", help="Messages that could not be sent for a week"),
    "failing_since": C.DatetimeColumn("Failing since", format="distance"),
    "next_at": C.DatetimeColumn("Next try", format="YYYY-MM-DD HH:mm:ss"),
    "error": C.TextColumn("Said last", width="medium"),
    "told": C.TextColumn("Is told", width="medium"),
    "when": C.TextColumn("When", width="medium"),
    "place": C.TextColumn("Sent to", help="Scheme and host of its address; the rest is a secret"),
}

ALERTS = {
    "state": C.TextColumn("State"),
    "title": C.TextColumn("What", width="large", pinned=True),
    "severity": C.TextColumn("Severity"),
    "channel": C.TextColumn("Channel"),
    "at": C.DatetimeColumn("Noted", format="distance"),
    "sent_at": C.DatetimeColumn("Sent", format="YYYY-MM-DD HH:mm:ss"),
    "attempts": C.NumberColumn("Attempts"),
    "due": C.DatetimeColumn("Due", format="YYYY-MM-DD HH:mm:ss"),
    "next_at": C.DatetimeColumn("Next try", format="YYYY-MM-DD HH:mm:ss"),
    "error": C.TextColumn("Said last", width="medium"),
    "kind": C.TextColumn("Kind"),
    "detail": C.TextColumn("Detail", width="medium"),
    "team": C.TextColumn("Team"),
    "begin": C.DatetimeColumn("Began", format="YYYY-MM-DD HH:mm:ss"),
    "cluster": C.TextColumn("Cluster"),
    "message": C.TextColumn("Message", help="The key that stands in its subject"),
}

_STATES = {
    "channel": "str",
    "state": "str",
    "last_sent": "datetime64[us, UTC]",
    "waiting": "int64",
    "collected": "int64",
    "given_up": "int64",
    "failing_since": "datetime64[us, UTC]",
    "next_at": "datetime64[us, UTC]",
    "error": "str",
    "told": "str",
    "when": "str",
    "place": "str",
}


def channels(states: Sequence[State]) -> pd.DataFrame:
    """Channels as rows of :data:`CHANNELS`."""
    rows = [
        {
            "channel": one.name,
            "state": state(one),
            "last_sent": one.delivery.last_sent,
            "waiting": one.delivery.waiting,
            "collected": one.delivery.collected,
            "given_up": one.delivery.given_up,
            "failing_since": one.delivery.failing_since,
            "next_at": one.delivery.next_at,
            "error": one.delivery.error,
            "told": _told(one),
            "when": _when(one),
            "place": one.channel.place if one.channel else "",
        }
        for one in states
    ]
    return pd.DataFrame(rows, columns=list(_STATES)).astype(_STATES) if rows else frames.empty(_STATES)


def state(one: State) -> str:
    """One word or two on how a channel is doing."""
    if one.channel is None:
        return "Not set any more"
    if one.delivery.failing_since is not None:
        return "Failing"
    if one.delivery.last_sent is None:
        return "Nothing sent yet"
    return "Delivers"


def _told(one: State) -> str:
    """Which findings a channel is told of."""
    channel = one.channel
    if channel is None:
        return ""
    least = {"CRITICAL": "Critical", "WARNING": "Warnings and worse", "NOTICE": "Everything"}[channel.least.name]
    topics = f" about {', '.join(sorted(channel.topics))}" if channel.topics else ""
    teams = f" of {', '.join(sorted(channel.teams))}" if channel.teams else ""
    return f"{least}{topics}{teams}"


def _when(one: State) -> str:
    """When a channel is told."""
    channel = one.channel
    if channel is None:
        return ""
    zone = f" {channel.zone}"
    every = {"15m": "Every 15 minutes", "30m": "Every 30 minutes", "1h": "Every hour"}
    said = every.get(channel.digest, f"Daily at {channel.digest}{zone}" if channel.digest else "At once")
    if channel.quiet:
        begin, end = channel.quiet
        said += f", not from {begin:%H:%M} to {end:%H:%M}{zone}"
    return f"{said}; critical at once" if channel.critical_at_once else said


def answer(states: Sequence[State], now: datetime) -> str:
    """How all channels together are doing, in one sentence for Markdown."""
    failing = [one for one in states if one.channel is not None and one.delivery.failing_since is not None]
    if failing:
        told = "; ".join(
            f"**{words.plain(one.name)}** for {words.span(now - (one.delivery.failing_since or now))} "
            f"({words.plain(one.delivery.error.removesuffix('.'))})"
            for one in failing
        )
        return f"Alerts do not arrive at {told}. Nothing is lost: every message is tried again for a week."
    waiting = sum(one.delivery.waiting for one in states)
    if waiting:
        return (
            f"Every channel delivers; {words.counted(waiting, 'message')} {'is' if waiting == 1 else 'are'} on the way."
        )
    return "Every channel delivers; no message waits."
