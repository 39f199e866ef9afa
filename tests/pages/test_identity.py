"""The door, and who stands in the sidebar."""

import dataclasses
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import identity
from services.access import Login
from services.ports import Sources
from tests import fakes, tiny
from tests.conftest import NOW
from tests.pages.opening import ENTRIES, opened, quiet, rerun, words
from tests.pages.persons import EPOCH, LOGIN, behind, claims, everything, opened_by


@pytest.mark.parametrize("path", list(ENTRIES))
def test_nobody_sees_anything_and_nothing_is_read(path: str, caplog: pytest.LogCaptureFixture) -> None:
    sources = behind(fakes.watched(tiny.sources()))
    with quiet(caplog):
        at = opened_by({}, sources, path, cluster="tiny", ns="web")
    assert [button.label for button in at.button] == ["Log in"]
    assert [title.value for title in at.title] == ["GPU Fleet Console"]
    assert [list(kind) for kind in (at.dataframe, at.metric, at.selectbox, at.sidebar.caption)] == [[], [], [], []]
    assert fakes.metrics_of(sources, "tiny").calls.total() == 0
    assert "pretrain" not in everything(at)


@pytest.mark.parametrize(
    ("person", "says", "button"),
    [
        (claims(exp=EPOCH - 1), "Your login is over. Log in again to go on.", "Log in"),
        (claims(iat=EPOCH - 12 * 3600 - 1), "Your login is over. Log in again to go on.", "Log in"),
        (claims(aud="other"), "The login was made for another application", "Log out"),
        (claims(sub=""), "The login says not who you are", "Log out"),
    ],
)
def test_whoever_is_not_let_in_is_told_why(person: dict[str, Any], says: str, button: str) -> None:
    at = opened_by(person, behind(tiny.sources()))
    assert says in words(at).replace("\\", "")
    assert [each.label for each in at.button] == [button]
    assert list(at.dataframe) == []


def test_names_from_a_login_are_shown_and_never_interpreted() -> None:
    nobody = dataclasses.replace(LOGIN, roles={})
    at = opened_by(claims(name="[x](javascript:alert(1))"), behind(tiny.sources(), nobody))
    assert "[x](" not in at.error[0].value
    ada = opened_by(claims(name="**Ada** [x](y)"), behind(tiny.sources()))
    assert "\\*\\*Ada\\*\\* \\[x\\]\\(y\\)" in ada.sidebar.caption[0].value


def test_the_sidebar_says_who_is_logged_in_as_what() -> None:
    at = opened_by(claims("gpu-ops"), behind(tiny.sources()))
    assert at.sidebar.caption[0].value == ":material/person: Ada · viewer, operator"
    assert "Log out" in [button.label for button in at.sidebar.button]


def test_without_a_login_a_live_console_says_that_it_only_reads() -> None:
    at = opened(tiny.sources())
    assert at.sidebar.caption[0].value == ":material/person_off: Not logged in: this console only reads."
    assert "Log out" not in [button.label for button in at.button]


def test_the_demo_is_open_to_everybody(sources: Sources) -> None:
    assert opened(sources).sidebar.caption[0].value == ":material/person: Demo user · admin"


PROXY = Login(how="proxy", subject="X-User", name="X-Name", groups="X-Groups", roles=LOGIN.roles)


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Headers of the connection."""
    given: dict[str, str] = {}
    monkeypatch.setattr(identity, "_headers", lambda: given)
    return given


def test_a_proxy_says_who_somebody_is(headers: dict[str, str]) -> None:
    headers.update({"X-User": "ada", "X-Name": "Ada", "X-Groups": "gpu-ops", "X-Forwarded-For": "1.1.1.1, 10.0.0.9"})
    at = opened(behind(tiny.sources(), PROXY))
    assert at.sidebar.caption[0].value == ":material/person: Ada · viewer, operator"
    assert "Log out" not in [button.label for button in at.button]
    assert at.session_state["identity_since"] == NOW


def test_past_the_proxy_nobody_gets_in(headers: dict[str, str]) -> None:
    headers["X-Groups"] = "gpu-ops"
    at = opened(behind(tiny.sources(), PROXY))
    assert "named nobody" in words(at)
    assert list(at.button) == []
    assert list(at.dataframe) == []


def test_headers_mean_nothing_where_no_proxy_is_set_up(headers: dict[str, str]) -> None:
    headers.update({"X-User": "root", "X-Groups": "gpu-admins"})
    assert "Not logged in" in opened(tiny.sources()).sidebar.caption[0].value
    assert [button.label for button in opened_by({}, behind(tiny.sources())).button] == ["Log in"]


def change() -> None:
    """A page with one button that changes something."""
    from pages.ui import actions

    actions.button("Change it", "set-headroom", {}, key="change")


@pytest.mark.parametrize(
    ("person", "why"),
    [
        (claims("gpu-ops"), ""),
        (claims("gpu-ops", iat=EPOCH - 3601), "Your login is too old to make changes. Log out and in again."),
        (claims("staff"), "This needs the role operator; you have viewer."),
    ],
)
def test_a_button_that_changes_something_says_why_it_cannot_be_pressed(person: dict[str, Any], why: str) -> None:
    at = AppTest.from_function(change)
    at.user = person
    rerun(at, behind(tiny.sources()))
    button = at.button(key="change")
    assert (button.disabled, button.help.replace("\\", "")) == (bool(why), why)
