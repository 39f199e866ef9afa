"""What takes minutes, at its end: the effect is seen on the pages and taken back; then the pages are as they were."""

import re

import pytest
from playwright.sync_api import expect

from tests import serving
from tests.e2e import acting
from tests.e2e.browser import Tab
from tests.e2e.conftest import Begun, Visit
from tests.e2e.test_actions_fallbacks import chain
from tests.e2e.test_actions_sharing import pool
from tests.e2e.test_drill import download

MINUTES_MS = 420_000
TAKES_REQUESTS = re.compile(r"(?<![\d.])(<0\.01|0\.\d*[1-9]\d*|[1-9]\d*(\.\d+)?) % of requests in 24 h")
pytestmark = [pytest.mark.timeout(600), pytest.mark.last]


def take_back(tab: Tab, begun: Begun) -> Tab:
    """Undo an operation from its row of the Audit, with the mouse."""
    tab.open("/audit", op=begun.id).on("Audit")
    tab.button("audit_undo").click()
    acting.why(acting.reviewed(tab), "after the launch")
    tab.button("review_apply").click()
    return acting.begun(tab)


def test_the_shared_nodes_offer_twice_as_much_and_are_taken_back(visit: Visit, shared: Begun) -> None:
    tab = visit(shared.served).open("/audit", op=shared.id).on("Audit")
    acting.finished(tab, MINUTES_MS)
    expect(tab.keyed("audit_operation")).to_contain_text("All 4 nodes offer what was planned.")
    row = pool(tab.go("Sharing"), "l4-notebooks")
    fifth = int(row["GPUs"]) - 4  # a node that comes for report-runs and goes
    assert "Time-slicing × 2" in row["Layout now"]
    assert (fifth in (0, 1), int(row["Units"])) == (True, 8 + fifth)
    assert int(row["Held"]) in (2, 2 + fifth)
    tab.open("/", pool="l4-notebooks").on("Overview")
    expect(tab.keyed("overview_levers")).to_contain_text(re.compile("Sharing would free.*0 GPUs", re.DOTALL))
    expect(tab.main.get_by_role("button", name="Share 4 nodes × 2")).to_have_count(0)

    take_back(tab, shared)


def test_the_warm_units_are_there_and_taken_back(visit: Visit, begun: Begun) -> None:
    tab = visit(begun.served).open("/audit", op=begun.id).on("Audit")
    acting.finished(tab, MINUTES_MS)
    (units,) = re.findall(r"0 → (\d+) warm", begun.says)
    expect(tab.keyed("audit_operation")).to_contain_text(f"{units} of {units} are warm.")
    tab.open("/headroom", pool="t4-spot").on("Headroom")
    (row,) = tab.rows(tab.keyed("headroom_table"))
    assert (row["Warm"], row["Set"], row["Refill"]) == (units, units, "0")
    tab.open("/", cluster="demo-east").on("Overview")
    expect(tab.main.get_by_role("button", name="Keep 1 unit of pool t4-spot warm")).to_have_count(0)

    take_back(tab, begun)


def test_the_turned_chain_takes_requests_and_is_turned_back(visit: Visit, turned: Begun) -> None:
    tab = visit(turned.served).open("/fallback-edit", fallback_group="summarise").on("Chains")
    first = tab.keyed("fallback_rank_1")
    expect(first).to_contain_text("summarise-own")
    for _ in range(MINUTES_MS // 5000):
        if TAKES_REQUESTS.search(first.inner_text()):
            break
        tab.page.wait_for_timeout(5000)
        tab.page.reload()
        tab.on("Chains")
    expect(first).to_contain_text(TAKES_REQUESTS)  # none of them before

    take_back(tab, turned)


def test_everything_is_as_it_was_in_the_end(
    visit: Visit, acting_demo: serving.Served, begun: Begun, shared: Begun, turned: Begun
) -> None:
    tab = visit(acting_demo).open("/audit").on("Audit")
    for _ in range(MINUTES_MS // 5000):
        _, listed = download(tab, "audit_table_csv")
        if all(row["state"] != "Running" for row in listed):
            break
        tab.page.wait_for_timeout(5000)
        tab.page.reload()
        tab.on("Audit")
    assert {row["state"] for row in listed} == {"Done"}
    said = [row["summary"] for row in listed if not row["summary"].startswith("Rehearse ")]  # which change nothing
    undone = [what for what in said if what.startswith("Take back: ") or what.endswith(" no longer kept")]
    assert len(undone) * 2 == len(said)

    tab.go("Headroom")
    assert {(row["Warm"], row["Set"]) for row in tab.rows(tab.keyed("headroom_table"))} == {("0", "0")}
    tab.go("Sharing")
    row = pool(tab, "l4-inference")
    assert (row["Layout now"], row["GPUs"], row["Units"]) == ("Time-slicing × 4", "12", "44")
    row = pool(tab, "l4-notebooks")
    assert (row["Layout now"], row["GPUs"]) == ("Exclusive", row["Units"])
    tab.go("Chains")
    assert chain(tab, "summarise") == "summarise-openai → summarise-own"
    assert chain(tab, "chat-large") == "chat-70b-own → gpt-4o-azure"
    tab.open("/", pool="l4-notebooks").on("Overview")
    expect(tab.main.get_by_role("button", name="Share 4 nodes × 2")).to_be_enabled()
