"""What the reader chose for all pages, held while pages change under their hands.

The choices live in bound widgets (see :mod:`pages.ui.filters`). Streamlit 1.67 takes a bound parameter out of the URL
when a page is left before its run has reached the widget: a link opened and the menu clicked at once, or two clicks
in a row. The next run would then show the whole fleet to somebody who had asked for one team.
"""

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import get_script_run_ctx

from services.domain.window import RANGES

NOTHING: dict[str, str | bool] = {
    "range": "24h",
    "cluster": "",
    "pool": "",
    "model": "",
    "ns": "",
    "team": "",
    "live": True,
}
"""Parameters all pages share, each with the value that stands for its absence."""
LONGEST = 512
_KEPT, _PAGE = "shell_kept", "shell_page"


def begin() -> None:
    """Note what the link of a new session asks for. Before anything is drawn that could be clicked."""
    if _KEPT not in st.session_state:
        st.session_state[_KEPT] = {key: _asked(key) for key in NOTHING}


def recall(page: str) -> None:
    """Give back what was lost on the way to ``page``, and follow the link that led there. Before the widgets are drawn.

    A widget that stays mounted from one page to the next, or from a broken connection to a new session, keeps its value
    whatever the address says, so the address's is handed to it. Going back or forward asks for what the address says,
    which Streamlit sees to.
    """
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        return
    moved = st.session_state.get(_PAGE) != page
    for key, value in st.session_state[_KEPT].items():
        if key in st.query_params:
            if moved and st.session_state.get(key, NOTHING[key]) != _asked(key):
                st.session_state[key] = _asked(key)
        elif value != NOTHING[key]:
            try:
                st.query_params[key] = str(value).lower() if isinstance(value, bool) else value
            except StreamlitAPIException:  # still bound: the widget was not lost
                if not moved or st.session_state.get(key) != value:
                    continue  # and says itself what the address should
            st.session_state[key] = value  # a value set here is put into the address if it is not there


def keep(page: str) -> None:
    """Hold what the widgets say now. After they are drawn."""
    st.session_state[_PAGE] = page
    st.session_state[_KEPT] = {key: st.session_state.get(key, nothing) for key, nothing in NOTHING.items()}


def _asked(key: str) -> str | bool:
    text = st.query_params.get(key, "")
    if key == "live":
        return text != "false"
    if key == "range" and text not in RANGES:
        return NOTHING[key]
    return text if len(text) <= LONGEST else ""
