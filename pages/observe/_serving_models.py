"""The first screen of the Serving page: the headline, which workload, and the table of all."""

import math

import pandas as pd
import streamlit as st

from pages.ui import filters, panels, queries_fallback, shell, tables, tables_serving, tiles, words
from pages.ui.shell import Page
from services.domain.serving.health import FULL_CACHE
from services.reading import Absence
from services.serving import Board, Key

WORKLOAD = "serving_workload"
COLLECT = (
    "vLLM and Triton tell on /metrics as they come; SGLang needs --enable-metrics. Prometheus must scrape the pods "
    "with the labels namespace and pod, as a PodMonitor does."
)
STATES = {
    "cache": "KV cache full",
    "bound": "Bound reached",
    "replicas": "Requests wait",
    "slow": "Slow first token",
    "slack": "Room to spare",
}


def draw(page: Page) -> Board | None:
    """The tiles; None when nothing is known."""
    reading = queries_fallback.serving(page.mode, page.scope)
    board = shell.shown(reading, "What engines tell")
    if reading.absence is Absence.NOT_COLLECTED:
        st.caption(words.plain(COLLECT))
    if board is None:
        return None
    if board.served.empty:
        panels.nothing("No engine here", "No workload of this scope has an engine that was seen in the window.")
        return None
    _tiles(page, board)
    if board.strangers:
        st.caption(
            f":material/help: {words.counted(board.strangers, 'pod')} with an engine "
            f"{'belongs' if board.strangers == 1 else 'belong'} to no workload that holds GPUs now, and are left out."
        )
    return board


def _tiles(page: Page, board: Board) -> None:
    rows, over = board.served, page.scope.range
    grid = st.grid(4, min_column_width=210)
    places = [grid.container(height="stretch") for _ in range(4)]
    with places[0]:
        most = rows.sort_values("waiting_peak", ascending=False, na_position="last").iloc[0]
        tip = "Requests that wait in an engine for room in its batch; the most at once of any workload."
        peak = float(most["waiting_peak"])
        under = "none waited" if not peak > 0 else f"in {most['workload']}"
        tiles.tile(f"Waiting at most, {over}", _whole(peak), under, _colour(peak >= 10, peak), tip)
    with places[1]:
        full = rows.sort_values("cache_peak", ascending=False, na_position="last").iloc[0]
        peak = float(full["cache_peak"])
        tip = "Of the memory for what was read and written, in the fullest replica. Beyond 90 % requests begin anew."
        under = f"in {full['workload']}" if not math.isnan(peak) else "no engine tells"
        tiles.tile(f"KV cache, {over}", _share(peak), under, _colour(peak >= FULL_CACHE, peak), tip)
    with places[2]:
        slow = rows.sort_values("first_p95_s", ascending=False, na_position="last").iloc[0]
        worst = float(slow["first_p95_s"])
        tip = "95 % of requests had their first token sooner. Of the slowest workload; of at most the last 24 hours."
        under = f"p95 in {slow['workload']}" if not math.isnan(worst) else "no engine tells"
        tiles.tile("First token", None if math.isnan(worst) else words.latency(worst), under, tip=tip)
    with places[3]:
        known = rows[rows["tokens_per_s"].notna()]
        value = None if known.empty else f"{known['tokens_per_s'].sum():,.0f}/s"
        tip = "Tokens all engines of the scope wrote a second, mean over the window."
        finished = rows["finished"].sum(min_count=1)
        under = "" if math.isnan(finished) else f"{words.many(finished)} requests finished"
        tiles.tile("Tokens written", value, under, tip=tip)


def choose(board: Board) -> Key | None:
    """The workload looked at: the link's, else one that needs attention, else the busiest."""
    rows = board.served
    keys = [(str(a), str(b), str(c)) for a, b, c in rows[["cluster", "namespace", "workload"]].to_numpy().tolist()]
    names = [name(key, keys) for key in keys]
    order = sorted(
        range(len(keys)), key=lambda at: (_urgency(board, keys[at]), -float(rows["running"].fillna(0.0).iat[at]))
    )
    chosen = filters.choose("Workload", names, key=WORKLOAD, nothing=f"Most in need: {names[order[0]]}")
    return keys[names.index(chosen)] if chosen in names else keys[order[0]]


def name(key: Key, keys: list[Key]) -> str:
    """A workload as it stands in a link: with its cluster where another has the same."""
    cluster, namespace, workload = key
    alone = sum(one[1:] == key[1:] for one in keys) == 1
    return f"{namespace}/{workload}" if alone else f"{namespace}/{workload} in {cluster}"


def state(board: Board, key: Key) -> str:
    """The most urgent advice in two words; "" where there is none."""
    found = board.advice.get(key, ())
    return STATES[found[0].kind] if found else ""


def in_figures(page: Page, board: Board) -> None:
    """All workloads with an engine, with their file."""
    st.subheader("In figures", anchor=False, help="Workloads with an engine, all their replicas together.")
    rows = board.served
    states = [
        state(board, (str(a), str(b), str(c))) for a, b, c in rows[["cluster", "namespace", "workload"]].to_numpy()
    ]
    frame = rows.assign(
        state=pd.Series(states, index=rows.index, dtype="str"),
        first_p50_seconds=rows["first_p50_s"],
        first_p95_seconds=rows["first_p95_s"],
        each_p95_seconds=rows["each_p95_s"],
        tokens_a_second=rows["tokens_per_s"],
        gpu_tokens_a_second=rows["gpu_tokens_per_s"],
    )
    tables.show(
        frame.sort_values(["waiting_peak", "running"], ascending=False),
        tables_serving.SERVED,
        key="serving_table",
        alt="Workloads with an engine: load, KV cache, times to tokens, tokens a second.",
        page=page,
        as_of=board.points[-1],
    )


def _urgency(board: Board, key: Key) -> int:
    found = board.advice.get(key, ())
    return 1 if not found else 2 if found[0].kind == "slack" else 0


def _whole(value: float) -> str | None:
    return None if math.isnan(value) else f"{value:,.0f}"


def _share(value: float) -> str | None:
    return None if math.isnan(value) else words.percent(value)


def _colour(bad: bool, value: float) -> tiles.Colour:
    return "off" if math.isnan(value) else "red" if bad else "green"
