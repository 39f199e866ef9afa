"""What people set aside: why, until when, and how to have it back."""

import pandas as pd
import streamlit as st

from pages.money._waste_choose import Asked
from pages.ui import proposal, queries_money, tables, words
from pages.ui.shell import Page
from services import runtime
from services.cost import waste

C = st.column_config
COLUMNS = {
    "title": C.TextColumn("What", width="large", pinned=True),
    "reason": C.TextColumn("Why", width="medium"),
    "until": C.DatetimeColumn("Comes back", format="YYYY-MM-DD"),
    "actor": C.TextColumn("Set aside by"),
    "at": C.DatetimeColumn("Set aside", format="distance"),
    "usd_per_month": C.NumberColumn(
        "A month", format="dollar", help="Now; empty: it does not apply now, or is unpriced"
    ),
    "key": C.TextColumn("Key"),
}


def draw(page: Page, asked: Asked) -> None:
    """The list, and a button that brings the chosen one back."""
    reading = queries_money.waste(page.mode, asked.scope, asked.limits)
    if reading.value is None or not reading.value.aside:
        return
    found = reading.value.aside
    st.subheader(f"Set aside ({len(found)})", anchor=False, help="In no sum, and not on Overview, until its day.")
    rows = pd.DataFrame(
        [
            (one.title, one.reason, one.until, one.actor, one.at, None if now is None else now.usd_per_month, one.key)
            for one, now in found
        ],
        columns=list(COLUMNS),
    ).astype({"usd_per_month": "float64"})
    row = tables.show(
        rows,
        COLUMNS,
        key="waste_aside",
        prices=tables.IN_FORCE,
        alt="Advice people set aside, with reasons and the day it comes back.",
        page=page,
        as_of=reading.as_of,
        select=True,
    )
    user = proposal.person()
    if row is None or waste.may_set_aside(runtime.current(), user):
        return
    one = found[row][0]
    if st.button(f"Have back: {words.plain(one.title)}", key="waste_restore", icon=":material/undo:"):
        said = waste.restore(runtime.current(), user, one.key)
        if said.problem is not None:
            st.error(words.plain(words.sentence(said.problem.message)), icon=":material/error:")
        else:
            queries_money.waste_changed()
            st.rerun()
