"""The circuit breakers of the scenario: DestinationRules of the mesh in the gateway's cluster.

One is as it should be, one still says ``consecutiveErrors``, one is misspelt; see the lints they give.
"""

from collections.abc import Iterable
from typing import Any

from services.demo.world import Site

AWAY = "chat-70b.assistants-prod.demo-east.internal"
"""The host in the other cluster whose outages open a breaker."""


def installed(site: Site) -> bool:
    """Whether the cluster has the mesh: the one the gateway runs in."""
    return any(one.cluster == site.name for one in site.scenario.gateways)


def objects(site: Site) -> Iterable[dict[str, Any]]:
    """The rules of a cluster."""
    if not installed(site):
        return
    yield _rule(
        "chat-8b",
        "assistants-prod",
        "chat-8b.assistants-prod.svc.cluster.local",
        {"consecutive5xxErrors": 5, "interval": "10s", "baseEjectionTime": "60s", "maxEjectionPercent": 50},
        {"http": {"http1MaxPendingRequests": 256, "maxRetries": 3}},
    )
    yield _rule(
        "embed",
        "search-prod",
        "embed",
        {"consecutiveErrors": 7, "interval": "30s", "baseEjectionTime": "30s"},
    )
    yield _rule("chat-70b", "ai-gateway", AWAY, {"consecutive5xxError": 3, "interval": "10s"})


def _rule(
    name: str, namespace: str, host: str, outlier: dict[str, Any], pool: dict[str, Any] | None = None
) -> dict[str, Any]:
    policy: dict[str, Any] = {"outlierDetection": outlier} | ({"connectionPool": pool} if pool else {})
    meta = {"name": name, "namespace": namespace, "labels": {"team": "platform"}}
    return {"kind": "DestinationRule", "metadata": meta, "spec": {"host": host, "trafficPolicy": policy}}
