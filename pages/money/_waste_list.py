"""Advice as a table, and what to do about the row that is chosen."""

from datetime import timedelta

import streamlit as st

from pages.money._waste_choose import WORDS, Asked
from pages.ui import actions, proposal, queries_money, shell, tables, words
from pages.ui.shell import Page
from services import runtime
from services.cost import waste
from services.domain.cost.waste import Advice, frame
from services.domain.release import GRACES, KEEP, ReleaseParams

C = st.column_config
COLUMNS = {
    "title": C.TextColumn("What", width="large", pinned=True),
    "verb": C.TextColumn("Verb"),
    "usd_per_month": C.NumberColumn(
        "A month", format="dollar", help="730.5 hours at the price in force; empty: unpriced"
    ),
    "freed": C.NumberColumn("Gives back", format="%.2f", help="GPU equivalents"),
    "gpus": C.NumberColumn("Holds", format="%.2f", help="GPU equivalents"),
    "confidence": C.TextColumn("Confidence", help="By the samples there are and the time they speak of"),
    "becomes": C.TextColumn("Becomes"),
    "idle_s": C.NumberColumn("Idle for", help="At least; empty where it is not about idleness"),
    "team": C.TextColumn("Team"),
    "workload": C.TextColumn("Workload"),
    "kind": C.TextColumn("Kind"),
    "namespace": C.TextColumn("Namespace"),
    "model": C.TextColumn("GPU model"),
    "evidence": C.TextColumn("Evidence", width="large"),
    "seen": C.NumberColumn("Samples", format="percent", help="Share of the expected samples that are there"),
    "span_s": C.NumberColumn("Watched for"),
    "cluster": C.TextColumn("Cluster"),
}
_GRACE_WORDS = {0: "None", 15: "15 minutes", 60: "1 hour"}
_GRACE_OF = {word: minutes for minutes, word in _GRACE_WORDS.items()}
PICK = "waste_pick"


def draw(page: Page, asked: Asked) -> None:
    """The table with one piece of advice in full under it."""
    reading = queries_money.waste(page.mode, asked.scope, asked.limits)
    if reading.value is None:
        return
    found = asked.shown(reading.value.advice)
    if not found:
        return
    st.subheader(f"Advice ({len(found)})", anchor=False, help="Dearest first; choose a row for what to do about it.")
    rows = frame(found).assign(verb=[WORDS[one.verb] for one in found])
    row = tables.show(
        rows,
        COLUMNS,
        key="waste_advice",
        prices=tables.IN_FORCE,
        alt="What could be given back, dearest first, with evidence and confidence.",
        page=page,
        as_of=reading.as_of,
        select=True,
    )
    st.caption(
        f"Samples are {words.span(reading.value.step_s)} apart: work that was over between two of them is not seen. "
        "Money is what these GPUs cost, saved once others use them or the nodes go."
    )
    one = found[0] if row is None else found[row]
    _one(page, one, chosen=row is not None)


def _one(page: Page, one: Advice, *, chosen: bool) -> None:
    money = "no price" if one.usd_per_month is None else f"{words.plain(words.money(one.usd_per_month))} a month"
    with st.container(border=True, key="waste_one", gap="xsmall"):
        st.markdown(f"**{WORDS[one.verb]}: {words.plain(one.title)}** · {money} · confidence {one.confidence}")
        if not chosen:
            st.caption("The first row; choose another in the table.")
        for said in one.evidence:
            st.caption(words.plain(said))
        _do(page, one)
        _aside(one)


def _do(page: Page, one: Advice) -> None:
    if one.verb == "remove":
        _release(one)
        return
    text = waste.manifest(runtime.current(), one)
    if text:
        st.markdown("In the workload's manifest, where it is kept:")
        st.code(text, language="yaml")
    if one.layout and proposal.acts():
        actions.button(
            f"Share {words.counted(len(one.nodes), 'node')}: {words.plain(one.layout)}",
            "set-sharing",
            {"cluster": one.cluster, "nodes": list(one.nodes), "layout": one.layout},
            key=f"waste_share_{one.key}",
            icon=":material/call_split:",
        )
    if one.resource or one.layout:
        shell.link("Sharing", "How the GPUs are divided now", page.scope, icon=":material/call_split:",
                   cluster=one.cluster)  # fmt: skip


def _release(one: Advice) -> None:
    if one.kind == "Pod":
        st.markdown(
            ":material/block: Nothing controls this pod: it can only be deleted, and nothing would bring it back. Ask "
            "its owner to delete it, or to run it as a Job, which can be suspended and resumed."
        )
        return
    if not proposal.acts():
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        word = st.segmented_control(
            "Grace time for the owner",
            [_GRACE_WORDS[minutes] for minutes in GRACES],
            default=_GRACE_WORDS[15],
            required=True,
            key="waste_grace",
            bind="query-params",
            help=f"The owner is told first; the label {KEEP}=true or any work on the GPUs stops it.",
        )
        want = ReleaseParams(
            one.cluster, one.namespace, one.workload, one.kind, _GRACE_OF.get(str(word), 15), proposal.person().name
        )
        actions.button(
            f"Release idle GPUs of {words.plain(one.workload)}",
            "release-idle",
            want,
            key=f"waste_release_{one.key}",
            icon=":material/eject:",
            primary=True,
        )


def _aside(one: Advice) -> None:
    sources, user = runtime.current(), proposal.person()
    why = waste.may_set_aside(sources, user)
    if why:
        return
    with st.expander("Set it aside", icon=":material/snooze:"), st.form(f"waste_aside_{one.key}", border=False):
        reason = st.text_input("Why", max_chars=waste.LONGEST_REASON, placeholder="Demo on Friday needs it")
        days = st.number_input("For days", 1, 365, 30)
        if st.form_submit_button("Set aside", icon=":material/snooze:"):
            until = sources.now() + timedelta(days=int(days))
            said = waste.dismiss(sources, user, one, reason, until)
            if said.problem is not None:
                st.error(words.plain(words.sentence(said.problem.message)), icon=":material/error:")
            else:
                queries_money.waste_changed()
                st.rerun()
