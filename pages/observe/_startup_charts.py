"""The charts of the Startup page: over time, by what the time goes to, and how it is spread."""

from collections.abc import Hashable, Mapping
from typing import Any

import streamlit as st

from pages.ui import charts_startup, panels, queries, theme
from pages.ui.shell import Page
from services.domain.startup.imagenames import short
from services.startup.board import MOST_BARS, SPLITS, Board
from services.startup.read import TARGET_S

SPLIT = "start_split"


def draw(page: Page, workload: str) -> None:
    """Over time, by what the time goes to, and how it is spread."""
    found = queries.startup(page.mode, page.scope, workload).value
    if found is None:
        return
    told = "By when pods were created. p50: half of the starts took longer; p95: one in twenty did."
    grid = st.grid(2, min_column_width=420)
    with grid.container():
        st.subheader(f"Over time, {page.scope.range}", anchor=False, help=told)
        _trend(page, found)
    with grid.container():
        st.subheader("Spread", anchor=False, help="Starts that became ready, by how long they took.")
        _spread(found)
    _phases(found)


def _trend(page: Page, found: Board) -> None:
    says = [
        f"{row['workload']}: {row['what']} {_change(row, 'before')} → {_change(row, 'after')}"
        for row in found.changes.to_dict("records")
    ]
    st.plotly_chart(
        charts_startup.trend(
            found.trend,
            panels.zone(),
            theme.current(),
            target_s=TARGET_S,
            marks=panels.operations(page),
            changes=found.changes.assign(says=says),
        ),
        key="startup_trend",
        alt=f"Median and 95th percentile of startup time over the window {page.scope.range}, against the target.",
        config={"displayModeBar": False},
    )


def _change(row: Mapping[Hashable, Any], side: str) -> str:
    return short(str(row[side])) if row["what"] == "image" else str(row[side])


def _spread(found: Board) -> None:
    if not found.totals.timed:
        st.caption("No start became ready.")
        return
    st.plotly_chart(
        charts_startup.spread(found.histogram, theme.current(), target_s=TARGET_S),
        key="startup_spread",
        alt="Number of starts by how long they took, and by how they came to their nodes.",
        config={"displayModeBar": False},
    )


def _phases(found: Board) -> None:
    told = "Mean time of starts that became ready, phase by phase; in brackets how many they are."
    st.subheader("Where the time goes", anchor=False, help=told)
    split = st.segmented_control(
        "Split by", list(SPLITS), default="pool", required=True, key=SPLIT, bind="query-params"
    )
    rows = found.splits[split if split in SPLITS else "pool"]
    if rows.empty:
        st.caption("No start became ready.")
        return
    st.plotly_chart(
        charts_startup.phases(rows, theme.current(), target_s=TARGET_S),
        key="startup_phases",
        alt=f"Mean seconds of a start by phase, for each {split}; the table of starts has each of them.",
        config={"displayModeBar": False},
    )
    if len(rows) == MOST_BARS:
        st.caption(f"The {MOST_BARS} in which most seconds were spent; longest mean first.")
