"""Sharing: how is each node's GPU divided, and what would another division give?"""

import streamlit as st

from pages.operate import _sharing_change as changing
from pages.operate import _sharing_tables as overview
from pages.ui import actions, shell

page = shell.page("Sharing")


@shell.live
def picture() -> None:
    """The tiles."""
    overview.figures(page)


picture()
st.subheader("By pool", anchor=False, help="Choose a row to see its nodes and to change how they are shared.")
nodes, row = overview.pools(page)
if nodes is not None and len(nodes):
    overview.suggestions(page)
    pool = changing.choose(nodes, row)
    if pool is not None:
        overview.one_pool(page, pool)
        changing.draw(page, pool)
shell.glossary("Unit", "GPU equivalent", "Held", "Remainder", "Pool")
actions.host()
