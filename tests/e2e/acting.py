"""Acting on the demo as a person does: review, apply, watch, take back. Clicks are counted."""

import re
from dataclasses import dataclass

from playwright.sync_api import Locator, expect

from tests.e2e.browser import Tab, press_row

SOON_MS = 40_000
"""Within so long a demo does what it does at once."""
RUNNING = re.compile("Running ·")
DONE = re.compile("Done ·")


@dataclass
class Hand:
    """A hand at a mouse."""

    tab: Tab
    clicks: int = 0

    def click(self, what: Locator) -> None:
        """Click once."""
        what.click()
        self.clicks += 1


def reviewed(tab: Tab) -> Tab:
    """Wait for the review of a change."""
    expect(tab.keyed("review")).to_be_visible(timeout=SOON_MS)
    return tab.rest()


def changes(tab: Tab) -> set[tuple[str, str, str, str]]:
    """Object, field, before and after of what the review shows in sight."""
    return {(row["Object"], row["Field"], row["Before"], row["After"]) for row in tab.rows(tab.keyed("review_diff"))}


def undone(tab: Tab) -> set[tuple[str, str, str, str, str]]:
    """Object, field, before, as set and now of what the review of an undo shows in sight."""
    rows = tab.rows(tab.page.locator('[class*="st-key-undo_"]'))
    return {(row["Object"], row["Field"], row["Before"], row["As set"], row["Now"]) for row in rows}


def why(tab: Tab, reason: str) -> None:
    """Write the reason that the audit keeps, where one is asked for."""
    if tab.keyed("review_reason").count():
        tab.dialog.get_by_label("Why (kept in the audit)").fill(reason)


def begun(tab: Tab) -> Tab:
    """Wait until the operation that was applied is shown, at work or done."""
    expect(tab.keyed("progress")).to_be_visible(timeout=SOON_MS)
    return tab


def done(tab: Tab, within_ms: int = SOON_MS) -> str:
    """Wait until the operation in the dialog has succeeded; what was said of its effect."""
    expect(tab.keyed("progress")).to_contain_text(DONE, timeout=within_ms)
    expect(tab.dialog.get_by_text("It goes on when you close this")).to_have_count(0, timeout=within_ms)
    return tab.rest().keyed("progress").inner_text()


def finished(tab: Tab, within_ms: int = SOON_MS) -> Tab:
    """Look at an operation on the Audit page again and again until it has succeeded."""
    for _ in range(within_ms // 2000):
        if "Done ·" in tab.rest().keyed("audit_operation").inner_text():
            return tab
        tab.page.wait_for_timeout(2000)
        tab.page.reload()
        tab.on("Audit")
    raise AssertionError(f"not done within {within_ms / 1000:.0f} s: {tab.keyed('audit_operation').inner_text()}")


def listed(tab: Tab, until: str) -> list[str]:
    """What the Audit's table lists, newest first, once the first of it is what is waited for."""
    for _ in range(20):
        found = [row["What"] for row in tab.rows(tab.rest().keyed("audit_table"))]
        if found[:1] == [until]:
            break
        tab.page.wait_for_timeout(500)  # the table draws itself after the page has settled
    return found


def newest(tab: Tab) -> Tab:
    """Open the Audit and choose its newest operation."""
    tab.go("Audit") if tab.path != "/audit" else tab.on("Audit")
    press_row(tab, "audit_table", 0)
    expect(tab.keyed("audit_operation")).to_be_visible()
    return tab.rest()
