"""A rate card somebody is writing: lines held in the session until they are saved or dropped.

Lines are held as the text of a file, so that typing them, importing them and checking them is one path.
"""

import pandas as pd
import streamlit as st

from pages.ui import proposal, queries, queries_prices, words
from services import runtime
from services.cost import prices
from services.domain import frames
from services.domain.cost import cardfile, rates
from services.ports import Card

_DRAFT, _TOLD = "prices_draft", "prices_told"
LINE, FILE, REASON = "prices_line", "prices_file", "prices_reason"
NEW = "New line"


def begun() -> bool:
    """Whether there is a draft."""
    return _DRAFT in st.session_state


def lines(card: Card | None) -> cardfile.CardFile:
    """The lines of the draft, or of the card in force while there is none."""
    if begun():
        return cardfile.read(st.session_state[_DRAFT]["text"], zone())
    return cardfile.CardFile(frames.empty(rates.CARD) if card is None else card.lines)


def text() -> str:
    """The draft as a file."""
    return str(st.session_state[_DRAFT]["text"])


def after() -> int:
    """The version the draft was begun from."""
    return int(st.session_state[_DRAFT]["after"])


def zone() -> str:
    """The reporting zone: where a day begins."""
    return queries.policy().cost.zone


def told() -> list[str]:
    """What was wrong with the last entry, to be said once."""
    return list(st.session_state.pop(_TOLD, []))


def put(written: str, version: int) -> None:
    """Have these lines as the draft; ``version`` is the one in force now."""
    st.session_state[_DRAFT] = {"after": after() if begun() else version, "text": written}


def rebase(version: int) -> None:
    """Go on from a version somebody else saved."""
    st.session_state[_DRAFT] = {"after": version, "text": text()}


def drop() -> None:
    """Forget the draft."""
    for key in (_DRAFT, LINE, REASON):
        st.session_state.pop(key, None)


def enter(keys: dict[str, str], number: int, card: Card | None) -> None:
    """Take what the form says as line ``number`` (from 1), or as a new one (0)."""
    cells = {name: str(st.session_state.get(key) or "") for name, key in keys.items()}
    values, wrong = cardfile.line(cells, zone())
    if wrong:
        st.session_state[_TOLD] = wrong
        return
    held = lines(card).lines
    one = frames.table(rates.CARD, [values])
    place = number - 1 if number else len(held)
    _keep([part for part in (held.iloc[:place], one, held.iloc[place + 1 :]) if len(part)], card)


def remove(number: int, card: Card | None) -> None:
    """Without line ``number``."""
    held = lines(card).lines
    _keep([part for part in (held.iloc[: number - 1], held.iloc[number:]) if len(part)], card)


def _keep(rows: list[pd.DataFrame], card: Card | None) -> None:
    whole = frames.conform(pd.concat(rows) if rows else frames.empty(rates.CARD), rates.CARD)
    wrong = cardfile.overlaps(whole)
    if wrong:
        st.session_state[_TOLD] = [f"Line {one.line} {one.says} End one of them first." for one in wrong]
        return
    put(cardfile.text(whole), 0 if card is None else card.version)
    st.session_state.pop(LINE, None)


def save() -> None:
    """Write the draft as the next version."""
    read = cardfile.read(text(), zone())
    reason = str(st.session_state.get(REASON) or "")
    found = prices.add(runtime.current(), proposal.person(), read.lines, reason, after())
    if found.value is None:
        problem = found.problem
        st.session_state[_TOLD] = ["No database is configured." if problem is None else problem.message]
        return
    drop()
    queries.forget()
    queries_prices.cards.clear()
    st.toast(f"Version {found.value} of the rate card is in force.", icon=":material/check:")


def complaints() -> None:
    """Say what was wrong with the last entry."""
    said = told()
    if said:
        st.error("\n".join(f"- {words.plain(words.sentence(one))}" for one in said), icon=":material/error:")
