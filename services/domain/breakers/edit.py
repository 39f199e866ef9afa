"""Changing a circuit breaker: what may be asked for, and the fields of the rule that come of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.domain.breakers import DEFAULT_ERRORS, Policy, Rule, duration, full, number, service
from services.domain.change import patch

MOST_ERRORS, MOST_REQUESTS = 1000, 1_000_000
SHORTEST, LONGEST = timedelta(milliseconds=1), timedelta(hours=1)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_POLICY = ("spec", "trafficPolicy")
_FIELDS: dict[str, tuple[str, ...]] = {
    "errors": ("outlierDetection", "consecutive5xxErrors"),
    "gateway_errors": ("outlierDetection", "consecutiveGatewayErrors"),
    "interval": ("outlierDetection", "interval"),
    "ejection": ("outlierDetection", "baseEjectionTime"),
    "max_percent": ("outlierDetection", "maxEjectionPercent"),
    "min_health": ("outlierDetection", "minHealthPercent"),
    "connections": ("connectionPool", "tcp", "maxConnections"),
    "pending": ("connectionPool", "http", "http1MaxPendingRequests"),
    "requests": ("connectionPool", "http", "http2MaxRequests"),
    "retries": ("connectionPool", "http", "maxRetries"),
}
_BOUNDS = {
    "errors": (0, MOST_ERRORS),
    "gateway_errors": (0, MOST_ERRORS),
    "max_percent": (0, 100),
    "min_health": (0, 100),
    "connections": (1, MOST_REQUESTS),
    "pending": (1, MOST_REQUESTS),
    "requests": (1, MOST_REQUESTS),
    "retries": (0, MOST_REQUESTS),
}


@dataclass(frozen=True)
class BreakerParams:
    """What the top policy of a rule shall say; what is None stays as it is.

    ``name`` "" is a new rule for ``host``; ``host`` "" is that of the rule. ``errors`` and ``gateway_errors`` in a row,
    ``interval`` and ``ejection`` are durations such as "30s", ``max_percent`` and ``min_health`` percent of replicas.
    ``replace_errors``: the deprecated consecutiveErrors goes, and its number becomes consecutive5xxErrors.
    """

    cluster: str
    namespace: str
    name: str = ""
    host: str = ""
    errors: int | None = None
    gateway_errors: int | None = None
    interval: str | None = None
    ejection: str | None = None
    max_percent: int | None = None
    min_health: int | None = None
    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    retries: int | None = None
    replace_errors: bool = False


def refusal(want: BreakerParams, rules: Sequence[Rule]) -> str:
    """Why this cannot be asked for, in a sentence; "" when it can. ``rules`` are all of the cluster."""
    wrong = unfit(want)
    if wrong:
        return wrong
    mine = next((one for one in rules if want.name and (one.namespace, one.name) == (want.namespace, want.name)), None)
    if mine is not None and want.host and full(want.host, want.namespace) != mine.target:
        return f"The rule {want.namespace}/{want.name} is for {mine.host}; the host of a rule is not changed here."
    host = mine.host if mine is not None else want.host
    wrong = _host(host, want.namespace)
    if wrong:
        return wrong
    target = full(host, want.namespace)
    other = next((one for one in rules if one is not mine and one.target == target), None)
    if other is not None:
        return f"The rule {other.namespace}/{other.name} names {host} already: change or remove that one."
    return ""


def fields(want: BreakerParams, policy: Policy | None) -> dict[str, Any]:
    """The merge patch asked for; None removes a field. ``policy`` is the top one as it is, None without one."""
    given = {name: getattr(want, name) for name in _FIELDS}
    leaves = {(*_POLICY, *path): given[name] for name, path in _FIELDS.items() if given[name] is not None}
    outlier = policy.outlier if policy is not None and policy.outlier is not None else {}
    if want.replace_errors and "consecutiveErrors" in outlier:
        old = number(outlier, "consecutiveErrors", DEFAULT_ERRORS)
        leaves[(*_POLICY, "outlierDetection", "consecutiveErrors")] = None
        if want.errors is None and "consecutive5xxErrors" not in outlier:
            leaves[(*_POLICY, *_FIELDS["errors"])] = min(old or DEFAULT_ERRORS, MOST_ERRORS)
    return patch.nested(leaves)


def back(body: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that takes a change of ``body`` back, with the parts it added.

    An outlier detection left empty would be one with all its defaults, and none is what there was.
    """
    found: dict[tuple[str, ...], Any] = {}
    for path, _ in patch.leaves(change):
        lacking = next((size for size in range(1, len(path)) if patch.at(body, path[:size]) is None), len(path))
        found[path[:lacking]] = patch.at(body, path[:lacking])
    return patch.nested(found)


def new_name(host: str, namespace: str) -> str:
    """The name of a rule made here: "<service>-breaker"."""
    target = full(host, namespace)
    return f"{(service(target)[1] or target.partition('.')[0])[:55]}-breaker"


def _host(host: str, namespace: str) -> str:
    if "*" in host:
        return f"{host} stands for many services; a breaker changed here is for one."
    plain = host.strip().rstrip(".").lower()
    if len(plain) > 253 or not _HOST.fullmatch(plain):
        return "The host is no DNS name. Write it as chat, or chat.team.svc.cluster.local."
    parts = plain.split(".")
    if len(parts) in (2, 3) and (len(parts) == 2 or parts[2] == "svc") and parts[1] != namespace:
        return f"{host} is in another namespace than the rule: write the host in full."
    return ""


def unfit(want: BreakerParams) -> str:
    """Why the names or numbers cannot be asked for at all; "" when they can. To be asked before anything is read."""
    if not _NAME.fullmatch(want.namespace) or (want.name and (len(want.name) > 253 or not _HOST.fullmatch(want.name))):
        return "The namespace or the name of the rule is no Kubernetes name."
    for name, (low, high) in _BOUNDS.items():
        value = getattr(want, name)
        if value is not None and not low <= value <= high:
            return f"{_FIELDS[name][-1]} is a number from {low} to {high}."
    for name in ("interval", "ejection"):
        value = getattr(want, name)
        span = None if value is None else duration(value)
        if value is not None and (span is None or not SHORTEST <= span <= LONGEST):
            return f"{_FIELDS[name][-1]} is a duration from 1ms to 1h, such as 30s."
    return ""
