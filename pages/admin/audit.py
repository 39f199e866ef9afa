"""Audit: who changed what, when and why, did it work, and can it be taken back?"""

import pandas as pd
import streamlit as st

from pages.admin import _audit_chain as chain
from pages.admin import _audit_operation as one
from pages.ui import actions, filters, panels, proposal, queries, shell, tables
from pages.ui.progress import STATES
from pages.ui.rows import clicked
from services import audit, runtime

OPERATION, ROW = "op", "audit_row"
SOME = 10
"""Rows a table shows without scrolling."""
FILTERS = {"audit_action": "action", "audit_actor": "actor_name", "audit_state": "state"}

page = shell.page("Audit")
scope, mode = page.scope, page.mode


def narrowed(found: pd.DataFrame) -> pd.DataFrame:
    """The operations the filters leave; the filters stand in the URL."""
    left, middle, right, far = st.columns(4)
    labels = {
        "audit_action": (left, "Action", "All actions"),
        "audit_actor": (middle, "Who", "Everybody"),
        "audit_state": (right, "State", "All states"),
    }
    for key, (place, label, everything) in labels.items():
        column = FILTERS[key]
        with place:
            chosen = filters.choose(label, sorted(set(found[column])), key=key, nothing=everything)
        if chosen:
            found = found[found[column] == chosen]
    text = far.text_input(
        "Text", key="audit_text", bind="query-params", placeholder="In what and why", max_chars=100
    ).strip()
    if text:
        said = found["summary"] + " " + found["reason"] + " " + found["id"]
        found = found[said.str.contains(text, case=False, regex=False)]
    return found.reset_index(drop=True)


def choose(rows: pd.DataFrame, row: int | None) -> None:
    """A row that was clicked becomes the operation looked at."""
    if clicked(row, key=ROW) and row is not None:
        st.session_state[OPERATION] = rows["id"][row]


def listed() -> None:
    """The operations of the time range."""
    own = "" if scope.sees.whole else proposal.person().id
    reading = queries.operations(mode, scope.range, scope.cluster, own)
    found = shell.shown(reading, "The audit")
    if found is None:
        return
    if own:
        st.caption(":material/visibility_lock: You see what you did yourself.")
    if found.empty:
        panels.nothing("Nothing was changed", f"Nobody proposed or applied an action here in the last {scope.range}.")
        return
    rows = narrowed(found.assign(state=[STATES[state][2] for state in found["state"]]))
    if rows.empty:
        panels.nothing("No such operation", "The filters leave none of this time range.")
        return
    row = tables.show(
        rows,
        tables.OPERATIONS,
        key="audit_table",
        alt="Operations, newest first.",
        page=page,
        as_of=reading.as_of,
        select=True,
        height="auto" if len(rows) <= SOME else 420,
    )
    choose(rows, row)
    ids = rows["id"].tolist()
    st.download_button(
        "Download JSON",
        data=lambda: audit.export(runtime.current(), ids),
        file_name=f"audit-{scope.range}{'-demo' if mode == 'demo' else ''}.json",
        mime="application/json",
        key="audit_json",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="Full records: plans, rehearsals and events; secrets are hidden.",
    )


chain.draw(mode)
listed()
asked = st.text_input(
    "Operation", key=OPERATION, bind="query-params", placeholder="Choose a row, or paste an id", max_chars=64
).strip()
if asked:
    one.draw(page, asked)
actions.host()
