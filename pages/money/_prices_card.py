"""The rate card on the Prices page: its lines, and for those who may, how they are changed."""

from functools import partial
from zlib import crc32

import pandas as pd
import streamlit as st

from pages.money import _prices_draft as draft
from pages.money import _prices_preview as preview
from pages.ui import panels, queries_prices, shell, tables, tables_prices, words
from pages.ui.shell import Page
from services.access import Right
from services.domain.cost import MICRO, cardfile
from services.domain.cost.rates import NAMED
from services.ports import Card

_LABELS = {
    "cluster": "Cluster",
    "instance_type": "Instance type",
    "zone": "Zone",
    "region": "Region",
    "capacity_type": "Capacity type",
    "model": "GPU model",
}


def draw(page: Page) -> None:
    """The lines in force or being written, and the way to change them."""
    told = (
        "A line holds for the nodes that are all it names. Of several, the one that names the most telling holds: "
        "cluster before instance type, zone, region, capacity type and GPU model."
    )
    st.subheader("Rate card", anchor=False, help=told)
    reading = queries_prices.cards(page.mode)
    known = shell.shown(reading, "The rate card", needs="database")
    if known is None:
        return
    card = known[0] if known else None
    edits = Right.BUDGETS in page.user.rights
    read = draft.lines(card) if edits else cardfile.CardFile(card.lines) if card else draft.lines(None)
    if edits and draft.begun():
        st.caption(":material/edit: These lines are being written here and are not in force yet.")
    elif card is not None:
        st.caption(
            f"Version {card.version}, saved by {words.plain(card.actor)} on {words.plain(words.utc(card.at))}: "
            f"{words.plain(card.reason)}"
        )
    _lines(page, read.lines, card)
    if not edits:
        st.caption(":material/lock: Prices are changed by people with a finance or admin role.")
        return
    draft.complaints()
    with st.expander("Change the rate card", icon=":material/edit:", expanded=draft.begun() or not known):
        _entry(read.lines, card)
    if draft.begun():
        preview.draw(page, card)


def _lines(page: Page, lines: pd.DataFrame, card: Card | None) -> None:
    if lines.empty:
        panels.nothing("There is no line", "Every node is counted at its list price, where there is one.")
        return
    drawn = lines.assign(line=range(1, len(lines) + 1), usd_per_hour=lines["micro_per_hour"] / MICRO)
    tables.show(
        drawn,
        tables_prices.CARD,
        key="prices_card",
        alt="Lines of the rate card: what they name, price, discount, term and dates.",
        page=page,
        as_of=None,
        height=420 if len(lines) > 10 else "auto",
        download=False,
    )
    st.download_button(
        "Export CSV",
        data=cardfile.text(lines).encode(),
        file_name=f"rate-card-{'draft' if draft.begun() else card.version if card else 0}"
        f"{'-demo' if page.mode == 'demo' else ''}.csv",
        mime="text/csv",
        key="prices_export",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="The same columns an import takes; times in UTC.",
    )


def _entry(lines: pd.DataFrame, card: Card | None) -> None:
    grid = st.grid(2, min_column_width=420)
    with grid.container(border=True):
        _form(lines, card)
    with grid.container(border=True):
        _import(card)


def _form(lines: pd.DataFrame, card: Card | None) -> None:
    st.markdown("**Write a line**")
    numbered = list(enumerate(lines.to_dict("records"), start=1))
    names = {
        f"{number}: {' · '.join(str(row[name]) for name in NAMED if row[name]) or 'every GPU'}": number
        for number, row in numbered
    }
    asked = st.selectbox("Line", [draft.NEW, *names], key=draft.LINE)
    number = names.get(str(asked), 0)
    cells = cardfile.cells(lines.iloc[[number - 1]]) if number else {}
    token = crc32(repr((number, cells, len(lines))).encode())  # another line is another form
    keys = {name: f"prices_{name}_{token}" for name in cardfile.HEADER}
    with st.form(f"prices_form_{token}", border=False):
        columns = st.columns(2)
        for place, name in enumerate(NAMED):
            columns[place % 2].text_input(
                _LABELS[name], value=cells.get(name, ""), key=keys[name], max_chars=cardfile.LONGEST, placeholder="Any"
            )
        left, right = st.columns(2)
        left.text_input(
            "USD per hour", value=cells.get("usd_per_hour", ""), key=keys["usd_per_hour"], placeholder="55.04"
        )
        right.radio(
            "Per",
            ["instance", "gpu"],
            index=int(cells.get("per") == "gpu"),
            key=keys["per"],
            horizontal=True,
            format_func={"instance": "Instance", "gpu": "GPU"}.__getitem__,
        )
        left.text_input("Discount", value=cells.get("discount", ""), key=keys["discount"], placeholder="35 %")
        right.text_input("Term", value=cells.get("term", ""), key=keys["term"], placeholder="reserved, 1 year")
        told = f"A day begins at midnight in {draft.zone()}; an instant such as 2026-06-01T00:00:00Z is taken as it is."
        left.text_input("From", value=cells.get("begins", ""), key=keys["begins"], placeholder="2026-06-01", help=told)
        right.text_input("Until before", value=cells.get("ends", ""), key=keys["ends"], placeholder="No end", help=told)
        with st.container(horizontal=True):
            st.form_submit_button(
                "Change this line" if number else "Add this line",
                key=f"prices_enter_{token}",
                on_click=partial(draft.enter, keys, number, card),
            )
            if number:
                st.form_submit_button(
                    "Remove this line", key=f"prices_remove_{token}", on_click=partial(draft.remove, number, card)
                )


def _import(card: Card | None) -> None:
    st.markdown("**Import a file**")
    st.caption(
        f"CSV with the columns {', '.join(f'`{name}`' for name in cardfile.HEADER)}, in any order; "
        f"{' and '.join(f'`{name}`' for name in cardfile.NEEDED)} are needed. Its lines take the place of all lines "
        "here. Nothing is in force before it is saved."
    )
    given = st.file_uploader("File", type=["csv"], key=draft.FILE, max_upload_size=1)
    if given is None:
        return
    read = cardfile.read(given.getvalue(), draft.zone())
    if read.wrong:
        first = read.wrong[:10]
        said = [f"Line {one.line}: {one.says}" if one.line else one.says for one in first]
        more = f"\n- and {len(read.wrong) - len(first)} more" if len(read.wrong) > len(first) else ""
        st.error(
            f"{words.counted(len(read.wrong), 'thing')} to put right; nothing was taken from the file.\n"
            + "\n".join(f"- {words.plain(one)}" for one in said)
            + more,
            icon=":material/error:",
        )
        return
    st.button(
        f"Use the {words.counted(len(read.lines), 'line')} of this file",
        key="prices_use_file",
        icon=":material/upload:",
        on_click=draft.put,
        args=(cardfile.text(read.lines), 0 if card is None else card.version),
    )
