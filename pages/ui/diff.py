"""Changes and steps of a plan as people read them."""

import streamlit as st

from pages.ui import words
from services.actions.engine import Answer, Rehearsal
from services.domain.change import diff
from services.domain.change.plan import QUIET, Plan, Step, StepKind

C = st.column_config
MANY = 8
"""More steps than this scroll in a box of their own."""

CHANGES = {
    "object": C.TextColumn("Object", pinned=True),
    "field": C.TextColumn("Field", width="large"),
    "change": C.TextColumn("Change", help="added, changed, removed, evicted"),
    "before": C.TextColumn("Before", width="small"),
    "after": C.TextColumn("After", width="medium"),
    "cluster": C.TextColumn("Cluster"),
}

UNDO = {
    "back": C.CheckboxColumn("Put back", pinned=True),
    "object": C.TextColumn("Object"),
    "field": C.TextColumn("Field"),
    "before": C.TextColumn("Before", help="Before the operation: what would be put back"),
    "set": C.TextColumn("As set", help="What the operation set"),
    "now": C.TextColumn("Now"),
}

_ANSWERS = {
    True: (":material/check_circle:", "green", "would be accepted"),
    False: (":material/cancel:", "red", "refused"),
    None: (":material/hourglass_empty:", "gray", "not rehearsed"),
}


def changes(plan: Plan, *, key: str) -> None:
    """What will differ, field by field."""
    frame = diff.table(plan)
    if frame.empty:
        return
    st.markdown(f"**What changes** ({words.counted(len(frame), 'field')})")
    with st.container(key=key):
        st.dataframe(
            frame,
            column_config=CHANGES,
            column_order=[name for name in CHANGES if name != "cluster" or len(plan.clusters) > 1],
            hide_index=True,
            height="auto" if len(frame) <= MANY else 320,
            alt="Each field that changes: object, field, before and after.",
        )


def steps(plan: Plan, rehearsal: Rehearsal, *, key: str) -> None:
    """What will be done, in order, each step with the answer of its rehearsal."""
    answers = {answer.step: answer for answer in rehearsal.answers}
    st.markdown(f"**What is done, in order** ({words.counted(len(plan.steps), 'step')})")
    lines = [_line(number, step, answers.get(number - 1)) for number, step in enumerate(plan.steps, start=1)]
    with st.container(key=key, height=320 if len(lines) > MANY else "content"):
        st.markdown("\n".join(lines))
    if plan.on_failure == "compensate":
        st.caption("If a step fails, what was done before it is put back.")
    elif not plan.refs:
        st.caption("It stops at the first request that nobody answers, or that another deployment answers.")
    elif len(lines) > 1:
        st.caption("If a step fails, nothing after it is done; what landed can be taken back.")


def _line(number: int, step: Step, answer: Answer | None) -> str:
    text = f"{number}. {grouped(step.group, step.says)}{_bounds(step)}"
    if answer is None or (step.kind in QUIET and step.kind is not StepKind.SEND):
        return text
    icon, colour, word = _ANSWERS[answer.ok]
    if step.kind is StepKind.SEND and answer.ok:
        word = "may be sent"
    text += f"  \n   {icon} :{colour}[{word}]"
    if answer.ok is not True or step.kind is StepKind.DRAIN:  # of other steps the step itself says what would be done
        text += f": {words.plain(answer.says)}"
    return text + "".join(f"  \n   :material/warning: {words.plain(warning)}" for warning in answer.warnings)


def grouped(group: str, says: str) -> str:
    """What a step does, with what it belongs to where it does not say so itself."""
    return words.plain(f"{group}: {says}" if group and group not in says else says)


def _bounds(step: Step) -> str:
    """How long a step may take, and what it heeds meanwhile."""
    if step.kind is StepKind.WAIT:
        return f" (waits, at most {words.span(float(step.body['deadline_s']))})"
    if step.kind is StepKind.PAUSE:
        return f" (pauses {words.span(float(step.body['seconds']))})"
    if step.kind is StepKind.DRAIN:
        held = ", ".join(words.plain(f"{prefix}…") for prefix in step.body["resources"])
        return (
            f" (evicts pods that hold {held}, heeds disruption budgets, "
            f"at most {words.span(float(step.body['deadline_s']))})"
        )
    return ""
