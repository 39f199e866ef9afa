"""The first screen of the Startup page: the figures, the answer in words, and whether starts are being recorded."""

from datetime import datetime, timedelta

import streamlit as st

from pages.ui import filters, panels, queries, shell, tiles, words
from pages.ui.charts_startup import SERVED_WORDS, took
from pages.ui.shell import Page
from services import runtime
from services.domain.startup.findings import SILENT
from services.domain.startup.groups import GROUPS, folded
from services.domain.startup.imagenames import short
from services.domain.startup.levers import LEVERS_BY_NAME
from services.domain.startup.summary import SERVED, Totals
from services.domain.window import RANGES
from services.startup.read import TARGET_S

WORKLOAD = "start_workload"
_SAID = 3
"""Phase groups named in a sentence."""


def choose(page: Page) -> str:
    """The workload looked at ("namespace/name"), "" for all."""
    found = queries.startup(page.mode, page.scope, "").value
    names = () if found is None else found.workloads
    return filters.choose("Workload", names, key=WORKLOAD, nothing="All workloads")


def draw(page: Page, workload: str) -> bool:
    """Tiles and the answer in two sentences; whether there are starts to say more about."""
    reading = queries.startup(page.mode, page.scope, workload)
    found = shell.shown(reading, "Starts", needs="database")
    if found is None:
        return False
    if not found.totals.number:
        _nothing(page, workload)
        return False
    _tiles(found.totals, page.scope.range)
    _answer(page, found.totals, workload)
    _recording(page, found.since)
    return True


def _tiles(totals: Totals, window: str) -> None:
    grid = st.grid(5, min_column_width=170)
    places = [grid.container(height="stretch") for _ in range(5)]
    with places[0]:
        tip = (
            "Half of the starts take longer, from a pod's creation to its first readiness; of those that became ready."
        )
        beyond = None if totals.p50_s is None else totals.p50_s - TARGET_S
        under = "no start became ready" if beyond is None else _beyond(beyond)
        tiles.tile(f"Start p50, {window}", _took(totals.p50_s), under, _colour(beyond), tip)
    with places[1]:
        tip = "One start in twenty takes longer; of those that became ready. Under it the longest of them."
        beyond = None if totals.p95_s is None else totals.p95_s - TARGET_S
        under = "no start became ready" if totals.max_s is None else f"longest {took(totals.max_s)}"
        tiles.tile("Start p95", _took(totals.p95_s), under, _colour(beyond), tip)
    with places[2]:
        tip = (
            f"Starts that were ready within {took(TARGET_S)}, of all that are decided: one that never became ready, or "
            "is under way for longer, missed it."
        )
        share = totals.in_target
        colour: tiles.Colour = (
            "off" if share is None else "green" if share >= 0.95 else "orange" if share >= 0.5 else "red"
        )
        tiles.tile("In target", words.share(share), f"of {totals.decided:,} decided", colour, tip)
    with places[3]:
        tip = (
            "GPUs held × list price × time until the start was ready or ended: on a node that was there from "
            "scheduling, on a node that came for it from the node's creation."
        )
        under = (
            "before first readiness"
            if not totals.unpriced
            else f"{words.counted(totals.unpriced, 'unpriced start')} left out"
        )
        tiles.tile("GPU money", words.money(totals.usd), under, tip=tip)
    with places[4]:
        under = f"{words.share(totals.not_ready / totals.number)} of starts" if totals.not_ready else "no start failed"
        tip = "Starts that failed, or whose pod was deleted before it was ready."
        tiles.tile("Never ready", f"{totals.not_ready:,}", under, "red" if totals.not_ready else "green", tip)


def _took(seconds: float | None) -> str | None:
    return None if seconds is None else took(seconds)


def _beyond(seconds: float) -> str:
    return f"{took(seconds)} above target" if seconds > 0 else f"{took(-seconds)} below target"


def _colour(beyond: float | None) -> tiles.Colour:
    if beyond is None:
        return "off"
    return "red" if beyond > TARGET_S else "orange" if beyond > 0 else "green"


