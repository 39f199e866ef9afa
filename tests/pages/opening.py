"""Opening pages in process, and looking at what they drew."""

import json
import logging
import pickle
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from pages.ui.shell import SECTIONS, Entry
from services import runtime
from services.ports import Sources

APP = Path(__file__).parents[2] / "app.py"
ENTRIES = {entry.path: entry for entries in SECTIONS.values() for entry in entries}
"""Every page by its URL path."""
METRIC_PAGES = ("overview", "utilisation", "workloads")
BARE = (
    "No runtime found, using MemoryCacheStorageManager",
    "missing ScriptRunContext",
)
"""What Streamlit says of every run without a server."""


def opened(sources: Sources, path: str = "overview", /, **params: str) -> AppTest:
    """The page at ``path`` with these URL parameters, drawn once over ``sources``; fails if it raised."""
    at = AppTest.from_file(APP, default_timeout=60)
    at.query_params.update(params)
    if not ENTRIES[path].default:
        at.switch_page(ENTRIES[path].script)
        at._page_hash = calc_hash(path)  # before the first run the harness knows files, and not what they are called
    return rerun(at, sources)


def rerun(at: AppTest, sources: Sources) -> AppTest:
    """Run the script again over ``sources``; fails if it raised or left what cannot be serialised in the session."""
    with runtime.using(sources):
        at.run()
    assert [element.value for element in at.exception] == []
    pickle.dumps(own_state(at))
    return at


def own_state(at: AppTest) -> dict[str, object]:
    """The session state without what Streamlit and its test harness keep there."""
    state = at.session_state.to_dict()
    return {key: value for key, value in state.items() if not key.startswith("$$")}


def entry(path: str) -> Entry:
    """The navigation's entry of a path."""
    return ENTRIES[path]


def tiles(at: AppTest) -> dict[str, tuple[str, str]]:
    """Headline tiles by label: what they say and what stands under it."""
    return {metric.label: (metric.value, metric.delta) for metric in at.metric}


def table(at: AppTest, columns: Iterable[str]) -> pd.DataFrame:
    """The table with these columns (a constant of ``pages.ui.tables``)."""
    wanted = list(columns)
    found = [element.value for element in at.dataframe if list(element.value.columns) == wanted]
    assert found, f"no such table; there are {tables(at)}"
    return found[0]


def has_table(at: AppTest, columns: Iterable[str]) -> bool:
    """Whether the page has a table with these columns."""
    return list(columns) in tables(at)


def tables(at: AppTest) -> list[list[str]]:
    """Columns of the tables drawn."""
    return [list(element.value.columns) for element in at.dataframe]


def figures(at: AppTest) -> list[dict[str, Any]]:
    """The specifications of the figures drawn."""
    return [json.loads(element.proto.spec) for element in at.get("plotly_chart")]


def words(at: AppTest) -> str:
    """Everything that stands on the page as Markdown or in a message, one text a line."""
    return "\n".join(_texts(at))


def _texts(at: AppTest) -> Iterable[str]:
    for kind in ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success"):
        yield from (str(element.value) for element in getattr(at, kind))
    yield from (str(element.label) for element in at.expander)
    yield from (str(element.proto.text) for element in at.get("progress"))
    yield from (str(element.proto.label) for element in at.page_link)


def links(at: AppTest) -> dict[str, tuple[str, dict[str, str]]]:
    """Links of the page by label: the path they open and their URL parameters."""
    return {
        element.proto.label: (element.proto.page, dict(parse_qsl(element.proto.query_string)))
        for element in at.page_link
    }


@contextmanager
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails when Streamlit or anything else logs a warning inside."""
    caplog.clear()
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("streamlit")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(caplog.handler)
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert [text for text in said if not any(known in text for known in BARE)] == []
