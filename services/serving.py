"""How the fleet's inference engines serve: figures by workload, its batch settings, and advice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from services import fleet
from services.domain import frames
from services.domain.counters import COUNTERS, MINUTE, ends
from services.domain.findings import Finding
from services.domain.objects import Pod
from services.domain.scope import Scope
from services.domain.serving import arguments, findings, health
from services.domain.serving.advice import Advice, Measured, advice
from services.domain.serving.arguments import Setting
from services.domain.window import RANGES
from services.errors import OpsError
from services.merge import merged
from services.ports import ClusterSource, Metrics, Sources
from services.reading import Absence, Problem, Reading

STEPS = {
    "1h": MINUTE,
    "6h": 5 * MINUTE,
    "24h": 30 * MINUTE,
    "7d": timedelta(hours=4),
    "30d": timedelta(days=1),
}
"""Resolution of each range. Peaks are exact at any; 30 to 72 steps of every replica are quick to ask for."""
_KEEP_S = {"1h": 20.0, "6h": 30.0, "24h": 60.0, "7d": 180.0, "30d": 600.0}
_TIMES_OVER = timedelta(days=1)
"""The longest span times to tokens are told of: their counters are many."""
_FIGURES = (*health.LEVELS, *health.SUMS)
Key = tuple[str, str, str]
"""Cluster, namespace, workload."""


@dataclass(frozen=True)
class Told:
    """What the engines of one cluster told over steps that end at ``points``: frames by figure, with ``cluster``."""

    figures: Mapping[str, pd.DataFrame]
    points: tuple[datetime, ...]


@dataclass(frozen=True)
class Board:
    """Engines of a scope.

    ``served``: :data:`services.domain.serving.health.SERVED`. ``rows``: as :func:`services.domain.serving.health.tidy`
    makes them. ``settings`` and ``advice`` by cluster, namespace and workload. ``strangers``: engines whose pod belongs
    to no workload that holds GPUs now.
    """

    served: pd.DataFrame
    rows: pd.DataFrame
    points: tuple[datetime, ...]
    step: timedelta
    settings: Mapping[Key, Mapping[str, Setting]]
    advice: Mapping[Key, tuple[Advice, ...]]
    strangers: int

    def of(self, key: Key) -> pd.DataFrame:
        """The rows of one workload."""
        cluster, namespace, workload = key
        rows = self.rows
        mine = rows["cluster"].eq(cluster) & rows["namespace"].eq(namespace) & rows["workload"].eq(workload)
        return rows[mine]


def board(sources: Sources, scope: Scope) -> Reading[Board]:
    """The scope's engines over its range; not collected where none is scraped."""
    parts = [_told(sources, source, scope.range) for source in sources.chosen(scope.cluster)]
    pods = fleet.pods(sources, Scope(cluster=scope.cluster))
    told = merged(parts, lambda found: found)
    if told.value is None:
        return Reading(None, told.as_of, told.problem, told.absence, told.notes)
    if pods.value is None:
        return Reading(None, pods.as_of, pods.problem, pods.absence, pods.notes)
    seen, step = pods.value, STEPS[scope.range]
    points = max((one.points for one in told.value), key=lambda ends: ends[-1])
    stamp = tuple((id(one), one.points[-1]) for one in told.value)
    found = sources.memo.get(
        ("serving", scope), (stamp, id(seen)), lambda: _built(sources, scope, told.value or [], seen, points, step)
    )
    return Reading(found, told.as_of, told.problem or pods.problem, None, (*told.notes, *pods.notes))


def _built(
    sources: Sources, scope: Scope, told: list[Told], pods: pd.DataFrame, points: tuple[datetime, ...], step: timedelta
) -> Board:
    counted = {name: pd.concat([one.figures[name] for one in told], ignore_index=True) for name in told[0].figures}
    place = ["cluster", "namespace", "pod"]
    who = pd.concat([frame[place] for frame in counted.values()], ignore_index=True).drop_duplicates()
    placed = health.known(pods, who)
    strangers = len(who) - len(who.merge(placed[place].drop_duplicates(), how="inner", on=place))
    mine = scope.keep(placed)
    rows = health.tidy({name: counted[name] for name in _FIGURES}, mine)
    step_s = step.total_seconds()
    served = health.served(rows, counted["first_token"], counted["each_token"], mine, step_s, len(points))
    settings = _settings(sources, mine, served)
    advised = {
        (row["cluster"], row["namespace"], row["workload"]): advice(
            Measured(**{name: float(row[name]) for name in Measured.__dataclass_fields__}),
            settings.get((row["cluster"], row["namespace"], row["workload"]), {}),
        )
        for row in served.to_dict("records")
    }
    return Board(served, rows, points, step, settings, advised, strangers if scope.sees.whole else 0)


def attention(sources: Sources, scope: Scope) -> list[Finding]:
    """What needs attention in how the scope's engines serve, over a day."""
    value = board(sources, replace(scope, range="24h")).value
    if value is None:
        return []
    found: list[Finding] = []
    for row in value.served.to_dict("records"):
        key = row["cluster"], row["namespace"], row["workload"]
        gpus = None if pd.isna(row["gpus"]) else float(row["gpus"])
        found += findings.attended(*key, row["team"], gpus, value.advice[key])
    return found


