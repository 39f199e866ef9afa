"""Why requests fell back, from Overview to the lever; and a chain rehearsed from its page to the audit.

What is asserted of the demo stands in its scenario and its gateway's file: outages of rerank, which nobody else serves;
summarise, whose first tier is a provider; who calls.
"""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from services.demo.gateway_manifests import plan
from services.demo.gateway_traffic import Traffic
from services.demo.world import World
from tests import serving
from tests.e2e import acting
from tests.e2e.browser import TITLES, Tab
from tests.e2e.conftest import Visit
from tests.e2e.screens import shoot
from tests.e2e.test_drill import download

GATEWAY = "demo-west"
GROUPS = {"chat-large", "chat", "summarise", "embed", "rerank"}
LEVERS = {
    "Change the chain": "Chains",
    "Keep units warm": "Headroom",
    "See its starts": "Startup",
    "See the node": "Utilisation",
    "See the workload": "Workloads",
    "See how it is served": "Serving",
}
"""Where the links below a burst lead, by what they say."""
_BURST = re.compile(
    r"(?P<share>[\d<]+|less than 1) % of (?P<group>[\w-]+) (fell to|got no answer).* because (?P<why>.+)\."
)
_WHEN = re.compile(r"(?:on (\d+ \w+) )?between (\d\d:\d\d) and (\d\d:\d\d)")


def tile(tab: Tab, label: str) -> str:
    """The value of a tile by its label."""
    found = tab.main.get_by_test_id("stMetric").filter(has_text=label)
    said: str = found.get_by_test_id("stMetricValue").inner_text()
    return said


def figures(tab: Tab) -> dict[str, dict[str, float]]:
    """Figures of the model groups, as the page's file has them."""
    _, rows = download(tab, "fallback_by_group_csv")
    names = ("asked", "fallen", "lost", "by_design", "paid_share")
    return {row["group"]: {name: float(row[name]) for name in names} for row in rows}


def bursts(tab: Tab) -> list[Locator]:
    """Every burst that is told, those folded away too."""
    more = tab.main.get_by_text(re.compile(r"^\d+ more bursts$"))
    if more.count():
        more.click()
        tab.rest()
    found = tab.main.locator('[class*="st-key-fallback_burst_"]')
    expect(found.last).to_be_visible()
    return found.all()


