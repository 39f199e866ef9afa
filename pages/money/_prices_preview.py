"""What a rate card that is being written would change, before it is saved."""

import streamlit as st

from pages.money import _prices_draft as draft
from pages.ui import queries_prices, shell, tables, tables_prices, words
from pages.ui.shell import Page
from services.cost.prices import DAYS, LONGEST_REASON, Outlook
from services.domain.cost.cardchange import Effect
from services.ports import Card


def draw(page: Page, card: Card | None) -> None:
    """The changes, what they mean, and the way to save them."""
    version = 0 if card is None else card.version
    with st.container(border=True, key="prices_preview"):
        st.markdown("**Before you save**")
        if draft.after() != version:
            _overtaken(version)
        reading = queries_prices.card_outlook(page.mode, version, draft.text())
        found = shell.shown(reading, "What it would mean", needs="database")
        if found is not None and found.changes.empty:
            st.caption("These are the lines that are in force: there is nothing to save.")
        elif found is not None:
            tables.show(
                found.changes,
                tables_prices.CHANGES,
                key="prices_changes",
                **tables.RECORDED,
                alt="Lines that would be added, changed or removed.",
                page=page,
                as_of=reading.as_of,
            )
            _meaning(page, found)
        _buttons(saves=found is not None and not found.changes.empty)


def _overtaken(version: int) -> None:
    st.warning(
        f"Somebody saved version {version} since these lines were begun from version {draft.after()}. They are still "
        "here; below is what they would change in the newer version.",
        icon=":material/sync_problem:",
    )
    st.button(f"Go on from version {version}", key="prices_rebase", on_click=draft.rebase, args=(version,))


def _meaning(page: Page, found: Outlook) -> None:
    past, onward = found.past, found.onward
    if not past.gpu_hours and not past.unknown:
        st.markdown(":material/help: Nothing is recorded of the last days, so nothing can be said of their cost.")
    else:
        st.markdown(
            f":material/calculate: **Estimate:** {_days(found.days)} ({words.count(past.gpu_hours)} GPU-hours, "
            f"{words.plain(words.micro(past.before_micro))} by the card in force) would have cost {_difference(past)}, "
            f"with the dates of these lines; at the prices of {words.plain(f'{found.at:%Y-%m-%d}')}, "
            f"{_difference(onward)}."
        )
        for said in _beside(onward):
            st.caption(f":material/info: {words.plain(said)}")
    if found.touched:
        first, last = found.touched[0][0], found.touched[-1][1]
        hours = sum((end - begin).total_seconds() for begin, end in found.touched) / 3600
        st.markdown(
            f":material/history: **The past is worked out anew:** {words.count(hours)} hours from "
            f"{words.plain(words.utc(first))} to {words.plain(words.utc(last))}, as far as they are kept. The "
            "collector does it in the background; what was sent with an earlier version stays as it was sent."
        )
    else:
        st.markdown(":material/history: **The past stays as it is.** These lines change no hour that is over.")
    if not onward.rows.empty:
        tables.show(
            onward.rows,
            tables_prices.EFFECT,
            key="prices_effect",
            **tables.RECORDED,
            alt="What the GPU-hours of the last days cost now and with these lines, by kind of node.",
            page=page,
            as_of=None,
            height=280 if len(onward.rows) > 6 else "auto",
        )


def _days(recorded: int) -> str:
    return f"the last {DAYS} days" if recorded == DAYS else f"the {recorded} recorded of the last {DAYS} days"


def _difference(effect: Effect) -> str:
    if not effect.change_micro:
        return "the same"
    amount = words.plain(words.micro(abs(effect.change_micro)))
    return f"{amount} {'more' if effect.change_micro > 0 else 'less'}"


def _beside(effect: Effect) -> list[str]:
    said = {
        "get a price for the first time: new money that is not in the difference.": effect.gain,
        "lose their price and leave every total.": effect.lose,
        "are of nodes whose number of GPUs is not known any more; they are left out.": effect.unknown,
    }
    return [f"{words.count(hours)} GPU-hours {text}" for text, hours in said.items() if hours >= 0.05]


def _buttons(*, saves: bool) -> None:
    if saves:
        st.text_input(
            "Why",
            key=draft.REASON,
            max_chars=LONGEST_REASON,
            placeholder="Such as: contract of June signed",
            help="Kept with the version, for everybody to read.",
        )
    with st.container(horizontal=True):
        if saves:
            st.button(
                "Save this rate card",
                key="prices_save",
                type="primary",
                icon=":material/save:",
                on_click=draft.save,
            )
        st.button("Drop these lines", key="prices_drop", icon=":material/delete:", on_click=draft.drop)
