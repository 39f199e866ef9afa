"""What can be done with an operation now: take it back, go on with it, let it run or turn it down."""

from collections.abc import Callable

import streamlit as st

from pages.ui import proposal, words
from pages.ui.proposal import COMPLAINT, LONGEST_REASON
from services.access import Right
from services.actions.base import ACTIONS
from services.audit import Record
from services.domain.change.plan import StepKind


def draw(record: Record, *, key: str) -> None:
    """The buttons for the operation's state; nothing for those who may not act."""
    if not proposal.acts():
        return
    operation = record.operation
    title = ACTIONS[operation.action].title if operation.action in ACTIONS else "Change"
    why = proposal.why(ACTIONS[operation.action].right if operation.action in ACTIONS else Right.ACT)
    if why:
        st.caption(f":material/lock: {words.plain(why)}")
        return
    if COMPLAINT in st.session_state:
        st.error(words.plain(st.session_state.pop(COMPLAINT)), icon=":material/block:")
    if operation.state == "proposed":
        _second(record, title, key)
    elif operation.state in ("interrupted", "failed") and not operation.undone_by:
        _reasoned(key, {"Continue": (":material/resume:", lambda reason: proposal.resume(operation.id, title, reason))})
    undoable = operation.state in ("done", "unverified", "failed", "interrupted") and not operation.undone_by
    if undoable and any(step.kind is not StepKind.SEND for step in record.plan.steps):
        st.button(
            "Undo",
            key=f"{key}_undo",
            icon=":material/undo:",
            help="Compares with what is live and shows what would be put back.",
            on_click=_undo,
            args=(operation.id,),
        )


def _undo(id: str) -> None:
    proposal.ask_undo(id)
    st.rerun()


def _second(record: Record, title: str, key: str) -> None:
    operation = record.operation
    own = operation.actor == proposal.person().id
    choices: dict[str, tuple[str, Callable[[str], None]]] = {}
    if own:
        st.caption(":material/group: You proposed this; somebody else has to approve it.")
    else:
        choices["Approve"] = (":material/check:", lambda reason: proposal.approve(operation.id, title, reason))
    choices["Decline"] = (":material/block:", lambda reason: proposal.decline(operation.id, reason))
    _reasoned(key, choices)


def _reasoned(key: str, choices: dict[str, tuple[str, Callable[[str], None]]]) -> None:
    """A reason, and a button for each thing that can be done with it; the first is what Enter does."""
    field = f"{key}_reason"
    with st.form(f"{key}_decide", border=False):
        st.text_input("Why (kept in the audit)", key=field, max_chars=LONGEST_REASON)
        with st.container(horizontal=True):
            for place, (label, (icon, do)) in enumerate(choices.items()):
                st.form_submit_button(
                    label,
                    key=f"{key}_{label.lower()}",
                    icon=icon,
                    type="secondary" if place else "primary",
                    on_click=_decided,
                    args=(field, do),
                )


def _decided(field: str, do: Callable[[str], None]) -> None:
    reason = str(st.session_state.get(field) or "").strip()
    if not reason:
        st.session_state[COMPLAINT] = "Say why: the reason is kept in the audit."
    else:
        do(reason)
    st.rerun()
