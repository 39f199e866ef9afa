"""What would make starts faster and what made them slower, on the Startup page."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.observe import _startup_figures as figures
from pages.ui import actions, panels, proposal, queries, tables, tables_startup, words
from pages.ui.charts_startup import took
from pages.ui.shell import Page
from services.domain.startup.groups import GROUPS
from services.domain.startup.imagenames import short
from services.domain.startup.levers import LEVERS_BY_NAME

FIRST = 6
_ICONS = {
    "prepull": ":material/download_for_offline:",
    "node-image": ":material/hard_drive:",
    "stream": ":material/stream:",
    "registry": ":material/hub:",
    "headroom": ":material/mode_heat:",
    "pool": ":material/dns:",
    "driver": ":material/memory:",
    "cache": ":material/cached:",
    "preload": ":material/bolt:",
    "restarts": ":material/restart_alt:",
}


def draw(page: Page, workload: str) -> None:
    """Regressions first, then levers, those that save most a day first."""
    reading = queries.startup_advice(page.mode, page.scope, workload)
    found = reading.value
    if found is None:
        return
    if len(found.regressions):
        st.subheader(f"Slower since a change ({len(found.regressions)})", anchor=False, help="Like starts compared.")
        for row in found.regressions.head(FIRST).to_dict("records"):
            _slower(row)
    st.subheader(
        "What would help",
        anchor=False,
        help="What-if on the starts recorded here; each by itself, savings do not add up. Most seconds a day first.",
    )
    predicted = found.levers[found.levers["seconds_saved_per_day"] > 0]
    if predicted.empty:
        panels.nothing(
            "Nothing can be predicted yet",
            "A prediction needs at least five recorded starts that had the advantage already, such as the image on "
            "the node.",
        )
    grid = st.grid(2, min_column_width=420)
    for row in predicted.head(FIRST).to_dict("records"):
        with grid.container(height="stretch"):
            _lever(row)
    if any((page.scope.pool, page.scope.model, page.scope.namespace, page.scope.team)) or not page.scope.sees.whole:
        st.caption("Compared with the starts in view alone; others may know faster pools, images or registries.")
    if len(found.levers):
        with st.expander(f"All {len(found.levers)} as a table", icon=":material/table_rows:"):
            tables.show(
                tables_startup.levers(found.levers),
                tables_startup.LEVERS,
                key="startup_levers",
                alt="What would make starts faster, with predictions and their basis.",
                page=page,
                as_of=reading.as_of,
            )


def _lever(row: Mapping[Hashable, Any]) -> None:
    lever = LEVERS_BY_NAME[row["lever"]]
    name = f"{row['cluster']}/{row['lever']}/{row['pool']}/{row['subject']}"
    with st.container(border=True, key=f"startup_lever_{name}", gap="xxsmall", height="stretch"):
        st.markdown(f"{_ICONS[row['lever']]} **{lever.title}** · {_subject(row)}", help=lever.about)
        st.markdown(
            f"**{took(row['seconds_saved_mean'])} less** in {row['starts']:,} of "
            f"{words.counted(int(row['of']), 'start')}"
        )
        st.caption(" · ".join(_facts(row)))
        st.caption(f"Basis: {words.plain(row['basis'])}.")
        if row["action"] and proposal.acts():
            actions.button(
                _label(row),
                str(row["action"]),
                dict(row["params"]),
                key=f"startup_fix_{name}",
                icon=":material/build:",
            )


def _label(row: Mapping[Hashable, Any]) -> str:
    pool = words.plain(str(row["pool"]))
    if row["action"] == "scale-headroom":
        return f"Keep {words.counted(int(row['params']['units']), 'unit')} of {pool} warm"
    return f"Pull it to the nodes of {pool}"


def _subject(row: Mapping[Hashable, Any]) -> str:
    subject = short(row["subject"]) if row["subject_kind"] == "image" else str(row["subject"])
    if row["subject_kind"] == "image" and row["pool"]:
        subject = f"{subject} in {row['pool']}"
    return words.plain(subject)


def _facts(row: Mapping[Hashable, Any]) -> list[str]:
    facts = [
        f"p95 {took(row['total_p95_before'])} → {took(row['total_p95_after'])}",
        f"in target {words.share(row['in_target_before'])} → {words.share(row['in_target_after'])}",
    ]
    for word, column in (("saves", "usd_saved_per_day"), ("holds", "usd_cost_per_day")):
        amount = row[column]
        if not pd.isna(amount) and abs(amount) >= 0.005:
            verb = word if amount > 0 else "costs"
            facts.append(f"{verb} {words.plain(words.money(abs(amount)))} a day")
    return [*facts, words.plain(str(row["cluster"]))]


def _slower(row: Mapping[Hashable, Any]) -> None:
    grown = GROUPS[row["phase_group"]].title.lower()
    with st.container(border=True, gap="xxsmall"):
        owner = f"{row['namespace']}/{row['workload']}"
        st.button(
            f"{words.plain(row['workload'])} starts {words.share(row['rise'])} slower since "
            f"{words.plain(row['change'])}",
            key=f"startup_slower_{row['cluster']}_{row['workload_kind']}_{owner}",
            icon=":material/trending_up:",
            type="tertiary",
            on_click=_only,
            args=(owner,),
        )
        st.caption(
            f"{words.plain(row['compared'])}: p95 {took(row['p95_before_s'])} of {row['n_before']:,} → "
            f"{took(row['p95_after_s'])} of {row['n_after']:,} · {grown} grew most, by {took(row['phase_group_s'])} · "
            f"since {words.plain(words.utc(row['at'].to_pydatetime()))} · {words.plain(row['cluster'])}"
        )


def _only(workload: str) -> None:
    st.session_state[figures.WORKLOAD] = workload
