"""The demo knows what every second of every start went to; what is recorded of it from outside must say the same."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db import migrate
from db.work import Database
from services import demo
from services.demo import starts as truth
from services.demo.moment import Moment
from services.demo.reaction import seen
from services.demo.starts import Step
from services.demo.world import Site, World
from services.domain.cost import MICRO
from services.domain.startup import Confidence, Outcome, Phase
from services.domain.startup.frame import StartRecord, told
from services.jobs.backfill import LEAD_OUT, STEP, Clock, Stretch, walk
from services.jobs.feed import WATCHED
from services.jobs.loop import LOOK_EVERY, Collector
from services.jobs.record import Recorder
from services.ports import ClusterSource, Snapshot, Sources
from tests import costoracle
from tests.conftest import Inline

DAY = datetime(2026, 6, 2, tzinfo=UTC)
BUSY_H = 8
"""From this hour on many pods start, on nodes that come for them and behind gates."""
WITHIN_S = 1.0
"""Times of the API have whole seconds, durations of pulls do not."""
_CLAIMED = (Confidence.EXACT, Confidence.DERIVED)
True_ = list[Step]


def sites(clock: Clock) -> Mapping[str, ClusterSource]:
    return demo.build(clock=clock, pool=Inline())


def site_of(source: ClusterSource) -> Site:
    found: Site = source.cluster._site  # type: ignore[attr-defined]
    return found


def known(site: Site, begin: datetime, end: datetime) -> dict[str, True_]:
    """The starts of pods created in [begin, end) that got a node, by uid."""
    first, last = int(begin.timestamp()), int(end.timestamp())
    found = truth.told(site, first, last + int(LEAD_OUT.total_seconds()))
    return {uid: steps for uid, steps in found.items() if steps and first <= steps[0][1] < last}


def seconds(steps: Iterable[Step]) -> Counter[Phase]:
    found: Counter[Phase] = Counter()
    for phase, begin, end in steps:
        found[phase] += end - begin
    return found


def differences(row: StartRecord, steps: True_) -> dict[Phase, tuple[int, float]]:
    """Phases of which the record says another number of seconds than is true; one that came twice may err twice."""
    true, times = seconds(steps), Counter(phase for phase, _, _ in steps)
    often = max(times[Phase.PULL], 1)  # a container starts once its image is pulled
    return {
        phase: (true[phase], row.seconds.get(phase, 0.0))
        for phase in Phase
        if abs(true[phase] - row.seconds.get(phase, 0.0)) > WITHIN_S * often
    }


def untrue(row: StartRecord, steps: True_) -> list[str]:
    """Claims of the record that do not hold: spans with both ends known during which something else was done.

    An end that is called estimated is no claim, nor is the beginning of what follows; what is unattributed is none.
    """
    found, sure = [], True
    for span in told(row.detail)[1]:
        claimed = sure and span.confidence in _CLAIMED
        sure = span.confidence in _CLAIMED or span.confidence is Confidence.MISSING
        begin, end = span.begin.timestamp(), span.end.timestamp()
        inside = sum(
            max(0.0, min(end, last) - max(begin, first)) for phase, first, last in steps if phase is span.phase
        )
        if claimed and end - begin - inside > 2 * WITHIN_S:
            found.append(f"{row.workload}: {span.phase} {span.seconds:g} s, of which {inside:g} s are true")
    return found


@dataclass
class Verdict:
    """How a set of starts was recorded."""

    true: int = 0
    equal: int = 0
    differ: list[tuple[str, dict[Phase, tuple[int, float]]]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)

    def judge(self, rows: Mapping[str, StartRecord], starts: Mapping[str, True_]) -> None:
        for uid, steps in starts.items():
            self.true += 1
            row = rows.get(uid)
            if row is None:
                self.missing.append(uid)
                continue
            found = differences(row, steps)
            if found:
                self.differ.append((row.workload, found))
            self.equal += not found
            self.untrue += untrue(row, steps)
            assert sum(row.seconds.values()) == pytest.approx(row.total_s)
            assert abs(row.total_s - (steps[-1][2] - steps[0][1])) <= WITHIN_S or row.outcome is not Outcome.READY

    def __str__(self) -> str:
        return f"{self.equal} of {self.true} equal; {self.differ}; missing {self.missing}; untrue {self.untrue}"


def close_to_true(verdict: Verdict) -> None:
    """Nothing is missing or untrue, 99 % is equal, and what is not equal says that something is unattributed."""
    assert (verdict.missing, verdict.untrue) == ([], []), str(verdict)
    assert verdict.equal >= 0.99 * verdict.true, str(verdict)
    assert all(Phase.UNATTRIBUTED in phases for _, phases in verdict.differ), str(verdict)


def test_two_days_walked_in_large_steps_are_recorded_as_they_were() -> None:
    """As the past is filled in."""
    clock, verdict, days = Clock(DAY), Verdict(), 2
    for name, source in sites(clock).items():
        rows: dict[str, StartRecord] = {}
        for day in range(days):
            begin = DAY + timedelta(days=day)
            stretch = Stretch(name, begin, begin + timedelta(days=1))
            for found in walk(source, clock, stretch, until=DAY + timedelta(days=9), team_label="team", step=STEP):
                rows |= {one.uid: one for one in found}
        verdict.judge(rows, known(site_of(source), DAY, DAY + timedelta(days=days)))
    assert verdict.true > 250
    close_to_true(verdict)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(made.engine)
    yield made
    made.close()


def recorded(work: Database, cluster: str) -> dict[str, StartRecord]:
    """What a collector has written of starts that are over."""
    with work() as unit:
        rows = unit.starts.window(DAY, DAY + timedelta(days=2))
        mine = rows[rows["cluster"].eq(cluster) & rows["outcome"].ne(Outcome.STARTING)]
        return {
            row["uid"]: StartRecord(
                **{name: row[name] for name in ("uid", "namespace", "pod", "workload", "created_at", "ended_at")},
                outcome=Outcome(row["outcome"]),
                total_s=row["total_s"],
                seconds={phase: row[f"{phase}_s"] for phase in Phase},
                detail=unit.starts.detail(cluster, row["uid"]),
            )
            for row in mine.to_dict("records")
        }


def test_hours_of_an_ordinary_collector_are_recorded_as_they_were(work: Database) -> None:
    """As a collector records a cluster through its ordinary ports. Nothing is asked of the past."""
    clock, verdict, hours = Clock(DAY + timedelta(hours=BUSY_H)), Verdict(), timedelta(hours=6)
    clusters = sites(clock)
    worker = Collector(Sources("demo", clusters, clock, Inline(), work=work), keep=timedelta(days=30))
    begin, end = clock.at + LOOK_EVERY, clock.at + hours
    while clock.at <= end:
        worker.tick()
        clock.at += LOOK_EVERY
    worker.close()
    had: Counter[Phase] = Counter()
    for name, source in clusters.items():
        over = {
            uid: steps
            for uid, steps in known(site_of(source), begin, end).items()
            if steps[-1][2] < end.timestamp() - 120 and steps[0][1] >= begin.timestamp()
        }
        verdict.judge(recorded(work, name), over)
        had.update(phase for steps in over.values() for phase in {phase for phase, _, _ in steps})
    print(verdict, had)
    assert verdict.true >= 30
    assert had.keys() >= {Phase.QUEUE, Phase.DEVICE, Phase.PULL, Phase.INIT, Phase.RETRY, Phase.LOAD}, str(had)
    close_to_true(verdict)
    cost_what_they_cost(work, clock.at)


def cost_what_they_cost(work: Database, now: datetime) -> None:
    """The whole hours that were metered look by look: every workload within a thousandth, nodes to the second."""
    world = World()
    with work.reading() as unit:
        owners = unit.costs.owners()
        for name, true in costoracle.clusters(world, DAY, now).items():
            extent = unit.costs.extent(name)
            assert true > 0
            assert extent is not None
            begin, end = extent[0], extent[1] + timedelta(hours=1)
            assert end - begin >= timedelta(hours=4)
            facts = unit.costs.hours(begin, end, (name,)).merge(owners.drop(columns="cluster"), on="owner", how="left")
            node_money = unit.costs.controls(begin, end, (name,))["micro"].sum() / MICRO
            assert node_money == pytest.approx(costoracle.clusters(world, begin, end)[name], rel=1e-3)
            held = facts[facts["kind"].eq("held")].groupby(["namespace", "workload"])["micro"].sum() / MICRO
            known = costoracle.workloads(world, begin, end)
            known = known[known["cluster"].eq(name) & known["kind"].eq("held")]
            truth = known.set_index(["namespace", "workload"])["usd"]
            assert held.to_dict() == pytest.approx(truth.to_dict(), rel=1e-3, abs=0.001)


class Close:
    """A cluster of the demo as it is at every second, of the kinds that are watched closely."""

    def __init__(self, source: ClusterSource, clock: Clock) -> None:
        self._whole, self._clock, self._site = source.cluster, clock, site_of(source)
        self._moment: Moment | None = None
        self._taken: dict[str, Snapshot] = {}

    def snapshot(self, kind: str) -> Snapshot:
        if kind not in WATCHED:
            return self._whole.snapshot(kind)
        now = int(self._clock().timestamp())
        if self._moment is None or self._moment.now != now:
            self._moment, self._taken = Moment(seen(self._site, now), now), {}
        if kind not in self._taken:
            self._taken[kind] = self._whole._taken(kind, self._moment, now)  # type: ignore[attr-defined]
        return self._taken[kind]


def chosen(starts: Mapping[str, True_], *, every: int) -> Iterator[tuple[str, True_]]:
    """Some of the starts, all kinds of them: every so manieth, and as many for which a node came."""
    ordered = sorted(starts.items(), key=lambda one: one[1][0][1])
    cold = [one for one in ordered if any(phase is Phase.BOOT for phase, _, _ in one[1])]
    some = {**dict(ordered[::every]), **dict(cold[:: every // 2])}.items()
    yield from (one for one in some if one[1][-1][2] - one[1][0][1] < 900)


def test_starts_watched_closely_are_recorded_to_the_second() -> None:
    """As a collector watches a cluster. Takes half a minute: the demo is asked what it is like every second."""
    clock, verdict = Clock(DAY), Verdict()
    for name, source in sites(clock).items():
        starts = known(site_of(source), DAY, DAY + timedelta(days=1))
        for uid, steps in chosen(starts, every=16):
            begin = datetime.fromtimestamp(steps[0][1], UTC)
            watched = Recorder(
                ClusterSource(name, Close(source, clock), None),  # type: ignore[arg-type]
                team_label="team",
                begin=begin,
                end=begin + LOOK_EVERY,
            )
            clock.at, last = begin - 3 * LOOK_EVERY, datetime.fromtimestamp(steps[-1][2], UTC) + 3 * LOOK_EVERY
            rows: dict[str, StartRecord] = {}
            while clock.at <= last:
                watched.look(clock.at)
                batch = watched.batch(clock.at)
                watched.written(batch)
                rows |= {one.uid: one for one in batch.records}
                clock.at += LOOK_EVERY
            verdict.judge(rows, {uid: steps})
    print(verdict)
    assert verdict.true >= 14
    assert (verdict.missing, verdict.untrue) == ([], []), str(verdict)
    unattributed = [phases for _, phases in verdict.differ if Phase.UNATTRIBUTED in phases]
    assert verdict.equal + len(unattributed) == verdict.true, str(verdict)
    assert verdict.equal >= 0.9 * verdict.true, str(verdict)