def _answer(page: Page, totals: Totals, workload: str) -> None:
    with st.container(border=True, key="startup_answer", gap="xxsmall"):
        if totals.shares:
            most = sorted(folded(totals.shares).items(), key=lambda item: -item[1])[:_SAID]
            said = ", ".join(f"{GROUPS[name].title.lower()} {words.share(share)}" for name, share in most if share)
            st.markdown(f":material/timelapse: **Most time goes to** {said}.")
        _helps(page, workload)
        served = {how: getattr(totals, how) for how in SERVED}
        ways = ", ".join(
            f"{SERVED_WORDS[how].lower()} {words.share(number / totals.number)}"
            for how, number in served.items()
            if number
        )
        under_way = f", {totals.starting:,} of them under way" if totals.starting else ""
        unprobed = (
            f" {words.counted(totals.no_readiness, 'start')} without a probe counted as ready as soon as they ran."
            if totals.no_readiness
            else ""
        )
        untimed = totals.ready - totals.timed
        unknown = (
            f" {words.counted(untimed, 'start')} whose first readiness nobody saw left out of the times."
            if untimed
            else ""
        )
        completed = (
            f" {words.counted(totals.completed, 'start')} ended well before being seen ready: no target to meet."
            if totals.completed
            else ""
        )
        st.caption(
            f"{words.counted(totals.number, 'start')}{under_way}; their nodes: {ways}. Warm: the node was there, "
            "with room. By headroom: it took room kept warm for it. Waited: the node was there, others had to leave. "
            f"Cold: the node came for it.{unprobed}{unknown}{completed}"
        )


def _helps(page: Page, workload: str) -> None:
    known = queries.startup_advice(page.mode, page.scope, workload).value
    best = None if known is None else known.levers[known.levers["seconds_saved_per_day"] > 0]
    if best is None or best.empty:
        return
    row = best.iloc[0]
    subject = short(row["subject"]) if row["subject_kind"] == "image" else row["subject"]
    st.markdown(
        f":material/rocket_launch: **What would help most:** {LEVERS_BY_NAME[row['lever']].title.lower()}, "
        f"{words.plain(str(subject))}: {took(row['seconds_saved_mean'])} less in {row['starts']:,} of {row['of']:,} "
        "starts."
    )


def _nothing(page: Page, workload: str) -> None:
    """Why there is no start to be shown."""
    reading = queries.startup_recorder(page.mode, page.scope.cluster)
    state = reading.value
    if workload:
        panels.nothing("No such start", f"Nothing of {words.plain(workload)} started in the last {page.scope.range}.")
    elif state is not None and state.first is not None:
        panels.nothing(
            "No start in this scope",
            f"No GPU pod of it was created in the last {page.scope.range}. Starts are recorded since "
            f"{words.plain(words.utc(state.first))}.",
        )
    else:
        begun = min(state.since.values(), default=None) if state is not None else None
        since = "" if begun is None else f"Recording began {words.ago(begun, runtime.current().now())}. "
        panels.nothing(
            "No start was recorded yet",
            f"{since}As soon as a GPU pod starts, it is here, phase by phase; a first look also finds pods that became "
            "ready before it, with less detail.",
        )
    _recording(page, None)


def _recording(page: Page, since: datetime | None) -> None:
    """What is wrong with recording, and how far back it reaches."""
    state = queries.startup_recorder(page.mode, page.scope.cluster).value
    if state is None:
        return
    now = runtime.current().now()
    silent = {name: at for name, at in state.looked.items() if at is None or now - at > SILENT}
    if silent:
        said = ", ".join(
            f"{words.plain(name)} (never yet)" if at is None else f"{words.plain(name)} (last {words.ago(at, now)})"
            for name, at in silent.items()
        )
        st.warning(
            f"Starts are not being recorded in {said}. Run the collector: `python -m services.collector`, or set "
            "`GFC_COLLECTOR=on` for one inside the console. Clusters forget events after about an hour: what is older "
            "cannot be recorded later.",
            icon=":material/pause_circle:",
        )
    filling = {cluster: share for cluster, share in state.filled.items() if share < 1}
    if filling:
        said = ", ".join(f"{words.plain(cluster)} {share:.0%}".replace("%", " %") for cluster, share in filling.items())
        st.caption(f":material/history: The past is being filled in: {said}. Figures of long ranges still change.")
    elif since is not None and since > now - RANGES[page.scope.range] + timedelta(hours=1):
        st.caption(f":material/history: Starts are recorded since {words.plain(words.utc(since))}.")
