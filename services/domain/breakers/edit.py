"""Changing a circuit breaker: what may be asked for, and the fields of the rule that come of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.domain.breakers import DEFAULT_ERRORS, Policy, Rule, duration, full, meant, number, read, service
from services.domain.change import patch

MOST_ERRORS, MOST_REQUESTS = 1000, 1_000_000
SHORTEST, LONGEST = timedelta(milliseconds=1), timedelta(hours=1)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
_POLICY = ("spec", "trafficPolicy")
FIELDS: dict[str, tuple[str, ...]] = {
    "errors": ("outlierDetection", "consecutive5xxErrors"),
    "gateway_errors": ("outlierDetection", "consecutiveGatewayErrors"),
    "interval": ("outlierDetection", "interval"),
    "ejection": ("outlierDetection", "baseEjectionTime"),
    "max_percent": ("outlierDetection", "maxEjectionPercent"),
    "min_health": ("outlierDetection", "minHealthPercent"),
    "connections": ("connectionPool", "tcp", "maxConnections"),
    "pending": ("connectionPool", "http", "http1MaxPendingRequests"),
    "requests": ("connectionPool", "http", "http2MaxRequests"),
    "per_connection": ("connectionPool", "http", "maxRequestsPerConnection"),
    "retries": ("connectionPool", "http", "maxRetries"),
    "connect_timeout": ("connectionPool", "tcp", "connectTimeout"),
}
"""Where each parameter stands below the policy."""
BOUNDS = {
    "errors": (0, MOST_ERRORS),
    "gateway_errors": (0, MOST_ERRORS),
    "max_percent": (1, 100),
    "min_health": (0, 100),
    "connections": (1, MOST_REQUESTS),
    "pending": (1, MOST_REQUESTS),
    "requests": (1, MOST_REQUESTS),
    "per_connection": (0, MOST_REQUESTS),
    "retries": (1, MOST_REQUESTS),
}
"""From 1 where Istio takes a 0 for not set: there a 0 would promise what it does not do."""
SPANS = ("interval", "ejection", "connect_timeout")
USUAL: dict[str, int | str] = {"errors": 5, "interval": "10s", "ejection": "30s", "max_percent": 50}
"""What a new rule is proposed with. Istio's own 10 % would take none of nine replicas out."""


@dataclass(frozen=True)
class BreakerParams:
    """What the top policy of a rule shall say; what is None stays as it is.

    ``name`` "" is a new rule for ``host``; ``host`` "" is that of the rule. ``errors`` and ``gateway_errors`` in a row,
    ``interval``, ``ejection`` and ``connect_timeout`` are durations such as "30s", ``max_percent`` and ``min_health``
    percent of replicas. ``per_connection`` 0 is any number of requests. ``unset`` names parameters whose fields are
    removed. ``replace_errors``: the deprecated consecutiveErrors goes, and its number becomes consecutive5xxErrors.
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
    per_connection: int | None = None
    retries: int | None = None
    connect_timeout: str | None = None
    unset: tuple[str, ...] = ()
    replace_errors: bool = False


def refusal(want: BreakerParams, rules: Sequence[Rule]) -> str:
    """Why this cannot be asked for, in a sentence; "" when it can. ``rules`` are all of the cluster."""
    wrong = unfit(want)
    if wrong:
        return wrong
    mine = next((one for one in rules if want.name and (one.namespace, one.name) == (want.namespace, want.name)), None)
    if mine is not None and want.host and full(want.host, want.namespace) != mine.target:
        return f"The rule {want.namespace}/{want.name} is for {mine.host}; the host of a rule is not changed here."
    host, target = want.host, meant(want.host, want.namespace)
    if mine is not None:
        host, target = mine.host, mine.target
    wrong = _host(host) or ("" if mine is not None else _elsewhere(host, want.namespace))
    if wrong:
        return wrong
    other = next((one for one in rules if one is not mine and one.target == target), None)
    if other is None:
        return ""
    # a rule elsewhere is not named: who asks may not be meant to see that namespace
    named = f"The rule {other.namespace}/{other.name}" if other.namespace == want.namespace else "A rule elsewhere"
    return f"{named} names {host} already: change or remove that one."


def fields(want: BreakerParams, policy: Policy | None) -> dict[str, Any]:
    """The merge patch asked for; None removes a field. ``policy`` is the top one as it is, None without one."""
    given = {name: getattr(want, name) for name in FIELDS}
    leaves = {(*_POLICY, *path): given[name] for name, path in FIELDS.items() if given[name] is not None}
    leaves |= {(*_POLICY, *FIELDS[name]): None for name in want.unset}
    outlier = policy.outlier if policy is not None and policy.outlier is not None else {}
    if want.replace_errors and "consecutiveErrors" in outlier:
        old = number(outlier, "consecutiveErrors", DEFAULT_ERRORS)
        leaves[(*_POLICY, "outlierDetection", "consecutiveErrors")] = None
        if want.errors is None and "consecutive5xxErrors" not in outlier:
            leaves[(*_POLICY, *FIELDS["errors"])] = min(old or DEFAULT_ERRORS, MOST_ERRORS)
    return patch.nested(leaves)


def after(want: BreakerParams, policy: Policy) -> Policy:
    """The top policy of a rule as it would be with what is asked for."""
    outlier = {} if policy.outlier is None else {"outlierDetection": dict(policy.outlier)}
    body = {"spec": {"trafficPolicy": {**outlier, "connectionPool": {"tcp": policy.tcp, "http": policy.http}}}}
    return read(patch.applied(body, fields(want, policy))).policies[0]


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
    target = meant(host, namespace)
    return f"{(service(target)[1] or target.partition('.')[0])[:55]}-breaker"


def _host(host: str) -> str:
    if "*" in host:
        return f"{host} stands for many services; a breaker changed here is for one."
    plain = host.strip().rstrip(".").lower()
    if len(plain) > 253 or not _HOST.fullmatch(plain):
        return "The host is no DNS name. Write it as chat, or chat.team.svc.cluster.local."
    return ""


def _elsewhere(host: str, namespace: str) -> str:
    """A host that is not in full and, as the resolver completes it, not in the rule's namespace."""
    target = meant(host, namespace)
    if target != full(host, namespace) and service(target)[0] != namespace:
        return f"{host} is in another namespace than the rule: write the host in full."
    return ""


def unfit(want: BreakerParams) -> str:
    """Why the names or numbers cannot be asked for at all; "" when they can. To be asked before anything is read."""
    if not _NAME.fullmatch(want.namespace) or (want.name and (len(want.name) > 253 or not _HOST.fullmatch(want.name))):
        return "The namespace or the name of the rule is no Kubernetes name."
    for name, (low, high) in BOUNDS.items():
        value = getattr(want, name)
        if value is not None and not low <= value <= high:
            return f"{FIELDS[name][-1]} is a number from {low} to {high}."
    for name in SPANS:
        value = getattr(want, name)
        span = None if value is None else duration(value)
        if value is not None and (span is None or not SHORTEST <= span <= LONGEST or span % SHORTEST):
            return f"{FIELDS[name][-1]} is a duration from 1ms to 1h in whole milliseconds, such as 30s."
    twice = next((name for name in want.unset if name not in FIELDS or getattr(want, name) is not None), None)
    return "" if twice is None else f"{twice} cannot be removed: it is no field of a rule, or it is set at once."
