"""Giving back GPUs that are held and idle: how they are asked for, and how owners say no."""

from dataclasses import dataclass

KEEP = "gpu-fleet-console/keep"
"""Label of a pod, a workload or a namespace whose GPUs are never released; its value is "true"."""
NOTICE = "gpu-fleet-console/release-idle"
"""Annotation that tells a workload's owner beforehand: JSON of ``by``, ``at``, ``not_before``, ``why`` and ``keep``."""
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Annotation of pods by which a ReplicaSet chooses whom it ends first, the lowest; in force since Kubernetes 1.22."""
GRACES = (0, 15, 60)
"""Minutes an owner may be given between the notice and the change."""
KINDS = ("Deployment", "StatefulSet", "Job", "CronJob")
"""Kinds of workload that can be released; of a CronJob the Jobs it made."""


@dataclass(frozen=True)
class ReleaseParams:
    """A workload as the inventory names it. ``by``: who the notice names."""

    cluster: str
    namespace: str
    workload: str
    kind: str
    grace_minutes: int = 15
    by: str = ""


def kept(*labels: dict[str, str] | None) -> bool:
    """Whether any of these labels says that GPUs are to be kept."""
    return any((one or {}).get(KEEP, "").lower() == "true" for one in labels)