def away(upstream: str, begin: datetime, end: datetime) -> int:
    """Minutes an upstream is away in the world itself."""
    world = World()
    gateway = plan(world.sites[GATEWAY])
    assert gateway is not None
    minutes = np.arange(int(begin.timestamp()) // 60 * 60, int(end.timestamp()), 60, dtype=np.int64)
    return int(Traffic(world, gateway, int(end.timestamp())).away(minutes)[upstream].sum())


def times(said: str, now: datetime) -> tuple[datetime, datetime]:
    """Begin and end of a burst, of which a browser in UTC says the day unless it is today."""
    found = _WHEN.search(said)
    assert found is not None, said
    day = now
    if found[1]:
        day = datetime.strptime(f"{found[1]} {now.year}", "%d %B %Y").replace(tzinfo=UTC)
        day = day if day <= now else day.replace(year=now.year - 1)
    begin, end = (day.replace(hour=int(at[:2]), minute=int(at[3:]), second=0) for at in (found[2], found[3]))
    return begin, end if end > begin else end + timedelta(days=1)


def test_overview_and_the_page_tell_the_same_rate_and_the_scope_goes_along(visit: Visit) -> None:
    tab = visit().open("/", range="30d", cluster=GATEWAY).on("Overview")
    said = tile(tab, "Fallback, 30d")
    tab.go("Fallback").says(range="30d", cluster=GATEWAY)
    assert tile(tab, "Fallback rate, 30d") == said
    assert re.fullmatch(r"[\d.]+ %", said)
    tab.go("Overview")
    assert tile(tab, "Fallback, 30d") == said


def test_requests_of_a_month_are_those_of_the_world(visit: Visit) -> None:
    tab = visit().open("/fallback", range="30d", live="false").on("Fallback")
    found = figures(tab)
    assert set(found) == GROUPS
    assert {name for name in GROUPS if found[name]["lost"]} >= {"rerank"}
    assert found["rerank"]["fallen"] == 0, "nobody else serves it"
    assert found["rerank"]["paid_share"] == 0, "it runs on own GPUs alone"
    assert found["summarise"]["paid_share"] > 0.9, "a provider comes first"
    assert found["chat-large"]["fallen"] > 0, "its first tier had outages"
    for name, row in found.items():
        assert row["fallen"] + row["lost"] < row["asked"] * 0.1
        assert (row["by_design"] > 0) == (name == "chat"), "only its first tier has a shorter context"
    team = visit().open("/fallback", range="30d", live="false", fallback_by="Team").on("Fallback")
    _, rows = download(team, "fallback_by_team_csv")
    assert {row["team"] for row in rows} == {"assistants", "research", "search", "vision", "speech"}
    asked = sum(float(row["asked"]) for row in rows)
    assert asked == pytest.approx(sum(row["asked"] for row in found.values()), rel=0.01)


def test_bursts_of_a_service_nobody_else_serves_lie_in_its_outages(visit: Visit) -> None:
    tab = visit().open("/fallback", range="30d", live="false", fell_group="rerank").on("Fallback")
    now = datetime.now(UTC)
    told = [burst.locator("strong").first.inner_text() for burst in bursts(tab)]
    mine = [said for said in told if " of rerank got no answer" in said]
    assert mine, "an outage on a third of the days"
    assert told[: len(mine)] == mine, "those of the group that is looked at come first"
    for said in mine:
        found = _BURST.fullmatch(re.sub(r"^error\s+", "", said))
        assert found is not None, said
        if "unavailable" in found["why"]:
            begin, end = times(said, now)
            assert away("rerank", begin - timedelta(minutes=5), end + timedelta(minutes=5)) > 0, said
            expect(tab.main.get_by_text(said)).to_be_visible()


@pytest.mark.timeout(600)
def test_a_burst_is_told_with_the_node_that_went_and_the_pods_that_waited_for_the_next(visit: Visit) -> None:
    """The machine chat-70b runs on fails every five days; as soon as the past is filled in, the page knows."""
    tab = visit()
    why = re.compile(
        r"100 % of chat-large fell to tier 2 \(gpt-4o-azure\) on .+ because node ip-[\w.-]+ that chat-70b ran on "
        r"went away; pool h100-train had no free GPU; 2 pods waited \d+ min for a node; no pod of chat-70b was ready\.$"
    )
    for _ in range(45):
        tab.open("/fallback", range="7d", live="false", fell_group="chat-large").on("Fallback")
        told = {burst.locator("strong").first.inner_text(): burst for burst in bursts(tab)}
        found = [burst for said, burst in told.items() if why.search(said)]
        if found:
            break
        tab.page.wait_for_timeout(10_000)
    assert found, list(told)
    burst = found[0]
    expect(burst).to_contain_text("No pod of chat-70b was ready")
    burst.get_by_role("link", name="Keep units warm").click()
    tab.on("Headroom").says(live="false", range="7d", cluster="demo-east", pool="h100-train")


@pytest.mark.parametrize("over", ["7d", "30d"])
def test_each_link_below_a_burst_leads_to_the_lever_it_names(visit: Visit, over: str) -> None:
    tab = visit().open("/fallback", range=over, live="false").on("Fallback")
    links = {
        (link.inner_text().split("\n")[-1].strip(), str(link.get_attribute("href")), burst.inner_text())
        for burst in bursts(tab)
        for link in burst.get_by_role("link").all()
    }
    named = {label for label, _, _ in links}
    assert "Change the chain" in named
    assert named <= set(LEVERS)
    assert over == "7d" or len(named) > 1, "within a month something is known of some burst"
    for label in named:
        _, href, says = next(link for link in sorted(links) if link[0] == label)
        params = dict(parse_qsl(urlsplit(href).query))
        assert params["range"] == over
        assert params["cluster"] in {"demo-east", GATEWAY}
        tab.page.goto(f"{tab.served.url}/{href}")
        assert TITLES[f"/{urlsplit(href).path}"] == LEVERS[label]
        tab.on(LEVERS[label])
        expect(tab.problems()).to_have_count(0)
        tab.says(**params)
        if label == "Change the chain":
            group = params["fallback_group"]
            assert f" of {group} " in says
            tab.holds(Model_group=group)
        if label == "See how it is served":
            workload = params["serving_workload"].partition("/")[2]
            assert workload in says
            expect(tab.main.get_by_role("heading", name=f"Load of {workload}")).to_be_attached()
        if label == "See its starts":
            tab.holds(Workload=params["start_workload"])


def test_window_group_and_split_stand_in_the_link_and_come_back_after_a_reload(visit: Visit) -> None:
    tab = visit().open("/fallback", live="false").on("Fallback")
    tab.choose("Time range", "7d")
    tab.says(live="false", range="7d")
    tab.pick("Model group", "summarise")
    tab.says(live="false", range="7d", fell_group="summarise")
    tab.choose("Split by", "Who answered")
    tab.choose("Of", "All groups")
    chosen = {"fell_group": "summarise", "fallback_split": "Who answered", "fallback_of": "All groups"}
    tab.says(live="false", range="7d", **chosen)
    cards = tab.main.get_by_text(re.compile("order [12]$"))
    expect(cards).to_have_text([re.compile("openai · order 1"), re.compile("own GPUs · order 2")])
    tab.page.reload()
    tab.on("Fallback").says(live="false", range="7d", **chosen)
    for other in (tab, visit()):
        other.page.goto(tab.page.url)
        other.on("Fallback").holds(Model_group="summarise")
        other.chosen("Time range", "7d")
        other.chosen("Split by", "Who answered")
        other.chosen("Of", "All groups")
        expect(other.main.get_by_role("heading", name="Who answered summarise")).to_be_attached()
    shoot(other, "fallback-summarise")
    other.main.get_by_role("link", name="Change this chain").click()
    other.on("Chains").holds(Model_group="summarise")
    other.says(live="false", range="7d", cluster=GATEWAY, fallback_group="summarise")


def rehearsable(tab: Tab) -> Tab:
    """The chain of chat once it can be rehearsed: not while another change of the proxy is under way."""
    for _ in range(40):
        tab.open("/fallback-edit", fallback_group="chat").on("Chains")
        if tab.button("fallback_rehearse").is_enabled():
            break
        tab.page.wait_for_timeout(3000)
    return tab


def number(tab: Tab, label: str, value: str) -> None:
    """Type a number and leave the field."""
    field = tab.main.get_by_role("spinbutton", name=label)
    field.fill(value)
    field.press("Tab")


def test_a_rehearsal_costs_at_most_what_is_said_and_its_path_is_shown_and_kept(
    visit: Visit, acting_demo: serving.Served
) -> None:
    """64 tokens of prompt and 5 of answer at the dearest tier, Azure's $2.50 and $10 a million: $0.00021 a request."""
    tab = rehearsable(visit(acting_demo))
    path = "First tier fails: gpt-4o-mini-openai (tier 2) → mistral-trial (tier 3) → chat-70b-own (group chat-large)"
    expect(tab.main.get_by_text(path)).to_be_visible()
    number(tab, "Requests each", "20")
    expect(tab.main.get_by_text("20 requests · at most $0.0042, and what mistral-trial would charge")).to_be_visible()
    number(tab.rest(), "Cap, USD", "0.004")
    expect(tab.main.get_by_text("The cap is below what it may cost: $0.0042.")).to_be_visible()
    expect(tab.button("fallback_rehearse")).to_be_disabled()
    number(tab.rest(), "Requests each", "2")
    expect(tab.button("fallback_rehearse")).to_be_enabled()

    tab.rest().button("fallback_rehearse").click()
    acting.reviewed(tab)
    expect(tab.keyed("review")).to_contain_text("2 test requests are sent to chat")
    shoot(tab, "rehearsal-review")
    acting.why(tab, "before the weekend")
    tab.button("review_apply").click()
    said = acting.done(acting.begun(tab))
    assert "chat" in said
    tab.button("progress_close").click()
    expect(tab.dialog).to_have_count(0)
    rows = tab.rest().rows(tab.told("Requests of the last rehearsal with who answered each."))
    assert [row["Request"] for row in rows] == ["1", "2"]
    assert {row["Rehearsed"] for row in rows} == {"first tier fails"}
    assert {row["Result"] for row in rows} == {"as planned"}
    answered = {row["Answered by"] for row in rows}
    assert answered <= {"gpt-4o-mini-openai", "mistral-trial"}, "the second tier, or the third in its outage"
    expect(tab.main.get_by_text("Last rehearsal")).to_be_visible()

    tab.button("fallback_rehearsed_audit").click()
    kept = tab.on("Audit").rest().keyed("audit_operation")
    expect(kept).to_contain_text("Done ·")
    expect(kept).to_contain_text("before the weekend")
    for name in answered:
        expect(tab.main.get_by_text(name).first).to_be_attached()
    expect(tab.keyed("audit_undo")).to_have_count(0)


def test_a_review_of_a_rehearsal_that_is_left_sends_nothing(visit: Visit, acting_demo: serving.Served) -> None:
    tab = visit(acting_demo)
    before = operations(tab)
    rehearsable(tab).button("fallback_rehearse").click()
    acting.reviewed(tab).page.keyboard.press("Escape")
    expect(tab.dialog).to_have_count(0)
    assert operations(tab) == before


def operations(tab: Tab) -> int:
    """How many rehearsals the Audit lists."""
    table = tab.open("/audit", range="7d").on("Audit").keyed("audit_table")
    return sum(row["What"].startswith("Rehears") for row in tab.rows(table)) if table.count() else 0
