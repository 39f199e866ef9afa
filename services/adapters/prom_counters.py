"""Counters of a Prometheus-compatible server: how much they grew, exactly.

``increase()`` will not do for money: it extrapolates to the edges of its window, so hours do not add up to the day, and
it loses all that a series brings with its first sample, as every new key, team or model of a gateway does. Instead each
series is looked at every minute, and each look is compared with the last one before it:

- it is there and not smaller: it grew by the difference, over a gap as well;
- it is smaller: its process began anew, and it grew by what it shows;
- there was none within :data:`REACH`: it grew from 0, if its process was looked at within that time, or began lately.
  Otherwise it may have counted for months before anybody looked, and this look is only where it starts.

Growth of one process is summed by our dimensions on the server, so no other label is ever answered. Growth between the
last look and a restart is lost, at most that of a minute.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd

from services.adapters.prom_frames import Grid, Table, decoded
from services.adapters.prom_http import PromHttp
from services.adapters.promql_text import matchers_of, selector
from services.domain.counters import Counter, ends
from services.domain.frames import conform, empty
from services.ports import Samples
from services.settings import MetricsAccess

REACH = timedelta(hours=1)
"""How long a series may be away and go on where it was."""

_BEGAN = timedelta(minutes=10)
"""A process that is this young has counted nothing that was counted before."""

_AT_ONCE = timedelta(days=1)

_PROCESS = ("namespace", "pod", "instance")
_COPY = ("job", "prometheus", "prometheus_replica", "replica")
"""Labels that tell two collections of the same process apart: scrape jobs, and Prometheus servers of a pair."""

_NONE = "None"
"""What LiteLLM writes where a label has no value."""


def grown(
    http: PromHttp, access: MetricsAccess, counter: Counter, begin: datetime, end: datetime, step: timedelta
) -> Samples:
    """What :meth:`services.ports.Metrics.grown` promises."""
    points = ends(begin, end, step)
    text, labels = question(counter, step, matchers_of(access.matchers))
    size = max(_AT_ONCE // step, 1)
    parts, notes = [], {}
    for first in range(0, len(points), size):
        asked = points[first : first + size]
        form = {
            "query": text,
            "start": f"{asked[0].timestamp():.3f}",
            "end": f"{asked[-1].timestamp():.3f}",
            "step": f"{step.total_seconds():.3f}",
            "timeout": f"{max(round(access.read_timeout_s), 1)}s",
        }
        answer = http.post("query_range", form)
        grid = Grid(asked[0].timestamp(), step.total_seconds(), len(asked))
        table = decoded(http.source, answer.data, labels, grid, max_series=access.max_series)
        parts.append(_frame(counter, table, asked))
        notes.update(dict.fromkeys(answer.notes))
    return Samples(pd.concat(parts, ignore_index=True) if parts else empty(counter.columns), tuple(notes))


def question(counter: Counter, step: timedelta, matchers: Sequence[str]) -> tuple[str, list[str]]:
    """The query for each end of a step, and the labels of its answer."""
    own = [label for labels in counter.dimensions.values() for label in labels]
    names = (counter.metric, *counter.also)
    # A millisecond less leaves out the left end on every version: Prometheus 2 includes it, Prometheus 3 does not.
    span = f"{step // timedelta(milliseconds=1) - 1}ms"
    if counter.gauge:
        look, within, over = _LEVELS[counter.level]
        # Names are lost by looking over time, so of a process that tells two the first is kept.
        told = " or ".join(f"{look}({selector(name, matchers)}[{span}])" for name in names)
        if counter.parts:
            told, over = f"{within} by ({', '.join((*own, *counter.parts))}) ({told})", "sum"
        return f"{over} by ({', '.join(own)}) ({told})", own
    growth = " or ".join(_growth(selector(name, matchers), matchers) for name in names)
    labels = list(dict.fromkeys((*own, *_PROCESS, *_COPY)))
    return f"sum by ({', '.join(labels)}) (sum_over_time(({growth})[{span}:1m]))", labels


_LEVELS = {
    "mean": ("avg_over_time", "max", "avg"),
    "peak": ("max_over_time", "max", "max"),
    "least": ("last_over_time", "min", "min"),
}
"""How a series is looked at over a step, how what tells the same part is taken together, and how parts are."""


def _growth(series: str, matchers: Sequence[str]) -> str:
    """What a series grew by since the last look; without its name."""
    reach = f"{REACH // timedelta(minutes=1)}m"
    before = f"last_over_time({series}[{reach}] offset 1m)"
    looked = f"max_over_time({selector('up', matchers)}[{reach}] offset 1m) == 1"
    young = f"{selector('process_start_time_seconds', matchers)} > time() - {_BEGAN.total_seconds():.0f}"
    # 0 + takes the metric's name off, which the difference has lost already: a series must not change its labels.
    return (
        f"({series} - {before}) >= 0"
        f" or 0 + ({series} and {before})"
        f" or 0 + ({series} and on (job, instance) (({looked}) or ({young})))"
    )


def _frame(counter: Counter, table: Table, points: Sequence[datetime]) -> pd.DataFrame:
    if not table.series:
        return empty(counter.columns)
    told = pd.DataFrame({name: pd.Series(texts, dtype="str") for name, texts in table.labels.items()})
    told = told.replace(_NONE, "")
    samples = pd.DataFrame(table.samples)
    if not counter.gauge:
        told = _placed(told)
    keys = pd.DataFrame({name: _first(told, labels) for name, labels in counter.dimensions.items()})
    if counter.gauge:
        levels = samples.groupby([keys[name] for name in keys])
        sums = levels.mean() if counter.level == "mean" else levels.max() if counter.level == "peak" else levels.min()
    else:
        process = (told["namespace"] + "/" + told["pod"]).where(told["pod"].ne(""), told["instance"])
        copy = told[list(_COPY)].agg("\x1f".join, axis=1)
        own = [keys[name] for name in keys]
        copies = samples.groupby([*own, process.rename("process"), copy.rename("copy")]).sum(min_count=1)
        once = copies.groupby(level=list(range(len(own) + 1))).max()
        sums = once.groupby(level=list(range(len(own)))).sum(min_count=1)
    sums.columns = pd.DatetimeIndex([at.astimezone(UTC) for at in points]).as_unit("us")
    flat = sums.reset_index().melt(list(counter.dimensions), var_name="at").dropna(subset="value")
    return conform(flat.sort_values(["at", *counter.dimensions], ignore_index=True), counter.columns)


def _placed(told: pd.DataFrame) -> pd.DataFrame:
    """A job that does not say which pod it asks is taken at another's word for the same address."""
    known = told[told["pod"].ne("") & told["instance"].ne("")].drop_duplicates("instance").set_index("instance")
    lacking = told["pod"].eq("") & told["instance"].isin(known.index)
    if lacking.any():
        for name in ("namespace", "pod"):
            told[name] = told[name].mask(lacking, told["instance"].map(known[name]))
    return told


def _first(told: pd.DataFrame, labels: Sequence[str]) -> pd.Series:
    """The first label that has a value."""
    found = told[labels[0]]
    for label in labels[1:]:
        found = found.where(found.ne(""), told[label])
    return found
