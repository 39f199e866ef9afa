"""The global scope: what part of the fleet is looked at, bound to the URL and drawn once for all pages."""

from collections.abc import Sequence

import streamlit as st

from pages.ui import queries, words
from services.domain.scope import Scope, Sight
from services.domain.window import RANGES

KEYS = {"cluster": "cluster", "pool": "pool", "model": "model", "namespace": "ns", "team": "team", "range": "range"}
"""Scope fields by their URL parameter."""
DEFAULT_RANGE = "24h"
_WORDS = {
    "cluster": ("Cluster", "All clusters"),
    "pool": ("Pool", "All pools"),
    "model": ("GPU model", "All models"),
    "namespace": ("Namespace", "All namespaces"),
    "team": ("Team", "All teams"),
}
LONGEST = 512


def draw(sees: Sight) -> Scope:
    """Draw the filters where we are and return what is chosen; they offer only what the person sees.

    A value in the link that is not known (yet) stays chosen and is marked so: dropping it would silently widen the
    view.
    """
    picked = st.segmented_control(
        "Time range",
        list(RANGES),
        default=DEFAULT_RANGE,
        required=True,
        key=KEYS["range"],
        bind="query-params",
        width="stretch",
    )
    known = queries.choices(queries.mode(), sees)
    chosen = {name: _choose(name, known.get(name, ())) for name in _WORDS}
    return Scope(**chosen, range=picked or DEFAULT_RANGE, sees=sees)


def _choose(name: str, known: Sequence[str]) -> str:
    label, everything = _WORDS[name]
    chosen = choose(label, known, key=KEYS[name], nothing=everything)
    if chosen and chosen not in known:
        st.caption(f":material/help: {words.plain(chosen)} is not known here (yet).")
    return chosen


def choose(label: str, known: Sequence[str], *, key: str, nothing: str, help: str | None = None) -> str:  # noqa: A002
    """A bound selectbox over names; "" when nothing is chosen.

    The URL holds what the options are shown as, so names are shown as they are. A name in the link that is not among
    the known ones is offered all the same, or the binding would drop it for good.
    """
    options = ["", *known]
    for asked in (st.session_state.get(key), st.query_params.get(key)):
        if isinstance(asked, str) and asked and asked != nothing and asked not in options and len(asked) <= LONGEST:
            options.append(asked)
    return (
        st.selectbox(label, options, format_func=lambda name: name or nothing, key=key, bind="query-params", help=help)
        or ""
    )


def params(scope: Scope, **more: str) -> dict[str, str]:
    """Query parameters of a link that keeps the scope; ``more`` wins."""
    carried = {
        key: value
        for name, key in KEYS.items()
        if (value := getattr(scope, name)) and not (name == "range" and value == DEFAULT_RANGE)
    }
    if st.session_state.get("live") is False:
        carried["live"] = "false"
    return {**carried, **more}
