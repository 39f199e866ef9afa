"""Energy and carbon of the window: optional, folded away."""

import streamlit as st

from pages.ui import queries, queries_money, shell, words
from pages.ui.shell import Page
from services.cost.board import Asked


def draw(page: Page, asked: Asked) -> None:
    """What the GPUs drew; what it costs and emits where somebody said what a kWh stands for."""
    board = queries_money.cost(page.mode, page.scope, asked).value
    if board is None or not page.scope.sees.whole:
        return
    with st.expander("Energy and carbon (optional)", icon=":material/bolt:"):
        drawn = shell.shown(queries_money.cost_energy(page.mode, page.scope, board.window), "Energy")
        if drawn is None:
            return
        whole, policy = drawn.whole, queries.policy().cost
        if whole is None:
            st.markdown("No GPU reported its power in this window: unknown, not zero.")
            return
        said = [f"**{whole.kwh:,.0f} kWh**"]
        said += [] if whole.usd is None else [f"{words.plain(words.money(whole.usd))} of electricity"]
        said += [] if whole.grams is None else [f"{whole.grams / 1e6:,.2f} t CO₂"]
        st.markdown(f"{', '.join(said)} for {words.count(whole.gpu_hours)} GPU-hours that reported their power.")
        missing = [] if policy.usd_per_kwh is not None else ["`GFC_ENERGY_USD_PER_KWH` for its price"]
        missing += [] if policy.grams_per_kwh is not None else ["`GFC_ENERGY_GRAMS_PER_KWH` for carbon"]
        st.caption(
            f"Board power × hours × PUE {policy.pue:g}, from {words.plain(words.utc(drawn.begin))} to "
            f"{words.plain(words.utc(drawn.end))}, of whole clusters: pool, model and owner do not narrow it. In no "
            f"total of this page.{' Set ' + ' and '.join(missing) + '.' if missing else ''}"
        )
