"""Headline tiles. All tiles of a row have the same parts: value, and one line that says what it means."""

from typing import Any, Literal

import pandas as pd
import streamlit as st

from pages.ui import queries, queries_fallback, queries_money, shell, words
from pages.ui.charts_startup import took
from pages.ui.shell import Page
from services.cost.board import Asked
from services.domain import attribution
from services.domain.findings import Finding
from services.headroom.read import Summary as HeadroomSummary
from services.overview import Headline
from services.reading import Reading
from services.startup.read import TARGET_S

Colour = Literal["off", "red", "orange", "green"]


def tile(label: str, value: str | None, under: str | None, colour: Colour = "off", tip: str | None = None) -> None:
    """One tile; None is unknown and shown as a dash."""
    st.metric(
        label,
        value,
        delta=under,
        delta_color=colour,
        delta_arrow="off",
        border=True,
        height="stretch",
        help=tip,
    )


def _four() -> list[Any]:
    """Places for tiles side by side; in a narrow window in two rows, so that no text is cut."""
    grid = st.grid(4, min_column_width=210)
    return [grid.container(height="stretch") for _ in range(4)]


def overview(page: Page) -> None:
    """Utilisation against target, free GPUs, unmet demand, GPUs out of use."""
    trend = queries.fleet_utilisation(page.mode, page.scope)
    head = queries.headline(page.mode, page.scope)
    with st.container(key="overview_tiles"):
        one, two, three, four = _four()
        with one:
            _against_target(trend, queries.policy().utilisation_target, page.scope.range)
        with two:
            _free(head.value)
        with three:
            _unmet(head.value)
        with four:
            _out_of_use(head.value)
    if head.value is None:
        shell.shown(head, "Inventory")
    if trend.value is None or trend.absence is not None or trend.problem is not None:
        shell.shown(trend, "Utilisation")


def levers(page: Page) -> None:
    """What can be done about it: money, fallbacks, warm headroom, what sharing would add, and what people changed."""
    warm = queries.headroom_summary(page.mode, page.scope)
    more = queries.sharing_findings(page.mode, page.scope)
    changed = queries.operations(page.mode, "24h", page.scope.cluster, "" if page.scope.sees.whole else page.user.id)
    with st.container(key="overview_levers"):
        grid = st.grid(3, min_column_width=210)
        money, fell, one, two, three, four = (grid.container(height="stretch") for _ in range(6))
        with money:
            _spent(page)
        with fell:
            _fell(page)
        with one:
            _warm(warm.value)
        with two:
            _started(page, warm.value)
        with three:
            _sharable(more)
        with four:
            _changed(changed.value)


def _spent(page: Page) -> None:
    tip = "What the nodes cost since the month began, and the range it will end in; the Cost page says for whom."
    found = queries_money.cost(page.mode, page.scope, Asked()).value
    month = None if found is None or found.daily.empty else found.month
    if month is None:
        tile("Cost this month", None, "not recorded yet", tip=tip)
        return
    under = f"lands at {words.between(month.low, month.high)}"
    tile(f"Cost, {month.name}", words.micro(month.spent), under, tip=tip)


def _fell(page: Page) -> None:
    tip = (
        "Of the requests gateways answered, those another than the first tier answered after a failure; the Fallback "
        "page says why and at what price."
    )
    label, value = f"Fallback, {page.scope.range}", queries_fallback.summary(page.mode, page.scope).value
    if value is None or value.fallback_rate is None:
        tile(label, None, "no gateway is counted" if value is None else "no request", tip=tip)
        return
    over = value.fallback_rate > queries.policy().fallback_target
    lost = f"{value.lost:,.0f} lost" if value.lost >= 1 else "none lost"
    colour: Colour = "red" if over or value.lost >= 1 else "green"
    tile(label, words.percent(value.fallback_rate), lost, colour, tip)


def _warm(value: HeadroomSummary | None) -> None:
    tip = "Units of capacity kept ready on purpose for the next start, of those asked for; at list prices."
    if value is None:
        tile("Warm headroom", None, None, tip=tip)
    elif not value.units:
        tile("Warm headroom", "0 units", "nothing is kept warm", tip=tip)
    else:
        money = "" if value.usd_per_day is None else f", {words.money(value.usd_per_day)} a day"
        colour: Colour = "green" if value.ready >= value.units else "orange"
        tile("Warm headroom", words.counted(value.ready, "unit"), f"of {value.units}{money}", colour, tip)


def _started(page: Page, value: HeadroomSummary | None) -> None:
    """Startup time as recorded; while nothing is, what living pods tell of how they came to their nodes."""
    recorded = queries.startup_totals(page.mode, page.scope).value
    if recorded is not None and recorded.number:
        tip = (
            f"Half of the starts that became ready took longer. In target: ready within {took(TARGET_S)}, of the "
            f"{recorded.decided:,} that are decided; the Startup page says where the time goes."
        )
        late = recorded.p50_s is not None and recorded.p50_s > TARGET_S
        p50 = None if recorded.p50_s is None else took(recorded.p50_s)
        under = f"{words.share(recorded.in_target)} within {took(TARGET_S)}"
        tile(f"Start p50, {page.scope.range}", p50, under, "orange" if late else "off", tip)
        return
    tip = "GPU pods placed at once on a node that was there, of all placed in the window that still exist."
    label = f"Room at once, {page.scope.range}"
    if value is None or not value.starts:
        tile(label, None, None if value is None else "no start in the window", tip=tip)
        return
    late = value.waited + value.cold
    tile(label, words.share(1 - late / value.starts), f"{late} of {value.starts} had to wait", tip=tip)


