"""Refreshing by itself, several tabs, and a connection that breaks."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests import serving
from tests.e2e.browser import SETTLED, Tab, Witness, press_row
from tests.e2e.conftest import Visit

PERIOD_S = 5  # the shortest the settings allow

_COUNT_RUNS = """
() => {
  const app = document.querySelector('[data-testid="stApp"]');
  window.runs = 0;
  new MutationObserver(() => { if (app.dataset.testScriptState === 'running') window.runs += 1; })
    .observe(app, {attributes: true, attributeFilter: ['data-test-script-state']});
}
"""


@pytest.fixture(scope="module")
def brisk(chromium: object, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Served]:
    """A console that refreshes as often as it may."""
    folder = tmp_path_factory.mktemp("brisk")
    settings = {"GFC_DATA_DIR": str(folder), "GFC_LIVE_REFRESH_S": str(PERIOD_S)}
    with serving.serving(code, serving.command(code), settings, log=folder / "server.log") as served:
        yield served


def runs(tab: Tab, more: int) -> None:
    """Wait until the page has refreshed itself a number of times."""
    tab.page.wait_for_function("more => window.runs >= more", arg=more)


def test_live_refresh_keeps_scroll_and_selection_and_the_switch_stops_it(visit: Visit, brisk: serving.Served) -> None:
    """Takes three periods: two refreshes, and one period in which none comes."""
    tab = visit(brisk).open("/workloads").on("Workloads")
    press_row(tab, "work_table", 0)
    chosen = tab.main.get_by_role("heading", name="Pods of")
    expect(chosen).to_be_attached()
    said = chosen.inner_text()
    tab.rest()
    tab.main.evaluate("main => main.scrollTo(0, 300)")
    where = tab.main.evaluate("main => main.scrollTop")
    assert where > 100
    tab.page.evaluate(_COUNT_RUNS)
    runs(tab, 2)
    tab.rest()
    assert tab.main.evaluate("main => main.scrollTop") == where
    expect(chosen).to_have_text(said)

    tab.page.evaluate("window.runs = 0")
    tab.page.get_by_role("switch", name="Live").press("Space")
    tab.says(live="false", work_name=said.removeprefix("Pods of "))
    runs(tab, 1)
    tab.rest()
    tab.page.evaluate("window.runs = 0")
    tab.page.wait_for_timeout((PERIOD_S + 1.5) * 1000)
    assert tab.page.evaluate("window.runs") == 0
    tab.page.get_by_role("switch", name="Live").press("Space")
    tab.says(work_name=said.removeprefix("Pods of "))


def test_two_tabs_of_one_reader_do_not_touch_each_other(visit: Visit) -> None:
    one = visit().open("/", cluster="demo-east").on("Overview")
    two = Tab(one.page.context.new_page(), one.served).open("/workloads", cluster="demo-west").on("Workloads")
    one.page.bring_to_front()
    one.pick("Team", "research")
    one.says(cluster="demo-east", team="research")
    two.page.bring_to_front()
    two.holds(Cluster="demo-west", Team="All teams")
    two.go("Overview").says(cluster="demo-west")
    one.holds(Cluster="demo-east", Team="research")


def test_a_dropped_connection_comes_back_with_the_view_as_it_was(visit: Visit, witness: Witness) -> None:
    tab = visit()
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    tab.page.route_web_socket(re.compile("/_stcore/stream"), connect)
    asked = {"cluster": "demo-east", "team": "research", "work_name": "research/ablation-study", "live": "false"}
    tab.open("/workloads", **asked).on("Workloads")
    heading = tab.main.get_by_role("heading", name="Pods of research/ablation-study")
    expect(heading).to_be_attached()
    tab.rest().says(**asked)

    witness.offline = True
    tab.page.context.set_offline(True)
    sockets[-1].close()
    expect(tab.page.locator(SETTLED)).to_have_count(0)
    tab.page.context.set_offline(False)
    tab.rest()
    witness.offline = False
    expect(heading).to_be_attached()
    tab.holds(Cluster="demo-east", Team="research")
    tab.says(**asked)
    tab.pick("Team", "All teams")
    tab.says(cluster="demo-east", work_name="research/ablation-study", live="false")
