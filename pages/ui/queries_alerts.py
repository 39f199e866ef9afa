"""Cached reads of the Alerts page; see :mod:`pages.ui.queries`."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from services import runtime
from services.alerts import read
from services.alerts.read import State
from services.domain.scope import Scope
from services.reading import Reading

_LIVE = {"ttl": "10s", "max_entries": 32, "show_spinner": False}


@st.cache_data(**_LIVE)
def channels(mode: str) -> Reading[Sequence[State]]:
    """How the channels are doing."""
    return read.channels(runtime.current())


@st.cache_data(**_LIVE)
def recent(mode: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Alerts of the scope."""
    return read.recent(runtime.current(), scope)
