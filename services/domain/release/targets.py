"""How far a workload can be scaled down without ending what works, and what forbids it."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from services.domain.objects import Generic
from services.errors import Refused

_ORDINAL = re.compile(r"-(\d+)$")
KUEUE = ("kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/managed-by")
"""Labels of Jobs that Kueue suspends and resumes by itself."""


def deployment(replicas: int, idle: Collection[str]) -> int:
    """Replicas that stay when the idle pods go; what is still on its way counts as wanted."""
    return max(replicas - len(idle), 0)


def statefulset(replicas: int, idle: Collection[str], busy: Iterable[str], start: int = 0) -> int:
    """The same of a StatefulSet: it ends its highest number first, so the highest pod that works stays with all below.

    ``start`` is its first number. Raises Refused when no idle pod is above one that works.
    """
    highest = max((ordinal(name) for name in busy), default=start - 1)
    target = highest - start + 1
    if idle and target >= replicas:
        raise Refused(
            f"A StatefulSet ends its highest number first, and number {highest} works: the idle pods below it stay.",
            hint="Ask the owner of the idle pods, or wait until the higher ones are done.",
        )
    return max(target, 0)


def ordinal(pod: str) -> int:
    """The number at the end of a StatefulSet's pod; -1 without one."""
    found = _ORDINAL.search(pod)
    return int(found.group(1)) if found else -1


def autoscaled(kind: str, name: str, namespace: str, target: int, hpas: Iterable[Generic]) -> str:
    """What to know of an autoscaler of the workload, "" without one. Raises Refused where it would undo the change.

    At zero replicas a HorizontalPodAutoscaler stops scaling until somebody sets another number; above zero it sets its
    own. One that KEDA made starts again from zero.
    """
    for one in hpas:
        spec = one.spec if isinstance(one.spec, Mapping) else {}
        about = spec.get("scaleTargetRef") or {}
        if one.metadata.namespace != namespace or (about.get("kind"), about.get("name")) != (kind, name):
            continue
        called = one.metadata.name
        if any(above.kind == "ScaledObject" for above in one.metadata.owner_references or ()):
            raise Refused(
                f"KEDA scales {name} (HorizontalPodAutoscaler {called}) and would set its own number of replicas.",
                hint="Pause it: annotate its ScaledObject with autoscaling.keda.sh/paused-replicas.",
            )
        if target > 0:
            least = spec.get("minReplicas") or 1
            raise Refused(
                f"HorizontalPodAutoscaler {called} owns the replicas of {name} (at least {least}) and would put back "
                f"what is set to {target}.",
                hint=f"Lower its minReplicas to {target}, where it is higher; idle pods then go by themselves.",
            )
        return f"HorizontalPodAutoscaler {called} stops scaling {name} at zero, and goes on when it is resumed."
    return ""


def job(name: str, body: Mapping[str, Any], above: str) -> str:
    """What to know of suspending a Job. Raises Refused where something else suspends and resumes it."""
    labels = (body.get("metadata") or {}).get("labels") or {}
    if any(label in labels for label in KUEUE):
        raise Refused(
            f"Kueue decides when Job {name} runs and would resume it.",
            hint="Deactivate its Workload instead: set spec.active of the Workload to false.",
        )
    by = (body.get("spec") or {}).get("managedBy")
    if by and by != "kubernetes.io/job-controller":
        raise Refused(f"Job {name} is run by {by}, not by Kubernetes itself.", hint="Suspend it there.")
    if above:
        return f"CronJob {above} goes on making new Jobs; only this one is suspended."
    return ""
