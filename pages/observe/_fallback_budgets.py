"""What may be spent on language models, how long it lasts, and what is lost then."""

import streamlit as st

from pages.ui import queries_fallback, shell, tables, tables_fallback
from pages.ui.shell import Page
from services.fallback.board import Board


def draw(page: Page, board: Board) -> None:
    """Budgets of providers and teams, as LiteLLM keeps them."""
    reading = queries_fallback.budgets(page.mode, board.cluster, page.scope)
    tip = (
        "Budgets the gateway keeps: when one is used up, that provider gets nothing more, or that team's requests fail."
    )
    st.subheader("Budgets of language models", anchor=False, help=tip)
    frame = shell.shown(reading, "Budgets of language models")
    if frame is None:
        return
    if frame.empty:
        st.caption(
            "The gateway keeps none: no provider\\_budget\\_config in its file, no budget of a team in its database."
        )
        return
    tables.show(
        frame,
        tables_fallback.BUDGETS,
        key="fallback_budgets",
        alt="Budgets of providers and teams: what is left, how long it lasts, what happens then.",
        page=page,
        as_of=reading.as_of,
        window="24h",
        prices="as the gateway counts, USD",
    )
