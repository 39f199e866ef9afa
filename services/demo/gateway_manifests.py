"""The gateway's objects as the scenario has them: the ConfigMap with its file and the Deployment that reads it."""

from collections.abc import Iterable
from typing import Any

from services.demo.gateway_plan import GatewayPlan
from services.demo.world import Site

LABEL = "app.kubernetes.io/name"
_FOLDER = "/etc/litellm"
_KEYS = ("OPENAI_API_KEY", "AZURE_API_KEY", "DEEPINFRA_API_KEY", "LITELLM_MASTER_KEY")


def plan(site: Site) -> GatewayPlan | None:
    """The gateway of a cluster; None when it has none."""
    return next((one for one in site.scenario.gateways if one.cluster == site.name), None)


def objects(site: Site) -> Iterable[dict[str, Any]]:
    """Its ConfigMap and its Deployment.

    An edit of the ConfigMap is journalled as any write is, with the text it leaves: the only key written out in that
    text is made up and the demo's own.
    """
    gateway = plan(site)
    if gateway is None:
        return
    meta = {"namespace": gateway.namespace, "labels": {LABEL: gateway.deployment}}
    yield {"kind": "ConfigMap", "metadata": {**meta, "name": gateway.configmap}, "data": {gateway.key: gateway.text}}
    spec = {
        "replicas": gateway.replicas,
        "selector": {"matchLabels": {LABEL: gateway.deployment}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": {LABEL: gateway.deployment, "team": "platform"}}, "spec": _pod(gateway)},
    }
    yield {"kind": "Deployment", "metadata": {**meta, "name": gateway.deployment}, "spec": spec}


def _pod(gateway: GatewayPlan) -> dict[str, Any]:
    keys = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": f"{gateway.deployment}-keys", "key": name}}}
        for name in _KEYS
    ]
    container = {
        "name": "litellm",
        "image": image(gateway),
        "args": ["--config", f"{_FOLDER}/{gateway.key}", "--port", "4000"],
        "env": [*({"name": name, "value": value} for name, value in gateway.variables.items()), *keys],
        "ports": [{"name": "http", "containerPort": 4000}],
        "readinessProbe": {"httpGet": {"path": "/health/readiness", "port": "http"}, "periodSeconds": 5},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [{"name": "config", "mountPath": _FOLDER, "readOnly": True}],
    }
    return {
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": gateway.configmap}}],
    }


def image(gateway: GatewayPlan) -> str:
    """The image its pods run."""
    return f"registry.example.com/platform/litellm:v{gateway.version}"
