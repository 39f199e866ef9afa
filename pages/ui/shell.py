"""What every page stands in: navigation, global scope, demo banner, the refreshing fragment, problems said plainly."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import streamlit as st

from pages.ui import filters, identity, kept, proposal, queries, words
from services import runtime
from services.access import User
from services.domain.glossary import GLOSSARY
from services.domain.scope import Scope
from services.errors import OpsError
from services.reading import Absence, Problem, Reading

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One page of the navigation: script, title, icon, URL path and the question it answers."""

    script: str
    title: str
    icon: str
    path: str
    help: str
    default: bool = False


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Observe": (
        Entry(
            "pages/observe/overview.py",
            "Overview",
            ":material/dashboard:",
            "overview",
            "Is the fleet well used and healthy, and what needs attention now?",
            default=True,
        ),
        Entry(
            "pages/observe/utilisation.py",
            "Utilisation",
            ":material/speed:",
            "utilisation",
            "What are the GPUs doing, where and for whom?",
        ),
        Entry(
            "pages/observe/workloads.py",
            "Workloads",
            ":material/deployed_code:",
            "workloads",
            "Who holds GPUs, and do they use them?",
        ),
        Entry(
            "pages/observe/startup.py",
            "Startup",
            ":material/rocket_launch:",
            "startup",
            "Where does the time until GPU pods are ready go, and what would make it shorter?",
        ),
        Entry(
            "pages/observe/fallback.py",
            "Fallback",
            ":material/fork_right:",
            "fallback",
            "How often do your own GPUs not answer, why, and what does that cost?",
        ),
        Entry(
            "pages/observe/serving.py",
            "Serving",
            ":material/forum:",
            "serving",
            "How full and how fast are the engines that serve models, and are they set well?",
        ),
    ),
    "Operate": (
        Entry(
            "pages/operate/headroom.py",
            "Headroom",
            ":material/mode_heat:",
            "headroom",
            "Is warm capacity ready for the next start, what does it cost and is it used?",
        ),
        Entry(
            "pages/operate/sharing.py",
            "Sharing",
            ":material/call_split:",
            "sharing",
            "How is each node's GPU divided, and what would another division give?",
        ),
        Entry(
            "pages/operate/fallback_edit.py",
            "Chains",
            ":material/alt_route:",
            "fallback-edit",
            "Where does a request go when the first choice fails, and in which order?",
        ),
        Entry(
            "pages/operate/breakers.py",
            "Breakers",
            ":material/electrical_services:",
            "breakers",
            "What takes replicas out when they fail, in the mesh and in the gateway, and what did it do?",
        ),
    ),
    "Money": (
        Entry(
            "pages/money/cost.py",
            "Cost",
            ":material/payments:",
            "cost",
            "What does the fleet cost, who uses it, what is idle, and where will the month end?",
        ),
        Entry(
            "pages/money/budgets.py",
            "Budgets",
            ":material/savings:",
            "budgets",
            "Which budgets hold, which will not, and when?",
        ),
        Entry(
            "pages/money/waste.py",
            "Waste",
            ":material/recycling:",
            "waste",
            "Which GPUs are paid for and not used, and what would stop that?",
        ),
        Entry(
            "pages/money/savings.py",
            "Savings",
            ":material/trending_down:",
            "savings",
            "What did changes promise to save, and what was measured since?",
        ),
        Entry(
            "pages/money/prices.py",
            "Prices",
            ":material/sell:",
            "prices",
            "What is a GPU-hour counted at, since when, and where does the price come from?",
        ),
    ),
    "Administer": (
        Entry(
            "pages/admin/audit.py",
            "Audit",
            ":material/history:",
            "audit",
            "Who changed what, when and why, did it work, and can it be taken back?",
        ),
        Entry(
            "pages/admin/books.py",
            "Books",
            ":material/fact_check:",
            "books",
            "Do the parts add up to what the nodes cost, for every hour?",
        ),
        Entry(
            "pages/admin/alerts.py",
            "Alerts",
            ":material/notifications:",
            "alerts",
            "Who was told what and when, and did it arrive?",
        ),
        Entry(
            "pages/admin/sources.py",
            "Sources",
            ":material/lan:",
            "sources",
            "Can the figures be trusted: what is connected, how fresh is it, what is missing?",
        ),
    ),
}
_STATE, _TOLD = "shell_scope", "shell_told"
_JUST_NOW = timedelta(seconds=10)
_FRESH = timedelta(minutes=1)
"""Stores confirm what they hold about once a minute; a value that old is not stale yet."""


@dataclass(frozen=True)
class Page:
    """What a page is given: its scope and the data mode, both part of every read."""

    scope: Scope
    mode: str
    user: User


def navigation(*, shown: bool) -> Any:
    """Register the pages; returns the one to run. ``shown``: with the menu, for people who are let in."""
    kept.begin()
    pages = {
        section: [
            st.Page(e.script, title=e.title, icon=e.icon, url_path=e.path, default=e.default, help=e.help)
            for e in entries
        ]
        for section, entries in SECTIONS.items()
    }
    return st.navigation(pages, position="sidebar" if shown else "hidden", expanded=True)


