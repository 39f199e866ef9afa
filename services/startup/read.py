"""The recorded starts of a scope: the one place that reads them, and that leaves out what somebody may not see."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd

from services.domain.scope import Scope
from services.domain.window import RANGES
from services.errors import SourceUnavailable
from services.ports import Sources, Starts
from services.reading import Absence, Problem, Reading

TARGET_S = 120.0
"""Within so long a start should be ready."""

_KEEP_S = {"1h": 10.0, "6h": 10.0, "24h": 15.0, "7d": 45.0, "30d": 120.0}
"""How long what was read of a range is good enough: a month of a large fleet takes seconds to read."""
_SHORTEST = timedelta(hours=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Recorded:
    """Starts (:data:`services.domain.startup.frame.STARTS`) of pods created in [begin, end] and their pulls (PULLS).

    Oldest first; shared, never to be changed. ``since``: from when on starts are recorded, not before ``begin``. Two of
    one scope with the same ``end`` are the same.
    """

    starts: pd.DataFrame
    pulls: pd.DataFrame
    begin: datetime
    end: datetime
    since: datetime

    @property
    def days(self) -> float:
        """The length of the recorded time, in days: what figures per day are divided by."""
        return max(self.end - self.since, _SHORTEST) / timedelta(days=1)


def recorded(sources: Sources, scope: Scope) -> Reading[Recorded]:
    """Starts of the scope's window that are seen, with the pulls of these starts and no others.

    Pods that have no node yet belong to no pool and no GPU model: a scope of these leaves them out.
    """
    whole = _whole(sources, scope.range)
    if whole.value is None:
        return whole
    starts, pulls = scope.keep(whole.value.starts), whole.value.pulls
    if len(starts) < len(whole.value.starts):
        pulls = pulls[_names(pulls).isin(_names(starts))]
    return replace(whole, value=replace(whole.value, starts=starts, pulls=pulls))


def _names(frame: pd.DataFrame) -> pd.Series:
    return frame["cluster"] + "/" + frame["uid"]


def _whole(sources: Sources, range: str) -> Reading[Recorded]:  # noqa: A002
    """Everything recorded in a range, read once for all scopes; after a failure the last good one with its age."""
    work = sources.work
    if work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    key, end, clusters = ("recorded starts", range), sources.now(), tuple(sources.clusters)
    last: Reading[Recorded] | None = sources.memo.last(key)
    failing = last is not None and last.problem is not None

    def build() -> Reading[Recorded]:
        try:
            with work.reading() as unit:
                return Reading(_read(unit.starts, end - RANGES[range], end, clusters), as_of=end)
        except SourceUnavailable as error:
            since = last.problem.since if last is not None and last.problem is not None else end
            problem = Problem.of(error, source="database", since=since)
            return Reading(None, problem=problem) if last is None else replace(last, problem=problem)

    keep_s = float(sources.policy.refresh_s) if failing else _KEEP_S[range]
    at = end.timestamp()
    return sources.memo.get(key, (at, clusters), build, at=at, keep_s=keep_s)


def _read(record: Starts, begin: datetime, end: datetime, clusters: tuple[str, ...]) -> Recorded:
    starts, pulls = (ask(begin, end + _TICK, clusters) for ask in (record.window, record.pulls))
    since = begin
    if starts.empty or starts["created_at"].iloc[0] - begin > (end - begin) / 20:
        first = record.extent(clusters).first  # recording may have begun inside the window
        since = end if first is None else min(max(begin, first), end)
    return Recorded(starts, pulls, begin, end, since)
