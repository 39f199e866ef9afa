"""The fields of a circuit breaker's form, and what was asked for with them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui import words
from services.domain.breakers import Policy, duration
from services.domain.breakers.edit import BOUNDS, FIELDS, SPANS
from services.domain.breakers.told import failing, sending


@dataclass(frozen=True)
class Field:
    """One field: the parameter it sets, its label, what stands grey in it while it is not set, and what it means."""

    name: str
    label: str
    empty: str
    about: str


FAILING = (
    Field("errors", "Errors in a row", "not set: 5", "That take a replica out: 5xx, or no connection; 0 is off."),
    Field(
        "gateway_errors", "502, 503, 504 in a row", "not set: off", "That take one out; only below the errors above."
    ),
    Field("ejection", "Out for, the first time", "not set: 30s", "Twice as long the second time, and so on."),
    Field("interval", "Brought back every", "not set: 10s", "How often it is looked whose time is over."),
    Field("max_percent", "Most out at once, %", "not set: 10", "Of replicas. If that is less than one, none is."),
    Field("min_health", "Healthy at least, %", "not set: 0", "With fewer, requests go to all again; 0 is never."),
)
SENDING = (
    Field("pending", "Requests that may wait", "no limit", "For a connection; more are answered 503 at once."),
    Field("requests", "Requests under way", "no limit", "At once; more are answered 503."),
    Field("connections", "Connections open", "no limit", "Of HTTP/1.1 and TCP."),
    Field("retries", "Retries under way", "no limit", "At once, over all replicas."),
    Field("per_connection", "Requests per connection", "no limit", "Then it is closed; 0 is any number of them."),
    Field("connect_timeout", "Opening a connection", "not set: 10s", "How long it may take, from 1ms to 1h."),
)
GROUPS = (
    ("When a replica fails", FAILING, ""),
    ("How much may be sent", SENDING, "Each is a limit of one proxy that sends: two of them may send twice as much."),
)


def draw(
    policy: Policy, key: str, usual: Mapping[str, int | str] | None = None, empty: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The fields of a policy; what is typed and is not so yet, as parameters of the action.

    A field that was emptied is among ``unset``. ``usual`` is what the fields of a new rule begin with, ``empty`` what
    stands grey in some that are not set.
    """
    now, mark = _raw(policy), _mark(policy)
    asked: dict[str, Any] = {}
    unset: list[str] = []
    for title, known, note in GROUPS:
        with st.container(border=True):
            st.markdown(f"**{title}**")
            grid = st.grid(2, min_column_width=190)
            for one in known:
                had = now.get(one.name)
                shown = had if usual is None else usual.get(one.name)
                grey = (empty or {}).get(one.name, one.empty)
                with grid.container():
                    typed = _typed(one, shown, grey, f"breaker_{one.name}_{key}_{mark}")
                if typed is None and usable(one.name, had) is not None:
                    unset.append(one.name)
                elif typed is not None and typed != had:
                    asked[one.name] = typed
            if note:
                st.caption(note)
    return asked | ({"unset": tuple(unset)} if unset else {})


def told(policy: Policy, replicas: int | None) -> None:
    """What a policy does, in sentences."""
    for title, says in (("When a replica fails", failing(policy, replicas)), ("How much may be sent", sending(policy))):
        st.markdown(f"**{title}**\n" + "".join(f"\n- {words.plain(one)}" for one in says))


def usable(name: str, value: object) -> int | str | None:
    """A value as it stands in a rule, where a field can hold it; None for any other."""
    if name in SPANS:
        return value if isinstance(value, str) and duration(value) is not None else None
    low, high = BOUNDS[name]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if isinstance(value, int) and whole and low <= value <= high else None


def _typed(one: Field, value: int | str | None, grey: str, key: str) -> int | str | None:
    shown = usable(one.name, value)
    empty = grey if shown is not None or value is None else f"now {str(value)[:20]}"
    about = f"{words.code(FIELDS[one.name][-1])}: {one.about}"
    if one.name in SPANS:
        given = st.text_input(
            one.label, value=str(shown or ""), key=key, max_chars=20, help=about, placeholder=empty
        ).strip()
        return given or None
    low, high = BOUNDS[one.name]
    if key not in st.session_state:  # a field with a default of its own could not be emptied
        st.session_state[key] = shown
    number = st.number_input(
        one.label, min_value=low, max_value=high, value=None, key=key, help=about, placeholder=empty, step=1
    )
    return None if number is None else int(number)


def _raw(policy: Policy) -> dict[str, Any]:
    """The fields of a policy as they stand, by parameter."""
    parts: dict[tuple[str, ...], Mapping[str, Any]] = {
        ("outlierDetection",): policy.outlier or {},
        ("connectionPool", "tcp"): policy.tcp,
        ("connectionPool", "http"): policy.http,
    }
    return {name: parts[path[:-1]][path[-1]] for name, path in FIELDS.items() if path[-1] in parts[path[:-1]]}


def _mark(policy: Policy) -> str:
    """A mark of what stands in a policy: fields begin anew when somebody changed it."""
    text = json.dumps(_raw(policy), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
