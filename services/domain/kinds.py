"""The kinds of Kubernetes object we read, and what each is for."""

from dataclasses import dataclass

from services.domain.objects import Event, Generic, Node, Obj, Pod


@dataclass(frozen=True)
class Kind:
    """One kind: where the API serves it, what decodes it and what a user loses without it.

    ``groups`` are "group/version" candidates, newest first ("v1" for core). ``installed`` kinds belong to every
    cluster; others exist only where something installed them. ``loses`` completes "Without it you lose …".
    """

    name: str
    groups: tuple[str, ...]
    plural: str
    struct: type[Obj]
    namespaced: bool
    loses: str
    installed: bool = True
    field_selector: str = ""


_KINDS = (
    Kind("nodes", ("v1",), "nodes", Node, False, "the GPU inventory: every page"),
    Kind("pods", ("v1",), "pods", Pod, True, "who holds which GPUs, demand and owners"),
    Kind("events", ("v1",), "events", Event, True, "reasons why pods wait"),
    Kind("namespaces", ("v1",), "namespaces", Generic, False, "team labels of namespaces"),
    Kind("replicasets", ("apps/v1",), "replicasets", Generic, True, "the Deployment behind a pod"),
    Kind("deployments", ("apps/v1",), "deployments", Generic, True, "labels of the owning Deployment"),
    Kind("statefulsets", ("apps/v1",), "statefulsets", Generic, True, "labels of the owning StatefulSet"),
    Kind("daemonsets", ("apps/v1",), "daemonsets", Generic, True, "state of the GPU driver stack"),
    Kind("jobs", ("batch/v1",), "jobs", Generic, True, "the CronJob behind a pod"),
    Kind("hpas", ("autoscaling/v2",), "horizontalpodautoscalers", Generic, True, "autoscaling bounds"),
    Kind("quotas", ("v1",), "resourcequotas", Generic, True, "GPU quotas"),
    Kind(
        "configmaps",
        ("v1",),
        "configmaps",
        Generic,
        True,
        "the Cluster Autoscaler's own word on its pools",
        field_selector="metadata.name=cluster-autoscaler-status",
    ),
    Kind("priorityclasses", ("scheduling.k8s.io/v1",), "priorityclasses", Generic, False, "priority names"),
    Kind(
        "resourceslices",
        ("resource.k8s.io/v1", "resource.k8s.io/v1beta2", "resource.k8s.io/v1beta1"),
        "resourceslices",
        Generic,
        False,
        "GPUs offered through dynamic resource allocation",
        installed=False,
    ),
    Kind(
        "resourceclaims",
        ("resource.k8s.io/v1", "resource.k8s.io/v1beta2", "resource.k8s.io/v1beta1"),
        "resourceclaims",
        Generic,
        True,
        "GPUs held through dynamic resource allocation",
        installed=False,
    ),
    Kind("nodepools", ("karpenter.sh/v1",), "nodepools", Generic, False, "Karpenter pool limits", installed=False),
    Kind("nodeclaims", ("karpenter.sh/v1",), "nodeclaims", Generic, False, "nodes on their way", installed=False),
    Kind(
        "capacitybuffers",
        ("autoscaling.x-k8s.io/v1beta1", "autoscaling.x-k8s.io/v1alpha1"),
        "capacitybuffers",
        Generic,
        True,
        "warm headroom kept by the autoscaler",
        installed=False,
    ),
    Kind(
        "imagepulljobs",
        ("apps.kruise.io/v1beta1", "apps.kruise.io/v1alpha1"),
        "imagepulljobs",
        Generic,
        True,
        "images that OpenKruise keeps on nodes",
        installed=False,
    ),
    Kind(
        "destinationrules",
        ("networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"),
        "destinationrules",
        Generic,
        True,
        "circuit breakers of the service mesh",
        installed=False,
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
