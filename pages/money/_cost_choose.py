"""What the Cost page looks at: window, comparison, rate card, dimension and the way down; all of it in the link."""

from dataclasses import replace
from datetime import date
from urllib.parse import quote, unquote, urlencode

import streamlit as st

from pages.ui import filters, queries_money, words
from pages.ui.shell import Page
from services.cost.board import Asked, Board
from services.domain.cost import report
from services.domain.cost.report import Step
from services.domain.cost.windows import AGAINST, WINDOWS

WINDOW, FROM, TO, AGAINST_KEY, CARD, BY, INSIDE = (
    "cost_window",
    "cost_from",
    "cost_to",
    "cost_against",
    "cost_card",
    "cost_by",
    "cost_in",
)
_CHOICE = "cost_by_choice"
_TITLES = {title: name for name, title in WINDOWS.items()}
_AGAINST = {title: name for name, title in AGAINST.items()}
_DAYS = WINDOWS["days"]
_NEWEST = "Newest"
_DEEPEST, _LONGEST = 4, 4000


def draw(page: Page) -> Asked:
    """Draw the choices and return what is asked for."""
    title = st.segmented_control(
        "Days", list(_TITLES), default=WINDOWS["month"], required=True, key=WINDOW, bind="query-params"
    )
    first = last = None
    if title == _DAYS:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            first = st.date_input("From", value=None, key=FROM, bind="query-params", format="YYYY-MM-DD", width=150)
            last = st.date_input("To", value=None, key=TO, bind="query-params", format="YYYY-MM-DD", width=150)
    asked = Asked(
        window=_TITLES.get(str(title), "month"), first=_day(first), last=_day(last), card=_version(), path=_inside()
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        against = st.selectbox("Compared with", list(_AGAINST), key=AGAINST_KEY, bind="query-params", width=280)
        asked = replace(asked, against=_AGAINST.get(str(against), "month"))
        found = queries_money.cost(page.mode, page.scope, asked).value
        _card(found)
        if found is not None:
            _share(page, asked, found)
    return replace(asked, by=_dimension(asked, found))


def _card(found: Board | None) -> None:
    newest = 0 if found is None else found.newest_card
    known = [str(number) for number in range(newest, -1, -1)]
    with st.container(width=180):
        filters.choose(
            "Rate card",
            known,
            key=CARD,
            nothing=_NEWEST,
            help="Figures as this version of the rate card has them; 0 is before there was any",
        )


def _version() -> int | None:
    """The version asked for; None for the newest, and for what is no version."""
    given = st.session_state.get(CARD, st.query_params.get(CARD, ""))
    text = str(given or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _day(given: object) -> date | None:
    return given if isinstance(given, date) else None


def _dimension(asked: Asked, found: Board | None) -> str:
    """Not bound, as the others are: it changes together with the way down, and that is one step back."""
    names = list(report.DIMENSIONS) if found is None else list(found.dimensions)
    by = _by() if _by() in names else "team"
    st.session_state[_CHOICE] = by
    st.segmented_control("By", names, required=True, key=_CHOICE, on_change=_choose)
    crumbs(asked.path, by)
    return by


def _by() -> str:
    return st.query_params.get(BY, "team")


def _choose() -> None:
    st.query_params[BY] = st.session_state[_CHOICE]


def crumbs(path: tuple[Step, ...], by: str) -> None:
    """Where we are on the way down, and the way back."""
    if not path:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button("Everything", icon=":material/home:", key="cost_up", on_click=_go, args=((), path[0][0]))
        for place, (dimension, key) in enumerate(path):
            onward = path[place + 1][0] if place + 1 < len(path) else by
            st.button(
                f"{words.plain(dimension)}: {words.plain(key or 'none')}",
                icon=":material/chevron_right:",
                key=f"cost_up_{place}",
                on_click=_go,
                args=(path[: place + 1], onward),
                disabled=place + 1 == len(path),
            )


def into(asked: Asked, key: str, kind: str) -> None:
    """Look into one of what is shown: one step in the browser's history."""
    dimension = report.KIND if kind else asked.by
    by = report.following(dimension, asked.path)
    if not by or len(asked.path) >= _DEEPEST:
        return
    path = (*asked.path, (dimension, key))
    if len(_written(path)) > _LONGEST:
        st.toast("This name is too long to stand in a link.", icon=":material/link_off:")
        return
    _go(path, by)
    st.rerun()


def _go(path: tuple[Step, ...], by: str) -> None:
    """Both at once: what is set in two steps takes two steps back."""
    st.query_params.update({INSIDE: _written(path), BY: by})


def _written(path: tuple[Step, ...]) -> str:
    return ">".join(f"{quote(dimension, safe=' ')}:{quote(key, safe='/ ')}" for dimension, key in path)


def _inside() -> tuple[Step, ...]:
    """The way down the link asks for; nothing when it makes no sense."""
    text = st.query_params.get(INSIDE, "")
    if not text or len(text) > _LONGEST:
        return ()
    steps = [part.partition(":") for part in text.split(">")][:_DEEPEST]
    path = tuple((unquote(dimension), unquote(key)) for dimension, _, key in steps)
    return path if all(step == report.KIND or report.known(step) for step, _ in path) else ()


def _share(page: Page, asked: Asked, found: Board) -> None:
    goes_on = found.data_through is None or found.data_through < found.window.end(found.zone)
    rest = " Its last day is not over: the hours still to come will be in it." if goes_on else ""
    with st.popover("Share", icon=":material/link:"):
        st.caption(
            "This link shows these days and this version of the rate card whenever it is opened, so that others see "
            f"what you see now.{rest}"
        )
        st.code(frozen(page, asked, found), language=None, wrap_lines=True)


def frozen(page: Page, asked: Asked, found: Board) -> str:
    """A link that stays what it is: its window as days, its rate card as a version."""
    more = {
        WINDOW: _DAYS,
        FROM: str(found.window.first),
        TO: str(found.window.last),
        CARD: str(found.card),
    }
    if asked.against != "month":
        more[AGAINST_KEY] = AGAINST[asked.against]
    if _by() != "team":
        more[BY] = _by()
    if asked.path:
        more[INSIDE] = _written(asked.path)
    here = (st.context.url or "").partition("?")[0]
    return f"{here}?{urlencode(filters.params(page.scope, **more))}"
