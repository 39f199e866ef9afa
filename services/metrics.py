"""Asking metrics sources: failures become problems, and the last good answer stays with its age."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from services.domain.signals import Query
from services.domain.window import Window
from services.errors import OpsError
from services.ports import ClusterSource, Coverage, Samples, Sources
from services.reading import Absence, Problem, Reading

Only = Mapping[str, Sequence[str]]
_COVERAGE_KEEP_S = 60.0


def instant(
    sources: Sources, source: ClusterSource, query: Query, at: datetime, only: Only | None = None
) -> Reading[pd.DataFrame]:
    """The answer to ``query`` at an instant (columns as :class:`services.domain.signals.Query` says).

    The same question is asked once, whoever asks it; after a failure again in the next refresh period. Frames are
    shared: never change them.
    """
    metrics = source.metrics
    if metrics is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    key = ("instant", source.name, query, _frozen(only))
    return _once(
        sources, key, at, lambda: _ask(sources, source, query, key, lambda: metrics.instant(query, at, only), at)
    )


def over_window(
    sources: Sources, source: ClusterSource, query: Query, window: Window, only: Only | None = None
) -> Reading[pd.DataFrame]:
    """The answer to ``query`` at each point of ``window``, with a column ``at``."""
    metrics = source.metrics
    if metrics is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    key = ("range", source.name, query, window.end - window.start, _frozen(only))
    return _ask(sources, source, query, key, lambda: metrics.range(query, window, only), window.end)


def coverage(sources: Sources, source: ClusterSource) -> Reading[Coverage]:
    """What the source holds; asked at most once a minute."""
    if source.metrics is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    moment = sources.now()
    metrics = source.metrics

    def ask() -> Reading[Coverage]:
        try:
            return Reading(metrics.coverage(), as_of=moment)
        except OpsError as error:
            return _failed(sources, ("coverage good", source.name), source, error)

    minute = int(moment.timestamp() // _COVERAGE_KEEP_S)
    answer = sources.memo.get(("coverage", source.name), minute, ask)
    if answer.problem is None and answer.value is not None:
        _succeeded(sources, ("coverage good", source.name), source, answer)
    return answer


def moment(sources: Sources) -> datetime:
    """The present, quantised to the refresh period, so that all who ask within it ask the same question."""
    period = sources.policy.refresh_s
    return datetime.fromtimestamp(int(sources.now().timestamp()) // period * period, UTC)


def _once(
    sources: Sources, key: tuple[object, ...], at: datetime, ask: Callable[[], Reading[pd.DataFrame]]
) -> Reading[pd.DataFrame]:
    period = moment(sources)
    held: tuple[datetime, Reading[pd.DataFrame]] | None = sources.memo.last(key)
    attempt = held[0] if held is not None and held[1].problem is None else period
    return sources.memo.get(key, (at, attempt), lambda: (attempt, ask()))[1]


def _ask(
    sources: Sources,
    source: ClusterSource,
    query: Query,
    key: tuple[object, ...],
    call: Callable[[], Samples],
    at: datetime,
) -> Reading[pd.DataFrame]:
    try:
        samples = call()
    except OpsError as error:
        return _failed(sources, key, source, error)
    if samples.frame.empty:
        known = coverage(sources, source)
        if known.value is not None and not known.value.has(query.signal):
            return Reading(samples.frame, as_of=at, absence=Absence.NOT_COLLECTED, notes=samples.notes)
    answer = Reading(samples.frame, as_of=at, notes=samples.notes)
    _succeeded(sources, key, source, answer)
    return answer


def _succeeded(sources: Sources, key: tuple[object, ...], source: ClusterSource, answer: Reading[Any]) -> None:
    sources.good.put(key, answer)
    sources.good.put(("failing since", source.name), None)


def _failed(sources: Sources, key: tuple[object, ...], source: ClusterSource, error: OpsError) -> Reading[Any]:
    good = sources.good.last(key)
    since = sources.good.last(("failing since", source.name)) or sources.now()
    sources.good.put(("failing since", source.name), since)
    problem = Problem.of(error, source="prometheus", since=since)
    if source.name not in problem.message:
        problem = replace(problem, message=f"{source.name}: {problem.message}")
    if good is None:
        return Reading(None, problem=problem)
    return Reading(good.value, as_of=good.as_of, problem=problem, notes=good.notes)


def _frozen(only: Only | None) -> tuple[object, ...]:
    return tuple(sorted((name, tuple(values)) for name, values in (only or {}).items()))
