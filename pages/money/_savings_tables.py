"""The Savings page: figures, the answer in words, and the table of changes."""

import pandas as pd
import streamlit as st

from pages.ui import panels, queries_money, shell, tables, tiles, words
from pages.ui.shell import Page
from services.cost.savings import Savings
from services.domain.cost.savings import AFTER, BEFORE

C = st.column_config
_USD = "$%.2f"
CHANGES = {
    "summary": C.TextColumn("Change", width="large", pinned=True),
    "at": C.DatetimeColumn("Made", format="distance"),
    "promised": C.NumberColumn("Promised", format=_USD, help="Saved a day, at the prices of then; negative costs more"),
    "after_1": C.NumberColumn("After 1 day", format=_USD, help="Saved a day, over the first whole day after"),
    "after_7": C.NumberColumn("After 7 days", format=_USD, help="Saved a day, over the seven whole days after"),
    "after_30": C.NumberColumn("After 30 days", format=_USD, help="Saved a day, over the thirty whole days after"),
    "before": C.NumberColumn("Cost before", format=_USD, help="A day of the part, mean of the days before"),
    "part": C.TextColumn("Measured on", width="medium"),
    "undone_at": C.DatetimeColumn("Taken back", format="distance"),
    "cluster": C.TextColumn("Cluster"),
    "operation": C.TextColumn("Operation"),
}


def draw(page: Page) -> None:
    """Everything there is to say of changes about money."""
    reading = queries_money.savings(page.mode, page.scope)
    found = shell.shown(reading, "Savings", needs="database")
    if found is None:
        return
    _tiles(found)
    if found.changes.empty:
        panels.nothing(
            "No change about money yet",
            "Release idle GPUs or set fewer warm units, and what that promised stands here beside what was measured "
            "1, 7 and 30 days later.",
        )
    else:
        _answer(found)
        row = tables.show(
            found.changes,
            CHANGES,
            key="savings_changes",
            **tables.RECORDED,
            alt="Changes with the saving they promised and what was measured after 1, 7 and 30 days.",
            page=page,
            as_of=reading.as_of,
            select=True,
        )
        if row is not None:
            shell.link(
                "Audit",
                "What was done, by whom and why",
                page.scope,
                icon=":material/history:",
                op=str(found.changes["operation"].iloc[row]),
            )
    st.caption(_counted(found))


def _tiles(found: Savings) -> None:
    changes, grid = found.changes, st.grid(4, min_column_width=210)
    lasting = changes[changes["undone_at"].isna()]
    places = [grid.container(height="stretch") for _ in range(4)]
    with places[0]:
        promised = lasting["promised"].sum(min_count=1)
        unknown = int(lasting["promised"].isna().sum())
        under = f"{words.counted(unknown, 'change')} without a price" if unknown else "at the prices of then"
        tiles.tile("Promised a day", _usd(promised), under, tip="Sum over changes that were not taken back.")
    with places[1]:
        measured = _latest(lasting)
        known = int(measured.notna().sum())
        total = measured.sum(min_count=1)
        colour: tiles.Colour = "off" if not known or total == 0 else "green" if total > 0 else "red"
        under = f"of {words.counted(known, 'change')} measured" if known else "nothing is measured yet"
        tip = "Of each change the longest span that is over: 30 days, else 7, else 1."
        tiles.tile("Measured a day", _usd(total), under, colour, tip)
    with places[2]:
        waiting = int(_latest(lasting).isna().sum())
        under = "the day after has to be over" if waiting else "all are measured"
        tiles.tile("To be measured", f"{waiting:,}", under)
    with places[3]:
        back = len(changes) - len(lasting)
        tip = f"No longer counted in the sums. {words.counted(found.others, 'other change')} promised no money."
        tiles.tile("Taken back", f"{back:,}", "not in the sums", tip=tip)


def _answer(found: Savings) -> None:
    lasting = found.changes[found.changes["undone_at"].isna()]
    measured = _latest(lasting)
    both = lasting[measured.notna() & lasting["promised"].notna()]
    with st.container(border=True, gap="xxsmall"):
        if both.empty:
            st.markdown(
                ":material/hourglass_top: **Nothing can be compared yet.** A change is measured from the whole day "
                "after it on."
            )
            return
        promised, kept = float(both["promised"].sum()), float(measured[both.index].sum())
        st.markdown(
            f":material/trending_down: **{words.counted(len(both), 'change')} promised {words.plain(_said(promised))} "
            f"a day and measured {words.plain(_said(kept))}.**"
        )


def _latest(changes: pd.DataFrame) -> pd.Series:
    """Dollars a day over the longest span that is over."""
    found = pd.Series(float("nan"), index=changes.index)
    for days in AFTER:
        found = changes[f"after_{days}"].where(changes[f"after_{days}"].notna(), found)
    return found


def _usd(value: float) -> str | None:
    return None if pd.isna(value) else words.money(value)


def _said(value: float) -> str:
    return f"{words.money(value)} less" if value >= 0 else f"{words.money(-value)} more"


def _counted(found: Savings) -> str:
    through = ", ".join(f"{words.plain(name)} {words.plain(str(day))}" for name, day in sorted(found.through.items()))
    until = f" Whole days are known to: {through}." if through else ""
    return (
        f"Measured is what the named part of the books cost a day: the mean of up to {BEFORE} whole days before the "
        "change less that of the days after it, without its own day. Whatever else happened to that part is in it too."
        f"{until}"
    )
