"""A running operation: how far it is, what it waits for, how it ended, and what can be done then."""

from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import decide, diff, proposal, queries, words
from pages.ui.proposal import Running
from pages.ui.shell import shown
from services import audit, runtime
from services.audit import Record

PERIOD = "2s"
AUDIT = "pages/admin/audit.py"
STATES = {
    "proposed": (":material/group:", "blue", "Waits for a second person"),
    "running": (":material/progress_activity:", "blue", "Running"),
    "done": (":material/check_circle:", "green", "Done"),
    "unverified": (":material/help:", "orange", "Applied, effect not seen"),
    "failed": (":material/error:", "red", "Failed"),
    "interrupted": (":material/pause_circle:", "orange", "Interrupted"),
    "declined": (":material/block:", "gray", "Declined"),
}
"""Icon, colour and words of an operation's state."""
_STEPS = {
    "to come": (":material/radio_button_unchecked:", "gray"),
    "running": (":material/progress_activity:", "blue"),
    "done": (":material/check_circle:", "green"),
    "so already": (":material/check_circle:", "gray"),
    "failed": (":material/error:", "red"),
    "stopped": (":material/pause_circle:", "orange"),
    "not done": (":material/block:", "gray"),
}
_MANY = 12
_WORTH_SAYING = timedelta(seconds=1)


def draw(held: Running) -> None:
    """The operation, refreshed until it has ended."""
    reading = queries.operation(held.id)
    going = reading.value is None or reading.value.operation.state in audit.LIVE
    st.fragment(partial(_watched, held, going), run_every=PERIOD if going else None)()
    if reading.value is not None and not going:
        decide.draw(reading.value, key="progress")
    with st.container(horizontal=True):
        st.button("Close", key="progress_close", on_click=_closed)
        if st.button("Open in Audit", key="progress_audit", icon=":material/history:", type="tertiary"):
            left()
            st.switch_page(AUDIT, query_params={"op": held.id})
    if going:
        st.caption("It goes on when you close this or leave.")


def left() -> None:
    """Leave the dialog. After an operation was watched, pages are read anew: they show what it did."""
    if isinstance(proposal.held(), Running):
        queries.forget()
    proposal.drop()


def _closed() -> None:
    left()
    st.rerun()


def _watched(held: Running, going: bool) -> None:
    record = shown(queries.operation(held.id), "The record of this operation")
    if record is None:
        return
    with st.container(key="progress"):
        state(record)
        steps(record)
    if going and record.operation.state not in audit.LIVE:
        queries.forget()
        st.rerun()  # drawn anew without a timer, and with what can be done now


def state(record: Record) -> None:
    """The state of the whole, with its outcome."""
    operation = record.operation
    icon, colour, word = STATES[operation.state]
    st.markdown(f"{icon} :{colour}[**{word}**] · {words.plain(operation.summary)}")
    if operation.outcome and operation.state != "done":
        st.markdown(words.plain(operation.outcome))
    if operation.verification:
        st.markdown(f":material/fact_check: {words.plain(operation.verification)}")


def steps(record: Record) -> None:
    """Each step with its state; of a long plan each group, such as a node, and the steps under way."""
    frame = audit.steps(record)
    if len(frame) <= _MANY or frame["group"].nunique() < 2:
        lines = [_step(row) for row in frame.to_dict("records")]
    else:
        done = int(frame["state"].isin(["done", "so already"]).sum())
        st.progress(done / len(frame), text=f"{done} of {words.counted(len(frame), 'step')}")
        lines = [_group(str(name), part) for name, part in frame.groupby("group", sort=False)]
    with st.container(height=320 if len(lines) > _MANY else "content"):
        st.markdown("\n".join(lines))


def _step(row: dict[str, Any]) -> str:
    icon, colour = _STEPS[str(row["state"])]
    said = diff.grouped(str(row["group"]), str(row["says"]))
    line = f"- {icon} :{colour}[{row['state']}] {said}{_took(row)}"
    return line + (f"  \n  {words.plain(str(row['note']))}" if row["note"] else "")


def _took(row: dict[str, Any]) -> str:
    started, ended = row["started_at"], row["ended_at"]
    if pd.isna(started):
        return ""
    if not pd.isna(ended):
        return f" ({words.span(ended - started)})" if ended - started >= _WORTH_SAYING else ""
    return f" (for {words.span(runtime.current().now() - started)})" if row["state"] == "running" else ""


def _group(name: str, part: pd.DataFrame) -> str:
    states = part["state"].tolist()
    done = sum(one in ("done", "so already") for one in states)
    worst = next((one for one in ("failed", "stopped", "running") if one in states), "")
    one = worst or ("done" if done == len(states) else "not done" if "not done" in states else "to come")
    icon, colour = _STEPS[one]
    line = f"- {icon} :{colour}[{one}] {words.plain(name or 'Before and after')}: {done} of {len(states)}"
    under_way = part[part["state"] == worst].head(1).to_dict("records") if worst else []
    return line + "".join(f"  \n  {words.plain(str(row['note'] or row['says']))}" for row in under_way)
