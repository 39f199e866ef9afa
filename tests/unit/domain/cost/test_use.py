"""Readings of utilisation as ticks of owners, worked by hand."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from services.domain import frames
from services.domain.cost import HOLD_SPANS, NODE_SPANS, TICKS
from services.domain.cost.use import USE, use

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
NOON = TEN + timedelta(hours=2)
STEP = timedelta(minutes=5)
PLACE = 7
Reading = tuple[datetime, str, float]


def node() -> pd.DataFrame:
    return frames.table(NODE_SPANS, [("one", "n", TEN, None, "n1", PLACE, 8, 0, 0, False)])


def holds(*rows: tuple[str, datetime, datetime | None, int, int]) -> pd.DataFrame:
    return frames.table(
        HOLD_SPANS,
        [
            ("one", f"uid-{pod}", "n", begin, end, "held", owner, f"ns/{pod}", gpus * TICKS)
            for pod, begin, end, owner, gpus in rows
        ],
    )


def samples(pod: str, begin: datetime, values: list[float]) -> pd.DataFrame:
    """One reading at the end of each step."""
    at = [begin + STEP * (number + 1) for number in range(len(values))]
    return pd.DataFrame(
        {"at": pd.to_datetime(at, utc=True), "node": "n1", "namespace": "ns", "pod": pod, "value": values}
    )


def rows(found: pd.DataFrame) -> list[tuple[int, int, int, int]]:
    """Hour of the day, owner, measured and used GPU-seconds."""
    return [
        (hour.hour, owner, measured // TICKS, used // TICKS)
        for hour, owner, measured, used in zip(
            found["hour"], found["owner"], found["measured_ticks"], found["used_ticks"], strict=True
        )
    ]


def test_a_pod_read_all_hour_is_measured_for_all_it_held_and_used_for_the_mean():
    read = samples("a", TEN, [0.5] * 12)
    found = use(read, node(), holds(("a", TEN, None, 1, 2)), TEN, TEN + timedelta(hours=1), STEP)
    assert rows(found) == [(10, 1, 7200, 3600)]  # 2 GPUs × 3,600 s, half of it
    assert list(found.columns) == list(USE)


def test_an_hour_read_for_a_quarter_is_measured_for_a_quarter():
    read = samples("a", TEN, [1.0, 1.0, 0.0])
    found = use(read, node(), holds(("a", TEN, None, 1, 1)), TEN, TEN + timedelta(hours=1), STEP)
    assert rows(found) == [(10, 1, 900, 600)]


def test_a_pod_that_ended_is_measured_for_the_time_it_was_there():
    read = samples("a", TEN, [0.8] * 4)
    found = use(read, node(), holds(("a", TEN, TEN + timedelta(minutes=20), 1, 1)), TEN, TEN + timedelta(hours=1), STEP)
    assert rows(found) == [(10, 1, 1200, 960)]


def test_readings_belong_to_the_hour_they_end_in_and_a_reading_on_the_hour_to_the_one_before():
    read = samples("a", TEN, [0.0] * 12 + [1.0] * 12)
    found = use(read, node(), holds(("a", TEN, None, 1, 1)), TEN, NOON, STEP)
    assert rows(found) == [(10, 1, 3600, 0), (11, 1, 3600, 3600)]


def test_pods_of_one_owner_add_up_and_who_was_not_read_is_not_measured():
    read = pd.concat([samples("a", TEN, [0.25] * 12), samples("b", TEN, [0.75] * 12)])
    held = holds(("a", TEN, None, 1, 1), ("b", TEN, None, 1, 1), ("c", TEN, None, 2, 1))
    assert rows(use(read, node(), held, TEN, TEN + timedelta(hours=1), STEP)) == [(10, 1, 7200, 3600)]


def test_a_pod_whose_span_was_cut_counts_its_readings_once():
    half = TEN + timedelta(minutes=30)
    held = holds(("a", TEN, half, 1, 1), ("a", half, None, 1, 1))
    found = use(samples("a", TEN, [0.5] * 12), node(), held, TEN, TEN + timedelta(hours=1), STEP)
    assert rows(found) == [(10, 1, 3600, 1800)]


def test_without_readings_nothing_is_measured():
    held = holds(("a", TEN, None, 1, 1))
    assert use(samples("a", TEN, []), node(), held, TEN, NOON, STEP).empty
    assert use(samples("a", TEN, [float("nan")] * 12), node(), held, TEN, NOON, STEP).empty
