"""Circuit breakers of an Istio mesh: what a DestinationRule says, read without trusting it.

Fields and defaults: istio/api, ``networking/v1alpha3/destination_rule.proto`` (2026-07). What a 0 comes to: istio,
``pilot/pkg/networking/core/cluster_traffic_policy.go``. How hosts are completed: ``ResolveShortnameToFQDN`` there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from services.domain.objects import Generic

OUTLIER = (
    "consecutive5xxErrors", "consecutiveGatewayErrors", "consecutiveErrors", "splitExternalLocalOriginErrors",
    "consecutiveLocalOriginFailures", "interval", "baseEjectionTime", "maxEjectionPercent", "minHealthPercent",
    "outlierDetectionHttpErrorCodes",
)  # fmt: skip
TCP = ("maxConnections", "connectTimeout", "tcpKeepalive", "maxConnectionDuration", "idleTimeout")
HTTP = (
    "http1MaxPendingRequests", "http2MaxRequests", "maxRequestsPerConnection", "maxRetries", "idleTimeout",
    "h2UpgradePolicy", "useClientProtocol", "maxConcurrentStreams",
)  # fmt: skip
DURATIONS = ("interval", "baseEjectionTime", "connectTimeout", "maxConnectionDuration", "idleTimeout")
DEFAULT_ERRORS, DEFAULT_PERCENT = 5, 10
UNLIMITED = 2**32 - 1
"""What Istio sets for limits of the pool that are not given, or 0."""
DEFAULT_INTERVAL, DEFAULT_EJECTION = timedelta(seconds=10), timedelta(seconds=30)
WHOLE = "trafficPolicy"
"""The part of a rule that is for the whole host."""
DOMAIN = "svc.cluster.local"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(h|ms|m|s|us|µs|ns)")
_LONGEST = 40
_MOST = 64
"""Policies of one rule that are looked at: more are no rule of a person."""


@dataclass(frozen=True)
class Policy:
    """One traffic policy of a rule.

    ``subset`` is "" and ``port`` 0 at the top. ``outlier``, ``tcp`` and ``http`` are fields as they stand; ``outlier``
    is None without outlier detection. ``path`` leads to the policy in the object.
    """

    path: tuple[str, ...]
    subset: str = ""
    port: int = 0
    outlier: Mapping[str, Any] | None = None
    tcp: Mapping[str, Any] = field(default_factory=dict)
    http: Mapping[str, Any] = field(default_factory=dict)
    pool_unknown: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The policy in words: :data:`WHOLE`, "subset v2", "subset v2, port 8000"."""
        named = [f"subset {self.subset}"] if self.subset else []
        named += [f"port {self.port}"] if self.port else []
        return ", ".join(named) or WHOLE

    @property
    def errors(self) -> int | None:
        """Errors with 5xx in a row that eject; 0 is off, None when there is no outlier detection or no number."""
        return None if self.outlier is None else number(self.outlier, "consecutive5xxErrors", DEFAULT_ERRORS)

    @property
    def percent(self) -> int | None:
        """Share of replicas that may be ejected at once, in percent; Istio takes a 0 for not set."""
        if self.outlier is None:
            return None
        given = number(self.outlier, "maxEjectionPercent", DEFAULT_PERCENT)
        return DEFAULT_PERCENT if given == 0 else given

    @property
    def interval(self) -> timedelta | None:
        """How often errors are looked at; None when it cannot be read."""
        return self._span("interval", DEFAULT_INTERVAL)

    @property
    def ejection(self) -> timedelta | None:
        """How long a first ejection lasts; None when it cannot be read."""
        return self._span("baseEjectionTime", DEFAULT_EJECTION)

    def _span(self, name: str, default: timedelta) -> timedelta | None:
        if self.outlier is None:
            return None
        given = self.outlier.get(name)
        return default if given is None else duration(given)


@dataclass(frozen=True)
class Rule:
    """A DestinationRule: where it is, the ``host`` as it stands, and its policies, the top one first."""

    namespace: str
    name: str
    host: str
    subsets: tuple[str, ...] = ()
    policies: tuple[Policy, ...] = ()

    @property
    def target(self) -> str:
        """The host in full."""
        return full(self.host, self.namespace)


@dataclass(frozen=True)
class Upstream:
    """What an Envoy cluster name of Istio says: "outbound|8000|v2|chat.team.svc.cluster.local"."""

    direction: str
    port: int
    subset: str
    host: str


