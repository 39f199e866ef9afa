"""Reading the cluster's events: their times, who wrote them, which container is meant and what the texts say.

Events are hints: recorders drop, combine and repeat them, and the API server forgets them after an hour. Texts are
those of Kubernetes 1.25 to 1.36. Sources: kubernetes pkg/kubelet/images/image_manager.go, client-go tools/record and
tools/events, pkg/scheduler/framework/preemption.
"""

import re
from datetime import datetime

from services.domain.objects import Event

COMBINED = "(combined from similar events): "
"""Prefix of the one event a recorder writes instead of more than ten similar ones."""

_FIELD = re.compile(r"^spec\.(?:initContainers|containers|ephemeralContainers)\{(?P<name>[^}]+)\}$")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|μs|ns|m|s)")
_WHOLE_DURATION = re.compile(rf"(?:{_DURATION.pattern})+")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PULLED = re.compile(
    r'^Successfully pulled image "(?P<image>[^"]+)" in (?P<took>\S+?)'
    r"(?: \((?P<whole>\S+) including waiting\))?(?:\. Image size: (?P<size>\d+) bytes\.)?$"
)
_CACHED = re.compile(r'^Container image "(?P<image>[^"]+)" already present on machine')
_PREEMPTED = re.compile(r"^Preempted by (?:\S+ )?(?P<uid>[^\s/]+) on node ")


def times(event: Event) -> tuple[datetime, datetime, int] | None:
    """First and last time and how often, whichever recorder wrote it; None when it has no time at all.

    The scheduler's recorder has ``eventTime`` and a series, all others have ``firstTimestamp``, ``lastTimestamp`` and
    ``count``.
    """
    first = event.event_time or event.first_timestamp or event.metadata.creation_timestamp or event.last_timestamp
    if first is None:
        return None
    series = event.series
    last = (series.last_observed_time if series else None) or event.last_timestamp or first
    return first, max(first, last), (series.count if series else None) or event.count or 1


def component(event: Event) -> str:
    """Who wrote it: "kubelet", "default-scheduler", "cluster-autoscaler", "karpenter"."""
    return event.reporting_component or (event.source.component if event.source else None) or ""


def container(event: Event) -> str:
    """The container it is about, from its field path and never from its text; "" when it is about the pod."""
    match = _FIELD.match(event.involved_object.field_path or "")
    return match.group("name") if match else ""


def combined(message: str) -> bool:
    """Whether it stands for several events whose details are lost."""
    return message.startswith(COMBINED)


def go_seconds(text: str) -> float | None:
    """A duration as Go writes it, in seconds: "1m0.5s" → 60.5; None when it is none."""
    if not _WHOLE_DURATION.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def pulled(message: str) -> tuple[str, float, float | None, int | None] | None:
    """Image, seconds of the pull, seconds it waited for other pulls and size in bytes, of "Successfully pulled …".

    What older kubelets do not say is None: the waiting before 1.25.10, the size before 1.30. None for other texts.
    """
    match = _PULLED.match(message)
    took = go_seconds(match.group("took")) if match else None
    if match is None or took is None:
        return None
    whole = go_seconds(match.group("whole") or "")
    size = match.group("size")
    waited = None if whole is None else max(round(whole - took, 6), 0.0)
    return match.group("image"), took, waited, int(size) if size else None


def cached(message: str) -> str | None:
    """The image of "Container image … already present on machine"; None for other texts."""
    match = _CACHED.match(message)
    return match.group("image") if match else None


def preemptor(message: str) -> str | None:
    """UID of the pod a victim had to leave for: "Preempted by pod <uid> on node n1"; None for other texts."""
    match = _PREEMPTED.match(message)
    return match.group("uid") if match else None
