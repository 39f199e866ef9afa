"""The first screen: every group's chain, where it was read, and what is wrong with it."""

import math
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from pages.operate import _fallback_pending as pending
from pages.ui import filters, panels, queries, shell, tables, tiles, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services import runtime
from services.domain.findings import Severity
from services.domain.litellm.edits import ranks
from services.domain.litellm.lint import Lint
from services.gateway import read as gateway
from services.gateway.read import Board

C = st.column_config
CLUSTER, GROUP, ROW = "fallback_gateway", "fallback_group", "fallback_row"
FIRST = 6
_LOOKS = {
    Severity.CRITICAL: (":material/error:", "red", "Critical"),
    Severity.WARNING: (":material/warning:", "orange", "Warning"),
    Severity.NOTICE: (":material/info:", "blue", "Notice"),
}
CHAINS: dict[str, Any] = {
    "group": C.TextColumn("Model group", pinned=True),
    "chain": C.TextColumn("Tried in this order", help="Deployments; + shares one rank; then groups"),
    "first": C.TextColumn("First choice", help="Whether it runs on your own GPUs or at a provider"),
    "first_share": C.NumberColumn(
        "Answers", format="%.1f %%", help="The first choice, of the group's requests in the last 24 hours"
    ),
    "requests": C.NumberColumn("Requests", format="localized", help="In the last 24 hours; empty when not counted"),
    "unanswered": C.NumberColumn("Lost", format="localized", help="Of these, answered by nobody"),
    "spent_usd": C.NumberColumn("Spend", format="$%.2f", help="In the last 24 hours, by the gateway's own prices"),
    "findings": C.NumberColumn("Findings"),
    "pending": C.TextColumn("Prepared"),
}


def choose_gateway(page: Page) -> str:
    """The cluster whose gateway is looked at; "" when there is none."""
    names = [name for name in gateway.places(runtime.current()) if page.scope.cluster in ("", name)]
    if not names:
        panels.nothing(
            "No gateway here",
            "No LiteLLM gateway is configured for this scope. The settings name its ConfigMap, its Deployment and the "
            "address of the proxy.",
        )
        return ""
    if len(names) == 1:
        return names[0]
    chosen = filters.choose("Gateway of cluster", names, key=CLUSTER, nothing=names[0])
    return chosen if chosen in names else names[0]


def source(page: Page, cluster: str) -> Board | None:
    """Where it was read and whether file and process agree."""
    reading = queries.routing(page.mode, cluster)
    board = shell.shown(reading, "Chains", needs="gateway")
    if board is None:
        return None
    place, routing = board.place, board.routing
    file = "unknown" if board.config is None else words.code(f"{place.namespace}/{place.configmap} {place.key}")
    process = "not asked" if routing is None else f"LiteLLM {words.plain(routing.version) or 'of unknown version'}"
    now = runtime.current().now()
    since = routing.since if routing is not None else None
    if since is not None:
        process += f", started {words.ago(since, now)}"
    st.caption(
        f":material/description: File: {file} · :material/memory: Running proxy: {process} · "
        f"cluster {words.plain(cluster)} · read {words.ago(reading.as_of, now)}"
    )
    if since is not None and board.counted and now - since < timedelta(hours=24):
        st.caption(":material/info: Figures of the last 24 hours include what was in force before this start.")
    if routing is not None and not routing.knows_fallbacks:
        st.info("This version of LiteLLM does not tell which fallbacks are in force; shown are the file's.")
    if board.differences:
        said = [f"- {words.plain(one.group)}: {words.plain(one.says)}" for one in board.differences[:FIRST]]
        more = len(board.differences) - FIRST
        if more > 0:
            said.append(f"- and {words.counted(more, 'more difference')}")
        st.warning(
            "**The running proxy does not do what its file says.** A restart brings the file into force.\n"
            + "\n".join(said),
            icon=":material/sync_problem:",
        )
    return board


def chains(page: Page, board: Board) -> str:
    """Every group with its chain; the group looked at, "" for none."""
    frame = _frame(board)
    if frame.empty:
        panels.nothing("No model groups", "The gateway's model list is empty.")
        return ""
    row = tables.show(
        frame,
        CHAINS,
        key="fallback_chains",
        alt="Model groups with what a request to them tries, in order.",
        page=page,
        as_of=runtime.current().now(),
        select=True,
        window="24h",
        prices="prices of the gateway, USD",
    )
    names = frame["group"].tolist()
    if clicked(row, key=ROW) and row is not None:
        st.session_state[GROUP] = names[row]
    return filters.choose("Model group", names, key=GROUP, nothing="Choose one to see and change its chain")


