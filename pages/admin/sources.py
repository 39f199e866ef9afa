"""Sources: can the figures be trusted, what is connected, how fresh is it, what is missing?"""

from datetime import datetime, timedelta

import streamlit as st

from pages.ui import panels, queries, shell, tables, words
from services import runtime
from services.health import Advice, Report
from services.ports import SourceStatus

page = shell.page("Sources")
scope, mode = page.scope, page.mode
SOURCE_WORDS = {"kubernetes": "Kubernetes", "prometheus": "Metrics", "litellm": "Gateway", "opencost": "Prices"}


def card(cluster: str, status: SourceStatus | None, now: datetime) -> None:
    """One source: reachable or not, how fast, how fresh, where."""
    what = "Metrics" if status is None else SOURCE_WORDS.get(status.source, status.source)
    st.markdown(f"**{words.plain(cluster)}** · {what}")
    if status is None:
        st.badge("Not configured", icon=":material/power_off:", color="gray")
        st.caption("Utilisation, idle GPUs and power are unknown here.")
        return
    if status.reachable:
        st.badge("Reachable", icon=":material/check_circle:", color="green")
    else:
        st.badge("Failed", icon=":material/error:", color="red")
    facts = [status.version and f"version {status.version}"]
    if status.latency_s is not None:
        facts.append(f"answers in {status.latency_s * 1000:.0f} ms")
    if status.newest_at is not None:
        facts.append(f"newest datum {words.ago(status.newest_at, now)}")
    if status.since is not None and now - status.since > timedelta(seconds=10):
        facts.append(f"since {words.span(now - status.since)}")
    st.caption(words.plain(" · ".join(fact for fact in facts if fact)))
    if status.message:
        st.caption(f"{words.plain(words.sentence(status.message))} {words.plain(status.hint)}")
    st.caption(words.code(status.address))


def missing(advice: list[Advice], *, known: bool) -> None:
    """What could be turned on, what it would bring, and the text that does it; ``known`` if every source answered."""
    st.subheader(f"What is missing ({len(advice)})" if advice or known else "What is missing", anchor=False)
    if not advice and known:
        st.success("Nothing is missing.", icon=":material/check_circle:")
    if not known:
        st.caption("What a source that does not answer lacks is not known.")
    for item in advice:
        with st.expander(f"{words.plain(item.cluster)}: {item.title}", icon=":material/build:"):
            st.markdown(words.plain(item.cost))
            st.code(item.snippet, language=item.language)


def found(report: Report, as_of: datetime | None) -> None:
    """The metrics and kinds of object that were found."""
    st.subheader("GPU metrics", anchor=False)
    for problem in report.problems:
        st.warning(words.plain(words.sentence(problem.message)), icon=":material/cloud_off:")
    if len(report.signals):
        tables.show(
            report.signals,
            tables.SIGNALS,
            key="sources_signals",
            alt="GPU figures and the metrics that carry them.",
            page=page,
            as_of=as_of,
        )
    elif not report.problems:
        panels.nothing("No GPU metrics", "No metrics source is configured, or it holds no GPU metric.")
    st.subheader(
        "Labels, API groups and other metrics",
        anchor=False,
        help="Not all are needed: a fleet without MIG has no GPU_I_ID, one without Karpenter no karpenter.sh.",
    )
    tables.show(
        report.features,
        tables.FEATURES,
        key="sources_features",
        alt="Labels, API groups and families of metrics found and missing.",
        page=page,
        as_of=as_of,
    )
    st.subheader("Kubernetes objects", anchor=False)
    tables.show(
        report.stores,
        tables.STORES,
        key="sources_stores",
        alt="Kinds of Kubernetes object and whether they can be read.",
        page=page,
        as_of=as_of,
    )


@shell.live
def picture() -> None:
    """Reachability, then what each source lacks and holds."""
    reading = queries.source_health(mode, scope.cluster)
    report, now = shell.shown(reading, "Sources"), runtime.current().now()
    if report is None:
        return
    if not report.statuses:
        panels.nothing("No such cluster", "No configured cluster has this name.")
        return
    grid = st.grid(4, min_column_width=200)
    for cluster, status in report.statuses:
        with grid.container(border=True, height="stretch"):
            card(cluster, status, now)
    missing(report.advice, known=all(status is None or status.reachable for _, status in report.statuses))
    found(report, reading.as_of)


picture()
shell.glossary("Not collected")
