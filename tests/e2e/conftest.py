"""One console in demo mode per run; a new profile per test; nothing may complain."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests import serving
from tests.e2e import acting
from tests.e2e.browser import TITLES, WITHIN_MS, Tab, Witness, tab

expect.set_options(timeout=WITHIN_MS)

_QUIET = re.compile(r"^\s*$|You can now view your Streamlit app in your browser\.|^\s*URL: http://localhost:\d+$")
# A tab that is closed while something is being sent to it makes the server's own websocket layer say so.
_CLOSED_TAB = re.compile(
    r"^[^\n]*Exception in ASGI application\n(?:(?![^\n]*Exception in ASGI)[^\n]*\n)*?"
    r'starlette\.websockets\.WebSocketDisconnected: Cannot call "send" once a close message has been sent\.\n',
    re.MULTILINE,
)
_LOGS = pytest.StashKey[dict[Path, int]]()
SPOT = "demo-east · t4-spot · T4 · nvidia.com/gpu"
Visit = Callable[..., Tab]
Serve = Callable[..., serving.Served]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked so runs last and as it is written, however the rest is shuffled."""
    waiting = [item for item in items if item.get_closest_marker("last")]
    waiting.sort(key=lambda item: (item.location[0], item.location[1] or 0))
    items[:] = [item for item in items if item not in set(waiting)] + waiting


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the consoles of a test wrote to their logs meanwhile, beside its failure."""
    report = yield
    if report.failed:
        for log, before in item.stash.get(_LOGS, {}).items():
            report.sections.append((f"log {log}", log.read_bytes()[before:].decode(errors="replace")))
    return report


@pytest.fixture(scope="session")
def demo(chromium: Browser, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Served]:
    """The console in demo mode, one for the run."""
    folder = tmp_path_factory.mktemp("demo")
    with serving.serving(
        code, serving.command(code), {"GFC_DATA_DIR": str(folder)}, log=folder / "server.log"
    ) as served:
        yield served


@pytest.fixture(scope="session")
def acting_demo(chromium: Browser, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Served]:
    """A console in demo mode whose estate tests change, one for the run; nobody else sees what they do."""
    folder = tmp_path_factory.mktemp("acting")
    with serving.serving(
        code, serving.command(code), {"GFC_DATA_DIR": str(folder)}, log=folder / "server.log"
    ) as served:
        yield served


@dataclass(frozen=True)
class Begun:
    """An operation that takes minutes: what its review and its progress showed, and the clicks it took."""

    served: serving.Served
    id: str
    clicks: int
    changes: set[tuple[str, str, str, str]]
    progress: str
    says: str
    """What it is, in the words of its review."""


@contextmanager
def beginning(chromium: Browser, served: serving.Served, path: str, **params: str) -> Iterator[acting.Hand]:
    """A hand on a page of the console; nothing may complain."""
    notes = Witness()
    with tab(chromium, served, notes) as one:
        yield acting.Hand(one.open(path, **params).on(TITLES[path]))
    assert notes.complaints == []


def applied(hand: acting.Hand, at_work: str) -> Begun:
    """Apply what is in review, with a reason, and leave it at work."""
    one = hand.tab
    changes = acting.changes(acting.reviewed(one))
    summary = one.keyed("review").locator("strong").first.inner_text()
    acting.why(one, "for the launch")
    hand.click(one.button("review_apply"))
    progress = acting.begun(one).keyed("progress")
    expect(progress).to_contain_text(at_work, timeout=acting.SOON_MS)
    said, clicks = progress.inner_text(), hand.clicks
    one.button("progress_audit").click()
    return Begun(one.served, one.on("Audit").params["op"], clicks, changes, said, summary)


@pytest.fixture(scope="session")
def begun(chromium: Browser, acting_demo: serving.Served) -> Begun:
    """One warm unit more than a pool has room for now: a node has to come for it, which takes minutes."""
    with beginning(chromium, acting_demo, "/headroom", pool="t4-spot", headroom_pool=SPOT) as hand:
        (row,) = hand.tab.rows(hand.tab.keyed("headroom_table"))
        units = hand.tab.main.get_by_role("spinbutton", name="Warm units")
        units.fill(str(int(row["Free now"]) + 1))
        units.press("Enter")
        expect(hand.tab.rest().keyed("headroom_apply")).to_contain_text(f"Keep {int(row['Free now']) + 1} unit")
        hand.click(hand.tab.button("headroom_apply"))
        return applied(hand, "running Wait for nodes")


@pytest.fixture(scope="session")
def shared(chromium: Browser, acting_demo: serving.Served) -> Begun:
    """Four nodes whose GPUs are to be shared, one after the other."""
    with beginning(chromium, acting_demo, "/", pool="l4-notebooks") as hand:
        hand.click(hand.tab.main.get_by_role("button", name="Share 4 nodes × 2"))
        return applied(hand, "offers 2 × nvidia.com/gpu")


@pytest.fixture(scope="session")
def turned(chromium: Browser, acting_demo: serving.Served) -> Begun:
    """A gateway's chain turned round: its proxy is restarted."""
    with beginning(chromium, acting_demo, "/fallback-edit", fallback_group="summarise") as hand:
        hand.click(hand.tab.button("fallback_down_summarise_summarise-openai"))
        expect(hand.tab.keyed("fallback_review")).to_contain_text("Prepared, not applied: summarise")
        hand.click(hand.tab.rest().button("fallback_propose"))
        return applied(hand, "running Every pod of Deployment ai-gateway/litellm")


@pytest.fixture
def serve(chromium: Browser, code: Path, tmp_path: Path) -> Iterator[Serve]:
    """Start a console of the test's own with settings of its own."""
    with ExitStack() as stack:

        def start(**settings: str) -> serving.Served:
            variables = {"GFC_DATA_DIR": str(tmp_path / "data"), **settings}
            return stack.enter_context(
                serving.serving(code, serving.command(code), variables, log=tmp_path / "server.log")
            )

        yield start


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Notes what the browser complains about; the test fails for it at its end."""
    notes = Witness()
    yield notes
    assert notes.outside == [], "the browser asked somebody else"
    assert notes.complaints == []


@pytest.fixture
def visit(chromium: Browser, witness: Witness, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Open a tab in a new profile, on the demo or on a console of the test's own; its log must be silent afterwards.

    With the marker ``logs`` the log may hold what its pattern allows.
    """
    marker = request.node.get_closest_marker("logs")
    expected = re.compile(marker.args[0]) if marker else None
    with ExitStack() as stack:
        seen = request.node.stash.setdefault(_LOGS, {})

        def open_tab(served: serving.Served | None = None, **options: Any) -> Tab:
            console = served or request.getfixturevalue("demo")
            assert console.process.poll() is None, f"the console has ended with {console.process.returncode}"
            seen.setdefault(console.log, console.log.stat().st_size if served is None else 0)
            return stack.enter_context(tab(chromium, console, witness, **options))

        yield open_tab
    for log, before in seen.items():
        said = _CLOSED_TAB.sub("", log.read_bytes()[before:].decode(errors="replace")).splitlines()
        unexpected = [line for line in said if not _QUIET.search(line) and not (expected and expected.search(line))]
        assert unexpected == [], f"the server complains, see {log}"
