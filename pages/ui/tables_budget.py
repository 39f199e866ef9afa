"""Tables of the Budgets page: one constant of columns each, and frames made of budgets."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui import words
from services.domain.cost import MICRO
from services.domain.cost.budgetfindings import scoped
from services.domain.cost.budgetyaml import Change
from services.domain.cost.burn import Standing
from services.ports import BudgetChange

C = st.column_config

BUDGETS = {
    "name": C.TextColumn("Budget", pinned=True),
    "state": C.TextColumn("State"),
    "of": C.TextColumn("For"),
    "period": C.TextColumn("Period"),
    "spent_usd": C.NumberColumn("Spent", format="dollar", help="Of the period, as far as it is recorded"),
    "amount_usd": C.NumberColumn("Amount", format="dollar"),
    "ratio": C.ProgressColumn("Of the amount", format="percent", min_value=0.0, max_value=1.0),
    "low_usd": C.NumberColumn("Lands from", format="dollar", help="One of ten ends below; empty: not known"),
    "high_usd": C.NumberColumn("to", format="dollar", help="One of ten ends above; empty: not known"),
    "overrun": C.TextColumn("Over on", help="The day by whose end more than the amount was or will be spent"),
    "owner": C.TextColumn("Owner"),
    "channel": C.TextColumn("Channel"),
}
THRESHOLDS = {
    "threshold": C.TextColumn("Threshold", pinned=True),
    "usd": C.NumberColumn("At", format="dollar"),
    "what": C.TextColumn("What happened"),
    "day": C.TextColumn("Day"),
    "noted_at": C.DatetimeColumn("Noted", format="YYYY-MM-DD HH:mm", help="The end of the hour in which it crossed"),
}
HISTORY = {
    "period": C.TextColumn("Period", pinned=True),
    "spent_usd": C.NumberColumn("Spent", format="dollar", width=110, help="Empty: not recorded"),
    "amount_usd": C.NumberColumn("Amount then", format="dollar", help="Empty: there was no such budget yet"),
    "ratio": C.ProgressColumn("Of the amount", format="percent", min_value=0.0, max_value=1.0),
    "recorded": C.TextColumn("Recorded"),
    "crossed": C.TextColumn("Crossed", help="Thresholds that were noted"),
}
CHANGES = {
    "revision": C.NumberColumn("Revision", pinned=True),
    "at": C.DatetimeColumn("When", format="YYYY-MM-DD HH:mm"),
    "actor": C.TextColumn("Who"),
    "name": C.TextColumn("Budget"),
    "of": C.TextColumn("For"),
    "period": C.TextColumn("Period"),
    "amount_usd": C.NumberColumn("Amount", format="dollar"),
    "thresholds": C.TextColumn("Thresholds"),
}
PLAN = {
    "what": C.TextColumn("What", pinned=True),
    "name": C.TextColumn("Budget"),
    "of": C.TextColumn("For"),
    "period": C.TextColumn("Period"),
    "before_usd": C.NumberColumn("Amount now", format="dollar"),
    "after_usd": C.NumberColumn("Amount then", format="dollar"),
    "fields": C.TextColumn("Differs in"),
}


def budgets(standings: Sequence[Standing]) -> pd.DataFrame:
    """Budgets as they stand."""
    rows = [
        {
            "id": one.budget.id,
            "name": one.budget.name,
            "state": one.state,
            "of": scoped(one.budget.scope, one.budget.value),
            "period": one.period.name,
            "spent_usd": None if one.state == "unknown" else one.spent / MICRO,
            "amount_usd": one.budget.amount_micro / MICRO,
            "ratio": None if one.state == "unknown" else one.share,
            "low_usd": one.landing.low / MICRO if one.landing.known else None,
            "high_usd": one.landing.high / MICRO if one.landing.known else None,
            "overrun": one.overrun or "",
            "owner": one.budget.owner,
            "channel": one.budget.channel,
        }
        for one in standings
    ]
    return pd.DataFrame(rows, columns=["id", *BUDGETS])


def changes(known: Sequence[BudgetChange]) -> pd.DataFrame:
    """Changes of a budget; of one that was removed nothing but who and when."""
    rows = [
        {
            "revision": one.revision,
            "at": one.at,
            "actor": one.actor,
            "name": "removed" if one.budget is None else one.budget.name,
            "of": "" if one.budget is None else scoped(one.budget.scope, one.budget.value),
            "period": "" if one.budget is None else one.budget.calendar.kind,
            "amount_usd": None if one.budget is None else one.budget.amount_micro / MICRO,
            "thresholds": "" if one.budget is None else ", ".join(map(words.share, one.budget.thresholds)),
        }
        for one in known
    ]
    return pd.DataFrame(rows, columns=list(CHANGES))


def plan(known: Sequence[Change]) -> pd.DataFrame:
    """What a document would change."""
    rows = []
    for each in known:
        one = each.after or each.before
        if one is None:
            continue
        rows.append(
            {
                "what": each.what,
                "name": one.name,
                "of": scoped(one.scope, one.value),
                "period": one.calendar.kind,
                "before_usd": None if each.before is None else each.before.amount_micro / MICRO,
                "after_usd": None if each.after is None else each.after.amount_micro / MICRO,
                "fields": ", ".join(each.fields),
            }
        )
    return pd.DataFrame(rows, columns=list(PLAN))
