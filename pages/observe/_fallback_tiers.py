"""One chain as it was lived: who answered what part of it, how fast, and who was left out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.observe._fallback_figures import CHAIN, requests
from pages.ui import panels, queries_fallback, shell, tables, tables_fallback, words
from pages.ui.charts_startup import took
from pages.ui.shell import Page
from services.domain.fallback.breakers import STATES
from services.domain.fallback.figures import figures
from services.domain.fallback.figures import tiers as tiers_of
from services.domain.litellm.edits import ranks
from services.fallback.board import Board

COOLDOWN_S = 5.0
"""How long LiteLLM leaves a deployment out where nobody says."""


@dataclass(frozen=True)
class Card:
    """One tier as it is drawn: ``ids`` are its deployments, ``group`` another group it stands for."""

    title: str
    under: str
    icon: str
    requests: float
    ids: tuple[str, ...] = ()
    group: str = ""


def cooldown_s(board: Board) -> float:
    """How long the gateway leaves a deployment out, by its file."""
    config = None if board.gateway is None else board.gateway.config
    return COOLDOWN_S if config is None else config.numbers.get("cooldown_time", COOLDOWN_S)


def draw(page: Page, board: Board, group: str) -> None:
    """The chain of a group, tier by tier, with what became of its requests."""
    if not group:
        panels.nothing("No model groups", "The gateway has none, and nobody asked it for one.")
        return
    rows = board.routes[board.routes["group"] == group]
    row = figures(rows).iloc[0]
    tip = (
        "From left to right, as a request tries them. Shares are of the requests that were asked, those lost included."
    )
    st.subheader(f"Who answered {words.plain(group)}", anchor=False, help=tip)
    speed = _by_id(queries_fallback.speed(page.mode, board.cluster, page.scope.range).value)
    sent = _by_id(queries_fallback.attempts(page.mode, board.cluster, page.scope.range).value)
    reading = queries_fallback.breakers(page.mode, board.cluster, page.scope.range, cooldown_s(board))
    cards = _cards(board, group, rows)
    grid = st.grid(max(min(len(cards) + 1, 5), 2), min_column_width=200)
    for number, card in enumerate(cards, 1):
        with grid.container(height="stretch"):
            _card(card, number, float(row["asked"]), speed, sent, reading.value)
    with grid.container(height="stretch"), st.container(border=True, height="stretch", gap="xxsmall"):
        st.markdown(":material/block: **Nobody**")
        st.caption("every tier failed")
        _share(float(row["lost"]), float(row["asked"]))
    with st.container(horizontal=True):
        more = {"cluster": board.cluster, CHAIN: group}
        shell.link("fallback-edit", "Change this chain", page.scope, icon=":material/alt_route:", **more)
    _breakers(page, board, cards, reading.value)


def _cards(board: Board, group: str, rows: pd.DataFrame) -> list[Card]:
    found = tiers_of(rows, group)
    own = found[found["via"] == ""].set_index("id")["requests"]
    cards: list[Card] = []
    config = None if board.gateway is None else board.gateway.config
    tiers = None if board.gateway is None else board.gateway.tiers[board.gateway.tiers["group"] == group]
    chain = config.chain(group) if config is not None and group in config.groups else None
    told: set[str] = set()
    if tiers is not None:
        keys = tiers.set_index("key")
        order = [place.key for rank in ranks(chain.tiers) for place in rank] if chain else list(tiers["key"])
        for key in dict.fromkeys([*order, *tiers["key"]]):
            if key in keys.index:
                one = keys.loc[key]
                one = one.iloc[0] if isinstance(one, pd.DataFrame) else one
                told.add(str(one["id"]))
                cards.append(_deployment(key, one, float(own.get(one["id"], 0.0))))
    for id_, number in own.items():
        if id_ not in told:
            title = words.plain(str(id_)) or "Unknown deployment"
            cards.append(Card(title, "not in the file or the process now", ":material/help:", number, (str(id_),)))
    names = (
        [] if chain is None else [*chain.fallbacks, *chain.context_window_fallbacks, *chain.content_policy_fallbacks]
    )
    if chain is not None and not chain.fallbacks and config is not None:
        names += list(config.default_fallbacks)
    via = found[found["via"] != ""].groupby("via")["requests"].sum()
    others = dict.fromkeys([*(name for name in names if name != group), *map(str, via.index)])
    icon = ":material/alt_route:"
    return cards + [
        Card(words.plain(name), "another group", icon, float(via.get(name, 0.0)), group=name) for name in others
    ]


def _deployment(key: str, one: Mapping[Any, Any], number: float) -> Card:
    own = one["runs"] == "self-hosted"
    order = "" if pd.isna(one["order"]) else f"order {one['order']:g}"
    facts = ["own GPUs" if own else words.plain(str(one["provider"])) or "provider", order]
    icon = ":material/memory:" if own else ":material/cloud:"
    return Card(words.plain(str(key)), " · ".join(filter(None, facts)), icon, number, (str(one["id"]),))


def _card(
    card: Card,
    number: int,
    asked: float,
    speed: Mapping[str, Any],
    sent: Mapping[str, Any],
    breakers: pd.DataFrame | None,
) -> None:
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.markdown(f"{number} {card.icon} **{card.title}**")
        st.caption(card.under)
        _share(card.requests, asked)
        for id_ in card.ids:
            facts = _facts(id_, speed, sent)
            if facts:
                st.caption(" · ".join(facts))
            st.caption(_rotation(id_, breakers))


def _share(number: float, asked: float) -> None:
    share = number / asked if asked else math.nan
    st.markdown(f"**{words.percent(share)}**" if asked else f"**{words.DASH}**")
    st.progress(min(max(share, 0.0), 1.0) if asked else 0.0)
    st.caption(f"{requests(number)} requests" if asked else "no requests")


def _facts(id_: str, speed: Mapping[str, Any], sent: Mapping[str, Any]) -> list[str]:
    facts = []
    if id_ in speed:
        one = speed[id_]
        facts.append(f"p50 {words.latency(one['p50_s'])}, p95 {between(one['p95_from_s'], one['p95_to_s'])}")
    if id_ in sent:
        one = sent[id_]
        tried = one["answered"] + one["failed"]
        if one["failed"]:
            after = f" ({words.plain(one['status'] or one['error'])})"
            facts.append(f"{words.percent(one['failed'] / tried)} of {requests(tried)} attempts failed{after}")
        elif tried:
            facts.append("no attempt failed")
    return facts


def between(low: float, high: float) -> str:
    """The bucket a quantile lies in: nothing is known of where in it."""
    if math.isinf(high):
        return f"over {words.latency(low)}"
    return f"up to {words.latency(high)}" if not low else f"{words.latency(low)} to {words.latency(high)}"


def _rotation(id_: str, breakers: pd.DataFrame | None) -> str:
    if breakers is None:
        return ":material/help: whether it is in rotation is not known"
    mine = breakers[breakers["id"] == id_]
    out = mine[mine["state"] == "out"]
    if len(out):
        return f":material/timer_off: left out now by {words.plain(', '.join(out['replica'][:3]))}"
    times = float(mine["cooldowns"].sum())
    if not times:
        return ":material/check_circle: never left out"
    return f":material/history: left out {requests(times)} times, in rotation now"


def _by_id(frame: pd.DataFrame | None) -> dict[str, Any]:
    return {} if frame is None else {str(one["id"]): one for one in frame.to_dict("records")}


def _breakers(page: Page, board: Board, cards: list[Card], frame: pd.DataFrame | None) -> None:
    """Which replica of the proxy left which deployment out."""
    if frame is None:
        return
    ids = [id_ for card in cards for id_ in card.ids]
    mine = frame[frame["id"].isin(ids)]
    seconds = cooldown_s(board)
    with st.expander("Cooldowns by replica of the proxy", icon=":material/timer_off:"):
        st.caption(
            f"A proxy that saw a deployment fail too often leaves it out for {took(seconds)}. Each replica judges for "
            "itself, unless they share a Redis."
        )
        if seconds < 60:
            st.caption(
                "Cooldowns are shorter than the minute between two looks: left out now is not seen to the second."
            )
        if mine.empty:
            st.caption("No replica sent requests to these deployments, or nobody counts them.")
            return
        shown = mine.assign(tier=mine["id"], now=mine["state"].map(STATES))
        tables.show(
            shown,
            tables_fallback.BREAKERS,
            key="fallback_breakers",
            alt="Cooldowns by deployment and replica of the proxy.",
            page=page,
            as_of=board.points[-1],
        )
