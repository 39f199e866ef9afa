"""The tables of the Cost page: by a dimension with the way down, what moved, who owns idle money, what has no price."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.money import _cost_choose as choose
from pages.ui import queries_money, tables, tables_money, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services.cost import export_csv, told
from services.cost.board import Asked, Board
from services.domain.cost import report

_MOST = 20
_ROW = "cost_row"


def draw(page: Page, asked: Asked) -> None:
    """All tables of money."""
    reading = queries_money.cost(page.mode, page.scope, asked)
    found = reading.value
    if found is None:
        return
    about = report_of(page, asked, found)
    _breakdown(page, asked, about)
    _moved(page, about)
    _idle(page, about)
    _unpriced(page, about)


def report_of(page: Page, asked: Asked, found: Board) -> told.Report:
    """What the files of the page say of themselves; without language models."""
    as_of = queries_money.cost(page.mode, page.scope, asked).as_of
    return told.Report(found, None, asked.by, told.inside(page.scope, asked.path), page.mode, as_of)


def show(
    frame: pd.DataFrame, columns: Mapping[str, Any], *, key: str, alt: str, page: Page, about: told.Report, **more: Any
) -> int | None:
    """A table whose file says its window, rate card and basis; all rows are in the file, the first ones drawn."""
    most = more.pop("most", len(frame))
    chosen = tables.show(frame.head(most), columns, key=key, alt=alt, page=page, as_of=about.at, download=False, **more)
    if len(frame) > most:
        st.caption(f"Shown are {most} of {len(frame):,}; the file has all of them.")
    st.download_button(
        "Download CSV",
        data=lambda: export_csv.table_of(frame[list(columns)], about),
        file_name=f"{key.replace('_', '-')}-{about.stem}.csv",
        mime="text/csv",
        key=f"{key}_csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
    return chosen


def _breakdown(page: Page, asked: Asked, about: told.Report) -> None:
    frame = tables_money.breakdown(about.board.breakdown, asked.by)
    onward = report.following(asked.by, asked.path)
    tip = f"Choose a row to see it by {onward}." if onward else None
    st.subheader(f"By {words.plain(asked.by)}", anchor=False, help=tip)
    row = show(
        frame,
        tables_money.filled(tables_money.BREAKDOWN, frame),
        key=f"cost_by_{len(asked.path)}_{asked.by.replace(' ', '_')}",
        alt=f"Costs by {asked.by}: held, used, idle, GPU-hours; the dearest first.",
        page=page,
        about=about,
        select=bool(onward),
        height=420 if len(frame) > 10 else "auto",
    )
    if clicked(row, key=_ROW) and row is not None:
        choose.into(asked, str(frame["key"].iloc[row]), str(frame["kind"].iloc[row]))


def _moved(page: Page, about: told.Report) -> None:
    beside = about.board.beside
    if beside is None:
        return
    st.subheader("Moved most", anchor=False, help="Whole days of the window against those compared with.")
    names = [name for name in ("workload", "team") if name in beside.movers]
    by = st.segmented_control(
        "Moved by", names, default="workload", required=True, key="cost_moved", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    by = str(by) if by in names else "workload"
    frame = tables_money.dollars(
        tables_money.named(beside.movers[by], f"(no {by})"),
        change_usd="delta_micro",
        before_usd="before_micro",
        after_usd="after_micro",
    )
    if frame.empty:
        st.caption("Nothing changed.")
        return
    show(
        frame,
        tables_money.filled(tables_money.MOVERS, frame),
        key=f"cost_moved_{by}",
        alt=f"What changed most by {by}: before, after, change.",
        page=page,
        about=about,
        most=_MOST,
    )


def _idle(page: Page, about: told.Report) -> None:
    tip = "Held, measured and not used: who could release it. Free and overhead have no owner."
    st.subheader("Idle money and its owners", anchor=False, help=tip)
    totals = about.board.totals
    st.caption(
        f"Held idle {words.plain(words.micro(totals.held_idle))}, free {words.plain(words.micro(totals.free))}, warm "
        f"{words.plain(words.micro(totals.warm))}, overhead {words.plain(words.micro(totals.overhead))}. Held and not "
        f"measured: {words.plain(words.micro(totals.held - totals.measured))}, which is neither used nor idle."
    )
    frame = tables_money.dollars(about.board.idle, idle_usd="idle_micro", held_usd="held_micro")
    if frame.empty:
        st.caption("Nothing held was measured to be idle.")
        return
    show(
        frame,
        tables_money.filled(tables_money.IDLE, frame),
        key="cost_idle",
        alt="Workloads by idle money: held, measured and not used.",
        page=page,
        about=about,
        most=_MOST,
    )


def _unpriced(page: Page, about: told.Report) -> None:
    frame = about.board.unpriced
    if frame.empty:
        return
    st.subheader("Without a price", anchor=False, help="Counted in GPU-hours, and in no total. Prices adds one.")
    show(
        frame,
        tables_money.filled(tables_money.UNPRICED, frame),
        key="cost_unpriced",
        alt="Instance types without a price, by GPU-hours.",
        page=page,
        about=about,
    )