def figures(board: Board) -> None:
    """Of all groups in the last 24 hours: what first choices answered, what was lost and spent; and the findings."""
    rows, tiers = _frame(board), board.tiers
    answered = tiers["requests"].sum(min_count=1)
    first = tiers.loc[tiers["rank"] == 1, "requests"].sum()
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    with places[0]:
        tip = "Of the requests anybody answered in the last 24 hours, those the first tier of their group answered."
        known = answered > 0 and board.config is not None  # which tier is first stands in the file
        value = words.percent(first / answered) if known else None
        under = f"of {words.many(answered)} requests" if answered > 0 else "no request is counted"
        tiles.tile("First choice, 24h", value, under, tip=tip)
    with places[1]:
        lost = rows["unanswered"].sum(min_count=1)
        tip = "Requests of the last 24 hours that nobody answered."
        under = "in the last 24 hours" if board.counted else "not counted"
        tiles.tile("Lost", f"{lost:,.0f}" if board.counted else None, under, "red" if lost > 0 else "green", tip)
    with places[2]:
        spent = rows["spent_usd"].sum(skipna=False)
        tip = "Of the last 24 hours, by the gateway's own prices; own GPUs are on the Cost page."
        under = "a deployment has no price" if math.isnan(spent) and board.counted else "at providers, 24 hours"
        tiles.tile("Spend", words.money(spent) if board.counted else None, under, tip=tip)
    with places[3]:
        _lints(board)


def _lints(board: Board) -> None:
    tip = "What is wrong in the file, or will be; listed below."
    if board.config is None:
        tiles.tile("Findings", None, "the file is not read", tip=tip)
        return
    critical, warnings = (
        sum(1 for one in board.lints if one.severity is severity) for severity in (Severity.CRITICAL, Severity.WARNING)
    )
    said = [f"{critical} critical"] if critical else []
    said += [words.counted(warnings, "warning")] if warnings else []
    colour: tiles.Colour = "red" if critical else "orange" if warnings else "green"
    tiles.tile("Findings", str(len(board.lints)), ", ".join(said) or "nothing urgent", colour, tip)


def _frame(board: Board) -> pd.DataFrame:
    tiers = board.tiers
    groups = list(dict.fromkeys([*(board.config.groups if board.config else ()), *tiers["group"]]))
    prepared = set(pending.changed(board))
    rows = []
    for group in groups:
        mine = tiers[tiers["group"] == group]
        first = mine[mine["rank"] == 1] if (mine["rank"] == 1).any() else mine.iloc[:1]
        places = sorted(set(first["runs"]))
        rows.append(
            {
                "group": group,
                "chain": _told(board, group, mine),
                "first": " and ".join(places),
                "first_share": first["share"].sum(min_count=1),
                "requests": mine["requests"].sum(min_count=1) + board.unanswered.get(group, 0.0),
                "unanswered": board.unanswered.get(group, 0.0) if board.counted else None,
                "spent_usd": mine["usd"].sum(skipna=False),
                "findings": sum(1 for one in board.lints if one.group == group),
                "pending": "changed" if group in prepared else "",
            }
        )
    return pd.DataFrame(rows, columns=list(CHAINS))


def _told(board: Board, group: str, tiers: pd.DataFrame) -> str:
    if board.config is None or group not in board.config.groups:
        return " + ".join(tiers["model"])
    chain = pending.chain(board, board.config, group)
    steps = [" + ".join(place.key for place in rank) for rank in ranks(chain.tiers)]
    return " → ".join([*steps, *(chain.fallbacks or pending.defaults(board, board.config))])


def findings(board: Board, group: str) -> None:
    """What is wrong: of the group looked at first, then of the whole file."""
    mine = [one for one in board.lints if one.group == group and group]
    rest = [one for one in board.lints if one not in mine]
    if board.config is None:
        return
    st.subheader(f"Findings ({len(board.lints)})", anchor=False, help="What is wrong in the file, or will be.")
    if not board.lints:
        st.success("Nothing is wrong in this file.", icon=":material/check_circle:")
        return
    shown = [*mine, *rest]
    with st.container(key="fallback_findings", gap="xsmall"):
        for one in shown[:FIRST]:
            _finding(one)
    if len(shown) > FIRST:
        with st.expander(f"{len(shown) - FIRST} more findings", icon=":material/rule:"):
            for one in shown[FIRST:]:
                _finding(one)


def _finding(one: Lint) -> None:
    icon, colour, word = _LOOKS[one.severity]
    place = f" · {words.code(one.place)}" if one.place else ""
    st.markdown(f"{icon} **{words.plain(one.says)}** {words.plain(one.do)}")
    st.caption(f":{colour}[**{word}**]{place}")
