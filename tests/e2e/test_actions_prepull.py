"""Images kept on nodes: chosen or typed, weighed, pulled, listed by the nodes, kept no longer, taken back."""

from playwright.sync_api import expect

from tests import serving
from tests.e2e import acting
from tests.e2e.browser import Tab, press_row
from tests.e2e.conftest import Visit
from tests.e2e.screens import shoot
from tests.e2e.test_startup import filled

POOL = "demo-west · l4-inference"
IMAGE = "nvcr.io/nvidia/cuda:12.8.1-base-ubuntu24.04"
"""A small one: its pull takes seconds."""
PULLED_MS = 240_000


def named(tab: Tab) -> Tab:
    """The form with the image in it."""
    field = tab.main.get_by_role("combobox", name="Images", exact=True)
    field.scroll_into_view_if_needed()
    field.fill(IMAGE)
    field.press("Enter")
    field.press("Escape")
    expect(tab.button("prepull_apply")).to_be_enabled()
    return tab.rest()


def test_an_image_is_pulled_ahead_and_kept_no_longer_and_a_wrong_name_does_nothing(
    visit: Visit, acting_demo: serving.Served
) -> None:
    tab = named(filled(visit(acting_demo), live="false", prepull_pool=POOL))
    expect(tab.main.get_by_text("Brings cuda:12.8.1-base-ubuntu24.04 to 3 nodes of pool l4-inference")).to_be_visible()
    shoot(tab, "prepull-form")
    hand = acting.Hand(tab)
    hand.click(tab.button("prepull_apply"))
    acting.reviewed(tab)
    assert {
        ("Namespace gpu-prepull", "metadata.labels[pod-security.kubernetes.io/enforce]", "not there", "restricted"),
    } <= acting.changes(tab)
    shoot(tab, "prepull-review")
    acting.why(tab, "for the release")
    hand.click(tab.button("review_apply"))
    assert hand.clicks == 2
    acting.begun(tab)
    shoot(tab, "prepull-progress")
    assert "3 of 3 nodes have cuda:12.8.1-base-ubuntu24.04." in acting.done(tab, PULLED_MS)
    tab.button("progress_close").click()
    expect(tab.dialog).to_have_count(0)
    tab.open("/startup", live="false", prepull_pool=POOL).on("Startup")
    (row,) = tab.rows(tab.keyed("prepull_kept"))
    assert (row["Image"], row["Pool"], row["On nodes"], row["Not on"]) == (IMAGE, "l4-inference", "3", "0")
    shoot(tab, "prepull-kept")

    press_row(tab, "prepull_kept", 0)
    tab.button("prepull_remove").click()
    acting.why(acting.reviewed(tab), "released")
    tab.button("review_apply").click()
    assert "They stay on the disks until the kubelet needs the room." in acting.done(acting.begun(tab))
    tab.button("progress_close").click()
    expect(tab.dialog).to_have_count(0)
    expect(tab.rest().main.get_by_text("Nothing made here keeps images on these nodes now.")).to_be_visible()
    acting.newest(tab)
    expect(tab.keyed("audit_operation")).to_contain_text(
        "Pool l4-inference: cuda:12.8.1-base-ubuntu24.04 no longer kept"
    )
