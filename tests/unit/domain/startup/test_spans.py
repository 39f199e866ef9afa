"""Chains of spans, and durations and sizes in words."""

import pytest

from services.domain.startup import Confidence, Phase
from services.domain.startup.spans import NOTE, Chain, clip, size, took
from tests.unit.domain.startup.looks import at


def test_spans_follow_each_other_and_stay_within_their_limit() -> None:
    chain = Chain(at(0), at(100))
    chain.to(Phase.WAIT, at(10), "condition PodScheduled")
    chain.to(Phase.SETUP, at(9), "condition PodReadyToStartContainers")
    chain.to(Phase.PULL, None, "event Pulled")
    chain.to(Phase.LOAD, at(120), "startup probe")
    assert [(span.phase, span.begin, span.end) for span in chain.spans] == [
        (Phase.WAIT, at(0), at(10)),
        (Phase.LOAD, at(10), at(100)),
    ]
    assert not chain.skewed


def test_what_ends_two_seconds_too_early_is_noise_and_three_are_two_clocks() -> None:
    for early, skewed in ((2, False), (3, True)):
        chain = Chain(at(0), at(100))
        chain.to(Phase.WAIT, at(10), "condition PodScheduled")
        chain.to(Phase.SETUP, at(10 - early), "condition PodReadyToStartContainers")
        assert chain.skewed is skewed


def test_what_need_not_follow_is_no_skew() -> None:
    chain = Chain(at(0), at(100))
    chain.to(Phase.PROVISION, at(-20), "node created", follows=False)
    assert not chain.skewed
    assert chain.spans == []


def test_after_the_end_of_a_closed_chain_nothing_happened() -> None:
    open_, closed = Chain(at(0), at(10)), Chain(at(0), at(10), closed=True)
    for chain in (open_, closed):
        chain.to(Phase.WAIT, at(13), "condition PodScheduled")
    assert (open_.skewed, closed.skewed) == (False, True)


def test_a_span_that_begins_at_a_bound_is_an_estimate() -> None:
    chain = Chain(at(0), at(100))
    chain.to(Phase.WAIT, at(10), "status.startTime", Confidence.ESTIMATED, bound=True)
    chain.to(Phase.SETUP, at(20), "condition PodReadyToStartContainers")
    chain.to(Phase.LOAD, at(30), "startup probe")
    assert [span.confidence for span in chain.spans] == [
        Confidence.ESTIMATED,
        Confidence.ESTIMATED,
        Confidence.EXACT,
    ]


def test_a_long_text_is_cut() -> None:
    assert clip("x" * 300) == "x" * 300
    assert clip("x" * 301) == "x" * 299 + "…"
    assert NOTE == 300


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "<0.1 s"), (0.4, "0.4 s"), (9.9, "9.9 s"), (9.96, "10 s"), (12.3, "12 s"), (59.6, "1 m"),
     (252, "4 m 12 s"), (300, "5 m"), (3600, "1 h"), (3900, "1 h 5 m")],
)  # fmt: skip
def test_durations_in_words(seconds: float, words: str) -> None:
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [(18_200_000_000, "18.2 GB"), (1e9, "1.0 GB"), (450_400_000, "450 MB"), (72.2e6, "72 MB"), (12_000, "12 kB")],
)
def test_sizes_in_words(amount: float, words: str) -> None:
    assert size(amount) == words
