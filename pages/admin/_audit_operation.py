"""One operation of the audit: who, when, why, the plan, every step, and what is live today."""

import streamlit as st

from pages.ui import decide, diff, progress, proposal, queries, shell, tables, words
from pages.ui.shell import Page
from services import audit, runtime
from services.actions.engine import Answer, Rehearsal
from services.audit import Record
from services.ports import Operation


def draw(page: Page, id: str) -> None:
    """Everything the record holds of an operation."""
    own = "" if page.scope.sees.whole else proposal.person().id
    reading = queries.operation(id, own)
    record = shell.shown(reading, "This operation")
    if record is None:
        if reading.problem is None and reading.absence is None:
            st.info("There is no operation of this id.", icon=":material/search_off:")
        return
    with st.container(border=True, key="audit_operation"):
        progress.state(record)
        _facts(record.operation)
        _links(page, record.operation)
        decide.draw(record, key="audit")
        if record.operation.state in audit.LIVE:
            st.button("Watch", key="audit_watch", icon=":material/visibility:", on_click=_watch, args=(record,))
        _today(page, record)
        plan = record.plan
        with st.expander("Plan and rehearsal", icon=":material/rule:"):
            diff.changes(plan, key="audit_diff")
            diff.steps(plan, _rehearsal(record.operation), key="audit_plan")
        _steps(page, record)


def _facts(operation: Operation) -> None:
    now = runtime.current().now()
    who = f"{words.plain(operation.actor_name)} ({words.plain(operation.actor)})"
    roles = ", ".join(operation.roles)
    place = f", from {words.plain(operation.address)}" if operation.address else ""
    facts = [
        f"**Who** {who}{f', {words.plain(roles)}' if roles else ''}{place}",
        f"**Why** {words.plain(operation.reason) or words.DASH}",
        f"**When** {words.plain(words.utc(operation.proposed_at))}, {words.ago(operation.proposed_at, now)}",
        f"**Where** {words.plain(', '.join(operation.clusters))} ({operation.mode})",
    ]
    if operation.finished_at is not None and operation.started_at is not None:
        facts.insert(3, f"**Took** {words.span(operation.finished_at - operation.started_at)}")
    st.markdown("  \n".join(facts))


def _links(page: Page, operation: Operation) -> None:
    for other, label in ((operation.undone_by, "Taken back by"), (operation.undoes, "Takes back")):
        if other:
            shell.link("Audit", f"{label} {words.plain(other)}", page.scope, icon=":material/undo:", op=other)


def _watch(record: Record) -> None:
    proposal.hold(proposal.Running("Operation", record.operation.id))


def _today(page: Page, record: Record) -> None:
    """What is live now beside what was set, read when somebody opens it."""
    section = st.expander("Today's live state", icon=":material/compare_arrows:", key="audit_today", on_change="rerun")
    if not section.open:
        return
    with section:
        reading = queries.today(record)
        frame = shell.shown(reading, "The live state")
        if frame is None or frame.empty:
            st.caption("This operation set no field that could be compared.")
            return
        tables.show(
            frame,
            tables.TODAY,
            key="audit_live",
            alt="Fields before the operation, as it set them, and now.",
            page=page,
            as_of=reading.as_of,
        )


def _steps(page: Page, record: Record) -> None:
    st.markdown("**Steps**")
    tables.show(
        audit.steps(record),
        tables.OPERATION_STEPS,
        key="audit_steps",
        alt="Steps of the operation with their state and times.",
        page=page,
        as_of=None,
        download=False,
    )
    with st.expander(f"Events ({len(record.events)})", icon=":material/link:"):
        tables.show(
            audit.events(record),
            tables.EVENTS,
            key="audit_events",
            alt="Events of the operation in the audit's chain.",
            page=page,
            as_of=None,
        )


def _rehearsal(operation: Operation) -> Rehearsal:
    answers = tuple(
        Answer(int(said["step"]), said.get("ok"), str(said.get("says", "")), tuple(said.get("warnings", ())))
        for said in operation.rehearsal
    )
    return Rehearsal(operation.id, answers)
