"""What is wrong with the circuit breakers of a mesh, or will be when replicas fail: each with its place and a remedy.

Warning on ``consecutiveErrors``: istio, ``pkg/config/validation``. Whether today's control planes still translate it is
not verified; it is treated as without effect.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from services.domain.breakers import DURATIONS, HTTP, OUTLIER, TCP, Policy, Rule, duration, number, service
from services.domain.breakers.words import TEXTS
from services.domain.litellm.lint import Lint

FEW = 10
"""Below this many replicas 10 % is less than one of them."""
LONG = timedelta(minutes=5)
"""A first ejection longer than most models take to load: a replica that recovered is kept away for nothing."""


@dataclass(frozen=True)
class Known:
    """What is known beside the rules.

    ``hosts`` are those a rule may name, in full; None when they are not known. ``replicas`` by host in full.
    """

    hosts: frozenset[str] | None = None
    replicas: Mapping[str, int] = field(default_factory=dict)


def lint(rules: Sequence[Rule], known: Known | None = None) -> dict[tuple[str, str], list[Lint]]:
    """Everything found, most urgent first, by namespace and name of the rule; ``group`` is the rule's host."""
    facts = known or Known()
    return {(one.namespace, one.name): _of(one, rules, facts) for one in rules}


def nearest(name: str, names: Sequence[str]) -> str:
    """The known name a misspelt one is likely to mean; "" when none is close."""
    close = difflib.get_close_matches(name[:80], names, 1, 0.75)
    return close[0] if close else ""


def _of(rule: Rule, rules: Sequence[Rule], known: Known) -> list[Lint]:
    found = [*_host(rule, rules, known)]
    for policy in rule.policies:
        found += [one for check in _CHECKS for one in check(rule, policy, known)]
    return sorted(found, key=lambda one: (one.severity, one.code, one.place))


def _lint(code: str, rule: Rule, place: str = "", **facts: object) -> Lint:
    severity, says, do = TEXTS[code]
    return Lint(code, severity, place, says.format(host=rule.host, **facts), do.format(**facts), rule.host)


def _host(rule: Rule, rules: Sequence[Rule], known: Known) -> Iterator[Lint]:
    others = [one for one in rules if one.target == rule.target and (one.namespace, one.name) != _key(rule)]
    if others and rule.host:
        yield _lint("two-rules", rule, "host", other=f"{others[0].namespace}/{others[0].name}")
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
            elif name in DURATIONS and fields[name] is not None and duration(fields[name]) is None:
                yield _lint("duration", rule, where, name=name, value=str(fields[name])[:40])


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


def _ejection(rule: Rule, policy: Policy, known: Known) -> Iterator[Lint]:
    if policy.outlier is None:
        return
    percent, replicas, lasts = policy.percent, known.replicas.get(rule.target), policy.ejection
    place = f"{policy.place}: outlierDetection.maxEjectionPercent"
    if percent == 100 and policy.errors:
        yield _lint("all-ejected", rule, place)
    if replicas and percent and percent <= FEW and replicas < FEW:
        yield _lint("few-replicas", rule, place, percent=percent, replicas=_replicas(replicas))
    if lasts is not None and lasts > LONG:
        where = f"{policy.place}: outlierDetection.baseEjectionTime"
        yield _lint("long-ejection", rule, where, minutes=f"{lasts.total_seconds() / 60:.0f}")


def _replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"


_CHECKS: tuple[Callable[[Rule, Policy, Known], Iterator[Lint]], ...] = (_names, _errors, _ejection)
