"""One budget: how it burns down, its thresholds, the periods before, and who changed it."""

import streamlit as st

from pages.ui import charts_budget, queries, queries_money, shell, tables, tables_budget, theme, words
from pages.ui.shell import Page
from services.cost.budgets import Detail
from services.domain.cost import MICRO
from services.domain.cost.budgetfindings import scoped
from services.domain.cost.burn import Standing


def draw(page: Page, id: str) -> None:
    """Everything that is known of one budget."""
    reading = queries_money.budget(page.mode, page.scope, id)
    found = shell.shown(reading, "The budget", needs="database")
    if found is None:
        return
    _picture(found)
    one = found.standing
    st.subheader("Thresholds", anchor=False, help="Of the period that runs. Days are those of the reporting zone.")
    shown = {"key": "budgets_thresholds", "page": page, "as_of": reading.as_of, **tables.RECORDED}
    tables.show(
        found.thresholds.assign(usd=found.thresholds["micro"] / MICRO),
        tables_budget.THRESHOLDS,
        alt=f"Thresholds of {one.budget.name}: crossed, expected to be crossed, or not.",
        **shown,
    )
    st.subheader("Periods before", anchor=False, help="As they are counted today; amounts are those in force then.")
    rows = found.history.assign(
        spent_usd=found.history["spent_micro"] / MICRO, amount_usd=found.history["amount_micro"] / MICRO
    )
    shown["key"] = "budgets_history"
    tables.show(rows, tables_budget.HISTORY, alt="What was spent in the periods before.", height=280, **shown)
    with st.expander("Changes of this budget", icon=":material/history:"):
        shown["key"] = "budgets_changes"
        tables.show(
            tables_budget.changes(found.changes), tables_budget.CHANGES, alt="Who changed it, when, to what.", **shown
        )


def _said(one: Standing) -> str:
    amount = f"{words.micro(one.budget.amount_micro)} in {one.period.name}"
    if one.state == "unknown":
        return f"Of {amount} nothing is known to be spent."
    ends = f"{words.micro(one.landing.low)} and {words.micro(one.landing.high)}"
    return f"Spent {words.micro(one.spent)} of {amount}; expected to end between {ends}."


def _picture(found: Detail) -> None:
    one, zone = found.standing, queries.policy().cost.zone
    budget = one.budget
    what = words.plain(scoped(budget.scope, budget.value))
    st.subheader(f"{words.plain(budget.name)}: {what}, {words.plain(one.period.name)}", anchor=False)
    st.plotly_chart(
        charts_budget.burndown(found.burn, one, zone, theme.current()),
        key="budgets_burn",
        alt=_said(one),
        config={"displayModeBar": False},
    )
    if one.state == "unknown":
        st.caption(f":material/help: Nothing of {words.plain(one.period.name)} is recorded for it yet.")
        return
    told = (
        f"{one.state[0].upper()}{one.state[1:]}: {words.micro(one.spent)} of {words.micro(budget.amount_micro)} spent"
    )
    over = f", {words.share(one.elapsed)} of the {budget.calendar.kind} over"
    st.caption(f":material/calculate: {words.plain(told + over)}. {words.plain(one.landing.method)}")
