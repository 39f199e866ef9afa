"""The review of a plan: what it reaches, what changes, what the rehearsal said, and the ceremony its risk asks for."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui import diff, proposal, words
from pages.ui.proposal import COMPLAINT, LONGEST_REASON, REASON, TYPED, Declined, Proposed
from services import runtime
from services.actions.engine import Rehearsal, confirmation
from services.domain.change import kubectl
from services.domain.change.diff import named, said
from services.domain.change.plan import Plan, Risk, StepKind

_RISKS = {
    Risk.LOW: (":material/check_circle:", "green", "Low risk"),
    Risk.MEDIUM: (":material/warning:", "orange", "Medium risk"),
    Risk.HIGH: (":material/dangerous:", "red", "High risk"),
}


def declined(held: Declined) -> None:
    """Why there is no plan."""
    st.error(words.plain(words.sentence(held.says)), icon=":material/block:")
    if held.hint:
        st.markdown(words.plain(held.hint))
    with st.container(horizontal=True):
        close()
        st.button("Plan anew", key="review_again", icon=":material/refresh:", on_click=proposal.again)


def draw(held: Proposed) -> None:
    """The plan, to be judged and confirmed."""
    plan = Plan.of(held.plan)
    with st.container(key="review"):
        st.markdown(f"**{words.plain(plan.summary)}**")
        _choice(held)
        if plan.empty:
            st.success(_already(plan), icon=":material/check_circle:")
            close()
            return
        _radius(plan)
        if held.fields:
            with st.expander("Field by field", icon=":material/difference:"):
                diff.changes(plan, key="review_diff")
        else:
            diff.changes(plan, key="review_diff")
        diff.steps(plan, held.rehearsal, key="review_steps")
        if plan.refs:
            with st.expander("The same with kubectl", icon=":material/terminal:"):
                st.caption(
                    "The context is called like the cluster. The console sends these writes itself when confirmed."
                )
                st.code(kubectl.commands(plan), language="bash")
        _ceremony(held, plan)


def close() -> None:
    """The button that leaves the dialog; the page behind it is drawn anew."""
    st.button("Close", key="review_close", on_click=_closed)


def _closed() -> None:
    proposal.drop()
    st.rerun()


def _already(plan: Plan) -> str:
    return "Nothing would be put back." if plan.undoes else "It is so already; nothing would change."


def _radius(plan: Plan) -> None:
    icon, colour, word = _RISKS[plan.risk]
    where = ", ".join(words.plain(cluster) for cluster in plan.clusters)
    st.caption(f"{icon} :{colour}[**{word}**] · cluster {where} · {_size(plan)}")
    if plan.blast:
        st.markdown("**What it reaches**\n" + "".join(f"\n- {words.plain(line)}" for line in plan.blast))
    if plan.warnings:
        st.warning(_listed(plan.warnings), icon=":material/warning:")
    if plan.owners:
        st.warning(_listed(plan.owners), icon=":material/sync_lock:")
        with st.expander("The change as text to commit", icon=":material/difference:"):
            st.code(kubectl.commit(plan), language="yaml")


def _listed(lines: Sequence[str]) -> str:
    """Sentences as a list; one alone needs no bullet."""
    said_ = [words.plain(line) for line in lines]
    return said_[0] if len(said_) == 1 else "\n".join(f"- {line}" for line in said_)


def _choice(held: Proposed) -> None:
    """Of an undo: before the operation, as it was set, now; a person chooses what is put back."""
    if not held.fields:
        return
    keep = held.asked.keep
    frame = pd.DataFrame(
        [
            {
                "back": field.ticked if keep is None else (field.step, field.path) in keep,
                "object": str(field.ref),
                "field": named(field.path),
                "before": said(field.ref, field.path, field.before),
                "set": said(field.ref, field.path, field.set),
                "now": said(field.ref, field.path, field.now),
            }
            for field in held.fields
        ]
    )
    changed = sum(not field.ticked for field in held.fields)
    if changed:
        st.warning(
            f"{words.counted(changed, 'field')} changed since the operation. Left as now unless you tick "
            f"{'it' if changed == 1 else 'them'}.",
            icon=":material/edit_note:",
        )
    st.markdown("**What is put back**: the fields that are ticked.")
    key = f"undo_{held.plan['id']}"
    st.data_editor(
        frame,
        key=key,
        hide_index=True,
        disabled=["object", "field", "before", "set", "now"],
        column_config=diff.UNDO,
        alt="Fields the undo looks at: before the operation, as it was set, and now.",
        on_change=_chosen,
        args=(held, key),
    )


def _chosen(held: Proposed, key: str) -> None:
    """Plan the undo anew for the fields that are ticked now."""
    keep = held.asked.keep
    ticked = [field.ticked if keep is None else (field.step, field.path) in keep for field in held.fields]
    for row, values in st.session_state[key]["edited_rows"].items():
        if 0 <= int(row) < len(ticked):
            ticked[int(row)] = bool(values.get("back", ticked[int(row)]))
    proposal.ask_undo(
        held.asked.undoes, [(f.step, f.path) for f, back in zip(held.fields, ticked, strict=True) if back]
    )


def _ceremony(held: Proposed, plan: Plan) -> None:
    if not held.rehearsal.ok:
        _stopped(held.rehearsal)
        return
    policy = runtime.current().policy.actions
    second = policy.second_person and plan.risk is Risk.HIGH
    with st.form("review_form", border=False):
        if plan.risk is not Risk.LOW:
            st.text_input("Why (kept in the audit)", key=REASON, max_chars=LONGEST_REASON)
        if plan.risk is Risk.HIGH:
            st.markdown(f"To confirm, type {words.code(confirmation(plan))}.")
            st.text_input("Name to confirm", key=TYPED, autocomplete="off")
        if second:
            st.info("Another person has to approve this before it runs.", icon=":material/group:")
        if COMPLAINT in st.session_state:
            st.error(words.plain(st.session_state[COMPLAINT]), icon=":material/block:")
        verb = f"Propose: {held.asked.title}" if second else held.asked.title
        with st.container(horizontal=True):
            st.form_submit_button(
                words.plain(f"{verb} · {_object(plan)}"),
                key="review_apply",
                type="primary",
                icon=":material/play_arrow:",
                on_click=proposal.apply,
            )
            st.form_submit_button("Cancel", key="review_cancel", on_click=_closed)
    if COMPLAINT in st.session_state:
        st.button("Plan anew", key="review_again", icon=":material/refresh:", on_click=proposal.again)


def _stopped(rehearsal: Rehearsal) -> None:
    refused = [answer for answer in rehearsal.answers if answer.ok is False]
    said_ = [rehearsal.refusal] if rehearsal.refusal else []
    said_ += [f"Step {answer.step + 1}: {answer.says}" for answer in refused[:5]]
    st.error(
        "It cannot be applied now.\n" + "".join(f"\n- {words.plain(line)}" for line in said_), icon=":material/block:"
    )
    with st.container(horizontal=True):
        close()
        st.button("Plan anew", key="review_again", icon=":material/refresh:", on_click=proposal.again)


def _object(plan: Plan) -> str:
    return plan.refs[0].name if len(plan.refs) == 1 else _size(plan)


def _size(plan: Plan) -> str:
    sent = sum(step.kind is StepKind.SEND for step in plan.steps)
    return words.counted(sent, "request") if sent else words.counted(len(plan.refs), "object")
