"""Unmet GPU demand: pods that wait for a node, pods stuck on one, and replicas a quota keeps from being created."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pandas as pd

from services.domain import frames, units
from services.domain.objects import Event

WAITING = {
    "cluster": "str",
    "namespace": "str",
    "pod": "str",  # the pod, or the controller that may not create one
    "workload": "str",
    "team": "str",
    "resources": "str",
    "units": "float64",
    "equivalents": "float64",  # GPU equivalents wanted; NaN when it cannot be told
    "state": "str",  # waiting (no node), failing (has one, cannot start), blocked (not even created)
    "reason": "str",
    "message": "str",
    "since": "datetime64[us, UTC]",
}
"""One row per pod or blocked controller, longest wait first."""

REFUSAL_FRESH = timedelta(minutes=20)
_QUOTA = re.compile(
    r"exceeded quota: (?P<quota>[^,]+), requested: (?P<asked>.+?), used: (?P<used>.+?), limited: (?P<limit>.+)$"
)
_HASH = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5,10}$")


def waiting(
    cluster: str, pods: pd.DataFrame, events: Iterable[Event], *, team_of: Mapping[str, str], now: datetime
) -> pd.DataFrame:
    """Frame :data:`WAITING` from the pod frame and the events of controllers that were refused by a quota.

    A refusal counts while it is younger than :data:`REFUSAL_FRESH`: controllers try again within a quarter of an hour.
    """
    stuck = pods[pods["state"].isin(["waiting", "failing"])]
    recent = (event for event in events if _refused(event) and (_last_seen(event) or now) >= now - REFUSAL_FRESH)
    blocked = _blocked(cluster, recent, team_of)
    parts = [part for part in (stuck[list(WAITING)], blocked) if len(part)]
    if not parts:
        return frames.empty(WAITING)
    return frames.conform(pd.concat(parts, ignore_index=True).sort_values("since", kind="stable"), WAITING)


def _blocked(cluster: str, events: Iterable[Event], team_of: Mapping[str, str]) -> pd.DataFrame:
    newest: dict[tuple[str, str], tuple[object, ...]] = {}
    for event in events:
        match = _QUOTA.search(event.message or "")
        asked = _gpu_amounts(match.group("asked")) if match else {}
        if match is None or not asked:
            continue
        about = event.involved_object
        key = (about.namespace, about.name)
        workload = _HASH.sub("", about.name) if about.kind == "ReplicaSet" else about.name
        number = sum(asked.values())
        limits = "; ".join(
            f"{used:g} of {_gpu_amounts(match.group('limit')).get(name, 0.0):g} {name} are in use"
            for name, used in _gpu_amounts(match.group("used")).items()
        )
        newest[key] = (
            cluster,
            about.namespace,
            about.name,
            workload,
            team_of.get(about.namespace) or "(no team)",
            ", ".join(f"{count:g} × {name}" for name, count in asked.items()),
            number,
            sum(
                count * (units.mig_fraction(units.mig_profile(name), "") if units.mig_profile(name) else 1.0)
                for name, count in asked.items()
            ),
            "blocked",
            "Quota used up",
            f"Quota {match.group('quota')} allows no more: {limits}",
            _first_seen(event),
        )
    return frames.table(WAITING, list(newest.values()))


def _gpu_amounts(text: str) -> dict[str, float]:
    """GPU resources in a quota message: "requests.nvidia.com/gpu=2,requests.cpu=1" → {"nvidia.com/gpu": 2.0}."""
    found = {}
    for item in text.split(","):
        name, _, amount = item.strip().partition("=")
        bare = name.removeprefix("requests.")
        if units.is_gpu_resource(bare):
            found[bare] = units.quantity(amount)
    return found


def _first_seen(event: Event) -> datetime | None:
    return event.first_timestamp or event.event_time or event.last_timestamp or event.metadata.creation_timestamp


def _last_seen(event: Event) -> datetime | None:
    series = event.series.last_observed_time if event.series else None
    return series or event.last_timestamp or event.event_time or event.metadata.creation_timestamp


def _refused(event: Event) -> bool:
    return event.reason == "FailedCreate" and "exceeded quota" in (event.message or "")
