"""How fast each deployment answered, and how often each replica of the proxy took it out of rotation."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pandas as pd

from services.domain import frames
from services.domain.counters import MINUTE
from services.domain.fallback.breakers import breakers
from services.domain.quantiles import quantile
from services.domain.window import RANGES
from services.errors import OpsError
from services.ports import Metrics, Sources
from services.reading import Absence, Problem, Reading

SPEED = {
    "id": "str",
    "requests": "float64",
    "p50_s": "float64",
    "p95_s": "float64",
    "p95_from_s": "float64",  # the p95 lies between these two: nothing is known of where
    "p95_to_s": "float64",
}
ATTEMPTS = {
    "id": "str",
    "answered": "float64",
    "failed": "float64",  # attempts, of which a request may have made several
    "status": "str",  # of the error most of them ended with
    "error": "str",
}
_DAY = timedelta(days=1)
_LONGEST = timedelta(days=7)
_RECENT = timedelta(hours=1)


def speed(sources: Sources, cluster: str, range_name: str) -> Reading[pd.DataFrame]:
    """Frame :data:`SPEED` by deployment over a range, of 30 days the last seven: from end to end, as clients see it."""
    end = _minute(sources.now())

    def ask(metrics: Metrics) -> pd.DataFrame:
        length = min(RANGES[range_name], _LONGEST)
        grown = metrics.grown("fallback_latency", end - length, end, min(length, _DAY)).frame
        rows = []
        for name, mine in grown.groupby("id", sort=True):
            buckets = {str(bound): float(n) for bound, n in mine.groupby("le")["value"].sum().items()}
            half, most = quantile(buckets, 0.5), quantile(buckets, 0.95)
            if half is not None and most is not None:
                rows.append((name, buckets["+Inf"], half.value, most.value, most.low, most.high))
        return frames.table(SPEED, rows)

    return _asked(sources, cluster, ("fallback speed", cluster, range_name), end, ask)


def attempts(sources: Sources, cluster: str, range_name: str) -> Reading[pd.DataFrame]:
    """Frame :data:`ATTEMPTS` by deployment over a range: what each was sent, whether it answered or failed."""
    end = _minute(sources.now())

    def ask(metrics: Metrics) -> pd.DataFrame:
        length = RANGES[range_name]
        asked = end - length, end, min(length, _DAY)
        answers = metrics.grown("fallback_answers", *asked).frame.groupby("id")["value"].sum()
        failures = metrics.grown("fallback_failures", *asked).frame
        worst = failures.groupby(["id", "status", "error"])["value"].sum().sort_values().reset_index()
        worst = worst.drop_duplicates("id", keep="last").set_index("id")
        failed = failures.groupby("id")["value"].sum()
        names = sorted({*answers.index, *failed.index} - {""})
        rows = [
            (
                name,
                float(answers.get(name, 0.0)),
                float(failed.get(name, 0.0)),
                *(worst.loc[name, ["status", "error"]] if failed.get(name, 0.0) else ("", "")),
            )
            for name in names
        ]
        return frames.table(ATTEMPTS, rows)

    return _asked(sources, cluster, ("fallback attempts", cluster, range_name), end, ask)


def state(sources: Sources, cluster: str, range_name: str, cooldown_s: float) -> Reading[pd.DataFrame]:
    """Frame :data:`services.domain.fallback.breakers.BREAKERS`: by deployment and replica."""
    end = _minute(sources.now())

    def ask(metrics: Metrics) -> pd.DataFrame:
        length = RANGES[range_name]
        whole = metrics.grown("fallback_cooldowns", end - length, end, min(length, _DAY)).frame
        recent = metrics.grown("fallback_cooldowns", end - _RECENT, end, MINUTE).frame
        answered = metrics.grown("fallback_replica_answers", end - _RECENT, end, MINUTE).frame
        return breakers(whole, recent, answered, cooldown_s, end)

    return _asked(sources, cluster, ("fallback breakers", cluster, range_name, cooldown_s), end, ask)


def _asked(
    sources: Sources, cluster: str, key: tuple[object, ...], end: datetime, ask: Callable[[Metrics], pd.DataFrame]
) -> Reading[pd.DataFrame]:
    source = sources.clusters.get(cluster)
    metrics = None if source is None else source.metrics
    if metrics is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)

    def build() -> Reading[pd.DataFrame]:
        try:
            return Reading(ask(metrics), end)
        except OpsError as error:
            return Reading(None, problem=Problem.of(error, source="prometheus", since=sources.now()))

    return sources.memo.get(key, end, build)


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)
