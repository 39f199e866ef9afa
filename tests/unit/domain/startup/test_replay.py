"""Recorded starts, told in every way a collector may see them, come to what was worked out by hand.

The timelines and what they come to are in ``tests/data/startup``, their form is that of ``tests/replays.py``.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.domain.startup import FLAGS, Confidence, Outcome, Phase, Pulled, Start
from services.domain.startup.phases import start
from tests.replays import Collector, Line, Question, Timeline, load, names, shuffled, twice

TIMELINES = names()
LATE = [(name, number) for name in TIMELINES for number in range(len(load(name).late))]
MIDWAY = [(name, number) for name in TIMELINES for number in range(len(load(name).midway))]


def _recorded(lines: Sequence[Line]) -> Collector:
    collector = Collector()
    for line in lines:
        collector.see(line)
    return collector


@pytest.mark.parametrize("name", TIMELINES)
def test_a_start_comes_to_what_was_worked_by_hand(name: str) -> None:
    timeline = load(name)
    _answers(_recorded(timeline.lines), timeline, timeline.question)


@pytest.mark.parametrize("name", TIMELINES)
def test_seeing_everything_twice_changes_nothing(name: str) -> None:
    timeline = load(name)
    _answers(_recorded(twice(timeline.lines)), timeline, timeline.question)


@pytest.mark.parametrize("name", TIMELINES)
def test_what_was_seen_before_is_no_news(name: str) -> None:
    timeline, collector = load(name), Collector()
    for line in timeline.lines:
        collector.see(line)
        if line.type != "DELETED":
            assert not collector.see(line)


@pytest.mark.parametrize("name", TIMELINES)
def test_a_list_of_everything_each_time_says_the_same(name: str) -> None:
    timeline, collector = load(name), Collector()
    for line in timeline.lines:
        collector.see(line, list_all=True)
    _answers(collector, timeline, timeline.question)


@pytest.mark.parametrize("name", TIMELINES)
def test_a_collector_killed_at_any_line_goes_on_from_what_it_wrote(name: str) -> None:
    timeline, collector = load(name), Collector()
    for line in timeline.lines:
        collector.see(line)
        collector = collector.restarted()
        collector.list_all(line.at)
    _answers(collector, timeline, timeline.question)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", TIMELINES)
def test_watches_of_different_kinds_may_overtake_each_other(name: str, seed: int) -> None:
    timeline = load(name)
    _answers(_recorded(shuffled(timeline.lines, seed)), timeline, timeline.question)


@pytest.mark.parametrize(("name", "number"), MIDWAY)
def test_a_start_under_way_tells_what_it_is_doing(name: str, number: int) -> None:
    timeline = load(name)
    question = timeline.midway[number]
    _answers(_recorded(timeline.until(question.at).lines), timeline, question)


@pytest.mark.parametrize(("name", "number"), LATE)
def test_a_collector_that_comes_late_says_what_can_still_be_known(name: str, number: int) -> None:
    timeline, collector = load(name), Collector()
    begin, question = timeline.late[number]
    for line in timeline.lines:
        if line.at <= begin:
            collector.present.apply(line)
    collector.list_all(begin)
    for line in timeline.lines:
        if line.at > begin:
            collector.see(line)
    _answers(collector, timeline, question)


@pytest.mark.parametrize("name", TIMELINES)
def test_phases_follow_each_other_without_a_gap_at_every_moment(name: str) -> None:
    timeline, collector = load(name), Collector()
    for line in timeline.lines:
        collector.see(line)
        if timeline.pod in collector.traces:
            _contiguous(start(collector.traces[timeline.pod], line.at), timeline.begin)


def _contiguous(found: Start, begin: datetime) -> None:
    edges = [found.created, *(span.end for span in found.spans)]
    assert [_offset(span.begin, begin) for span in found.spans] == [_offset(at, begin) for at in edges[:-1]]
    assert _offset(edges[-1], begin) == _offset(found.ended, begin)
    assert all(span.begin <= span.end for span in (*found.spans, *found.beside))
    assert sum(found.seconds().values()) == pytest.approx(found.total_s, abs=1e-6)
    assert found.flags <= set(FLAGS)


@pytest.mark.parametrize("name", TIMELINES)
def test_what_is_expected_adds_up(name: str) -> None:
    """Of the file alone: slips of the hand are found here."""
    timeline = load(name)
    assert list(timeline.lines) == sorted(timeline.lines, key=lambda line: line.at)
    for question in (timeline.question, *timeline.midway, *(question for _, question in timeline.late)):
        expected = question.expected
        assert set(expected) <= _KEYS
        Outcome(expected.get("outcome", "ready"))
        assert {Pulled(one["how"]) for one in expected.get("pulls", ())} <= set(Pulled)
        assert set(expected.get("flags", ())) <= set(FLAGS)
        spans = expected.get("spans")
        if spans is None:
            continue
        ended = expected.get("ended", question.at if expected["outcome"] == "starting" else spans[-1]["end"])
        assert [timeline.begin, *(one["end"] for one in spans)] == [*(one["begin"] for one in spans), ended]
        assert all(one["begin"] < one["end"] for one in spans)
        assert sum((one["end"] - one["begin"]).total_seconds() for one in spans) == pytest.approx(
            expected.get("total_s", (ended - timeline.begin).total_seconds())
        )
        assert {Phase(one["phase"]) for one in spans} <= set(Phase)
        assert {Confidence(one["confidence"]) for one in spans if "confidence" in one} <= set(Confidence)


@pytest.mark.parametrize("name", TIMELINES)
def test_what_is_written_is_what_is_read(name: str) -> None:
    """A field spelt wrongly would be skipped in silence."""
    for line in load(name).lines:
        _read(line.raw, msgspec.to_builtins(line.object), line.kind)


def _read(raw: Any, kept: Any, path: str) -> None:
    if isinstance(raw, dict):
        for key, value in raw.items():
            if value not in (None, False, 0, "", []) and (path, key) != ("events", "action"):
                assert key in kept, f"{path}.{key}"
                _read(value, kept[key], f"{path}.{key}")
    elif isinstance(raw, list):
        for one, other in zip(raw, kept, strict=True):
            _read(one, other, path)


_PLAIN = ("outcome", "cold", "created", "ended", "scheduled", "running", "total_s", "restarts")
_KEYS = {*_PLAIN, "spans", "beside", "pulls", "flags", "flags_contain", "reason", "never"}
_RANK = [Confidence.EXACT, Confidence.DERIVED, Confidence.ESTIMATED, Confidence.MISSING]


def _answers(collector: Collector, timeline: Timeline, question: Question) -> None:
    """The start is as expected in everything the question names."""
    expected, begin = question.expected, timeline.begin
    found = start(collector.traces[timeline.pod], question.at)
    _contiguous(found, begin)
    said = {
        "outcome": Outcome(found.outcome).value,
        **{key: _plain(getattr(found, key), begin) for key in _PLAIN if key != "outcome"},
        "flags": sorted(found.flags),
    }
    wanted = {key: _plain(expected[key], begin) for key in (*_PLAIN, "flags") if key in expected}
    if "flags" in wanted:
        wanted["flags"] = sorted(wanted["flags"])
    assert {key: said[key] for key in wanted} == wanted
    for key in ("spans", "beside"):
        if key in expected:
            spans = _joined(getattr(found, key), begin)
            wished = [{name: _plain(value, begin) for name, value in one.items()} for one in expected[key]]
            names_ = [set(one) for one in wished] + [{"phase", "begin", "end"}] * (len(spans) - len(wished))
            assert [{k: one[k] for k in keys} for one, keys in zip(spans, names_, strict=False)] == wished
    if "pulls" in expected:
        by_name = {one.container: one for one in found.pulls}
        assert set(by_name) == {one["container"] for one in expected["pulls"]}
        for one in expected["pulls"]:
            pull = by_name[one["container"]]
            assert {key: _plain(getattr(pull, key), begin) for key in one} == {
                key: _plain(value, begin) for key, value in one.items()
            }
    assert set(expected.get("flags_contain", ())) <= found.flags
    assert expected.get("reason", "") in found.reason
    for one in expected.get("never", ()):
        assert one not in [{"phase": span.phase.value, "confidence": span.confidence.value} for span in found.spans]


def _joined(spans: Sequence[Any], begin: datetime) -> list[dict[str, Any]]:
    """Without those of no length; neighbours of one phase and container are one, as sure as the less sure of them."""
    joined: list[dict[str, Any]] = []
    for span in spans:
        if _offset(span.begin, begin) == _offset(span.end, begin):
            continue
        one = {
            "phase": span.phase.value,
            "begin": _offset(span.begin, begin),
            "end": _offset(span.end, begin),
            "confidence": span.confidence.value,
            "container": span.container,
        }
        last = joined[-1] if joined else None
        if last and (last["phase"], last["container"]) == (one["phase"], one["container"]):
            last["end"] = one["end"]
            last["confidence"] = max(last["confidence"], one["confidence"], key=lambda c: _RANK.index(Confidence(c)))
        else:
            joined.append(one)
    return joined


def _offset(at: datetime, begin: datetime) -> float:
    """Seconds since the timeline began, to the millisecond: durations have no more."""
    return round((at - begin) / timedelta(seconds=1), 3)


def _plain(value: Any, begin: datetime) -> Any:
    if isinstance(value, datetime):
        return _offset(value, begin)
    if isinstance(value, float):
        return round(value, 3)
    return getattr(value, "value", value)
