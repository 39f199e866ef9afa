"""One circuit breaker: what it does in words, what is wrong with it, and the form that changes or makes it."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.operate import _breakers_form as form
from pages.ui import actions, filters, queries, shell, words
from pages.ui.shell import Page
from services.breakers.desk import Host, Look
from services.domain.breakers import Policy
from services.domain.breakers.edit import USUAL, BreakerParams, after, new_name, unfit
from services.domain.breakers.findings import ACTION
from services.domain.findings import Severity
from services.domain.litellm.lint import Lint

HOST = "breaker_host"
_ICONS = {
    Severity.CRITICAL: ":material/error:", Severity.WARNING: ":material/warning:", Severity.NOTICE: ":material/info:",
}  # fmt: skip
_NOTHING = Policy(("spec", "trafficPolicy"))


def rule(page: Page, cluster: str, namespace: str, name: str) -> None:
    """A rule that is there."""
    look = queries.breaker_look(page.mode, cluster, namespace, name, page.scope.sees)
    if look is None:
        st.info("This rule is not known here (yet).", icon=":material/help:")
        return
    key = f"{cluster}/{namespace}/{name}"
    left, right = _halves()
    with right:
        st.subheader("Change it", anchor=False, help="For the whole host; other parts of the rule stay as they are.")
        old = any(one.code == "consecutive-errors" and one.place.startswith("trafficPolicy:") for one in look.lints)
        replaced = old and st.checkbox(
            "Replace consecutiveErrors by consecutive5xxErrors", value=True, key=f"breaker_old_{key}"
        )
        asked = form.draw(look.top, key, empty=_taken_over(look.top) if replaced else {})
        want = BreakerParams(cluster, namespace, name, replace_errors=bool(replaced), **asked)
        same = want == BreakerParams(cluster, namespace, name)
        _button(f"Change the breaker {words.plain(name)}", want, "It is so already." if same else "", "breaker_apply")
    with left:
        _does(look, want, same=same)
        _found(look.lints)


def hosts(page: Page) -> None:
    """Hosts that gateways call and no rule is for, and the form that makes one."""
    reading = queries.unguarded(page.mode, page.scope)
    if reading.absence is not None:
        return
    st.subheader("Hosts without a rule", anchor=False, help="Hosts that gateways call for models you serve yourself.")
    found = shell.shown(reading, "Hosts without a rule")
    if found is None:
        return
    names = {f"{one.cluster}/{one.unguarded.namespace}/{one.unguarded.host}": one for one in found}
    if not names:
        st.caption(":material/check: Every host the gateways send to has one.")
    if not names and not st.query_params.get(HOST):
        return
    chosen = filters.choose("Host to make a rule for", list(names), key=HOST, nothing="Choose a host")
    if chosen and chosen not in names:
        st.info("This host has a rule by now, or is not known here (yet).", icon=":material/help:")
    elif chosen:
        _new(names[chosen], chosen)


def _new(host: Host, key: str) -> None:
    one = host.unguarded
    left, right = _halves()
    with right:
        st.subheader("Make a rule", anchor=False, help="What stands in the fields is written; empty ones are not.")
        asked = form.draw(_NOTHING, key, USUAL)
        want = BreakerParams(host.cluster, one.namespace, host=one.host, **asked)
        reason = "" if asked else "Nothing is set yet."
        label = f"Make the breaker {words.plain(new_name(one.host, one.namespace))}"
        _button(label, want, reason, "breaker_make")
    with left:
        st.subheader("What it would do", anchor=False)
        _placed(host)
        form.told(_shown(want, _NOTHING), host.replicas)


def _taken_over(policy: Policy) -> dict[str, str]:
    """What stands grey in the field of errors while the deprecated number is to be replaced."""
    was = after(BreakerParams("", "", replace_errors=True), policy).errors
    return {} if was is None else {"errors": f"taken over: {was}"}


def _halves() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Two halves side by side, where there is room."""
    grid = st.grid(2, min_column_width=340, gap="large")
    return grid.container(), grid.container()


def _placed(host: Host) -> None:
    one = host.unguarded
    name, place = words.code(new_name(one.host, one.namespace)), words.code(one.namespace)
    said = [f"For the host {words.code(one.host)}, as {name} in namespace {place} of {words.code(host.cluster)}."]
    if one.groups:
        said.append(f"Used by {_names(one.groups)}.")
    if host.replicas is not None:
        said.append(f"It should have {words.counted(host.replicas, 'replica')}.")
    st.markdown(" ".join(said))


def _names(groups: Sequence[str]) -> str:
    shown = ", ".join(words.code(one) for one in groups[:5])
    return f"{shown} and {len(groups) - 5} more" if len(groups) > 5 else shown


def _button(label: str, want: BreakerParams, reason: str, key: str) -> None:
    actions.button(label, ACTION, want, key=key, icon=":material/tune:", primary=True, reason=reason or unfit(want))


def _does(look: Look, want: BreakerParams, *, same: bool) -> None:
    st.subheader("What it does" if same else "What it would do", anchor=False)
    st.markdown(f"For the host {words.code(look.rule.host)}.")
    form.told(look.top if same else _shown(want, look.top), look.replicas)
    others = [words.plain(one.place) for one in look.rule.policies if one.subset or one.port]
    if others:
        st.caption(f"Parts of their own stay as they are: {'; '.join(others[:5])}.")


def _shown(want: BreakerParams, policy: Policy) -> Policy:
    """What would stand there; what cannot be asked for is left out, and the button says why."""
    return policy if unfit(want) else after(want, policy)


def _found(found: Sequence[Lint]) -> None:
    st.subheader("Found in this rule", anchor=False)
    if not found:
        st.caption(":material/check: Nothing wrong was found.")
    for one in found[:20]:
        st.markdown(f"{_ICONS[one.severity]} {words.plain(one.says)} {words.plain(one.do)}  \n{words.code(one.place)}")


def named(row: dict[Any, Any]) -> str:
    """A rule by cluster, namespace and name, as the address has it."""
    return f"{row['cluster']}/{row['namespace']}/{row['name']}"
