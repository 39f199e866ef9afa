"""One workload that serves: its load over time, its batch settings with advice, and its replicas."""

import pandas as pd
import streamlit as st

from pages.ui import charts, panels, shell, tables, tables_serving, theme, words
from pages.ui.shell import Page
from services.domain.serving import health
from services.domain.signals import Unit
from services.serving import Board, Key

SETTINGS = {
    "sequences": "Requests at once, each replica",
    "batch_tokens": "Tokens in a batch",
    "memory_share": "Share of GPU memory",
    "length": "Longest context, tokens",
    "gpus_per_model": "GPUs of one replica",
    "cache_type": "Type of the KV cache",
    "quantisation": "Quantisation",
    "prefix_cache": "Prefix cache",
}


def draw(page: Page, board: Board, key: Key) -> None:
    """Trends, settings, replicas."""
    rows = board.of(key)
    points = pd.DatetimeIndex(list(board.points)).as_unit("us")
    trend = health.trend(rows, points, board.step.total_seconds())
    st.subheader(f"Load of {words.plain(key[2])}", anchor=False, help="All replicas together; gaps were not seen.")
    _advice(board, key)
    left, right = st.columns(2)
    with left:
        _lines(page, trend, {"running": "Running", "waiting_peak": "Waiting, most"}, Unit.COUNT, "serving_load")
    with right:
        if trend["cache_peak"].notna().any():
            _lines(page, trend, {"cache_peak": "KV cache, fullest replica"}, Unit.RATIO, "serving_cache")
        else:
            panels.nothing("KV cache", "This engine does not tell how full it is.")
    with left:
        _lines(page, trend, {"tokens_per_s": "Tokens written a second"}, Unit.COUNT, "serving_tokens")
    with right:
        _settings(page, board, key)
    st.subheader("Replicas", anchor=False)
    tables.show(
        health.replicas(rows),
        tables_serving.REPLICAS,
        key="serving_replicas",
        alt="Replicas of the workload with load, KV cache and tokens.",
        page=page,
        as_of=board.points[-1],
    )
    with st.container(horizontal=True):
        more = {"cluster": key[0], "ns": key[1]}
        shell.link("workloads", "GPUs it holds", page.scope, icon=":material/deployed_code:", **more)
        shell.link("fallback", "What fell back", page.scope, icon=":material/fork_right:", cluster=key[0])


def _advice(board: Board, key: Key) -> None:
    found = board.advice.get(key, ())
    for one in found:
        text = f"{words.plain(one.says)} {words.plain(one.do)}"
        if one.kind == "slack":
            st.info(text, icon=":material/unfold_less:")
        else:
            st.warning(text, icon=":material/hourglass_top:")
    if not found:
        st.caption(":material/check: Neither saturated nor with replicas to spare, as far as its engines tell.")


def _lines(page: Page, trend: pd.DataFrame, names: dict[str, str], unit: Unit, key: str) -> None:
    told = trend.melt(["at"], list(names), var_name="group", value_name="value")
    told["group"] = told["group"].map(names)
    title = " and ".join(names.values())
    st.caption(f"**{title}**")
    if told["value"].isna().all():
        panels.nothing("Not told", "The engine does not tell this.")
        return
    figure = charts.lines(told, unit, panels.zone(), theme.current(), height=210)
    st.plotly_chart(figure, key=key, alt=f"{title} over {page.scope.range}.", config={"displaylogo": False})


def _settings(page: Page, board: Board, key: Key) -> None:
    st.caption("**Batch settings**", help="From the arguments of a pod; environment variables are not read.")
    found = board.settings.get(key)
    if not found:
        panels.nothing("Not told", "The pod's arguments set none of those that are known; the engine's defaults hold.")
        return
    rows = [(SETTINGS[name], one.text, one.flag) for name, one in found.items()]
    tables.show(
        pd.DataFrame(rows, columns=list(tables_serving.SETTINGS), dtype="str"),
        tables_serving.SETTINGS,
        key="serving_settings",
        alt="Batch settings of the workload's engine.",
        page=page,
        as_of=board.points[-1],
        window="",
    )
