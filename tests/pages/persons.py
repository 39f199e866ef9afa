"""Pages as particular people see them: who is logged in, and everything a page says to them."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from services.access import Login
from services.ports import Sources
from tests.conftest import NOW
from tests.pages.opening import APP, ENTRIES, rerun

EPOCH = int(NOW.timestamp())
LOGIN = Login(
    how="oidc",
    issuer="https://login.example.com",
    audience="console",
    roles={"viewer": frozenset("*"), "operator": frozenset({"gpu-ops"}), "admin": frozenset({"gpu-admins"})},
)


def behind(sources: Sources, login: Login = LOGIN) -> Sources:
    """The sources of a console with this login."""
    return dataclasses.replace(sources, policy=dataclasses.replace(sources.policy, login=login))


def claims(*groups: str, **changes: Any) -> dict[str, Any]:
    """What the provider says of somebody in these groups who logged in ten minutes ago."""
    return {
        "is_logged_in": True,
        "iss": "https://login.example.com",
        "aud": "console",
        "sub": "ada",
        "name": "Ada",
        "groups": list(groups),
        "iat": EPOCH - 600,
        "exp": EPOCH + 3000,
        **changes,
    }


def opened_by(person: dict[str, Any], sources: Sources, path: str = "overview", /, **params: str) -> AppTest:
    """The page at ``path`` as the person with these claims sees it; {} is nobody."""
    at = AppTest.from_file(APP, default_timeout=60)
    at.user = person or {"is_logged_in": False}
    at.query_params.update(params)
    if not ENTRIES[path].default:
        at.switch_page(ENTRIES[path].script)
    return rerun(at, sources)


def everything(at: AppTest) -> str:
    """All a page sends to the browser, as one text: labels, options, tables, figures, links."""
    return "\n".join(_texts(at._tree)).replace("\\", "")


def _texts(block: Block) -> Iterator[str]:
    yield str(getattr(block, "proto", ""))
    for child in block.children.values():
        if isinstance(child, Block):
            yield from _texts(child)
            continue
        yield str(child.proto)
        if child.type in {"arrow_data_frame", "dataframe"}:
            yield child.value.to_csv()
        if child.type == "plotly_chart":
            yield json.dumps(json.loads(child.proto.spec), ensure_ascii=False)


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the download buttons of pages opened meanwhile would hand out."""
    given: list[str] = []
    original = st.download_button

    def button(*args: Any, **kwargs: Any) -> Any:
        data = kwargs["data"]
        given.append((data() if callable(data) else data).decode())
        return original(*args, **kwargs)

    monkeypatch.setattr(st, "download_button", button)
    return given
