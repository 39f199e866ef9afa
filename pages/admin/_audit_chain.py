"""Whether the record can be trusted, and whether the breaker is open."""

from datetime import UTC

import streamlit as st

from pages.ui import proposal, queries, words
from services import runtime
from services.access import Right

_REASON, _SAID = "breaker_reason", "breaker_said"
_MOST = 5


def draw(mode: str) -> None:
    """The state of the chain and of the breaker; silent while the record cannot be read, which the table says."""
    reading = queries.chain(mode)
    if reading.value is not None:
        at = f"{reading.value.checked_at.astimezone(UTC):%H:%M} UTC"
        if reading.value.broken:
            told = "".join(
                f"\n- After event {each.event}: {words.plain(each.says)}" for each in reading.value.broken[:_MOST]
            )
            more = len(reading.value.broken) - _MOST
            st.error(
                f"**The chain of events is broken**, checked {at}. Somebody changed the record.\n{told}"
                + (f"\n- and {more} more" if more > 0 else ""),
                icon=":material/link_off:",
            )
        else:
            st.caption(f":material/link: The chain of events holds, checked {at}.")
    _breaker(mode)


def _breaker(mode: str) -> None:
    event = queries.breaker(mode).value
    if event is None:
        st.session_state.pop(_SAID, None)
        return
    st.error(
        f"**The breaker is open** since {words.ago(event.at, runtime.current().now())}: {words.plain(event.says)} "
        "Nothing that touches nodes is applied until it is reset; taking back is allowed.",
        icon=":material/electrical_services:",
    )
    if Right.ADMIN not in proposal.person().rights:
        return
    why = proposal.why(Right.ADMIN)
    with st.form("breaker_form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Why may it be reset? (kept in the audit)", key=_REASON, max_chars=proposal.LONGEST_REASON)
        st.form_submit_button(
            "Reset the breaker", key="breaker_reset", on_click=_reset, disabled=bool(why), help=words.plain(why) or None
        )
    if proposal.COMPLAINT in st.session_state:
        st.error(words.plain(st.session_state.pop(proposal.COMPLAINT)), icon=":material/block:")


def _reset() -> None:
    reason = str(st.session_state.get(_REASON) or "").strip()
    proposal.with_complaint(lambda: runtime.engine().reset_breaker(proposal.person(), reason=reason))
    queries.breaker.clear()
