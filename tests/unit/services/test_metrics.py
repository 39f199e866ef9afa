"""Asking a metrics source: failures are values, last good ones stay, nothing is asked twice."""

import dataclasses
from datetime import timedelta

import pytest

from services import health, metrics, utilisation
from services.domain.scope import Scope
from services.domain.signals import UNIT_KEY, Query
from services.domain.window import ending
from services.errors import Forbidden, Rejected
from services.ports import ClusterSource, Sources
from services.reading import Absence
from tests import fakes, tiny
from tests.conftest import NOW

UTIL = Query("util", UNIT_KEY)


@pytest.fixture
def clock() -> fakes.Clock:
    return fakes.Clock(NOW)


@pytest.fixture
def sources(clock: fakes.Clock) -> Sources:
    return dataclasses.replace(fakes.watched(tiny.sources()), now=clock)


def source(sources: Sources) -> ClusterSource:
    return sources.clusters["tiny"]


def test_the_last_good_answer_stays_with_its_own_age_and_the_failure_with_its_beginning(
    sources: Sources, clock: fakes.Clock
) -> None:
    double = fakes.metrics_of(sources, "tiny")
    good = metrics.instant(sources, source(sources), UTIL, clock.at)
    assert good.problem is None
    double.error = fakes.dead()
    died = clock.forward(minutes=1)
    first = metrics.instant(sources, source(sources), UTIL, clock.at)
    clock.forward(minutes=5)
    later = metrics.instant(sources, source(sources), UTIL, clock.at)
    for answer in (first, later):
        assert answer.value is good.value
        assert answer.as_of == NOW
        assert answer.problem is not None
        assert answer.problem.since == died
        assert answer.problem.message == f"tiny: {fakes.SILENT}"


def test_a_recovered_source_fails_anew_from_a_new_beginning(sources: Sources, clock: fakes.Clock) -> None:
    double = fakes.metrics_of(sources, "tiny")
    double.error = fakes.dead()
    metrics.instant(sources, source(sources), UTIL, clock.at)
    clock.forward(minutes=1)
    double.error = None
    assert metrics.instant(sources, source(sources), UTIL, clock.at).problem is None
    again = clock.forward(minutes=1)
    double.error = fakes.dead()
    answer = metrics.instant(sources, source(sources), UTIL, clock.at)
    assert answer.problem is not None
    assert answer.problem.since == again


def test_without_a_good_answer_there_is_no_value(sources: Sources) -> None:
    fakes.metrics_of(sources, "tiny").error = fakes.dead()
    answer = metrics.instant(sources, source(sources), UTIL, NOW)
    assert (answer.value, answer.as_of) == (None, None)


@pytest.mark.parametrize(
    "error", [Forbidden("prometheus", "Refused.", hint="Check the token."), Rejected("prometheus", "No.")]
)
def test_every_error_of_a_source_becomes_a_problem(sources: Sources, error: Forbidden) -> None:
    fakes.metrics_of(sources, "tiny").error = error
    problem = metrics.over_window(sources, source(sources), UTIL, ending(NOW, "1h")).problem
    assert problem is not None
    assert (problem.source, problem.message, problem.hint) == ("prometheus", f"tiny: {error}", error.hint)


def test_coverage_is_asked_at_most_once_a_minute(sources: Sources, clock: fakes.Clock) -> None:
    double = fakes.metrics_of(sources, "tiny")
    for _ in range(10):
        metrics.coverage(sources, source(sources))
        clock.forward(seconds=2)
    assert double.calls["coverage"] == 1
    clock.forward(minutes=1)
    metrics.coverage(sources, source(sources))
    assert double.calls["coverage"] == 2


def test_nothing_in_an_answer_is_told_apart_from_not_collected(sources: Sources) -> None:
    double = fakes.metrics_of(sources, "tiny")
    double.silent = True
    empty = metrics.instant(sources, source(sources), UTIL, NOW)
    assert (len(empty.value), empty.absence) == (0, None)  # type: ignore[arg-type]
    lacking = fakes.watched(tiny.sources())
    fakes.metrics_of(lacking, "tiny").lacks = frozenset({"util"})
    answer = metrics.instant(lacking, lacking.clusters["tiny"], UTIL, NOW)
    assert answer.absence is Absence.NOT_COLLECTED


def test_no_metrics_source_is_not_configured_and_asks_nobody() -> None:
    bare = tiny.sources(tiny.source(metrics=False))
    one = bare.clusters["tiny"]
    assert metrics.instant(bare, one, UTIL, NOW).absence is Absence.NOT_CONFIGURED
    assert metrics.over_window(bare, one, UTIL, ending(NOW, "1h")).absence is Absence.NOT_CONFIGURED
    assert metrics.coverage(bare, one).absence is Absence.NOT_CONFIGURED


def test_the_same_question_is_asked_once(sources: Sources) -> None:
    for _ in range(3):
        metrics.instant(sources, source(sources), UTIL, NOW)
    metrics.instant(sources, source(sources), UTIL, NOW, {"namespace": ["lab"]})
    assert fakes.metrics_of(sources, "tiny").calls["instant"] == 2


def test_a_failure_is_asked_again_in_the_next_refresh_period_and_not_before(
    sources: Sources, clock: fakes.Clock
) -> None:
    """NOW is half a minute past: periods of 15 seconds begin at :30, :45, :00."""
    double = fakes.metrics_of(sources, "tiny")
    double.error = fakes.dead()
    at = clock.at
    asked = []
    for seconds in (0, 5, 9, 1, 20):
        clock.forward(seconds=seconds)
        metrics.instant(sources, source(sources), UTIL, at)
        asked.append(double.calls["instant"])
    assert asked == [1, 1, 1, 2, 3]
    double.error = None
    clock.forward(seconds=15)
    assert metrics.instant(sources, source(sources), UTIL, at).problem is None


def test_the_present_is_the_beginning_of_the_refresh_period(sources: Sources, clock: fakes.Clock) -> None:
    clock.forward(seconds=14)
    assert metrics.moment(sources) == NOW
    clock.forward(seconds=1)
    assert metrics.moment(sources) == NOW + timedelta(seconds=15)


def test_warnings_of_a_source_come_along(sources: Sources) -> None:
    fakes.metrics_of(sources, "tiny").notes = ("partial response",)
    assert "partial response" in utilisation.table(sources, Scope()).notes


def test_nobody_owns_a_gpu_where_no_series_names_a_pod(sources: Sources) -> None:
    """Node a is held whole, so its units are held; node b in part, so nobody can tell which of its units."""
    double = fakes.metrics_of(sources, "tiny")
    whole = double.inner.coverage()

    class Ownerless:
        def __getattr__(self, name: str) -> object:
            return getattr(inner, name)

        def coverage(self) -> object:
            return dataclasses.replace(whole, owner_labels="")

    inner = double.inner
    double.inner = Ownerless()  # type: ignore[assignment]
    units = utilisation.table(sources, Scope()).value
    assert units is not None
    assert set(units[units["node"] == "a"]["use"]) == {"active"}
    assert set(units[units["node"] == "b"]["use"]) == {"unknown"}
    report = health.report(sources).value
    assert report is not None
    assert "Let dcgm-exporter name the pod on each GPU" in [item.title for item in report.advice]
