"""Utilisation: what are the GPUs doing, where and for whom?"""

import streamlit as st

from pages.observe import _utilisation_detail as detail
from pages.observe import _utilisation_map as heat
from pages.ui import panels, queries, shell, tables, tiles

page = shell.page("Utilisation")
scope, mode = page.scope, page.mode
node, measure = heat.controls(page)


@shell.live
def picture() -> None:
    """Tiles and map; of the whole scope, classes and distribution as well."""
    tiles.utilisation(page, node)
    heat.draw(page, node, measure)
    if node:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("How GPUs are used", anchor=False, help="GPU equivalents by class, now.")
        detail.classes(page)
    with right:
        st.subheader("Distribution", anchor=False, help=f"GPU equivalents by mean utilisation, {scope.range}.")
        detail.distribution(page)


picture()
if node:
    detail.one_node(page, node)
else:
    st.subheader("Trends", anchor=False)
    panels.explorer(page)
    detail.basis(page)
    st.subheader("Top wasters", anchor=False, help="Who leaves most of what they hold unused over the window.")
    reading = queries.wasters(mode, scope)
    wasters = shell.shown(reading, "Wasters")
    if wasters is not None and wasters.empty:
        panels.nothing("Nobody wastes GPUs here", "No held GPU of this scope was measured in this window.")
    elif wasters is not None:
        tables.show(
            wasters,
            tables.WASTERS,
            key="util_wasters",
            alt="Workloads with the most unused GPUs.",
            page=page,
            as_of=reading.as_of,
        )
shell.glossary("Utilisation", "GPU equivalent", "Held idle", "Active", "Free", "Remainder", "List price")
