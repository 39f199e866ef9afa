"""Every view is a link: the address follows what is chosen and brings it back."""

from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import TITLES
from tests.e2e.conftest import Visit


def test_the_address_follows_the_filters_and_restores_them_in_another_browser(visit: Visit) -> None:
    tab = visit().open("/").on("Overview")
    tab.choose("Time range", "7d")
    tab.says(range="7d")
    tab.pick("Cluster", "demo-east")
    tab.says(range="7d", cluster="demo-east")
    tab.pick("Team", "research")
    tab.says(range="7d", cluster="demo-east", team="research")

    other = visit()
    other.page.goto(tab.page.url)
    other.on("Overview")
    other.chosen("Time range", "7d")
    other.holds(Cluster="demo-east", Team="research", Pool="All pools")
    other.says(range="7d", cluster="demo-east", team="research")


@pytest.mark.parametrize("path", TITLES)
def test_every_page_keeps_the_scope_of_its_link(visit: Visit, path: str) -> None:
    tab = visit().open(path, cluster="demo-west", range="6h").on(TITLES[path])
    tab.says(cluster="demo-west", range="6h")
    tab.holds(Cluster="demo-west")
    tab.chosen("Time range", "6h")


def test_the_scope_goes_with_the_reader_from_page_to_page(visit: Visit) -> None:
    tab = visit().open("/", cluster="demo-east", ns="research", range="1h").on("Overview")
    for title in ("Utilisation", "Workloads", "Sources", "Overview"):
        tab.go(title)
        tab.holds(Cluster="demo-east", Namespace="research")
        tab.says(cluster="demo-east", ns="research", range="1h")


def test_back_and_forward_bring_back_page_and_filters(visit: Visit) -> None:
    tab = visit().open("/").on("Overview")
    tab.go("Workloads")
    tab.pick("Cluster", "demo-west")
    tab.says(cluster="demo-west")
    tab.go("Sources").says(cluster="demo-west")
    tab.page.go_back()
    tab.on("Workloads").holds(Cluster="demo-west")
    tab.says(cluster="demo-west")
    tab.page.go_back()
    tab.on("Overview").holds(Cluster="All clusters")
    tab.says()
    tab.page.go_forward()
    tab.on("Workloads").holds(Cluster="demo-west")
    tab.says(cluster="demo-west")


SCOPE = {"cluster": "demo-east", "pool": "h100-train", "ns": "research", "team": "research", "range": "6h"}


@pytest.mark.parametrize(
    "pauses",
    [(0, 0, 0), (100, 600, 0), (250, 30, 250)],
    ids=lambda pauses: "-".join(map(str, pauses)),
)
def test_the_scope_stays_when_the_menu_is_clicked_faster_than_pages_are_drawn(
    visit: Visit, pauses: tuple[int, ...]
) -> None:
    """The first click falls on a page that is still being drawn; the pauses (ms) put the others at different places."""
    tab = visit()
    asked = {**SCOPE, "live": "false"}
    tab.page.goto(f"{tab.served.url}/utilisation?{urlencode(asked)}")
    for title, pause in zip(("Overview", "Sources", "Workloads"), pauses, strict=True):
        tab.menu(title).click()
        tab.page.wait_for_timeout(pause)
    tab.on("Workloads").says(**asked)
    tab.holds(Cluster="demo-east", Pool="h100-train", Namespace="research", Team="research")
    tab.chosen("Time range", "6h")
    expect(tab.page.get_by_role("switch", name="Live")).not_to_be_checked()
    tab.go("Overview").says(**asked)


def test_a_filter_chosen_or_cleared_just_before_leaving_counts(visit: Visit) -> None:
    tab = visit().open("/", cluster="demo-east").on("Overview")
    tab.pick("Cluster", "demo-west")
    tab.go("Utilisation").says(cluster="demo-west")
    tab.holds(Cluster="demo-west")
    tab.pick("Cluster", "All clusters")
    tab.go("Workloads").says()
    tab.holds(Cluster="All clusters")


def test_a_name_that_is_not_known_stays_chosen_and_is_said_to_be_unknown(visit: Visit) -> None:
    tab = visit().open("/workloads", ns="nowhere").on("Workloads")
    tab.says(ns="nowhere")
    tab.holds(Namespace="nowhere")
    expect(tab.page.get_by_text("nowhere is not known here (yet).")).to_be_visible()
    expect(tab.main.get_by_text("No GPU workloads.")).to_be_visible()
    tab.page.get_by_role("button", name="Clear filters").click()
    tab.says()
    expect(tab.page.get_by_text("nowhere is not known here (yet).")).to_have_count(0)


def test_a_time_range_that_does_not_exist_falls_back_to_a_day(visit: Visit) -> None:
    tab = visit().open("/", range="7y").on("Overview")
    tab.chosen("Time range", "24h")
    tab.says()


def test_markup_in_a_link_is_text(visit: Visit) -> None:
    tab = visit().open("/", ns="**loud** <b>b</b> $x$").on("Overview")
    expect(tab.page.get_by_text("**loud** <b>b</b> $x$ is not known here (yet).")).to_be_visible()


def test_choices_of_one_page_are_left_behind_on_the_next(visit: Visit) -> None:
    tab = visit().open("/utilisation", util_measure="Temperature", cluster="demo-east").on("Utilisation")
    tab.chosen("Map shows", "Temperature")
    tab.go("Sources").says(cluster="demo-east")


def test_clear_filters_empties_the_address(visit: Visit) -> None:
    tab = visit().open("/", cluster="demo-east", pool="h100-train", model="T4").on("Overview")
    tab.page.get_by_role("button", name="Clear filters").click()
    tab.says()
    tab.holds(Cluster="All clusters", Pool="All pools", GPU_model="All models")
