"""Versions of the rate card: who saved which, when and why, and what one changed against another."""

import pandas as pd
import streamlit as st

from pages.ui import filters, queries_prices, tables, tables_prices, words
from pages.ui.shell import Page
from services.domain import frames
from services.domain.cost import cardchange, cardfile, rates
from services.ports import Card

NEW, OLD = "card_new", "card_old"
_NONE = "0"


def draw(page: Page) -> None:
    """The versions, and the difference between two of them."""
    reading = queries_prices.cards(page.mode)
    found = reading.value
    if not found:
        return
    st.subheader("History", anchor=False, help="Versions are kept for ever: what was sent with one can be read again.")
    rows = pd.DataFrame(
        {
            "version": [card.version for card in found],
            "at": pd.to_datetime([card.at for card in found], utc=True),
            "actor": [card.actor for card in found],
            "reason": [card.reason for card in found],
            "lines": [len(card.lines) for card in found],
        }
    )
    tables.show(
        rows,
        tables_prices.VERSIONS,
        key="prices_versions",
        **tables.RECORDED,
        alt="Versions of the rate card, newest first, with who saved them, when and why.",
        page=page,
        as_of=reading.as_of,
        height=280 if len(rows) > 6 else "auto",
    )
    _difference(page, {str(card.version): card for card in found})


def _difference(page: Page, known: dict[str, Card]) -> None:
    left, right = st.columns(2)
    numbers = list(known)
    with left:
        new = filters.choose("Version", numbers, key=NEW, nothing=f"The newest, {numbers[0]}") or numbers[0]
    with right:
        before = str(int(new) - 1) if new in known else _NONE
        said = f"The one before, {before}" if before != _NONE else "None: all of its lines"
        old = filters.choose("Against", numbers, key=OLD, nothing=said) or before
    if new not in known or old not in (*known, _NONE):
        st.info("There is no such version of the rate card.", icon=":material/help:")
        return
    lines = known[old].lines if old in known else frames.empty(rates.CARD)
    rows = cardchange.changes(lines, known[new].lines)
    st.download_button(
        f"Export version {new}",
        data=cardfile.text(known[new].lines).encode(),
        file_name=f"rate-card-{new}{'-demo' if page.mode == 'demo' else ''}.csv",
        mime="text/csv",
        key="prices_export_version",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
    if rows.empty:
        st.caption(f"Version {words.plain(new)} has the same lines as version {words.plain(old)}.")
        return
    tables.show(
        rows,
        tables_prices.CHANGES,
        key="prices_difference",
        **tables.RECORDED,
        alt=f"Lines of version {new} that differ from version {old}.",
        page=page,
        as_of=known[new].at,
    )
