"""Without a mouse."""

import re

from playwright.sync_api import expect

from tests.e2e.browser import Tab
from tests.e2e.conftest import Visit

_WHERE = """
() => {
  const at = document.activeElement;
  return [at.getAttribute('role') || at.tagName.toLowerCase(), at.getAttribute('aria-label') || at.textContent.trim()];
}
"""


def walk(tab: Tab, steps: int = 80) -> list[tuple[str, str]]:
    """Press Tab until the first finding is reached; role and name of everything passed, in order."""
    passed = []
    for _ in range(steps):
        tab.page.keyboard.press("Tab")
        role, name = tab.page.evaluate(_WHERE)
        passed.append((role, name))
        if tab.page.evaluate("!!document.activeElement.closest('.st-key-attention')"):
            return passed
    raise AssertionError(f"no finding within {steps} steps: {passed}")


def test_a_finding_is_reached_and_opened_with_the_keyboard_alone(visit: Visit) -> None:
    tab = visit().open("/").on("Overview")
    expect(tab.keyed("attention").get_by_role("link")).to_have_count(8)
    passed = walk(tab)
    names = [name for _, name in passed]
    order = ["Overview", "Workloads", "Sources", "Cluster", "Pool", "GPU model", "Namespace", "Team", "Live"]
    places = [next(place for place, name in enumerate(names) if name.endswith(word)) for word in order]
    assert places == sorted(places), names
    role, name = passed[-1]
    assert role in {"a", "link"}
    tab.page.keyboard.press("Enter")
    expect(tab.main.get_by_role("heading", level=1, name=re.compile("^(Workloads|Utilisation)$"))).to_be_visible()
    assert {"work_name", "util_node"} & set(tab.params), name


def test_filters_and_the_time_range_are_chosen_with_the_keyboard_alone(visit: Visit) -> None:
    tab = visit().open("/").on("Overview")
    tab.page.get_by_role("radio", name="24h", exact=True).focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("Space")
    tab.says(range="7d")
    tab.field("Cluster").focus()
    tab.page.keyboard.press("ArrowDown")
    expect(tab.page.get_by_role("option", name="demo-west")).to_be_visible()
    tab.page.keyboard.type("west")
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    tab.says(range="7d", cluster="demo-west")


def test_the_link_in_focus_looks_different(visit: Visit) -> None:
    tab = visit().open("/").on("Overview")
    link = tab.keyed("attention").get_by_role("link").first
    look = "link => (({boxShadow, outlineStyle, backgroundColor}) => [boxShadow, outlineStyle, backgroundColor].join())"
    look += "(getComputedStyle(link))"
    before = link.evaluate(look)
    walk(tab)
    expect(link).to_be_focused()
    assert link.evaluate(look) != before
