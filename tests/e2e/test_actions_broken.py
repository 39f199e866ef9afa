"""What a person is told when the record is away, or when somebody else was faster; and that nothing is done then."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from db.work import Database
from services.domain.change.refs import Ref
from tests import serving
from tests.e2e import acting
from tests.e2e.conftest import Visit

pytestmark = pytest.mark.logs(
    "journal could not be read|record of operations could not be looked through"
    "|Starts are remembered until it is back|the database is back"
)
FILE = "gpu-fleet-console.sqlite3"
LABEL = "nvidia.com/device-plugin.config"


@pytest.fixture(scope="module")
def served(chromium: object, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Served]:
    """A console whose database the tests reach for."""
    folder = tmp_path_factory.mktemp("broken")
    with serving.serving(
        code, serving.command(code), {"GFC_DATA_DIR": str(folder)}, log=folder / "server.log"
    ) as console:
        yield console


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else holds the database's lock and does not let go."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def label(file: Path, node: str, value: str) -> None:
    """Somebody writes the label of a node of the demo past the console."""
    body = {"metadata": {"labels": {LABEL: value}}}
    entry = {"schema": 1, "kind": "write", "verb": "patch", "ref": Ref.of("demo-west", "Node", node).key, "body": body}
    database = Database(f"sqlite:///{file}")
    with database() as unit:
        unit.journal.append("demo-west", entry, at=datetime.now(UTC), actor="somebody else")
        unit.commit()
    database.close()


def test_a_database_that_takes_no_writes_stops_the_change_with_a_sentence(visit: Visit, served: serving.Served) -> None:
    where = {"headroom_pool": "demo-west · l4-inference · L4 · nvidia.com/gpu", "live": "false"}
    tab = visit(served).open("/headroom", **where)
    tab.on("Headroom").button("headroom_apply").click()
    acting.reviewed(tab)
    with locked(served.log.with_name(FILE)):
        tab.button("review_apply").click()
        said = tab.dialog.get_by_test_id("stAlert")
        expect(said).to_contain_text("The database is busy. Nothing is changed without a record.", timeout=60_000)
    expect(tab.rest().keyed("progress")).to_have_count(0)
    tab.open("/audit", audit_action="scale-headroom").on("Audit")
    expect(tab.main.get_by_text(re.compile("Nothing was changed|No such operation"))).to_be_visible()


def test_a_node_changed_behind_the_plans_back_stops_the_run_and_says_what_to_do(
    visit: Visit, served: serving.Served
) -> None:
    tab = visit(served).open("/", pool="l4-notebooks").on("Overview")
    tab.main.get_by_role("button", name="Share 4 nodes × 2").click()  # a fifth comes and goes
    acting.reviewed(tab)
    node = tab.rows(tab.keyed("review_diff"))[0]["Object"]
    label(served.log.with_name(FILE), node.removeprefix("Node "), "ts4")
    tab.page.wait_for_timeout(1500)  # the console reads its journal once a second

    acting.why(tab, "more notebooks")
    tab.button("review_apply").click()
    acting.begun(tab)
    progress = tab.keyed("progress")
    expect(progress).to_contain_text("Failed ·", timeout=acting.SOON_MS)
    expect(progress).to_contain_text(f"{node} has changed since the plan: metadata.labels.{LABEL}. Plan the change")
    expect(progress).to_contain_text("1 change before it landed and can be taken back.")
    expect(progress.get_by_text("not done")).to_have_count(3)

    tab.button("progress_undo").click()
    acting.reviewed(tab)
    assert acting.undone(tab) == {(node, "spec.unschedulable", "not there", "true", "true")}
