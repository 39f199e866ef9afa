"""Operations that take minutes: begun with a few clicks, lost from sight, found again. And reviews that are left."""

import re

from playwright.sync_api import expect

from pages.ui import words
from tests.e2e import acting
from tests.e2e.browser import Tab
from tests.e2e.conftest import Begun, Visit

MIG = "demo-east · a100-mig · A100 SXM4 80GB · nvidia.com/mig-3g.40gb"


def operations(tab: Tab) -> int:
    """How many operations the Audit lists."""
    return len(tab.rows(tab.open("/audit").on("Audit").keyed("audit_table")))


def test_units_are_kept_warm_with_two_clicks_on_the_page_of_their_pool(begun: Begun) -> None:
    assert begun.clicks == 2
    assert re.fullmatch(r"Pool t4-spot: 0 → \d+ warm units? of 1 GPU", begun.says)
    assert {
        ("PriorityClass gpu-headroom", "value", "not there", "-10"),
        ("Namespace gpu-headroom", "metadata.labels[pod-security.kubernetes.io/enforce]", "not there", "restricted"),
    } <= begun.changes
    assert re.search(r"running Wait for nodes: an autoscaler has to bring them \(for \d+ s\)", begun.progress)


def test_gpus_are_shared_with_two_clicks_on_a_finding_and_a_reason(shared: Begun) -> None:
    assert shared.clicks == 2
    assert {change[1:] for change in shared.changes} == {
        ("spec.unschedulable", "not there", "true"),
        ("metadata.labels[nvidia.com/device-plugin.config]", "not there", "ts2"),
        ("spec.unschedulable", "true", "not there"),
    }
    assert shared.progress.count("to come") == 3


def test_a_chain_is_turned_round_with_three_clicks_and_a_reason(turned: Begun) -> None:
    assert turned.clicks == 3
    file, restart = "ConfigMap ai-gateway/litellm-config", "metadata.annotations[kubectl.kubernetes.io/restartedAt]"
    fields = {change[:2]: change[2:] for change in turned.changes}
    assert fields.pop(("Deployment ai-gateway/litellm", f"spec.template.{restart}"))[0] == "not there"
    assert fields == {
        (file, "model_list[5].litellm_params.order"): ("1", "2"),
        (file, "model_list[6].litellm_params.order"): ("2", "1"),
    }
    assert "running Every pod of Deployment ai-gateway/litellm runs with the new file" in turned.progress


def test_a_reload_does_not_lose_the_operation(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served).open("/audit", op=begun.id).on("Audit")
    for _ in range(2):
        expect(tab.dialog).to_have_count(0)
        expect(tab.keyed("audit_operation")).to_contain_text(f"Running · {begun.says}")
        tab.button("audit_watch").click()
        expect(tab.keyed("progress")).to_contain_text("running Wait for nodes")
        before = tab.keyed("progress").inner_text()
        expect(tab.keyed("progress")).not_to_have_text(before)  # it goes on by itself
        tab.page.reload()
        tab.on("Audit").says(op=begun.id)


def test_another_person_sees_it_run_and_cannot_take_it_back_yet(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served).open("/headroom", pool="t4-spot").on("Headroom")
    (row,) = tab.rows(tab.keyed("headroom_table"))
    assert row["Kept by"] == "placeholder"
    assert begun.says == f"Pool t4-spot: 0 → {words.counted(int(row['Set']), 'warm unit')} of 1 GPU"
    assert int(row["Warm"]) + int(row["Refill"]) == int(row["Set"])
    tab.open("/").on("Overview")
    expect(tab.keyed("overview_levers")).to_contain_text(re.compile(r"Changes, 24h.*running now", re.DOTALL))
    tab.go("Audit")
    (row,) = [row for row in tab.rows(tab.keyed("audit_table")) if row["What"] == begun.says]
    assert (row["State"], row["Who"]) == ("Running", "Demo user")
    tab.open("/audit", op=begun.id).on("Audit")
    expect(tab.button("audit_watch")).to_be_enabled()
    expect(tab.keyed("audit_undo")).to_have_count(0)


def test_a_review_that_is_left_does_nothing_and_is_not_there_when_coming_back(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served)
    had = operations(tab)
    tab.open("/sources").on("Sources").go("Headroom")
    tab.pick("Pool to keep warm", MIG)
    tab.rest().button("headroom_apply").click()
    acting.reviewed(tab).page.keyboard.press("Escape")
    expect(tab.dialog).to_have_count(0)
    tab.rest().button("headroom_apply").click()
    acting.reviewed(tab).button("review_cancel").click()
    expect(tab.dialog).to_have_count(0)
    tab.rest().button("headroom_apply").click()
    acting.reviewed(tab).page.go_back()
    expect(tab.on("Sources").dialog).to_have_count(0)
    tab.page.go_forward()
    expect(tab.on("Headroom").dialog).to_have_count(0)
    assert operations(tab) == had
