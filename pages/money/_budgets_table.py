"""The table of budgets, and which one is looked at."""

import streamlit as st

from pages.ui import filters, queries_money, tables, tables_budget, words
from pages.ui.shell import Page

ONE = "budget"
_ROW = "budgets_row"


def draw(page: Page) -> str:
    """Draw the table; the id of the budget that is looked at, "" for none."""
    reading = queries_money.budgets(page.mode, page.scope)
    found = reading.value
    if found is None or not found.standings:
        return ""
    rows = tables_budget.budgets(found.standings)
    st.subheader("All budgets", anchor=False, help="Those in trouble first. A chosen row is drawn below.")
    place = tables.show(
        rows,
        tables_budget.BUDGETS,
        key="budgets_all",
        **tables.RECORDED,
        alt="Budgets with what they are for, what is spent of which amount, and where they are expected to end.",
        page=page,
        as_of=reading.as_of,
        select=True,
        height=420 if len(rows) > 10 else "auto",
    )
    picked = "" if place is None else str(rows["id"].iloc[place])
    if picked != st.session_state.get(_ROW, ""):
        st.session_state[_ROW] = picked
        if picked:
            st.session_state[ONE] = picked
    ids = [str(name) for name in rows["id"]]
    asked = filters.choose("Budget", ids, key=ONE, nothing="The first of the table") or ids[0]
    if asked not in ids:
        st.info(f"There is no budget {words.code(asked)} here (any more).", icon=":material/help:")
        return ""
    return asked
