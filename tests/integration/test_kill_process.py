"""Real processes that are killed between the steps of a change, and several that press at once."""

import itertools
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from db import migrate
from db.work import Database
from tests import proving
from tests.apiserver import ApiServer, eventually
from tests.apistore import Seen
from tests.apiwrites import Denied, Target, status
from tests.cases import CASES, CLOUD_FIRST, ON_API
from tests.process import Stable, stable
from tests.proving import CONFIGS, SPACE
from tests.standin import StandIn
from tests.worlds import StoreWorld

DAY_S = 86400.0
_numbers = itertools.count(1)


class Estate:
    """The estate behind an API server, with controllers that act at once, and writes that can be held up.

    ``carried`` are writes that were carried out, as "verb Kind name". The write of number ``held`` (from 0) waits until
    :meth:`release`; ``refused`` lets it come to nothing then.
    """

    def __init__(self, server: ApiServer, database: str) -> None:
        self.server, self.database = server, database
        self.carried: list[str] = []
        self.by_label: list[str] = []
        self.held: int | None = None
        self.refused = False
        self.reached, self.released = threading.Event(), threading.Event()
        self.resting = threading.Event()
        world = StoreWorld(server)
        self.standin = StandIn(world, lambda: datetime.now(UTC), plugin=(SPACE, CONFIGS), hurry=1e6)
        server.on_write = self._written
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._controllers)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self.released.set()
        self._thread.join()

    def release(self) -> None:
        self.released.set()

    def task(self, **more: Any) -> dict[str, Any]:
        return {"kubeconfig": self.server.kubeconfig(), "database": self.database, **more}

    def asked_since_the_last_write(self) -> int:
        """Reads of single objects after the last write."""
        seen = [one for one in self.server.requests if not one.dry and not one.path.endswith("accessreviews")]
        reads = itertools.takewhile(lambda one: one.method == "GET", reversed(seen))
        return sum(1 for one in reads if (target := Target.of(one.path)) and target.name)

    def _controllers(self) -> None:
        while not self._over.wait(0.01):
            if not self.resting.is_set():
                self.standin.tick()

    def _written(self, seen: Seen) -> None:
        if seen.dry:
            return
        if self.held == len(self.carried):
            self.held = None
            self.reached.set()
            self.released.wait(20)
            if self.refused:
                raise Denied(status(503, "ServiceUnavailable", "nobody listens any more"))
        target = Target.of(seen.path)
        assert target is not None
        verb = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}[seen.method]
        self.carried.append(f"{verb} {target.kind} {target.name or seen.body['metadata']['name']}")
        if "labels" in ((seen.body or {}).get("metadata") or {}) and target.plural == "nodes":
            self.by_label.append(target.name)


@pytest.fixture(scope="module")
def first() -> Iterator[Stable]:
    with stable() as found:
        yield found


@pytest.fixture(scope="module")
def second() -> Iterator[Stable]:
    with stable() as found:
        yield found


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("record") / "migrated.sqlite3"
    database = Database(f"sqlite:///{file}")
    migrate.upgrade(database.engine)
    database.close()
    return file


@contextmanager
def estate_on(database: str) -> Iterator[Estate]:
    with proving.served() as server:
        found = Estate(server, database)
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def estate(tmp_path: Path, migrated: Path) -> Iterator[Estate]:
    file = shutil.copy(migrated, tmp_path / "console.sqlite3")
    with estate_on(f"sqlite:///{file}") as found:
        yield found


@pytest.fixture
def shared(request: pytest.FixtureRequest) -> Iterator[Estate]:
    """The estate with a record on a PostgreSQL server."""
    folder = request.getfixturevalue("postgresql_server")
    name = f"killed_{next(_numbers)}"
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = f"postgresql+psycopg://postgres@/{name}?host={folder}"
        database = Database(url)
        migrate.upgrade(database.engine)
        database.close()
        with estate_on(url) as found:
            yield found
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def params(action: str) -> Any:
    return msgspec.to_builtins(CASES[action].lab)


def checked(estate: Estate, id: str) -> Any:
    """The operation, after making sure that the audit's chain holds."""
    database = Database(estate.database)
    try:
        with database() as unit:
            assert unit.operations.verify() == ()
            return unit.operations.get(id)
    finally:
        database.close()


def killed(estate: Estate, first: Stable, action: str, *, at: int, landed: bool) -> str:
    """Apply in a process and kill it while its write of that number is on its way; the plan's id.

    ``landed``: the server carries the write out, and nobody hears of it.
    """
    estate.held, estate.refused = at, not landed
    pid = first.start(**estate.task(do="apply", action=action, params=params(action)))
    id: str = first.hear("planned")
    assert estate.reached.wait(30)
    os.kill(pid, signal.SIGKILL)
    assert first.hear("ended") == signal.SIGKILL
    estate.release()
    eventually(lambda: len(estate.carried) == at + landed)
    return id


POINTS = [
    (action, at, landed)
    for action in sorted(ON_API)
    for at, landed in itertools.product(range(len(CASES[action].writes)), (False, True))
]


