"""Orders by one rule, at a click, with the prices and times they go by."""

import math
from typing import Any

import pandas as pd
import streamlit as st

from pages.operate import _fallback_pending as pending
from pages.ui import queries_fallback, tables
from pages.ui.shell import Page
from services.domain.litellm import Chain, Config, presets
from services.gateway.read import Board

C = st.column_config
PRICES: dict[str, Any] = {
    "key": C.TextColumn("Deployment", pinned=True),
    "runs": C.TextColumn("Runs", help="On your own GPUs, or at a provider"),
    "input_usd": C.NumberColumn("Prompt", format="$%.3f", help="US dollars per million tokens; empty without a price"),
    "output_usd": C.NumberColumn("Answer", format="$%.3f", help="US dollars per million tokens; empty without a price"),
    "price_usd": C.NumberColumn(
        "Ordered by", format="$%.3f", help="Three prompt tokens to one of the answer; own GPUs without a price count 0"
    ),
    "p50_s": C.NumberColumn("p50, 24 h", format="compact", help="Half of the answers took longer; empty if none"),
}


def draw(page: Page, board: Board, config: Config, wanted: Chain, locked: str) -> None:
    """The presets and what they go by."""
    rows = board.tiers[(board.tiers["group"] == wanted.group) & board.tiers["key"].isin([p.key for p in wanted.tiers])]
    known = {one.key: one for one in config.of(wanted.group)}
    prices = {str(row.key): _price(row, known) for row in rows.itertuples()}
    speed = queries_fallback.speed(page.mode, board.cluster, "24h").value
    seconds = {} if speed is None else dict(zip(speed["id"], speed["p50_s"], strict=True))
    times = {str(row.key): float(seconds[row.id]) for row in rows.itertuples() if row.id in seconds}
    made = {
        "own": presets.own_first(wanted, known, prices),
        "cheapest": presets.cheapest(wanted, prices),
        "fastest": presets.fastest(wanted, times),
    }
    reasons = {
        "own": "" if any(one.self_hosted for one in known.values()) else "None of its deployments runs on own GPUs.",
        "cheapest": "" if any(not math.isnan(price) for price in prices.values()) else "No price is known.",
        "fastest": "" if len(times) > 1 else "Fewer than two of its deployments answered in the last 24 hours.",
    }
    with st.container(horizontal=True, vertical_alignment="center", key="fallback_presets"):
        st.markdown("**Order by**")
        for name, label in presets.PRESETS.items():
            why = locked or reasons[name] or ("It is ordered so already." if made[name] == wanted else "")
            st.button(
                label,
                key=f"fallback_preset_{name}",
                disabled=bool(why),
                help=why or "Prepares the order; nothing is written before it is reviewed.",
                on_click=pending.put,
                args=(board, config, made[name]),
            )
    with st.expander("Prices and times these go by", icon=":material/sell:"):
        frame = rows.assign(price_usd=rows["key"].map(prices), p50_s=rows["key"].map(times).astype("float64"))
        tables.show(
            frame,
            PRICES,
            key="fallback_prices",
            alt="Deployments of the group with prices per million tokens and times of answers.",
            page=page,
            as_of=None,
            window="24h",
            prices="prices of the gateway, USD",
        )


def _price(row: Any, known: dict[str, Any]) -> float:
    """What the process says it counts, else what the file says."""
    if pd.notna(row.input_usd) or pd.notna(row.output_usd):
        paid = [0.0 if pd.isna(value) else float(value) for value in (row.input_usd, row.output_usd)]
        if any(paid) or row.runs == "self-hosted":
            return presets.PROMPT_SHARE * paid[0] + (1 - presets.PROMPT_SHARE) * paid[1]
    return presets.price(known[row.key]) if row.key in known else math.nan
