"""The charts of the Cost page: day by day, and why it changed."""

import streamlit as st

from pages.ui import charts_money, queries_money, theme, words
from pages.ui.charts_money import plus
from pages.ui.shell import Page
from services.cost.board import Asked, Board
from services.domain.cost.pricevolume import Change


def draw(page: Page, asked: Asked) -> None:
    """Day by day, and the change against the days before."""
    found = queries_money.cost(page.mode, page.scope, asked).value
    if found is None:
        return
    told = "Money by day of the reporting zone. Today is as far as its hours are closed."
    st.subheader(f"By day, {found.window.text}", anchor=False, help=told)
    st.plotly_chart(
        charts_money.daily(
            found.daily,
            found.window,
            theme.current(),
            budgets=found.budgets,
            month=found.month if _goes_on(found) else None,
            through=found.data_through,
        ),
        key="cost_daily",
        alt=f"Money by day from {found.window.text}: used, held and not measured, held idle, warm, free, overhead. "
        f"In all {words.micro(found.totals.micro)}.",
        config={"displayModeBar": False},
    )
    _changed(found)


def _goes_on(found: Board) -> bool:
    """Whether the window ends today in a month that goes on."""
    month = found.month
    return month is not None and month.begin < found.window.end(found.zone) < month.end and bool(month.high)


def _changed(found: Board) -> None:
    if found.beside is None:
        return
    beside = found.beside
    told = (
        "Volume: more or fewer GPU-hours. Mix: hours that moved between instance types or capacity types. Price: other "
        "prices. Whole days only; the three sum to the change."
    )
    st.subheader("What changed", anchor=False, help=told)
    st.plotly_chart(
        charts_money.waterfall(beside.change, beside.then.text, beside.now.text, theme.current()),
        key="cost_change",
        alt=_said(beside.change),
        config={"displayModeBar": False},
    )


def _said(change: Change) -> str:
    return (
        f"From {words.micro(change.before)} to {words.micro(change.after)}: volume {plus(change.volume)}, mix "
        f"{plus(change.mix)}, price {plus(change.price)}."
    )
