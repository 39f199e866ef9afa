"""Recorded starts for tests: phases laid end to end by hand, kept in a database of their own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from db import migrate
from db.work import Database
from services.domain.startup import Confidence, Outcome, Phase, Pull, Pulled, Span, Start
from services.domain.startup.frame import StartRecord, record
from services.domain.startup.trace import ContainerSeen, EventSeen, NodeSeen, Trace
from tests.conftest import NOW

IMAGE = "reg.example/vllm:1"


def start(
    uid: str,
    minutes_ago: float,
    phases: Mapping[Phase, float],
    *,
    namespace: str = "web",
    workload: str = "chat",
    team: str = "product",
    pod: str = "",
    pool: str = "h100",
    node: str = "a",
    instance: str = "p5.48xlarge",
    image: str = IMAGE,
    how: Pulled = Pulled.CACHED,
    size: int | None = None,
    outcome: Outcome = Outcome.READY,
    cold: bool | None = False,
    headroom: bool | None = False,
    usd: float | None = 1.0,
    flags: Sequence[str] = (),
    reason: str = "",
    events: Sequence[EventSeen] = (),
    beside: Sequence[Span] = (),
    confidence: Confidence = Confidence.EXACT,
) -> StartRecord:
    """One start of one pod with one container, created so many minutes before NOW."""
    created = NOW - timedelta(minutes=minutes_ago)
    at, spans = created, []
    for phase, seconds in phases.items():
        end = at + timedelta(seconds=seconds)
        spans.append(Span(phase, at, end, f"evidence of {phase}", confidence, "main", f"note of {phase}"))
        at = end
    seconds = phases.get(Phase.PULL) if how is Pulled.PULLED else None
    made = Start(
        created, at, outcome, tuple(spans), tuple(beside), (Pull("main", image, how, at, seconds, 0.0, size),), cold,
        created if pool else None, at, flags=frozenset(flags), reason=reason,
    )  # fmt: skip
    seen = NodeSeen(node, pool=pool, zone="z1", model="H100 80GB HBM3", instance=instance, capacity_type="on-demand")
    trace = Trace(
        "tiny", namespace, pod or f"{workload}-{uid}", uid, created, created, workload_kind="Deployment",
        workload=workload, team=team, resource="nvidia.com/gpu", gpus=1.0,
        containers=(ContainerSeen("main", "main", image),), node=seen if pool else None, events=tuple(events),
    )  # fmt: skip
    return record(trace, made, headroom=headroom, usd=usd, usd_per_hour=None if usd is None else 6.88)


def event(
    uid_created_minutes_ago: float, after_s: float, reason: str, message: str, component: str = "kubelet"
) -> EventSeen:
    """An event so many seconds after the creation of a start of that age."""
    at = NOW - timedelta(minutes=uid_created_minutes_ago) + timedelta(seconds=after_s)
    return EventSeen(component, reason, "main", at, at, message=message)


@contextmanager
def kept(folder: Path, records: Sequence[StartRecord], cluster: str = "tiny") -> Iterator[Database]:
    """A database in which these starts are recorded."""
    database = Database(f"sqlite:///{folder / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    try:
        add(database, records, cluster)
        yield database
    finally:
        database.close()


def add(database: Database, records: Sequence[StartRecord], cluster: str = "tiny") -> None:
    """Record more."""
    with database() as unit:
        unit.starts.save(cluster, records, NOW)
        unit.commit()


def alive(database: Database, at: datetime = NOW, cluster: str = "tiny", **mark: object) -> None:
    """Leave the mark of a collector that looked at a cluster."""
    with database() as unit:
        unit.starts.set_mark(cluster, "alive", {"at": at.isoformat(), "since": at.isoformat(), **mark}, at)
        unit.commit()
