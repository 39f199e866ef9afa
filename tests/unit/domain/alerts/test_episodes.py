"""Which findings began: once per beginning, however often they are seen."""

from datetime import UTC, datetime, timedelta

import pytest

from services.domain.alerts import Channel, Episode, made_of, topic
from services.domain.alerts.episodes import turned
from services.domain.findings import Severity
from tests.alerting import finding

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def test_what_is_found_for_the_first_time_begins_now() -> None:
    turn = turned({}, ["a"], NOW, whole=True)
    assert turn.written == (Episode("a", NOW),)
    assert turn.standing == {"a": Episode("a", NOW)}


def test_what_is_still_there_is_the_same_and_nothing_is_written() -> None:
    turn = turned({"a": Episode("a", EARLIER)}, ["a"], NOW, whole=True)
    assert (turn.standing["a"].begin, turn.written, turn.over) == (EARLIER, (), frozenset())


def test_what_is_not_seen_any_more_is_missing_from_then_on_and_not_over_yet() -> None:
    turn = turned({"a": Episode("a", EARLIER)}, [], NOW, whole=True)
    assert turn.written == (Episode("a", EARLIER, NOW),)
    assert turn.over == frozenset()


def test_what_returns_within_ten_minutes_is_the_same() -> None:
    turn = turned({"a": Episode("a", EARLIER, ago(9.9))}, ["a"], NOW, whole=True)
    assert turn.standing["a"] == Episode("a", EARLIER)


def test_what_returns_after_ten_minutes_began_anew() -> None:
    turn = turned({"a": Episode("a", EARLIER, ago(10))}, ["a"], NOW, whole=True)
    assert turn.standing["a"] == Episode("a", NOW)


def test_what_is_missing_for_ten_minutes_is_forgotten() -> None:
    turn = turned({"a": Episode("a", EARLIER, ago(10)), "b": Episode("b", EARLIER, ago(5))}, [], NOW, whole=True)
    assert turn.over == {"a"}


def test_while_a_source_is_silent_nothing_goes_missing() -> None:
    turn = turned({"a": Episode("a", EARLIER)}, [], NOW, whole=False)
    assert (turn.written, turn.over) == ((), frozenset())


def test_a_finding_is_the_same_after_a_day_in_which_nobody_looked() -> None:
    known = {"a": Episode("a", NOW - timedelta(days=1))}
    assert turned(known, ["a"], NOW, whole=True).written == ()


@pytest.mark.parametrize(
    ("key", "about"),
    [
        ("fallback/east/chat", "fallback"),
        ("circuit/east/chat/web", "fallback"),
        ("serving/east/ml/chat/cache", "fallback"),
        ("llm-budget/east/openai", "money"),
        ("breaker", "changes"),
        ("xid/east/n1", "health"),
    ],
)
def test_what_a_finding_is_about_is_told_by_its_key(key: str, about: str) -> None:
    assert topic(finding(key)) == about


def test_the_key_of_an_alert_is_of_channel_finding_and_beginning() -> None:
    def key(name: str, of: str, begin: datetime) -> str:
        return made_of(finding(of), begin, Channel(name), at=NOW, due=NOW).key

    assert key("ops", "a", EARLIER) == key("ops", "a", EARLIER)
    assert len({key("ops", "a", EARLIER), key("ops", "a", NOW), key("ops", "b", NOW), key("fin", "a", NOW)}) == 4


def test_a_channel_is_told_what_is_severe_enough_on_its_topics_and_teams() -> None:
    lost, idle = finding(), finding("idle/east/ml/web", Severity.WARNING, team="ml")
    assert (topic(lost), topic(idle), topic(finding("budget/b1/2026-06/0.8"))) == ("health", "money", "money")
    assert Channel("c").wants(lost)
    assert Channel("c").wants(idle)
    assert not Channel("c").wants(finding(severity=Severity.NOTICE))
    assert not Channel("c", least=Severity.CRITICAL).wants(idle)
    assert Channel("c", topics=frozenset({"money"})).wants(idle)
    assert not Channel("c", topics=frozenset({"money"})).wants(lost)
    assert Channel("c", teams=frozenset({"ml"})).wants(idle)
    assert not Channel("c", teams=frozenset({"ml"})).wants(lost)


def test_a_channel_is_not_told_that_it_does_not_work_itself() -> None:
    silent = finding("alerts/ops", Severity.WARNING)
    assert not Channel("ops").wants(silent)
    assert Channel("other").wants(silent)
