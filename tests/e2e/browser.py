"""A person at a browser: tabs on a running console, and a witness of everything the browser complains about."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, Request, expect

from tests.serving import Served

WITHIN_MS = 15_000
VIEWPORT: Any = {"width": 1440, "height": 1000}
TITLES = {
    "/": "Overview",
    "/utilisation": "Utilisation",
    "/workloads": "Workloads",
    "/startup": "Startup",
    "/headroom": "Headroom",
    "/sharing": "Sharing",
    "/fallback": "Fallback",
    "/serving": "Serving",
    "/fallback-edit": "Chains",
    "/breakers": "Breakers",
    "/cost": "Cost",
    "/budgets": "Budgets",
    "/waste": "Waste",
    "/savings": "Savings",
    "/prices": "Prices",
    "/audit": "Audit",
    "/books": "Books",
    "/alerts": "Alerts",
    "/sources": "Sources",
}
"""Every page of the navigation by its path."""

SETTLED = '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'

# Streamlit's browser half looks for the base path of the server: below the page first, where nothing is, then above.
_LOOKS_FOR_BASE = re.compile(r"/[a-z-]+/_stcore/(health|host-config)$")


@dataclass
class Witness:
    """What a browser said while a test used it."""

    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    offline: bool = False

    def watch(self, context: BrowserContext) -> None:
        """Listen to every tab of a context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        place = message.location["url"]
        if message.type not in {"error", "warning"} or self.offline:
            return
        if "404" in message.text and _LOOKS_FOR_BASE.search(urlsplit(place).path):
            return
        self.complaints.append(f"{message.type}: {message.text} ({place})")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in {"127.0.0.1", None}:
            self.outside.append(request.url)


class Tab:
    """One tab of the console."""

    def __init__(self, page: Page, served: Served) -> None:
        self.page = page
        self.served = served

    # Going places

    def open(self, path: str = "/", **params: str) -> "Tab":
        """Open an address and wait until the console is at rest."""
        self.page.goto(f"{self.served.url}{path}" + (f"?{urlencode(params)}" if params else ""))
        return self.rest()

    def rest(self) -> "Tab":
        """Wait until the script has run, the connection stands, and what it sent is drawn."""
        expect(self.page.locator(SETTLED)).to_be_attached()
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)
        return self

    def menu(self, title: str) -> Locator:
        """A page's entry in the sidebar."""
        return self.page.get_by_role("navigation", name="App pages").get_by_role("link", name=title, exact=True)

    def go(self, title: str) -> "Tab":
        """Choose a page in the sidebar and wait for it."""
        self.menu(title).click()
        return self.on(title)

    def on(self, title: str) -> "Tab":
        """Wait until a page is shown and at rest."""
        expect(self.heading(title)).to_be_visible()
        return self.rest()

    # Seeing

    @property
    def path(self) -> str:
        """The path in the address bar."""
        return urlsplit(self.page.url).path

    @property
    def params(self) -> dict[str, str]:
        """The query parameters in the address bar."""
        return dict(parse_qsl(urlsplit(self.page.url).query))

    def says(self, **params: str) -> None:
        """Wait until the address bar holds exactly these parameters.

        One that a link carries and the address had already stands there twice, with one value: Streamlit's doing.
        """
        wanted = set(params.items())
        try:
            self.page.wait_for_url(lambda url: set(parse_qsl(urlsplit(url).query)) == wanted, wait_until="commit")
        except Error as error:
            there = set(parse_qsl(urlsplit(self.page.url).query))
            raise AssertionError(f"the address has {there} instead of {wanted}") from error

    def heading(self, title: str) -> Locator:
        """A page's title."""
        return self.page.get_by_role("heading", name=title, exact=True, level=1)

    def keyed(self, key: str) -> Locator:
        """A widget or container by its key."""
        return self.page.locator(f".st-key-{key}")

    def problems(self) -> Locator:
        """Boxes that say an exception was not caught."""
        return self.page.get_by_test_id("stException")

    def button(self, key: str) -> Locator:
        """A button by its key."""
        return self.keyed(key).get_by_role("button")

    @property
    def dialog(self) -> Locator:
        """The review of a change, or the operation that is watched."""
        return self.page.get_by_role("dialog")

    def rows(self, table: Locator) -> list[dict[str, str]]:
        """What of a table is in sight, by column titles. Tables are drawn on a canvas, and told in its fallback.

        ``table`` is the table or what it stands in; only tables in which rows can be chosen have a key themselves.
        """
        table.scroll_into_view_if_needed()  # out of sight it is not drawn
        told = table.locator("canvas table tr")
        expect(told.nth(1)).to_be_attached()
        titles, *rows = told.evaluate_all(
            "rows => rows.map(row => [...row.querySelectorAll('th, td')].map(cell => cell.textContent))"
        )
        return [dict(zip(titles, row, strict=True)) for row in rows]

    def told(self, alt: str) -> Locator:
        """A table by what it is about."""
        return self.page.get_by_test_id("stDataFrame").filter(has=self.page.get_by_role("region", name=alt))

    # By keyboard

    def tab_to(self, what: Locator, most: int = 150) -> None:
        """Press Tab until it, or something in it, is in focus."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if what.evaluate("element => element.contains(document.activeElement)"):
                return
        raise AssertionError(f"Tab does not reach {what} within {most} steps")

    @property
    def main(self) -> Locator:
        """Everything beside the sidebar."""
        return self.page.get_by_role("main")

    # Filters

    def field(self, label: str) -> Locator:
        """A selectbox by its label."""
        return self.page.get_by_role("combobox", name=label, exact=True)

    def holds(self, **fields: str) -> None:
        """Wait until selectboxes show these values; a field's underscores are spaces of its label."""
        for label, value in fields.items():
            expect(self.field(label.replace("_", " "))).to_have_value(value)

    def pick(self, label: str, option: str) -> None:
        """Choose an option of a selectbox."""
        self.field(label).scroll_into_view_if_needed()  # a list that opens while the page scrolls closes again
        self.field(label).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def choose(self, group: str, option: str) -> None:
        """Choose an option of a segmented control."""
        self.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=option, exact=True).click()

    def chosen(self, group: str, option: str) -> None:
        """Wait until a segmented control shows an option as chosen."""
        radio = self.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=option, exact=True)
        expect(radio).to_be_checked()


def press_row(tab: Tab, table: str, row: int) -> None:
    """Tick a row of a table. Tables are drawn on a canvas: the header is 32 px high, a row 35, the box at the left."""
    canvas = tab.keyed(table).get_by_test_id("data-grid-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    tab.page.mouse.click(box["x"] + 15, box["y"] + 32 + 35 * row + 17)


@contextmanager
def tab(browser: Browser, served: Served, witness: Witness, **options: Any) -> Iterator[Tab]:
    """A tab in a profile of its own."""
    given: Mapping[str, Any] = {"viewport": VIEWPORT, "timezone_id": "UTC", "locale": "en-GB", **options}
    context = browser.new_context(**given)
    try:
        context.set_default_timeout(WITHIN_MS)
        witness.watch(context)
        yield Tab(context.new_page(), served)
    finally:
        context.close()
