"""Columns of the tables of the Prices and Books pages."""

import streamlit as st

C = st.column_config
_USD = "$%.4f"

PRICES = {
    "instance_type": C.TextColumn("Instance type", pinned=True),
    "region": C.TextColumn("Region"),
    "capacity_type": C.TextColumn("Capacity"),
    "model": C.TextColumn("GPU model"),
    "usd_per_gpu": C.NumberColumn("GPU-hour", format=_USD, help="Instance price ÷ its GPUs; empty: no price is known"),
    "usd_per_instance": C.NumberColumn("Instance-hour", format=_USD, help="Of the whole instance, discounts taken off"),
    "basis": C.TextColumn("Where from", help="Empty: no price is known, and none is counted"),
    "gpus": C.NumberColumn("GPUs", format="%.0f", help="Physical GPUs there now"),
    "nodes": C.NumberColumn("Nodes", help="There now; 0: only in the record of the last 30 days"),
    "gpu_hours": C.NumberColumn("GPU-hours, 30 d", format="%.0f", help="In the record of the last 30 whole days"),
    "counted_usd_per_gpu": C.NumberColumn("Counted at", format=_USD, help="Mean price of those GPU-hours"),
    "clusters": C.TextColumn("Clusters"),
    "source": C.TextColumn("Source of the list price"),
}

CARD = {
    "line": C.NumberColumn("Line", pinned=True),
    "cluster": C.TextColumn("Cluster", help="Empty: every one; so for the others"),
    "instance_type": C.TextColumn("Instance type"),
    "zone": C.TextColumn("Zone"),
    "region": C.TextColumn("Region"),
    "capacity_type": C.TextColumn("Capacity"),
    "model": C.TextColumn("GPU model"),
    "usd_per_hour": C.NumberColumn("USD per hour", format="%.6g", help="Before the discount"),
    "per": C.TextColumn("Per"),
    "discount": C.NumberColumn("Discount", format="percent"),
    "term": C.TextColumn("Term"),
    "begins": C.DatetimeColumn("From", format="YYYY-MM-DD HH:mm"),
    "ends": C.DatetimeColumn("Until before", format="YYYY-MM-DD HH:mm", help="Empty: no end is known"),
}

CHANGES = {
    "change": C.TextColumn("Change", pinned=True),
    "before": C.TextColumn("Before", width=340),
    "after": C.TextColumn("After", width=340),
    "cluster": C.TextColumn("Cluster"),
    "instance_type": C.TextColumn("Instance type"),
    "zone": C.TextColumn("Zone"),
    "region": C.TextColumn("Region"),
    "capacity_type": C.TextColumn("Capacity"),
    "model": C.TextColumn("GPU model"),
    "begins": C.DatetimeColumn("From", format="YYYY-MM-DD HH:mm"),
}

EFFECT = {
    "instance_type": C.TextColumn("Instance type", pinned=True),
    "region": C.TextColumn("Region"),
    "capacity_type": C.TextColumn("Capacity"),
    "model": C.TextColumn("GPU model"),
    "gpu_hours": C.NumberColumn("GPU-hours", format="%.0f"),
    "before_usd": C.NumberColumn("Now", format="dollar", help="Empty: no price"),
    "after_usd": C.NumberColumn("With these lines", format="dollar", help="Empty: no price"),
    "change_usd": C.NumberColumn("Difference", format="dollar", help="Empty where one side has no price"),
}

VERSIONS = {
    "version": C.NumberColumn("Version", pinned=True),
    "at": C.DatetimeColumn("Saved", format="YYYY-MM-DD HH:mm"),
    "actor": C.TextColumn("By"),
    "reason": C.TextColumn("Why", width="large"),
    "lines": C.NumberColumn("Lines"),
}

BOOKS = {
    "hour": C.DatetimeColumn("Hour", format="YYYY-MM-DD HH:mm", pinned=True),
    "cluster": C.TextColumn("Cluster"),
    "state": C.TextColumn("The parts"),
    "nodes_usd": C.NumberColumn("Nodes cost", format="$%.6f", help="Summed before anything was split"),
    "parts_usd": C.NumberColumn("Parts sum to", format="$%.6f"),
    "difference_usd": C.NumberColumn("Difference", format="$%.6f"),
    "gpu_hours": C.NumberColumn("GPU-hours", format="%.2f", help="Of all GPUs of all nodes"),
    "difference_hours": C.NumberColumn("Difference, GPU-hours", format="%.4f"),
    "unpriced_hours": C.NumberColumn("Unpriced", format="%.2f", help="GPU-hours without a price; in no amount"),
    "nodes": C.NumberColumn("Nodes"),
    "card": C.NumberColumn("Rate card", help="Version; 0: there was none"),
    "closed_at": C.DatetimeColumn("Closed", format="YYYY-MM-DD HH:mm"),
    "why": C.TextColumn("Why not"),
}

NODES = {
    "node": C.TextColumn("Node", pinned=True),
    "pool": C.TextColumn("Pool"),
    "instance_type": C.TextColumn("Instance type"),
    "seconds": C.NumberColumn("Seconds", format="%.0f", help="There in this hour"),
    "gpus": C.NumberColumn("GPUs", format="%.0f"),
    "usd_per_hour": C.NumberColumn("Price an hour", format=_USD, help="Of the whole node; empty: no price is known"),
    "basis": C.TextColumn("Where from"),
    "usd": C.NumberColumn("Cost", format="$%.6f"),
    "held_usd": C.NumberColumn("Held", format="$%.6f"),
    "warm_usd": C.NumberColumn("Kept warm", format="$%.6f"),
    "free_usd": C.NumberColumn("Free", format="$%.6f"),
    "out_usd": C.NumberColumn("Out of use", format="$%.6f"),
    "remainder_usd": C.NumberColumn("MIG remainder", format="$%.6f"),
}

AGAIN = {
    "figure": C.TextColumn("Figure", pinned=True),
    "kind": C.TextColumn("Kind"),
    "basis": C.TextColumn("Where from"),
    "kept": C.NumberColumn("Kept"),
    "again": C.NumberColumn("Worked out again"),
}
