"""Utilisation: what are the GPUs doing, where and for whom?"""

import streamlit as st

from pages.observe import _utilisation_detail as detail
from pages.observe import _utilisation_map as heat
from pages.ui import charts, panels, queries, shell, tables, theme, tiles
from services.domain.attribution import GROUPS
from services.panels.catalogue import PANELS

page = shell.page("Utilisation")
scope, mode = page.scope, page.mode
node, measure = heat.controls(page)


@shell.live
def picture() -> None:
    """Tiles, map, classes and distribution."""
    tiles.utilisation(page)
    heat.draw(page, node, measure)
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("How GPUs were used", anchor=False, help="GPU equivalents by class, last half hour.")
        detail.classes(page)
    with right:
        st.subheader("Distribution", anchor=False, help=f"GPU equivalents by mean utilisation, {scope.range}.")
        bands = shell.shown(queries.distribution(mode, scope), "Distribution")
        if bands is not None:
            st.plotly_chart(
                charts.bands(bands, theme.current()), key="util_bands", alt="GPUs by utilisation band.", config={"displaylogo": False}
            )


picture()

st.subheader("Trends", anchor=False)
with st.container(horizontal=True):
    panel = st.segmented_control(
        "Measure",
        list(PANELS),
        default="utilisation",
        required=True,
        format_func=lambda name: PANELS[name].title,
        key="util_panel",
        bind="query-params",
        label_visibility="collapsed",
    )
    group = st.segmented_control(
        "Split by",
        [name for name in GROUPS if name != "node"],
        default="pool",
        required=True,
        format_func=lambda name: f"by {name}",
        key="util_group",
        bind="query-params",
        label_visibility="collapsed",
    )
st.caption(PANELS[panel or "utilisation"].help)
panels.show(panel or "utilisation", page, group or "pool", key="util_trend")
detail.basis(page)

st.subheader("Top wasters", anchor=False, help="Held GPUs with the most unused time over the window, dearest first.")
reading = queries.wasters(mode, scope)
wasters = shell.shown(reading, "Wasters")
if wasters is not None:
    if wasters.empty:
        panels.nothing("Nobody wastes GPUs here", "No held GPU of this scope was measured in this window.")
    else:
        tables.show(
            wasters,
            tables.WASTERS,
            key="util_wasters",
            alt="Held GPUs with the most unused time.",
            scope=scope,
            mode=mode,
            as_of=reading.as_of,
        )
detail.one_gpu(page, node)
shell.glossary("Utilisation", "GPU equivalent", "Held idle", "Active", "Free", "Remainder", "List price")
