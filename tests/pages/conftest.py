"""What every page test stands in: empty caches, a clock that stands still, no console of its own behind it."""

from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit import config

from services import runtime
from tests.conftest import NOW


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages share one cache and one clock per process; tests share neither."""
    monkeypatch.setattr(runtime, "now", lambda: NOW)
    st.cache_data.clear()
    yield
    st.cache_data.clear()


@pytest.fixture(autouse=True, scope="session")
def _config() -> None:
    """The harness keeps functions in the session, which cannot be serialised; what is ours is checked after a run."""
    config.set_option("runner.enforceSerializableSessionState", False)
    config.set_option("client.showErrorDetails", "full")
