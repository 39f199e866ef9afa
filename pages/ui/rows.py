"""Rows chosen in tables."""

import streamlit as st


def clicked(row: int | None, *, key: str) -> bool:
    """Whether a row was chosen since the last run; ``key`` is where the session remembers the last one.

    Tables tell positions. When rows come, go or change places, a position that stays means another row, and nobody
    chose that one.
    """
    before = st.session_state.get(key)
    st.session_state[key] = row
    return row is not None and row != before
