"""What a metrics source holds about GPUs: a handful of cheap queries for the Sources page."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta

import pandas as pd

from services.adapters.prom_flavour import CARRIERS, texts
from services.adapters.prom_frames import Grid, Table, decoded
from services.adapters.prom_http import PromHttp
from services.adapters.promql_text import matchers_of, names_selector, quoted, selector
from services.adapters.promql_units import Flavour, Owners
from services.domain.frames import conform, empty
from services.domain.signals import SIGNALS
from services.ports import COVERAGE_COLUMNS, Coverage

ALSO = (
    "kube_pod_info",
    "kube_node_labels",
    "DCGM_EXP_.*",
    "vllm:.*",
    "litellm_.*",
    "node_gpu_hourly_cost",
)
"""Other families of interest, as patterns of names."""

MAX_FAMILIES = 500

_PRESENCE = tuple(carrier.metric for carrier in SIGNALS["temperature"].carriers)
"""Every GPU in every mode reports its temperature: the best sign of presence."""


def coverage(http: PromHttp, pool: Executor, flavour: Flavour, matchers: Mapping[str, str], now: datetime) -> Coverage:
    """The coverage now; see :class:`services.ports.Coverage`. Raises SourceError."""
    also = pool.submit(_families, http, matchers, now)
    if not flavour.metrics:
        return Coverage(empty(COVERAGE_COLUMNS), also=also.result())
    every = names_selector(flavour.metrics, matchers_of(matchers))
    counts = pool.submit(_by_metric, http, f"count by (__name__) ({every})", now)
    gpus = pool.submit(_by_metric, http, f"count by (__name__) (group by (__name__,UUID) ({every}))", now)
    newest_at = pool.submit(_newest_by_metric, http, flavour, matchers, now)
    presence = [metric for metric in _PRESENCE if metric in flavour.metrics] or sorted(flavour.metrics)
    scraped = f"group by (UUID,GPU_I_ID,job,instance) ({names_selector(presence, matchers_of(matchers))})"
    twice = f"count(group by (UUID) (count by (UUID,GPU_I_ID) ({scraped}) > 1))"
    duplicates = _ask(http, twice, (), now)
    frame = _carriers(counts.result(), gpus.result(), newest_at.result())
    owner_labels = Owners.EXPORTED if flavour.owners is Owners.MIXED else flavour.owners
    return Coverage(
        frame,
        labels=flavour.labels - {"__name__"},
        owner_labels=str(owner_labels),
        duplicates=int(duplicates.samples[0, 0]) if duplicates.series else 0,
        also=also.result(),
    )


def newest(http: PromHttp, flavour: Flavour, matchers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the newest GPU sample was taken; None when there is none in the last minutes. Raises SourceError."""
    presence = [metric for metric in _PRESENCE if metric in flavour.metrics] or sorted(flavour.metrics)[:1]
    if not presence:
        return None
    table = _ask(http, f"max({_newest(presence, matchers)})", (), now)
    return datetime.fromtimestamp(float(table.samples[0, 0]), UTC) if table.series else None


def _carriers(counts: dict[str, float], gpus: dict[str, float], newest_at: dict[str, float]) -> pd.DataFrame:
    present = [metric for metric in CARRIERS if metric in counts]
    if not present:
        return empty(COVERAGE_COLUMNS)
    seconds = [newest_at.get(metric, float("nan")) for metric in present]
    frame = pd.DataFrame(
        {
            "signal": [CARRIERS[metric] for metric in present],
            "metric": present,
            "series": [counts[metric] for metric in present],
            "gpus": [gpus.get(metric, 0.0) for metric in present],
            "newest_at": pd.to_datetime(pd.Series(seconds, dtype="float64"), unit="s", utc=True),
        }
    )
    return conform(frame, COVERAGE_COLUMNS)


def _newest(metrics: Sequence[str], matchers: Mapping[str, str]) -> str:
    """The time of the newest sample of each metric, its name in the label ``metric`` (timestamp() drops the name)."""
    return " or ".join(
        f'label_replace(max(timestamp({selector(metric, matchers_of(matchers))})), "metric", "{metric}", "", "")'
        for metric in metrics
    )


def _newest_by_metric(http: PromHttp, flavour: Flavour, matchers: Mapping[str, str], now: datetime) -> dict[str, float]:
    table = _ask(http, _newest(sorted(flavour.metrics), matchers), ("metric",), now)
    return dict(zip(table.labels["metric"], table.samples[:, 0].tolist(), strict=True))


def _by_metric(http: PromHttp, query: str, now: datetime) -> dict[str, float]:
    table = _ask(http, query, ("__name__",), now)
    return dict(zip(table.labels["__name__"], table.samples[:, 0].tolist(), strict=True))


def _ask(http: PromHttp, query: str, labels: Sequence[str], now: datetime) -> Table:
    answer = http.post("query", {"query": query, "time": f"{now.timestamp():.3f}"})
    return decoded(http.source, answer.data, labels, Grid(now.timestamp()), max_series=len(CARRIERS) + 1)


def _families(http: PromHttp, matchers: Mapping[str, str], now: datetime) -> frozenset[str]:
    match = "{" + ",".join((f"__name__=~{quoted('|'.join(ALSO))}", *matchers_of(matchers))) + "}"
    span = {"start": f"{(now - timedelta(hours=1)).timestamp():.0f}", "end": f"{now.timestamp():.0f}"}
    answer = http.get("label/__name__/values", {"match[]": match, **span})
    return frozenset(texts(http.source, answer.data)[:MAX_FAMILIES])
