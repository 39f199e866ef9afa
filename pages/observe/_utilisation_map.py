"""The heat map of the Utilisation page: aggregate, then drill."""

import html
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.ui import charts, filters, panels, queries, shell, theme, words
from pages.ui.shell import Page
from services.domain.signals import Unit
from services.utilisation import MEASURES

NODE, GPU, MEASURE = "util_node", "util_gpu", "util_measure"
MAP = "util_map"


def controls(page: Page) -> tuple[str, str]:
    """Which node is looked at ("" for all) and what the map shows; both in the URL."""
    nodes = queries.nodes(page.mode, page.scope)
    names = [] if nodes.value is None else sorted(nodes.value["node"])
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left, st.container(horizontal=True, vertical_alignment="bottom"):
        measure = st.segmented_control(
            "Map shows",
            list(MEASURES),
            default="util",
            required=True,
            format_func=lambda name: MEASURES[name],
            key=MEASURE,
            bind="query-params",
        )
    with right:
        node = filters.choose("Node", names, key=NODE, nothing="All nodes", help="Or click a square on the map.")
    if node:
        st.button("All nodes", icon=":material/arrow_back:", on_click=_back, key="util_back", type="tertiary")
    return node, measure or "util"


def _back() -> None:
    st.session_state[NODE] = ""


def _picked() -> None:
    points = st.session_state[MAP]["selection"]["points"]
    if not points:
        return
    _, node, gpu, *_ = (html.unescape(text) for text in points[0]["customdata"])
    if st.session_state.get(NODE) != node:
        st.session_state[NODE] = node
    if gpu:
        st.session_state[GPU] = gpu
        with suppress(StreamlitAPIException):  # the address follows by itself once the GPU's field has been drawn
            st.query_params[GPU] = gpu
    st.rerun()  # the map is in the refreshing region; the node's field and what follows from it are not


def draw(page: Page, node: str, measure: str) -> None:
    """The map: a square per GPU, or per node of a large fleet."""
    cells = shell.shown(queries.heat(page.mode, page.scope, measure, node), "The map")
    if cells is None:
        return
    if cells.empty:
        panels.nothing("No GPUs in this scope", "Clear the filters, or look at Sources if you expected some.")
        return
    per_node = bool((cells["gpu"] == "").all() and (cells["use"] != "unknown").any())
    what = "node" if per_node else "GPU"
    st.caption(
        f"One mark per {what}. Colour is {MEASURES[measure].lower()}, shape is the class of use "
        "(mixed: MIG instances of several classes); "
        "click a mark to look closer."
    )
    unit = Unit.CELSIUS if measure == "temperature" else Unit.RATIO
    st.plotly_chart(
        charts.heat(cells, unit, theme.current()),
        key=MAP,
        on_select=_picked,
        selection_mode="points",
        alt=f"{MEASURES[measure]} of {words.gpus(float(cells['gpus'].sum()))}, one square per {what}.",
        config={"displayModeBar": False},
    )
