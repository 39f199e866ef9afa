"""Workloads: who holds GPUs, and do they use them?"""

import pandas as pd
import streamlit as st

from pages.ui import filters, panels, queries, shell, tables, tiles, words

WORKLOAD, ROW = "work_name", "work_row"

page = shell.page("Workloads")
scope, mode = page.scope, page.mode


@shell.live
def picture() -> None:
    """Tiles and unmet demand."""
    tiles.workloads(page)
    reading = queries.waiting(mode, scope)
    waiting = shell.shown(reading, "Unmet demand")
    if waiting is not None and len(waiting):
        st.subheader(f"Unmet demand ({len(waiting)})", anchor=False, help="Longest wait first.")
        tables.show(
            waiting,
            tables.WAITING,
            key="work_waiting",
            alt="Pods that cannot run and why.",
            page=page,
            as_of=reading.as_of,
        )


def choose(rows: pd.DataFrame, row: int | None) -> str:
    """The workload looked at, as "namespace/name": the table's choice, or the link's."""
    names = (rows["namespace"] + "/" + rows["workload"]).tolist()
    if row is not None and st.session_state.get(ROW) != names[row]:
        st.session_state[ROW] = st.session_state[WORKLOAD] = names[row]
    return filters.choose("Workload", sorted(set(names)), key=WORKLOAD, nothing="Choose one to see its pods")


def pods(name: str) -> None:
    """The pods of the chosen workload."""
    st.subheader(f"Pods of {words.plain(name)}", anchor=False)
    namespace, _, workload = name.partition("/")
    reading = queries.workload_pods(mode, scope, namespace, workload)
    frame = reading.value if reading.value is not None else shell.shown(reading, "Pods")
    if frame is None:
        return
    if frame.empty:
        panels.nothing("No such workload", "Nothing of this name holds GPUs or held some in this window.")
        return
    tables.show(frame, tables.POD_USE, key="work_pods", alt=f"Pods of {name}.", page=page, as_of=reading.as_of)


picture()
st.subheader("All workloads", anchor=False, help="Most idle GPU-hours first; choose a row to see its pods.")
reading = queries.workload_table(mode, scope)
shell.shown(reading, "Utilisation of workloads")
if reading.value is not None and reading.value.empty:
    panels.nothing("No GPU workloads", "No pod of this scope holds, wants or held GPUs in this window.")
elif reading.value is not None:
    row = tables.show(
        reading.value,
        tables.WORKLOADS,
        key="work_table",
        alt="Workloads with GPUs held, utilisation and idle hours.",
        page=page,
        as_of=reading.as_of,
        select=True,
        height=420,
    )
    picked = choose(reading.value, row)
    if picked:
        pods(picked)
shell.glossary(
    "Workload", "GPU equivalent", "Held", "Idle GPU-hours", "Utilisation", "Team", "Unmet demand", "List price"
)
