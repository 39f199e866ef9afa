"""The ranked list of what needs attention."""

import streamlit as st

from pages.ui import actions, proposal, queries, shell, tables, words
from pages.ui.shell import Page
from services import runtime
from services.domain import findings
from services.domain.findings import Finding, Severity

FIRST = 8
_ICONS = {
    Severity.CRITICAL: (":material/error:", "red", "Critical"),
    Severity.WARNING: (":material/warning:", "orange", "Warning"),
    Severity.NOTICE: (":material/info:", "blue", "Notice"),
}


def draw(page: Page) -> None:
    """The first findings as rows that lead to the view explaining them, and all of them as a table."""
    reading = queries.attention(page.mode, page.scope)
    number = "" if not reading.value else f" ({len(reading.value)})"
    order = "Most urgent first; then what can be mended here, then by GPUs and money."
    st.subheader(f"Needs attention{number}", anchor=False, help=order)
    found = shell.shown(reading, "Findings")
    if found is None:
        return
    if not found:
        if reading.problem is None and reading.absence is None:
            st.success("Nothing needs attention in this scope.", icon=":material/check_circle:")
        return
    with st.container(key="attention"):
        for place, finding in enumerate(found[:FIRST]):
            _row(page, finding, place)
    more = f"All {len(found)} findings as a table" if len(found) > FIRST else "As a table"
    with st.expander(more, icon=":material/table_rows:"):
        tables.show(
            findings.frame(found),
            tables.FINDINGS,
            key="attention_all",
            alt="All findings, most urgent first.",
            page=page,
            as_of=reading.as_of,
        )


def _row(page: Page, finding: Finding, place: int) -> None:
    icon, colour, word = _ICONS[finding.severity]
    with st.container(border=True, key=f"finding_{place}", gap="xxsmall"):
        with st.container(
            horizontal=True, vertical_alignment="center", gap="xsmall", horizontal_alignment="distribute"
        ):
            shell.link(
                finding.page, words.plain(finding.title), page.scope, icon=icon, tip=f"{word}: open", **finding.params
            )
            if _stake(finding):
                st.markdown(f"**{_stake(finding)}**", width="content")
        st.caption(f":{colour}[**{word}**] · " + " · ".join(_facts(finding)))
        if finding.fix is not None and proposal.acts():
            actions.button(
                words.plain(finding.fix.label),
                finding.fix.action,
                finding.fix.params,
                key=f"fix_{finding.key}",
                icon=":material/build:",
            )


def _stake(finding: Finding) -> str:
    if finding.usd_per_day is not None:
        return f"{words.plain(words.money(finding.usd_per_day))} a day"
    return "" if finding.gpus is None else words.gpus(finding.gpus)


def _facts(finding: Finding) -> list[str]:
    # The list keeps to the first reason; the table and the view behind the link have all of them.
    first = finding.detail.split("; ", 1)[0].split(". ", 1)[0]
    facts = [words.plain(first.removesuffix("."))]
    if finding.team:
        facts.append(f"team {words.plain(finding.team)}")
    if finding.since is not None:
        facts.append(f"for {words.span(runtime.current().now() - finding.since)}")
    facts.append(words.plain(finding.cluster))
    return facts
