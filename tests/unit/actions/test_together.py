"""Several people and processes at once."""

import threading
from collections import Counter
from collections.abc import Callable

from services.errors import Refused
from tests.unit.actions.conftest import OPERATOR, OTHER, Desk, Relabel, controller


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call answered or raised, all started together."""
    ready, answers = threading.Barrier(len(calls)), list[object]([None] * len(calls))

    def call(place: int) -> None:
        ready.wait()
        try:
            answers[place] = calls[place]()
        except Refused as refused:
            answers[place] = refused

    threads = [threading.Thread(target=call, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_two_people_who_press_at_once_one_changes_the_node(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    engines = desk.engine(), desk.engine()
    plans = [
        engine.plan(user, "relabel-nodes", Relabel(("n1",), layout))
        for engine, user, layout in zip(engines, (OPERATOR, OTHER), ("shared", "split"), strict=True)
    ]
    at_once(lambda: desk.applied(engines[0], plans[0], OPERATOR), lambda: desk.applied(engines[1], plans[1], OTHER))
    states = Counter("refused" if (found := desk.operation(plan.id)) is None else found.state for plan in plans)
    assert states["done"] == 1
    assert states["refused"] + states["failed"] == 1
    assert desk.broken() == ()


def test_the_same_plan_pressed_twice_is_done_once(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    plan = engine.plan(OPERATOR, "relabel-nodes", Relabel(("n1",), "shared"))
    rehearsal = engine.rehearse(plan, OPERATOR)
    press = lambda: engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)  # noqa: E731
    answers = at_once(press, press, press)
    assert sorted(type(answer).__name__ for answer in answers) == ["Refused", "Refused", "str"]
    assert len(desk.clusters["east"].changed) == 3


def test_two_processes_that_continue_one_operation_do_it_once(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory, shows={"shared": "whole"}))
    id = desk.applied(desk.engine(), desk.engine().plan(OPERATOR, "relabel-nodes", Relabel(("n1",), "shared")))
    desk.ticks[:] = [controller(memory)]
    one, two = desk.engine(), desk.engine()
    at_once(
        lambda: one.resume(id, OPERATOR, reason="on"),
        lambda: two.resume(id, OTHER, reason="on"),
    )
    assert desk.operation(id).state == "done"
    assert len(memory.changed) == 3
