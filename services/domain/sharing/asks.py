"""What workloads ask for: GPU units per pod and the nodes they choose, from templates and, without one, from pods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from services.domain import allocation
from services.domain.objects import Generic, Pod, PodSpec
from services.domain.sharing import NodeState


@dataclass(frozen=True)
class Ask:
    """What one workload asks for.

    ``name`` is "namespace/workload", ``units`` those of one pod by resource. ``selector`` is its node selector and
    ``values`` what required node affinity accepts by label (operator In).
    """

    name: str
    units: Mapping[str, float]
    selector: Mapping[str, str]
    values: Mapping[str, frozenset[str]]

    def of(self, label: str) -> frozenset[str]:
        """Values of a label it chooses nodes by."""
        chosen = self.values.get(label, frozenset())
        return chosen | {self.selector[label]} if label in self.selector else chosen

    @property
    def chooses(self) -> bool:
        """Whether it chooses nodes by label at all."""
        return bool(self.selector or self.values)

    def wants(self, node: NodeState) -> bool:
        """Whether it chooses nodes by label, and this node is one of them."""
        exact = all(node.labels.get(key) == value for key, value in self.selector.items())
        return self.chooses and exact and all(node.labels.get(key) in values for key, values in self.values.items())


def asks(templates: Mapping[str, Sequence[Generic]], pods: Iterable[Pod]) -> list[Ask]:
    """Every workload that asks for GPUs; ``templates`` are controllers by kind ("Deployment", "Job", …)."""
    found: dict[tuple[str, str, str], Ask] = {}
    for kind, objects in templates.items():
        for one in objects:
            spec = _template(one)
            if spec is not None:
                key = (one.metadata.namespace, kind, one.metadata.name)
                _add(found, key, spec, _affinity(one))
    for pod in pods:
        if pod.status.phase in ("Succeeded", "Failed"):
            continue
        kind, name = allocation.owner(pod, {})
        key = (pod.metadata.namespace, kind, name)
        if key not in found:
            _add(found, key, pod.spec, {})
    return [found[key] for key in sorted(found)]


def _add(
    found: dict[tuple[str, str, str], Ask],
    key: tuple[str, str, str],
    spec: PodSpec,
    values: Mapping[str, frozenset[str]],
) -> None:
    wanted = allocation.gpu_units(spec.containers, spec.init_containers or ())
    if wanted:
        found[key] = Ask(f"{key[0]}/{key[2]}", wanted, spec.node_selector or {}, values)


def _pod_spec(one: Generic) -> Mapping[str, Any]:
    spec = one.spec if isinstance(one.spec, Mapping) else {}
    template = spec.get("template")
    inner = template.get("spec") if isinstance(template, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _template(one: Generic) -> PodSpec | None:
    given = _pod_spec(one)
    if not given:
        return None
    try:
        return msgspec.convert(given, PodSpec)
    except msgspec.ValidationError:  # what cannot be read asks for nothing we know of
        return None


def _affinity(one: Generic) -> dict[str, frozenset[str]]:
    found: Any = _pod_spec(one)
    for key in ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"):
        found = found.get(key) if isinstance(found, Mapping) else None
    values: dict[str, frozenset[str]] = {}
    for term in (found or {}).get("nodeSelectorTerms") or () if isinstance(found, Mapping) else ():
        for test in term.get("matchExpressions") or ():
            if test.get("operator") == "In":
                key = str(test.get("key"))
                values[key] = values.get(key, frozenset()) | frozenset(map(str, test.get("values") or ()))
    return values
