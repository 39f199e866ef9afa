"""How channels are doing and what they were told, for pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import pandas as pd

from services.domain.alerts import OWN, Channel
from services.domain.findings import Finding, Severity
from services.domain.scope import Scope
from services.domain.window import RANGES
from services.errors import SourceUnavailable
from services.ports import Delivery, ReadUnit, Sources
from services.reading import Absence, Problem, Reading

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """One channel as it is set, and how it is doing; ``channel`` is None of one that is not set any more."""

    name: str
    channel: Channel | None
    delivery: Delivery


def channels(sources: Sources) -> Reading[Sequence[State]]:
    """Channels as they are set, by name; then those that have messages left from before they were taken away."""

    def ask(unit: ReadUnit) -> Sequence[State]:
        known = unit.alerts.deliveries()
        names = [*sorted(sources.channels), *sorted(set(known) - set(sources.channels))]
        return [State(name, _channel(sources, name), known.get(name, Delivery())) for name in names]

    return _read(sources, ask)


def recent(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Alerts of the scope's time range, :data:`services.ports.ALERTS`; of its cluster and team where chosen."""
    since = sources.now() - RANGES[scope.range]

    def ask(unit: ReadUnit) -> pd.DataFrame:
        found = unit.alerts.recent(since)
        for column in ("cluster", "team"):
            wanted = getattr(scope, column)
            found = found[(found[column] == wanted) | (found["kind"] == "Test")] if wanted else found
        return found.reset_index(drop=True)

    return _read(sources, ask)


def findings(sources: Sources) -> Sequence[Finding]:
    """Channels that do not get their messages."""
    found = channels(sources).value or () if sources.channels else ()
    return [
        _silent(one.name, one.delivery, one.delivery.failing_since)
        for one in found
        if one.channel is not None and one.delivery.failing_since is not None
    ]


def _silent(name: str, delivery: Delivery, since: datetime) -> Finding:
    waits = "1 message waits" if delivery.waiting == 1 else f"{delivery.waiting} messages wait"
    return Finding(
        key=f"{OWN}/{name}",
        kind="Alerts not delivered",
        severity=Severity.WARNING,
        title=f"Alerts to {name} do not arrive since {since:%Y-%m-%d %H:%M} UTC",
        detail=f"{delivery.error} {waits}; every one is tried again.".strip(),
        cluster="",
        since=since,
        page="alerts",
        params={"alerts_channel": name},
    )


def _channel(sources: Sources, name: str) -> Channel | None:
    source = sources.channels.get(name)
    return None if source is None else source.channel


def _read(sources: Sources, ask: Callable[[ReadUnit], T]) -> Reading[T]:
    if sources.work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    try:
        with sources.work.reading() as unit:
            return Reading(ask(unit), as_of=sources.now())
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))
