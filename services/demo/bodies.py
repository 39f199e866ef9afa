"""Objects whole, as the API server would give them: the scenario's, as people changed them and controllers reacted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from services.demo import (
    controllers,
    events,
    karpenter,
    manifests,
    mesh_rules,
    nodeobjects,
    podobjects,
    policies,
    statuses,
)
from services.demo.ledger import Folded, Key
from services.demo.lives import FOUNDED
from services.demo.moment import Moment, stamp
from services.demo.names import uid
from services.domain.change import patch
from services.domain.change.refs import API
from services.domain.kinds import KINDS
from services.domain.objects import Obj

FIELD_MANAGER = "gpu-fleet-console"

BUILDERS: Mapping[str, Callable[[Moment], Sequence[Obj]]] = {
    "nodes": nodeobjects.nodes,
    "pods": podobjects.pods,
    "events": events.events,
    "namespaces": policies.namespaces,
    "replicasets": controllers.replicasets,
    "deployments": controllers.deployments,
    "statefulsets": controllers.statefulsets,
    "daemonsets": controllers.daemonsets,
    "jobs": controllers.jobs,
    "hpas": controllers.hpas,
    "quotas": policies.quotas,
    "configmaps": lambda _moment: (),  # no Cluster Autoscaler here
    "priorityclasses": policies.priorityclasses,
    "nodepools": karpenter.nodepools,
    "nodeclaims": karpenter.nodeclaims,
    "capacitybuffers": lambda _moment: (),
    "destinationrules": lambda _moment: (),  # those of the scenario are whole objects
}
_LISTS = {
    "Node": "nodes",
    "Pod": "pods",
    "Namespace": "namespaces",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "ResourceQuota": "quotas",
    "PriorityClass": "priorityclasses",
    "CapacityBuffer": "capacitybuffers",
    "DestinationRule": "destinationrules",
}
_KIND_OF = {name: kind for kind, name in _LISTS.items()}
_GENERATIONS = frozenset(
    {
        "CapacityBuffer",
        "ClusterPolicy",
        "DaemonSet",
        "Deployment",
        "DestinationRule",
        "PodDisruptionBudget",
        "PriorityClass",
        "StatefulSet",
    }
)
_RESUMES_S = 30
_MANAGERS = {"Node": "kubelet", "Pod": "kubelet", "Namespace": "kubectl-create"}


def served(moment: Moment, kind: str) -> bool:
    """Whether the cluster has the kind's API."""
    if kind == "DestinationRule":
        return mesh_rules.installed(moment.site)
    return kind in API and (kind not in ("CapacityBuffer", "ClusterPolicy") or moment.site.plan.labels == "karpenter")


def listed(moment: Moment, name: str) -> Sequence[Obj]:
    """The objects of a snapshot's kind."""
    base = BUILDERS[name](moment)
    kind = _KIND_OF.get(name, "")
    touched = set(moment.site.ledger.touched(kind)) if kind else set()
    extra = [key for key in manifests.objects(moment.site) if key[0] == kind and _place(name)]
    if not touched and not extra:
        return base
    struct = KINDS[name].struct
    found: list[Obj] = []
    for obj in base:
        key = (kind, obj.metadata.namespace, obj.metadata.name)
        if key not in touched:
            found.append(obj)
            continue
        touched.discard(key)
        body = whole(moment, key, _plain(obj))
        if body is not None:
            found.append(msgspec.convert(body, struct))
    for key in dict.fromkeys([*extra, *sorted(touched)]):
        body = whole(moment, key, manifests.objects(moment.site).get(key) or _suspended(moment, key))
        if body is not None:
            found.append(msgspec.convert(body, struct))
    return found


def written(moment: Moment, name: str, obj: Obj) -> Obj:
    """One of the scenario's objects of a snapshot's kind, with what people wrote to it."""
    kind = _KIND_OF[name]
    key = (kind, obj.metadata.namespace, obj.metadata.name)
    body = whole(moment, key, _plain(obj)) if key in moment.site.ledger.touched(kind) else None
    return obj if body is None else msgspec.convert(body, KINDS[name].struct)


def _place(name: str) -> bool:
    return name != "configmaps"


def read(moment: Moment, key: Key) -> dict[str, Any] | None:
    """One object; None when it does not exist."""
    kind, namespace, name = key
    base: Mapping[str, Any] | None = manifests.objects(moment.site).get(key)
    if kind == "Node":
        facts = next((one for one in moment.nodes if one.name == name), None)
        base = None if facts is None else _plain(nodeobjects.node(moment, facts))
    elif base is None and kind in _LISTS:
        wanted = (namespace, name)
        objects = BUILDERS[_LISTS[kind]](moment)
        found = next((obj for obj in objects if (obj.metadata.namespace, obj.metadata.name) == wanted), None)
        base = _suspended(moment, key) if found is None else _plain(found)
    return whole(moment, key, base)


