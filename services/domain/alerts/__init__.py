"""Alerts: findings that began, told to channels.

There is no second model of what is wrong: an alert is made from a :class:`services.domain.findings.Finding` and says
no more than it does.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time

from services.domain.findings import Finding, Severity

TOPICS: Mapping[str, str] = {
    "idle": "money",
    "budget": "money",
    "anomaly": "money",
    "waste": "money",
    "cost": "money",
    "share": "money",
    "startup-late": "startup",
    "startup-lever": "startup",
    "startup-slower": "startup",
    "startup-stuck": "startup",
    "startup-silent": "startup",
    "cold": "startup",
    "llm-budget": "money",
    "fallback": "fallback",
    "tier": "fallback",
    "lint": "fallback",
    "circuit": "fallback",
    "serving": "fallback",
    "unmet": "demand",
    "full": "demand",
    "operation": "changes",
    "breaker": "changes",
}
"""What a finding is about, by the first part of its key; what is not named here is about health."""
HEALTH = "health"
OWN = "alerts"
"""First part of the key of findings about channels themselves."""


@dataclass(frozen=True)
class Channel:
    """Where alerts go, and which.

    ``least`` is the least severe finding told; ``topics`` and ``teams`` limit what is told, empty means all. ``place``
    is what may be shown of the address: its scheme and host. ``digest`` collects: "" for at once, "15m", "30m", "1h",
    or a time of day such as "08:30". ``quiet`` is from when until when nothing is sent, the second before the first
    when midnight lies between. Both are times of ``zone``. With ``critical_at_once`` critical findings wait for
    neither.
    """

    name: str
    place: str = ""
    least: Severity = Severity.WARNING
    topics: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    digest: str = ""
    quiet: tuple[time, time] | None = None
    zone: str = "UTC"
    critical_at_once: bool = False

    def wants(self, finding: Finding) -> bool:
        """Whether the finding is for this channel. That it does not work itself is told to the others."""
        return (
            finding.severity <= self.least
            and (not self.topics or topic(finding) in self.topics)
            and (not self.teams or finding.team in self.teams)
            and finding.key != f"{OWN}/{self.name}"
        )


@dataclass(frozen=True)
class Episode:
    """One finding from its beginning until it has been gone for long enough.

    ``begin`` is when it was first seen, ``missing`` since when it is not there, None while it is.
    """

    key: str
    begin: datetime
    missing: datetime | None = None


@dataclass(frozen=True)
class Alert:
    """That a finding began, for one channel; ``key`` is the same whoever makes it, however often.

    ``at`` is when it was noted and ``due`` from when it may be sent; ``page`` and ``params`` lead to the view.
    """

    key: str
    channel: str
    finding: str
    begin: datetime
    at: datetime
    due: datetime
    kind: str
    severity: Severity
    title: str
    detail: str
    cluster: str
    team: str
    page: str
    params: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """What is sent to a channel at once: one alert or several, or none of them for a test somebody asked for.

    ``key`` stays the same however often it is sent. ``attempts`` counts those begun.
    """

    key: str
    channel: str
    made: datetime
    alerts: tuple[Alert, ...] = ()
    attempts: int = 0
    test_by: str = field(default="")


def topic(finding: Finding) -> str:
    """What a finding is about."""
    return TOPICS.get(finding.key.split("/", 1)[0], HEALTH)


def made_of(finding: Finding, begin: datetime, channel: Channel, *, at: datetime, due: datetime) -> Alert:
    """The alert of a finding that began."""
    return Alert(
        key=key_of(channel.name, finding.key, begin.isoformat()),
        channel=channel.name,
        finding=finding.key,
        begin=begin,
        at=at,
        due=due,
        kind=finding.kind,
        severity=finding.severity,
        title=finding.title,
        detail=finding.detail,
        cluster=finding.cluster,
        team=finding.team,
        page=finding.page,
        params=dict(finding.params),
    )


def key_of(*parts: str) -> str:
    """A short name for these parts that nobody else has."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
