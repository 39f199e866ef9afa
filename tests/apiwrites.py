"""What a Kubernetes API server makes of a write: the rules behind ``tests/apiserver.py``, as functions over objects.

Shapes and words are those of the exchanges in ``tests/data/kube-api``; what those do not show is from the API
concepts of the Kubernetes documentation. Rules are kept where the product can run into them, and left out elsewhere.
"""

import copy
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

KIND_OF = {
    "capacitybuffers": "CapacityBuffer", "clusterpolicies": "ClusterPolicy", "configmaps": "ConfigMap",
    "daemonsets": "DaemonSet", "deployments": "Deployment", "destinationrules": "DestinationRule",
    "events": "Event", "jobs": "Job",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler", "namespaces": "Namespace", "nodeclaims": "NodeClaim",
    "nodepools": "NodePool", "nodes": "Node", "poddisruptionbudgets": "PodDisruptionBudget", "pods": "Pod",
    "podtemplates": "PodTemplate", "priorityclasses": "PriorityClass", "replicasets": "ReplicaSet",
    "resourceclaims": "ResourceClaim", "resourcequotas": "ResourceQuota", "resourceslices": "ResourceSlice",
    "statefulsets": "StatefulSet",
}  # fmt: skip
_PLURAL_OF = {kind: plural for plural, kind in KIND_OF.items()}
_WITH_STATUS = {
    "capacitybuffers", "clusterpolicies", "daemonsets", "deployments", "namespaces", "nodes", "poddisruptionbudgets",
    "pods", "resourcequotas", "statefulsets",
}  # fmt: skip
_WITHOUT_GENERATION = {"configmaps", "events", "namespaces", "nodes", "podtemplates", "resourcequotas"}
_META = {
    "name", "generateName", "namespace", "labels", "annotations", "uid", "resourceVersion", "generation", "finalizers",
    "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "ownerReferences",
}  # fmt: skip
_POD = {
    "containers", "initContainers", "nodeName", "nodeSelector", "tolerations", "affinity", "priorityClassName",
    "priority", "preemptionPolicy", "restartPolicy", "terminationGracePeriodSeconds", "automountServiceAccountToken",
    "serviceAccountName", "securityContext", "volumes", "schedulerName", "runtimeClassName", "enableServiceLinks",
    "topologySpreadConstraints", "resourceClaims", "dnsPolicy", "hostNetwork", "hostPID", "imagePullSecrets",
}  # fmt: skip
_FIELDS: Mapping[str, Mapping[str, set[str]]] = {
    "configmaps": {"": {"data", "binaryData", "immutable"}},
    "namespaces": {"": {"spec", "status"}, "spec": {"finalizers"}},
    "nodes": {"": {"spec", "status"}, "spec": {"unschedulable", "taints", "podCIDR", "podCIDRs", "providerID"}},
    "pods": {"": {"spec", "status"}, "spec": _POD},
    "podtemplates": {"": {"template"}, "template": {"metadata", "spec"}, "template.spec": _POD},
    "priorityclasses": {"": {"value", "globalDefault", "description", "preemptionPolicy"}},
    "deployments": {
        "": {"spec", "status"},
        "spec": {
            "replicas", "selector", "template", "strategy", "minReadySeconds", "revisionHistoryLimit", "paused",
            "progressDeadlineSeconds",
        },
        "spec.template": {"metadata", "spec"},
        "spec.template.spec": _POD,
    },
    "daemonsets": {
        "": {"spec", "status"},
        "spec": {"selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit"},
        "spec.template": {"metadata", "spec"},
        "spec.template.spec": _POD,
    },
    "resourcequotas": {"": {"spec", "status"}, "spec": {"hard", "scopes", "scopeSelector"}},
}  # fmt: skip
"""The fields of the kinds whose unknown ones are noticed; custom resources prune theirs and are left alone."""

_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


class Denied(Exception):
    """The answer is no; ``body`` is its Status."""

    def __init__(self, body: Json, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body["message"])
        self.body = body
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Target:
    """What a path names: ``version`` is "group/version" ("v1" for core), ``name`` "" for a list."""

    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @staticmethod
    def of(path: str) -> "Target | None":
        """The target of a path; None when it is of another form."""
        _, prefix, *parts = path.split("/")
        if prefix not in {"api", "apis"} or len(parts) < (2 if prefix == "api" else 3):
            return None
        version, parts = (parts[0], parts[1:]) if prefix == "api" else ("/".join(parts[:2]), parts[2:])
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in {"status", "finalize"}:
            namespace, parts = parts[1], parts[2:]
        if len(parts) > 3:
            return None
        return Target(version, parts[0], namespace, *parts[1:])

    @property
    def group(self) -> str:
        return self.version.rpartition("/")[0]

    @property
    def root(self) -> str:
        """The path of the list of all namespaces."""
        return root(self.version, self.plural)

    @property
    def kind(self) -> str:
        return KIND_OF.get(self.plural, self.plural)

    def qualified(self, word: str) -> str:
        """The plural or kind as error messages write it: "deployments.apps"."""
        return f"{word}.{self.group}" if self.group else word

    def details(self, name: str, word: str) -> Json:
        """The details of a Status."""
        return {"name": name} | ({"group": self.group} if self.group else {}) | {"kind": word}


