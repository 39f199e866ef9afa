"""Logins against a real OpenID Connect provider: a process of its own, the real console, a real browser."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from tests import serving
from tests.e2e.browser import VIEWPORT, Tab

pytestmark = pytest.mark.timeout(300)
WITHIN_MS = 60_000
WARM = f"/headroom?headroom_pool={quote('demo-east · h100-train · H100 80GB HBM3 · nvidia.com/gpu')}"
"""A page with a button that changes something."""
_STYLE = "https://cdn.jsdelivr.net/**"  # what the provider's pages would fetch to look nicer


@dataclass(frozen=True)
class Provider:
    """A running provider that believes whatever it is told about people."""

    url: str

    def knows(self, sub: str, **claims: Any) -> None:
        """Set the claims of a person; those of the token itself (aud, exp, auth_time) can be set as well."""
        request = urllib.request.Request(
            f"{self.url}/users/{sub}",
            data=json.dumps(claims).encode(),
            method="PUT",
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """The provider, one for all tests."""
    folder, port = tmp_path_factory.mktemp("provider"), serving.free_port()
    program = [sys.executable, "-m", "oidc_provider_mock", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(program, env=serving.environment(folder, {}), stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{url}/.well-known/openid-configuration"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Provider(url)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def console(folder: Path, home: Path, provider: Provider, **settings: str) -> Iterator[serving.Served]:
    """The demo behind the provider's login."""
    port = serving.free_port()
    given = {
        "GFC_DATA_DIR": str(home / "data"),
        "GFC_LOGIN": "oidc",
        "GFC_OIDC_ISSUER": provider.url,
        "GFC_OIDC_CLIENT_ID": "console",
        "GFC_OIDC_CLIENT_SECRET": "console-secret",
        "GFC_OIDC_REDIRECT_URI": f"http://127.0.0.1:{port}/oauth2callback",
        "GFC_OIDC_COOKIE_SECRET": "0123456789abcdef0123456789abcdef",
        "GFC_OPERATOR_GROUPS": "gpu-operators",
        "GFC_LIVE_REFRESH_S": "5",
        **settings,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "free_port", lambda: port)
        with serving.serving(folder, serving.command(folder), given, log=home / "server.log") as served:
            yield served


