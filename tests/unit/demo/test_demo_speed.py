"""Prints how long large questions take; asserts only what they answer."""

from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import pytest

from services.domain.signals import UNIT_KEY, Query
from services.domain.window import ending

NOW = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)


def test_thirty_days_of_sixty_four_gpus_by_the_hour(estate: Any) -> None:
    began = perf_counter()
    hours = 0.0
    for source in estate().values():
        query = Query("util", ("gpu",), over=timedelta(days=30), step=timedelta(hours=1))
        frame = source.metrics.instant(query, NOW).frame
        hours += frame["weight"].sum() * 720
        ranged = source.metrics.range(Query("util", ("node",)), ending(NOW, "30d")).frame
        assert ranged["at"].nunique() == 360
    print(f"30 days, cold: {perf_counter() - began:.2f} s")
    # 63 GPUs are watched; cuts leave 3 + 1 GPUs with 6/7; nodes are replaced at whole hours, where the instants are:
    # two of one GPU and one of eight, six times each, and each GPU misses one instant
    assert hours == pytest.approx((63 - 4 / 7) * 720 - 6 * (1 + 1 + 8))


def test_ten_thousand_gpus(estate: Any) -> None:
    began = perf_counter()
    sources = estate(gpus=10_000)
    print(f"built: {perf_counter() - began:.2f} s")
    total = 0.0
    for name, source in sources.items():
        began = perf_counter()
        units = source.metrics.instant(Query("util", UNIT_KEY), NOW).frame
        print(f"{name}: {len(units)} units now: {perf_counter() - began:.2f} s")
        began = perf_counter()
        rows = source.metrics.range(Query("power", ("node",)), ending(NOW, "24h")).frame
        print(f"{name}: {len(rows)} rows by node, 24 h: {perf_counter() - began:.2f} s")
        began = perf_counter()
        pods = source.cluster.snapshot("pods").objects
        print(f"{name}: {len(pods)} pods: {perf_counter() - began:.2f} s")
        total += source.metrics.instant(Query("power", ("node",)), NOW).frame["weight"].sum()
    assert total == 9_999.0
