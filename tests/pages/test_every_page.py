"""What every page owes its reader, whatever happens to the sources."""

import pytest

from services.ports import Sources
from tests import fakes, tiny
from tests.pages.opening import ENTRIES, opened, quiet, rerun, words
from tests.pages.troubles import TROUBLES

PATHS = list(ENTRIES)
pytestmark = pytest.mark.parametrize("path", PATHS)


def test_opens_on_the_demo_and_says_that_it_is_one(
    path: str, sources: Sources, caplog: pytest.LogCaptureFixture
) -> None:
    with quiet(caplog):
        at = opened(sources, path)
    assert at.title[0].value == ENTRIES[path].title
    assert "**Demo estate.** Everything here is simulated" in words(at)
    assert "Demo estate" in at.sidebar.markdown[0].value


def test_says_nothing_of_a_demo_over_real_sources(path: str) -> None:
    assert "Demo estate" not in words(opened(tiny.sources(), path))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_opens_whatever_is_wrong_and_the_log_stays_silent(
    path: str, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    with quiet(caplog):
        at = opened(TROUBLES[trouble](), path)
    assert at.title[0].value == ENTRIES[path].title
    assert list(at.error) == []


NONSENSE = {
    "cluster": "nowhere",
    "pool": "<img src=x onerror=alert(1)>",
    "model": "../../etc/passwd",
    "ns": "a' OR 1=1 --",
    "team": "[x](javascript:alert(1))",
    "range": "banana",
    "live": "maybe",
    "util_node": "<script>alert(1)</script>",
    "util_gpu": "GPU-none",
    "util_measure": "feelings",
    "util_panel": "nope",
    "util_group": "\x00",
    "work_name": "///",
    "work_row": "99999999999999999999",
    "start": "nowhere/<script>alert(1)</script>",
    "start_workload": "///",
    "start_split": "colour",
    "start_list": "../..",
    "never_heard_of": "x",
}


def test_opens_from_a_link_full_of_nonsense(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with quiet(caplog):
        at = opened(tiny.sources(), path, **NONSENSE)
    assert at.title[0].value == ENTRIES[path].title
    assert at.segmented_control(key="range").value == "24h"


def test_opens_from_a_link_whose_every_value_has_five_thousand_characters(path: str) -> None:
    at = opened(tiny.sources(), path, **dict.fromkeys(NONSENSE, "x" * 5000))
    assert at.title[0].value == ENTRIES[path].title
    assert "x" * 600 not in words(at)


def test_a_second_run_within_the_lifetime_of_answers_asks_no_source(path: str, sources: Sources) -> None:
    sources = fakes.watched(sources)
    at = opened(sources, path)
    cold = fakes.calls(sources)
    rerun(at, sources)
    assert fakes.calls(sources) == cold


def test_a_dead_metrics_source_is_asked_no_more_often_than_a_living_one(path: str) -> None:
    living, dying = fakes.watched(tiny.sources()), TROUBLES["metrics dead"]()
    opened(living, path)
    at = opened(dying, path)
    first = fakes.calls(dying)
    assert first.total() <= fakes.calls(living).total()
    rerun(at, dying)
    assert fakes.calls(dying) == first, "a failure waits for its lifetime like any answer"
