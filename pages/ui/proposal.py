"""A change on its way through the review: what the session holds of it, and the only questions to the engine.

asked → (planning) → proposed or refused → running. Nothing but small values is held; frames are made when drawn.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui import identity
from services import runtime
from services.access import Right, User, why_not
from services.actions.base import ACTIONS
from services.actions.engine import Rehearsal, UndoField
from services.domain.change.plan import Plan
from services.errors import OpsError

HELD, WHERE = "action_held", "action_page"
REASON, TYPED, COMPLAINT = "review_reason", "review_typed", "review_complaint"
LONGEST_REASON = 1000


@dataclass(frozen=True)
class Asked:
    """An action with its parameters, or an operation to take back (``undoes``), not planned yet.

    ``keep``: the fields of an undo a person chose; None for those that still are as they were set.
    """

    title: str
    action: str = ""
    params: Any = None
    undoes: str = ""
    keep: tuple[tuple[int, tuple[str, ...]], ...] | None = None


@dataclass(frozen=True)
class Proposed:
    """A plan that was made and rehearsed once; ``plan`` is its JSON. ``fields`` are those an undo looks at."""

    asked: Asked
    plan: Mapping[str, Any]
    rehearsal: Rehearsal
    fields: tuple[UndoField, ...] = ()


@dataclass(frozen=True)
class Declined:
    """Why no plan could be made, and what to do."""

    asked: Asked
    says: str
    hint: str


@dataclass(frozen=True)
class Running:
    """An operation that was handed on: what happens to it is in the record."""

    title: str
    id: str


Held = Asked | Proposed | Declined | Running


def person() -> User:
    """Who asks."""
    return identity.user()


def acts() -> bool:
    """Whether the person has the right to act at all; who has not sees no way to."""
    return Right.ACT in person().rights


def why(right: Right = Right.ACT) -> str:
    """Why the person may not now, in one sentence; "" when they may."""
    sources = runtime.current()
    return why_not(person(), right, policy=sources.policy.actions, now=sources.now())


def held() -> Held | None:
    """What is in review on this page; something another page left open is dropped."""
    found = st.session_state.get(HELD)
    if found is not None and st.session_state.get(WHERE) != _page():
        drop()
        return None
    return found


def hold(what: Held) -> None:
    """Put something into review."""
    drop()
    st.session_state[HELD], st.session_state[WHERE] = what, _page()


def drop() -> None:
    """Forget what is in review; an operation goes on by itself."""
    for key in (HELD, WHERE, COMPLAINT):
        st.session_state.pop(key, None)


def ask(action: str, params: Any) -> None:
    """Ask for an action."""
    known = ACTIONS.get(action)
    hold(Asked(known.title if known else "Change", action, params))


def ask_undo(id: str, keep: Collection[tuple[int, tuple[str, ...]]] | None = None) -> None:
    """Ask for an operation to be taken back; ``keep`` chooses fields."""
    hold(Asked("Undo", undoes=id, keep=None if keep is None else tuple(keep)))


def planned(asked: Asked) -> Proposed | Declined:
    """Plan and rehearse, once; the answer is what is in review from now on."""
    engine, user = runtime.engine(), person()
    answer: Proposed | Declined
    try:
        if asked.undoes:
            undo = engine.plan_undo(asked.undoes, user, keep=asked.keep)
            plan, fields = undo.plan, undo.fields
        else:
            plan, fields = engine.plan(user, asked.action, asked.params), ()
        answer = Proposed(asked, plan.stored(), engine.rehearse(plan, user), fields)
    except OpsError as error:
        answer = Declined(asked, str(error), error.hint)
    hold(answer)
    return answer


def again() -> None:
    """Plan anew what is in review."""
    found = st.session_state.get(HELD)
    if isinstance(found, Proposed | Declined):
        hold(found.asked)


def apply() -> None:
    """Apply what is in review, with what was written into the form; a complaint is kept to be shown."""
    found = st.session_state.get(HELD)
    if not isinstance(found, Proposed):
        return
    reason, typed = (str(st.session_state.get(key) or "").strip() for key in (REASON, TYPED))
    with_complaint(lambda: _applied(found, reason[:LONGEST_REASON], typed))


def _applied(found: Proposed, reason: str, typed: str) -> None:
    plan = Plan.of(found.plan)
    id_ = runtime.engine().apply(plan, person(), reason=reason, rehearsal=found.rehearsal, typed=typed)
    hold(Running(found.asked.title, id_))


def approve(id: str, title: str, reason: str) -> None:
    """Let somebody else's proposal run and watch it."""
    with_complaint(lambda: _then_watch(id, title, lambda: runtime.engine().approve(id, person(), reason=reason)))


def decline(id: str, reason: str) -> None:
    """Turn a proposal down."""
    with_complaint(lambda: runtime.engine().decline(id, person(), reason=reason))


def resume(id: str, title: str, reason: str) -> None:
    """Go on with an operation and watch it."""
    with_complaint(lambda: _then_watch(id, title, lambda: runtime.engine().resume(id, person(), reason=reason)))


def _then_watch(id: str, title: str, do: Any) -> None:
    do()
    hold(Running(title, id))


def with_complaint(do: Any) -> bool:
    """Do it; what the engine refuses is kept under :data:`COMPLAINT`. Whether it was done."""
    st.session_state.pop(COMPLAINT, None)
    try:
        do()
    except OpsError as error:
        st.session_state[COMPLAINT] = f"{error} {error.hint}".strip()
        return False
    return True


def _page() -> str:
    return str(st.session_state.get("shell_page", ""))
