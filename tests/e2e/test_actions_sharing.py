"""GPUs divided in another way: reviewed, applied, seen and taken back."""

from playwright.sync_api import expect

from tests import serving
from tests.e2e import acting
from tests.e2e.browser import Tab
from tests.e2e.conftest import Visit

LABEL = "metadata.labels[nvidia.com/device-plugin.config]"


def pool(tab: Tab, name: str) -> dict[str, str]:
    """A row of the page's table of pools."""
    (row,) = [row for row in tab.rows(tab.keyed("share_pools")) if row["Pool"] == name]
    return row


def test_a_node_is_shared_and_taken_back_by_keyboard_alone(visit: Visit, acting_demo: serving.Served) -> None:
    where = {"share_pool": "demo-west/l4-inference", "share_layout": "time-slicing-2"}
    tab = visit(acting_demo).open("/sharing", **where).on("Sharing")
    before = pool(tab, "l4-inference")
    nodes = tab.rows(tab.told("How the GPUs of each node of the pool are divided."))
    node = next(row["Node"] for row in nodes if row["State"] == "ready" and row["Offers"] == "16 × gpu")
    keys = tab.page.keyboard
    tab.tab_to(tab.keyed("share_pick_demo-west_l4-inference"))
    keys.type(node)
    keys.press("Enter")
    keys.press("Escape")  # the list stays open for more
    expect(tab.button("share_apply")).to_contain_text("Set Time-slicing × 2 on 1 node")
    tab.rest().tab_to(tab.keyed("share_apply"))
    keys.press("Enter")
    acting.reviewed(tab)
    assert acting.changes(tab) == {
        (f"Node {node}", "spec.unschedulable", "not there", "true"),
        (f"Node {node}", LABEL, "ts4", "ts2"),
        (f"Node {node}", "spec.unschedulable", "true", "not there"),
    }
    tab.tab_to(tab.keyed("review_reason"))
    keys.type("these pods need more memory")
    keys.press("Enter")
    acting.begun(tab)
    expect(tab.keyed("progress")).to_contain_text(f"running Wait until {node} offers 8 × nvidia.com/gpu")
    assert "1 node offers what was planned." in acting.done(tab, 90_000)
    tab.tab_to(tab.keyed("progress_close"))
    keys.press("Enter")
    expect(tab.dialog).to_have_count(0)
    after = pool(tab.rest(), "l4-inference")
    assert int(after["Units"]) == int(before["Units"]) - 8
    assert after["Layout now"] == "Time-slicing × 4 (2), Time-slicing × 2 (1)"

    tab.tab_to(tab.menu("Audit"))
    keys.press("Enter")
    tab.on("Audit").tab_to(tab.keyed("audit_table").locator("canvas").first)
    keys.press("Shift+Space")  # chooses the row of the cell in focus
    summary = f"l4-inference: {node} from Time-slicing × 4 to Time-slicing × 2"
    expect(tab.keyed("audit_operation")).to_contain_text(summary)
    tab.rest().tab_to(tab.keyed("audit_undo"))
    keys.press("Space")
    acting.reviewed(tab)
    assert (f"Node {node}", LABEL, "ts4", "ts2", "ts2") in acting.undone(tab)
    tab.tab_to(tab.keyed("review_reason"))
    keys.type("not needed after all")
    keys.press("Enter")
    assert "Take back: l4-inference" in acting.done(acting.begun(tab), 90_000)
