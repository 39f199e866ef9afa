"""What figures say of batch settings, case by case."""

import math
from dataclasses import replace

import pytest

from services.domain.serving.advice import Measured, advice
from services.domain.serving.arguments import settings

SET = settings(["--max-num-seqs=64", "--gpu-memory-utilization=0.85", "--max-model-len=32768"])
CALM = Measured(
    replicas=2, running_peak=90, waiting_peak=0, waiting_share=0.0, cache_peak=0.6, cache_share=0.0, preemptions=0,
    finished=1000, first_p95_s=0.4,
)  # fmt: skip


def kinds(now: Measured, given: dict = SET) -> list[str]:
    return [one.kind for one in advice(now, given)]


def test_a_calm_workload_has_no_advice() -> None:
    assert kinds(CALM) == []


def test_a_full_cache_wants_room_and_names_the_arguments_that_are_set() -> None:
    (one,) = advice(replace(CALM, cache_peak=0.97, cache_share=0.2, preemptions=40, waiting_share=0.3), SET)
    assert one.kind == "cache"
    assert one.says == "The KV cache came to 97 %; 40 requests had to begin anew."
    for text in ("--gpu-memory-utilization from 0.85", "FP8", "--max-model-len from 32768", "--max-num-seqs from 64"):
        assert text in one.do
    (bare,) = advice(replace(CALM, cache_peak=0.97, cache_share=0.2), {})
    assert bare.do == "Keep the cache in FP8 (--kv-cache-dtype) or add replicas."


def test_a_peak_of_a_moment_without_harm_is_no_saturation() -> None:
    assert kinds(replace(CALM, cache_peak=0.95, cache_share=0.01)) == []
    assert kinds(replace(CALM, cache_peak=0.95, cache_share=0.01, preemptions=3)) == ["cache"]


def test_a_bound_that_is_reached_while_the_cache_has_room() -> None:
    (one,) = advice(replace(CALM, running_peak=128, waiting_peak=30, waiting_share=0.1, cache_peak=0.5), SET)
    assert one.kind == "bound"
    assert "while 64 ran on each replica, as --max-num-seqs allows" in one.says
    assert one.do.startswith("Raise --max-num-seqs above 64")


def test_requests_wait_and_no_bound_explains_it() -> None:
    assert kinds(replace(CALM, waiting_share=0.1, waiting_peak=12)) == ["replicas"]
    assert kinds(replace(CALM, waiting_peak=19)) == []  # ten a replica
    assert kinds(replace(CALM, waiting_peak=20)) == ["replicas"]


def test_a_slow_first_token_without_a_queue() -> None:
    assert kinds(replace(CALM, first_p95_s=12.0)) == ["slow"]
    assert kinds(replace(CALM, first_p95_s=12.0, waiting_peak=30)) == ["replicas"]


def test_slack_is_told_by_the_tighter_of_cache_and_bound() -> None:
    quiet = replace(CALM, replicas=8, running_peak=40, cache_peak=0.1)
    (one,) = advice(quiet, SET)
    assert one.kind == "slack"
    assert one.do.startswith("2 of 8 replicas")  # a tenth of eight at half their room: 1.6
    (bound,) = advice(replace(quiet, running_peak=128), SET)  # a quarter of 512: 4
    assert bound.do.startswith("4 of 8 replicas")
    assert kinds(replace(quiet, waiting_peak=1)) == []
    assert kinds(replace(quiet, replicas=1)) == []


@pytest.mark.parametrize("name", list(Measured.__dataclass_fields__))
def test_what_is_not_known_is_no_reason(name: str) -> None:
    assert kinds(replace(CALM, **{name: math.nan})) == []


def test_nothing_is_known() -> None:
    assert kinds(Measured(*[math.nan] * 9), {}) == []
