"""The first screen of the Waste page: a tile for each verb, the answer in words, and money by workload."""

import pandas as pd
import streamlit as st

from pages.money._waste_choose import WORDS, Asked
from pages.ui import charts_waste, panels, theme, tiles, words
from services.cost.waste import Board
from services.domain.cost.waste import HIGH, VERBS, Advice, Total, totals

_TIPS = {
    "remove": "Every GPU of the pod has been idle for the idle time; released, they are free for others.",
    "optimise": "Pods that hold several GPUs and never used some of them: ask for fewer.",
    "share": "Pods of one GPU that a MIG slice, a smaller model or a share of the GPU would do for.",
}
_PICTURED = 12


def draw(board: Board, asked: Asked) -> None:
    """Tiles, the answer, and the picture of what is shown."""
    found = asked.shown(board.advice)
    by_verb = totals(found)
    _tiles(by_verb, board)
    if not found:
        _nothing(board)
        return
    _answer(found, by_verb)
    priced = [one for one in found if one.usd_per_month is not None][:_PICTURED]
    if priced:
        rows = [(one.workload, WORDS[one.verb], one.usd_per_month, one.confidence) for one in priced]
        frame = pd.DataFrame(rows, columns=["workload", "verb", "usd", "confidence"])
        told = "Money a month, dearest first." + (f" The first {_PICTURED}." if len(found) > _PICTURED else "")
        st.plotly_chart(
            charts_waste.bars(frame, theme.current()),
            key="waste_bars",
            alt=f"Money a month by workload: {', '.join(f'{row[0]} {words.money(row[2])}' for row in rows[:5])}.",
            config={"displayModeBar": False},
        )
        st.caption(told)


def _tiles(by_verb: dict[str, Total], board: Board) -> None:
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    for place, verb in zip(places, VERBS, strict=False):
        one = by_verb[verb]
        with place:
            if not one.number:
                tiles.tile(f"{WORDS[verb]}, a month", "$0", "nothing found", "green", _TIPS[verb])
                continue
            unpriced = f", {one.unpriced:,} without a price" if one.unpriced else ""
            under = f"{words.gpus(one.freed)} in {words.counted(one.number, 'workload')}{unpriced}"
            tiles.tile(f"{WORDS[verb]}, a month", words.money(one.usd_per_month), under, "orange", _TIPS[verb])
    with places[3]:
        number = len(board.aside)
        tip = "Advice people set aside, with a reason and until some day. It is in no sum."
        unseen = "cannot be read now" if board.unseen else "listed below" if number else "nobody set anything aside"
        tiles.tile("Set aside", None if board.unseen else f"{number:,}", unseen, tip=tip)


def _nothing(board: Board) -> None:
    if board.advice:
        panels.nothing(
            "Nothing passes the filters", f"Left out is advice on {words.counted(len(board.advice), 'workload')}."
        )
    elif not board.measured:
        panels.nothing(
            "Nobody measured what pods do with their GPUs here", "Unknown, not zero: nothing can be advised."
        )
    else:
        panels.nothing(
            "Nothing to give back", f"{words.gpus(board.measured)} held and measured, and all of them are put to use."
        )


def _answer(found: list[Advice], by_verb: dict[str, Total]) -> None:
    priced = [one.usd_per_month for one in by_verb.values() if one.usd_per_month is not None]
    freed = sum(one.freed for one in by_verb.values())
    sure = [one for one in found if one.confidence == HIGH]
    certain = totals(sure)
    money = words.plain(words.money(sum(priced))) if any(priced) else "An unknown amount of money"
    with st.container(border=True, key="waste_answer", gap="xxsmall"):
        st.markdown(
            f":material/savings: **{money} a month could be saved by giving back {words.gpus(freed)}.** No GPU is "
            "counted twice."
        )
        usd = [one.usd_per_month for one in certain.values() if one.usd_per_month is not None]
        said = (
            f"{words.plain(words.money(sum(usd)))} of it is well founded"
            if sum(usd)
            else "None of it is well founded yet"
        )
        st.markdown(f":material/fact_check: {said}: watched for three days or more, with hardly a sample missing.")
        first = found[0]
        worth = "" if first.usd_per_month is None else f", {words.plain(words.money(first.usd_per_month))} a month"
        st.markdown(f":material/first_page: Begin with this: {words.plain(first.title)}{worth}.")
