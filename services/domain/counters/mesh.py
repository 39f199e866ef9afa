"""Counters of an Istio mesh: replicas its proxies took out, and requests its breakers turned away.

Envoy: ``cluster_stats.rst``; Istio: standard metrics. Istio names the cluster ``cluster_name``, Envoy's own tags
``envoy_cluster_name``. Istio drops most ``envoy_cluster_*`` unless ``proxyStatsMatcher`` keeps them.
"""

from services.domain.counters.counter import Counter

_UPSTREAM = {"upstream": ("cluster_name", "envoy_cluster_name")}

MESH = (
    Counter(
        "mesh_ejections",
        "envoy_cluster_outlier_detection_ejections_enforced_total",
        "Times a proxy took a replica out",
        _UPSTREAM,
    ),
    Counter(
        "mesh_ejection_overflow",
        "envoy_cluster_outlier_detection_ejections_overflow",
        "Times a proxy would have taken a replica out, and too many were out already",
        _UPSTREAM,
    ),
    Counter(
        "mesh_pending_overflow",
        "envoy_cluster_upstream_rq_pending_overflow",
        "Requests turned away because too many waited",
        _UPSTREAM,
    ),
    Counter(
        "mesh_refused",
        "istio_requests_total",
        "Requests by how the mesh ended them: UO breaker open, URX too many retries, UH no healthy replica",
        {"host": ("destination_service",), "flags": ("response_flags",), "reporter": ("reporter",)},
    ),
    Counter(
        "mesh_ejected_now",
        "envoy_cluster_outlier_detection_ejections_active",
        "Replicas that are out, as a proxy sees it",
        _UPSTREAM,
        level="mean",
    ),
)