def _suspended(moment: Moment, key: Key) -> Mapping[str, Any] | None:
    """A Job whose pods are gone because somebody suspended it, as it was before; None for anything else.

    Of one that was resumed the pods come some seconds later.
    """
    folded = moment.site.ledger.folded(key, {}, moment.now) if key[0] == "Job" else None
    if folded is None or not folded.writes:
        return None
    if not (folded.body.get("spec") or {}).get("suspend") and moment.now > folded.writes[-1].at + _RESUMES_S:
        return None
    jobs = controllers.jobs(Moment(moment.site, folded.writes[0].at - 1))
    found = next((one for one in jobs if (one.metadata.namespace, one.metadata.name) == key[1:]), None)
    return None if found is None else {**_plain(found), "status": {}}


def pods_on(moment: Moment, node: str) -> list[dict[str, Any]]:
    """The pods bound to a node."""
    found = []
    for pod in podobjects.pods(moment, node=node):
        body = whole(moment, ("Pod", pod.metadata.namespace, pod.metadata.name), _plain(pod))
        if body is not None:
            found.append(body)
    return found


def _plain(obj: Obj) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(obj)
    found["metadata"] = {name: value for name, value in found["metadata"].items() if value != ""}
    return found


def whole(moment: Moment, key: Key, base: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An object after the writes to it, with what the server and controllers keep."""
    kind, namespace, name = key
    folded = moment.site.ledger.folded(key, base, moment.now)
    if folded is None:
        return None
    body = {"apiVersion": API[kind][0], "kind": kind, **folded.body}
    meta = dict(body.get("metadata") or {})
    created = folded.made.at if folded.made is not None else None
    meta["name"] = name
    if namespace:
        meta["namespace"] = namespace
    if created is not None:
        meta["uid"] = made_uid(moment, key, folded)
        meta["creationTimestamp"] = stamp(created)
    meta.setdefault("uid", uid(moment.site, kind.lower(), namespace, name))
    meta.setdefault("creationTimestamp", stamp(FOUNDED))
    if kind in _GENERATIONS:
        meta["generation"] = 1 + folded.specs
    leaving = moment.site.ledger.leaving(key, meta["uid"], moment.now) if kind == "Pod" else 0
    if leaving:
        meta["deletionTimestamp"] = stamp(leaving)
    body["metadata"] = meta
    body = statuses.settled(moment, key, body, folded)
    meta["resourceVersion"] = version(moment, key, folded, meta.get("resourceVersion"))
    meta["managedFields"] = _managers(key, body, folded)
    return body


def made_uid(moment: Moment, key: Key, folded: Folded) -> str:
    """The uid of an object a person made."""
    return uid(moment.site, "made", *key, folded.made.id if folded.made else 0)


def version(moment: Moment, key: Key, folded: Folded, base: str | None) -> str:
    """The resourceVersion: it grows with each write and with what controllers do."""
    newest = max([int(base or FOUNDED), statuses.changed(moment, key), *(write.at for write in folded.writes)])
    if not folded.writes and newest == int(base or FOUNDED):
        return str(newest)
    return str(newest * 10_000 + len(folded.writes))


def _managers(key: Key, body: Mapping[str, Any], folded: Folded) -> list[dict[str, Any]]:
    kind, meta = key[0], body["metadata"]
    found = []
    if folded.made is None:
        manager = _MANAGERS.get(kind, "helm")
        found.append(_manager(manager, API[kind][0], meta["creationTimestamp"], {"f:metadata": {}, "f:spec": {}}))
    fields: dict[str, Any] = {}
    for write in folded.writes:
        for path, value in patch.leaves(write.body):
            if path[0] in ("apiVersion", "kind") or path[-1] in ("name", "namespace") or value is None:
                continue
            place = fields
            for part in path:
                place = place.setdefault(f"f:{part}", {})
    if folded.writes:
        found.append(_manager(FIELD_MANAGER, API[kind][0], stamp(folded.writes[-1].at), fields))
    return found


def _manager(name: str, api: str, time: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "manager": name, "operation": "Update", "apiVersion": api, "time": time, "fieldsType": "FieldsV1",
        "fieldsV1": dict(fields),
    }  # fmt: skip
