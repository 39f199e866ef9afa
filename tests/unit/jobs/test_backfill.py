"""Filling in the past: which stretches, in which order, once, and from where it was left."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.work import Database
from services.domain.startup import Confidence, Outcome, Start
from services.domain.startup.frame import record, told
from services.jobs import backfill
from services.jobs.backfill import Backfill, Clock, Stretch, walk
from services.ports import ClusterSource, Sources
from tests.conftest import Inline
from tests.replays import CLUSTER
from tests.unit.jobs.test_record import ready_pod
from tests.unit.jobs.watched import Shown, recorder, source

NOW = datetime(2026, 5, 12, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Past:
    """A cluster that has one pod every six hours, ready after five minutes and gone after one hour, for ever."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.asked: list[datetime] = []

    def snapshot(self, kind: str) -> Any:
        now, shown = self.clock(), Shown()
        shown.version = int(now.timestamp())
        if kind == "pods":
            self.asked.append(now)
            made = now.replace(hour=now.hour // 6 * 6, minute=0, second=0, microsecond=0)
            if now - made < HOUR:
                ready = made + timedelta(minutes=5)
                shown.put("pods", ready_pod(f"{made:%d-%H}", created=made, ready_s=300 if now >= ready else None))
                shown.version = int(now.timestamp())
        return shown.snapshot(kind)


class Estate:
    """Sources whose past can be asked about."""

    def __init__(self, work: Database, now: datetime = NOW) -> None:
        self.work, self.now = work, now
        self.worlds: list[Past] = []
        self.sources = Sources(
            "demo", {CLUSTER: source(Shown())}, lambda: self.now, Inline(), work=work, past=self._past
        )

    def _past(self, clock: Callable[[], datetime]) -> Mapping[str, ClusterSource]:
        self.worlds.append(Past(clock))
        return {CLUSTER: source(self.worlds[-1])}

    def backfill(self, **how: Any) -> Backfill:
        found = Backfill(self.sources, self.work, lambda _unit: None, **{"days": 2, **how})
        found.plan(self.now)
        return found

    def mark(self) -> Any:
        with self.work() as unit:
            return unit.starts.mark(CLUSTER, "backfill")

    def alive(self, at: datetime) -> None:
        with self.work() as unit:
            unit.starts.set_mark(CLUSTER, "alive", {"at": at.isoformat(), "since": at.isoformat()}, at)
            unit.commit()

    def recorded(self) -> list[str]:
        with self.work() as unit:
            return list(unit.starts.window(NOW - timedelta(days=9), NOW + timedelta(days=9))["pod"])


@pytest.fixture
def estate(work: Database) -> Estate:
    return Estate(work)


def finish(one: Backfill) -> None:
    while one.step():
        pass


def test_the_newest_day_comes_first_and_each_is_lived_through_forward(estate: Estate) -> None:
    one = estate.backfill()
    assert estate.mark() == {
        "done": 0,
        "of": 3,
        "todo": [
            ["2026-05-10T12:30:00+00:00", "2026-05-11T00:00:00+00:00"],
            ["2026-05-11T00:00:00+00:00", "2026-05-12T00:00:00+00:00"],
            ["2026-05-12T00:00:00+00:00", "2026-05-12T12:30:00+00:00"],
        ],
    }
    finish(one)
    (world,) = estate.worlds
    begins = [
        at for before, at in zip([None, *world.asked], world.asked, strict=False) if before is None or at < before
    ]
    assert begins == [
        datetime(2026, 5, 11, 23, tzinfo=UTC),
        datetime(2026, 5, 10, 23, tzinfo=UTC),
        datetime(2026, 5, 10, 11, 30, tzinfo=UTC),
    ], "an hour ahead of each"
    assert max(world.asked) == NOW
    assert estate.mark()["done"] == 3


def test_every_start_of_the_past_is_recorded_once(estate: Estate) -> None:
    finish(estate.backfill())
    assert estate.recorded() == ["10-18", "11-00", "11-06", "11-12", "11-18", "12-00", "12-06", "12-12"]
    with estate.work() as unit:
        frame = unit.starts.window(NOW - timedelta(days=9), NOW)
    assert set(frame["outcome"]) == {"ready"}
    assert set(frame["total_s"]) == {300.0}
    assert set(frame["flags"]) == {"no_events"}, "none is late: the walk began before it"


def test_it_looks_closely_while_a_pod_starts_on_its_node(estate: Estate) -> None:
    finish(estate.backfill(days=1))
    (world,) = estate.worlds
    near = [at for at in dict.fromkeys(world.asked) if at.day == 12 and at.hour == 6 and at.minute <= 25]
    assert [at.minute for at in near] == [0, 1, 2, 3, 4, 5, 10, 20], "at five it was ready"
    assert all(at.minute % 10 == 0 for at in world.asked if at.day == 12 and 2 <= at.hour < 6)


def test_a_large_cluster_is_looked_at_in_large_steps_only(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "MOST_CLOSELY", 0)
    finish(estate.backfill(days=1))
    (world,) = estate.worlds
    assert {at.minute % 10 for at in world.asked} == {0}


def test_a_restart_goes_on_with_what_is_left(estate: Estate) -> None:
    one = estate.backfill()
    while estate.mark()["done"] < 1:
        one.step()
    again = Estate(estate.work)
    finish(again.backfill())
    (world,) = again.worlds
    assert max(world.asked) < datetime(2026, 5, 12, 3, tzinfo=UTC), "today is done"
    assert again.mark() == {"done": 3, "of": 3, "todo": []}
    assert len(again.recorded()) == 8


def test_what_is_done_is_not_done_again(estate: Estate) -> None:
    finish(estate.backfill())
    again = Estate(estate.work)
    assert not again.backfill().step()
    assert again.worlds == []


def test_time_in_which_nobody_recorded_is_filled_in_later(estate: Estate) -> None:
    finish(estate.backfill())
    estate.alive(NOW)
    again = Estate(estate.work, NOW + timedelta(hours=20))
    finish(again.backfill())
    assert again.mark() == {"done": 5, "of": 5, "todo": []}
    assert again.recorded()[-3:] == ["12-18", "13-00", "13-06"]
    assert min(again.worlds[0].asked) == NOW - timedelta(hours=3), "two hours overlap, and an hour ahead"


def test_a_short_break_needs_no_filling_in(estate: Estate) -> None:
    finish(estate.backfill())
    estate.alive(NOW)
    again = Estate(estate.work, NOW + timedelta(minutes=1))
    assert not again.backfill().step()


def test_what_a_recorder_watched_stays_and_what_it_found_late_is_replaced(estate: Estate) -> None:
    """Two pods of today: one was watched and said to take 301 s, of the other only its conditions were left."""
    at = datetime(2026, 5, 12, 6, tzinfo=UTC)
    cluster = Shown()
    cluster.put("pods", ready_pod("12-06", created=at, ready_s=301), ready_pod("12-00", created=at - 6 * HOUR))
    one = recorder(cluster)
    one.look(at)
    with estate.work() as unit:
        unit.starts.save(CLUSTER, one.batch(at + timedelta(minutes=10)).records, at)
        unit.commit()
    finish(estate.backfill())
    with estate.work() as unit:
        kept = {uid: unit.starts.row(CLUSTER, f"uid-{uid}").iloc[0] for uid in ("12-00", "12-06")}
    assert kept["12-00"]["total_s"] == 300.0
    assert "late" not in kept["12-00"]["flags"]


def test_a_source_without_a_past_is_left_alone(estate: Estate) -> None:
    sources = Sources("live", estate.sources.clusters, lambda: NOW, Inline(), work=estate.work)
    one = Backfill(sources, estate.work, lambda _unit: None)
    one.plan(NOW)
    assert not one.step()
    assert estate.mark() is None


def test_it_stops_when_it_may_not_write_any_more(estate: Estate) -> None:
    class Over(Exception):
        pass

    allowed = [True]

    def hold(_unit: Any) -> None:
        if not allowed[0]:
            raise Over

    one = Backfill(estate.sources, estate.work, hold, days=1)
    one.plan(NOW)
    allowed[0] = False
    with pytest.raises(Over):
        finish(one)
    assert estate.recorded() == []


def test_a_start_that_is_not_over_is_recorded_as_it_was_seen_last(work: Database) -> None:
    begin = NOW - 12 * HOUR
    shown = Shown()
    shown.put("pods", ready_pod(created=begin + HOUR, ready_s=None))
    clock = Clock(NOW)
    stretch = Stretch(CLUSTER, begin, begin + 3 * HOUR)
    looks = list(walk(source(shown), clock, stretch, until=NOW, team_label="team"))
    assert [one for records in looks[:-1] for one in records] == []
    (row,) = looks[-1]
    assert (row.outcome, row.ended_at) == (Outcome.STARTING, NOW)


def test_a_start_is_followed_beyond_its_day_until_it_is_over(work: Database) -> None:
    class Slow(Past):
        """A pod that is ready after 20 hours."""

        def snapshot(self, kind: str) -> Any:
            now, shown = self.clock(), Shown()
            shown.version = int(now.timestamp())
            if kind == "pods" and now >= begin + HOUR:
                over = now >= begin + 21 * HOUR
                shown.put("pods", ready_pod(created=begin + HOUR, ready_s=72_000 if over else None))
            return shown.snapshot(kind)

    begin = NOW - timedelta(days=2)
    clock = Clock(NOW)
    looks = list(walk(source(Slow(clock)), clock, Stretch(CLUSTER, begin, begin + 3 * HOUR), until=NOW, team_label=""))
    (row,) = [one for records in looks for one in records]
    assert (row.outcome, row.total_s) == (Outcome.READY, 72_000.0)
    assert clock.at < begin + 22 * HOUR, "and no longer"


class Stuck(Past):
    """A pod created an hour in that is not ready for days; then it is, if it ever is, and in the end it is gone."""

    begin, later, gone = NOW - timedelta(days=20), timedelta(days=9), timedelta(days=11, hours=1)
    becomes_ready = False

    def snapshot(self, kind: str) -> Any:
        now, shown = self.clock(), Shown()
        shown.version = int(now.timestamp())
        age = now - self.begin - HOUR
        if kind == "pods" and timedelta(0) <= age < self.gone:
            ready = self.becomes_ready and age >= self.later
            shown.put("pods", ready_pod(created=self.begin + HOUR, ready_s=777_600 if ready else None))
            shown.version = int(now.timestamp())
        return shown.snapshot(kind)


@pytest.mark.parametrize(
    ("becomes_ready", "expected"),
    [
        (False, (Outcome.GONE, 954_000.0)),  # eleven days and an hour
        (True, (Outcome.READY, 777_600.0)),  # nine days
    ],
)
def test_a_start_that_takes_days_is_followed_to_its_end(becomes_ready: bool, expected: tuple[Outcome, float]) -> None:
    clock = Clock(NOW)
    world = Stuck(clock)
    world.becomes_ready = becomes_ready
    begin = world.begin
    looks = list(walk(source(world), clock, Stretch(CLUSTER, begin, begin + 3 * HOUR), until=NOW, team_label=""))
    (row,) = [one for records in looks for one in records]
    assert (row.outcome, row.total_s) == expected
    last = told(row.detail)[1][-1]
    assert becomes_ready or last.confidence is Confidence.ESTIMATED, "that it went is seen, not stated"
    assert clock.at < begin + timedelta(days=13), "and no longer"


def test_what_is_not_ready_at_present_is_under_way() -> None:
    clock = Clock(NOW)
    world = Stuck(clock)
    world.gone = timedelta(days=99)
    begin = world.begin
    looks = list(walk(source(world), clock, Stretch(CLUSTER, begin, begin + 3 * HOUR), until=NOW, team_label=""))
    (row,) = [one for records in looks for one in records]
    assert (row.outcome, row.ended_at) == (Outcome.STARTING, NOW)
    assert len({at for at in world.asked if at > begin + timedelta(days=4)}) < 20, "in steps of a day"


def test_a_row_under_way_never_takes_the_place_of_any(estate: Estate) -> None:
    """The present knows more of a start that is still under way than the past does."""
    shown = Shown()
    shown.put("pods", ready_pod("12-06", created=datetime(2026, 5, 12, 6, tzinfo=UTC), ready_s=None))
    one = recorder(shown)
    one.look(NOW)
    (told,) = one.told(NOW)
    present = record(told.trace, told.start)
    seen = Start(told.start.created, told.start.created + HOUR, Outcome.STARTING, ())
    with estate.work() as unit:
        unit.starts.save(CLUSTER, [present], NOW)
        assert list(backfill._news(unit, CLUSTER, [record(told.trace, seen)])) == []
