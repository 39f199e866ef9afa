"""Overview: is the fleet well used and healthy, and what needs attention now?"""

import streamlit as st

from pages.ui import actions, attention, panels, queries, shell, tables, tiles

page = shell.page("Overview")
scope, mode = page.scope, page.mode


@shell.live
def picture() -> None:
    """Everything that moves: tiles, funnel, findings, pools."""
    tiles.overview(page)
    tiles.levers(page)
    grid = st.grid(2, min_column_width=420)
    with grid.container():
        st.subheader("Where the GPUs go", anchor=False, help="Each stage is a part of the one above it; now.")
        panels.funnel(page)
        st.subheader(f"Utilisation, {scope.range}", anchor=False)
        panels.utilisation(page)
        st.subheader("Free GPUs by pool", anchor=False)
        reading = queries.pools(mode, scope)
        pools = shell.shown(reading, "Pools")
        if pools is not None:
            frame = tables.pools(pools)
            if frame.empty:
                panels.nothing(
                    "No GPU nodes here", "No node of this scope has GPUs, by capacity, label or device slice."
                )
            else:
                tables.show(
                    frame,
                    tables.POOLS,
                    key="overview_pools",
                    alt="Free, held and unusable GPUs of each pool.",
                    page=page,
                    as_of=reading.as_of,
                )
    with grid.container():
        attention.draw(page)


picture()
shell.glossary(
    "GPU equivalent", "Held", "Free", "Active", "Effective", "Held idle", "Out of use", "Unmet demand", "List price"
)
actions.host()
