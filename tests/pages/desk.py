"""A desk for page tests: one cluster of dictionaries, a record in a fresh database, an action to try."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from db import migrate
from db.work import Database
from pages.ui import identity
from services import access, runtime
from services.access import ActionPolicy, User
from services.actions.base import ACTIONS, Action, Effect, Verdict
from services.actions.engine import Engine
from services.domain.change.plan import Draft, Plan, Risk
from services.domain.change.refs import Ref
from services.errors import Refused
from services.ports import Operation, Policy, Sources
from tests.conftest import NOW, Inline
from tests.memory import MemoryCluster, source
from tests.pages.opening import opened, rerun

NODE = Ref.of("east", "Node", "n1")


@dataclass(frozen=True)
class Note:
    text: str = "blue"
    risk: str = "low"
    guard: str = ""
    wait: bool = False
    owner: str = ""


class NoteNode(Action[Note]):
    """Write a label on a node. An action for tests."""

    name, title, risk, params, verify_within_s = "note-node", "Note", Risk.LOW, Note, 0.0

    def plan(self, params: Note, sources: Sources) -> Draft:
        if params.guard:
            raise Refused(params.guard, hint="Choose another node.")
        draft = Draft(f"n1 gets the note {params.text}", risk=Risk(params.risk))
        draft.blast.append("1 node shows another note")
        if params.owner:
            draft.owners.append(params.owner)
        draft.confirm = "n1" if params.risk == "high" else ""
        live = sources.clusters["east"].cluster.read(NODE)
        if draft.set(live, {"metadata": {"labels": {"note": params.text}}}, f"Write {params.text} on n1") and (
            params.wait
        ):
            draft.wait(NODE, [(("status", "note"), "is", params.text)], "n1 shows it", deadline_s=90)
        return draft

    def verify(self, plan: Plan, sources: Sources) -> Verdict:
        return Verdict(Effect.DONE, "The node shows the note.")


TEST_ACTION = ACTIONS.pop(NoteNode.name)


@dataclass
class Desk:
    """What a page test holds in its hands."""

    database: Database
    memory: MemoryCluster = field(default_factory=MemoryCluster)
    policy: ActionPolicy = field(default_factory=lambda: ActionPolicy(breaker_nodes=20))
    mode: str = "demo"
    seconds: float = 0.0
    user: User = access.DEMO

    def __post_init__(self) -> None:
        self.memory.put(NODE, {"metadata": {"labels": {"note": "green"}}, "spec": {}})
        self._kept: Sources | None = None

    @property
    def sources(self) -> Sources:
        if self._kept is None:
            self._kept = Sources(
                mode=self.mode,
                clusters={"east": source("east", self.memory)},
                now=lambda: NOW + timedelta(seconds=self.seconds),
                pool=Inline(),
                policy=Policy(actions=self.policy),
                work=self.database,
            )
        return self._kept

    @property
    def engine(self) -> Engine:
        return Engine(self.sources, pool=Inline(), worker="w", wait=self._wait)

    def _wait(self, seconds: float) -> None:
        self.seconds += seconds

    def open(self, path: str = "audit", /, **params: str) -> AppTest:
        return opened(self.sources, path, **params)

    def run(self, at: AppTest) -> AppTest:
        return rerun(at, self.sources)

    def click(self, at: AppTest, key: str) -> AppTest:
        at.button(key=key).click()
        return self.run(at)

    def did(self, user: User, **params: Any) -> str:
        """An operation somebody did before."""
        plan = self.engine.plan(user, "note-node", Note(**params))
        rehearsal = self.engine.rehearse(plan, user)
        return self.engine.apply(plan, user, reason="because of tests", rehearsal=rehearsal, typed=plan.confirm)

    def recorded(self, of: str) -> Operation:
        with self.database() as unit:
            found = unit.operations.get(of)
        assert found is not None
        return found

    def label(self) -> str:
        return str(self.memory.objects[NODE]["metadata"]["labels"].get("note"))


@contextmanager
def laid(folder: Path, patch: Callable[[object, str, object], None], **changes: Any) -> Iterator[Desk]:
    """A desk whose engine the pages use; ``patch`` is monkeypatch.setattr."""
    database = Database(f"sqlite:///{folder / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    desk = Desk(database)
    for name, value in changes.items():
        setattr(desk, name, value)
    ACTIONS[NoteNode.name] = TEST_ACTION
    patch(runtime, "engine", lambda: desk.engine)
    patch(identity, "person", lambda: desk.user)
    try:
        yield desk
    finally:
        del ACTIONS[NoteNode.name]
        database.close()


def held_to(desk: Desk, **changes: Any) -> None:
    """Another policy of the installation."""
    desk.policy = replace(desk.policy, **changes)
