"""What the demo's collector meters: from the month's figures to a workload, the files, and the books."""

import io
import re
import time

import openpyxl
import pypdfium2
import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Tab, press_row
from tests.e2e.conftest import Serve, Visit
from tests.e2e.screens import shoot

FILLED_WITHIN_S = 150
"""The past of the demo is worked out from today back; yesterday is there soon."""
FAY = {"X-Forwarded-User": "fay", "X-Forwarded-Groups": "controllers"}


def filled(tab: Tab, **params: str) -> Tab:
    """The Cost page once there are costs on it."""
    deadline = time.monotonic() + FILLED_WITHIN_S
    tab.open("/cost", **params).on("Cost")
    while tab.main.get_by_role("heading", name=re.compile("^By day")).count() == 0:
        assert time.monotonic() < deadline, "no cost was recorded"
        tab.page.wait_for_timeout(3000)
        tab.open("/cost", **params).on("Cost")
    return tab.rest()


def files(tab: Tab, ending: str) -> bytes:
    with tab.page.expect_download() as expected:
        tab.keyed(f"cost_file_{ending}").get_by_role("button").click()
    assert expected.value.suggested_filename.endswith(f"-demo.{ending}")
    return expected.value.path().read_bytes()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_first_screen_says_what_it_costs_and_for_whom(visit: Visit, theme: str) -> None:
    tab = filled(visit(color_scheme=theme))
    expect(tab.keyed("cost_answer")).to_contain_text("Most of it goes to")
    expect(tab.keyed("cost_answer")).to_be_in_viewport()
    shoot(tab, f"cost-filled-{theme}")


def test_a_row_leads_down_and_the_address_says_so(visit: Visit) -> None:
    tab = filled(visit(), live="false")
    press_row(tab, "cost_by_0_team", 0)
    expect(tab.main.get_by_role("heading", name="By namespace")).to_be_attached()
    assert tab.params["cost_in"]
    tab.page.go_back()
    expect(tab.on("Cost").main.get_by_role("heading", name="By team")).to_be_attached()
    tab.page.go_forward()
    expect(tab.on("Cost").main.get_by_role("heading", name="By namespace")).to_be_attached()
    tab.button("cost_up").click()
    expect(tab.main.get_by_role("heading", name="By team")).to_be_attached()
    tab.page.go_back()
    expect(tab.on("Cost").main.get_by_role("heading", name="By namespace")).to_be_attached()
    other = visit()
    other.page.goto(tab.page.url)
    expect(other.on("Cost").main.get_by_role("heading", name="By namespace")).to_be_attached()


def test_the_files_open_and_say_what_they_speak_of(visit: Visit) -> None:
    tab = filled(visit(), live="false")
    document = pypdfium2.PdfDocument(files(tab, "pdf"))
    text = document[0].get_textpage().get_text_range()
    assert "Total" in text or "cost" in text.lower()
    assert 0 < len(document) <= 4
    book = openpyxl.load_workbook(io.BytesIO(files(tab, "xlsx")), data_only=True)
    assert {"Summary", "Daily", "By team"} <= set(book.sheetnames)
    head = files(tab, "csv").decode("utf-8-sig").splitlines()[0]
    assert "rate_card" in head or "card" in head


def test_every_cent_is_accounted_for(visit: Visit) -> None:
    filled(visit(), live="false")
    tab = visit().open("/books", live="false").on("Books")
    expect(tab.main.get_by_text(re.compile("Every cent is accounted for"))).to_be_visible()
    expect(tab.main.get_by_test_id("stMetric").filter(has_text="Hours that differ")).to_contain_text("0")


def test_finance_sees_all_of_it_edits_budgets_and_prices_and_cannot_act(serve: Serve, visit: Visit) -> None:
    served = serve(GFC_LOGIN="proxy", GFC_FINANCE_GROUPS="controllers")
    tab = filled(visit(served, extra_http_headers=FAY), live="false")
    expect(tab.page.get_by_text("fay · viewer, finance")).to_be_visible()
    tab.open("/headroom", headroom_pool="demo-west · l4-inference · L4 · nvidia.com/gpu").on("Headroom")
    expect(tab.button("headroom_apply")).to_be_disabled()
    tab.open("/budgets").on("Budgets")
    expect(tab.main.get_by_text("This needs the role")).to_have_count(0)
    tab.open("/prices").on("Prices")
    expect(tab.main.get_by_text("This needs the role")).to_have_count(0)
