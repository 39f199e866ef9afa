"""Who holds or wants GPUs.

GPU pods, the units they hold by the scheduler's own rule, and the workload that owns them.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from services.domain import dra, frames, pending, units
from services.domain.objects import Container, Generic, Pod

PODS = {
    "cluster": "str",
    "namespace": "str",
    "pod": "str",
    "uid": "str",
    "node": "str",  # "" while it waits for one
    "workload": "str",
    "workload_kind": "str",
    "team": "str",  # NO_TEAM when no team label is set
    "resources": "str",  # "8 × nvidia.com/gpu"
    "units": "float64",
    "equivalents": "float64",  # GPU equivalents held, or wanted while unscheduled; NaN when it cannot be told
    "phase": "str",
    "state": "str",  # running, starting, waiting, failing
    "reason": "str",  # short, for grouping; "" when nothing is wrong
    "message": "str",  # one plain sentence
    "priority": "float64",
    "priority_class": "str",
    "restarts": "int64",
    "created_at": "datetime64[us, UTC]",
    "since": "datetime64[us, UTC]",  # when the present state began, as far as the object tells
}
"""One row per pod that holds GPU units or waits for some; finished pods hold nothing."""

CLAIMS = {
    "cluster": "str",
    "node": "str",
    "namespace": "str",
    "pod": "str",
    "resource": "str",
    "units": "float64",
    "equivalents": "float64",
}
"""One row per pod and resource of the pods bound to a node."""

NO_TEAM = "(no team)"
_HASH = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5,10}$")


def pods(
    cluster: str,
    objects: Iterable[Pod],
    unit_frame: pd.DataFrame,
    *,
    replicasets: Sequence[Generic] = (),
    jobs: Sequence[Generic] = (),
    namespaces: Sequence[Generic] = (),
    claims: Sequence[Generic] = (),
    slices: Sequence[Generic] = (),
    team_label: str = "team",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Frames :data:`PODS` and :data:`CLAIMS` from Pod objects.

    ``unit_frame`` is the inventory's :data:`services.domain.inventory.UNITS`, which says what a unit on a node is
    worth. A pod's team is its label ``team_label``, else its namespace's.
    """
    worth = {
        (node, resource): fraction
        for node, resource, fraction in zip(
            unit_frame["node"], unit_frame["resource"], unit_frame["fraction"], strict=True
        )
    }
    parents = {**_parents(replicasets), **_parents(jobs)}
    team_of = teams(namespaces, team_label)
    through_claims = dra.held_by_pod(claims, slices)
    rows: list[tuple[object, ...]] = []
    claim_rows: list[tuple[object, ...]] = []
    for obj in objects:
        if obj.status.phase in ("Succeeded", "Failed"):
            continue
        meta, spec = obj.metadata, obj.spec
        wanted = gpu_units(spec.containers, spec.init_containers or ())
        claimed = through_claims.get(meta.uid)
        if not wanted and claimed is None:
            continue
        node = spec.node_name or ""
        number = equivalents = 0.0
        for resource, count in wanted.items():
            amount = count * _worth(worth, node, resource)
            number += count
            equivalents += amount
            if node:
                claim_rows.append((cluster, node, meta.namespace, meta.name, resource, count, amount))
        if claimed is not None:
            number += claimed[0]
            equivalents += claimed[1]
            if node:
                claim_rows.append((cluster, node, meta.namespace, meta.name, "resource claim", *claimed))
        kind, workload = owner(obj, parents)
        state = pending.pod_state(obj)
        labels = meta.labels or {}
        rows.append(
            (
                cluster,
                meta.namespace,
                meta.name,
                meta.uid,
                node,
                workload,
                kind,
                labels.get(team_label) or team_of.get(meta.namespace) or NO_TEAM,
                ", ".join(f"{count:g} × {resource}" for resource, count in wanted.items()) or "resource claim",
                number,
                equivalents,
                obj.status.phase,
                state.state,
                state.reason,
                state.message,
                math.nan if spec.priority is None else float(spec.priority),
                spec.priority_class_name or "",
                sum(status.restart_count for status in obj.status.container_statuses or ()),
                meta.creation_timestamp,
                state.since or meta.creation_timestamp,
            )
        )
    return frames.table(PODS, rows), frames.table(CLAIMS, claim_rows)


def teams(namespaces: Sequence[Generic], team_label: str) -> dict[str, str]:
    """The team label of each namespace that has one."""
    labelled = ((obj.metadata.name, (obj.metadata.labels or {}).get(team_label, "")) for obj in namespaces)
    return {name: team for name, team in labelled if team}


