"""Tables of the Fallback page: one constant of columns each."""

from typing import Any

import streamlit as st

C = st.column_config
_RATIO: dict[str, Any] = {"format": "percent", "min_value": 0.0, "max_value": 1.0}
_REQUESTS: dict[str, Any] = {"format": "localized"}

_COUNTS = {
    "asked": C.NumberColumn("Requests", **_REQUESTS, help="Answered and lost, without those that were refused"),
    "fallback_rate": C.NumberColumn("Fell back", format="percent", help="Of the answered, after a failure"),
    "fallen": C.NumberColumn("Fell", **_REQUESTS, help="Answered by another than the first tier, after a failure"),
    "by_design": C.NumberColumn(
        "By design", **_REQUESTS, help="Routed elsewhere because the prompt was too long or its content was declined"
    ),
    "lost": C.NumberColumn("Lost", **_REQUESTS, help="Answered by nobody"),
    "refused": C.NumberColumn("Refused", **_REQUESTS, help="The request, its key or its budget was at fault"),
    "paid_share": C.ProgressColumn("At providers", **_RATIO, help="Of the answered, not on your own GPUs"),
    "fallen_usd": C.NumberColumn(
        "Paid for it", format="$%.2f", help="For what fell or was routed to providers; empty without a price"
    ),
    "usd": C.NumberColumn("Spend", format="$%.2f", help="All the gateway counted; empty without a price"),
}
GROUPS: dict[str, Any] = {"group": C.TextColumn("Model group", pinned=True), **_COUNTS}
TEAMS: dict[str, Any] = {"team": C.TextColumn("Team", pinned=True), **_COUNTS}
CAUSES: dict[str, Any] = {
    "why": C.TextColumn("Cause", pinned=True),
    "requests": C.NumberColumn("Requests", **_REQUESTS),
    "became": C.TextColumn("What became of them"),
    "group": C.TextColumn("Model group"),
    "status": C.TextColumn("Status", help="HTTP status of the error"),
    "error": C.TextColumn("Error", help="Its class, as the proxy counts it"),
}
BUDGETS: dict[str, Any] = {
    "name": C.TextColumn("Budget", pinned=True),
    "of": C.TextColumn("Of"),
    "used": C.ProgressColumn("Used", **_RATIO, help="Attention from 80 %; empty where the whole is not known"),
    "left_usd": C.NumberColumn("Left", format="$%.2f", help="As the gateway counts; empty where it does not"),
    "usd": C.NumberColumn("Whole", format="$%.2f"),
    "period": C.TextColumn("Begins anew", help="After which time, as the gateway has it"),
    "day_usd": C.NumberColumn("Last 24 h", format="$%.2f", help="Spent in the last 24 hours"),
    "days_left": C.NumberColumn("Days left", format="%.1f", help="At the pace of the last 24 hours"),
    "pace": C.TextColumn("At this pace"),
    "then": C.TextColumn("When it is used up", width="large"),
}
BREAKERS: dict[str, Any] = {
    "tier": C.TextColumn("Deployment", pinned=True),
    "replica": C.TextColumn("Replica of the proxy"),
    "now": C.TextColumn("Now", help="Told from cooldowns and answers; the proxy's own gauge never goes back"),
    "cooldowns": C.NumberColumn("Left out", format="localized", help="Times it was left out in the window"),
    "status": C.TextColumn("After", help="HTTP status of the failures most of them followed"),
    "last": C.DatetimeColumn("Last", format="distance", help="Within the last hour; to the minute"),
    "answered": C.NumberColumn("Answered, 1 h", format="localized"),
}
