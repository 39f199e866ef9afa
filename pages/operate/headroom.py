"""Headroom: is warm capacity ready for the next start, what does it cost and is it used?"""

import streamlit as st

from pages.operate import _headroom_set as setting
from pages.operate import _headroom_table as overview
from pages.ui import actions, shell

page = shell.page("Headroom")


@shell.live
def picture() -> None:
    """The tiles."""
    overview.figures(page)


picture()
st.subheader("By pool", anchor=False, help="Pools that keep units warm first, then those with the most cold starts.")
rows, row = overview.table(page)
if rows is not None and len(rows):
    st.subheader("Keep units warm", anchor=False, help="Choose a row above or a pool here.")
    pool = setting.choose(rows, row)
    if pool is not None:
        setting.draw(page, pool)
with st.expander("What these words mean", icon=":material/menu_book:"):
    for term, meaning in overview.WORDS.items():
        st.markdown(f"**{term}**: {meaning}")
actions.host()
