"""Engines in processes of their own, for tests that end them: ``python -m tests.process`` forks one for each task.

A task is a line of JSON on standard input; its process's id, what it has to say and how it ended come back as lines of
JSON. Time is the real one, moved on by what is waited and by ``shift_s``, so that nobody waits long.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from db.work import Database
from services.actions.engine import Engine
from services.adapters.kube import KubeCluster
from services.errors import OpsError
from services.ports import ClusterSource, Sources
from tests import proving
from tests.apiserver import eventually
from tests.conftest import Inline
from tests.fakes import SteadyMetrics
from tests.gateway import PLACE
from tests.proving import LAB, OPERATOR, OTHER, REASON, WATCHED, Held

ROOT = Path(__file__).parents[1]
PEOPLE = {user.id: user for user in (OPERATOR, OTHER)}


class _Seen:
    """What the stores of a cluster show, as objects."""

    def __init__(self, cluster: KubeCluster) -> None:
        self._cluster = cluster

    def all(self, kind: str) -> list[Any]:
        assert kind == "Pod"
        return [msgspec.to_builtins(pod) for pod in self._cluster.snapshot("pods").objects]


class Console:
    """What one process works with."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self._shift = timedelta(seconds=task.get("shift_s", 0.0))
        self.task, self.user = task, PEOPLE[task.get("user", OPERATOR.id)]
        cluster = proving.kube(task["kubeconfig"], self.now)
        cluster.start()
        needed = [kind for kind in WATCHED if kind != "capacitybuffers"]
        eventually(lambda: all(cluster.snapshot(kind).state == "ready" for kind in needed), within_s=30)
        meters = SteadyMetrics(Held(_Seen(cluster)), self.now())
        source = ClusterSource(LAB, cluster, meters, None, PLACE)  # type: ignore[arg-type]
        self.database = Database(task["database"])
        sources = Sources("live", {LAB: source}, now=self.now, pool=Inline(), work=self.database)
        self.engine = Engine(sources, pool=Inline(), worker=f"process-{os.getpid()}", wait=self._wait)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift

    def _wait(self, seconds: float) -> None:
        time.sleep(0.005)
        self._shift += timedelta(seconds=seconds)

    def apply(self) -> dict[str, Any]:
        """Plan, rehearse and, once the file "go" is there, apply."""
        plan = self.engine.plan(self.user, self.task["action"], self.task["params"])
        rehearsal = self.engine.rehearse(plan, self.user)
        tell({"planned": plan.id, "ok": rehearsal.ok})
        self._ready()
        self.engine.apply(plan, self.user, reason=REASON, rehearsal=rehearsal, typed=plan.confirm)
        return self.state(plan.id)

    def recover(self) -> dict[str, Any]:
        """Mark what was left behind, and go on with it."""
        found = {id: self.state(id) for id in self.engine.recover()}
        for id in found:
            self.engine.resume(id, self.user, reason=REASON)
        return {"recovered": found, "now": {id: self.state(id) for id in found}}

    def mark(self) -> dict[str, Any]:
        """Mark what was left behind."""
        return {"recovered": {id: self.state(id) for id in self.engine.recover()}}

    def resume(self) -> dict[str, Any]:
        """Once the file "go" is there, go on with an operation."""
        tell({"ready": True})
        self._ready()
        self.engine.resume(self.task["id"], self.user, reason=REASON)
        return self.state(self.task["id"])

    def state(self, id: str) -> dict[str, Any]:
        with self.database() as unit:
            operation = unit.operations.get(id)
        assert operation is not None
        return {"id": id, "state": operation.state, "outcome": operation.outcome}

    def _ready(self) -> None:
        go = self.task.get("go")
        if go:
            eventually(Path(go).exists, within_s=30)


def tell(said: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _forked(task: Mapping[str, Any]) -> None:
    pid = os.fork()
    if pid:
        tell({"pid": pid})
        tell({"ended": os.waitpid(pid, 0)[1]})
        return
    try:
        tell({"result": getattr(Console(task), task["do"])()})
    except OpsError as error:
        tell({"result": {"refused": str(error)}})
    except BaseException:  # noqa: BLE001 - whatever it is, the test is to see it
        tell({"result": {"broke": traceback.format_exc()}})
    os._exit(0)


class Stable:
    """Starts processes, one at a time, from one that has everything loaded."""

    def __init__(self, running: "subprocess.Popen[str]") -> None:
        self._running = running

    def start(self, **task: Any) -> int:
        """Begin a task; the id of its process."""
        assert self._running.stdin is not None
        self._running.stdin.write(json.dumps(task) + "\n")
        self._running.stdin.flush()
        pid: int = self.hear("pid")
        return pid

    def hear(self, word: str) -> Any:
        """What a process says under a word, skipping what it says before."""
        assert self._running.stdout is not None
        for line in self._running.stdout:
            said = json.loads(line)
            if word in said:
                return said[word]
            assert "ended" not in said, f"the process ended ({said}) and never said {word}"
        raise AssertionError("the stable is gone")

    def run(self, **task: Any) -> Any:
        """What a task comes to."""
        self.start(**task)
        return self.ended()

    def ended(self) -> Any:
        """What the task that runs comes to."""
        result = self.hear("result")
        self.hear("ended")
        assert "broke" not in result, result["broke"]
        return result


@contextmanager
def stable() -> Iterator[Stable]:
    """A stable; its processes end with it."""
    command = [sys.executable, "-m", "tests.process"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield Stable(running)
        finally:
            assert running.stdin is not None
            running.stdin.close()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()


if __name__ == "__main__":
    for given in sys.stdin:
        _forked(json.loads(given))
