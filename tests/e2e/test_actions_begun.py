"""An operation that takes minutes: begun from a finding, lost from sight, found again."""

import re

from playwright.sync_api import expect

from tests.e2e import acting
from tests.e2e.browser import Tab
from tests.e2e.conftest import Begun, Visit


def test_a_finding_is_acted_on_with_two_clicks(begun: Begun) -> None:
    assert begun.clicks == 2
    assert {
        ("PriorityClass gpu-headroom", "value", "not there", "-10"),
        ("Namespace gpu-headroom", "metadata.labels[pod-security.kubernetes.io/enforce]", "not there", "restricted"),
    } <= begun.changes
    assert re.search(r"running Wait for nodes: an autoscaler has to bring them \(for \d+ s\)", begun.progress)


def test_a_reload_does_not_lose_the_operation(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served).open("/audit", op=begun.id).on("Audit")
    expect(tab.keyed("audit_operation")).to_contain_text("Running · Pool t4-spot: 0 → 1 warm unit")
    tab.button("audit_watch").click()
    expect(tab.keyed("progress")).to_contain_text("running Wait for nodes")
    tab.page.reload()
    tab.on("Audit").says(op=begun.id)
    expect(tab.dialog).to_have_count(0)
    expect(tab.keyed("audit_operation")).to_contain_text("Running · Pool t4-spot: 0 → 1 warm unit")
    tab.button("audit_watch").click()
    expect(tab.keyed("progress")).to_contain_text("running Wait for nodes")
    before = tab.keyed("progress").inner_text()
    expect(tab.keyed("progress")).not_to_have_text(before)  # it goes on by itself


def test_another_person_sees_it_run_and_cannot_take_it_back_yet(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served).open("/").on("Overview")
    expect(tab.keyed("overview_levers")).to_contain_text(re.compile(r"Changes, 24h.*running now", re.DOTALL))
    tab.go("Audit")
    (row,) = [row for row in tab.rows(tab.keyed("audit_table")) if row["What"].startswith("Pool t4-spot: 0 → 1")]
    assert row["State"] == "Running"
    assert row["Who"] == "Demo user"
    tab.open("/audit", op=begun.id).on("Audit")
    expect(tab.button("audit_watch")).to_be_enabled()
    expect(tab.keyed("audit_undo")).to_have_count(0)


def test_the_page_says_that_a_refill_is_under_way(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served).open("/headroom", pool="t4-spot").on("Headroom")
    (row,) = tab.rows(tab.keyed("headroom_table"))
    assert (row["Pool"], row["Set"], row["Kept by"]) == ("t4-spot", "1", "placeholder")
    assert int(row["Warm"]) + int(row["Refill"]) == 1


def audit_rows(tab: Tab) -> int:
    """How many operations the Audit lists."""
    tab.open("/audit").on("Audit")
    return len(tab.rows(tab.keyed("audit_table")))


MIG = "demo-east · a100-mig · A100 SXM4 80GB · nvidia.com/mig-3g.40gb"


def test_a_review_that_is_left_does_nothing(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served)
    had = audit_rows(tab)
    tab.open("/headroom", headroom_pool=MIG).on("Headroom")
    tab.button("headroom_apply").click()
    acting.reviewed(tab)
    tab.page.keyboard.press("Escape")
    expect(tab.dialog).to_have_count(0)
    tab.rest()
    tab.button("headroom_apply").click()
    acting.reviewed(tab)
    tab.button("review_cancel").click()
    expect(tab.dialog).to_have_count(0)
    assert audit_rows(tab) == had


def test_a_review_left_open_is_not_there_on_another_page_nor_when_coming_back(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served).open("/sources").on("Sources")
    tab.go("Headroom")
    tab.pick("Pool to keep warm", MIG)
    tab.rest().button("headroom_apply").click()
    acting.reviewed(tab)
    tab.page.go_back()
    tab.on("Sources")
    expect(tab.dialog).to_have_count(0)
    tab.page.go_forward()
    tab.on("Headroom")
    expect(tab.dialog).to_have_count(0)


def test_a_double_click_applies_once(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served)
    had = audit_rows(tab)
    tab.open("/headroom", headroom_pool=MIG).on("Headroom")
    tab.button("headroom_apply").dblclick()
    acting.reviewed(tab)
    tab.button("review_apply").dblclick()
    acting.done(acting.begun(tab))
    assert audit_rows(tab) == had + 1
