"""Tables: one constant of columns each, and the download every table has."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import words
from pages.ui.shell import Page
from services import runtime
from services.cost.export_csv import inert

C = st.column_config
GIB = 2.0**30
_SHARE: dict[str, Any] = {"format": "%.1f %%", "min_value": 0.0, "max_value": 100.0}
SHARES = ("util", "util_now", "held_ratio", "first_share")
"""Ratios, drawn as percentages; files keep the ratio."""

POOLS = {
    "pool": C.TextColumn("Pool", pinned=True),
    "free": C.NumberColumn("Free", format="%.1f", help="GPU equivalents a pod could have now"),
    "gpus": C.NumberColumn("GPUs", format="%.0f", help="Physical GPUs"),
    "held_ratio": C.ProgressColumn("Held", **_SHARE, help="Share of what can be allocated on open nodes"),
    "model": C.TextColumn("GPU model"),
    "largest_free": C.NumberColumn("Largest free", format="%.1f", help="Most free GPUs on one node"),
    "out": C.NumberColumn("Out of use", format="%.1f", help="Unhealthy or missing GPUs"),
    "remainder": C.NumberColumn("Remainder", format="%.1f", help="Unusable because of the MIG layout"),
    "nodes": C.NumberColumn("Nodes"),
    "capacity_type": C.TextColumn("Capacity"),
    "sharing": C.TextColumn("Sharing"),
    "usd_per_day": C.NumberColumn("Per day", format="$%.0f", help="List prices; empty when no price is known"),
    "cluster": C.TextColumn("Cluster"),
}

WASTERS = {
    "workload": C.TextColumn("Workload", pinned=True),
    "team": C.TextColumn("Team"),
    "namespace": C.TextColumn("Namespace"),
    "util": C.ProgressColumn("Utilisation", **_SHARE, help="Mean over the window"),
    "held": C.NumberColumn("Held", format="%.2f", help="GPU equivalents"),
    "wasted": C.NumberColumn("Unused", format="%.2f", help="Held × (1 − utilisation), GPU equivalents"),
    "wasted_usd_per_day": C.NumberColumn("Unused per day", format="$%.0f", help="List prices; empty when unpriced"),
    "idle": C.NumberColumn("Idle now", format="%.2f", help="Of held, on units that did nothing in the last half hour"),
    "units": C.NumberColumn("Units", help="Whole GPUs or MIG instances"),
    "holders": C.NumberColumn(
        "Shared by", help="Most pods on one unit; its utilisation belongs to the card, not to one pod"
    ),
    "model": C.TextColumn("GPU model"),
    "nodes": C.TextColumn("Nodes"),
    "cluster": C.TextColumn("Cluster"),
}

UNITS = {
    "gpu": C.TextColumn("GPU", pinned=True),
    "profile": C.TextColumn("MIG profile"),
    "use": C.TextColumn("Class"),
    "util": C.ProgressColumn("Utilisation", **_SHARE, help="Mean over the window"),
    "util_now": C.NumberColumn("Now", format="%.1f %%"),
    "memory_used": C.NumberColumn("Memory used", format="%.1f GiB"),
    "memory_total": C.NumberColumn("Memory", format="%.1f GiB"),
    "power": C.NumberColumn("Power", format="%.0f W"),
    "temperature": C.NumberColumn("Temperature", format="%.0f °C"),
    "pods": C.TextColumn("Pods"),
    "holders": C.NumberColumn("Shared by"),
    "team": C.TextColumn("Team"),
    "model": C.TextColumn("GPU model"),
    "pool": C.TextColumn("Pool"),
    "node": C.TextColumn("Node"),
    "cluster": C.TextColumn("Cluster"),
}

WORKLOADS = {
    "workload": C.TextColumn("Workload", pinned=True),
    "namespace": C.TextColumn("Namespace"),
    "team": C.TextColumn("Team"),
    "workload_kind": C.TextColumn("Kind"),
    "held": C.NumberColumn("Holds now", format="%.2f", help="GPU equivalents"),
    "util": C.ProgressColumn("Utilisation", **_SHARE, help="Mean while held, over the window"),
    "gpu_hours": C.NumberColumn("GPU-hours", format="%.1f", help="GPU equivalents × hours held in the window"),
    "idle_gpu_hours": C.NumberColumn("Idle GPU-hours", format="%.1f", help="Of these, below 1 % utilisation"),
    "idle_usd": C.NumberColumn("Idle cost", format="$%.0f", help="In the window, at list prices; empty when unpriced"),
    "pods": C.NumberColumn("Pods", help="Pods that hold GPUs now"),
    "waiting": C.NumberColumn("Waiting", help="Pods that want GPUs and cannot start"),
    "since": C.DatetimeColumn("Oldest pod", format="distance"),
    "cluster": C.TextColumn("Cluster"),
}

POD_USE = {
    "pod": C.TextColumn("Pod", pinned=True),
    "state": C.TextColumn("State"),
    "held": C.NumberColumn("Holds", format="%.2f", help="GPU equivalents"),
    "util": C.ProgressColumn("Utilisation", **_SHARE, help="Mean while held, over the window"),
    "gpu_hours": C.NumberColumn("GPU-hours", format="%.1f"),
    "idle_gpu_hours": C.NumberColumn("Idle GPU-hours", format="%.1f"),
    "node": C.TextColumn("Node"),
    "pool": C.TextColumn("Pool"),
    "resources": C.TextColumn("Asks for"),
    "message": C.TextColumn("Why not running", width="large"),
    "created_at": C.DatetimeColumn("Created", format="distance"),
    "cluster": C.TextColumn("Cluster"),
}

WAITING = {
    "workload": C.TextColumn("Workload", pinned=True),
    "reason": C.TextColumn("Reason"),
    "since": C.DatetimeColumn("Waiting since", format="distance"),
    "resources": C.TextColumn("Asks for"),
    "message": C.TextColumn("In words", width="large"),
    "team": C.TextColumn("Team"),
    "namespace": C.TextColumn("Namespace"),
    "pod": C.TextColumn("Pod"),
    "state": C.TextColumn("State"),
    "cluster": C.TextColumn("Cluster"),
}

FINDINGS = {
    "severity": C.TextColumn("Severity"),
    "title": C.TextColumn("What", width="large", pinned=True),
    "detail": C.TextColumn("Detail", width="large"),
    "kind": C.TextColumn("Kind"),
    "team": C.TextColumn("Team"),
    "gpus": C.NumberColumn("GPUs", format="%.1f"),
    "usd_per_day": C.NumberColumn("Per day", format="$%.0f", help="List prices"),
    "since": C.DatetimeColumn("Since", format="distance"),
    "cluster": C.TextColumn("Cluster"),
}

OPERATIONS = {
    "state": C.TextColumn("State"),
    "summary": C.TextColumn("What", width="large", pinned=True),
    "at": C.DatetimeColumn("When", format="distance"),
    "actor_name": C.TextColumn("Who"),
    "reason": C.TextColumn("Why", width="medium"),
    "outcome": C.TextColumn("Outcome", width="medium"),
    "verification": C.TextColumn("Seen afterwards", width="medium"),
    "action": C.TextColumn("Action"),
    "clusters": C.TextColumn("Clusters"),
    "roles": C.TextColumn("Roles"),
    "address": C.TextColumn("From"),
    "finished_at": C.DatetimeColumn("Ended", format="distance"),
    "undone_by": C.TextColumn("Taken back by", help="Id of the operation that took it back"),
    "undoes": C.TextColumn("Takes back", help="Id of the operation it takes back"),
    "mode": C.TextColumn("Sources", help="demo or live"),
    "id": C.TextColumn("Id"),
}

OPERATION_STEPS = {
    "step": C.NumberColumn("Step", pinned=True),
    "state": C.TextColumn("State"),
    "says": C.TextColumn("What", width="large"),
    "note": C.TextColumn("Said last", width="medium"),
    "object": C.TextColumn("Object"),
    "group": C.TextColumn("Group"),
    "started_at": C.DatetimeColumn("Started", format="YYYY-MM-DD HH:mm:ss"),
    "ended_at": C.DatetimeColumn("Ended", format="YYYY-MM-DD HH:mm:ss"),
    "kind": C.TextColumn("Kind"),
}

EVENTS = {
    "at": C.DatetimeColumn("When", format="YYYY-MM-DD HH:mm:ss", pinned=True),
    "kind": C.TextColumn("Event"),
    "says": C.TextColumn("What", width="large"),
    "actor": C.TextColumn("By"),
    "step": C.NumberColumn("Step"),
    "id": C.NumberColumn("Number", help="Its place in the chain"),
    "hash": C.TextColumn("Hash", help="SHA-256 over the event and the hash of the one before"),
}

TODAY = {
    "object": C.TextColumn("Object", pinned=True),
    "field": C.TextColumn("Field"),
    "before": C.TextColumn("Before"),
    "set": C.TextColumn("As set"),
    "now": C.TextColumn("Now"),
    "state": C.TextColumn("Now is", help="as set, as before, different, not known"),
    "cluster": C.TextColumn("Cluster"),
}

STORES = {
    "kind": C.TextColumn("Kind", pinned=True),
    "state": C.TextColumn("State"),
    "objects": C.NumberColumn("Objects"),
    "as_of": C.DatetimeColumn("Confirmed", format="distance"),
    "loses": C.TextColumn("Without it you lose", width="large"),
    "message": C.TextColumn("Message", width="large"),
    "cluster": C.TextColumn("Cluster"),
}

FEATURES = {
    "name": C.TextColumn("Name", pinned=True),
    "what": C.TextColumn("What"),
    "state": C.TextColumn("State"),
    "gives": C.TextColumn("Gives", width="large"),
    "cluster": C.TextColumn("Cluster"),
}

SIGNALS = {
    "signal": C.TextColumn("Figure", pinned=True),
    "cluster": C.TextColumn("Cluster"),
    "state": C.TextColumn("State"),
    "metric": C.TextColumn("Metric"),
    "gpus": C.NumberColumn("GPUs"),
    "series": C.NumberColumn("Series"),
    "newest_at": C.DatetimeColumn("Newest", format="distance"),
    "loses": C.TextColumn("Without it you lose", width="large"),
}


def pools(frame: pd.DataFrame) -> pd.DataFrame:
    """The pool frame with what the table shows of it beside: all GPUs out of use, and money per day."""
    return frame.assign(out=frame["unhealthy"] + frame["missing"], usd_per_day=frame["usd_per_hour"] * 24)


LISTED = "list prices, USD"
RECORDED = {"window": "", "prices": "as recorded, USD"}
"""For :func:`show`: rows say their own time, money is what was counted then."""
IN_FORCE = "rate card, else OpenCost, else list prices, USD"


def show(
    frame: pd.DataFrame,
    columns: Mapping[str, Any],
    *,
    key: str,
    alt: str,
    page: Page,
    as_of: datetime | None,
    height: int | str = "auto",
    select: bool = False,
    download: bool = True,
    window: str | None = None,
    prices: str = LISTED,
) -> int | None:
    """Draw a table with its download; with ``select`` returns the position of the chosen row, else None.

    ``window`` and ``prices`` are told in the file: by default the page's time range and list prices; "" for rows that
    are of no one window.
    """
    drawn = frame[list(columns)]
    in_bytes = [name for name in columns if name.startswith("memory_")]
    in_percent = [name for name in columns if name in SHARES]
    in_rates = [name for name in columns if name.endswith("_bytes_s")]
    in_gigabytes = [name for name in columns if name.endswith("_bytes")]
    in_seconds = [name for name in columns if name.endswith("_s") and name not in in_rates]
    drawn = drawn.assign(
        **{name: drawn[name] / GIB for name in in_bytes},
        **{name: drawn[name] * 100 for name in in_percent},
        **{name: drawn[name] / 1e6 for name in in_rates},
        **{name: drawn[name] / 1e9 for name in in_gigabytes},
        **{name: pd.to_timedelta(drawn[name].round(), unit="s") for name in in_seconds},
    )
    options: dict[str, Any] = {
        "hide_index": True,
        "column_config": dict(columns),
        "key": key,
        "alt": alt,
        "height": height,
        "placeholder": words.DASH,
    }
    chosen, over = None, page.scope.range if window is None else window
    if select:
        event = st.dataframe(drawn, on_select="rerun", selection_mode="single-row", **options)
        positions = event["selection"]["rows"]
        chosen = positions[0] if positions and positions[0] < len(frame) else None
    else:
        st.dataframe(drawn, **options)
    if download:
        st.download_button(
            "Download CSV",
            data=lambda: csv(frame, columns, window=over, mode=page.mode, as_of=as_of, prices=prices),
            file_name="-".join(filter(None, [key, over, "demo" if page.mode == "demo" else ""])) + ".csv",
            mime="text/csv",
            key=f"{key}_csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    return chosen


def csv(
    frame: pd.DataFrame, columns: Mapping[str, Any], *, window: str, mode: str, as_of: datetime | None, prices: str
) -> bytes:
    """The table as CSV in base units, each row with what it speaks of: window, time, mode, price basis."""
    listed = prices if any("usd" in name for name in columns) else ""
    listed = "as in the column basis, USD" if "basis" in columns else listed
    told = frame[list(columns)].assign(
        window=window,
        as_of=words.utc(as_of or runtime.current().now()),
        mode=mode,
        price_basis=listed,
    )
    text = told.select_dtypes(include=["object", "string"])
    # A spreadsheet must not run a pod's name as a formula.
    told = told.assign(**{name: [inert(value) for value in text[name]] for name in text})
    return told.to_csv(index=False).encode()