def strain(
    sources: Sources, source: ClusterSource, namespace: str, workload: str, begin: datetime, end: datetime
) -> pd.DataFrame | None:
    """``at``, ``waiting`` requests and ``cache`` in use (0..1) of a workload's engines by the minute.

    None where nothing is known.
    """
    pods = fleet.pods(sources, Scope(cluster=source.name)).value
    if source.metrics is None or pods is None:
        return None
    first, last = (at.replace(second=0, microsecond=0) for at in (begin, end))
    if last <= first:
        return None
    try:
        asked = {
            name: source.metrics.grown(f"serving_{name}", first, last, MINUTE).frame.assign(cluster=source.name)
            for name in ("waiting_peak", "cache_peak")
        }
    except OpsError:
        return None
    if all(frame.empty for frame in asked.values()):
        return None
    who = pd.concat([frame[["cluster", "namespace", "pod"]] for frame in asked.values()], ignore_index=True)
    rows = health.tidy(asked, health.known(pods, who.drop_duplicates()))
    rows = rows[rows["namespace"].eq(namespace) & rows["workload"].eq(workload)]
    if rows.empty:
        return None
    by = rows.groupby("at")
    found = pd.DataFrame({"waiting": by["waiting_peak"].sum(min_count=1), "cache": by["cache_peak"].max()})
    return frames.conform(found.reset_index(), {"at": "datetime64[us, UTC]", "waiting": "float64", "cache": "float64"})


def _told(sources: Sources, source: ClusterSource, range_name: str) -> Reading[Told]:
    metrics = source.metrics
    if metrics is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    points, key = _points(sources.now(), range_name), ("serving", source.name, range_name)

    def build() -> Reading[Told]:
        try:
            answer = _asked(metrics, source.name, points)
        except OpsError as error:
            good: Reading[Told] | None = sources.good.last(key)
            since = sources.good.last((*key, "failing since")) or sources.now()
            sources.good.put((*key, "failing since"), since)
            problem = Problem.of(error, source="prometheus", since=since)
            return Reading(None, problem=problem) if good is None else replace(good, problem=problem)
        sources.good.put(key, answer)
        sources.good.put((*key, "failing since"), None)
        return answer

    return sources.memo.get(key, points, build, at=sources.now().timestamp(), keep_s=_KEEP_S[range_name])


def _asked(metrics: Metrics, cluster: str, points: tuple[datetime, ...]) -> Reading[Told]:
    """Raises SourceError."""
    step, end = points[1] - points[0], points[-1]
    span = end - points[0] + step
    found: dict[str, pd.DataFrame] = {}
    notes: list[str] = []
    for name in (*_FIGURES, "first_token", "each_token"):
        if name in _FIGURES:
            samples = metrics.grown(f"serving_{name}", end - span, end, step)
        else:
            over = min(span, _TIMES_OVER)
            samples = metrics.grown(f"serving_{name}", end - over, end, over)
        found[name] = samples.frame.assign(cluster=cluster)
        notes += samples.notes
        if name == _FIGURES[0] and samples.frame.empty:  # every engine tells what it works at
            empty = {one: _nothing(one) for one in (*_FIGURES, "first_token", "each_token")}
            return Reading(Told(empty, points), end, absence=Absence.NOT_COLLECTED, notes=tuple(notes))
    return Reading(Told(found, points), end, notes=tuple(dict.fromkeys(notes)))


def _nothing(name: str) -> pd.DataFrame:
    return frames.empty({"cluster": "str", **COUNTERS[f"serving_{name}"].columns})


def _settings(sources: Sources, pods: pd.DataFrame, served: pd.DataFrame) -> dict[Key, Mapping[str, Setting]]:
    """Batch settings of each workload, of a pod that is there."""
    keys = set(zip(served["cluster"], served["namespace"], served["workload"], strict=True))
    of = {
        (cluster, namespace, pod): (cluster, namespace, workload)
        for cluster, namespace, pod, workload in zip(
            pods["cluster"], pods["namespace"], pods["pod"], pods["workload"], strict=True
        )
        if (cluster, namespace, workload) in keys
    }
    found: dict[Key, Mapping[str, Setting]] = {}
    for source in sources.clusters.values():
        for pod in source.cluster.snapshot("pods").objects if of else ():
            key = of.get((source.name, pod.metadata.namespace, pod.metadata.name))
            if key is not None and key not in found and isinstance(pod, Pod):
                told = arguments.settings(part for one in pod.spec.containers for part in one.args or ())
                if told:
                    found[key] = told
    return found


def _points(now: datetime, range_name: str) -> tuple[datetime, ...]:
    """The ends of the range's steps; the last is the last whole minute, or five of them, before now."""
    step = STEPS[range_name]
    whole = int(min(step, 5 * MINUTE).total_seconds())
    end = datetime.fromtimestamp(int(now.timestamp()) // whole * whole, UTC)
    return tuple(ends(end - RANGES[range_name], end, step))
