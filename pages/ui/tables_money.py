"""Tables of the Cost page: one constant of columns each, and frames with money in dollars."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from services.domain.cost import MICRO

C = st.column_config
_USD: dict[str, Any] = {"format": "dollar"}
_SHARE: dict[str, Any] = {"format": "percent", "min_value": 0.0, "max_value": 1.0}
KINDS = {"free": "Free", "warm": "Warm", "out": "Out of use", "remainder": "MIG remainder"}
"""What nobody held, in words."""

BREAKDOWN = {
    "name": C.TextColumn("Name", pinned=True),
    "cost_usd": C.NumberColumn("Cost", **_USD),
    "share": C.ProgressColumn("Share", **_SHARE),
    "held_usd": C.NumberColumn("Held", **_USD, help="What pods reserved"),
    "used_usd": C.NumberColumn("Used", **_USD, help="Of held, where somebody measured it; empty: nobody did"),
    "idle_usd": C.NumberColumn("Held idle", **_USD, help="Held, measured and not used; empty: nobody measured"),
    "unmeasured_usd": C.NumberColumn("Not measured", **_USD, help="Held; neither used nor idle"),
    "free_usd": C.NumberColumn("Free", **_USD, help="A pod could have had it; warm capacity included"),
    "overhead_usd": C.NumberColumn("Overhead", **_USD, help="Out of use, and what MIG layouts leave over"),
    "gpu_hours": C.NumberColumn("GPU-hours", format="%.1f", help="GPU equivalents × hours"),
    "unpriced_gpu_hours": C.NumberColumn("Without a price", format="%.1f", help="GPU-hours that are in no money"),
    "cluster": C.TextColumn("Cluster"),
}
MOVERS = {
    "name": C.TextColumn("Name", pinned=True),
    "change_usd": C.NumberColumn("Change", **_USD),
    "before_usd": C.NumberColumn("Before", **_USD),
    "after_usd": C.NumberColumn("After", **_USD),
    "moved": C.TextColumn("", help="new: it had nothing before; gone: it has nothing any more"),
    "cluster": C.TextColumn("Cluster"),
}
IDLE = {
    "workload": C.TextColumn("Workload", pinned=True),
    "team": C.TextColumn("Team"),
    "idle_usd": C.NumberColumn("Held idle", **_USD, help="Held, measured and not used"),
    "idle_share": C.ProgressColumn("Of the measured", **_SHARE),
    "held_usd": C.NumberColumn("Held", **_USD),
    "namespace": C.TextColumn("Namespace"),
    "cluster": C.TextColumn("Cluster"),
}
UNPRICED = {
    "instance_type": C.TextColumn("Instance type", pinned=True),
    "gpu_hours": C.NumberColumn("GPU-hours", format="%.1f"),
    "capacity_type": C.TextColumn("Capacity"),
    "cluster": C.TextColumn("Cluster"),
}
SPEND = {
    "name": C.TextColumn("Name", pinned=True),
    "spend_usd": C.NumberColumn("Spend", **_USD, help="As the gateway counted it"),
    "usd_per_million": C.NumberColumn(
        "Per million tokens",
        format="$%.3g",
        help="Spend ÷ prompt and completion tokens; own models count no spend here",
    ),
    "requests": C.NumberColumn("Requests", format="compact"),
    "prompt_tokens": C.NumberColumn("Prompt tokens", format="compact"),
    "completion_tokens": C.NumberColumn("Completion tokens", format="compact"),
}
OWN = {
    "model": C.TextColumn("Model", pinned=True),
    "held_usd": C.NumberColumn("GPU money", **_USD, help="Held by the workload; empty: not in the record, or no price"),
    "usd_per_million": C.NumberColumn(
        "Own, per million", format="$%.3g", help="GPU money ÷ tokens its counters gained"
    ),
    "api_usd_per_million": C.NumberColumn(
        "API, per million", format="$%.3g", help="What others' deployments of the same model groups cost"
    ),
    "break_even_per_day": C.NumberColumn(
        "Break-even a day", format="compact", help="Tokens a day above which own GPUs are cheaper"
    ),
    "tokens_per_day": C.NumberColumn("Tokens a day", format="compact"),
    "cheaper": C.TextColumn("Cheaper", help="Empty: one of the two prices is not known"),
    "groups": C.TextColumn("Model groups"),
    "workload": C.TextColumn("Workload"),
    "namespace": C.TextColumn("Namespace"),
    "cluster": C.TextColumn("Cluster"),
}


def dollars(frame: pd.DataFrame, **names: str) -> pd.DataFrame:
    """The frame with columns of micro-dollars as dollars under other names."""
    return frame.assign(**{name: frame[micro] / MICRO for name, micro in names.items()})


def named(frame: pd.DataFrame, empty: str) -> pd.DataFrame:
    """Rows of :data:`services.domain.cost.report.BREAKDOWN` with names for people."""
    name = frame["name"].mask(frame["name"].eq(""), empty)
    return frame.assign(name=name.mask(frame["kind"].ne(""), frame["kind"].map(KINDS)))


def breakdown(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Costs by a dimension."""
    return dollars(
        named(frame, f"(no {by})"),
        cost_usd="micro",
        held_usd="held_micro",
        used_usd="used_micro",
        idle_usd="idle_micro",
        unmeasured_usd="unmeasured_micro",
        free_usd="free_micro",
        overhead_usd="overhead_micro",
    )


def filled(columns: Mapping[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    """Columns without those that say nothing: the cluster of a fleet of one, no hours without a price."""
    dull = {
        name
        for name in ("cluster", "unpriced_gpu_hours", "overhead_usd", "free_usd")
        if name in columns and not (frame[name].ne("") & frame[name].ne(0)).any()
    }
    return {name: column for name, column in columns.items() if name not in dull}
