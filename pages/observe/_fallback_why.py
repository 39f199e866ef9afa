"""Why requests fell back: each burst in one sentence, with its evidence and the way to the lever."""

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from pages.observe._fallback_figures import CHAIN, requests
from pages.ui import panels, shell, words
from pages.ui.shell import Page
from services import runtime
from services.domain.fallback.causes import CAUSES
from services.domain.fallback.reasons import Explained, Sign
from services.fallback.board import Board

FIRST = 4
_ICONS = {
    "node": ":material/dns:",
    "xid": ":material/memory_alt:",
    "memory": ":material/memory:",
    "restart": ":material/restart_alt:",
    "rollout": ":material/published_with_changes:",
    "room": ":material/hourglass_top:",
    "start": ":material/rocket_launch:",
    "away": ":material/cloud_off:",
    "queue": ":material/stacks:",
    "cache": ":material/database:",
}
_LEVERS = {
    "headroom": "Keep units warm",
    "startup": "See its starts",
    "utilisation": "See the node",
    "workloads": "See the workload",
    "serving": "See how it is served",
}


def draw(page: Page, board: Board, group: str) -> None:
    """Bursts of the group, then of the others."""
    mine = [one for one in board.explained if one.burst.group == group]
    rest = [one for one in board.explained if one.burst.group != group]
    tip = "Stretches of time in which at least one request in twenty fell back or was lost, the largest first."
    st.subheader(f"Why ({board.bursts})", anchor=False, help=tip)
    if not board.explained:
        panels.nothing("No burst", "At no time did one request in twenty of a group fall back or get lost.")
        return
    ordered = [*mine, *rest]
    for number, one in enumerate(ordered[:FIRST]):
        _burst(page, board.cluster, one, number)
    if len(ordered) > FIRST:
        with st.expander(f"{len(ordered) - FIRST} more bursts", icon=":material/history:"):
            for number, one in enumerate(ordered[FIRST:], FIRST):
                _burst(page, board.cluster, one, number)
    if board.bursts > len(board.explained):
        st.caption(f"The {len(board.explained)} largest of {board.bursts} bursts; all are in the figures.")


def when(begin: datetime, end: datetime, now: datetime, zone: str) -> str:
    """A stretch of time in the reader's zone, with the day where it is not today's."""
    one, other, today = (at.astimezone(ZoneInfo(zone)) for at in (begin, end, now))
    day = "" if one.date() == today.date() else f"on {one:%d %B} "
    return f"{day}between {one:%H:%M} and {other:%H:%M}"


def _burst(page: Page, cluster: str, one: Explained, number: int) -> None:
    burst = one.burst
    with st.container(border=True, key=f"fallback_burst_{number}", gap="xxsmall"):
        said = one.sentence(when(burst.begin, burst.end, runtime.current().now(), panels.zone()))
        icon = ":material/error:" if burst.lost else ":material/alt_route:"
        st.markdown(f"{icon} **{words.plain(said)}**")
        for sign in one.signs[:FIRST]:
            st.caption(f"{_ICONS.get(sign.kind, ':material/info:')} {words.plain(_first_upper(sign.says))}")
        st.caption(words.plain(" · ".join(_facts(one))))
        with st.container(horizontal=True):
            for sign in _ways(one):
                _link(page, sign)
            more = {"cluster": cluster, CHAIN: one.burst.group}
            shell.link("fallback-edit", "Change the chain", page.scope, icon=":material/alt_route:", **more)


def _facts(one: Explained) -> list[str]:
    burst = one.burst
    facts = [f"{requests(burst.fallen)} of {requests(burst.asked)} requests fell" if burst.fallen else ""]
    facts.append(f"{requests(burst.lost)} were lost" if burst.lost else "")
    facts.append(f"{words.money(burst.usd)} paid to providers" if burst.usd > 0 else "")
    told = sorted(burst.causes.items(), key=lambda item: -item[1])
    total = sum(burst.causes.values())
    facts.append(
        "errors: " + ", ".join(f"{CAUSES[name].lower()} {words.percent(n / total)}" for name, n in told[:3] if total)
    )
    if one.serving is not None and not one.signs:
        facts.append(f"nothing else was seen to happen to {one.serving.namespace}/{one.serving.workload}")
    return [fact for fact in facts if fact]


def _ways(one: Explained) -> list[Sign]:
    """One sign for each page there is a way to."""
    found: dict[str, Sign] = {}
    for sign in one.signs:
        found.setdefault(sign.page, sign)
    return list(found.values())[:2]


def _link(page: Page, sign: Sign) -> None:
    known = {entry.path for entries in shell.SECTIONS.values() for entry in entries}
    if sign.page in known:
        shell.link(
            sign.page, _LEVERS.get(sign.page, "See more"), page.scope, icon=":material/arrow_forward:", **sign.params
        )


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
