"""The first screen of the Fallback page: which gateway and group, the headline, and tables of all."""

import math

import pandas as pd
import streamlit as st

from pages.ui import filters, panels, queries, queries_fallback, shell, tables, tables_fallback, tiles, words
from pages.ui.shell import Page
from services.domain.fallback import OUTCOMES
from services.domain.fallback.causes import CAUSES
from services.domain.fallback.figures import causes, figures, most_affected
from services.fallback.board import Board
from services.reading import Absence

CLUSTER, GROUP = "fallback_gateway", "fell_group"
CHAIN = "fallback_group"
"""The group in links to the page Chains. A name both pages had would be lost on the way from one to the other."""
COLLECT = (
    "LiteLLM counts requests once its file has callbacks: [prometheus] under litellm_settings. Prometheus must scrape "
    "/metrics/ with the slash, as /metrics only redirects, and since LiteLLM 1.84 with a key as bearer token. Before "
    "1.80 these counters needed a licence."
)
PRICES = "prices of the gateway, USD"


def choose_gateway(page: Page) -> str:
    """The cluster whose gateway is looked at; "" when there is none."""
    names = queries_fallback.places(page.mode, page.scope.cluster)
    if not names:
        panels.nothing(
            "No gateway here",
            "No LiteLLM gateway is configured for this scope. The settings name the address of the proxy, its "
            "ConfigMap and its Deployment.",
        )
        return ""
    if len(names) == 1:
        return names[0]
    chosen = filters.choose("Gateway of cluster", names, key=CLUSTER, nothing=names[0])
    return chosen if chosen in names else names[0]


def draw(page: Page, cluster: str) -> Board | None:
    """The tiles; None when nothing is known."""
    reading = queries_fallback.board(page.mode, cluster, page.scope)
    board = shell.shown(reading, "Requests of the gateway")
    if reading.absence is Absence.NOT_COLLECTED:
        st.caption(words.plain(COLLECT))
    if board is None:
        return None
    _tiles(page, board)
    narrowed = [name for name in ("pool", "model", "namespace") if getattr(page.scope, name)]
    if narrowed:
        st.caption(f":material/filter_alt_off: Requests belong to no {' and no '.join(narrowed)}; shown are all.")
    if board.gateway is None or (board.gateway.config is None and board.gateway.routing is None):
        st.info(
            "Neither the gateway's file nor its process can be read, so which tier is first is not known: all that "
            "a group's own deployments answered counts as the first tier's.",
            icon=":material/help:",
        )
    return board


def _tiles(page: Page, board: Board) -> None:
    row, over = figures(board.routes).iloc[0], page.scope.range
    rates = figures(board.routes, ["group"])["fallback_rate"].fillna(0.0)
    most = 0.0 if rates.empty else float(rates.max())
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    with places[0]:
        _rate(float(row["fallback_rate"]), f"Fallback rate, {over}", most)
    with places[1]:
        own, paid = float(row["answered"] - row["paid"]), words.percent(float(row["paid_share"]))
        under = f"{paid} at providers" if row["answered"] else "no request was answered"
        tiles.tile("On own GPUs", requests(own), under, tip="Requests your own deployments answered.")
    with places[2]:
        lost = float(row["lost"])
        under = (
            f"{words.percent(float(row['lost_rate']))} of {words.many(float(row['asked']))}"
            if row["asked"]
            else "none was asked"
        )
        tip = (
            "Requests that nobody answered: every tier failed. Those that were malformed or not allowed are not in it."
        )
        tiles.tile("Requests lost", requests(lost), under, "red" if lost >= 0.5 else "green", tip)
    with places[3]:
        _paid(board)
    name, share = most_affected(board.routes)
    if name:
        told = f"{words.percent(share)} of {words.plain(name)} fell back or were lost"
        st.caption(f":material/fork_right: Most affected: {told}.")


def _rate(rate: float, label: str, worst: float) -> None:
    """Of all groups; a large group hides what a small one suffers, so that one decides the colour."""
    tip = "Of the answered requests, those another than the first tier answered after a failure. Requests, not hops."
    if math.isnan(rate):
        tiles.tile(label, None, "no request was answered", tip=tip)
        return
    target = queries.policy().fallback_target
    colour: tiles.Colour = "red" if max(rate, worst) > target else "green"
    tiles.tile(label, words.percent(rate), f"target {words.share(target)}", colour, tip)


def _paid(board: Board) -> None:
    tip = (
        "What the gateway counted for requests that fell to providers, or were routed there by design. At home: the "
        "same tokens at the price of your own GPUs this month, as the Cost page has it."
    )
    cost = board.extra
    if cost.paid is None:
        tiles.tile("Paid for fallbacks", None, "a tier has no price", tip=tip)
    elif not cost.paid:
        tiles.tile("Paid for fallbacks", "$0", "nothing fell to a provider", "green", tip)
    elif cost.more is None:
        tiles.tile("Paid for fallbacks", words.money(cost.paid), "own price not known", tip=tip)
    else:
        side = "more" if cost.more >= 0 else "less"
        under = f"{words.money(abs(cost.more))} {side} than at home"
        tiles.tile("Paid for fallbacks", words.money(cost.paid), under, "red" if cost.more >= 1 else "off", tip)


def choose_group(board: Board) -> str:
    """The group looked at: the link's, else the most affected."""
    names = board.groups
    if not names:
        return ""
    worst = most_affected(board.routes)[0] or names[0]
    chosen = filters.choose("Model group", names, key=GROUP, nothing=f"Most affected: {worst}")
    return chosen if chosen in names else worst


def in_figures(page: Page, board: Board) -> None:
    """All groups, teams and causes, each with its file."""
    st.subheader("In figures", anchor=False, help="Requests of the window; each counts once.")
    by = st.segmented_control(
        "By",
        ["Model group", "Team", "Cause"],
        default="Model group",
        required=True,
        key="fallback_by",
        bind="query-params",
    )
    if board.routes.empty:
        panels.nothing("No requests", "Nobody asked this gateway for anything in the window.")
        return
    if by == "Cause":
        _causes(page, board)
        return
    column = "team" if by == "Team" else "group"
    frame = figures(board.routes, [column])
    if column == "team":
        frame["team"] = frame["team"].mask(frame["team"].eq(""), "(no team)")
    columns = tables_fallback.TEAMS if column == "team" else tables_fallback.GROUPS
    tables.show(
        _whole(frame.sort_values(["fallen", "lost"], ascending=False)),
        columns,
        key=f"fallback_by_{column}",
        alt=f"Requests by {column}: answered, fallen back, lost, and what was paid.",
        page=page,
        as_of=board.points[-1],
        prices=PRICES,
    )


def _causes(page: Page, board: Board) -> None:
    frame = causes(board.routes, ["group", "status", "error"])
    if frame.empty:
        panels.nothing("Nothing fell back", "Every answered request was answered by its first tier, and none was lost.")
        return
    frame = frame.assign(why=frame["cause"].map(CAUSES), became=frame["outcome"].map(OUTCOMES))
    tables.show(
        _whole(frame),
        tables_fallback.CAUSES,
        key="fallback_by_cause",
        alt="Requests that fell back or were lost, by cause.",
        page=page,
        as_of=board.points[-1],
    )
    if (frame["requests"] % 1 > 1e-6).any():
        st.caption("Counters tell errors of hops; where a request made several, causes are shared out.")


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with whole requests, where some were shared out."""
    return frame.round(dict.fromkeys(("requests", "asked", "fallen", "by_design", "lost", "refused"), 0))


def requests(number: float) -> str:
    """Requests, rounded."""
    return f"{number:,.0f}"
