"""Who may only read sees no way to act, wherever they come from."""

import re

from playwright.sync_api import Locator, expect

from tests.e2e import acting
from tests.e2e.browser import TITLES, Tab
from tests.e2e.conftest import Serve, Visit

VERA = {"X-Forwarded-User": "vera", "X-Forwarded-Groups": "readers"}
OMAR = {"X-Forwarded-User": "omar", "X-Forwarded-Groups": "ops"}
SHARING = {"share_pool": "demo-west/l4-notebooks", "share_layout": "time-slicing-2"}
HEADROOM = {"headroom_pool": "demo-west · l4-inference · L4 · nvidia.com/gpu"}
CHAIN = {"fallback_group": "summarise"}
KEYS = {"/headroom": "headroom_apply", "/sharing": "share_apply"}
"""The button of each page that would act, by the page's path."""
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
    acting.begun(omar).button("progress_audit").click()
    acting.finished(omar.on("Audit"))
    assert ways(omar) != []

    vera = visit(served, extra_http_headers=VERA)
    deep = {"/": {}, "/headroom": HEADROOM, "/sharing": SHARING, "/fallback-edit": CHAIN, "/audit": omar.params}
    for path, asked in deep.items():
        vera.open(path, **asked).on(TITLES[path])
        expect(vera.page.get_by_text("vera · viewer")).to_be_visible()
        if path in KEYS:
            expect(vera.button(KEYS[path])).to_be_disabled()
            expect(vera.main.get_by_text("This needs the role operator; you have viewer.")).to_be_visible()
        assert ways(vera) == [], path
    expect(vera.keyed("audit_operation")).to_contain_text("Who omar")
