"""From a mark, a row or a finding to what is behind it."""

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.e2e.browser import Tab, press_row
from tests.e2e.conftest import Visit
from tests.e2e.screens import shoot

FINDING = re.compile("^ablation-study holds 8 GPUs")  # a trouble the demo always has


def press_mark(tab: Tab) -> tuple[str, str]:
    """Click a mark of the heat map; the node and GPU it stands for."""
    mark = tab.keyed("util_map").locator(".points path").nth(1)
    mark.scroll_into_view_if_needed()
    node, gpu = mark.evaluate("mark => mark.__data__.data.slice(1, 3)")
    box = mark.bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(tab.keyed("util_map").locator(".hoverlayer")).to_contain_text(node)
    tab.page.mouse.down()
    tab.page.mouse.up()
    return node, gpu


def download(tab: Tab, key: str) -> tuple[str, list[dict[str, str]]]:
    """The file a table offers: its name and rows."""
    with tab.page.expect_download() as expected:
        tab.keyed(key).get_by_role("button").click()
    text = expected.value.path().read_text(encoding="utf-8")
    return expected.value.suggested_filename, list(csv.DictReader(io.StringIO(text)))


def test_a_mark_of_the_map_drills_to_its_node_and_the_address_says_so(visit: Visit) -> None:
    tab = visit().open("/utilisation", cluster="demo-east", range="6h").on("Utilisation")
    node, gpu = press_mark(tab)
    tab.says(cluster="demo-east", range="6h", util_node=node, util_gpu=gpu)
    tab.holds(Node=node, GPU=gpu)
    expect(tab.main.get_by_role("heading", name=f"GPUs of {node}")).to_be_attached()

    other = visit()
    other.page.goto(tab.page.url)
    other.on("Utilisation").holds(Node=node, GPU=gpu)
    expect(other.keyed("util_card_util").locator(".main-svg").first).to_be_visible()
    other.keyed("util_gpu").evaluate("field => field.scrollIntoView()")
    shoot(other, "utilisation-gpu")
    other.main.evaluate("main => main.scrollTo(0, 0)")
    other.pick("Node", "All nodes")
    expect(other.main.get_by_role("heading", name=f"GPUs of {node}")).to_have_count(0)
    assert "util_node" not in other.params


def test_a_row_of_the_workloads_opens_its_pods(visit: Visit) -> None:
    tab = visit().open("/workloads", cluster="demo-east").on("Workloads")
    _, rows = download(tab, "work_table_csv")
    press_row(tab, "work_table", 1)
    expect(
        tab.main.get_by_role("heading", name=f"Pods of {rows[1]['namespace']}/{rows[1]['workload']}")
    ).to_be_attached()
    tab.says(cluster="demo-east", work_name=f"{rows[1]['namespace']}/{rows[1]['workload']}")
    press_row(tab, "work_table", 2)
    expect(
        tab.main.get_by_role("heading", name=f"Pods of {rows[2]['namespace']}/{rows[2]['workload']}")
    ).to_be_attached()
    tab.main.get_by_role("heading", name="Pods of").scroll_into_view_if_needed()
    shoot(tab, "workloads-pods")


def test_a_finding_leads_to_the_view_that_explains_it_and_keeps_the_scope(visit: Visit) -> None:
    tab = visit().open("/", team="research", range="6h").on("Overview")
    link = tab.keyed("attention").get_by_role("link", name=FINDING)
    promised = {key: values[0] for key, values in parse_qs(urlsplit(link.get_attribute("href") or "").query).items()}
    assert promised["work_name"] == "research/ablation-study"
    link.click()
    tab.on("Workloads").says(**promised)
    assert {"team": "research", "range": "6h", "cluster": "demo-east"}.items() <= promised.items()
    tab.holds(Workload="research/ablation-study", Team="research", Cluster="demo-east")
    expect(tab.main.get_by_role("heading", name="Pods of research/ablation-study")).to_be_attached()
    tab.page.go_back()
    tab.on("Overview").says(team="research", range="6h")


def test_every_finding_leads_to_a_page_without_an_error(visit: Visit) -> None:
    tab = visit().open("/").on("Overview")
    expect(tab.keyed("attention").get_by_role("link")).to_have_count(8)
    links = [link.get_attribute("href") for link in tab.keyed("attention").get_by_role("link").all()]
    for path in {link.split("?")[0]: link for link in links if link}.values():
        tab.page.goto(f"{tab.served.url}/{path}")
        tab.rest()
        expect(tab.main.get_by_role("heading", level=1)).to_be_visible()
        expect(tab.problems()).to_have_count(0)


def test_the_download_has_the_rows_and_says_what_they_are(visit: Visit) -> None:
    tab = visit().open("/workloads", ns="research", range="7d").on("Workloads")
    name, rows = download(tab, "work_table_csv")
    assert name == "work_table-7d-demo.csv"
    assert {row["namespace"] for row in rows} == {"research"}
    assert "ablation-study" in {row["workload"] for row in rows}
    assert {(row["window"], row["mode"], row["price_basis"]) for row in rows} == {("7d", "demo", "list prices, USD")}
    (idle,) = [row for row in rows if row["workload"] == "ablation-study"]
    assert float(idle["held"]) == 8


def test_an_advice_unfolds_to_something_to_paste(visit: Visit) -> None:
    tab = visit().open("/sources").on("Sources")
    advice = tab.main.get_by_text("demo-west: Add counters to dcgm-exporter")
    advice.click()
    code = tab.main.get_by_test_id("stCode").filter(visible=True)
    expect(code).to_have_count(1)
    expect(code).to_contain_text("DCGM_FI_")
    advice.scroll_into_view_if_needed()
    shoot(tab, "sources-advice")
