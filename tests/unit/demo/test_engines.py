"""What the demo's engines tell fits together, and fits what the gateway tells of the same requests."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from services.demo import engines
from services.ports import Metrics
from tests.conftest import NOW, demo_sources

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
END = NOW.replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def metrics() -> list[Metrics]:
    """Of both clusters: chat-70b serves in the one, the gateway and the others are in the other."""
    return [one.metrics for one in demo_sources().clusters.values() if one.metrics is not None]


def grown(metrics: list[Metrics], name: str, begin=END - DAY, step=HOUR, end=END) -> pd.DataFrame:
    return pd.concat([one.grown(name, begin, end, step).frame for one in metrics], ignore_index=True)


def test_levels_stay_within_what_an_engine_can_take(metrics) -> None:
    running, peak = (grown(metrics, f"serving_{name}")["value"] for name in ("running", "running_peak"))
    assert 0 <= running.min() <= running.max() <= peak.max() <= engines.SEQUENCES
    cache = grown(metrics, "serving_cache_peak")["value"]
    assert 0 < cache.min() <= cache.max() <= 1
    assert grown(metrics, "serving_waiting_peak")["value"].min() == 0  # in the night nobody waits


@pytest.mark.parametrize("name", ["serving_finished", "serving_preemptions", "serving_completion_tokens"])
def test_a_day_is_the_sum_of_its_hours(metrics, name: str) -> None:
    hours = grown(metrics, name).groupby("pod")["value"].sum()
    day = grown(metrics, name, step=DAY).set_index("pod")["value"]
    pd.testing.assert_series_equal(hours, day.sort_index(), check_names=False)
    assert (hours >= 0).all()


def test_a_peak_of_an_hour_is_the_highest_of_its_minutes(metrics) -> None:
    begin = END - HOUR
    minutes = grown(metrics, "serving_waiting_peak", begin, MINUTE).groupby("pod")["value"].max()
    hour = grown(metrics, "serving_waiting_peak", begin, HOUR).set_index("pod")["value"]
    pd.testing.assert_series_equal(minutes, hour.sort_index(), check_names=False)


def test_engines_finish_what_the_gateway_says_own_deployments_answered(metrics) -> None:
    finished = grown(metrics, "serving_finished").groupby("namespace")["value"].sum()
    answers = grown(metrics, "fallback_answers")
    cloud = answers["id"].map(lambda name: any(one in name for one in ("openai", "azure", "deepinfra", "mistral")))
    own = answers[~cloud & (answers["group"] != "rerank")]["value"].sum()  # nothing is scraped of what reranks
    assert finished.sum() == pytest.approx(own, rel=1e-3)


def test_a_model_that_embeds_writes_no_token_and_keeps_nothing(metrics) -> None:
    for name in ("serving_first_token", "serving_each_token", "serving_cache_peak", "serving_preemptions"):
        pods = set(grown(metrics, name)["pod"].str.rsplit("-", n=2).str[0])
        assert pods == {"chat-8b", "chat-70b"}, name
    assert "embed" in set(grown(metrics, "serving_running")["pod"].str.rsplit("-", n=2).str[0])


def test_a_first_token_comes_before_the_whole_answer(metrics) -> None:
    """Of chat, which one engine serves alone: the gateway's half of the answers take longer than the engine's first."""
    first = grown(metrics, "serving_first_token", step=DAY)
    mine = first[first["pod"].str.startswith("chat-8b-")].groupby("le")["value"].sum()
    whole = grown(metrics, "fallback_latency", step=DAY)
    own = whole[whole["id"].str.contains("chat-8b")].groupby("le")["value"].sum()
    assert 0.05 < half(mine) < half(own) < 5


def half(buckets: pd.Series) -> float:
    """The upper bound of the bucket in which half of the values are reached."""
    bounds = pd.Series({np.inf if le == "+Inf" else float(le): value for le, value in buckets.items()}).sort_index()
    assert bounds.is_monotonic_increasing
    return float(bounds[bounds >= bounds[np.inf] / 2].index[0])