def _sharable(found: list[Finding]) -> None:
    tip = "GPU equivalents that would be free if small workloads shared GPUs they now hold whole."
    gpus = sum(finding.gpus or 0.0 for finding in found)
    under = f"in {words.counted(len(found), 'pool')}" if found else "no pool would gain"
    tile("Sharing would free", words.gpus(gpus), under, tip=tip)


def _changed(frame: pd.DataFrame | None) -> None:
    tip = "Operations people began here in the last 24 hours; the Audit page has each of them."
    if frame is None:
        tile("Changes, 24h", None, None, tip=tip)
        return
    stopped = int((frame["state"].isin(["failed", "interrupted", "unverified"]) & (frame["undone_by"] == "")).sum())
    running = int((frame["state"] == "running").sum())
    under = f"{stopped} did not succeed" if stopped else f"{running} running now" if running else "none is open"
    tile("Changes, 24h", str(len(frame)), under, "red" if stopped else "off", tip)


def _against_target(trend: Reading[pd.DataFrame], target: float, range_name: str) -> None:
    frame = trend.value if trend.value is not None and len(trend.value) else None
    mean = None if frame is None else attribution.mean(frame)
    tip = "Mean share of time engines were busy, over all GPUs that send metrics, held or not."
    if mean is None:
        tile(f"Utilisation, {range_name}", None, None, tip=tip)
        return
    points = (mean - target) * 100
    side = "below" if points < 0 else "above"
    colour: Colour = "red" if points < -20 else "orange" if points < 0 else "green"
    under = f"{abs(points):.0f} points {side} {words.share(target)}"
    tile(f"Utilisation, {range_name}", words.share(mean), under, colour, tip)


def _free(head: Headline | None) -> None:
    tip = "GPU equivalents a pod could have now, on ready nodes that are not cordoned."
    if head is None:
        tile("Free GPUs", None, None, tip=tip)
        return
    free = None if head.free is None else words.count(head.free)
    tile("Free GPUs", free, f"of {words.count(head.gpus)} on {head.nodes} nodes", tip=tip)


def _unmet(head: Headline | None) -> None:
    tip = (
        "Pods that ask for GPUs and have no node, cannot start, or may not be created; under it the longest wait and "
        "its reason. Pool and model do not narrow it: most of these pods have no node yet."
    )
    if head is None:
        tile("Unmet demand", None, None, tip=tip)
    elif head.waiting_pods:
        under = f"{words.span(head.longest_wait)}: {words.plain(head.waiting_reason)}"
        tile("Unmet demand", words.counted(head.waiting_pods, "pod"), under, "red", tip)
    else:
        tile("Unmet demand", "0 pods", "nobody waits", "green", tip)


def _out_of_use(head: Headline | None) -> None:
    tip = "Called unhealthy by the device plugin, or expected and not advertised."
    if head is None:
        tile("GPUs out of use", None, None, tip=tip)
    elif head.out_of_use or head.broken_nodes:
        under = f"{words.counted(head.broken_nodes, 'node')} affected"
        tile("GPUs out of use", words.count(head.out_of_use), under, "red", tip)
    else:
        tile("GPUs out of use", "0", "all GPUs can be allocated", "green", tip)


def utilisation(page: Page, node: str) -> None:
    """Headline figures of the Utilisation page; of one node when it is looked at."""
    value = shell.shown(queries.summary(page.mode, page.scope, node), "Utilisation")
    if value is None:
        return
    one, two, three, four = _four()
    with one:
        under = f"over {words.gpus(value.measured)} measured"
        tile(f"Utilisation, {page.scope.range}", words.share(value.util), under)
    with two:
        under = f"{words.money(value.idle_usd_per_day)} a day at list prices"
        tip = "Held by pods, and never above 1 % in the last half hour."
        tile("Held idle", words.gpus(value.held_idle), under, "red" if value.held_idle else "off", tip)
    with three:
        tile("Memory used", words.share(value.memory), "of framebuffer memory, now")
    with four:
        power = words.DASH if value.power is None else f"{value.power / 1000:,.1f} kW"
        hottest = words.DASH if value.hottest is None else f"{value.hottest:.0f} °C"
        tile("Power", power, f"hottest GPU {hottest}")


def workloads(page: Page) -> None:
    """Headline figures of the Workloads page."""
    reading = queries.workload_totals(page.mode, page.scope)
    value = reading.value
    if value is None:
        shell.shown(reading, "Workloads")
        return
    one, two, three, four = _four()
    with one:
        tile("GPUs held", words.count(value.held), f"by {words.counted(value.holders, 'workload')}, now")
    with two:
        tip = "GPU equivalents × hours held in the window. GPUs that send no metrics are not in it."
        tile(f"GPU-hours, {page.scope.range}", words.count(value.gpu_hours), "held, as metrics saw it", tip=tip)
    with three:
        under = f"{words.share(value.idle_share)} of the hours held"
        tile("Idle GPU-hours", words.count(value.idle_gpu_hours), under)
    with four:
        tile("Cannot run", words.counted(value.waiting, "pod"), "waiting, failing or held back")