def root(version: str, plural: str) -> str:
    """The path of the list of a resource in all namespaces."""
    return f"/apis/{version}/{plural}" if "/" in version else f"/api/{version}/{plural}"


def plural_of(obj: Mapping[str, Any]) -> str:
    """The resource an object belongs to, by its kind."""
    return _PLURAL_OF[obj["kind"]]


def status(code: int, reason: str, message: str, **more: Any) -> Json:
    """A meta/v1 Status of a failure."""
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, **more, "code": code,
    }  # fmt: skip


def success(**more: Any) -> Json:
    """A meta/v1 Status of a success."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", **more}


def not_found(target: Target, name: str) -> Denied:
    says = f'{target.qualified(target.plural)} "{name}" not found'
    return Denied(status(404, "NotFound", says, details=target.details(name, target.plural)))


def exists(target: Target, name: str) -> Denied:
    says = f'{target.qualified(target.plural)} "{name}" already exists'
    return Denied(status(409, "AlreadyExists", says, details=target.details(name, target.plural)))


def modified(target: Target, why: str = "") -> Denied:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    says = f'Operation cannot be fulfilled on {target.qualified(target.plural)} "{target.name}": {why}'
    return Denied(status(409, "Conflict", says, details=target.details(target.name, target.plural)))


def invalid(target: Target, name: str, causes: list[tuple[str, str, str]]) -> Denied:
    """422 with causes (reason, field, message)."""
    told = list(dict.fromkeys(f"{field}: {message}" for _, field, message in causes))
    says = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    listed = [{"reason": reason, "message": message, "field": field} for reason, field, message in causes]
    details = target.details(name, target.kind) | {"causes": listed}
    return Denied(
        status(422, "Invalid", f'{target.qualified(target.kind)} "{name}" is invalid: {says}', details=details)
    )


def forbidden(target: Target, name: str, why: str) -> Denied:
    says = f'{target.qualified(target.plural)} "{name}" is forbidden: {why}'
    return Denied(status(403, "Forbidden", says, details=target.details(name, target.plural)))


def unauthorised(target: Target, user: str, verb: str) -> Denied:
    """403 by the rights of a user."""
    named = f' "{target.name}"' if target.name else ""
    resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    says = (
        f'{target.qualified(target.plural)}{named} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
        f'in API group "{target.group}" {where}'
    )
    details = target.details(target.name, target.plural)
    return Denied(status(403, "Forbidden", says, details={k: v for k, v in details.items() if v}))


def merged(body: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(body) if isinstance(body, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def unknown_fields(target: Target, obj: Mapping[str, Any]) -> list[str]:
    """Paths of fields that the kind does not have."""
    found = [f"metadata.{key}" for key in obj.get("metadata", {}) if key not in _META]
    for place, known in _FIELDS.get(target.plural, {}).items():
        part: Any = obj
        for key in place.split(".") if place else ():
            part = part.get(key) if isinstance(part, dict) else None
        allowed = known | {"apiVersion", "kind", "metadata"} if not place else known
        if isinstance(part, dict):
            found += [f"{place}.{key}".lstrip(".") for key in part if key not in allowed]
    return found


def decoded(target: Target, obj: Json, *, patched: bool) -> None:
    """Refuse values of a wrong type, in the words of the decoder."""
    wrong = ""
    for key, value in (obj.get("data") or {}).items() if target.plural == "configmaps" else ():
        if not isinstance(value, str):
            wrong = f"json: cannot unmarshal {_go(value)} into Go struct field ConfigMap.data of type string"
            obj["data"][key] = value
    replicas = (obj.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int):
        wrong = (
            f"json: cannot unmarshal {_go(replicas)} into Go struct field {target.kind}Spec.spec.replicas of type int32"
        )
    if wrong:
        raise undecodable(target, obj, wrong, patched=patched)


def undecodable(target: Target, obj: Json, why: str, *, patched: bool) -> Denied:
    """What does not fit the kind: 422 with the whole object for a patch, 400 for a create."""
    if not patched:
        version = target.version.rpartition("/")[2]
        says = f'{target.kind} in version "{version}" cannot be handled as a {target.kind}: {why}'
        return Denied(status(400, "BadRequest", says))
    cause = f"Invalid value: {json.dumps(json.dumps(obj, separators=(',', ':')))}: {why}"
    details = {"causes": [{"reason": "FieldValueInvalid", "message": cause, "field": "patch"}]}
    return Denied(status(422, "Invalid", f' "" is invalid: patch: {cause}', details=details))


def problems(target: Target, obj: Json, old: Json | None) -> list[tuple[str, str, str]]:
    """What validation finds, as causes (reason, field, message)."""
    found = [
        ("FieldValueInvalid", "metadata.labels", f'Invalid value: "{value}": {_LABEL_RULE}')
        for value in (obj["metadata"].get("labels") or {}).values()
        if not _LABEL.fullmatch(value) or len(value) > 63
    ] * 4  # the real one says it four times over
    spec = obj.get("spec") or {}
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        says = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        found.append(("FieldValueInvalid", "spec.replicas", says))
    if target.plural == "pods" and old is None:
        found += _gpu_problems(spec)
    if old is None:
        return found
    if target.plural == "configmaps" and old.get("immutable") and obj.get("data") != old.get("data"):
        found.append(("FieldValueForbidden", "data", "Forbidden: field is immutable when `immutable` is set"))
    if target.plural in {"deployments", "daemonsets", "statefulsets"}:
        was, now = (old.get("spec") or {}).get("selector"), spec.get("selector")
        if was != now:
            says = f"Invalid value: {json.dumps(now, separators=(',', ':'))}: field is immutable"
            found.append(("FieldValueInvalid", "spec.selector", says))
    if target.plural == "priorityclasses" and old.get("value") != obj.get("value"):
        found.append(("FieldValueForbidden", "value", "Forbidden: may not be changed in an update."))
    return found


def defaulted(target: Target, obj: Json) -> None:
    """Fill in what the server fills in, as far as anything here depends on it."""
    if target.plural == "pods":
        for container in obj.get("spec", {}).get("containers", []):
            resources = container.get("resources") or {}
            for name, amount in (resources.get("limits") or {}).items():
                resources.setdefault("requests", {}).setdefault(name, amount)
        obj.setdefault("status", {"phase": "Pending"})
    elif target.plural == "namespaces":
        obj.setdefault("status", {"phase": "Active"})
    elif target.plural == "deployments":
        obj.get("spec", {}).setdefault("replicas", 1)


def has_status(target: Target) -> bool:
    """Whether the status is a subresource, which other writes do not touch."""
    return target.plural in _WITH_STATUS


def next_generation(target: Target, new: Json, old: Json | None) -> int | None:
    """The generation after a write; None for kinds that have none."""
    if target.plural in _WITHOUT_GENERATION:
        return None
    if old is None:
        return 1
    was = int(old["metadata"].get("generation", 1))
    return was if _wanted(new) == _wanted(old) else was + 1


def over_quota(pod: Json, quotas: Iterable[Json], pods: Iterable[Json]) -> str:
    """The words with which a quota refuses a pod; "" when none does. Counts whole numbers only."""
    running = [other for other in pods if _phase(other) not in {"Succeeded", "Failed"}]
    for quota in quotas:
        for key, hard in (quota.get("spec", {}).get("hard") or {}).items():
            if not key.startswith("requests.") or not str(hard).isdigit():
                continue
            resource = key.removeprefix("requests.")
            asked, used = _requested(pod, resource), sum(_requested(other, resource) for other in running)
            if asked and used + asked > int(hard):
                name = quota["metadata"]["name"]
                return f"exceeded quota: {name}, requested: {key}={asked}, used: {key}={used}, limited: {key}={hard}"
    return ""


def eviction_denied(pod: Json, budgets: list[Json], pods: Iterable[Json]) -> Denied | None:
    """How budgets forbid an eviction; None when they do not. Pods that do not run are not protected."""
    if _phase(pod) in {"Pending", "Succeeded", "Failed"} or "deletionTimestamp" in pod["metadata"]:
        return None
    mine = [budget for budget in budgets if _selects(budget, pod)]
    if not mine:
        return None
    if len(mine) > 1:
        says = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        return Denied(status(500, "InternalError", says))
    budget, peers = mine[0], [other for other in pods if _selects(mine[0], other)]
    healthy = sum(_phase(other) == "Running" and "deletionTimestamp" not in other["metadata"] for other in peers)
    spec = budget["spec"]
    if "minAvailable" in spec:
        needed = _share(spec["minAvailable"], len(peers))
    else:
        needed = len(peers) - _share(spec.get("maxUnavailable", 0), len(peers))
    known = budget.get("status", {}).get("disruptionsAllowed")
    if (healthy - needed if known is None else known) > 0:
        return None
    says = f"The disruption budget {budget['metadata']['name']} needs {needed} healthy pods and has {healthy} currently"
    return Denied(
        status(
            429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.",
            details={"causes": [{"reason": "DisruptionBudget", "message": says}]},
        )
    )  # fmt: skip


def managed(obj: Json, manager: str, version: str, body: Json, at: str) -> None:
    """Note in managedFields that a manager set the fields of ``body``."""
    fields = {key: value for key, value in body.items() if key not in {"apiVersion", "kind", "status"}}
    meta = {
        key: value for key, value in (fields.pop("metadata", None) or {}).items() if key in {"labels", "annotations"}
    }
    owned = _owned(fields | ({"metadata": meta} if meta else {}))
    entries = obj["metadata"].setdefault("managedFields", [])
    entry = next((known for known in entries if known["manager"] == manager and "subresource" not in known), None)
    if entry is None:
        entry = {"manager": manager, "operation": "Update", "apiVersion": version, "fieldsType": "FieldsV1"}
        entries.append(entry)
    entry["time"] = at
    entry["fieldsV1"] = merged(entry.get("fieldsV1", {}), owned)


def settled(obj: Json) -> Json:
    """The status of a workload whose newest template runs everywhere."""
    spec, generation = obj.get("spec") or {}, obj["metadata"].get("generation", 1)
    if obj["kind"] == "DaemonSet":
        count = (obj.get("status") or {}).get("desiredNumberScheduled", 1)
        names = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady")
        return {"observedGeneration": generation, "numberAvailable": count, **dict.fromkeys(names, count)}
    count = 1 if spec.get("replicas") is None else spec["replicas"]
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return {"observedGeneration": generation, **dict.fromkeys(names, count)}


def selected(obj: Json, query: Mapping[str, str]) -> bool:
    """Whether selectors of a list or watch choose an object: names, a pod's node, and labels by equality."""
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, wanted = term.partition("=")
        found: Any = obj
        for part in key.split("."):
            found = (found or {}).get(part)
        if (found or "") != wanted.lstrip("="):
            return False
    labels = obj["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, _, wanted = term.partition("=")
        if labels.get(key) != wanted.lstrip("="):
            return False
    return True


def _gpu_problems(spec: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for place, container in enumerate(spec.get("containers", [])):
        resources, field = container.get("resources") or {}, f"spec.containers[{place}].resources"
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in sorted({*limits, *requests}):
            if "/" not in name:
                continue
            if name not in limits:
                says = "Required value: Limit must be set for non overcommitable resources"
                found.append(("FieldValueRequired", f"{field}.limits", says))
            elif not str(limits[name]).isdigit():
                says = f'Invalid value: "{limits[name]}": must be an integer'
                found.append(("FieldValueInvalid", f"{field}.limits[{name}]", says))
            elif str(requests.get(name, limits[name])) != str(limits[name]):
                says = f'Invalid value: "{requests[name]}": must be equal to {name} limit of {limits[name]}'
                found.append(("FieldValueInvalid", f"{field}.requests", says))
    return found


def _phase(pod: Json) -> str:
    """A pod that does not say so runs."""
    phase: str = pod.get("status", {}).get("phase", "Running")
    return phase


def _wanted(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key not in {"metadata", "status"}}


def _requested(pod: Json, resource: str) -> int:
    found = 0
    for container in pod.get("spec", {}).get("containers", []):
        resources = container.get("resources") or {}
        amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        found += int(amounts.get(resource, 0))
    return found


def _selects(budget: Json, pod: Json) -> bool:
    wanted = (budget["spec"].get("selector") or {}).get("matchLabels") or {}
    labels = pod["metadata"].get("labels") or {}
    here = budget["metadata"].get("namespace") == pod["metadata"].get("namespace")
    return here and all(labels.get(key) == value for key, value in wanted.items())


def _share(given: int | str, total: int) -> int:
    return math.ceil(total * int(given.rstrip("%")) / 100) if isinstance(given, str) else given


def _owned(body: Any) -> Json:
    return {f"f:{key}": _owned(value) for key, value in body.items()} if isinstance(body, dict) else {}


def _go(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return {str: "string", int: "number", float: "number", list: "array", dict: "object"}[type(value)]
