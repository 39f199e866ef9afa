"""One day of the books, hour by hour."""

import re
from datetime import UTC, date, datetime

import pandas as pd
import streamlit as st

from pages.ui import panels, queries, queries_prices, shell, tables, tables_prices, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services import runtime
from services.cost.books import Day
from services.domain.cost import MICRO, TICKS
from services.domain.cost.proof import ADDS_UP, DIFFERS, MISSING
from services.domain.cost.windows import today

DAY, HOUR, ROW = "books_day", "books_hour", "books_row"
_SAID = {ADDS_UP: "✓ add up", DIFFERS: "✗ differ", MISSING: "– missing"}
_TICKS_PER_HOUR = TICKS * 3600
_WRITTEN = re.compile(r"20\d\d-\d\d-\d\dT\d\d:00Z")
_FIGURES = (
    "nodes_usd", "parts_usd", "difference_usd", "gpu_hours", "difference_hours", "unpriced_hours", "nodes", "card",
)  # fmt: skip


def draw(page: Page) -> tuple[str, datetime] | None:
    """The day's hours; the cluster and hour that is looked at."""
    zone = queries.policy().cost.zone
    now = today(runtime.current().now(), zone)
    st.subheader("One day", anchor=False, help=f"A day of the reporting zone, {words.plain(zone)}.")
    asked = st.date_input("Day", value=now, max_value=now, min_value=date(2020, 1, 1), key=DAY, bind="query-params")
    chosen = asked if isinstance(asked, date) else now
    reading = queries_prices.book_of_day(page.mode, page.scope, str(chosen))
    found = shell.shown(reading, "The day", needs="database")
    if found is None:
        return _asked()
    if found.rows.empty:
        panels.nothing("No hour of this day is over", "The first one is closed some minutes after its end.")
        return _asked()
    _answer(found)
    rows = drawn(found.rows)
    row = tables.show(
        rows,
        tables_prices.BOOKS,
        key="books_table",
        **tables.RECORDED,
        alt="Hours of the day: what the nodes cost, what their parts sum to, and the difference.",
        page=page,
        as_of=reading.as_of,
        select=True,
        height=420 if len(rows) > 10 else "auto",
    )
    if clicked(row, key=ROW) and row is not None:
        at = found.rows["hour"].iloc[row]
        st.session_state[HOUR] = f"{found.rows['cluster'].iloc[row]}/{at:%Y-%m-%dT%H:%MZ}"
    return _asked()


def drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as people read them: dollars and GPU-hours, and nothing where nothing is known."""
    found = rows.assign(
        state=rows["state"].map(_SAID),
        nodes_usd=rows["micro"] / MICRO,
        parts_usd=rows["parts_micro"] / MICRO,
        difference_usd=rows["difference_micro"] / MICRO,
        gpu_hours=rows["gpu_ticks"] / _TICKS_PER_HOUR,
        difference_hours=rows["difference_ticks"] / _TICKS_PER_HOUR,
        unpriced_hours=rows["unpriced_ticks"] / _TICKS_PER_HOUR,
    )
    known = rows["state"].ne(MISSING)
    return found.assign(**{name: found[name].astype("float64").where(known) for name in _FIGURES})


def _answer(found: Day) -> None:
    right, there = found.number(ADDS_UP), found.number(ADDS_UP) + found.number(DIFFERS)
    said = [f"{right} of {there} recorded hours of this day add up."]
    if missing := found.number(MISSING):
        said.append(f"{words.counted(missing, 'hour')} missing.")
    if found.days_differ is not None:
        said.append(
            "The day's own figures are the sums of its hours."
            if not found.days_differ
            else f"{words.counted(found.days_differ, 'figure')} of the day is not the sum of its hours yet: a day is "
            "summed after its hours are closed."
        )
    icon = ":material/error:" if right < there else ":material/check:"
    st.caption(f"{icon} {' '.join(said)} Choose a row to see an hour node by node.")


def _asked() -> tuple[str, datetime] | None:
    """The hour in the link, written "cluster/2026-11-23T05:00Z"."""
    text = st.text_input(
        "Hour", key=HOUR, bind="query-params", placeholder="Choose a row, or cluster/2026-11-23T05:00Z", max_chars=300
    ).strip()
    if not text:
        return None
    cluster, _, at = text.rpartition("/")
    known = pd.to_datetime(at, utc=True, errors="coerce", format="ISO8601") if _WRITTEN.fullmatch(at) else pd.NaT
    if not cluster or pd.isna(known):
        st.info("An hour is written as cluster/2026-11-23T05:00Z.", icon=":material/help:")
        return None
    return cluster, known.to_pydatetime().astimezone(UTC)
