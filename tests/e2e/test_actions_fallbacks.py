"""A gateway's chains: turned round by mouse; turned round and back by keyboard."""

from playwright.sync_api import expect

from tests.e2e import acting
from tests.e2e.browser import Tab
from tests.e2e.conftest import Begun, Visit


def chain(tab: Tab, group: str) -> str:
    """What a request to a group is tried with, as the page's table has it."""
    (row,) = [row for row in tab.rows(tab.keyed("fallback_chains")) if row["Model group"] == group]
    return row["Tried in this order"]


def test_a_turned_chain_is_in_force(visit: Visit, turned: Begun) -> None:
    tab = visit(turned.served).open("/audit", op=turned.id).on("Audit")
    acting.finished(tab)
    expect(tab.keyed("audit_operation")).to_contain_text("In force: summarise: summarise-own → summarise-openai.")
    tab.open("/fallback-edit", fallback_group="summarise").on("Chains")
    assert chain(tab, "summarise") == "summarise-own → summarise-openai"
    expect(tab.keyed("fallback_rank_1")).to_contain_text("summarise-own")
    expect(tab.main.get_by_text("The running proxy does not do what its file says")).to_have_count(0)


def test_a_chain_is_turned_round_and_taken_back_by_keyboard_alone(visit: Visit, turned: Begun) -> None:
    tab = visit(turned.served).open("/audit", op=turned.id).on("Audit")
    acting.finished(tab)  # two changes of one file at once are refused
    tab.open("/fallback-edit", fallback_group="chat-large").on("Chains")
    assert chain(tab, "chat-large") == "chat-70b-own → gpt-4o-azure"
    keys = tab.page.keyboard
    tab.tab_to(tab.keyed("fallback_up_chat-large_gpt-4o-azure"))
    keys.press("Enter")
    expect(tab.keyed("fallback_review")).to_contain_text("Prepared, not applied: chat-large")
    tab.rest().tab_to(tab.keyed("fallback_propose"))
    keys.press("Space")
    acting.reviewed(tab)
    tab.tab_to(tab.keyed("review_reason"))
    keys.type("the large model is full")
    keys.press("Enter")
    acting.begun(tab)
    assert "In force: chat-large: gpt-4o-azure → chat-70b-own." in acting.done(tab, 90_000)
    tab.tab_to(tab.keyed("progress_audit"))
    keys.press("Enter")
    tab.on("Audit").rest().tab_to(tab.keyed("audit_undo"))
    keys.press("Enter")
    acting.reviewed(tab)
    tab.tab_to(tab.keyed("review_reason"))
    keys.type("it is free again")
    keys.press("Enter")
    assert "Take back: Fallbacks" in acting.done(acting.begun(tab), 90_000)
