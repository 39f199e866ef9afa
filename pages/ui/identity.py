"""Who looks at the console: the only place that reads the login, and the door everybody else stops at."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

import streamlit as st

from pages.ui import words
from pages.ui.login import PROVIDER
from services import access, runtime
from services.access import Denied, User

_SINCE = "identity_since"


def person() -> User | Denied | None:
    """Who looks; why somebody who logged in is not let in; None for nobody."""
    sources = runtime.current()
    login, now, address = sources.policy.login, sources.now(), st.context.ip_address or ""
    if login.how == "oidc":
        claims = st.user.to_dict()
        if claims.get("is_logged_in") is not True:
            return None
        return access.user_from(claims, login, now, address=address)
    if login.how == "proxy":
        # The headers came with the connection; a tab that stays open for days has those of its first day.
        since: datetime = st.session_state.setdefault(_SINCE, now)
        headers = _headers()
        last = (headers.get("X-Forwarded-For") or "").rpartition(",")[2].strip()
        return access.user_from_headers(headers, login, since, now, address=last or address)
    return replace(access.DEMO if sources.mode == "demo" else access.ANONYMOUS, address=address)


def _headers() -> Mapping[str, str]:
    return st.context.headers


def user() -> User:
    """The person this run is for. Once nobody is let in any more, the run ends and the door says why."""
    found = person()
    if not isinstance(found, User):
        st.rerun()
    return found


def door(found: Denied | None) -> NoReturn:
    """Instead of a page: the login, or why there is none."""
    st.title("GPU Fleet Console", anchor=False)
    by_proxy = runtime.current().policy.login.how == "proxy"
    if found is None:
        st.markdown("Log in to see the fleet. Afterwards you come back to this address.")
    elif found.over and by_proxy:
        st.warning(f"{found.says} Reload it.", icon=":material/schedule:")
    elif found.over:
        st.warning(f"{found.says} Log in again to go on.", icon=":material/schedule:")
    else:
        st.error(words.plain(found.says), icon=":material/block:")
    if not by_proxy and (found is None or found.over):
        st.button("Log in", type="primary", icon=":material/login:", on_click=st.login, args=(PROVIDER,), key="login")
    elif not by_proxy:
        st.button("Log out", icon=":material/logout:", on_click=st.logout, key="logout")
    st.stop()


def shown(user: User) -> None:
    """Who is logged in, in the sidebar, and the way out."""
    if user.via == "none":
        st.caption(":material/person_off: Not logged in: this console only reads.")
        return
    roles = ", ".join(user.roles)
    st.caption(f":material/person: {words.plain(user.name)} · {words.plain(roles)}")
    if not user.sees.whole:
        st.caption(":material/visibility_off: You see the workloads of your own namespaces and teams.")
    if user.via == "oidc":
        st.button("Log out", icon=":material/logout:", on_click=st.logout, key="logout", type="tertiary")
