"""Figures of workloads that serve, by hand."""

import math
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services.domain.serving.health import PODS, known, replicas, served, tidy, trend

ONE = datetime(2026, 6, 3, 10, 1, tzinfo=UTC)
TWO = ONE + timedelta(minutes=1)
STEP_S = 60.0


def counted(*rows: tuple[datetime, str, float], model: str = "llama") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["at", "pod", "value"])
    frame["at"] = pd.to_datetime(frame["at"]).astype("datetime64[us, UTC]")
    return frame.assign(cluster="east", namespace="chat", model=model)


def pods() -> pd.DataFrame:
    rows = [
        ("east", "chat", "chat-a", "chat", "red", "h100", "H100", "n1", 2.0),
        ("east", "chat", "chat-b", "chat", "red", "h100", "H100", "n2", math.nan),
    ]
    return pd.DataFrame(rows, columns=list(PODS))


def told() -> dict[str, pd.DataFrame]:
    return {
        "running": counted((ONE, "chat-a", 4.0), (ONE, "chat-b", 2.0), (TWO, "chat-a", 6.0)),
        "running_peak": counted((ONE, "chat-a", 5.0), (ONE, "chat-b", 3.0), (TWO, "chat-a", 7.0)),
        "waiting": counted((ONE, "chat-a", 0.6), (ONE, "chat-b", 0.6), (TWO, "chat-a", 0.0)),
        "waiting_peak": counted((ONE, "chat-a", 3.0), (ONE, "chat-b", 1.0), (TWO, "chat-a", 0.0)),
        "cache_peak": counted((ONE, "chat-a", 0.95), (ONE, "chat-b", 0.5), (TWO, "chat-a", 0.4)),
        "completion_tokens": counted((ONE, "chat-a", 1200.0), (ONE, "chat-b", 600.0), (TWO, "chat-a", 2400.0)),
        "finished": counted((ONE, "chat-a", 6.0), (ONE, "chat-b", 3.0), (TWO, "chat-a", 12.0)),
        "preemptions": counted((ONE, "chat-a", 1.0), (TWO, "chat-a", 0.0)),
    }


def buckets(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["pod", "le", "value"]).assign(cluster="east", namespace="chat")


NOTHING = buckets()


def row(first: pd.DataFrame = NOTHING) -> pd.Series:
    return served(tidy(told(), pods()), first, NOTHING, pods(), STEP_S, 2).iloc[0]


def test_levels_are_sums_of_replicas_step_by_step() -> None:
    found = row()
    assert (found["running"], found["running_peak"]) == (6.0, 8.0)  # 4 + 2, then 6; 5 + 3 at once
    assert (found["waiting"], found["waiting_peak"]) == (pytest.approx(0.6), 4.0)
    assert found["waiting_share"] == 0.5  # 1.2 in the first of two steps
    assert found["cache_peak"] == 0.95
    assert found["cache_share"] == pytest.approx(1 / 3)  # one of three replicas and steps


def test_tokens_a_second_are_of_the_time_seen_and_per_gpu_of_replicas_whose_gpus_are_known() -> None:
    found = row()
    assert found["completion_tokens"] == 4200.0
    assert found["tokens_per_s"] == 35.0  # 4200 in two minutes
    assert found["gpu_tokens_per_s"] == 15.0  # 3600 by two GPUs in two minutes
    assert (found["finished"], found["preemptions"]) == (21.0, 1.0)


def test_replicas_are_those_of_the_last_step() -> None:
    found = row()
    assert (found["replicas"], found["gpus"], found["models"]) == (1.0, 2.0, "llama")
    frame = replicas(tidy(told(), pods()))
    assert dict(zip(frame["pod"], frame["last_at"], strict=True)) == {
        "chat-a": pd.Timestamp(TWO), "chat-b": pd.Timestamp(ONE),
    }  # fmt: skip


def test_what_no_engine_tells_is_not_zero() -> None:
    found = row()
    assert math.isnan(found["prompt_tokens"])
    assert math.isnan(found["first_p95_s"])


def test_times_are_quantiles_of_all_replicas_together() -> None:
    first = buckets(
        ("chat-a", "1.0", 50.0), ("chat-a", "2.0", 60.0), ("chat-a", "+Inf", 60.0),
        ("chat-b", "1.0", 40.0), ("chat-b", "2.0", 40.0), ("chat-b", "+Inf", 40.0), ("gone-x", "+Inf", 900.0),
    )  # fmt: skip
    found = row(first)
    assert found["first_p50_s"] == pytest.approx(50 / 90)  # of 90 below one second
    assert found["first_p95_s"] == pytest.approx(1.5)  # 95 of 100: half of the ten between one and two


def test_pods_that_are_gone_are_their_workload_by_name_and_their_gpus_are_not_known() -> None:
    who = pd.DataFrame(
        [("east", "chat", "chat-old"), ("east", "chat", "other-1"), ("west", "chat", "chat-old"), ("east", "chat", "")],
        columns=["cluster", "namespace", "pod"],
    )
    found = known(pods(), who)
    assert found["pod"].tolist() == ["chat-a", "chat-b", "chat-old"]
    last = found.iloc[-1]
    assert (last["workload"], last["team"], last["node"]) == ("chat", "red", "")
    assert math.isnan(last["equivalents"])


def test_the_longest_name_that_fits_is_the_workload() -> None:
    more = pd.concat([pods(), pods().tail(1).assign(pod="chat-large-z", workload="chat-large")], ignore_index=True)
    who = pd.DataFrame([("east", "chat", "chat-large-gone")], columns=["cluster", "namespace", "pod"])
    assert known(more, who).iloc[-1]["workload"] == "chat-large"


def test_a_trend_has_gaps_where_nothing_was_seen() -> None:
    points = pd.DatetimeIndex([ONE, TWO, TWO + timedelta(minutes=1)]).as_unit("us")
    found = trend(tidy(told(), pods()), points, STEP_S)
    assert found["running"].tolist()[:2] == [6.0, 6.0]
    assert found["tokens_per_s"].tolist()[:2] == [30.0, 40.0]
    assert found.iloc[2][["running", "waiting", "cache_peak", "tokens_per_s"]].isna().all()


def test_nobody_told_anything() -> None:
    rows = tidy({name: frame.iloc[:0] for name, frame in told().items()}, pods())
    assert served(rows, NOTHING, NOTHING, pods(), STEP_S, 2).empty
    assert replicas(rows).empty
