"""Warm units: asked for, applied, seen, taken back."""

from playwright.sync_api import expect

from tests import serving
from tests.e2e import acting
from tests.e2e.browser import Tab
from tests.e2e.conftest import Visit
from tests.e2e.screens import shoot

INFERENCE = "demo-west · l4-inference · L4 · nvidia.com/gpu"


def pool(tab: Tab, name: str, resource: str) -> dict[str, str]:
    """A row of the page's table."""
    rows = tab.rows(tab.keyed("headroom_table"))
    (row,) = [row for row in rows if (row["Pool"], row["A unit asks for"]) == (name, resource)]
    return row


def test_a_unit_is_kept_warm_seen_and_taken_back_by_mouse_where_a_double_click_counts_once(
    visit: Visit, acting_demo: serving.Served
) -> None:
    tab = visit(acting_demo).open("/headroom", headroom_pool=INFERENCE).on("Headroom")
    before = pool(tab, "l4-inference", "nvidia.com/gpu")
    assert (before["Warm"], before["Set"], before["Kept by"]) == ("0", "0", "none")

    hand = acting.Hand(tab)
    hand.click(tab.button("headroom_apply"))
    acting.reviewed(tab)
    expect(tab.keyed("review")).to_contain_text("Pool l4-inference: 0 → 1 warm unit of 1 GPU")
    assert {
        ("PriorityClass gpu-headroom", "value", "not there", "-10"),
        ("PriorityClass gpu-headroom", "preemptionPolicy", "not there", "Never"),
    } <= acting.changes(tab)
    shoot(tab, "headroom-review")
    hand.click(tab.button("review_apply"))
    acting.begun(tab)
    assert hand.clicks == 2
    assert "1 of 1 are warm" in acting.done(tab)
    shoot(tab, "headroom-done")

    tab.button("progress_close").click()
    expect(tab.dialog).to_have_count(0)
    tab.rest()
    after = pool(tab, "l4-inference", "nvidia.com/gpu")
    assert (after["Warm"], after["Set"], after["Kept by"]) == ("1", "1", "placeholder")
    assert int(after["Free now"]) == int(before["Free now"]) - 1
    expect(tab.field("Pool to keep warm")).to_have_value(INFERENCE)

    acting.newest(tab)
    expect(tab.keyed("audit_operation")).to_contain_text("Pool l4-inference: 0 → 1 warm unit of 1 GPU")
    tab.button("audit_undo").click()
    acting.reviewed(tab)
    assert ("PriorityClass gpu-headroom", "the object", "absent", "created", "as created") in acting.undone(tab)
    shoot(tab, "headroom-undo")
    tab.button("review_apply").dblclick()
    assert "Everything is as it was before" in acting.done(acting.begun(tab))
    tab.button("progress_close").click()
    expect(tab.dialog).to_have_count(0)
    done = "Pool l4-inference: 0 → 1 warm unit of 1 GPU"
    assert acting.listed(tab, until=f"Take back: {done}")[:2] == [f"Take back: {done}", done]
    tab.go("Headroom")
    again = pool(tab, "l4-inference", "nvidia.com/gpu")
    assert {key: again[key] for key in ("Warm", "Set", "Kept by")} == {
        key: before[key] for key in ("Warm", "Set", "Kept by")
    }


def test_a_unit_is_kept_warm_and_taken_back_by_keyboard_alone(visit: Visit, acting_demo: serving.Served) -> None:
    tab = visit(acting_demo).open("/headroom", headroom_pool=INFERENCE).on("Headroom")
    assert pool(tab, "l4-inference", "nvidia.com/gpu")["Set"] == "0"
    keys = tab.page.keyboard
    tab.tab_to(tab.keyed("headroom_apply"))
    keys.press("Enter")
    acting.reviewed(tab)
    tab.tab_to(tab.keyed("review_apply"))
    keys.press("Space")
    acting.begun(tab)
    assert "1 of 1 are warm" in acting.done(tab)
    tab.tab_to(tab.keyed("progress_audit"))
    keys.press("Enter")
    tab.on("Audit")
    tab.tab_to(tab.keyed("audit_undo"))
    keys.press("Enter")
    acting.reviewed(tab)
    tab.tab_to(tab.keyed("review_apply"))
    keys.press("Enter")
    acting.begun(tab)
    assert "Everything is as it was before" in acting.done(tab)
    tab.tab_to(tab.keyed("progress_close"))
    keys.press("Space")
    expect(tab.dialog).to_have_count(0)
    tab.open("/headroom").on("Headroom")
    assert pool(tab, "l4-inference", "nvidia.com/gpu")["Set"] == "0"
