"""Energy of a window: what every GPU drew while it was seen."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from services.cost import energy
from services.domain import frames
from services.domain.cost.windows import Window
from services.domain.scope import Scope
from services.ports import COVERAGE_COLUMNS, CostPolicy, Coverage, Samples, Sources
from tests.conftest import NOW, demo_sources

TODAY = NOW.date()
TEN_DAYS = Window(date.fromordinal(TODAY.toordinal() - 10), date.fromordinal(TODAY.toordinal() - 1))


class Drawing:
    """Two GPUs: one drew 400 W all the time, one 100 W and was there for half of it."""

    def __init__(self) -> None:
        self.asked = []

    def instant(self, query, at, only=None) -> Samples:
        self.asked.append((query, at))
        return Samples(pd.DataFrame({"gpu": ["a", "b"], "value": [400.0, 100.0], "weight": [1.0, 0.5]}))


def sources(drawing: Drawing, **policy: float) -> Sources:
    made = demo_sources()
    clusters = {name: replace(source, metrics=drawing) for name, source in made.clusters.items()}
    return replace(made, clusters=clusters, policy=replace(made.policy, cost=CostPolicy(pue=1.5, **policy)))


def test_each_gpu_counts_for_the_time_it_was_seen():
    # 240 h: 400 W × 240 h + 100 W × 120 h = 108 kWh, × 1.5 = 162 a cluster, of 360 GPU-hours.
    found = energy.read(sources(Drawing()), Scope(), TEN_DAYS).value
    assert found.whole.kwh == pytest.approx(2 * 162)
    assert found.whole.gpu_hours == pytest.approx(2 * 360)
    assert (found.whole.usd, found.whole.grams) == (None, None)


def test_money_and_carbon_follow_from_the_factors_somebody_gave():
    made = sources(Drawing(), usd_per_kwh=0.1, grams_per_kwh=300.0)
    found = energy.read(made, Scope(cluster="demo-east"), TEN_DAYS).value
    assert found.whole.usd == pytest.approx(16.2)
    assert found.whole.grams == pytest.approx(48_600)


def test_not_more_than_a_month_is_asked_for_and_nothing_of_days_to_come():
    drawing = Drawing()
    found = energy.read(
        sources(drawing), Scope(cluster="demo-east"), Window(date(2026, 1, 1), date(2026, 12, 31))
    ).value
    assert found.end - found.begin == energy.LONGEST
    assert found.end <= NOW


def test_where_nobody_measured_nothing_is_known():
    class Silent(Drawing):
        def instant(self, query, at, only=None) -> Samples:
            return Samples(pd.DataFrame({"gpu": [], "value": [], "weight": []}))

        def coverage(self) -> Coverage:
            return Coverage(frames.empty(COVERAGE_COLUMNS))

    reading = energy.read(sources(Silent()), Scope(), TEN_DAYS)
    assert reading.value is None or reading.value.whole is None
