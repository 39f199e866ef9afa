"""Spend on language models, and own models beside the API price."""

import streamlit as st

from pages.money import _cost_tables as tables
from pages.ui import queries_money, shell, tables_money, words
from pages.ui.shell import Page
from services.access import Right
from services.cost.board import Asked, Llm
from services.cost.told import Report
from services.domain.cost.tokens import SPLITS


def found(page: Page, asked: Asked) -> Llm | None:
    """Spend as this person may see it."""
    return queries_money.cost_llm(page.mode, page.scope, asked, spenders=_may(page)).value


def _may(page: Page) -> bool:
    return Right.SPENDERS in page.user.rights


def draw(page: Page, asked: Asked) -> None:
    """The gateway's spend by what it was for, and break-even of own models."""
    tip = "Spend as the gateway counted it, for others' models. It is not in the totals above, which are GPUs."
    st.subheader("Language models", anchor=False, help=tip)
    reading = queries_money.cost_llm(page.mode, page.scope, asked, spenders=_may(page))
    value = shell.shown(reading, "Spend on language models", needs="database")
    board = queries_money.cost(page.mode, page.scope, asked).value
    if value is None or board is None:
        return
    if value.splits["model group"].empty and value.own.empty:
        st.caption("No spend and no tokens are recorded in this window. Unknown, not zero, where nothing counts them.")
        return
    about = tables.report_of(page, asked, board)
    if asked.path or page.scope.pool or page.scope.model:
        st.caption("Of cluster, namespace and team only: spend belongs to no pool, no GPU and none of the steps above.")
    _spend(page, value, about)
    _own(page, value, about)


def _spend(page: Page, value: Llm, about: Report) -> None:
    if value.splits["model group"].empty:
        return
    names = [name for name in SPLITS if name in value.splits]
    by = st.segmented_control(
        "Spend by", names, default="model group", required=True, key="cost_llm", bind="query-params"
    )
    by = str(by) if by in names else "model group"
    rows = value.splits[by]
    frame = tables_money.dollars(
        rows.assign(name=rows["name"].mask(rows["name"].eq(""), f"(no {by})")), spend_usd="micro"
    )
    st.caption(f"In all {words.plain(words.micro(value.micro))} for others' models.")
    tables.show(
        frame,
        tables_money.SPEND,
        key=f"cost_spend_{by.replace(' ', '_')}",
        alt=f"Spend on language models by {by}: money, requests, tokens.",
        page=page,
        about=about,
        most=50,
    )


def _own(page: Page, value: Llm, about: Report) -> None:
    if value.own.empty:
        return
    tip = (
        "GPU money held by the workload ÷ tokens of its counters, beside what others' deployments of the same model "
        "groups cost for a token. Above the break-even own GPUs are cheaper."
    )
    st.markdown("**Own models beside the API**", help=tip)
    frame = tables_money.dollars(value.own, held_usd="micro")
    tables.show(
        frame,
        tables_money.filled(tables_money.OWN, frame),
        key="cost_own",
        alt="Own models: money and tokens, price per million tokens beside the API's, break-even.",
        page=page,
        about=about,
    )