def read(body: Mapping[str, Any]) -> Rule:
    """A rule from its object. What has another shape than the proto's is left out, and never an error."""
    meta, spec = _map(body.get("metadata")), _map(body.get("spec"))
    subsets = [one for one in _list(spec.get("subsets")) if isinstance(one, Mapping)][:_MOST]
    found = list(_policies(spec.get("trafficPolicy"), ("spec", "trafficPolicy"), ""))
    for place, one in enumerate(subsets):
        found += _policies(
            one.get("trafficPolicy"), ("spec", "subsets", str(place), "trafficPolicy"), _text(one.get("name"))
        )
    return Rule(
        namespace=_text(meta.get("namespace")),
        name=_text(meta.get("name")),
        host=_text(spec.get("host")),
        subsets=tuple(_text(one.get("name")) for one in subsets),
        policies=tuple(found[:_MOST]),
    )


def stored(one: Generic) -> Rule:
    """A rule from what a store keeps of it."""
    return read({"metadata": {"namespace": one.metadata.namespace, "name": one.metadata.name}, "spec": one.spec})


def full(host: str, namespace: str) -> str:
    """A host as Istio reads it in a rule: completed when it has no dot, else as it stands ("chat.team" is no Service).

    ``namespace`` is that of the rule.
    """
    plain = host.strip().rstrip(".").lower()
    return plain if not plain or "." in plain or "*" in plain else f"{plain}.{namespace}.{DOMAIN}"


def meant(host: str, namespace: str) -> str:
    """A host as the resolver of a pod in ``namespace`` completes it: "chat.team" and "chat.team.svc" are a Service."""
    plain = full(host, namespace)
    parts = plain.split(".")
    if "*" in plain or len(parts) not in (2, 3):
        return plain
    if len(parts) == 2:
        return f"{plain}.{DOMAIN}"
    return f"{plain}.cluster.local" if parts[2] == "svc" else plain


def service(target: str) -> tuple[str, str]:
    """Namespace and name of the Service a full host is; ("", "") for hosts outside the cluster and wildcards."""
    head, found, rest = target.partition(f".{DOMAIN}")
    parts = head.split(".")
    return (parts[1], parts[0]) if found and not rest and len(parts) == 2 and "*" not in head else ("", "")


def upstream(name: str) -> Upstream | None:
    """An Envoy cluster name taken apart; None for clusters that are no service of the mesh."""
    parts = name.split("|")
    if len(parts) != 4 or parts[0] not in ("outbound", "inbound") or not parts[1].isdigit() or len(parts[1]) > 5:
        return None
    return Upstream(parts[0], int(parts[1]), parts[2], parts[3].lower())


def duration(given: object) -> timedelta | None:
    """A duration as Istio takes it, such as "30s", "1m30s" or "1.5s"; None when it is none."""
    if not isinstance(given, str) or not 0 < len(given) <= _LONGEST or _PART.sub("", given):
        return None
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(given))
    return timedelta(seconds=seconds) if seconds < timedelta(days=3650).total_seconds() else None


def number(fields: Mapping[str, Any], name: str, default: int) -> int | None:
    """A whole number of a policy: its default when it is not set, None when it is no whole number."""
    given = fields.get(name, default)
    if given is None:
        return default
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 2**32 else None


def _policies(given: object, path: tuple[str, ...], subset: str) -> Iterator[Policy]:
    if not isinstance(given, Mapping):
        return
    yield _policy(given, path, subset, 0)
    for place, one in enumerate(_list(given.get("portLevelSettings"))[:_MOST]):
        port = number(_map(_map(one).get("port")), "number", 0)
        if port:
            yield _policy(_map(one), (*path, "portLevelSettings", str(place)), subset, port)


def _policy(given: Mapping[str, Any], path: tuple[str, ...], subset: str, port: int) -> Policy:
    outlier, pool = given.get("outlierDetection"), _map(given.get("connectionPool"))
    return Policy(
        path=path,
        subset=subset,
        port=port,
        outlier=outlier if isinstance(outlier, Mapping) else None,
        tcp=_map(pool.get("tcp")),
        http=_map(pool.get("http")),
        pool_unknown=tuple(str(key) for key in pool if key not in ("tcp", "http")),
    )


def _map(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _list(given: object) -> Sequence[Any]:
    return given if isinstance(given, list | tuple) else ()


def _text(given: object) -> str:
    return given if isinstance(given, str) else ""
