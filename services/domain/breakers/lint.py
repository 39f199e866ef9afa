"""What is wrong with the circuit breakers of a mesh, or will be when replicas fail: each with its place and a remedy.

What Istio refuses or warns of: istio, ``pkg/config/validation/validation.go``. ``consecutiveErrors`` is read by nothing
in its ``pilot/pkg/networking/core/cluster_traffic_policy.go``; old control planes took it for gateway errors.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from services.domain.breakers import DURATIONS, HTTP, OUTLIER, TCP, Policy, Rule, duration, meant, number, service
from services.domain.breakers.least import least, out
from services.domain.breakers.words import HIDDEN, TEXTS
from services.domain.litellm.lint import Lint
from services.domain.scope import EVERYTHING, Sight

LONG = timedelta(minutes=5)
"""A first ejection longer than most models take to load: a replica that recovered is kept away for nothing."""
_MS = timedelta(milliseconds=1)
_PERCENTAGES = ("maxEjectionPercent", "minHealthPercent")
_LOCAL = "consecutiveLocalOriginFailures"


@dataclass(frozen=True)
class Known:
    """What is known beside the rules.

    ``hosts`` are those a rule may name, in full; None when they are not known. ``replicas`` by host in full.
    """

    hosts: frozenset[str] | None = None
    replicas: Mapping[str, int] = field(default_factory=dict)


def lint(
    rules: Sequence[Rule], known: Known | None = None, sees: Sight = EVERYTHING
) -> dict[tuple[str, str], list[Lint]]:
    """Everything found, most urgent first, by namespace and name of the rule; ``group`` is the rule's host.

    For a person who ``sees`` a part: rules and replicas elsewhere count, and are not named.
    """
    facts = _veiled(known or Known(), sees)
    return {(one.namespace, one.name): _of(one, rules, facts, sees) for one in rules}


def _veiled(known: Known, sees: Sight) -> Known:
    """Without the replicas of workloads that are not seen; that a host exists is said by the rule that names it."""
    if sees.whole:
        return known
    mine = {host: count for host, count in known.replicas.items() if _seen(service(host)[0], sees)}
    return Known(known.hosts, mine)


def _seen(namespace: str, sees: Sight) -> bool:
    return sees.whole or namespace in (sees.namespaces or ())


def nearest(name: str, names: Sequence[str]) -> str:
    """The known name a misspelt one is likely to mean; "" when none is close."""
    close = difflib.get_close_matches(name[:80], names, 1, 0.75)
    return close[0] if close else ""


def _of(rule: Rule, rules: Sequence[Rule], known: Known, sees: Sight) -> list[Lint]:
    found = [*_host(rule, rules, known, sees)]
    for policy in rule.policies:
        found += [one for check in _CHECKS for one in check(rule, policy, known)]
    return sorted(found, key=lambda one: (one.severity, one.code, one.place))


def _lint(code: str, rule: Rule, place: str = "", **facts: object) -> Lint:
    severity, says, do = TEXTS[code]
    return Lint(code, severity, place, says.format(host=rule.host, **facts), do.format(**facts), rule.host)


def _host(rule: Rule, rules: Sequence[Rule], known: Known, sees: Sight) -> Iterator[Lint]:
    others = [one for one in rules if one.target == rule.target and (one.namespace, one.name) != _key(rule)]
    if others and rule.host:
        shown = next((f"{one.namespace}/{one.name}" for one in others if _seen(one.namespace, sees)), HIDDEN)
        yield _lint("two-rules", rule, "host", other=shown)
    whole = meant(rule.host, rule.namespace)
    if whole != rule.target and (rule.target.endswith(".svc") or whole in (known.hosts or ())):
        yield _lint("short-host", rule, "host", whole=whole)
    inside = service(rule.target) != ("", "")
    if inside and known.hosts is not None and rule.target not in known.hosts:
        yield _lint("unknown-host", rule, "host")


def _key(rule: Rule) -> tuple[str, str]:
    return rule.namespace, rule.name


def _names(rule: Rule, policy: Policy, known: Known) -> Iterator[Lint]:  # noqa: ARG001
    parts: tuple[tuple[str, Mapping[str, Any], Sequence[str]], ...] = (
        ("outlierDetection", policy.outlier or {}, OUTLIER),
        ("connectionPool.tcp", policy.tcp, TCP),
        ("connectionPool.http", policy.http, HTTP),
        ("connectionPool", dict.fromkeys(policy.pool_unknown), ("tcp", "http")),
    )
    for part, fields, names in parts:
        for name in list(fields)[:50]:
            where = f"{policy.place}: {part}.{name}"
            if name not in names:
                near = nearest(str(name), names)
                yield _lint("misspelt" if near else "unknown-field", rule, where, name=str(name)[:80], near=near)
            elif name in DURATIONS and fields[name] is not None and not _lasts(part, name, fields[name]):
                yield _lint("duration", rule, where, name=name, value=str(fields[name])[:40])
            elif name in _PERCENTAGES and (
                number(fields, name, 0) is None or number(fields, name, 0) not in range(101)
            ):
                yield _lint("percentage", rule, where, name=name, value=str(fields[name])[:40])


def _lasts(part: str, name: str, given: object) -> bool:
    """Whether Istio takes it for a duration; an idle timeout of TCP may be 0, which is none."""
    length = duration(given)
    if length is None or length % _MS:
        return False
    return length >= _MS or (not length and (part, name) == ("connectionPool.tcp", "idleTimeout"))


def _errors(rule: Rule, policy: Policy, known: Known) -> Iterator[Lint]:  # noqa: ARG001
    if policy.outlier is None:
        return
    if "consecutiveErrors" in policy.outlier:
        yield _lint("consecutive-errors", rule, f"{policy.place}: outlierDetection.consecutiveErrors")
    errors, gateway = policy.errors, number(policy.outlier, "consecutiveGatewayErrors", 0)
    if errors == 0 and not gateway:
        yield _lint("off", rule, f"{policy.place}: outlierDetection.consecutive5xxErrors")
    if errors and gateway and gateway >= errors:
        place = f"{policy.place}: outlierDetection.consecutiveGatewayErrors"
        yield _lint("gateway-errors", rule, place, gateway=gateway, errors=errors)
    if number(policy.outlier, _LOCAL, 0) and policy.outlier.get("splitExternalLocalOriginErrors") is not True:
        yield _lint("local-errors", rule, f"{policy.place}: outlierDetection.{_LOCAL}")


def _ejection(rule: Rule, policy: Policy, known: Known) -> Iterator[Lint]:
    if policy.outlier is None:
        return
    percent, replicas, lasts = policy.percent, known.replicas.get(rule.target), policy.ejection
    works = bool(policy.errors or number(policy.outlier, "consecutiveGatewayErrors", 0))
    place = f"{policy.place}: outlierDetection.maxEjectionPercent"
    if policy.outlier.get("maxEjectionPercent") == 0:
        yield _lint("no-percentage", rule, place, percent=percent)
    if percent == 100 and works:
        yield _lint("all-ejected", rule, place)
    if works and replicas and percent and not out(percent, replicas):
        code = "few-replicas" if replicas > 1 else "one-replica"
        yield _lint(code, rule, place, percent=percent, replicas=replicas, least=least(replicas))
    if lasts is not None and lasts > LONG:
        where = f"{policy.place}: outlierDetection.baseEjectionTime"
        yield _lint("long-ejection", rule, where, minutes=f"{lasts.total_seconds() / 60:.0f}")


_CHECKS: tuple[Callable[[Rule, Policy, Known], Iterator[Lint]], ...] = (_names, _errors, _ejection)
