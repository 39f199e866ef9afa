"""A rehearsal of a chain: test requests whose first tier is made to fail, and the path the last ones took."""

from typing import Any

import streamlit as st

from pages.operate import _fallback_pending as pending
from pages.ui import actions, proposal, queries_fallback, shell, tables, words
from pages.ui.progress import AUDIT, STATES
from pages.ui.shell import Page
from services import runtime
from services.domain.litellm import MOCKS
from services.domain.litellm.rehearsal import FAILS, MODES, MOST_REQUESTS, MOST_USD, NORMAL, USUAL_USD
from services.errors import Refused
from services.gateway import ways
from services.gateway.read import Board
from services.gateway.ways import Answerer

C = st.column_config
ACTION = "rehearse-fallbacks"
REQUESTS: dict[str, Any] = {
    "request": C.NumberColumn("Request", pinned=True),
    "mode": C.TextColumn("Rehearsed"),
    "answered_by": C.TextColumn("Answered by"),
    "tier": C.TextColumn("Tier"),
    "result": C.TextColumn("Result", help="as planned, unexpected, nobody answered, not known, not sent"),
    "fallbacks": C.NumberColumn("Fallbacks", help="As the proxy counts them: LiteLLM 1.106 says 1 even where more"),
    "retries": C.NumberColumn("Retries", help="Of the tier that answered"),
    "seconds": C.NumberColumn("Seconds", format="%.2f"),
    "usd": C.NumberColumn("Cost", format="$%.6f", help="As the proxy says; empty when it does not or knows no price"),
}


def draw(page: Page, board: Board, group: str) -> None:
    """What can be rehearsed, what it may cost, and what the last rehearsal showed."""
    if board.config is None or group not in board.config.groups:
        return
    st.subheader(
        f"Rehearse {words.plain(group)}",
        anchor=False,
        help="Sends marked test requests through the running proxy, which makes the first tier fail.",
    )
    if board.routing is None:
        st.info("The running proxy is not connected, so nothing can be sent through it.", icon=":material/link_off:")
    elif proposal.acts():
        _choice(board, group)
    _last(page, board, group)


def _choice(board: Board, group: str) -> None:
    left, right = st.columns([3, 2], vertical_alignment="bottom", gap="large")
    with left:
        chosen = st.pills(
            "What is rehearsed",
            list(MODES),
            format_func=lambda mode: MODES[mode].capitalize(),
            selection_mode="multi",
            default=[FAILS],
            key="fallback_modes",
        )
    with right, st.container(horizontal=True, vertical_alignment="bottom"):
        times = st.number_input("Requests each", min_value=1, max_value=MOST_REQUESTS, value=1, key="fallback_times")
        cap = st.number_input(
            "Cap, USD", min_value=0.001, max_value=MOST_USD, value=USUAL_USD, step=0.01, format="%.3f",
            key="fallback_cap", help="No more requests are sent once the rehearsal could cost more than this.",
        )  # fmt: skip
    modes = tuple(mode for mode in MODES if mode in chosen)
    if pending.told(board):
        st.caption(":material/info: What is prepared above is not in force, so it is not what is rehearsed.")
    reason = _preview(board, group, modes, int(times), float(cap))
    params = {"cluster": board.cluster, "group": group, "modes": modes, "times": int(times), "cap_usd": float(cap)}
    actions.button(
        "Rehearse…", ACTION, params, key="fallback_rehearse", icon=":material/science:", primary=True, reason=reason
    )


def _preview(board: Board, group: str, modes: tuple[str, ...], times: int, cap: float) -> str:
    """Who may answer and what it may cost; why it cannot be rehearsed, "" when it can."""
    config, routing = board.config, board.routing
    if config is None or routing is None:
        return "The running proxy is not connected."
    if not modes:
        return "Choose what is rehearsed."
    obstacle = ways.obstacle(config, routing, group)
    if obstacle:
        return obstacle
    if modes != (NORMAL,) and ways.mocks_refused(config, routing):
        return f"This proxy refuses requests that ask for a failure: its file does not set general_settings.{MOCKS}."
    found: dict[str, tuple[Answerer, ...]] = {}
    try:
        for mode in modes:
            found[mode] = ways.way(config, routing, group, mode)
    except Refused as error:
        return str(error)
    st.markdown(
        "\n".join(
            f"- {MODES[mode].capitalize()}: {words.plain(ways.listed(answerers))}" for mode, answerers in found.items()
        )
    )
    worst, count = ways.worst_usd(found.values(), times), times * len(modes)
    unknown = dict.fromkeys(name for answerers in found.values() for name in ways.unpriced(answerers))
    said = f"{words.counted(count, 'request')} · at most \\${worst:.4f}"
    if unknown:
        said += f", and what {words.plain(', '.join(unknown))} would charge, which is not known"
    st.caption(f":material/payments: {said}")
    if count > MOST_REQUESTS:
        return f"A rehearsal sends at most {MOST_REQUESTS} requests."
    return f"The cap is below what it may cost: ${worst:.4f}." if worst > cap else ""


def _last(page: Page, board: Board, group: str) -> None:
    own = "" if page.scope.sees.whole else proposal.person().id
    reading = queries_fallback.rehearsed(page.mode, board.cluster, group, own)
    if reading.value is None and reading.problem is None:
        return
    rehearsed = shell.shown(reading, "The last rehearsal")
    if rehearsed is None:
        return
    operation = rehearsed.operation
    icon, colour, word = STATES[operation.state]
    when = words.ago(operation.started_at or operation.proposed_at, runtime.current().now())
    st.markdown(
        f"**Last rehearsal** · {icon} :{colour}[{word}] · {when} by {words.plain(operation.actor_name)}"
        f"  \n{words.plain(operation.verification or operation.outcome)}"
    )
    tables.show(
        rehearsed.requests,
        REQUESTS,
        key="fallback_rehearsed",
        alt="Requests of the last rehearsal with who answered each.",
        page=page,
        as_of=operation.finished_at,
        window="",
        prices="prices of the gateway, USD",
    )
    if st.button("Open in Audit", key="fallback_rehearsed_audit", icon=":material/history:", type="tertiary"):
        st.switch_page(AUDIT, query_params={"op": operation.id})
