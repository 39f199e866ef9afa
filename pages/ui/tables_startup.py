"""Tables of the Startup page: one constant of columns each."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.charts_startup import SERVED_WORDS
from services.domain.startup.groups import GROUPS
from services.domain.startup.imagenames import short
from services.domain.startup.levers import LEVERS_BY_NAME

C = st.column_config
_TIME: dict[str, Any] = {"format": "compact"}
"""Lengths of time, as h:mm:ss; files have seconds."""
_SHARE: dict[str, Any] = {"format": "percent", "min_value": 0.0, "max_value": 1.0}
OUTCOMES = {"ready": "ready", "starting": "under way", "completed": "completed", "failed": "failed", "gone": "deleted"}
_WHEN = "YYYY-MM-DD HH:mm:ss"

STARTS = {
    "workload": C.TextColumn("Workload", pinned=True),
    "total_s": C.NumberColumn("Total", **_TIME, help="From the pod's creation to its first readiness, or its end"),
    "outcome": C.TextColumn("Outcome", help="ready, under way; completed, failed or deleted before it was ready"),
    "mostly": C.TextColumn("Mostly", help="What it spent most time on"),
    "served": C.TextColumn(
        "Node",
        help="Warm: it was there, with room. By headroom: with room kept warm. Waited: it was there, and others had to "
        "leave. Cold: it came for the pod",
    ),
    "created_at": C.DatetimeColumn("Created", format=_WHEN),
    "pool": C.TextColumn("Pool"),
    "image": C.TextColumn("Image", help="Of the container that was ready last"),
    "pull": C.TextColumn("Pull", help="pulled, cached, revalidated, streamed, or unknown"),
    "usd": C.NumberColumn("GPU money", format="$%.2f", help="Until it was ready or ended; empty without a price"),
    **{f"{name}_s": C.NumberColumn(group.title, **_TIME, help=group.about) for name, group in GROUPS.items()},
    "gpus": C.NumberColumn("Units", format="%.0f", help="Units of the GPU resource the pod asks for"),
    "restarts": C.NumberColumn("Restarts"),
    "reason": C.TextColumn("Why not ready", width="medium"),
    "flags": C.TextColumn("Remarks"),
    "pod": C.TextColumn("Pod"),
    "node": C.TextColumn("On node"),
    "model": C.TextColumn("GPU model"),
    "instance": C.TextColumn("Node type"),
    "zone": C.TextColumn("Zone"),
    "namespace": C.TextColumn("Namespace"),
    "team": C.TextColumn("Team"),
    "cluster": C.TextColumn("Cluster"),
    "uid": C.TextColumn("Id"),
}

LEVERS = {
    "title": C.TextColumn("What", pinned=True),
    "subject": C.TextColumn("For"),
    "saved_s": C.NumberColumn("Saved a start", **_TIME, help="Predicted mean; empty: nothing recorded predicts it"),
    "starts": C.NumberColumn("Starts", help="Ready starts it would have acted on"),
    "of": C.NumberColumn("Of", help="Ready starts of what it is for"),
    "saved_per_day_s": C.NumberColumn("Saved a day", **_TIME, help="Of all starts of an average day together"),
    "p95_before_s": C.NumberColumn("p95 now", **_TIME),
    "p95_after_s": C.NumberColumn("p95 then", **_TIME),
    "in_target_before": C.NumberColumn("In target now", format="percent"),
    "in_target_after": C.NumberColumn("In target then", format="percent"),
    "usd_saved_per_day": C.NumberColumn("Saves a day", format="$%.2f", help="GPU money before readiness"),
    "usd_cost_per_day": C.NumberColumn("Costs a day", format="$%.2f", help="What it holds; empty: not known"),
    "basis": C.TextColumn("Basis", width="large"),
    "pool": C.TextColumn("Pool"),
    "cluster": C.TextColumn("Cluster"),
}

IMAGES = {
    "image": C.TextColumn("Image", pinned=True),
    "size_bytes": C.NumberColumn("Size", format="%.1f GB", help="As the kubelet reports it"),
    "containers": C.NumberColumn("Containers", help="Started with it in the window"),
    "pulled": C.NumberColumn("Pulled", help="Of these, by a pull"),
    "cached_ratio": C.ProgressColumn("Was there", **_SHARE, help="Of those of which it is known how"),
    "pull_p50_s": C.NumberColumn("Pull p50", **_TIME, help="Half of the pulls take longer; without waiting"),
    "pull_p95_s": C.NumberColumn("Pull p95", **_TIME),
    "waiting_p95_s": C.NumberColumn("Waiting p95", **_TIME, help="Behind other pulls on the node"),
    "rate_bytes_s": C.NumberColumn("MB a second", format="%.0f", help="Median of its pulls, without waiting"),
    "holding": C.NumberColumn("On nodes", format="%.0f", help="GPU nodes that list it; empty: lists were not read"),
    "lacking": C.NumberColumn("Not on", format="%.0f", help="GPU nodes that do not have it"),
    "unclear": C.NumberColumn("Not told", format="%.0f", help="GPU nodes whose list does not tell"),
    "repulled": C.NumberColumn("Pulled again", help="Pulls on a node that had pulled it before"),
    "streamed": C.NumberColumn("Streamed"),
    "unknown": C.NumberColumn("Not known", help="No event says how it came"),
    "advice": C.TextColumn("Advice", width="large"),
    "registry": C.TextColumn("Registry"),
    "cluster": C.TextColumn("Cluster"),
}

POOLS = {
    "pool": C.TextColumn("Pool", pinned=True),
    "model": C.TextColumn("GPU model"),
    "starts": C.NumberColumn("Starts"),
    "cold": C.NumberColumn("Cold", help="Their node came for them"),
    "nodes": C.NumberColumn("New nodes", help="These starts waited for"),
    "provision_p50_s": C.NumberColumn("Machine p50", **_TIME, help="Until it joins the cluster"),
    "boot_p50_s": C.NumberColumn("Boot p50", **_TIME, help="Until it is Ready"),
    "device_p50_s": C.NumberColumn("GPUs p50", **_TIME, help="Until it offers GPUs: driver, toolkit, plugin"),
    "node_p50_s": C.NumberColumn("Node p50", **_TIME, help="The three together, of nodes of which all are known"),
    "node_p95_s": C.NumberColumn("Node p95", **_TIME),
    "node_nodes": C.NumberColumn("Measured", help="Nodes of which all three are known"),
    "total_p50_s": C.NumberColumn("Cold start p50", **_TIME, help="The whole start, of cold starts"),
    "total_p95_s": C.NumberColumn("Cold start p95", **_TIME),
    "fastest": C.TextColumn("Fastest", help="The pool of this cluster with the same GPUs whose nodes come soonest"),
    "slower_s": C.NumberColumn("Slower by", **_TIME, help="Median above that of the fastest"),
    "instance": C.TextColumn("Node type"),
    "capacity_type": C.TextColumn("Capacity"),
    "cluster": C.TextColumn("Cluster"),
}

KEPT = {
    "image": C.TextColumn("Image", pinned=True),
    "pool": C.TextColumn("Pool"),
    "size_bytes": C.NumberColumn("Size", format="%.1f GB", help="As the kubelet reports it"),
    "holding": C.NumberColumn("On nodes", help="GPU nodes of the pool that list it"),
    "lacking": C.NumberColumn("Not on", help="GPU nodes of the pool that do not have it"),
    "unclear": C.NumberColumn("Not told", help="GPU nodes of the pool whose list does not tell"),
    "way": C.TextColumn("Kept by", help="daemonset, or job: an ImagePullJob of OpenKruise"),
    "cluster": C.TextColumn("Cluster"),
}

SPANS = {
    "title": C.TextColumn("Phase", pinned=True),
    "from_s": C.NumberColumn("From", **_TIME, help="After the pod's creation"),
    "to_s": C.NumberColumn("Until", **_TIME),
    "seconds": C.NumberColumn("Seconds", format="%.0f"),
    "source": C.TextColumn("Evidence"),
    "confidence": C.TextColumn(
        "Known", help="exact: stated by who did it. derived: it follows. estimated: a bound. missing: no evidence"
    ),
    "note": C.TextColumn("In words", width="large"),
    "container": C.TextColumn("Container"),
    "beside": C.CheckboxColumn("Beside", help="At the same time as what was waited for"),
}

EVENTS = {
    "after_s": C.NumberColumn("After", **_TIME, help="After the pod's creation"),
    "reason": C.TextColumn("Event", pinned=True),
    "message": C.TextColumn("What it says", width="large"),
    "count": C.NumberColumn("Times"),
    "type": C.TextColumn("Type"),
    "container": C.TextColumn("Container"),
    "component": C.TextColumn("Said by"),
    "at": C.DatetimeColumn("When", format=_WHEN),
}

PULLS = {
    "container": C.TextColumn("Container", pinned=True),
    "image": C.TextColumn("Image", width="medium"),
    "how": C.TextColumn("How", help="pulled, cached, revalidated, streamed, or unknown"),
    "seconds": C.NumberColumn("Seconds", format="%.1f", help="Of the pull itself; empty: nobody said"),
    "waiting_s": C.NumberColumn("Waited", **_TIME, help="Behind other pulls"),
    "size_bytes": C.NumberColumn("Size", format="%.1f GB", help="As the kubelet reports it"),
    "registry": C.TextColumn("Registry"),
    "at": C.DatetimeColumn("There at", format=_WHEN),
}

COMPARED = {
    "title": C.TextColumn("Phase", pinned=True),
    "this_s": C.NumberColumn("This start", **_TIME),
    "median_s": C.NumberColumn("Median", **_TIME, help="Of the workload's ready starts, phase by phase"),
    "more_s": C.NumberColumn("More than median", format="%+.0f s"),
    "best_s": C.NumberColumn("Fastest start", **_TIME, help="The phases of the workload's fastest start"),
}


def starts(rows: pd.DataFrame) -> pd.DataFrame:
    """Starts with words for people."""
    return rows.assign(served=rows["served"].map(SERVED_WORDS), outcome=rows["outcome"].map(OUTCOMES))


def levers(found: pd.DataFrame) -> pd.DataFrame:
    """Levers with what they are called."""
    images = found["subject_kind"].eq("image")
    return found.assign(
        title=[LEVERS_BY_NAME[name].title for name in found["lever"]],
        subject=[short(text) if image else text for text, image in zip(found["subject"], images, strict=True)],
        saved_s=found["seconds_saved_mean"],
        saved_per_day_s=found["seconds_saved_per_day"],
        p95_before_s=found["total_p95_before"],
        p95_after_s=found["total_p95_after"],
    )
