"""One start: its waterfall, what the cluster said meanwhile, and how others of its workload did."""

from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.observe import _startup_figures as figures
from pages.ui import charts_startup, panels, queries, shell, tables, tables_startup, theme, tiles, words
from pages.ui.charts_startup import SERVED_WORDS, took
from pages.ui.shell import Page
from services import runtime
from services.domain.inventory import short_node
from services.domain.startup import FLAGS, Outcome
from services.domain.startup.imagenames import short
from services.startup.one import One
from services.startup.read import TARGET_S

START, BESIDE = "start", "startup_beside"
LONGEST = 300


def asked(workload: str) -> str:
    """The start the link or a row asks for, as "cluster/uid"; "" for none, and once another workload is chosen."""
    before = st.session_state.get(BESIDE)
    st.session_state[BESIDE] = workload
    context = get_script_run_ctx()
    linked, given = st.query_params.get(START, ""), st.session_state.get(START)
    if given is None or (context is not None and context.is_history_navigation):
        given = linked
    if not linked or len(given) > LONGEST or before not in (None, workload):
        # What is typed stands in the address as well; a link or a step back to all starts leaves the field behind.
        return ""
    return given.strip()


def look_at(name: str) -> None:
    """Go to a start ("cluster/uid"): one step in the browser's history, as if by a link."""
    st.session_state[START] = st.query_params[START] = name
    st.rerun()