def frame(title: str, user: User) -> None:
    """The sidebar around the page of that title: scope and live switch, and who is logged in."""
    kept.recall(title)
    with st.sidebar:
        if queries.mode() == "demo":
            st.badge("Demo estate: simulated data", icon=":material/science:", color="orange", width="stretch")
        scope = filters.draw(user.sees)
        st.toggle(
            "Live",
            value=True,
            key="live",
            bind="query-params",
            help=f"Refresh figures every {queries.policy().refresh_s} seconds.",
        )
        if any((scope.cluster, scope.pool, scope.model, scope.namespace, scope.team)):
            st.button("Clear filters", icon=":material/filter_alt_off:", on_click=_clear, width="stretch")
        identity.shown(user)
    kept.keep(title)
    st.session_state[_STATE] = scope


def _clear() -> None:
    for name in ("cluster", "pool", "model", "namespace", "team"):
        st.session_state[filters.KEYS[name]] = ""


def page(title: str) -> Page:
    """The head of a page. Sends visitors who came past ``app.py`` to it."""
    scope = st.session_state.get(_STATE)
    if not isinstance(scope, Scope):
        st.switch_page("app.py")
    st.session_state[_TOLD] = []
    proposal.held()  # drops what was left open on another page, so that it is not there when somebody comes back
    st.title(title, anchor=False, help=_question(title))
    if queries.mode() == "demo":
        st.caption(
            ":material/science: **Demo estate.** Everything here is simulated; no cluster is connected. "
            "The README says how to connect yours."
        )
    return Page(scope, queries.mode(), identity.user())


def _question(title: str) -> str:
    return next(entry.help for entries in SECTIONS.values() for entry in entries if entry.title == title)


def live(body: Callable[[], None]) -> Callable[[], None]:
    """The page's one refreshing region; obeys the Live switch."""
    period = queries.policy().refresh_s if st.session_state.get("live", True) else None

    def refreshed() -> None:
        identity.user()  # a login may end while its page refreshes itself
        st.session_state[_TOLD] = []
        body()

    return st.fragment(refreshed, run_every=period)


def link(title: str, label: str, scope: Scope, *, icon: str | None = None, tip: str | None = None, **more: str) -> None:
    """A link to another page that keeps the scope."""
    entry = next(e for entries in SECTIONS.values() for e in entries if title in (e.title, e.path))
    st.page_link(
        entry.script,
        label=label,
        icon=icon,
        help=tip,
        query_params=filters.params(scope, **more),
    )


def shown(reading: Reading[T], what: str, *, needs: str = "metrics source") -> T | None:
    """The value to draw, or None; says what is wrong with the reading, if anything is.

    ``what`` names it in a sentence: "The funnel"; ``needs`` is the kind of source it comes from. Loading, not
    collected, not configured, failed and stale look different, and none of them looks like zero.
    """
    if reading.problem is not None:
        good_at, since = reading.as_of if reading.value is not None else None, reading.problem.since
        if good_at is not None and (since is None or good_at >= since - _FRESH):
            good_at = None  # as young as the failure: what the other sources say, and not the last of this one
        _problem(reading.problem, good_at)
    elif reading.absence is Absence.LOADING and reading.value is None:
        st.info(f"{what}: the first reading is still under way.", icon=":material/hourglass_top:")
    elif reading.absence is Absence.NOT_CONFIGURED:
        st.info(f"{what}: no {needs} is configured.", icon=":material/power_off:")
        _to_sources()
    elif reading.absence is Absence.NOT_COLLECTED:
        st.info(f"{what}: not collected. Unknown, not zero.", icon=":material/sensors_off:")
        _to_sources()
    for note in reading.notes[:3]:
        st.caption(f":material/info: {words.plain(note)}")
    return None if reading.absence is Absence.NOT_COLLECTED else reading.value


def _problem(problem: Problem, good_at: datetime | None) -> None:
    now = runtime.current().now()
    told: list[str] = st.session_state.setdefault(_TOLD, [])
    if problem.message in told:
        kept = f" Shown is the last good value, {words.ago(good_at, now)}." if good_at else ""
        st.caption(f":material/cloud_off: {words.plain(words.sentence(problem.message))} See above.{kept}")
        return
    told.append(problem.message)
    lasting = now - problem.since if problem.since else None
    since = f" Since {words.span(lasting)}." if lasting is not None and lasting > _JUST_NOW else ""
    kept = f" Shown is the last good value, {words.ago(good_at, now)}." if good_at else ""
    st.warning(
        f"{words.plain(words.sentence(problem.message))}{since}{kept} {words.plain(problem.hint)}",
        icon=":material/cloud_off:",
    )


def _to_sources() -> None:
    scope = st.session_state.get(_STATE)
    if isinstance(scope, Scope):
        link("Sources", "What is missing and how to turn it on", scope, icon=":material/lan:")


def glossary(*terms: str) -> None:
    """The definitions of the words a page uses, folded away."""
    with st.expander("What these words mean", icon=":material/menu_book:"):
        for term in terms:
            st.markdown(f"**{term}**: {GLOSSARY[term]}")


def explain(problem: OpsError) -> None:
    """An error nobody else caught, in plain words."""
    st.error(f"{words.plain(words.sentence(str(problem)))} {words.plain(problem.hint)}", icon=":material/error:")
