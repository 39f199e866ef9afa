"""Chains: where does a request go when the first choice fails, and in which order?"""

import streamlit as st

from pages.operate import _fallback_board as overview
from pages.operate import _fallback_chain as chain
from pages.operate import _fallback_rehearse as rehearse
from pages.operate import _fallback_settings as settings
from pages.ui import actions, shell

page = shell.page("Chains")
cluster = overview.choose_gateway(page)
board = overview.source(page, cluster) if cluster else None
if board is not None:
    chain.review(board)
    overview.figures(board)
    st.subheader("Model groups", anchor=False, help="What a request to each group tries, from left to right.")
    group = overview.chains(page, board)
    if group:
        chain.draw(page, board, group)
        rehearse.draw(page, board, group)
    settings.draw(board)
    overview.findings(board, group)
shell.glossary("Model group", "Fallback", "Lost", "Left out")
actions.host()
