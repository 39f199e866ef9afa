"""Every page opens, in both themes, and says what it is."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import TITLES, Tab
from tests.e2e.conftest import Visit
from tests.e2e.legible import cut, faint
from tests.e2e.screens import shoot

LOOK_FOR = {
    "Overview": ["Where the GPUs go", "Free GPUs by pool"],
    "Utilisation": ["Distribution", "Trends", "Top wasters"],
    "Workloads": ["All workloads"],
    "Startup": [],
    "Headroom": ["By pool", "Keep units warm"],
    "Sharing": ["By pool"],
    "Fallback": ["Over time", "In figures"],
    "Serving": ["Replicas", "In figures"],
    "Chains": ["Model groups"],
    "Breakers": ["Hosts without a rule"],
    "Cost": [],
    "Budgets": [],
    "Waste": [],
    "Savings": [],
    "Prices": ["Prices in force", "Rate card"],
    "Audit": [],
    "Books": [],
    "Alerts": [],
    "Sources": ["GPU metrics", "Kubernetes objects"],
}

LEAST_CONTRAST = 3.0
"""A floor. WCAG asks for 4.5, which tick labels of charts, coloured words in captions and, in the dark theme, the
chosen segment of a control do not reach."""


def opened(tab: Tab, path: str) -> Tab:
    """The page at a path, with everything it promises on it."""
    title = TITLES[path]
    tab.open(path).on(title)
    expect(tab.page).to_have_title(re.compile("GPU Fleet Console$"))
    expect(tab.page.get_by_text("Demo estate: simulated data")).to_be_visible()
    expect(tab.main.get_by_text("Everything here is simulated; no cluster is connected.")).to_be_visible()
    for section in LOOK_FOR[title]:
        expect(tab.main.get_by_role("heading", name=section, exact=True)).to_be_attached()
    expect(tab.problems()).to_have_count(0)
    return tab


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", TITLES)
def test_every_page_opens_in_both_themes_and_can_be_read(visit: Visit, path: str, theme: str) -> None:
    tab = opened(visit(color_scheme=theme), path)
    shoot(tab, f"{TITLES[path].lower()}-{theme}")
    background = tab.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 23, 29)"}[theme]
    assert faint(tab, LEAST_CONTRAST) == []
    assert cut(tab) == []


@pytest.mark.parametrize(
    "window",
    [
        {"viewport": {"width": 700, "height": 900}},
        {"viewport": {"width": 720, "height": 500}, "device_scale_factor": 2},
    ],
    ids=["700 px wide", "1440 × 1000 at 200 %"],
)
def test_a_small_window_loses_nothing(visit: Visit, window: dict[str, object]) -> None:
    tab = visit(**window)
    for path, title in TITLES.items():
        tab.open(path).on(title)
        for section in LOOK_FOR[title]:
            expect(tab.main.get_by_role("heading", name=section, exact=True)).to_be_attached()
        # Streamlit does not wrap the label of a link; the table under the findings has their titles whole.
        assert cut(tab, but=".st-key-attention a") == [], title
    expect(tab.menu("Overview")).not_to_be_in_viewport()
    tab.page.get_by_test_id("stExpandSidebarButton").click()
    tab.menu("Overview").click()
    tab.on("Overview")
