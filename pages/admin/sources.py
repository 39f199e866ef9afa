"""Sources: can the figures be trusted, what is connected, how fresh is it, what is missing?"""

import streamlit as st

from pages.ui import panels, queries, shell, tables, words
from services import runtime

page = shell.page("Sources")
scope, mode = page.scope, page.mode
SOURCE_WORDS = {"kubernetes": "Kubernetes", "prometheus": "Metrics"}


@shell.live
def picture() -> None:
    """Reachability, then what each source holds and lacks."""
    reading = queries.source_health(mode, scope.cluster)
    report, now = shell.shown(reading, "Sources"), runtime.now()
    if report is None:
        return
    if not report.statuses:
        panels.nothing("No such cluster", "No configured cluster has this name.")
        return
    grid = st.grid(4, min_column_width=260)
    for cluster, status in report.statuses:
        with grid.container(border=True, height="stretch"):
            if status is None:
                st.markdown(f"**{words.plain(cluster)}** · Metrics")
                st.badge("Not configured", icon=":material/power_off:", color="gray")
                continue
            st.markdown(f"**{words.plain(cluster)}** · {SOURCE_WORDS.get(status.source, status.source)}")
            if status.reachable:
                st.badge("Reachable", icon=":material/check_circle:", color="green")
            else:
                st.badge("Failed", icon=":material/error:", color="red")
            facts = []
            if status.latency_s is not None:
                facts.append(f"answers in {status.latency_s * 1000:.0f} ms")
            if status.version:
                facts.append(f"version {status.version}")
            if status.newest_at is not None:
                facts.append(f"newest datum {words.ago(status.newest_at, now)}")
            st.caption(words.plain(" · ".join(facts)))
            if status.message:
                st.caption(f"{words.plain(words.sentence(status.message))} {words.plain(status.hint)}")
            st.caption(words.plain(status.address))
    missing = [item for item in report.advice]
    st.subheader(f"What is missing ({len(missing)})", anchor=False)
    if not missing:
        st.success("Nothing is missing.", icon=":material/check_circle:")
    for place, item in enumerate(missing):
        with st.expander(f"{words.plain(item.cluster)}: {item.title}", icon=":material/build:"):
            st.markdown(words.plain(item.cost))
            st.code(item.snippet, language=item.language)
    st.subheader("GPU metrics", anchor=False)
    for problem in report.problems:
        st.warning(words.plain(words.sentence(problem.message)), icon=":material/cloud_off:")
    if len(report.signals):
        tables.show(report.signals, tables.SIGNALS, key="sources_signals", alt="GPU figures and the metrics that carry them.", scope=scope, mode=mode, as_of=reading.as_of)
    st.subheader("Kubernetes objects", anchor=False)
    tables.show(report.stores, tables.STORES, key="sources_stores", alt="Kinds of Kubernetes object read.", scope=scope, mode=mode, as_of=reading.as_of)


picture()
shell.glossary("Not collected")
