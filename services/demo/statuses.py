"""Statuses of objects people can write, as their controllers keep them."""

from collections.abc import Callable, Mapping
from typing import Any

from services.demo import daemonobjects, gateway_objects, manifests
from services.demo.deployer import Deployer, asked
from services.demo.ledger import Folded, Key
from services.demo.moment import Moment, stamp
from services.demo.podobjects import labels
from services.demo.policies import used
from services.demo.seating import UNSCHEDULABLE

_OBSERVED_S = 1  # a controller has seen a new spec after this
_ROLLED_S = 20  # a rollout of pods without GPUs takes so long
_BEGUN_S = 8


def settled(moment: Moment, key: Key, body: dict[str, Any], folded: Folded) -> dict[str, Any]:
    """The object with its status, and what controllers change in its spec."""
    kind = key[0]
    if kind == "Node":
        return _node(body, touched=bool(folded.writes))
    if kind == "Namespace":
        own = {"kubernetes.io/metadata.name": key[2], **(body["metadata"].get("labels") or {})}
        body["metadata"]["labels"] = own
        return {**body, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    keepers: dict[str, Callable[[], dict[str, Any]]] = {
        "Deployment": lambda: _deployment(moment, key, body, folded),
        "DaemonSet": lambda: _daemonset(moment, key, body, folded),
        "ResourceQuota": lambda: _quota(moment, key, body),
        "PodDisruptionBudget": lambda: budget(moment, key[1], body),
    }
    if kind in keepers:
        return {**body, "status": keepers[kind]()}
    if kind in manifests.STATUS:
        return {**body, "status": manifests.STATUS[kind](body, folded, moment.now)}
    if kind == "Pod" and folded.made is not None:
        return {**body, "status": {"phase": "Pending"}}
    if kind == "CapacityBuffer":
        body.pop("status", None)  # nothing in the cluster looks at buffers
    return body


def changed(moment: Moment, key: Key) -> int:
    """When controllers last changed the object; 0 for never."""
    reaction, kind = moment.site.reaction, key[0]
    if gateway_objects.is_gateway(moment, key):
        return gateway_objects.changed(moment)
    if kind == "DaemonSet":
        return daemonobjects.changed(moment, key)
    if reaction is None:
        return 0
    if kind == "Node":
        face = reaction.face(key[2], moment.now)
        return face.at if face is not None else 0
    if kind == "Deployment":
        stays = [stay for one in deployers(moment, key) for stay in one.stays]
        times = [t for stay in stays for t in (stay.created, stay.scheduled, stay.ready, stay.ended)]
        return max((t for t in times if t <= moment.now), default=0)
    return 0


def deployers(moment: Moment, key: Key) -> list[Deployer]:
    """The controllers that look after a Deployment's pods."""
    reaction = moment.site.reaction
    return [one for one in reaction.deployers if one.key == key] if reaction is not None else []


def _node(body: dict[str, Any], *, touched: bool) -> dict[str, Any]:
    """A cordon is a field of the spec, and a taint that follows it."""
    if not touched:
        return body
    spec = dict(body.get("spec") or {})
    taints = [taint for taint in spec.get("taints") or () if taint.get("key") != UNSCHEDULABLE]
    if spec.get("unschedulable"):
        taints.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    else:
        spec.pop("unschedulable", None)
    spec.pop("taints", None)
    return {**body, "spec": {**spec, "taints": taints} if taints else spec}


def _observed(moment: Moment, body: Mapping[str, Any], folded: Folded) -> int:
    generation = int(body["metadata"].get("generation", 1))
    fresh = [write for write in folded.writes if write.at > moment.now - _OBSERVED_S and "spec" in write.body]
    return max(generation - len(fresh), 0)


def _deployment(moment: Moment, key: Key, body: Mapping[str, Any], folded: Folded) -> dict[str, Any]:
    if gateway_objects.is_gateway(moment, key):
        return gateway_objects.status(moment, body, folded)
    spec = body.get("spec") or {}
    wanted = 1 if spec.get("replicas") is None else int(spec["replicas"])
    owners = deployers(moment, key)
    if owners:
        return _placed(moment, owners, wanted, _observed(moment, body, folded))
    if folded.made is None and body.get("status"):
        status = dict(body["status"])
        return {**status, "observedGeneration": _observed(moment, body, folded)}
    if asked(spec.get("template") or {})[1]:
        return {"observedGeneration": _observed(moment, body, folded), "unavailableReplicas": wanted}
    return rolled(body, folded, moment.now)


def _placed(moment: Moment, owners: list[Deployer], wanted: int, observed: int) -> dict[str, Any]:
    now = moment.now
    alive = [stay for one in owners for stay in one.stays if stay.created <= now and not stay.over(now)]
    ready = sum(stay.ready <= now for stay in alive)
    refused = next((one for one in owners if one.refused and one.refused_since <= now), None)
    since = stamp(max((t for s in alive for t in (s.created, s.ready) if t <= now), default=now))
    conditions = [_condition("Available", ok=ready >= wanted, since=since, word="MinimumReplicas")]
    if refused is not None and len(alive) < wanted:
        conditions.append(
            {
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused.refused,
                "lastTransitionTime": stamp(refused.refused_since),
            }
        )  # fmt: skip
    counts = {
        "replicas": len(alive), "updatedReplicas": len(alive), "readyReplicas": ready, "availableReplicas": ready,
        "unavailableReplicas": max(wanted - ready, 0),
    }  # fmt: skip
    shown = {name: count for name, count in counts.items() if count}
    return {"observedGeneration": observed, **shown, "conditions": conditions}


def _condition(kind: str, *, ok: bool, since: str, word: str) -> dict[str, str]:
    reason = f"{word}{'Available' if ok else 'Unavailable'}"
    return {"type": kind, "status": str(ok), "reason": reason, "lastTransitionTime": since}


def rolled(body: Mapping[str, Any], folded: Folded, now: int) -> dict[str, Any]:
    """The status of a Deployment without GPUs: its pods are replaced one by one after each change of its spec."""
    spec = body.get("spec") or {}
    wanted = 1 if spec.get("replicas") is None else int(spec["replicas"])
    last = max((write.at for write in folded.writes), default=0)
    first = folded.made is not None and now < folded.made.at + _ROLLED_S
    done, begun = now >= last + _ROLLED_S, now >= last + _BEGUN_S
    generation = int(body["metadata"].get("generation", 1))
    available = 0 if first else wanted
    counts = {
        "replicas": wanted if done or first or not begun else wanted + 1,
        "updatedReplicas": wanted if done else int(begun and wanted > 0),
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": wanted - available,
    }
    return {
        "observedGeneration": generation - (now < last + _OBSERVED_S),
        **{name: count for name, count in counts.items() if count},
        "conditions": [_condition("Available", ok=not first, since=stamp(last or now), word="MinimumReplicas")],
    }


def _daemonset(moment: Moment, key: Key, body: Mapping[str, Any], folded: Folded) -> dict[str, Any]:
    if folded.made is not None:
        return {"observedGeneration": _observed(moment, body, folded), **daemonobjects.counts(moment, key, folded)}
    status = dict(body.get("status") or {})
    status["observedGeneration"] = _observed(moment, body, folded)
    last = max((write.at for write in folded.writes if "template" in (write.body.get("spec") or {})), default=0)
    wanted = int(status.get("desiredNumberScheduled", 0))
    updated = min(max((moment.now - last - 5) // 4, 0), wanted) if last else wanted
    status["updatedNumberScheduled"] = updated
    if updated < wanted:
        status["numberAvailable"] = max(int(status.get("numberAvailable", 0)) - 1, 0)
    return status


def _quota(moment: Moment, key: Key, body: Mapping[str, Any]) -> dict[str, Any]:
    hard = (body.get("spec") or {}).get("hard") or {}
    counted = {name: str(used(moment, key[1], name)) for name in hard if name.startswith("requests.")}
    return {"hard": dict(hard), "used": counted}


def budget(moment: Moment, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The status of a PodDisruptionBudget, computed from the pods it selects."""
    spec = body.get("spec") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    own = [pod for pod in moment.pods if pod.work.namespace == namespace and pod.ended > moment.now]
    own = [pod for pod in own if all(labels(pod.work).get(name) == value for name, value in wanted.items())]
    healthy = sum(pod.ready <= moment.now for pod in own)
    least = int(spec["minAvailable"]) if "minAvailable" in spec else len(own) - int(spec.get("maxUnavailable", 0))
    return {
        "currentHealthy": healthy,
        "desiredHealthy": least,
        "disruptionsAllowed": max(healthy - least, 0),
        "expectedPods": len(own),
        "observedGeneration": int(body["metadata"].get("generation", 1)),
    }
