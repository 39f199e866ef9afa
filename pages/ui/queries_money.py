"""Cached reads of the pages about money; see :mod:`pages.ui.queries`."""

import streamlit as st

from pages.ui import queries
from services import runtime
from services.cost import board as costs
from services.cost import budgets as held
from services.cost import energy
from services.cost import savings as saved
from services.cost import waste as wasted
from services.cost.energy import Drawn
from services.cost.savings import Savings
from services.domain.cost.waste import Limits
from services.domain.cost.windows import Window
from services.domain.scope import Scope
from services.reading import Reading

_LIVE = {"ttl": "15s", "max_entries": 64, "show_spinner": False, "refresh_mode": "background"}


@st.cache_data(**_LIVE)
def savings(mode: str, scope: Scope) -> Reading[Savings]:
    """Changes about money, promised and measured."""
    return saved.read(runtime.current(), scope)


@st.cache_data(**_LIVE)
def cost(mode: str, scope: Scope, asked: costs.Asked) -> Reading[costs.Board]:
    """The figures of the Cost page."""
    return costs.board(runtime.current(), scope, asked)


@st.cache_data(**_LIVE)
def cost_llm(mode: str, scope: Scope, asked: costs.Asked, *, spenders: bool) -> Reading[costs.Llm]:
    """Spend on language models; by key for who may see ``spenders``."""
    return costs.llm(runtime.current(), scope, asked, spenders=spenders)


@st.cache_data(**_LIVE)
def waste(mode: str, scope: Scope, limits: Limits) -> Reading[wasted.Board]:
    """What could be given back."""
    return wasted.read(runtime.current(), scope, limits)


def waste_changed() -> None:
    """Forget advice and findings: somebody set advice aside, or had it back."""
    waste.clear()
    queries.attention.clear()


@st.cache_data(**_LIVE)
def budgets(mode: str, scope: Scope) -> Reading[held.Board]:
    """How budgets stand."""
    return held.board(runtime.current(), scope)


@st.cache_data(**_LIVE)
def budget(mode: str, scope: Scope, id: str) -> Reading[held.Detail]:
    """One budget."""
    return held.detail(runtime.current(), scope, id)


@st.cache_data(**_LIVE)
def cost_energy(mode: str, scope: Scope, window: Window) -> Reading[Drawn]:
    """Energy of the GPUs in the days of a window."""
    return energy.read(runtime.current(), scope, window)
