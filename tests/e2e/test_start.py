"""How a console starts, and what it shows of estates that are not simulated."""

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import serving
from tests.apiserver import kubeconfig
from tests.e2e import estate
from tests.e2e.browser import TITLES, Tab
from tests.e2e.conftest import Serve, Visit
from tests.e2e.screens import shoot

IDLE = re.compile("^ablation-study holds 8 GPUs")
NEEDS_NO_CLUSTER = {
    "Fallback": "No gateway here.",
    "Chains": "No gateway here.",
    "Cost": "No cost is recorded yet.",
    "Budgets": "There is no budget yet.",
    "Savings": "No change about money yet.",
    "Audit": "Nothing was changed.",
    "Books": "No hour is closed yet.",
    "Alerts": "No channel is set.",
}
"""What pages say that ask no cluster and no metrics source."""


def nothing_simulated(tab: Tab) -> None:
    """The page says nowhere that anything is a demo, and shows none of its names."""
    expect(tab.problems()).to_have_count(0)
    assert not re.search(r"demo|simulated", tab.page.locator("body").inner_text(), re.IGNORECASE)


def test_a_fresh_process_answers_a_deep_link_with_the_right_page_and_scope(serve: Serve, visit: Visit) -> None:
    tab = visit(serve()).open("/workloads", cluster="demo-west", range="6h").on("Workloads")
    tab.holds(Cluster="demo-west")
    tab.chosen("Time range", "6h")
    tab.says(cluster="demo-west", range="6h")
    expect(tab.page.get_by_role("dialog")).to_have_count(0)
    expect(tab.page.get_by_text("Demo estate: simulated data")).to_be_visible()


def test_a_wrong_setting_stops_the_start_with_one_sentence_and_code_2(code: Path, tmp_path: Path) -> None:
    variables = {"GFC_LIVE_REFRESH_S": "1", "STREAMLIT_SERVER_PORT": str(serving.free_port())}
    done = subprocess.run(
        serving.command(code),
        cwd=code,
        env=serving.environment(tmp_path, variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert "GFC_LIVE_REFRESH_S" in said
    assert "a number of seconds from 5 to 3600" in said


@pytest.mark.logs("refused the connection")
def test_dead_sources_show_problems_and_nothing_simulated(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{serving.free_port()}"
    served = serve(GFC_CLUSTER_NAME="prod-eu", GFC_KUBECONFIG=kubeconfig(tmp_path, dead), GFC_PROMETHEUS_URL=dead)
    tab = visit(served)
    for path, title in TITLES.items():
        tab.open(path).on(title)
        alerts = tab.main.get_by_test_id("stAlert")
        if title == "Sources":
            expect(tab.main.get_by_text(re.compile("Failed$"))).to_have_count(2)
        elif title in NEEDS_NO_CLUSTER:
            expect(tab.main.get_by_text(NEEDS_NO_CLUSTER[title])).to_be_visible()
        else:
            expect(alerts.first).to_contain_text(re.compile("prod.eu"))
        expect(tab.main.get_by_text(re.compile("^Nothing (needs attention|is missing)"))).to_have_count(0)
        nothing_simulated(tab)


@pytest.mark.logs("refused the connection")
def test_a_cluster_without_its_metrics_shows_its_nodes_and_says_what_is_lost(
    serve: Serve, visit: Visit, tmp_path: Path
) -> None:
    at = estate.this_minute()
    with estate.api_server(at) as api:
        served = serve(
            GFC_CLUSTER_NAME="prod-eu",
            GFC_KUBECONFIG=kubeconfig(tmp_path, api.url),
            GFC_PROMETHEUS_URL=f"http://127.0.0.1:{serving.free_port()}",
        )
        tab = visit(served).open("/").on("Overview")
        expect(tab.keyed("overview_tiles")).to_contain_text(estate.size(at))
        expect(tab.main.get_by_test_id("stAlert").first).to_be_visible()
        nothing_simulated(tab)
        shoot(tab, "overview-metrics-dead")


def test_a_cluster_and_its_prometheus_are_shown(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    at = estate.this_minute()
    with estate.api_server(at) as api, estate.metrics(tmp_path / "prometheus", at) as url:
        served = serve(GFC_CLUSTER_NAME="prod-eu", GFC_KUBECONFIG=kubeconfig(tmp_path, api.url), GFC_PROMETHEUS_URL=url)
        tab = visit(served).open("/", range="1h").on("Overview")
        expect(tab.keyed("overview_tiles")).to_contain_text(estate.size(at))
        expect(tab.keyed("overview_tiles")).to_contain_text(re.compile(r"\d+ %"))
        expect(tab.keyed("attention").get_by_role("link", name=IDLE)).to_be_visible()
        nothing_simulated(tab)
        tab.go("Sources")
        expect(tab.main.get_by_text(re.compile("Reachable$"))).to_have_count(2)
        nothing_simulated(tab)
        expect(tab.page.get_by_text("Not logged in: this console only reads.")).to_be_visible()
        tab.open("/sharing", share_pool="prod-eu/a100-mig", share_layout="exclusive").on("Sharing")
        expect(tab.button("share_apply")).to_be_disabled()
        tab.go("Utilisation")
        expect(tab.keyed("util_map").locator(".points path").first).to_be_visible()
        nothing_simulated(tab)
