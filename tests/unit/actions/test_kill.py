"""The process ends between each pair of calls: nothing is lost, doubled or unexplained."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from services.errors import Refused, SourceUnavailable
from services.ports import Work
from tests.unit.actions.conftest import OPERATOR, Desk, Relabel, controller, spec

WORK = Relabel(("n1", "n2"), "shared", marker="marker")


class Killed(BaseException):
    """The process is gone."""


class Fuse:
    """Burns down with every call to the outside; what it stands in for ends at its end."""

    def __init__(self, length: int | None, error: type[BaseException] = Killed) -> None:
        self.left, self.error = length, error
        self.burnt = False

    def __call__(self, *_: object) -> None:
        if self.burnt:
            raise self.error
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.burnt = True
                raise self.error


class FusedWork:
    """A record whose commits burn the fuse before and after."""

    def __init__(self, work: Work, fuse: Fuse) -> None:
        self._work, self._fuse = work, fuse

    def __call__(self) -> Any:
        self._fuse()
        unit = self._work()
        commit = unit.commit

        def fused() -> None:
            self._fuse()
            commit()
            self._fuse()

        unit.commit = fused  # type: ignore[method-assign]
        return unit

    def reading(self) -> Any:
        self._fuse()
        return self._work.reading()

    def close(self) -> None:
        self._work.close()


def run(desk: Desk, fuse: Fuse) -> str:
    """Plan, and apply with the fuse lit from the moment of applying; the plan's id."""
    memory = desk.clusters["east"]
    engine = desk.engine(FusedWork(desk.database, fuse))
    fuse_length, fuse.left = fuse.left, None
    plan = engine.plan(OPERATOR, "relabel-nodes", WORK)
    rehearsal = engine.rehearse(plan, OPERATOR)
    memory.before = memory.after = fuse
    fuse.left = fuse_length
    try:
        engine.apply(plan, OPERATOR, reason="test", rehearsal=rehearsal)
    except Killed:
        pass
    finally:
        memory.before = memory.after = lambda *_: None
    return plan.id


def test_an_operation_survives_the_end_of_its_process_at_every_point(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    fresh = {ref: dict(body) for ref, body in memory.objects.items()}
    run(desk, Fuse(None))
    wanted, writes = spec(memory), Counter(memory.changed)

    interrupted = 0
    for length in range(400):
        memory.objects = {ref: dict(body) for ref, body in fresh.items()}
        memory.changed.clear()
        fuse = Fuse(length)
        id = run(desk, fuse)
        if not fuse.burnt:
            break
        desk.now += timedelta(minutes=5)
        later = desk.engine()
        later.recover()
        operation = desk.operation(id)
        if operation is None:
            assert memory.changed == [], f"an effect without a record after {length} calls"
            continue
        assert operation.state in ("interrupted", "done"), f"after {length} calls: {operation.state}"
        if operation.state == "interrupted":
            interrupted += 1
            assert operation.outcome.startswith("Its process ended.")
            later.resume(id, OPERATOR, reason="go on")
        assert desk.operation(id).state == "done", f"after {length} calls: {desk.operation(id).outcome}"
        assert spec(memory) == wanted, f"after {length} calls"
        assert Counter(memory.changed) == writes, f"doubled or lost after {length} calls"
    else:
        pytest.fail("the fuse always burnt")
    assert interrupted > 30
    assert desk.broken() == ()


def test_an_interrupted_operation_is_taken_back_from_every_point(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    fresh = {ref: dict(body) for ref, body in memory.objects.items()}
    before = spec(memory)
    for length in range(0, 400, 3):
        memory.objects = {ref: dict(body) for ref, body in fresh.items()}
        fuse = Fuse(length)
        id = run(desk, fuse)
        desk.now += timedelta(minutes=5)
        later = desk.engine()
        later.recover()
        if desk.operation(id) is not None:
            undo = later.plan_undo(id, OPERATOR)
            if not undo.plan.empty:
                later.apply(undo.plan, OPERATOR, reason="back", rehearsal=later.rehearse(undo.plan, OPERATOR))
        assert spec(memory) == before, f"after {length} calls"
        if not fuse.burnt:
            return
    pytest.fail("the fuse always burnt")


def test_a_record_that_cannot_be_written_stops_every_effect_from_then_on(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    fresh = {ref: dict(body) for ref, body in memory.objects.items()}

    class Away(SourceUnavailable):
        def __init__(self) -> None:
            super().__init__("database", "The database is busy.")

    for length in range(0, 300, 2):
        memory.objects = {ref: dict(body) for ref, body in fresh.items()}
        memory.changed.clear()
        fuse = Fuse(length, Away)
        engine = desk.engine(FusedWork(desk.database, fuse))
        fuse.left = None
        plan = engine.plan(OPERATOR, "relabel-nodes", WORK)
        rehearsal = engine.rehearse(plan, OPERATOR)
        fuse.left = length
        try:
            engine.apply(plan, OPERATOR, reason="test", rehearsal=rehearsal)
        except (SourceUnavailable, Refused):
            assert desk.operation(plan.id) is None or memory.changed == []
        with desk.database() as unit:
            started = {event.step for event in unit.operations.events(plan.id) if event.kind == "step-started"}
        touched = [plan.steps[index].ref for index in sorted(started)]
        assert {ref for _, ref in memory.changed} <= set(touched), f"an effect without a record after {length}"
        desk.now += timedelta(minutes=5)
        later = desk.engine()
        later.recover()
        operation = desk.operation(plan.id)
        if operation is not None and operation.state == "interrupted":
            later.resume(plan.id, OPERATOR, reason="the database is back")
            assert desk.operation(plan.id).state == "done"
        if not fuse.burnt:
            return
    pytest.fail("the fuse always burnt")
