"""From findings to alerts: what began since the last look, for whom, and when they are told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from services import attention
from services.domain.alerts import Alert, Message, key_of, made_of
from services.domain.alerts.episodes import turned
from services.domain.alerts.timing import due
from services.domain.findings import Finding
from services.domain.scope import Scope
from services.ports import ReadUnit, Sources, UnitOfWork


@dataclass(frozen=True)
class Look:
    """What needs attention. ``whole``: every source answered, so what is not in it is not there."""

    found: Sequence[Finding]
    whole: bool


def look(sources: Sources) -> Look:
    """Everything that needs attention in the whole fleet; takes as long as the slowest source."""
    reading = attention.read(sources, Scope())
    whole = reading.value is not None and reading.problem is None and reading.absence is None
    return Look(reading.value or (), whole)


def note(sources: Sources, unit: UnitOfWork, seen: Look, now: datetime) -> int:
    """Write what began to the record, as alerts of the channels it is for; how many alerts are new."""
    found = {finding.key: finding for finding in seen.found}
    known = unit.alerts.episodes()
    turn = turned(known, found, now, whole=seen.whole)
    unit.alerts.set_episodes(turn.written, turn.over)
    channels = [source.channel for source in sources.channels.values()]
    own = _own_channels(unit)
    alerts = [
        made_of(finding, turn.standing[key].begin, channel, at=now, due=due(channel, finding.severity, now))
        for key, finding in found.items()
        for channel in channels
        if channel.wants(finding) or channel.name == _routed(key, own)
    ]
    return unit.alerts.add(alerts)


def bundle(unit: UnitOfWork, now: datetime) -> int:
    """Put what is due into messages, one for each channel; how many messages."""
    number = 0
    for channel, alerts in groupby(unit.alerts.due(now), key=lambda alert: alert.channel):
        inside = tuple(alerts)
        number += unit.alerts.post(Message(_key(inside), channel, now, inside))
    return number


def _key(alerts: Iterable[Alert]) -> str:
    return key_of(*sorted(alert.key for alert in alerts))[:12]


def _own_channels(unit: ReadUnit) -> Mapping[str, str]:
    """The channel of each budget that has one, by the beginning of its findings' keys."""
    return {f"budget/{budget.id}/": budget.channel for budget in unit.budgets.all() if budget.channel}


def _routed(key: str, own: Mapping[str, str]) -> str:
    return next((channel for begin, channel in own.items() if key.startswith(begin)), "")
