"""The first screen of the Books page: of all hours that are kept, how many add up."""

import streamlit as st

from pages.ui import panels, queries_prices, shell, tiles, words
from pages.ui.shell import Page
from services.cost.books import Period

_NAMED = 5


def draw(page: Page) -> bool:
    """Tiles and the answer; whether anything is recorded."""
    reading = queries_prices.book_of_all(page.mode, page.scope)
    found = shell.shown(reading, "The books", needs="database")
    if found is None:
        return False
    if found.begin is None or found.end is None:
        panels.nothing(
            "No hour is closed yet",
            "The collector closes every hour some minutes after its end; where the past can be asked, it also works "
            "that out.",
        )
        return False
    _tiles(found)
    _answer(found)
    return True


def _tiles(found: Period) -> None:
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    wrong, missing = len(found.differing), sum(found.missing.values())
    with places[0]:
        tip = "Hours of clusters whose parts sum to what the nodes cost, in money and in GPU time, of those recorded."
        right = found.checked - wrong
        tiles.tile("Hours that add up", f"{right:,}", f"of {found.checked:,} recorded", _colour(wrong), tip)
    with places[1]:
        under = "to the micro-dollar" if not wrong else "see below"
        tiles.tile("Hours that differ", f"{wrong:,}", under, _colour(wrong), "There should be none.")
    with places[2]:
        tip = "Hours that are over and of which there are no facts. They count as unknown, not as zero."
        under = "none is" if not missing else "unknown, not zero"
        tiles.tile("Hours missing", f"{missing:,}", under, "orange" if missing else "green", tip)
    with places[3]:
        tip = "What the nodes cost in the hours recorded, summed before anything was split."
        tiles.tile("Money checked", words.micro(found.micro), "what the nodes cost", tip=tip)


def _colour(wrong: int) -> tiles.Colour:
    return "red" if wrong else "green"


def _answer(found: Period) -> None:
    wrong = len(found.differing)
    since = f"from {words.utc(found.begin)} to {words.utc(found.end)}"
    with st.container(border=True, key="books_answer", gap="xxsmall"):
        if wrong:
            named = ", ".join(f"{cluster} {words.utc(at)}" for cluster, at in found.differing[:_NAMED])
            more = f" and {wrong - _NAMED:,} more" if wrong > _NAMED else ""
            st.markdown(
                f":material/error: **{wrong:,} of {found.checked:,} hours do not add up:** {words.plain(named)}{more}. "
                "Their amounts are not to be relied on; tell whoever runs this console."
            )
        else:
            st.markdown(
                f":material/fact_check: **Every cent is accounted for: {found.checked:,} of {found.checked:,} hours "
                f"add up**, {words.plain(since)}."
            )
        if found.missing:
            said = ", ".join(f"{why} ({number:,})" for why, number in found.missing.items())
            st.markdown(
                f":material/event_busy: **{words.counted(sum(found.missing.values()), 'hour')} missing:** "
                f"{words.plain(said)}. Nothing is counted for them."
            )
        st.caption(
            "What every node cost is summed first. Then it is split over everything its GPUs were: held, warm, free, "
            "out of use, MIG remainder. The split is in whole micro-dollars, and must sum to the same."
        )
