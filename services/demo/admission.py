"""What the simulated API server says no to, in the sentences people get from a real one.

Rules: kubernetes ``pkg/apis/*/validation``, strict decoding and quota admission; the sentences are those of our own
adapter, so that nobody can tell a refusal of the demo from one of a cluster.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from services.domain.change import patch
from services.domain.change.refs import Live, Ref
from services.errors import Busy, Conflict, Forbidden, NotFound, Rejected

SOURCE = "kubernetes"
_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
_LABEL = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)
_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
_FIXED = {
    "Deployment": (("spec", "selector"),),
    "StatefulSet": (("spec", "selector"),),
    "DaemonSet": (("spec", "selector"),),
    "PriorityClass": (("value",),),
}
_SPECS = {
    "Deployment": frozenset(
        {
            "minReadySeconds",
            "paused",
            "progressDeadlineSeconds",
            "replicas",
            "revisionHistoryLimit",
            "selector",
            "strategy",
            "template",
        }
    ),
    "Node": frozenset({"configSource", "externalID", "podCIDR", "podCIDRs", "providerID", "taints", "unschedulable"}),
}
"""Fields of specs, where strict decoding is worth having."""


def missing(ref: Ref) -> NotFound:
    """404."""
    return NotFound(f"{ref} does not exist.")


def unserved(ref: Ref) -> NotFound:
    """404 of a kind the server does not know."""
    return NotFound(f"The cluster has no API for {ref.plural} ({ref.api}).")


def homeless(ref: Ref) -> NotFound:
    """404 of the namespace."""
    return NotFound(f"Namespace {ref.namespace} does not exist.")


def there(ref: Ref) -> Conflict:
    """409 of a create."""
    return Conflict(f"{ref} exists already.")


def changed(ref: Ref) -> Conflict:
    """409 of a patch or delete."""
    return Conflict(f"{ref} changed since it was read.", hint="Look at it again before you repeat the change.")


def protected(ref: Ref, budget: str, *, needs: int, has: int) -> Busy:
    """429 of an eviction."""
    words = f"The disruption budget {budget} needs {needs} healthy pods and has {has} currently"
    return Busy(f"{ref} cannot be evicted now: {words}.", hint="It is tried again.")


def over_quota(ref: Ref, words: str) -> Rejected:
    """403 of the quota admission."""
    return Rejected(SOURCE, f"The cluster does not admit {ref}: {words}.")


def powerless(user: str, verb: str, plural: str, ref: Ref) -> Forbidden:
    """403."""
    where = f"in namespace {ref.namespace}" if ref.namespace else "in the whole cluster"
    rule = f'{{apiGroups: ["{ref.api.rpartition("/")[0]}"], resources: ["{plural}"], verbs: ["{verb}"]}}'
    return Forbidden(SOURCE, f"{user} may not {verb} {plural} {where} (403).", hint=f"A role with this rule: {rule}")


def check(ref: Ref, body: Mapping[str, Any], before: Live | None = None) -> None:
    """Validate an object as it would become. Raises Rejected."""
    wrong = next(_faults(ref, body, before), "")
    if wrong:
        raise Rejected(SOURCE, f"The API server rejected {ref}: {wrong}.")


def _faults(ref: Ref, body: Mapping[str, Any], before: Live | None) -> Iterator[str]:
    if not _NAME.match(ref.name) or len(ref.name) > 253:
        yield f'metadata.name: Invalid value: "{ref.name}": {_NAME_RULE}'
    spec = _mapping(body.get("spec"))
    yield from _unknown(ref, spec)
    if before is not None:
        yield from _fixed(ref, body, before)
    own = _mapping(_mapping(_mapping(spec.get("template")).get("metadata")).get("labels"))
    yield from _labels("metadata.labels", _mapping(_mapping(body.get("metadata")).get("labels")))
    yield from _labels("spec.template.labels", own)
    if ref.kind in ("Deployment", "StatefulSet"):
        yield from _replicas(spec.get("replicas"))
    if spec.get("template"):
        chosen = _mapping(_mapping(spec.get("selector")).get("matchLabels"))
        if any(own.get(name) != value for name, value in chosen.items()):
            yield "spec.template.metadata.labels: `selector` does not match template `labels`"
    if ref.kind == "DaemonSet" and before is None and not patch.at(spec, ("template", "spec", "containers")):
        yield "spec.template.spec.containers: Required value"
    if ref.kind == "ConfigMap":
        for text in _mapping(body.get("data")).values():
            if not isinstance(text, str):
                yield f"data: expected string, not {_json_type(text)}"


def _labels(field: str, labels: Mapping[str, Any]) -> Iterator[str]:
    for value in labels.values():
        if not isinstance(value, str) or len(value) > 63 or not _LABEL.match(value):
            yield f'{field}: Invalid value: "{value}": {_LABEL_RULE}'


def _replicas(count: object) -> Iterator[str]:
    if count is not None and not isinstance(count, int):
        yield f"spec.replicas: expected int32, not {_json_type(count)}"
    elif count is not None and count < 0:
        yield f"spec.replicas: Invalid value: {count}: must be greater than or equal to 0"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _unknown(ref: Ref, spec: Mapping[str, Any]) -> Iterator[str]:
    known = _SPECS.get(ref.kind)
    for name in spec if known else ():
        if known and name not in known:
            yield f'unknown field "spec.{name}"'


def _fixed(ref: Ref, body: Mapping[str, Any], before: Live) -> Iterator[str]:
    for path in _FIXED.get(ref.kind, ()):
        if patch.at(before.body, path) != patch.at(body, path):
            yield f"{'.'.join(path)}: field is immutable"
    if ref.kind == "ConfigMap" and before.body.get("immutable") and before.body.get("data") != body.get("data"):
        yield "data: Forbidden: field is immutable when `immutable` is set"


def _json_type(value: object) -> str:
    kinds: list[tuple[type, str]] = [
        (bool, "bool"),
        (int, "number"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
    ]
    return next((word for kind, word in kinds if isinstance(value, kind)), "object")