def draw(page: Page, wanted: str) -> None:
    """Everything the record holds of a start."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("All starts", icon=":material/arrow_back:", on_click=_back, key="start_back", width="content")
        st.text_input(
            "Start", key=START, bind="query-params", max_chars=LONGEST, help="cluster/id; without one, all are shown"
        )
    cluster, _, uid = wanted.partition("/")
    reading = queries.start(page.mode, page.scope.sees, cluster, uid)
    found = shell.shown(reading, "This start", needs="database")
    if found is None:
        if reading.problem is None and reading.absence is None:
            panels.nothing(
                "No such start", "None of this id is recorded, it was removed with age, or you may not see it."
            )
        return
    st.subheader(words.plain(str(found.row["pod"])), anchor=False)
    _figures(found)
    _facts(found.row)
    _waterfall(page, found, reading.as_of)
    _beside(page, found, reading.as_of)


def _back(workload: str | None = None) -> None:
    """To all starts, or to those of a workload."""
    st.session_state[START] = ""
    if workload is not None:
        st.session_state[figures.WORKLOAD] = workload


def _figures(found: One) -> None:
    row = found.row
    grid = st.grid(4, min_column_width=200)
    one, two, three, four = (grid.container(height="stretch") for _ in range(4))
    with one:
        beyond = row["total_s"] - TARGET_S
        label = {"ready": "Ready after", "starting": "Under way for"}.get(row["outcome"], "Ended after")
        under = f"{took(beyond)} above target" if beyond > 0 else f"target {took(TARGET_S)}"
        tiles.tile(label, took(row["total_s"]), under, "red" if beyond > 0 else "off")
    with two:
        known = found.compared[found.compared["title"] != "Whole start"].sort_values("this_s", ascending=False)
        first = known.iloc[0] if len(known) else None
        share = None if first is None or not row["total_s"] else first["this_s"] / row["total_s"]
        under = "" if first is None else f"{took(first['this_s'])}, {words.share(share)}"
        tiles.tile("Mostly", None if first is None else str(first["title"]), under)
    with three:
        tip = "The node was there with room (warm; by headroom: kept for it) or without (waited), or it came (cold)."
        tiles.tile("Node", SERVED_WORDS[row["served"]], words.plain(short_node(row["node"])) or "no node", tip=tip)
    with four:
        rate = row["usd_per_hour"]
        under = f"at {words.money(rate)} an hour"
        if pd.isna(row["usd"]) or pd.isna(rate):
            under = "no price is known" if pd.isna(row["usd"]) else "it held no GPU"
        tiles.tile("GPU money", words.money(row["usd"]), under, tip="GPUs × list price until it was ready or ended.")


def _facts(row: Any) -> None:
    owner = f"{row['namespace']}/{row['workload']}"
    parts = {
        "Team": row["team"],
        "Cluster": row["cluster"],
        "Pool": row["pool"],
        "Zone": row["zone"],
        "GPU model": row["model"],
        "Node type": row["instance"],
        "Capacity": row["capacity_type"],
        "Asks for": f"{row['gpus']:g} × {row['resource']}" if row["resource"] else "",
        "Image": short(row["image"]),
        "Pull": row["pull"],
        "Node": row["node"],
        "Created": words.utc(row["created_at"].to_pydatetime()),
    }
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            f"Starts of {words.plain(owner)}",
            icon=":material/deployed_code:",
            on_click=_back,
            args=(owner,),
            key="start_workload_all",
            type="tertiary",
        )
        st.caption(" · ".join(f"{label} **{words.plain(str(text))}**" for label, text in parts.items() if text))
    if row["outcome"] != "ready":
        why = words.plain(words.sentence(str(row["reason"]))) if row["reason"] else "Nothing says why."
        looked = words.ago(row["ended_at"].to_pydatetime(), runtime.current().now())
        said = {
            "starting": f"It was not ready when it was looked at last, {looked}",
            "completed": "It ended well before it was seen ready",
            "failed": "It failed before it was ready",
        }
        st.warning(
            f"{said.get(row['outcome'], 'It was deleted before it was ready')}. {why}", icon=":material/hourglass_top:"
        )
    for flag in [name for name in str(row["flags"]).split(",") if name in FLAGS]:
        st.caption(f":material/flag: {words.plain(words.sentence(FLAGS[flag][:1].upper() + FLAGS[flag][1:]))}")


def _waterfall(page: Page, found: One, as_of: Any) -> None:
    st.subheader(
        "Waterfall",
        anchor=False,
        help="What was waited for, from the pod's creation on; below the dotted line what ran at the same time. "
        "Hatched: estimated. Dotted: no evidence.",
    )
    if found.spans.empty:
        panels.nothing("No detail", "What is kept of this start has no phases, or another version wrote it.")
        return
    st.plotly_chart(
        charts_startup.waterfall(found.spans, theme.current(), target_s=TARGET_S, total_s=float(found.row["total_s"])),
        key="startup_waterfall",
        alt="; ".join(
            f"{span['title']} from {took(span['from_s'])} to {took(span['to_s'])}"
            for span in found.spans[~found.spans["beside"]].to_dict("records")
        ),
        config={"displayModeBar": False},
    )
    tables.show(
        found.spans,
        tables_startup.SPANS,
        key="startup_spans",
        alt="The phases of the start with their evidence.",
        page=page,
        as_of=as_of,
    )


def _beside(page: Page, found: One, as_of: Any) -> None:
    grid = st.grid(2, min_column_width=420)
    with grid.container():
        st.subheader("Events", anchor=False, help="Of the pod, oldest first, as far as the cluster told them.")
        if found.events.empty:
            st.caption("None was recorded: the cluster forgets events after about an hour.")
        else:
            tables.show(
                found.events, tables_startup.EVENTS, key="startup_events", alt="Events.", page=page, as_of=as_of
            )
        st.subheader("Images", anchor=False, help="How each container came to its image.")
        if found.pulls.empty:
            st.caption("Nothing says how its containers came to their images.")
        else:
            tables.show(found.pulls, tables_startup.PULLS, key="startup_pulls", alt="Pulls.", page=page, as_of=as_of)
    with grid.container():
        st.subheader(
            "Compared",
            anchor=False,
            help="Medians phase by phase do not add up to the median of the whole.",
        )
        if not found.others:
            st.caption("No start of this workload became ready, so there is nothing to compare with.")
            return
        if found.others == 1 and found.row["outcome"] == Outcome.READY:
            st.caption("No other start of this workload became ready, so there is nothing to compare with.")
            return
        st.caption(
            f"With the last {words.counted(found.others, 'start')} of {words.plain(str(found.row['workload']))} that "
            f"became ready, {found.cold:,} of them cold."
        )
        tables.show(
            found.compared,
            tables_startup.COMPARED,
            key="startup_compared",
            alt="Seconds by phase of this start, the workload's median and its fastest start.",
            page=page,
            as_of=as_of,
        )
