"""Cached reads about gateways and their traffic; see :mod:`pages.ui.queries`."""

import pandas as pd
import streamlit as st

from services import runtime
from services import serving as engines
from services.actions import rehearsals
from services.domain.scope import Scope
from services.fallback import board as fallback
from services.fallback import budgets as budgets_of
from services.fallback import read, tiers
from services.fallback.board import Board, Summary
from services.reading import Reading
from services.serving import Board as Engines

_LIVE = {"ttl": "15s", "max_entries": 32, "show_spinner": False, "refresh_mode": "background"}


@st.cache_data(**_LIVE)
def places(mode: str, cluster: str) -> list[str]:
    """Clusters with a gateway."""
    return read.places(runtime.current(), cluster)


@st.cache_data(**_LIVE)
def board(mode: str, cluster: str, scope: Scope) -> Reading[Board]:
    """Routes and bursts of one gateway."""
    return fallback.board(runtime.current(), cluster, scope)


@st.cache_data(**_LIVE)
def summary(mode: str, scope: Scope) -> Reading[Summary]:
    """Figures of all gateways of a scope."""
    return fallback.summary(runtime.current(), scope)


@st.cache_data(**_LIVE)
def budgets(mode: str, cluster: str, scope: Scope) -> Reading[pd.DataFrame]:
    """Budgets the gateway keeps."""
    return budgets_of.read(runtime.current(), cluster, scope)


@st.cache_data(ttl="2s", max_entries=32, show_spinner=False)
def rehearsed(mode: str, cluster: str, group: str, own: str) -> Reading[rehearsals.Rehearsed]:
    """The last rehearsal of a group; of one person when ``own`` names one."""
    return rehearsals.last(runtime.current(), cluster, group, own)


@st.cache_data(**_LIVE)
def speed(mode: str, cluster: str, range_name: str) -> Reading[pd.DataFrame]:
    """How long requests took, by deployment."""
    return tiers.speed(runtime.current(), cluster, range_name)


@st.cache_data(**_LIVE)
def attempts(mode: str, cluster: str, range_name: str) -> Reading[pd.DataFrame]:
    """What each deployment was sent."""
    return tiers.attempts(runtime.current(), cluster, range_name)


@st.cache_data(**_LIVE)
def breakers(mode: str, cluster: str, range_name: str, cooldown_s: float) -> Reading[pd.DataFrame]:
    """Which deployments each replica of the proxy left out."""
    return tiers.state(runtime.current(), cluster, range_name, cooldown_s)


@st.cache_data(**_LIVE)
def serving(mode: str, scope: Scope) -> Reading[Engines]:
    """Inference engines of a scope."""
    return engines.board(runtime.current(), scope)
