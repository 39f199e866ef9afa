"""A cluster whose stores tests fill by hand or from a recorded timeline, and a collector beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from db.work import Database
from services.domain.objects import Obj
from services.domain.startup.frame import StartRecord
from services.jobs.loop import Collector
from services.jobs.record import Recorder
from services.ports import ClusterSource, Snapshot, Sources, StoreState
from tests.conftest import Inline
from tests.fakes import Clock
from tests.replays import CLUSTER, Line, load

KEEP = timedelta(days=400)


@dataclass
class Shown:
    """A watched cluster: each kind in the state a test says, READY by default; objects by kind and uid or name."""

    states: dict[str, StoreState] = field(default_factory=dict)
    scope: tuple[str, ...] = ()
    message: str = ""
    objects: dict[str, dict[str, Obj]] = field(default_factory=dict)
    version: int = 1
    asked: list[str] = field(default_factory=list)

    def put(self, kind: str, *objects: Obj) -> None:
        for one in objects:
            self.objects.setdefault(kind, {})[one.metadata.uid or one.metadata.name] = one
        self.version += 1

    def remove(self, kind: str, uid: str) -> None:
        del self.objects[kind][uid]
        self.version += 1

    def apply(self, line: Line) -> None:
        self.version += 1
        if line.type == "DELETED":
            self.objects[line.kind].pop(line.uid, None)
        else:
            self.objects.setdefault(line.kind, {})[line.uid] = line.object

    def snapshot(self, kind: str) -> Snapshot:
        state = self.states.get(kind, StoreState.READY)
        known = state in (StoreState.READY, StoreState.FAILED)
        objects = tuple(self.objects.get(kind, {}).values()) if known else ()
        return Snapshot(
            kind, objects, self.version, state, datetime.max if known else None, message=self.message, scope=self.scope
        )


def source(cluster: Any, name: str = CLUSTER) -> ClusterSource:
    return ClusterSource(name, cluster, None)


def recorder(cluster: Any, **how: Any) -> Recorder:
    return Recorder(source(cluster), team_label="team", **how)


@dataclass
class Recording:
    """A recorder and what it has said is to be written, as a database would keep it."""

    recorder: Recorder
    rows: dict[str, StartRecord] = field(default_factory=dict)
    traces: dict[str, bytes] = field(default_factory=dict)
    nodes: dict[str, bytes] = field(default_factory=dict)

    def look(self, at: datetime) -> bool:
        looked = self.recorder.look(at)
        self.write(at)
        return looked

    def write(self, at: datetime) -> None:
        more = True
        while more:
            batch = self.recorder.batch(at)
            self.rows.update({one.uid: one for one in batch.records})
            self.traces.update(batch.traces)
            self.nodes.update(batch.nodes)
            for uid in batch.over:
                self.traces.pop(uid, None)
            for name in batch.nodes_gone:
                self.nodes.pop(name, None)
            self.recorder.written(batch)
            more = batch.more


def played(name: str) -> Iterator[tuple[datetime, Shown]]:
    """A timeline as the stores show it, until five minutes after its last line: every five seconds and when it changes.

    Changes are seen within a second, as a collector sees them.
    """
    lines, cluster, second = list(load(name).lines), Shown(), timedelta(seconds=1)
    first, last = lines[0].at, lines[-1].at + timedelta(minutes=5)
    changes = {line.at.replace(microsecond=0) + (second if line.at.microsecond else timedelta()) for line in lines}
    for at in sorted(changes | {first + place * second for place in range(0, int((last - first) / second), 5)}):
        while lines and lines[0].at <= at:
            cluster.apply(lines.pop(0))
        yield at, cluster


def collector(work: Database, cluster: Any, clock: Callable[[], datetime], **more: Any) -> Collector:
    sources = Sources("live", {CLUSTER: source(cluster)}, clock, Inline(), work=work, **more.pop("sources", {}))
    return Collector(sources, keep=more.pop("keep", KEEP), **more)


def ticks(worker: Collector, clock: Clock, seconds: float, *, step: float = 1.0) -> None:
    """Let it work for so long."""
    worker.tick()
    for _ in range(round(seconds / step)):
        clock.forward(seconds=step)
        worker.tick()
