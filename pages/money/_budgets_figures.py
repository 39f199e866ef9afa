"""The first screen of the Budgets page: how many hold, and the answer in words."""

from datetime import timedelta

import streamlit as st

from pages.ui import panels, queries_money, shell, tiles, words
from pages.ui.shell import Page
from services import runtime
from services.cost.budgets import Board
from services.domain.cost.budgetfindings import scoped
from services.domain.cost.burn import Standing, together

_LATE = timedelta(hours=3)
_MOST = 3
"""Budgets told of in a sentence."""


def draw(page: Page) -> None:
    """Tiles, the answer, and what is in no figure."""
    found = shell.shown(queries_money.budgets(page.mode, page.scope), "Budgets", needs="database")
    if found is None:
        return
    if not found.standings:
        _nothing(page, found)
        return
    _tiles(found)
    _answer(found)
    _beside(found)


def _of(found: Board, *states: str) -> list[Standing]:
    return [one for one in found.standings if one.state in states]


def _tiles(found: Board) -> None:
    total, unknown = len(found.standings), len(_of(found, "unknown"))
    fine, fast = _of(found, "on track"), _of(found, "above pace")
    late, over = _of(found, "will overrun"), _of(found, "over")
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    quiet: tiles.Colour = "off" if unknown else "green"
    dark, known = f"{unknown} not known", unknown < total

    def tell(name: str, value: str, under: str, colour: tiles.Colour, tip: str) -> None:
        tiles.tile(name, value if known else None, under if known else dark, colour if known else "off", tip)

    with places[0]:
        tip = "Expected to end within their amount: on track, or above the even pace and still expected to hold."
        under = f"{len(fast)} of them above pace" if fast else dark if unknown else "none is above pace"
        tell("Hold", f"{len(fine) + len(fast)} of {total}", under, "orange" if fast else quiet, tip)
    with places[1]:
        tip = "The middle of the landing is above the amount."
        first = min((one.overrun for one in late if one.overrun), default="")
        under = f"the first on {first}" if first else dark if unknown else "none is expected to"
        tell("Will overrun", str(len(late)), under, "orange" if late else quiet, tip)
    with places[2]:
        tip = "More is spent than the amount."
        by = words.micro(sum(one.spent - one.budget.amount_micro for one in over))
        tell(
            "Over",
            str(len(over)),
            f"by {by}" if over else dark if unknown else "none is",
            "red" if over else quiet,
            tip,
        )
    with places[3]:
        _landing(found)


def _landing(found: Board) -> None:
    tip = (
        "Where these budgets are expected to end, and their amount: the fleet's budget, or all of the kind of scope "
        "and period that has most money, so that nothing counts twice. Ranges are added up."
    )
    whole = together(found.standings)
    if whole is None:
        tiles.tile("Landing", None, None, tip=tip)
        return
    what = "fleet" if whole.scope == "fleet" else words.counted(whole.number, whole.scope)
    colour: tiles.Colour = "green" if whole.high <= whole.amount else "red" if whole.low > whole.amount else "orange"
    under = f"{words.share(whole.mid / whole.amount)} of {words.micro(whole.amount)}"
    kind = (whole.scope, whole.kind)
    if any(one.missing for one in found.standings if (one.budget.scope, one.budget.calendar.kind) == kind):
        colour, under = "off" if colour == "green" else colour, f"{words.share(whole.mid / whole.amount)}, days missing"
    tiles.tile(f"Landing, {what}, {whole.kind}", words.between(whole.low, whole.high), under, colour, tip)


def _answer(found: Board) -> None:
    said = []
    over, late = _of(found, "over"), _of(found, "will overrun")
    if over:
        told = [f"{_name(one)} since {one.overrun}, {words.share(one.share)} of its amount" for one in over[:_MOST]]
        said.append(f"**Over:** {_listed(told, len(over))}.")
    if late:
        told = [f"{_name(one)}{f' on {one.overrun}' if one.overrun else ''}, {_ends(one)}" for one in late[:_MOST]]
        said.append(f"**Will overrun:** {_listed(told, len(late))}.")
    known = [one for one in _of(found, "on track", "above pace") if one.landing.known and one.named]
    if known and len(known) == len(found.standings):
        near = max(known, key=lambda one: one.landing.mid / one.budget.amount_micro)
        said.append(f"**All are expected to hold.** The closest is {_name(near)}, {_ends(near)}.")
    elif known:
        said.append(f"**Expected to hold:** {_listed([_name(one) for one in known[:_MOST]], len(known))}.")
    partly = _of(found, "partly known")
    if partly:
        told = [f"{_name(one)} ({words.counted(one.missing, 'day')})" for one in partly[:_MOST]]
        said.append(f"**May not hold,** were unrecorded days to cost the usual: {_listed(told, len(partly))}.")
    unknown = _of(found, "unknown")
    if unknown:
        names = _listed([_name(one) for one in unknown[:_MOST]], len(unknown))
        said.append(f"**Not known:** nothing of the period is recorded for {names}.")
    st.markdown(" ".join(said))


def _ends(one: Standing) -> str:
    end = words.between(one.landing.low, one.landing.high)
    return words.plain(f"expected to end at {end} of {words.micro(one.budget.amount_micro)}")


def _name(one: Standing) -> str:
    return words.plain(one.budget.name)


def _listed(told: list[str], number: int) -> str:
    more = f"; and {number - len(told)} more" if number > len(told) else ""
    return "; ".join(told) + more


def _beside(found: Board) -> None:
    """What is in no figure, and how far they reach."""
    lacking = [one for one in found.standings if one.missing]
    if lacking:
        days = max(one.missing for one in lacking)
        names = ", ".join(_name(one) for one in lacking[:_MOST])
        st.caption(
            f":material/history: Up to {words.counted(days, 'day')} of the period not recorded, of {names}: unknown, "
            "and in no figure."
        )
    for one in [one for one in found.standings if not one.named and one.state != "unknown"][:_MOST]:
        what = words.plain(scoped(one.budget.scope, one.budget.value))
        st.caption(f":material/help: Nothing in the record is of {what}. It may cost nothing, or be called otherwise.")
    unpriced = [one for one in found.standings if one.unpriced_gpu_hours >= 0.05]
    for one in unpriced[:_MOST]:
        st.caption(
            f":material/money_off: {words.count(one.unpriced_gpu_hours)} GPU-hours of "
            f"{words.plain(scoped(one.budget.scope, one.budget.value))} have no price and are in no figure."
        )
    if found.hidden:
        st.caption(f":material/filter_alt: {words.counted(found.hidden, 'budget')} outside the filters not shown.")
    now = runtime.current().now()
    if found.through is not None and now - found.through > _LATE:
        st.warning(
            f"The newest closed hour ended {words.ago(found.through, now)}. Run the collector: "
            "`python -m services.collector`, or set `GFC_COLLECTOR=on` for one inside the console.",
            icon=":material/pause_circle:",
        )


def _nothing(page: Page, found: Board) -> None:
    if found.hidden:
        panels.nothing(
            "No budget here",
            f"{words.counted(found.hidden, 'budget')} outside the filters. Clear them to see all.",
        )
        return
    why = "A budget says how much may be spent on what; this page then says whether it holds, and until when."
    if not page.scope.sees.whole:
        why = "There is no budget of a team or namespace you see."
    elif found.suggested:
        why += f" Last month cost {words.micro(found.suggested)}; the form below begins with that.".replace("$", r"\$")
    panels.nothing("There is no budget yet", why)
