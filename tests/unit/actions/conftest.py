"""A desk to act at: two clusters of dictionaries, a record in a fresh database, a clock that waits move on."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db import migrate
from db.work import Database
from services.access import ROLES, ActionPolicy, User
from services.actions.base import ACTIONS, Action, Effect, Verdict
from services.actions.engine import Engine
from services.domain.change import patch
from services.domain.change.plan import Draft, Plan, Risk
from services.domain.change.refs import Live, Ref
from services.ports import Policy, Sources, Work
from tests.conftest import Inline
from tests.memory import MemoryCluster, source

START = datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC)
OPERATOR = User(id="op-1", name="Olga", rights=ROLES["operator"], roles=("operator",), via="demo", address="10.0.0.9")
OTHER = User(id="op-2", name="Omar", rights=ROLES["operator"], roles=("operator",), via="demo")
VIEWER = User(id="view-1", name="Vera", rights=ROLES["viewer"], roles=("viewer",), via="demo")
ADMIN = User(id="admin-1", name="Ada", rights=ROLES["admin"], roles=("admin",), via="demo")


@dataclass
class Desk:
    """Everything a test of the engine holds in its hands. ``ticks`` are called with every second that is waited."""

    clusters: dict[str, MemoryCluster]
    database: Database
    policy: ActionPolicy = field(default_factory=ActionPolicy)
    now: datetime = START
    ticks: list[Callable[[], None]] = field(default_factory=list)
    workers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for tick in self.ticks:
            tick()

    def engine(self, work: Work | None = None) -> Engine:
        """A process of its own: another worker on the same record and clusters."""
        sources = Sources(
            mode="demo",
            clusters={name: source(name, cluster) for name, cluster in self.clusters.items()},
            now=lambda: self.now,
            pool=Inline(),
            policy=Policy(actions=self.policy),
            work=work or self.database,
        )
        return Engine(sources, pool=Inline(), worker=f"worker-{next(self.workers)}", wait=self.wait)

    def applied(self, engine: Engine, plan: Plan, user: User = OPERATOR, **more: Any) -> str:
        return engine.apply(
            plan, user, reason="test", rehearsal=engine.rehearse(plan, user), typed=plan.confirm, **more
        )

    def operation(self, id: str) -> Any:
        with self.database() as unit:
            return unit.operations.get(id)

    def kinds(self, id: str) -> list[str]:
        with self.database() as unit:
            return [event.kind for event in unit.operations.events(id)]

    def broken(self) -> Sequence[Any]:
        with self.database() as unit:
            return unit.operations.verify()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    desk = Desk({"east": MemoryCluster(), "west": MemoryCluster()}, database)
    for cluster, memory in desk.clusters.items():
        for number in (1, 2, 3):
            memory.put(node(cluster, f"n{number}"), {"metadata": {"labels": {"layout": "whole"}}, "spec": {}})
    yield desk
    database.close()


def node(cluster: str, name: str) -> Ref:
    return Ref.of(cluster, "Node", name)


@dataclass(frozen=True)
class Relabel:
    nodes: tuple[str, ...]
    layout: str
    cluster: str = "east"
    drain: bool = False
    marker: str = ""
    compensate: bool = False
    seconds: float = 60.0


class RelabelNodes(Action[Relabel]):
    """Node by node: cordon, drain, set a label, wait until the node shows it, uncordon. An action for tests."""

    name, title, risk, params = "relabel-nodes", "Relabel", Risk.MEDIUM, Relabel

    def plan(self, params: Relabel, sources: Sources) -> Draft:
        draft = Draft(f"{len(params.nodes)} nodes → {params.layout}")
        draft.on_failure = "compensate" if params.compensate else "stop"
        cluster = sources.clusters[params.cluster].cluster
        if params.marker:
            ref = Ref.of(params.cluster, "ConfigMap", params.marker, "default")
            draft.create(ref, {"data": {"layout": params.layout}}, "Make the marker")
        for name in params.nodes:
            live = cluster.read(node(params.cluster, name))
            wanted = {"metadata": {"labels": {"layout": params.layout}}}
            if patch.holds(live.body, wanted):
                continue
            draft.touches(params.cluster, "pool", name)
            draft.set(live, {"spec": {"unschedulable": True}}, f"Cordon {name}", group=name)
            if params.drain:
                draft.drain(live, f"Drain {name}", resources=["nvidia.com/"], deadline_s=60, group=name)
            draft.set(live, wanted, f"Label {name}", group=name)
            shown, was = ("status", "layout"), live.labels["layout"]
            draft.wait(
                live.ref,
                [(shown, "is", params.layout)],
                f"{name} shows {params.layout}",
                deadline_s=params.seconds,
                fails=[(shown, "is", "failed")],
                back=[(shown, "is", was)],
                group=name,
            )
            cordoned = Live(live.ref, patch.applied(live.body, {"spec": {"unschedulable": True}}))
            draft.set(cordoned, {"spec": {"unschedulable": None}}, f"Uncordon {name}", group=name)
        return draft

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        shown = {
            patch.at(sources.clusters[ref.cluster].cluster.read(ref).body, ("status", "layout"))
            for ref in plan.refs
            if ref.kind == "Node"
        }
        done = shown == {plan.params["layout"]}
        return Verdict(Effect.DONE if done else Effect.WAITING, f"The nodes show {', '.join(map(str, sorted(shown)))}.")


TEST_ACTION = ACTIONS.pop(RelabelNodes.name)


@pytest.fixture(autouse=True)
def relabel() -> Iterator[None]:
    """The action of these tests is known while they run, and nowhere else."""
    ACTIONS[RelabelNodes.name] = TEST_ACTION
    yield
    del ACTIONS[RelabelNodes.name]


def controller(memory: MemoryCluster, *, shows: Mapping[str, str] | None = None) -> Callable[[], None]:
    """Plays what reads the label: every node's status shows its layout, or what ``shows`` has for it."""

    def tick() -> None:
        for ref, body in list(memory.objects.items()):
            if ref.kind != "Node":
                continue
            label = body["metadata"]["labels"]["layout"]
            wanted = (shows or {}).get(label, label)
            if patch.at(body, ("status", "layout")) != wanted:
                memory.set(ref, {"status": {"layout": wanted}})

    return tick


def spec(memory: MemoryCluster) -> dict[str, Any]:
    """What people decide about, without what servers and controllers count."""
    return {
        str(ref): {"labels": body["metadata"].get("labels"), "spec": body.get("spec"), "data": body.get("data")}
        for ref, body in memory.objects.items()
    }


def as_of_policy(desk: Desk, **changes: Any) -> Desk:
    desk.policy = replace(desk.policy, **changes)
    return desk
