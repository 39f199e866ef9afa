"""Budgets as code: the document of all budgets, and one that takes its place."""

from functools import partial

import streamlit as st

from pages.money import _budgets_edit as edit
from pages.ui import proposal, queries, queries_money, tables, tables_budget, words
from pages.ui.shell import Page
from services import runtime
from services.cost import budgetedit
from services.domain.cost import budgetyaml
from services.domain.cost.budget import Budget
from services.domain.cost.budgetyaml import Plan, Wrong

FILE = "budgets_file"
_MOST = 10


def draw(page: Page) -> None:
    """Export and import; a document is about all budgets, so it is for who sees all of them."""
    found = queries_money.budgets(page.mode, page.scope).value
    if found is None or not page.scope.sees.whole:
        return
    with st.expander("Budgets as code", icon=":material/code:"):
        if found.hidden:
            st.caption(":material/filter_alt: Clear the filters first: a document is about all budgets.")
            return
        known = [one.budget for one in sorted(found.standings, key=lambda one: one.budget.name)]
        _export(page, known)
        reason = edit.refusal(page)
        if reason:
            st.caption(f":material/lock: {words.plain(reason)}")
        given = st.file_uploader(
            "Import a document", type=["yaml", "yml"], key=FILE, max_upload_size=1, disabled=bool(reason)
        )
        if given is None or reason:
            return
        read = budgetyaml.read(given.getvalue(), queries.policy().cost.zone)
        if read.wrong:
            _complain(read.wrong)
            return
        _plan(page, budgetyaml.plan(known, read.budgets))


def _export(page: Page, known: list[Budget]) -> None:
    st.caption(
        "One YAML document holds all budgets. An imported one takes the place of all: what it leaves out is removed. "
        "What it would change is shown before anything is."
    )
    st.download_button(
        "Export YAML",
        data=budgetyaml.text(known).encode(),
        file_name=f"budgets{'-demo' if page.mode == 'demo' else ''}.yaml",
        mime="application/yaml",
        key="budgets_export",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def _complain(wrong: tuple[Wrong, ...]) -> None:
    said = [f"Line {one.line}: {one.says}" if one.line else one.says for one in wrong[:_MOST]]
    more = f"\n- and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
    st.error(
        f"{words.counted(len(wrong), 'thing')} to put right; nothing was taken from the document.\n"
        + "\n".join(f"- {words.plain(one)}" for one in said)
        + more,
        icon=":material/error:",
    )


def _plan(page: Page, plan: Plan) -> None:
    same = f"{words.counted(plan.unchanged, 'budget')} unchanged."
    if not plan.changes:
        st.caption(f":material/check: The document says what is in force. {same}")
        return
    tables.show(
        tables_budget.plan(plan.changes),
        tables_budget.PLAN,
        key="budgets_plan",
        **tables.RECORDED,
        alt="Budgets the document would add, change or remove.",
        page=page,
        as_of=None,
    )
    st.caption(same)
    st.button(
        f"Make {words.counted(len(plan.changes), 'change')}",
        key="budgets_apply",
        type="primary",
        icon=":material/save:",
        on_click=partial(_apply, plan),
    )


def _apply(plan: Plan) -> None:
    found = budgetedit.apply(runtime.current(), proposal.person(), plan)
    edit.told(found, f"{words.counted(len(plan.changes), 'change')} made.")
