"""Starts as the demo's collector records them: from the figures to one start and back."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Tab, press_row
from tests.e2e.conftest import Visit
from tests.e2e.screens import shoot
from tests.e2e.test_drill import download

FILLED_WITHIN_S = 120
"""The past of the demo is filled in from today back; the first day is there soon."""
NEWEST, SLOWEST = "startup_starts_newest", "startup_starts_slowest"


def filled(tab: Tab, **params: str) -> Tab:
    """The Startup page once there are starts on it."""
    deadline = time.monotonic() + FILLED_WITHIN_S
    tab.open("/startup", **params).on("Startup")
    while tab.main.get_by_role("heading", name="Images", exact=True).count() == 0:
        assert time.monotonic() < deadline, "no start was recorded"
        tab.page.wait_for_timeout(3000)
        tab.open("/startup", **params).on("Startup")
    return tab.rest()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_first_screen_says_where_the_time_goes_and_what_would_help(visit: Visit, theme: str) -> None:
    tab = filled(visit(color_scheme=theme))
    answer = tab.keyed("startup_answer")
    expect(answer).to_contain_text("Most time goes to")
    expect(answer).to_be_in_viewport()
    for key in ("startup_trend", "startup_spread", "startup_phases"):
        expect(tab.keyed(key).locator(".main-svg").first).to_be_attached()
    shoot(tab, f"startup-filled-{theme}")


def test_the_overview_tells_the_same_figure(visit: Visit) -> None:
    tab = filled(visit(), live="false")
    tile = tab.main.get_by_test_id("stMetric").filter(has_text="Start p50")
    said = tile.get_by_test_id("stMetricValue").inner_text()
    tab.go("Overview")
    expect(tab.main.get_by_test_id("stMetric").filter(has_text="Start p50")).to_contain_text(said)


def test_a_row_opens_the_start_and_back_leads_to_the_list(visit: Visit) -> None:
    tab = filled(visit(), live="false", cluster="demo-east")
    press_row(tab, SLOWEST, 1)
    waterfall = tab.keyed("startup_waterfall")
    expect(waterfall.locator(".main-svg").first).to_be_visible()
    start = tab.params["start"]
    assert start.startswith("demo-east/")
    bars = waterfall.locator(".points path").count()
    rows = tab.rows(tab.told("The phases of the start with their evidence."))
    assert bars == len(rows) > 0
    tab.page.go_back()
    expect(tab.main.get_by_role("heading", name="Where the time goes")).to_be_attached()
    tab.says(live="false", cluster="demo-east")
    tab.page.go_forward()
    expect(tab.keyed("startup_waterfall")).to_be_attached()
    tab.rest().button("start_back").click()
    expect(tab.main.get_by_role("heading", name="Where the time goes")).to_be_attached()
    tab.says(live="false", cluster="demo-east")


def test_the_link_of_a_start_shows_it_to_somebody_else(visit: Visit) -> None:
    tab = filled(visit(), live="false")
    press_row(tab, SLOWEST, 0)
    expect(tab.keyed("startup_waterfall").locator(".main-svg").first).to_be_visible()
    other = visit()
    other.page.goto(tab.page.url)
    other.on("Startup")
    expect(other.keyed("startup_waterfall").locator(".main-svg").first).to_be_visible()
    shoot(other, "startup-one")
    other.button("start_workload_all").click()
    expect(other.main.get_by_role("heading", name="Where the time goes")).to_be_attached()
    assert "start" not in other.rest().params
    assert other.params["start_workload"].count("/") == 1


def test_a_bar_of_the_waterfall_tells_its_evidence(visit: Visit) -> None:
    tab = filled(visit(), live="false")
    press_row(tab, SLOWEST, 2)
    bars = tab.keyed("startup_waterfall").locator(".points path")
    expect(bars.first).to_be_visible()
    tab.rest().keyed("startup_waterfall").evaluate("element => element.scrollIntoView({block: 'center'})")
    box = max((box for bar in bars.all() if (box := bar.bounding_box()) is not None), key=lambda one: one["width"])
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(tab.keyed("startup_waterfall").locator(".hoverlayer")).to_contain_text(
        re.compile(r"\((exact|derived|estimated|missing)\)")
    )


def test_the_split_and_the_list_stand_in_the_address(visit: Visit) -> None:
    tab = filled(visit(), live="false")
    tab.choose("Split by", "workload")
    tab.says(live="false", start_split="workload")
    tab.keyed("start_list").scroll_into_view_if_needed()
    tab.keyed("start_list").get_by_role("radio", name="Newest", exact=True).click()
    tab.says(live="false", start_split="workload", start_list="Newest")
    other = visit()
    other.page.goto(tab.page.url)
    other.on("Startup").chosen("Split by", "workload")
    expect(other.keyed(NEWEST)).to_be_attached()


def test_the_file_has_every_start_of_the_window(visit: Visit) -> None:
    tab = filled(visit(), live="false")
    deadline = time.monotonic() + FILLED_WITHIN_S
    while True:  # the past is being filled in, and may be between the page and its file
        number = re.search(r"([\d,]+) starts?[,;]", tab.keyed("startup_answer").inner_text())
        assert number is not None
        name, rows = download(tab, "startup_starts_csv")
        if len(rows) == int(number[1].replace(",", "")):
            break
        assert time.monotonic() < deadline, f"{len(rows)} rows of {number[1]} starts"
        tab.page.wait_for_timeout(3000)
        filled(tab, live="false")
    assert name == "startup_starts-24h-demo.csv"
    for row in rows:
        phases = sum(float(row[f"{group}_s"]) for group in ("waiting", "autoscaler", "provision", "boot", "device"))
        assert phases <= float(row["total_s"]) + 1e-6
