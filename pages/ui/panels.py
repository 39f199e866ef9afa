"""Draws panels: the catalogue's trends and the few figures with a shape of their own."""

import pandas as pd
import streamlit as st

from pages.ui import charts, queries, shell, theme, words
from pages.ui.shell import Page
from services.domain.attribution import GROUPS
from services.panels.catalogue import PANELS, Kind

SPLITS = tuple(name for name in GROUPS if name != "node")


def zone() -> str:
    """The reader's time zone."""
    return st.context.timezone or "UTC"


def nothing(title: str, why: str) -> None:
    """An empty answer: nothing failed, there is nothing."""
    with st.container(border=True):
        st.markdown(f"**{title}.** {why}")


def operations(page: Page) -> pd.DataFrame | None:
    """What people did in the window, to be marked on trends; None while the record cannot be read."""
    return queries.marks(page.mode, page.scope).value


def show(panel_id: str, page: Page, group: str, *, key: str) -> None:
    """One trend of the catalogue, split by ``group``."""
    panel = PANELS[panel_id]
    reading = queries.trend(page.mode, panel_id, page.scope, group)
    trend = shell.shown(reading, panel.title)
    if trend is None:
        return
    if trend.empty:
        nothing("Nothing to draw", f"No GPU of this scope reported {panel.title.lower()} in this window.")
        return
    target = None
    if panel.target:
        level = getattr(queries.policy(), panel.target)
        target = (f"target {words.share(level)}", level)
    figure = charts.lines(
        trend,
        panel.unit,
        zone(),
        theme.current(),
        stacked=panel.kind is Kind.STACK,
        target=target,
        marks=operations(page),
    )
    st.plotly_chart(
        figure,
        key=key,
        alt=f"{panel.title} by {group} over the window {page.scope.range}.",
        config={"displaylogo": False},
    )


def funnel(page: Page) -> None:
    """Total → allocated → active → effective, in GPUs and money per day."""
    reading = queries.funnel(page.mode, page.scope)
    if reading.value is None:
        shell.shown(reading, "The funnel")
        return
    stages = reading.value
    if not stages["gpus"].iat[0]:
        nothing("No GPUs in this scope", "Clear the filters, or look at Sources if you expected some.")
        return
    st.plotly_chart(
        charts.funnel(stages, theme.current()),
        key="overview_funnel",
        alt="; ".join(f"{s}: {words.gpus(g)}" for s, g in zip(stages["stage"], stages["gpus"], strict=True)),
        config={"displayModeBar": False},
    )
    said = []
    unmeasured, unpriced = float(stages["unmeasured"].iat[0]), float(stages["unpriced"].iat[0])
    if unmeasured > 0.05:
        said.append(f"{words.gpus(unmeasured)} allocated on nodes that send no metrics: not in active or effective.")
    if unpriced > 0:
        said.append(f"{words.gpus(unpriced)} have no price and are left out of the money.")
    said.append("Money at list prices.")
    st.caption(" ".join(said))
    if reading.problem is not None or reading.absence is not None:
        shell.shown(reading, "Active and effective GPUs")


def utilisation(page: Page) -> None:
    """Utilisation of the whole scope over its window, small."""
    trend = queries.fleet_utilisation(page.mode, page.scope).value
    if trend is None or trend.empty:
        st.caption(f"{words.DASH} Not known; see above.")
        return
    target = queries.policy().utilisation_target
    figure = charts.lines(
        trend.assign(group="Utilisation"),
        PANELS["utilisation"].unit,
        zone(),
        theme.current(),
        target=(f"target {words.share(target)}", target),
        marks=operations(page),
        height=170,
    )
    st.plotly_chart(
        figure,
        key="overview_trend",
        alt=f"Utilisation over the window {page.scope.range}.",
        config={"displayModeBar": False},
    )


def explorer(page: Page) -> None:
    """Any trend of the catalogue, split as the reader likes; both choices in the URL."""
    titles = {panel.title: panel.id for panel in PANELS.values()}
    with st.container(horizontal=True):
        title = st.segmented_control(
            "Measure", list(titles), default="Utilisation", required=True, key="util_panel", bind="query-params"
        )
        group = st.segmented_control(
            "Split by", list(SPLITS), default="pool", required=True, key="util_group", bind="query-params"
        )
    panel = PANELS[titles.get(title or "", "utilisation")]
    st.caption(panel.help)
    show(panel.id, page, group if group in SPLITS else "pool", key="util_trend")