@pytest.mark.parametrize(("action", "at", "landed"), POINTS)
def test_a_process_killed_at_a_write_is_explained_and_continued_without_doubling_anything(
    estate: Estate, first: Stable, action: str, at: int, landed: bool
) -> None:
    id = killed(estate, first, action, at=at, landed=landed)
    said = first.run(**estate.task(do="recover", shift_s=DAY_S))
    was = said["recovered"][id]
    assert was["state"] == "interrupted"
    assert was["outcome"].startswith("Its process ended. Step ")
    word = "had landed" if landed else "had not landed"
    assert word in was["outcome"]
    assert CASES[action].writes[at].split()[-1] in was["outcome"]
    assert said["now"][id] == {"id": id, "state": "done", "outcome": "Done."}
    assert tuple(estate.carried) == CASES[action].writes, "each write once, in order"
    operation = checked(estate, id)
    assert (operation.actor, operation.state) == ("op-1", "done")
    if action == "edit-fallbacks":
        config = estate.server.get("/api/v1/namespaces/llm/configmaps/litellm-config")
        assert config is not None
        assert config["data"]["config.yaml"] == CLOUD_FIRST


@pytest.mark.parametrize("action", sorted(name for name, case in ON_API.items() if case.waits))
def test_a_process_killed_while_it_waits_goes_on_waiting_in_another(estate: Estate, first: Stable, action: str) -> None:
    writes = {"set-sharing": 2}.get(action, len(CASES[action].writes))
    pid = first.start(**estate.task(do="apply", action=action, params=params(action)))
    id = first.hear("planned")
    estate.resting.set()
    eventually(lambda: len(estate.carried) == writes and estate.asked_since_the_last_write() >= 3, within_s=30)
    os.kill(pid, signal.SIGKILL)
    first.hear("ended")
    estate.resting.clear()
    said = first.run(**estate.task(do="recover", shift_s=DAY_S))
    assert said["recovered"][id]["outcome"] == "Its process ended. No step was under way."
    assert said["now"][id]["state"] == "done"
    assert tuple(estate.carried) == CASES[action].writes
    checked(estate, id)


def test_the_same_holds_with_the_record_on_postgresql(shared: Estate, first: Stable) -> None:
    id = killed(shared, first, "set-sharing", at=4, landed=True)
    said = first.run(**shared.task(do="recover", shift_s=DAY_S))
    assert "Step 7 had landed: Node t2 is as it was to be set." in said["recovered"][id]["outcome"]
    assert said["now"][id]["state"] == "done"
    assert tuple(shared.carried) == CASES["set-sharing"].writes
    checked(shared, id)


def test_an_operation_whose_process_lives_is_left_alone(estate: Estate, first: Stable, second: Stable) -> None:
    """Its lease has not passed: another process that starts meanwhile takes nothing from it."""
    estate.held = 2
    first.start(**estate.task(do="apply", action="scale-headroom", params=params("scale-headroom")))
    id = first.hear("planned")
    assert estate.reached.wait(30)
    assert second.run(**estate.task(do="mark")) == {"recovered": {}}
    estate.release()
    assert first.ended() == {"id": id, "state": "done", "outcome": "Done."}
    assert tuple(estate.carried) == CASES["scale-headroom"].writes


# Several at once


def pressed(estate: Estate, stables: tuple[Stable, Stable], tasks: list[dict[str, Any]], go: Path, word: str) -> Any:
    """Two processes that get ready and then press at the same moment; what each comes to."""
    for one, task in zip(stables, tasks, strict=True):
        one.start(**estate.task(go=str(go), **task))
    for one in stables:
        one.hear(word)
    go.touch()
    return [one.ended() for one in stables]


@pytest.mark.parametrize("action", sorted(ON_API))
def test_of_two_processes_that_press_at_once_one_changes_each_object(
    shared: Estate, first: Stable, second: Stable, action: str, tmp_path: Path
) -> None:
    tasks = [{"do": "apply", "action": action, "params": params(action), "user": user} for user in ("op-1", "op-2")]
    answers = pressed(shared, (first, second), tasks, tmp_path / "go", "planned")
    ends = Counter("refused" if "refused" in answer else answer["state"] for answer in answers)
    assert ends["done"] == 1
    assert ends["refused"] + ends["failed"] == 1
    loser = next(answer for answer in answers if answer.get("state") != "done")
    assert any(
        part in loser.get("refused", loser.get("outcome"))
        for part in ("being changed", "since the plan", "exists meanwhile", "somebody")
    )
    labels = Counter(shared.by_label)
    assert all(count == 1 for count in labels.values()), "no node was labelled twice"
    edits, once = Counter(write for write in shared.carried if "Node" not in write), Counter(CASES[action].writes)
    assert all(count == max(once[write], 1) for write, count in edits.items()), "no other object was written twice"
    winner = next(answer for answer in answers if answer.get("state") == "done")
    checked(shared, winner["id"])


def test_of_two_processes_that_continue_one_operation_one_does(
    shared: Estate, first: Stable, second: Stable, tmp_path: Path
) -> None:
    id = killed(shared, first, "set-sharing", at=1, landed=False)
    assert list(first.run(**shared.task(do="mark", shift_s=DAY_S))["recovered"]) == [id]
    tasks = [{"do": "resume", "id": id, "user": user, "shift_s": DAY_S} for user in ("op-1", "op-2")]
    answers = pressed(shared, (first, second), tasks, tmp_path / "go", "ready")
    assert Counter("refused" if "refused" in answer else answer["state"] for answer in answers) == {
        "done": 1,
        "refused": 1,
    }
    assert tuple(shared.carried) == CASES["set-sharing"].writes
    checked(shared, id)
