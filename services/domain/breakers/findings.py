"""What needs attention in the circuit breakers of a cluster."""

from collections.abc import Iterable, Mapping, Sequence

from services.domain.breakers import Rule
from services.domain.findings import Finding, Fix, Severity
from services.domain.litellm.lint import Lint

ACTION = "edit-breaker"


def stale(cluster: str, rules: Sequence[Rule], lints: Mapping[tuple[str, str], Sequence[Lint]]) -> Iterable[Finding]:
    """One finding for each rule with something urgent; deprecated errors can be replaced by the action."""
    for rule in rules:
        found = [one for one in lints.get((rule.namespace, rule.name), ()) if one.severity < Severity.NOTICE]
        if not found:
            continue
        old = any(one.code == "consecutive-errors" and one.place.startswith("trafficPolicy:") for one in found)
        where = {"cluster": cluster, "namespace": rule.namespace, "name": rule.name, "host": rule.host}
        fix = Fix(ACTION, "Replace consecutiveErrors", {**where, "replace_errors": True}) if old else None
        yield Finding(
            key=f"circuit/{cluster}/{rule.namespace}/{rule.name}",
            kind="Circuit breaker without effect" if old else "Circuit breaker",
            severity=found[0].severity,
            title=f"{rule.namespace}/{rule.name}: {found[0].says}",
            detail=found[0].do,
            cluster=cluster,
            page="breakers",
            params={"breaker": f"{cluster}/{rule.namespace}/{rule.name}"},
            fix=fix,
        )
