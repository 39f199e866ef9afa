"""Setting the warm units of one pool: how many, of what shape, at what price, and whether it would work."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.ui import actions, filters, queries, shell, words
from pages.ui.rows import clicked
from pages.ui.shell import Page
from services.domain.headroom import MOST_UNITS, Shape, Want
from services.domain.headroom.findings import ACTION, pool_name
from services.headroom.survey import Found

POOL, ROW = "headroom_pool", "headroom_row"
USUAL, TYPED = "As is usual in the pool", "As typed here"


def choose(rows: pd.DataFrame, row: int | None) -> dict[Any, Any] | None:
    """The pool looked at: the table's choice, or the link's."""
    names = [pool_name(one) for one in rows.to_dict("records")]
    if clicked(row, key=ROW) and row is not None and row < len(names):
        st.session_state[POOL] = names[row]
    chosen = filters.choose("Pool to keep warm", names, key=POOL, nothing="Choose a pool")
    if not chosen:
        return None
    if chosen not in names:
        st.info("This pool is not known here (yet).", icon=":material/help:")
        return None
    return dict(rows.iloc[names.index(chosen)])


def draw(page: Page, row: dict[Any, Any]) -> None:
    """The form and what would come of it."""
    left, right = st.columns([5, 6], gap="large")
    with left:
        want = _form(page, row)
    with right:
        _outcome(page, want)


def _form(page: Page, row: dict[Any, Any]) -> Want:
    key = pool_name(row)
    units = st.number_input(
        "Warm units",
        min_value=0,
        max_value=MOST_UNITS,
        value=max(int(row["set"]), 1),
        key=f"headroom_units_{key}",
        help="How many replicas can start at once, without waiting for a node. 0 removes what keeps them.",
    )
    workloads = _workloads(page, row)
    shape = st.selectbox(
        "A unit is shaped",
        [USUAL, *workloads, TYPED],
        key=f"headroom_shape_{key}",
        help="A unit holds what one replica asks for: GPUs, CPUs and memory. One that is too small helps nobody.",
    )
    given, whose = Shape(resource=str(row["resource"])), ""
    if shape in workloads:
        given, whose = workloads[shape], shape
    elif shape == TYPED:
        given = _typed(key, str(row["resource"]))
    where = {name: str(row[name]) for name in ("cluster", "pool", "model")}
    return Want(units=int(units), shape=given, from_workload=whose, **where)


def _workloads(page: Page, row: dict[Any, Any]) -> dict[str, Shape]:
    """Workloads of this cluster that ask for what the pool offers, those in the pool first."""
    found = queries.headroom_shapes(page.mode, page.scope).value
    if found is None:
        return {}
    fitting = found[(found["cluster"] == row["cluster"]) & (found["resource"] == row["resource"])]
    ordered = fitting.assign(other=fitting["pool"] != row["pool"]).sort_values(["other", "namespace", "workload"])
    return {
        f"{one['namespace']}/{one['workload']}": Shape(one["resource"], int(one["gpus"]), one["cpu"], one["memory"])
        for one in ordered.to_dict("records")
    }


def _typed(key: str, resource: str) -> Shape:
    one, two, three = st.columns(3)
    gpus = one.number_input("GPUs", min_value=1, max_value=64, value=1, key=f"headroom_gpus_{key}", help=resource)
    cpu = two.text_input("CPUs", value="4", key=f"headroom_cpu_{key}", max_chars=10, help="Such as 8 or 500m")
    memory = three.text_input("Memory", value="16Gi", key=f"headroom_memory_{key}", max_chars=12, help="Such as 64Gi")
    return Shape(resource, int(gpus), cpu.strip(), memory.strip())


def _outcome(page: Page, want: Want) -> None:
    found = shell.shown(queries.headroom_weighed(page.mode, want), "What it takes")
    if found is None:
        return
    shape, pool = found.survey.shape, words.plain(want.pool)
    st.markdown(f"**{_cost(found, want.units)}**")
    if want.units:
        st.caption(
            f"Each unit holds {words.plain(str(shape))}, {words.plain(shape.cpu)} {_cpus(shape.cpu)} and "
            f"{words.plain(shape.memory)} of memory. {_fit(found, want.units)} {words.plain(found.why)}"
        )
    for text in found.answer.warnings:
        st.caption(f":material/warning: {words.plain(text)}")
    if found.answer.refusal:
        st.warning(words.plain(found.answer.refusal), icon=":material/block:")
    label = f"Keep {words.counted(want.units, 'unit')} of {pool} warm" if want.units else f"Keep nothing warm in {pool}"
    same = want.units == found.survey.set and not (want.shape.cpu or want.from_workload)
    reason = "It is so already." if same else found.answer.refusal
    actions.button(label, ACTION, want, key="headroom_apply", icon=":material/mode_heat:", primary=True, reason=reason)


def _cpus(amount: str) -> str:
    return "CPU" if amount == "1" else "CPUs"


def _cost(found: Found, units: int) -> str:
    if not units:
        return "Costs nothing; the next start may have to wait for a node."
    return f"About {words.plain(words.money(found.answer.usd_per_day))} a day at list prices."


def _fit(found: Found, units: int) -> str:
    if found.answer.refusal:
        return ""
    if found.answer.new_nodes:
        return "Some of them wait for new nodes."
    if units <= found.survey.ready:
        return ""
    return "It fits now." if units - found.survey.ready == 1 else "They fit now."
