"""Circuit breakers: what they did; a limit changed and taken back; a rule made for a host that had none."""

from playwright.sync_api import Locator, expect

from tests import serving
from tests.e2e import acting
from tests.e2e.browser import Tab
from tests.e2e.conftest import Visit
from tests.e2e.screens import shoot

CHAT = "chat-8b.assistants-prod.svc.cluster.local"
AWAY = "rerank.search-prod.demo-east.internal"
POOL = "spec.trafficPolicy.connectionPool.http"


def breakers(tab: Tab) -> dict[tuple[str, str], dict[str, str]]:
    """Rows of the page's table, by whose breaker it is and for what."""
    return {(row["By"], row["For"]): row for row in tab.rows(tab.keyed("breakers"))}


def typed(tab: Tab, label: str, value: str) -> Locator:
    """Type into a field of the form and leave it."""
    field = tab.main.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Tab")
    return field


def applied(tab: Tab, reason: str) -> str:
    """Give a reason, apply what is reviewed and wait until it is done; what was said of its effect."""
    acting.why(tab, reason)
    tab.button("review_apply").click()
    return acting.done(acting.begun(tab))


def taken_back(tab: Tab) -> Tab:
    """From a change that is done to the Audit, and undo it there."""
    tab.button("progress_audit").click()
    tab.on("Audit").rest().button("audit_undo").click()
    acting.reviewed(tab)
    said = applied(tab, "it was only tried")
    assert "Everything is as it was before" in said
    return tab


def test_rules_stand_beside_cooldowns_with_what_they_did(visit: Visit) -> None:
    tab = visit().open("/breakers", range="30d").on("Breakers")
    rows = breakers(tab)
    away = next(row for (by, host), row in rows.items() if by == "Istio" and host.startswith("chat-70b."))
    assert int(away["Taken out"].replace(",", "")) > 0, "the host that had outages"
    assert rows["Istio", CHAT]["Taken out"] == "0", "counted, and nothing happened"
    assert int(rows["LiteLLM", "chat-large"]["Taken out"].replace(",", "")) > 0
    tab.pick("Rule to look at", "demo-west/search-prod/embed")
    expect(tab.main.get_by_text("consecutiveErrors is deprecated")).to_be_visible()
    assert tab.rest().params["breaker"] == "demo-west/search-prod/embed"


def test_a_limit_is_changed_seen_and_taken_back_from_the_audit(visit: Visit, acting_demo: serving.Served) -> None:
    tab = visit(acting_demo).open("/breakers", breaker="demo-west/assistants-prod/chat-8b").on("Breakers")
    assert breakers(tab)["Istio", CHAT]["May wait"] == "256"
    expect(tab.button("breaker_apply")).to_be_disabled()
    typed(tab, "Requests that may wait", "64")
    expect(tab.main.get_by_text("At most 64 requests may wait")).to_be_visible()
    typed(tab.rest(), "Retries under way", "")
    expect(tab.main.get_by_text("retries may be under way")).to_have_count(0)
    tab.rest().button("breaker_apply").click()
    acting.reviewed(tab)
    rule = "DestinationRule assistants-prod/chat-8b"
    assert acting.changes(tab) == {
        (rule, f"{POOL}.http1MaxPendingRequests", "256", "64"),
        (rule, f"{POOL}.maxRetries", "3", "not there"),
    }
    shoot(tab, "breaker-review")
    assert "The rule is as it was set" in applied(tab, "the model answers late")
    tab.button("progress_close").click()
    expect(tab.dialog).to_have_count(0)
    expect(tab.main.get_by_role("heading", name="What it does", exact=True)).to_be_visible()
    expect(tab.main.get_by_label("Requests that may wait", exact=True)).to_have_value("64")
    assert breakers(tab.rest())["Istio", CHAT]["May wait"] == "64"

    acting.newest(tab)
    tab.button("audit_undo").click()
    acting.reviewed(tab)
    assert "Everything is as it was before" in applied(tab, "it was only tried")
    tab.open("/breakers", breaker="demo-west/assistants-prod/chat-8b").on("Breakers")
    assert breakers(tab)["Istio", CHAT]["May wait"] == "256"
    expect(tab.main.get_by_label("Retries under way", exact=True)).to_have_value("3")


def test_a_host_without_a_rule_gets_one_and_loses_it_again(visit: Visit, acting_demo: serving.Served) -> None:
    tab = visit(acting_demo).open("/breakers").on("Breakers")
    host = f"demo-west/ai-gateway/{AWAY}"
    tab.pick("Host to make a rule for", host)
    expect(tab.main.get_by_text("A replica is taken out after 5 errors")).to_be_visible()
    typed(tab.rest(), "Errors in a row", "4")
    expect(tab.main.get_by_text("A replica is taken out after 4 errors")).to_be_visible()
    tab.rest().button("breaker_make").click()
    acting.reviewed(tab)
    rule = "DestinationRule ai-gateway/rerank-breaker"
    policy = "spec.trafficPolicy.outlierDetection"
    assert {
        (rule, "spec.host", "not there", AWAY),
        (rule, f"{policy}.consecutive5xxErrors", "not there", "4"),
        (rule, f"{policy}.maxEjectionPercent", "not there", "50"),
    } <= acting.changes(tab)
    assert "The rule is as it was set" in applied(tab, "it has outages")
    taken_back(tab)
    tab.open("/breakers", breaker_host=host).on("Breakers")
    assert [key for key in breakers(tab) if key == ("Istio", AWAY)] == []
    expect(tab.button("breaker_make")).to_be_enabled()