def gpu_units(containers: Sequence[Container], init_containers: Sequence[Container]) -> dict[str, float]:
    """GPU units a pod holds, by resource, as the scheduler counts them.

    Ordinary init containers run one after another before the main containers and give their units back, so they count
    with their maximum; sidecars (init containers with ``restartPolicy: Always``) keep theirs. Source: Kubernetes
    component-helpers/resource/helpers.go, PodRequests.
    """
    main = _sum(containers)
    if not init_containers:
        return {name: count for name, count in main.items() if count > 0}
    sidecars: dict[str, float] = {}
    peak: dict[str, float] = {}
    for container in init_containers:
        asked = _requests(container)
        if container.restart_policy == "Always":
            for name, count in asked.items():
                sidecars[name] = sidecars.get(name, 0.0) + count
            asked = {}
        for name in {*asked, *sidecars}:
            peak[name] = max(peak.get(name, 0.0), asked.get(name, 0.0) + sidecars.get(name, 0.0))
    names = {*main, *sidecars, *peak}
    held = {name: max(peak.get(name, 0.0), main.get(name, 0.0) + sidecars.get(name, 0.0)) for name in names}
    return {name: count for name, count in sorted(held.items()) if count > 0}


def _sum(containers: Sequence[Container]) -> dict[str, float]:
    total: dict[str, float] = {}
    for container in containers:
        for name, count in _requests(container).items():
            total[name] = total.get(name, 0.0) + count
    return total


def _requests(container: Container) -> dict[str, float]:
    resources = container.resources
    if resources is None:
        return {}
    # Extended resources: requests equal limits, and setting only limits is enough.
    asked = {**(resources.limits or {}), **(resources.requests or {})}
    return {name: units.quantity(value) for name, value in asked.items() if units.is_gpu_resource(name)}


def _worth(worth: Mapping[tuple[str, str], float], node: str, resource: str) -> float:
    if (node, resource) in worth:
        return worth[(node, resource)]
    profile = units.mig_profile(resource)
    if profile:
        return units.mig_fraction(profile, "")
    # A waiting pod may still land on a whole GPU; a shared unit's worth depends on where it lands.
    return math.nan if resource.endswith(".shared") else 1.0


def _parents(objects: Sequence[Generic]) -> dict[str, tuple[str, str]]:
    found = {}
    for obj in objects:
        for reference in obj.metadata.owner_references or ():
            if reference.controller is not False:
                found[obj.metadata.uid] = (reference.kind, reference.name)
                break
    return found


def owner(obj: Pod, parents: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Kind and name of the workload behind a pod, through ReplicaSet and Job.

    ``parents`` maps the UID of a ReplicaSet or Job to its own controller. Where ReplicaSets cannot be read, the
    Deployment's name is the ReplicaSet's without its hash; a pod without a controller is its own workload.
    """
    for reference in obj.metadata.owner_references or ():
        if reference.controller is False:
            continue
        if reference.uid in parents:
            return parents[reference.uid]
        if reference.kind == "ReplicaSet":
            template_hash = (obj.metadata.labels or {}).get("pod-template-hash", "")
            if template_hash and reference.name.endswith(f"-{template_hash}"):
                return "Deployment", reference.name.removesuffix(f"-{template_hash}")
            stripped = _HASH.sub("", reference.name)
            return ("Deployment", stripped) if stripped != reference.name else ("ReplicaSet", reference.name)
        return reference.kind, reference.name
    return "Pod", obj.metadata.name


_GONE = (
    re.compile(r"^(?P<name>.+)-[bcdfghjklmnpqrstvwxz2456789]{5,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$"),  # Deployment
    re.compile(r"^(?P<name>.+)-\d{8,10}-\d+(?:-[bcdfghjklmnpqrstvwxz2456789]{5})?$"),  # CronJob with indexed Jobs
    re.compile(r"^(?P<name>.+)-\d{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$"),  # CronJob
    re.compile(r"^(?P<name>.+)-[bcdfghjklmnpqrstvwxz2456789]{5}$"),  # Job, DaemonSet
    re.compile(r"^(?P<name>.+)-\d+$"),  # StatefulSet, indexed Job
)


def workload_of_name(pod: str) -> str:
    """The likely workload of a pod that is gone, from the naming scheme of the controllers.

    The pod's name otherwise.
    """
    for pattern in _GONE:
        match = pattern.match(pod)
        if match:
            return match.group("name")
    return pod