@pytest.fixture(scope="module")
def served(
    code: Path,
    provider: Provider,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[serving.Served]:
    """One console for the tests that need no settings of their own."""
    with console(code, tmp_path_factory.mktemp("console-oidc"), provider) as running:
        yield running


Visit = Callable[[serving.Served], Tab]


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Tabs in profiles of their own."""
    contexts = []

    def open_tab(served: serving.Served) -> Tab:
        context = chromium.new_context(viewport=VIEWPORT, timezone_id="UTC", locale="en-GB")
        contexts.append(context)
        context.set_default_timeout(WITHIN_MS)
        context.route(_STYLE, lambda route: route.fulfill(status=200, content_type="text/css", body=""))
        return Tab(context.new_page(), served)

    yield open_tab
    for context in contexts:
        context.close()


def sees(tab: Tab, text: str | re.Pattern[str]) -> None:
    expect(tab.page.get_by_text(text).first).to_be_visible(timeout=WITHIN_MS)


def sees_nothing(tab: Tab) -> None:
    """The login and nothing of the fleet: no menu, no table, no figure, no name of the demo."""
    expect(tab.page.get_by_role("button", name="Log in")).to_be_visible(timeout=WITHIN_MS)
    for what in ("stDataFrame", "stPlotlyChart", "stMetric", "stSidebarNav", "stSelectbox"):
        expect(tab.page.get_by_test_id(what)).to_have_count(0)
    assert not re.search(r"demo-(east|west)|h100|GPUs", tab.page.locator("body").inner_text(), re.IGNORECASE)


def log_in(tab: Tab, sub: str) -> None:
    """From the door through the provider's form."""
    tab.page.get_by_role("button", name="Log in").click(timeout=WITHIN_MS)
    tab.page.get_by_placeholder("sub").fill(sub, timeout=WITHIN_MS)
    tab.page.get_by_role("button", name="Authorize").click()


def log_out(tab: Tab) -> None:
    tab.page.get_by_role("button", name="Log out").click(timeout=WITHIN_MS)
    tab.page.get_by_role("button", name="End session").click(timeout=WITHIN_MS)


def open_at(tab: Tab, path: str) -> None:
    tab.page.goto(f"{tab.served.url}{path}")


def test_a_deep_link_into_a_fresh_process_shows_the_login_and_leads_there_afterwards(
    code: Path,
    tmp_path: Path,
    provider: Provider,
    visit: Visit,
) -> None:
    provider.knows("ada", name="Ada Lovelace", groups=["gpu-operators", "staff"])
    with console(code, tmp_path, provider) as fresh:
        tab = visit(fresh)
        open_at(tab, "/workloads?cluster=demo-west")
        sees_nothing(tab)
        log_in(tab, "ada")
        expect(tab.heading("Workloads")).to_be_visible(timeout=WITHIN_MS)
        assert (tab.path, tab.params["cluster"]) == ("/workloads", "demo-west")
        sees(tab, re.compile("Ada Lovelace · viewer, operator"))


def test_groups_give_roles_and_a_group_taken_away_is_gone_with_the_next_login(
    served: serving.Served, provider: Provider, visit: Visit
) -> None:
    provider.knows("bea", name="Bea", groups=["gpu-operators"])
    tab = visit(served)
    open_at(tab, "/")
    log_in(tab, "bea")
    sees(tab, re.compile("Bea · viewer, operator"))
    provider.knows("bea", name="Bea", groups=[])
    tab.page.reload()
    sees(tab, re.compile("Bea · viewer, operator"))
    log_out(tab)
    sees_nothing(tab)
    log_in(tab, "bea")
    sees(tab, re.compile("Bea · viewer$"))


def test_logging_out_ends_the_login_in_this_browser(served: serving.Served, provider: Provider, visit: Visit) -> None:
    provider.knows("cid", name="Cid")
    tab = visit(served)
    open_at(tab, "/")
    log_in(tab, "cid")
    sees(tab, re.compile("Cid · viewer"))
    log_out(tab)
    sees_nothing(tab)
    open_at(tab, "/sources")
    sees_nothing(tab)


def test_an_open_page_goes_to_the_door_when_its_token_expires(
    served: serving.Served, provider: Provider, visit: Visit
) -> None:
    provider.knows("dan", name="Dan", exp=int(time.time()) + 40)
    tab = visit(served)
    open_at(tab, "/")
    log_in(tab, "dan")
    sees(tab, re.compile("Dan · viewer"))
    sees(tab, "Your login is over. Log in again to go on.")
    sees_nothing(tab)


def test_a_login_older_than_allowed_is_over(served: serving.Served, provider: Provider, visit: Visit) -> None:
    provider.knows("eve", name="Eve", auth_time=int(time.time()) - 13 * 3600)
    tab = visit(served)
    open_at(tab, "/")
    log_in(tab, "eve")
    sees(tab, "Your login is over. Log in again to go on.")
    sees_nothing(tab)


def test_a_token_made_for_another_application_lets_nobody_in(
    served: serving.Served, provider: Provider, visit: Visit
) -> None:
    provider.knows("fay", name="Fay", aud=["another-console"], azp="console")
    tab = visit(served)
    open_at(tab, "/")
    log_in(tab, "fay")
    expect(tab.page.get_by_text("The login was made for another application.")).to_be_visible(timeout=WITHIN_MS)
    for what in ("stDataFrame", "stPlotlyChart", "stMetric", "stSidebarNav"):
        expect(tab.page.get_by_test_id(what)).to_have_count(0)


def test_a_login_too_old_to_write_reads_and_the_button_says_why(
    served: serving.Served, provider: Provider, visit: Visit
) -> None:
    provider.knows("gus", name="Gus", groups=["gpu-operators"], auth_time=int(time.time()) - 2 * 3600)
    tab = visit(served)
    open_at(tab, WARM)
    log_in(tab, "gus")
    expect(tab.heading("Headroom")).to_be_visible(timeout=WITHIN_MS)
    button = tab.keyed("headroom_apply").get_by_role("button")
    expect(button).to_be_disabled(timeout=WITHIN_MS)
    tab.keyed("headroom_apply").get_by_test_id("stTooltipHoverTarget").hover()
    sees(tab, "Your login is too old to make changes. Log out and in again.")
