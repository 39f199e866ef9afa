"""The outbox of alerts: told at least once, normally once, whatever happens to channels and collectors."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from threading import Event

import pytest

from db import migrate
from db.work import Database
from services.alerts import look as looking
from services.alerts import read
from services.domain.alerts import Channel
from services.domain.cost.budget import Budget
from services.domain.findings import Severity
from services.domain.scope import Scope
from services.jobs.alerting import LEASE, Alerting
from services.jobs.tenure import Lost
from services.reading import Problem
from tests.alerting import Mailbox, Office, finding
from tests.fakes import Clock

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[Database] = []

    def open_(*channels: Channel) -> Office:
        database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
        migrate.upgrade(database.engine)
        made.append(database)
        return Office(database, Clock(NOW), monkeypatch, channels or (Channel("ops"),))

    yield open_
    for database in made:
        database.close()


def states(office: Office) -> list[str]:
    with office.database.reading() as unit:
        return unit.alerts.recent(NOW - timedelta(days=30))["state"].tolist()


def box(office: Office, name: str = "ops") -> Mailbox:
    return office.boxes[name]


def test_a_finding_that_began_is_told_once_however_long_it_lasts(office: Callable[..., Office]) -> None:
    o = office()
    worker = o.worker()
    o.tick(worker)
    assert box(o).got == []
    o.found = [finding()]
    for minute in range(1, 30):
        o.tick(worker, NOW + minute * MINUTE)
    ((subject, body),) = box(o).got
    assert subject.startswith("GPU Fleet Console: Critical: n1 is not ready (")
    assert "https://gpus.example.com/utilisation?cluster=east&util_node=n1" in body
    assert "first seen 2026-06-03 12:01 UTC" in body
    assert states(o) == ["sent"]


def test_what_began_by_the_same_look_is_one_message(office: Callable[..., Office]) -> None:
    o = office()
    o.found = [finding("node/east/n1"), finding("node/east/n2", title="n2 is not ready")]
    o.tick(o.worker())
    ((subject, body),) = box(o).got
    assert "2 findings, 2 critical" in subject
    assert "n1 is not ready" in body
    assert "n2 is not ready" in body


def test_a_collector_that_takes_over_tells_nothing_again(office: Callable[..., Office]) -> None:
    o = office()
    o.found = [finding()]
    o.tick(o.worker())
    o.tick(o.worker(), NOW + timedelta(hours=5))
    assert len(box(o).got) == 1


def test_what_goes_away_for_a_moment_is_not_told_again_and_what_goes_for_longer_is(
    office: Callable[..., Office],
) -> None:
    o = office()
    worker = o.worker()
    o.found = [finding()]
    o.tick(worker)
    for minute in range(1, 10):  # missing from 12:01 on
        o.found = []
        o.tick(worker, NOW + minute * MINUTE)
    o.found = [finding()]
    o.tick(worker, NOW + 10 * MINUTE)  # nine minutes later
    assert len(box(o).got) == 1
    for minute in range(11, 23):
        o.found = []
        o.tick(worker, NOW + minute * MINUTE)
    o.found = [finding()]
    o.tick(worker, NOW + 23 * MINUTE)
    assert len(set(box(o).keys)) == 2


def test_while_a_source_is_silent_nothing_is_over(office: Callable[..., Office]) -> None:
    o = office()
    worker = o.worker()
    o.found = [finding()]
    o.tick(worker)
    o.found, o.problem = [], Problem("prometheus", "It does not answer.")
    for minute in range(1, 30):
        o.tick(worker, NOW + minute * MINUTE)
    o.found, o.problem = [finding()], None
    o.tick(worker, NOW + 30 * MINUTE)
    assert len(box(o).got) == 1


def test_a_worker_that_dies_between_sending_and_noting_it_leaves_the_message_to_the_next(
    office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    o = office()
    o.found = [finding()]
    with monkeypatch.context() as patch:
        patch.setattr(Alerting, "_mark", lambda *_: (_ for _ in ()).throw(SystemExit))
        o.tick(o.worker())
    assert len(box(o).got) == 1
    assert states(o) == ["sending"]
    survivor = o.worker()
    o.tick(survivor, NOW + LEASE - timedelta(seconds=1))
    assert len(box(o).got) == 1, "the lease of the other lasts"
    o.tick(survivor, NOW + LEASE + timedelta(seconds=5))
    first, second = box(o).got
    assert first == second, "the same message with the same key"
    assert states(o) == ["sent"]


def test_a_worker_that_was_replaced_notes_nothing_of_a_message_that_is_not_its_own_any_more(
    office: Callable[..., Office],
) -> None:
    o = office()
    o.found = [finding()]
    two = o.worker()

    def slow() -> None:
        box(o).before = lambda: None
        o.tick(two, NOW + LEASE + MINUTE)  # meanwhile another takes it over, and its channel fails
        box(o).error = ""

    box(o).before, box(o).error = slow, ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mailbox, "send", _failing_second(Mailbox.send))
        o.tick(o.worker())
    assert states(o) == ["failed"], "the second one's word counts"


def _failing_second(send: Callable[[Mailbox, str, str], None]) -> Callable[[Mailbox, str, str], None]:
    calls: list[int] = []

    def sending(self: Mailbox, subject: str, body: str) -> None:
        calls.append(1)
        if len(calls) == 2:
            self.error = "It refused."
        send(self, subject, body)

    return sending


def test_two_workers_at_once_do_not_send_twice(office: Callable[..., Office]) -> None:
    o = office(*(Channel(f"c{number}") for number in range(5)))
    o.found = [finding()]
    with ThreadPoolExecutor(2) as both:
        for work in [both.submit(o.worker().tick, NOW) for _ in range(2)]:
            work.result()
    assert [len(box.got) for box in o.boxes.values()] == [1] * 5


def test_a_channel_that_fails_is_tried_again_later_and_later_with_the_same_key(
    office: Callable[..., Office], caplog: pytest.LogCaptureFixture
) -> None:
    o = office()
    worker = o.worker()
    o.found, box(o).error = [finding()], "json://hook refused the message with status 500."
    with caplog.at_level(logging.CRITICAL):
        o.tick(worker)
        assert states(o) == ["failed"]
        (one,) = read.channels(o.sources).value or ()
        assert (one.delivery.failing_since, one.delivery.waiting) == (NOW, 1)
        first_try = one.delivery.next_at
        assert first_try is not None
        assert timedelta(seconds=24) <= first_try - NOW <= timedelta(seconds=36)
        o.tick(worker, first_try + timedelta(seconds=5))
        (one,) = read.channels(o.sources).value or ()
        assert one.delivery.failing_since == NOW, "since the first failure"
    box(o).error = ""
    o.tick(worker, NOW + timedelta(hours=1))
    assert states(o) == ["sent"]
    (one,) = read.channels(o.sources).value or ()
    assert (one.delivery.failing_since, one.delivery.last_sent) == (None, NOW + timedelta(hours=1))


def test_that_alerts_do_not_arrive_is_a_finding_told_to_other_channels(office: Callable[..., Office]) -> None:
    o = office(Channel("ops"), Channel("chat"))
    worker = o.worker()
    o.found, box(o).error = [finding()], "json://hook could not be reached."
    o.tick(worker)
    (silent,) = read.findings(o.sources)
    assert silent.key == "alerts/ops"
    assert silent.title == "Alerts to ops do not arrive since 2026-06-03 12:00 UTC"
    assert (silent.page, silent.params) == ("alerts", {"alerts_channel": "ops"})
    o.found = [finding(), silent]
    o.tick(worker, NOW + 2 * MINUTE)
    assert any("Alerts to ops do not arrive" in subject for subject, _ in box(o, "chat").got)


def test_after_a_week_a_message_is_given_up_and_that_stays_visible(office: Callable[..., Office]) -> None:
    o = office()
    worker = o.worker()
    o.found, box(o).error = [finding()], "It could not be reached."
    o.tick(worker)
    o.tick(worker, NOW + timedelta(days=7, minutes=1))
    assert states(o) == ["given up"]
    (one,) = read.channels(o.sources).value or ()
    assert (one.delivery.given_up, one.delivery.waiting, one.delivery.failing_since) == (1, 0, None)


def test_a_digest_collects_what_began_until_it_closes(office: Callable[..., Office]) -> None:
    o = office(Channel("ops", digest="15m"))
    worker = o.worker()
    o.found = [finding("node/east/n1")]
    o.tick(worker, NOW + MINUTE)
    o.found = [finding("node/east/n1"), finding("node/east/n2")]
    o.tick(worker, NOW + 9 * MINUTE)
    assert (box(o).got, states(o)) == ([], ["collected", "collected"])
    o.tick(worker, NOW + 15 * MINUTE)
    ((subject, _),) = box(o).got
    assert "2 findings" in subject


def test_in_quiet_hours_only_what_is_critical_is_sent_where_that_is_set(office: Callable[..., Office]) -> None:
    o = office(Channel("ops", quiet=(time(11), time(13)), critical_at_once=True))
    worker = o.worker()
    o.found = [finding("node/east/n1"), finding("idle/east/ml/web", Severity.WARNING, title="web is idle")]
    o.tick(worker)
    assert ["n1 is not ready" in body for _, body in box(o).got] == [True]
    o.tick(worker, NOW + 59 * MINUTE)
    assert len(box(o).got) == 1
    o.tick(worker, NOW + 60 * MINUTE)
    assert "web is idle" in box(o).got[1][1]


def test_a_budget_tells_its_own_channel_whatever_that_is_told_otherwise(office: Callable[..., Office]) -> None:
    o = office(Channel("ops"), Channel("finance", least=Severity.CRITICAL, topics=frozenset({"health"})))
    with o.database() as unit:
        unit.budgets.save(Budget("b1", "ML", "team", 10_000_000, "ml", channel="finance"), at=NOW, actor="ada")
        unit.commit()
    o.found = [finding("budget/b1/2026-06/0.8", Severity.NOTICE, title="80 % of the budget ML is spent")]
    o.tick(o.worker())
    assert len(box(o, "finance").got) == 1
    assert box(o, "ops").got == []


def test_a_channel_that_hangs_holds_up_neither_the_collector_nor_other_channels(office: Callable[..., Office]) -> None:
    o = office(Channel("hangs"), Channel("works"))
    o.found = [finding()]
    begun, go = Event(), Event()

    def hang() -> None:
        begun.set()
        go.wait(30)

    box(o, "hangs").before = hang
    with ThreadPoolExecutor(2) as senders:
        worker = o.worker(senders)
        o.tick(worker)
        assert begun.wait(30)
        o.found.append(finding("node/east/n2"))
        o.tick(worker, NOW + MINUTE)
        worker._sending["works"].result(30)
        assert box(o, "hangs").got == []
        assert box(o, "works").got
        go.set()


def test_whatever_is_wrong_with_a_channel_its_words_are_not_repeated(
    office: Callable[..., Office], caplog: pytest.LogCaptureFixture
) -> None:
    o = office()

    def burst() -> None:
        raise RuntimeError("https://hooks.example.com/secret-token")

    o.found, box(o).before = [finding()], burst
    o.tick(o.worker())
    with o.database.reading() as unit:
        errors = unit.alerts.recent(NOW - MINUTE)["error"].tolist()
    assert errors == ["The channel failed in a way nobody foresaw."]
    assert "secret-token" not in caplog.text


def test_what_goes_wrong_with_looking_does_not_reach_the_collector(
    office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    o = office()
    monkeypatch.setattr(looking.attention, "read", lambda *_: 1 / 0)
    o.tick(o.worker())
    assert states(o) == []


def test_a_collector_that_lost_its_lease_writes_no_alert(office: Callable[..., Office]) -> None:
    o = office()
    o.found = [finding()]
    worker = o.worker()

    def lost(_unit: object) -> None:
        raise Lost("Another process records the starts now.")

    worker._hold = lost
    with pytest.raises(Lost):
        o.tick(worker)
    assert (states(o), box(o).got) == ([], [])


def test_without_a_channel_nobody_looks(office: Callable[..., Office], monkeypatch: pytest.MonkeyPatch) -> None:
    o = office()
    o.channels = ()
    monkeypatch.setattr(looking.attention, "read", lambda *_: pytest.fail("looked"))
    o.tick(o.worker())


def test_old_alerts_are_forgotten_but_not_those_of_findings_that_last(office: Callable[..., Office]) -> None:
    o = office()
    worker = o.worker()
    o.found = [finding("node/east/n1")]
    o.tick(worker)
    o.found = [finding("node/east/n1"), finding("node/east/n2")]
    o.tick(worker, NOW + MINUTE)
    o.found = [finding("node/east/n1")]
    for minute in range(2, 15):
        o.tick(worker, NOW + minute * MINUTE)
    o.tick(worker, NOW + timedelta(days=91))
    with o.database.reading() as unit:
        assert unit.alerts.recent(NOW - MINUTE)["finding"].tolist() == ["node/east/n1"]
    o.tick(o.worker(), NOW + timedelta(days=91, minutes=1))
    assert len(box(o).got) == 2


def test_the_list_keeps_to_the_time_range_and_the_cluster(office: Callable[..., Office]) -> None:
    o = office()
    o.found = [finding(), finding("node/west/n9", cluster="west")]
    o.tick(o.worker())
    listed = read.recent(o.sources, Scope(cluster="west")).value
    assert listed is not None
    assert listed["cluster"].tolist() == ["west"]
    o.clock.at = NOW + timedelta(hours=2)
    late = read.recent(o.sources, Scope(range="1h")).value
    assert late is not None
    assert late.empty
