"""The first screen of the Cost page: the figures, the answer in words, and how far the record reaches."""

from datetime import timedelta

import streamlit as st

from pages.ui import panels, queries_money, shell, tables_money, tiles, words
from pages.ui.charts_money import plus
from pages.ui.shell import Page
from services import runtime
from services.cost import told
from services.cost.board import Asked, Board
from services.domain.cost.windows import WINDOWS

_LATE = timedelta(hours=3)


def known(page: Page, asked: Asked) -> Board | None:
    """The figures, when there is anything recorded to make them of."""
    found = queries_money.cost(page.mode, page.scope, asked).value
    return found if found is not None and found.since is not None and not found.daily.empty else None


def draw(page: Page, asked: Asked) -> bool:
    """Tiles and the answer in two sentences; whether there is more to say."""
    found = shell.shown(queries_money.cost(page.mode, page.scope, asked), "Cost", needs="database")
    if found is None:
        return False
    if known(page, asked) is None:
        _nothing(page, found)
        return False
    _tiles(found, asked)
    _answer(found)
    _reaches(found)
    return True


def _tiles(found: Board, asked: Asked) -> None:
    totals = found.totals
    grid = st.grid(5, min_column_width=170)
    places = [grid.container(height="stretch") for _ in range(5)]
    with places[0]:
        title = {"month": "Month to date", "quarter": "Quarter to date"}.get(asked.window, WINDOWS[asked.window])
        under = f"{words.count(totals.gpu_hours)} GPU-hours"
        tip = "What the nodes cost: everything held, free, warm, out of use and left over. Days of the reporting zone."
        tiles.tile(title, words.micro(totals.micro), under, tip=tip)
    with places[1]:
        _landing(found)
    with places[2]:
        tip = (
            "Free and warm, held idle, and overhead. Held GPUs nobody measured are not in it: "
            f"{words.share(totals.measured_share)} of the held money is measured."
        )
        colour: tiles.Colour = "off" if totals.idle_share is None else "red" if totals.idle_share > 0.5 else "orange"
        under = words.micro(totals.idle)
        tiles.tile("Idle money", words.share(totals.idle_share), under, colour, tip)
    with places[3]:
        _change(found)
    with places[4]:
        spot = found.spot
        tip = "On-demand list price less what spot nodes cost, where both are known."
        if spot.listless_gpu_hours >= 0.05:
            tip += f" {words.count(spot.listless_gpu_hours)} spot GPU-hours have none and are left out."
        under = f"{words.share(spot.share)} of GPU-hours"
        tiles.tile("Spot saved", words.micro(spot.saved) if spot.gpu_hours else "$0", under, tip=tip)


def _landing(found: Board) -> None:
    month = found.month
    if month is None:
        tiles.tile("Landing", None, None)
        return
    tip = f"Where {month.name} will end: a range, not a promise. {month.method}"
    value = words.between(month.low, month.high)
    tiles.tile(f"{month.name} lands at", value, f"so far {words.micro(month.spent)}", tip=tip)


def _change(found: Board) -> None:
    tip = "Whole days only, of clusters that are recorded in both windows."
    if found.beside is None:
        tiles.tile("Change", None, "nothing before yet", tip=tip)
        return
    change = found.beside.change
    value = None if change.ratio is None else _signed(change.ratio)
    colour: tiles.Colour = "off" if change.ratio is None else "red" if change.ratio > 0.05 else "green"
    under = f"{plus(change.total)}, {words.counted(found.beside.now.days, 'whole day')}"
    tip += f" {found.beside.now.text} against {found.beside.then.text}."
    tiles.tile("Change", value, under, "off" if change.ratio is not None and abs(change.ratio) <= 0.05 else colour, tip)


def _signed(ratio: float) -> str:
    """A change as a percentage with its sign; 0 % has none."""
    said = f"{ratio:+.1%}".replace("%", " %").replace("-", "−")
    return "0 %" if said[1:] == "0.0 %" else said


def _answer(found: Board) -> None:
    totals = found.totals
    with st.container(border=True, key="cost_answer", gap="xxsmall"):
        most = found.teams[found.teams["kind"].eq("")].head(3)
        said = ", ".join(
            f"{words.plain(str(name)) or 'no team'} {words.share(share)}"
            for name, share in zip(most["name"], most["share"], strict=True)
        )
        nobody = totals.free + totals.warm + totals.overhead
        rest = f"; {words.share(nobody / totals.micro)} held by nobody" if nobody and totals.micro else ""
        st.markdown(f":material/payments: **Most of it goes to** {said or 'nobody'}{rest}.")
        st.markdown(_why(found))


def _why(found: Board) -> str:
    if found.beside is None:
        if found.uncovered:
            return (
                ":material/compare_arrows: **No comparison yet:** the days before "
                f"({found.compared.text}) were not recorded."
            )
        return ":material/compare_arrows: **No comparison yet:** no day of this window is over."
    change = found.beside.change
    parts = {"volume": change.volume, "mix": change.mix, "price": change.price}
    name, most = max(parts.items(), key=lambda item: abs(item[1]))
    moved = found.beside.movers["workload"].head(1)
    by = ""
    if len(moved):
        row = moved.iloc[0]
        label = tables_money.KINDS.get(row["kind"], row["name"])
        by = f"; moved most: {words.plain(str(label))} {words.plain(plus(row['delta_micro']))}"
    reason = f", mostly {name} ({words.plain(plus(most))})" if change.total else ""
    said = f"{words.plain(plus(change.total))}{reason}{by}"
    return f":material/compare_arrows: **Against {found.beside.then.text}:** {said}."


def _reaches(found: Board) -> None:
    """What is missing from the record, and what of it is still being worked out."""
    now = runtime.current().now()
    if found.filling:
        said = ", ".join(f"{words.plain(name)} {words.share(share)}" for name, share in found.filling.items())
        st.caption(f":material/history: The past is being filled in: {said}. Figures still change.")
    if found.since is not None and found.since > found.window.begin(found.zone) and not found.filling:
        since = words.plain(told.local(found.since, found.zone))
        st.caption(f":material/history: Costs are recorded since {since}; what was before is in no figure.")
    elif found.unrecorded:
        st.caption(
            f":material/history: {words.counted(found.unrecorded, 'day')} of this window not recorded: unknown, not "
            "zero."
        )
    for text in () if found.beside is None else told.lacking(found.beside):
        st.caption(f":material/compare_arrows: {words.plain(text)}")
    open_window = found.window.end(found.zone) > now
    if open_window and found.data_through is not None and now - found.data_through > _LATE:
        st.warning(
            f"The newest closed hour ended {words.ago(found.data_through, now)}. Run the collector: "
            "`python -m services.collector`, or set `GFC_COLLECTOR=on` for one inside the console.",
            icon=":material/pause_circle:",
        )


def _nothing(page: Page, found: Board) -> None:
    if found.since is None:
        panels.nothing(
            "No cost is recorded yet",
            "The newest days of the past come first, in a minute or so."
            if found.filling
            else "The collector closes each hour some minutes after its end; the first one will be here then. Run it "
            "with `python -m services.collector`, or set `GFC_COLLECTOR=on` for one inside the console.",
        )
        if found.filling:
            _reaches(found)
        return
    since = words.plain(told.local(found.since, found.zone))
    what = words.plain(told.scoped(page.scope))
    panels.nothing(
        "Nothing cost anything here",
        f"No GPU of this view ({what}) is in the record from {found.window.text}. Costs are recorded since {since}.",
    )
