"""Headline tiles. All tiles of a row have the same parts: value, what it is compared with, one line under it."""

import pandas as pd
import streamlit as st

from pages.ui import queries, shell, words
from pages.ui.shell import Page
from services.domain import attribution
from services.reading import Reading


def overview(page: Page) -> None:
    """Utilisation against target, free GPUs, unmet demand, GPUs out of use."""
    scope, mode = page.scope, page.mode
    trend = queries.fleet_utilisation(mode, scope)
    head = queries.headline(mode, scope)
    target = queries.policy().utilisation_target
    with st.container(key="overview_tiles"):
        one, two, three, four = st.columns(4)
        with one:
            _utilisation(trend, target, scope.range)
        known = head.value
        with two:
            st.metric(
                "Free GPUs",
                None if known is None or known.free is None else words.count(known.free),
                delta=None if known is None else f"of {words.count(known.gpus)} on {words.some(known.nodes, 'node')}",
                delta_color="off",
                delta_arrow="off",
                border=True,
                height="stretch",
                help="GPU equivalents a pod could have now, on ready nodes that are not cordoned.",
            )
        with three:
            waits = known is not None and known.waiting_pods > 0
            st.metric(
                "Unmet demand",
                None if known is None else words.some(known.waiting_pods, "pod"),
                delta=None
                if known is None
                else (
                    f"longest wait {words.span(known.longest_wait)}: {known.waiting_reason}"
                    if waits
                    else "nobody waits"
                ),
                delta_color="red" if waits else "green",
                delta_arrow="off",
                border=True,
                height="stretch",
                help="Pods that ask for GPUs and have no node, cannot start, or may not be created. Pool and model "
                "do not narrow it: most of these pods have no node yet.",
            )
        with four:
            bad = known is not None and (known.out_of_use > 0 or known.broken_nodes > 0)
            st.metric(
                "GPUs out of use",
                None if known is None else words.count(known.out_of_use),
                delta=None
                if known is None
                else (f"{words.some(known.broken_nodes, 'node')} affected" if bad else "all GPUs can be allocated"),
                delta_color="red" if bad else "green",
                delta_arrow="off",
                border=True,
                height="stretch",
                help="Called unhealthy by the device plugin, or expected and not advertised.",
            )
    if known is None:
        shell.shown(head, "Inventory")
    if trend.value is None or trend.absence is not None or trend.problem is not None:
        shell.shown(trend, "Utilisation")


def _utilisation(trend: Reading[pd.DataFrame], target: float, range_name: str) -> None:
    frame = trend.value if trend.value is not None and len(trend.value) else None
    mean = None if frame is None else attribution.mean(frame)
    gap = None if mean is None else (mean - target) * 100
    st.metric(
        f"Utilisation, {range_name}",
        None if mean is None else words.share(mean),
        delta=None
        if gap is None
        else (f"{abs(gap):.0f} points {'below' if gap < 0 else 'above'} the {words.share(target)} target"),
        delta_color="off" if gap is None else ("red" if gap < -20 else "orange" if gap < 0 else "green"),
        delta_arrow="off",
        border=True,
        height="stretch",
        help="Mean share of time engines were busy, over all GPUs that send metrics, held or not.",
    )


def utilisation(page: Page, node: str) -> None:
    """Headline figures of the Utilisation page; of one node when it is looked at."""
    reading = queries.summary(page.mode, page.scope, node)
    value = shell.shown(reading, "Utilisation")
    if value is None:
        return
    one, two, three, four = st.columns(4)
    with one:
        st.metric(
            f"Utilisation, {page.scope.range}",
            words.share(value.util),
            delta=f"over {words.gpus(value.measured)} measured",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
    with two:
        st.metric(
            "Held idle",
            words.gpus(value.held_idle),
            delta=f"{words.money(value.idle_usd_per_day)} a day at list prices",
            delta_color="red" if value.held_idle else "off",
            delta_arrow="off",
            border=True,
            height="stretch",
            help="Held by pods, and never above 1 % in the last half hour.",
        )
    with three:
        st.metric(
            "Memory used",
            words.share(value.memory),
            delta="of framebuffer memory, now",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
    with four:
        st.metric(
            "Power",
            words.DASH if value.power is None else f"{value.power / 1000:,.1f} kW",
            delta=f"hottest GPU {words.DASH if value.hottest is None else f'{value.hottest:.0f} °C'}",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )


def workloads(page: Page) -> None:
    """Headline figures of the Workloads page."""
    reading = queries.workload_totals(page.mode, page.scope)
    value = reading.value
    if value is None:
        shell.shown(reading, "Workloads")
        return
    one, two, three, four = st.columns(4)
    with one:
        st.metric(
            "GPUs held",
            words.count(value.held),
            delta=f"by {words.some(value.holders, 'workload')}, now",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
    with two:
        st.metric(
            f"GPU-hours, {page.scope.range}",
            words.count(value.gpu_hours),
            delta="held, as metrics saw it",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="GPU equivalents × hours held in the window. GPUs that send no metrics are not in it.",
        )
    with three:
        st.metric(
            "Idle GPU-hours",
            words.count(value.idle_gpu_hours),
            delta=f"{words.share(value.idle_share)} of the hours held",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
    with four:
        st.metric(
            "Cannot run",
            words.some(value.waiting, "pod"),
            delta="waiting, failing or held back",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
