"""What the console needs to be allowed by Kubernetes, as rules of roles; docs/connect.md is held to this."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.domain.kinds import KINDS

Grant = tuple[str, str, str]
"""API group ("" for core), resource (such as "pods/eviction") and verb."""


@dataclass(frozen=True)
class Rule:
    """Verbs on resources of one API group, as in a ClusterRole."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


WATCH = tuple(
    Rule(kind.groups[0].rpartition("/")[0], (kind.plural,), ("get", "list", "watch")) for kind in KINDS.values()
)
"""What the stores read."""

PLAN = (
    Rule("", ("podtemplates",), ("get",)),
    Rule("nvidia.com", ("clusterpolicies",), ("get",)),
)
"""What is read besides while a change is planned and its effect is verified."""

READ = WATCH + PLAN
"""What the console's own account needs in any case: it plans and verifies, whoever writes."""

WRITE = (
    Rule("", ("nodes",), ("get", "patch")),
    Rule("", ("namespaces",), ("get", "create", "delete")),
    Rule("", ("configmaps", "podtemplates"), ("get", "create", "patch", "delete")),
    Rule("", ("pods",), ("get", "list", "patch")),
    Rule("", ("pods/eviction",), ("create",)),
    Rule("apps", ("deployments",), ("get", "create", "patch", "delete")),
    Rule("apps", ("daemonsets",), ("get", "create", "patch", "delete")),
    Rule("apps", ("statefulsets",), ("get", "patch")),
    Rule("batch", ("jobs",), ("get", "patch")),
    Rule("scheduling.k8s.io", ("priorityclasses",), ("get", "create", "delete")),
    Rule("autoscaling.x-k8s.io", ("capacitybuffers",), ("get", "create", "patch", "delete")),
    Rule("apps.kruise.io", ("imagepulljobs",), ("get", "create", "patch", "delete")),
    Rule("networking.istio.io", ("destinationrules",), ("get", "create", "patch", "delete")),
    Rule("nvidia.com", ("clusterpolicies",), ("get", "patch")),
)
"""What actions need of whoever they act as: a person, or the console's account."""

IMPERSONATE = (Rule("", ("users", "groups"), ("impersonate",)),)
"""What the console's account needs to act as people."""


def grants(rules: Iterable[Rule]) -> frozenset[Grant]:
    """Every single right the rules give."""
    return frozenset(
        (rule.group, resource, verb) for rule in rules for resource in rule.resources for verb in rule.verbs
    )
