"""Cached reads of the Prices and Books pages; see :mod:`pages.ui.queries`."""

from datetime import datetime

import streamlit as st

from services import runtime
from services.cost import books, prices
from services.domain.cost import cardfile
from services.domain.scope import Scope
from services.ports import Card
from services.reading import Reading

_LIVE = {"ttl": "15s", "max_entries": 64, "show_spinner": False, "refresh_mode": "background"}


@st.cache_data(**_LIVE)
def prices_in_force(mode: str, scope: Scope) -> Reading[prices.Prices]:
    """Prices of the fleet's kinds of node."""
    return prices.in_force(runtime.current(), scope)


@st.cache_data(**_LIVE)
def cards(mode: str) -> Reading[tuple[Card, ...]]:
    """All versions of the rate card, newest first."""
    return prices.versions(runtime.current())


@st.cache_data(ttl="60s", max_entries=16, show_spinner="Working out what it would mean")
def card_outlook(mode: str, version: int, text: str) -> Reading[prices.Outlook]:
    """What the rate card in ``text`` would mean in place of ``version``, the one in force."""
    sources = runtime.current()
    return prices.outlook(sources, cardfile.read(text, sources.policy.cost.zone).lines)


@st.cache_data(ttl="60s", max_entries=64, show_spinner=False, refresh_mode="background")
def book_of_day(mode: str, scope: Scope, day: str) -> Reading[books.Day]:
    """Every hour of a day: what its parts sum to."""
    return books.day(runtime.current(), scope, day)


@st.cache_data(ttl="5m", max_entries=16, show_spinner="Adding up every hour", refresh_mode="background")
def book_of_all(mode: str, scope: Scope) -> Reading[books.Period]:
    """The same of everything that is kept."""
    return books.period(runtime.current(), scope)


@st.cache_data(ttl="60s", max_entries=32, show_spinner="Working the hour out again")
def book_of_hour(mode: str, cluster: str, hour: datetime) -> Reading[books.Hour | None]:
    """One hour, worked out again node by node."""
    return books.hour(runtime.current(), cluster, hour)
