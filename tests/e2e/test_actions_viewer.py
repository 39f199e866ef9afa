"""Who may only read sees no way to act, wherever they come from."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests import serving
from tests.apiserver import kubeconfig
from tests.e2e import acting, estate
from tests.e2e.browser import TITLES, Tab
from tests.e2e.conftest import Serve, Visit

VERA = {"X-Forwarded-User": "vera", "X-Forwarded-Groups": "readers"}
OMAR = {"X-Forwarded-User": "omar", "X-Forwarded-Groups": "ops"}
SHARING = {"share_pool": "demo-west/l4-notebooks", "share_layout": "time-slicing-2"}
HEADROOM = {"headroom_pool": "demo-west · l4-inference · L4 · nvidia.com/gpu"}
ACTS = re.compile(r"Keep .* warm|Share |Set |Review the change|Undo|Continue|Approve|Decline|Watch|Reset the breaker")


def ways(tab: Tab) -> list[Locator]:
    """Buttons that change something and can be pressed."""
    found = tab.main.get_by_role("button").filter(has_text=ACTS).all()
    return [button for button in found if button.is_enabled()]


def test_a_viewer_finds_no_way_to_act_and_is_told_why(serve: Serve, visit: Visit) -> None:
    """The demo behind a proxy that logs people in: an operator begins something, a viewer looks on."""
    served = serve(GFC_LOGIN="proxy", GFC_OPERATOR_GROUPS="ops")
    omar = visit(served, extra_http_headers=OMAR).open("/headroom", **HEADROOM).on("Headroom")
    omar.button("headroom_apply").click()
    acting.reviewed(omar).button("review_apply").click()
    acting.done(acting.begun(omar))
    omar.button("progress_audit").click()
    operation = omar.on("Audit").params["op"]
    assert ways(omar) != []

    vera = visit(served, extra_http_headers=VERA)
    for path, title in TITLES.items():
        vera.open(path).on(title)
        expect(vera.page.get_by_text("vera · viewer")).to_be_visible()
        assert ways(vera) == [], title
    for path, key, asked in (("/headroom", "headroom_apply", HEADROOM), ("/sharing", "share_apply", SHARING)):
        vera.open(path, **asked).on(TITLES[path])
        expect(vera.button(key)).to_be_disabled()
        expect(vera.main.get_by_text("This needs the role operator; you have viewer.")).to_be_visible()
    vera.open("/audit", op=operation).on("Audit")
    expect(vera.keyed("audit_operation")).to_contain_text("Who omar")
    assert ways(vera) == []


@pytest.mark.logs("refused the connection")
def test_a_live_console_without_a_login_only_reads(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    with estate.api_server(estate.this_minute()) as api:
        served = serve(
            GFC_CLUSTER_NAME="prod-eu",
            GFC_KUBECONFIG=kubeconfig(tmp_path, api.url),
            GFC_PROMETHEUS_URL=f"http://127.0.0.1:{serving.free_port()}",
        )
        tab = visit(served).open("/").on("Overview")
        expect(tab.page.get_by_text("Not logged in: this console only reads.")).to_be_visible()
        assert ways(tab) == []
        tab.open("/sharing", share_pool="prod-eu/a100-mig", share_layout="exclusive").on("Sharing")
        expect(tab.button("share_apply")).to_be_disabled()
        assert ways(tab) == []
