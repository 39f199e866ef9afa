"""Tables of the Serving page: one constant of columns each."""

from typing import Any

import streamlit as st

C = st.column_config
_RATIO: dict[str, Any] = {"format": "percent", "min_value": 0.0, "max_value": 1.0}
_NUMBER: dict[str, Any] = {"format": "localized"}

_LOAD = {
    "running": C.NumberColumn("Running", format="%.1f", help="Requests worked at, mean"),
    "waiting": C.NumberColumn("Waiting", format="%.1f", help="Requests that wait in the engine, mean"),
    "waiting_peak": C.NumberColumn("Waiting, most", **_NUMBER),
    "cache_peak": C.ProgressColumn("KV cache, most", **_RATIO, help="Of the fullest replica; empty where not told"),
}
SERVED: dict[str, Any] = {
    "workload": C.TextColumn("Workload", pinned=True),
    "state": C.TextColumn("State"),
    "replicas": C.NumberColumn("Replicas", **_NUMBER, help="Seen in the last step"),
    "gpus": C.NumberColumn("GPUs", format="%.1f", help="GPU equivalents of these replicas; empty when not known"),
    **_LOAD,
    "first_p50_seconds": C.NumberColumn("First token p50", format="%.2f s"),
    "first_p95_seconds": C.NumberColumn(
        "p95", format="%.2f s", help="Time to the first token; at most the last 24 hours"
    ),
    "each_p95_seconds": C.NumberColumn("Each token p95", format="%.3f s", help="Time between tokens; at most 24 hours"),
    "tokens_a_second": C.NumberColumn("Tokens/s", format="%.0f", help="Written, all replicas"),
    "gpu_tokens_a_second": C.NumberColumn(
        "Tokens/s and GPU", format="%.1f", help="Written, by replicas whose GPUs are known"
    ),
    "preemptions": C.NumberColumn("Begun anew", **_NUMBER, help="Requests that lost their KV cache (preemptions)"),
    "finished": C.NumberColumn("Finished", **_NUMBER, help="Requests"),
    "models": C.TextColumn("Models"),
    "team": C.TextColumn("Team"),
    "namespace": C.TextColumn("Namespace"),
    "pool": C.TextColumn("Pool"),
    "cluster": C.TextColumn("Cluster"),
}
REPLICAS: dict[str, Any] = {
    "pod": C.TextColumn("Pod", pinned=True),
    "gpus": C.NumberColumn("GPUs", format="%.1f", help="GPU equivalents; empty of pods that are gone"),
    **_LOAD,
    "completion_tokens": C.NumberColumn("Tokens written", **_NUMBER),
    "preemptions": C.NumberColumn("Begun anew", **_NUMBER),
    "last_at": C.DatetimeColumn("Last seen", format="distance"),
    "node": C.TextColumn("Node"),
}
SETTINGS: dict[str, Any] = {
    "what": C.TextColumn("Setting", pinned=True),
    "value": C.TextColumn("Value"),
    "flag": C.TextColumn("Argument"),
}
