"""What to change in a workload's manifest to take advice, as YAML to copy; nothing is applied from here."""

from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from services.domain.cost.waste import Advice

_API = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1"}
_FIXED = ("Job", "Pod")
"""Kinds whose pod template cannot be changed once they are there."""
GPU = "nvidia.com/gpu"
PRODUCT = "nvidia.com/gpu.product"


def manifest(advice: Advice, *, owner: str, container: str, product: str = "") -> str:
    """The fields that change, "" where no manifest would do it.

    ``owner`` is the object's own name, ``container`` the one that asks for GPUs, ``product`` the label value of nodes
    with the smaller model. A field that is null is one to remove.
    """
    if advice.kind not in _API or not owner:
        return ""
    pod: dict[str, Any] = {}
    if advice.amount:
        pod = _asks(container, {GPU: advice.amount})
    elif advice.resource:
        pod = _asks(container, {GPU: None, advice.resource: 1})
    elif advice.verb == "share" and not advice.layout and product:
        pod = {"nodeSelector": {PRODUCT: product}}
    if not pod:
        return ""
    document = {
        "apiVersion": _API[advice.kind],
        "kind": advice.kind,
        "metadata": {"name": owner, "namespace": advice.namespace},
        "spec": _spec(advice.kind, pod),
    }
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=120)
    if advice.kind in _FIXED:
        return f"# The pods of a {advice.kind} that is there cannot be changed: this is for the next one.\n{text}"
    return text


def _asks(container: str, limits: Mapping[str, int | None]) -> dict[str, Any]:
    return {"containers": [{"name": container, "resources": {"limits": dict(limits)}}]}


def _spec(kind: str, pod: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "Pod":
        return dict(pod)
    template = {"template": {"spec": dict(pod)}}
    return {"jobTemplate": {"spec": template}} if kind == "CronJob" else template
