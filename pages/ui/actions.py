"""Plan → review → apply, for every action and page.

A page puts :func:`button` where something can be changed and :func:`host` on its last line. The rest, from the diff to
the undo, is the same everywhere.
"""

from typing import Any

import streamlit as st

from pages.ui import progress, proposal, review, words
from pages.ui.proposal import Asked, Declined, Proposed
from services.access import Right
from services.actions.base import ACTIONS


def propose(action: str, params: Any) -> None:
    """Ask for an action with its parameters (a dataclass or a mapping) and open the review.

    For callbacks (``on_click``) and after a submit; the last thing done there, for the page runs anew. The plan is made
    and rehearsed once, in the review. What planning refuses is shown in the review's place.
    """
    proposal.ask(action, params)
    st.rerun()


def undo(id: str) -> None:
    """Ask for an operation to be taken back and open the review; as :func:`propose`."""
    proposal.ask_undo(id)
    st.rerun()


def button(
    label: str,
    action: str,
    params: Any,
    *,
    key: str,
    icon: str | None = None,
    primary: bool = False,
    reason: str = "",
    width: str = "content",
) -> None:
    """A button that proposes an action; disabled, saying why, when the user may not act or ``reason`` says no.

    The primary one of a page says why below it, others in their tooltip. The label is Markdown, as of any button: names
    in it are escaped by the caller.
    """
    known = ACTIONS.get(action)
    why = proposal.why(known.right if known else Right.ACT) or reason
    st.button(
        label,
        key=key,
        icon=icon,
        type="primary" if primary else "secondary",
        width=width,
        disabled=bool(why),
        help=words.plain(why) or None,
        on_click=propose,
        args=(action, params),
    )
    if why and primary:  # nobody can hover over a button with a keyboard, nor focus one that is disabled
        st.caption(f":material/lock: {words.plain(why)}")


def host() -> None:
    """The last line of every page that has actions: draws the review or the running operation, if there is one."""
    held = proposal.held()
    if held is None:
        return
    title = held.asked.title if isinstance(held, Proposed | Declined) else held.title
    st.dialog(words.plain(title), width="large", icon=":material/rule:", on_dismiss=progress.left)(_dialog)()


def _dialog() -> None:
    held = proposal.held()
    if isinstance(held, Asked):
        with st.spinner("Reading what is live, planning and rehearsing…"):
            held = proposal.planned(held)
    if isinstance(held, Declined):
        review.declined(held)
    elif isinstance(held, Proposed):
        review.draw(held)
    elif held is not None:
        progress.draw(held)
