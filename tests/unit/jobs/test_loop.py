"""The collector: one of several works, nothing is lost while the database is away, old starts go."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.work import Database
from services.domain.startup import Outcome
from services.errors import SourceUnavailable
from services.jobs import loop
from services.jobs.loop import Collector
from services.jobs.tenure import LASTS, LEASE
from services.ports import StoreState
from tests.fakes import Clock
from tests.replays import CLUSTER
from tests.unit.jobs.test_record import ready_pod
from tests.unit.jobs.watched import Shown, collector, ticks

NOW = datetime(2026, 5, 12, 12, 0, tzinfo=UTC)
AWAY = SourceUnavailable("database", "The database does not answer.")


class Fickle:
    """A database that can be away."""

    def __init__(self, inner: Database) -> None:
        self.inner, self.away = inner, False

    def __call__(self) -> Any:
        if self.away:
            raise AWAY
        return self.inner()

    def reading(self) -> Any:
        if self.away:
            raise AWAY
        return self.inner.reading()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


def rows(work: Database) -> dict[str, tuple[str, float]]:
    with work() as unit:
        frame = unit.starts.window(NOW - timedelta(days=500), NOW + timedelta(days=1))
    return {uid: (out, total) for uid, out, total in zip(frame["uid"], frame["outcome"], frame["total_s"], strict=True)}


def mark(work: Database, name: str = "alive") -> Any:
    with work() as unit:
        return unit.starts.mark(CLUSTER, name)


def test_a_start_is_recorded_within_seconds_and_when_was_looked_is_noted(work: Database, clock: Clock) -> None:
    cluster = Shown()
    one = collector(work, cluster, clock)
    ticks(one, clock, 3)
    cluster.put("pods", ready_pod(created=NOW, ready_s=2))
    ticks(one, clock, 6)
    assert rows(work) == {"uid-p": ("ready", 2.0)}
    noted = mark(work)
    assert noted["since"] == NOW.isoformat()
    assert clock.at - datetime.fromisoformat(noted["at"]) <= timedelta(seconds=10)


def test_a_cluster_that_cannot_be_read_is_not_noted_as_looked_at(work: Database, clock: Clock) -> None:
    cluster = Shown(states={"pods": StoreState.FAILED})
    one = collector(work, cluster, clock)
    ticks(one, clock, 30)
    assert mark(work) is None
    cluster.states.clear()
    ticks(one, clock, 12)
    assert mark(work) is not None


def test_one_collector_works_and_another_waits_for_its_turn(work: Database, clock: Clock) -> None:
    cluster = Shown()
    first, second = collector(work, cluster, clock, holder="a"), collector(work, cluster, clock, holder="b")
    first.tick()
    second.tick()
    assert (first.works, second.works) == (True, False)
    clock.forward(seconds=20)
    first.tick()
    clock.forward(seconds=20)
    second.tick()
    assert not second.works, "the first has prolonged it"
    clock.forward(seconds=LASTS.total_seconds())
    second.tick()
    assert second.works, "the first did nothing for longer than the lease lasts"
    first.tick()
    assert not first.works
    assert holder(work) == "b"


def holder(work: Database) -> str | None:
    with work() as unit:
        held = unit.leases.holder(LEASE)
    return None if held is None else held[0]


def test_who_slept_through_the_end_of_its_lease_writes_nothing(work: Database, clock: Clock) -> None:
    cluster = Shown()
    sleeper, other = collector(work, cluster, clock, holder="a"), collector(work, cluster, clock, holder="b")
    ticks(sleeper, clock, 2)
    cluster.put("pods", ready_pod(created=NOW, ready_s=2))
    sleeper._recorders[0].look(clock.at)
    clock.forward(minutes=5)
    cluster.remove("pods", "uid-p")
    other.tick()
    other.close()
    assert holder(work) is None, "it is free again, and still not the sleeper's"
    assert rows(work) == {}
    sleeper.tick()
    assert not sleeper.works
    assert rows(work) == {}


def test_a_collector_that_ends_lets_another_work_at_once(work: Database, clock: Clock) -> None:
    cluster = Shown()
    first, second = collector(work, cluster, clock, holder="a"), collector(work, cluster, clock, holder="b")
    ticks(first, clock, 2)
    cluster.put("pods", ready_pod(created=NOW, ready_s=None))
    clock.forward(seconds=1)
    first._recorders[0].look(clock.at)
    first.close()
    assert rows(work) == {"uid-p": ("starting", 3.0)}, "what it saw last is written"
    cluster.put("pods", ready_pod(created=NOW, ready_s=4))
    clock.forward(seconds=2)
    ticks(second, clock, 1)
    assert rows(work) == {"uid-p": ("ready", 4.0)}
    assert mark(work)["since"] == NOW.isoformat(), "nobody missed anything"


def test_a_collector_that_comes_late_says_since_when_it_watches(work: Database, clock: Clock) -> None:
    cluster = Shown()
    first = collector(work, cluster, clock, holder="a")
    ticks(first, clock, 2)
    first.close()
    later = clock.forward(minutes=10)
    ticks(collector(work, cluster, clock, holder="b"), clock, 1)
    assert mark(work)["since"] == later.isoformat()


def test_while_the_database_is_away_it_goes_on_looking(
    work: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=loop.__name__)
    fickle, cluster = Fickle(work), Shown()
    one = collector(fickle, cluster, clock)  # type: ignore[arg-type]
    ticks(one, clock, 6)
    fickle.away = True
    cluster.put("pods", ready_pod(created=clock.at, ready_s=None))
    begun = clock.at
    ticks(one, clock, 20)
    cluster.put("pods", ready_pod(created=begun, ready_s=21))
    ticks(one, clock, 30)
    cluster.remove("pods", "uid-p")
    ticks(one, clock, 300)
    assert rows(work) == {}
    fickle.away = False
    ticks(one, clock, 8)
    assert rows(work) == {"uid-p": ("ready", 21.0)}
    lines = [line for line in caplog.messages if "database" in line]
    assert lines == [
        "The database does not answer. Starts are remembered until it is back.",
        "the database is back; starts are written again",
    ]


def test_it_begins_when_the_database_comes(work: Database, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    fickle, cluster = Fickle(work), Shown()
    fickle.away = True
    cluster.put("pods", ready_pod(created=NOW, ready_s=2))
    one = collector(fickle, cluster, clock)  # type: ignore[arg-type]
    ticks(one, clock, 10)
    fickle.away = False
    ticks(one, clock, 10)
    assert rows(work) == {"uid-p": ("ready", 2.0)}
    assert caplog.messages == ["The database does not answer. Starts are not recorded until it is back."]


def test_what_waits_for_the_database_is_bounded(
    work: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "KEPT_WITHOUT_DATABASE", 3)
    fickle, cluster = Fickle(work), Shown()
    one = collector(fickle, cluster, clock)  # type: ignore[arg-type]
    ticks(one, clock, 6)
    fickle.away = True
    for number in range(6):
        cluster.put("pods", ready_pod(f"p{number}", created=clock.forward(seconds=1), ready_s=2))
    ticks(one, clock, 30)
    fickle.away = False
    ticks(one, clock, 8)
    assert sorted(rows(work)) == ["uid-p3", "uid-p4", "uid-p5"]
    assert sum("let go" in line for line in caplog.messages) == 1


def test_starts_older_than_is_wanted_go(work: Database, clock: Clock) -> None:
    cluster = Shown()
    ages = {"older": 30, "old": 9.99, "young": 0}
    cluster.put("pods", *(ready_pod(name, created=NOW - timedelta(days=age)) for name, age in ages.items()))
    one = collector(work, cluster, clock, keep=timedelta(days=10))
    ticks(one, clock, 70)
    assert sorted(rows(work)) == ["uid-old", "uid-young"]
    for _ in range(2):
        clock.forward(hours=1)
        ticks(one, clock, 1)
    assert sorted(rows(work)) == ["uid-young"]


def test_a_clock_that_is_set_back_stops_nothing(work: Database, clock: Clock) -> None:
    cluster = Shown()
    one = collector(work, cluster, clock)
    ticks(one, clock, 6)
    clock.forward(hours=-1)
    cluster.put("pods", ready_pod(created=clock.at, ready_s=2))
    ticks(one, clock, 6)
    assert rows(work) == {"uid-p": ("ready", 2.0)}


def test_a_fault_costs_half_a_minute_and_not_the_rest_of_the_day(
    work: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, pauses = collector(work, Shown(), clock), list[float]()

    class Stop:
        def is_set(self) -> bool:
            return len(pauses) == 3

        def wait(self, seconds: float) -> None:
            pauses.append(seconds)

    faults = [ZeroDivisionError("somewhere")]
    tick = one.tick

    def faulty() -> float:
        if faults:
            raise faults.pop()
        return tick()

    monkeypatch.setattr(one, "tick", faulty)
    one.run(Stop())  # type: ignore[arg-type]
    assert pauses[0] == 30.0
    assert pauses[1] < 2.0
    assert "it begins anew in 30 s" in caplog.text


def test_a_start_that_is_over_keeps_what_was_seen_first(work: Database, clock: Clock) -> None:
    """Another collector that finds the pod later does not make the record worse."""
    cluster = Shown()
    first = collector(work, cluster, clock, holder="a")
    ticks(first, clock, 2)
    cluster.put("pods", ready_pod(created=clock.at, ready_s=2))
    ticks(first, clock, 200)
    first.close()
    with work() as unit:
        before = unit.starts.row(CLUSTER, "uid-p")
    clock.forward(hours=3)
    ticks(collector(work, cluster, clock, holder="b"), clock, 10)
    with work() as unit:
        after = unit.starts.row(CLUSTER, "uid-p")
    assert after.equals(before)
    assert before["outcome"].iloc[0] == Outcome.READY


def test_starts_are_recorded_in_a_database() -> None:
    with pytest.raises(ValueError, match="database"):
        collector(None, Shown(), Clock(NOW))  # type: ignore[arg-type]


def test_without_any_cluster_it_still_takes_its_turn(work: Database, clock: Clock) -> None:
    from services.ports import Sources
    from tests.conftest import Inline

    one = Collector(Sources("live", {}, clock, Inline(), work=work), keep=timedelta(days=1), holder="a")
    ticks(one, clock, 3)
    assert holder(work) == "a"
