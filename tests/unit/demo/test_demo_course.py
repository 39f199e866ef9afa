"""The course of a start, second by second, from steps written by hand."""

from dataclasses import replace

import numpy as np
import pytest

from services.demo.course import course, sandboxes, to_pull
from services.demo.lives import NEVER
from services.demo.recipes import Steps
from services.demo.startevents import duration

AT = 1000


def one(value: int) -> np.ndarray:
    return np.array([value], np.int64)


# volumes 10 s, sandbox 3 s, an init container that works for 60 s (5 s to pull), an image of 90 s, created in 2 s,
# loaded in 40 s, asked for readiness a second later
STEPS = Steps(
    volume=one(10), sandbox=one(3), init_pull=one(5), init=one(60), stall=one(0), pull=one(90), asks=one(0),
    create=one(2), crash=one(0), load=one(40), readiness=one(1), has_init=np.array([True]), never=np.array([False]),
)  # fmt: skip


def instants(steps: Steps = STEPS, *, init_there: int = NEVER, there: int = NEVER) -> dict[str, int]:
    found = course(steps, one(AT), one(init_there), one(there))
    return {name: int(at[0]) - AT if at[0] < NEVER else NEVER for name, at in found._asdict().items()}


def test_a_pod_that_finds_nothing_on_its_node_pulls_twice() -> None:
    assert instants() == {
        "attached": 10, "sandbox": 13,
        "init_pull": 13, "init_tried": 13, "init_pulled": 18, "init_started": 19, "init_done": 79,
        "pull": 79, "tried": 79, "pulled": 169, "first": 171, "started": 171, "loaded": 211, "ready": 212,
    }  # fmt: skip


def test_images_that_are_there_take_no_time() -> None:
    found = instants(init_there=5, there=AT + 70)
    assert (found["init_pulled"], found["init_done"]) == (13, 74)
    assert (found["tried"], found["pulled"], found["ready"]) == (74, 74, 117)


def test_an_image_that_is_being_pulled_is_waited_for() -> None:
    found = instants(init_there=5, there=AT + 100)
    assert (found["pull"], found["tried"], found["pulled"]) == (74, 100, 101)


def test_a_pull_that_fails_begins_again_after_a_pause() -> None:
    found = instants(replace(STEPS, stall=one(25)))
    assert (found["pull"], found["tried"], found["pulled"]) == (79, 104, 194)


def test_an_image_that_is_always_asked_for_takes_a_second_when_it_is_there() -> None:
    found = instants(replace(STEPS, asks=one(1)), init_there=5, there=5)
    assert (found["tried"], found["pulled"]) == (74, 75)


def test_a_run_that_crashes_is_followed_by_another_a_second_later() -> None:
    found = instants(replace(STEPS, crash=one(20)))
    assert (found["first"], found["started"], found["loaded"]) == (171, 192, 232)


def test_a_pod_that_never_loads_is_never_ready() -> None:
    found = instants(replace(STEPS, never=np.array([True])))
    assert (found["started"], found["loaded"], found["ready"]) == (171, NEVER, NEVER)


def test_without_an_init_container_the_image_is_wanted_when_there_is_a_sandbox() -> None:
    plain = replace(STEPS, has_init=np.array([False]))
    assert sandboxes(plain, one(AT)).tolist() == to_pull(plain, one(AT), one(5)).tolist() == [AT + 13]
    assert instants(plain)["pulled"] == 103


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.734, "734ms"), (12.3, "12.3s"), (60, "1m0s"), (126.431, "2m6.431s"), (3605, "1h0m5s"), (59.9996, "1m0s")],
)
def test_durations_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
