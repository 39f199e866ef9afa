"""Stands in for the controllers of a cluster: what they do to objects, how long it takes, and how it goes wrong.

Roles, each with an outcome of its own (:attr:`StandIn.outcomes`, by "role" or "role/name of the object"):

- ``plugin``: the device plugin reads a node's label or its document; the node offers nothing for a while (the plugin
  starts again) and then other units, and its labels say so. FAILS: it does not start again. NEVER: it sees nothing.
- ``mig``: the MIG manager. The state label goes from pending to success or failed.
- ``rollout``: controllers of Deployments and DaemonSets. FAILS: the first new pod never becomes ready.
- ``eviction``: the end of evicted pods; their owners make others. FAILS: they never end, as NEVER.
- ``autoscaler``: a node for placeholder pods that fit nowhere, up to the NodePool's limit.
- ``buffer``: what an autoscaler writes into a CapacityBuffer.
- ``pull``: kubelets on whose nodes a DaemonSet keeps images. FAILS: the image never comes.

The scheduler has no outcome: a pod that fits on an open node of its selector is bound and runs. Nor has the controller
of StatefulSets: pods go and come at once.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.domain import prepull
from services.domain.change import patch
from services.domain.headroom import GPU, INSTANCE, ours
from services.domain.prepull.objects import images_in
from services.domain.sharing import CONFIG_LABEL, MIG_LABEL, MIG_STATE_LABEL
from services.domain.sharing import config as sharing_config
from services.domain.startup.imagenames import canonical
from tests import apiwrites
from tests.worlds import Json, World, fresh


class Outcome(StrEnum):
    """How something a controller was asked for ends."""

    WORKS = "works"
    SLOW = "slow"  # after a long time, within the deadlines of the plans
    FAILS = "fails"
    NEVER = "never"  # nobody answers


TAKES_S: Mapping[str, tuple[float, float]] = {
    "plugin": (12, 200),
    "mig": (60, 700),
    "rollout": (20, 400),
    "eviction": (6, 400),
    "autoscaler": (60, 600),
    "buffer": (10, 90),
    "pull": (30, 900),
}
"""Seconds by role: as usual, and when slow."""
CUTS: Mapping[str, Mapping[str, int]] = {"all-1g.10gb": {"nvidia.com/mig-1g.10gb": 7}}
"""Instances of one GPU by MIG configuration; of every other name none."""
_COUNT, _PRODUCT = "nvidia.com/gpu.count", "nvidia.com/gpu.product"
_REPLICAS, _STRATEGY = "nvidia.com/gpu.replicas", "nvidia.com/gpu.sharing-strategy"

Field = tuple[str, str, str, tuple[str, ...]]
"""Kind, namespace, name, path; () is the whole object."""


class StandIn:
    """Controllers that act when :meth:`tick` is called, by a clock of the test.

    ``plugin``: namespace, ConfigMap and DaemonSet of the device plugin. ``outcomes`` may hold functions of the object
    instead of an outcome. ``started`` is called with a workload whose newest template has come to run everywhere.
    ``wrote`` are the fields it changed. ``hurry`` divides every time.
    """

    def __init__(
        self, world: World, clock: Callable[[], datetime], *, plugin: tuple[str, str], hurry: float = 1.0
    ) -> None:
        self.world = world
        self.outcomes: dict[str, Outcome | Callable[[Json], Outcome]] = {}
        self.started: Callable[[Json], None] = lambda workload: None
        self.wrote: set[Field] = set()
        self._clock, self._configs, self._hurry = clock, plugin, hurry
        self._asked: dict[tuple[str, str], tuple[object, datetime]] = {}
        self._cut: dict[str, str] = {}
        self._owned: dict[str, Json] = {}
        self._sizes: dict[str, int] = {}
        self._ended_by: dict[str, list[Json]] = {}
        self.tick()

    def tick(self) -> None:
        """Do what is due now."""
        self._nodes()
        for kind in ("Deployment", "DaemonSet"):
            for body in self.world.all(kind):
                if ours(body["metadata"].get("labels")):
                    self._placeholders(body)
                elif prepull.ours(body["metadata"].get("labels")):
                    self._prepulled(body)
                else:
                    self._rolled(body)
        self._ended()
        for body in self.world.all("StatefulSet"):
            self._sized(body)
        self._placed()
        self._buffers()

    # When

    def _outcome(self, role: str, body: Json) -> Outcome:
        chosen = self.outcomes.get(f"{role}/{body['metadata']['name']}", self.outcomes.get(role, Outcome.WORKS))
        return chosen if isinstance(chosen, Outcome) else chosen(body)

    def _ripe(self, role: str, body: Json, wanted: object) -> Outcome | None:
        """How what is wanted ended, once its time has come; None before."""
        now, key = self._clock(), (role, body["metadata"]["name"])
        if self._asked.get(key, (None, now))[0] != wanted:
            self._asked[key] = wanted, now
        outcome = self._outcome(role, body)
        usual, slow = TAKES_S[role]
        takes = {Outcome.SLOW: slow, Outcome.NEVER: math.inf}.get(outcome, usual) / self._hurry
        if (now - self._asked[key][1]).total_seconds() < takes:
            return None
        return Outcome.FAILS if outcome is Outcome.FAILS else Outcome.WORKS

    # How it is written

    def _set(self, body: Json, fields: Mapping[str, Any]) -> None:
        needed = patch.needed(body, fields)
        if needed:
            self.wrote |= {(*_name(body), place) for place, _ in patch.leaves(needed)}
            self.world.set(body, needed)

    def _put(self, body: Json) -> None:
        body["metadata"].setdefault("creationTimestamp", f"{self._clock():%Y-%m-%dT%H:%M:%SZ}")
        self.wrote.add((*_name(body), ()))
        self.world.put(body)

    def _remove(self, body: Json) -> None:
        self.wrote.add((*_name(body), ()))
        self.world.remove(body)

    # Device plugin and MIG manager

    def _nodes(self) -> None:
        namespace, configs = self._configs
        texts: Mapping[str, str] = next(
            (c["data"] for c in self.world.all("ConfigMap") if _name(c)[1:] == (namespace, configs)), {}
        )
        for node in self.world.all("Node"):
            labels = node["metadata"].get("labels") or {}
            if _COUNT in labels:
                self._node(node, labels, texts)

    def _node(self, node: Json, labels: Mapping[str, str], texts: Mapping[str, str]) -> None:
        text = texts.get(labels.get(CONFIG_LABEL, "exclusive"), texts.get("config.yaml", ""))
        cut = labels.get(MIG_LABEL, "")
        applied = self._cut.setdefault(node["metadata"]["name"], cut)
        settled = not cut or (cut == applied and labels.get(MIG_STATE_LABEL) == "success")
        role = "plugin" if settled else "mig"
        shows = _shows(node, text, cut)
        if role == "plugin" and patch.holds(node, shows):
            self._asked.pop((role, node["metadata"]["name"]), None)
            return
        ripe = self._ripe(role, node, (text, cut))
        if ripe is Outcome.WORKS:
            self._cut[node["metadata"]["name"]] = cut
            state = {"metadata": {"labels": {MIG_STATE_LABEL: "success"}}} if cut else {}
            self._set(node, patch.applied(shows, state))
        elif self._outcome(role, node) is Outcome.NEVER:
            return
        elif role == "plugin":
            self._set(node, {"status": {"allocatable": dict.fromkeys(_units(node), "0")}})
        elif ripe is Outcome.FAILS:
            had = {name: node["status"]["capacity"][name] for name in _units(node)}
            failed = {"metadata": {"labels": {MIG_STATE_LABEL: "failed"}}, "status": {"allocatable": had}}
            self._set(node, failed)
        else:
            idle = {"allocatable": dict.fromkeys(_units(node), "0")}
            self._set(node, {"metadata": {"labels": {MIG_STATE_LABEL: "pending"}}, "status": idle})

    # Workloads

    def _rolled(self, body: Json) -> None:
        done = {"status": apiwrites.settled(body)}
        if patch.holds(body, done):
            return
        ripe = self._ripe("rollout", body, body["metadata"].get("generation"))
        first = body.get("status") is None
        if first or ripe is Outcome.WORKS:
            self._set(body, done)
            if not first:
                self.started(body)
        elif self._outcome("rollout", body) is not Outcome.NEVER:
            few = 0 if ripe is None else 1
            names = {"updatedReplicas": few, "updatedNumberScheduled": few}
            late = {name: few for name, few in names.items() if name in done["status"]}
            seen = {"observedGeneration": done["status"]["observedGeneration"]}
            self._set(body, {"status": {**seen, **late}})

    def _placeholders(self, body: Json) -> None:
        """The pods of a Deployment that keeps warm units, and its status."""
        if self._outcome("rollout", body) is Outcome.NEVER:
            return
        template, meta = body["spec"]["template"], body["metadata"]
        mine = [pod for pod in self.world.all("Pod") if _keeper(pod) == meta["name"]]
        for pod in mine:
            if not patch.covers(pod["spec"]["containers"], template["spec"]["containers"]):
                self._remove(pod)
        mine = [pod for pod in self.world.all("Pod") if _keeper(pod) == meta["name"]]
        wanted = body["spec"].get("replicas", 1)
        for pod in mine[wanted:]:
            self._remove(pod)
        for _ in range(wanted - len(mine)):
            named = {"name": fresh(meta["name"]), "namespace": meta["namespace"]}
            self._put(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {**template["metadata"], **named},
                    "spec": {**template["spec"], "priority": -10},
                    "status": {"phase": "Pending"},
                }
            )
        running = [pod for pod in mine[:wanted] if pod["status"].get("phase") == "Running"]
        counts = {"replicas": min(len(mine), wanted), "updatedReplicas": min(len(mine), wanted)}
        ready = dict.fromkeys(("readyReplicas", "availableReplicas"), len(running))
        self._set(body, {"status": {"observedGeneration": meta.get("generation", 1), **counts, **ready}})

    def _sized(self, body: Json) -> None:
        """The pods of a StatefulSet that was scaled: those of the highest numbers go, and come back as they were."""
        name, wanted = body["metadata"]["name"], body["spec"].get("replicas", 1)
        if self._sizes.setdefault(name, wanted) != wanted:
            self._sizes[name] = wanted
            gone = self._ended_by.setdefault(name, [])
            for pod in [pod for pod in self.world.all("Pod") if _set_of(pod) == name and _number(pod) >= wanted]:
                gone.append(self._owned.pop(pod["metadata"]["name"], pod))
                self._remove(pod)
            for pod in [pod for pod in gone if _number(pod) < wanted]:
                gone.remove(pod)
                self._put(_again(pod, pod["metadata"]["name"]))
        self._set(body, {"status": apiwrites.settled(body)})

    def _prepulled(self, body: Json) -> None:
        """The images a DaemonSet keeps, in the lists of its nodes, and its status; its pods are not made."""
        if self._outcome("rollout", body) is Outcome.NEVER:
            return
        nodes, done = self._pool(body["spec"]["template"]), 0
        for node in nodes:
            had = node["status"].get("images") or []
            there = {name for one in had for name in one["names"]}
            new = [name for name in map(canonical, images_in(body)) if name not in there]
            ripe = self._ripe("pull", node, tuple(new)) if new else Outcome.WORKS
            if new and ripe is Outcome.WORKS:
                brought = [{"names": [name], "sizeBytes": 9_800_000_000} for name in new]
                self._set(node, {"status": {"images": [*brought, *had]}})
            done += ripe is Outcome.WORKS
        names = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled")
        counts = dict.fromkeys(names, len(nodes)) | dict.fromkeys(("numberReady", "numberAvailable"), done)
        self._set(body, {"status": {"observedGeneration": body["metadata"].get("generation", 1), **counts}})

    def _ended(self) -> None:
        """Pods that go: evicted ones after a while, and placeholders nobody keeps any more."""
        kept = {body["metadata"]["name"] for body in self.world.all("Deployment")}
        for pod in self.world.all("Pod"):
            keeper, leaving = _keeper(pod), "deletionTimestamp" in pod["metadata"]
            stuck = self._outcome("eviction", pod) in (Outcome.FAILS, Outcome.NEVER)
            if (keeper and keeper not in kept) or (leaving and not stuck and self._ripe("eviction", pod, "gone")):
                self._remove(pod)
        now = {pod["metadata"]["name"]: pod for pod in self.world.all("Pod") if not _keeper(pod)}
        for name in self._owned.keys() - now.keys():
            self._put(_again(self._owned[name]))
        owned = {name: pod for name, pod in now.items() if pod["metadata"].get("ownerReferences")}
        self._owned = owned

    # Scheduler and autoscalers

    def _placed(self) -> None:
        waiting = []
        for pod in self.world.all("Pod"):
            if pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
                continue
            node = next(self._fitting(pod), None)
            if node is not None:
                self.wrote.add((*_name(pod), ("spec", "nodeName")))
                self.world.bind(pod, node["metadata"]["name"])
                self._set(pod, {"status": {"phase": "Running", "conditions": _conditions("True")}})
            elif _keeper(pod):
                waiting.append(pod)
        if waiting:
            self._grown(waiting[0])

    def _fitting(self, pod: Json) -> Iterator[Json]:
        for node in self._pool(pod):
            resource, amount = _asks(pod)
            held = [
                _asks(other)[1]
                for other in self.world.all("Pod")
                if other["spec"].get("nodeName") == node["metadata"]["name"] and _asks(other)[0] == resource
            ]
            offered = int(node["status"]["allocatable"].get(resource, "0"))
            if not node["spec"].get("unschedulable") and offered - sum(held) >= amount:
                yield node

    def _pool(self, pod: Json) -> list[Json]:
        wanted = (pod["spec"].get("nodeSelector") or {}).items()
        return [node for node in self.world.all("Node") if wanted <= (node["metadata"].get("labels") or {}).items()]

    def _grown(self, pod: Json) -> None:
        nodes = self._pool(pod)
        names = {value for key, value in (pod["spec"].get("nodeSelector") or {}).items() if key.endswith("nodepool")}
        limits = [p["spec"]["limits"] for p in self.world.all("NodePool") if p["metadata"]["name"] in names]
        has = sum(int(node["status"]["capacity"].get(GPU, "0")) for node in nodes)
        if not nodes or not limits or has + int(nodes[0]["status"]["capacity"][GPU]) > int(limits[0][GPU]):
            return
        if self._ripe("autoscaler", nodes[0], len(nodes)) is Outcome.WORKS:
            labels = nodes[0]["metadata"]["labels"]
            status = {**nodes[0]["status"], "allocatable": nodes[0]["status"]["capacity"]}
            meta = {"name": fresh("grown"), "labels": dict(labels)}
            self._put({"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {}, "status": status})

    def _buffers(self) -> None:
        for body in self.world.all("CapacityBuffer"):
            replicas = body["spec"].get("replicas")
            if (body.get("status") or {}).get("replicas") == replicas:
                continue
            ripe = self._ripe("buffer", body, replicas)
            if ripe is not None:
                works = "True" if ripe is Outcome.WORKS else "False"
                says = {"reason": "Checked", "message": "the pod template fits" if works == "True" else "no such node"}
                told = [
                    {"type": word, "status": works, "lastTransitionTime": self._clock().isoformat(), **says}
                    for word in ("ReadyForProvisioning", "Provisioning")
                ]
                self._set(body, {"status": {"replicas": replicas, "conditions": told}})


def _name(body: Json) -> tuple[str, str, str]:
    meta = body["metadata"]
    return body["kind"], meta.get("namespace") or "", meta["name"]


def _units(node: Json) -> list[str]:
    return [name for name in node["status"]["capacity"] if name.startswith("nvidia.com/")]


def _shows(node: Json, text: str, cut: str) -> Json:
    """What a node shows once its GPUs are divided by a document and a MIG configuration."""
    labels, layout = node["metadata"]["labels"], sharing_config.read(text).layout
    gpus, instances = int(labels[_COUNT]), CUTS.get(cut, {})
    units = dict.fromkeys(_units(node), "0") | {name: str(each * gpus) for name, each in instances.items()}
    units[GPU] = "0" if instances else str(gpus * layout.replicas)
    product = labels[_PRODUCT].removesuffix("-SHARED")
    told = {
        _REPLICAS: str(layout.replicas),
        _STRATEGY: layout.mode.value if layout.shared else "none",
        _PRODUCT: f"{product}-SHARED" if layout.shared else product,
    }
    return {"metadata": {"labels": told}, "status": {"capacity": units, "allocatable": dict(units)}}


def _keeper(pod: Json) -> str:
    """The Deployment a placeholder pod belongs to; "" for every other pod."""
    labels = pod["metadata"].get("labels") or {}
    return str(labels.get(INSTANCE, "")) if ours(labels) else ""


def _asks(pod: Json) -> tuple[str, int]:
    for container in pod["spec"]["containers"]:
        for name, amount in ((container.get("resources") or {}).get("limits") or {}).items():
            if name.startswith("nvidia.com/"):
                return name, int(amount)
    return "", 0


def _set_of(pod: Json) -> str:
    """The StatefulSet a pod is of; "" for every other pod."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(one["name"]) for one in owners if one["kind"] == "StatefulSet"), "")


def _number(pod: Json) -> int:
    """Of a pod of a StatefulSet, which one it is."""
    return int(pod["metadata"]["name"].removeprefix(f"{_set_of(pod)}-").split("-")[0])


def _again(pod: Json, name: str = "") -> Json:
    """The pod its owner makes in place of one that went, with a name of its own unless one is given."""
    kept = {key: pod["metadata"][key] for key in ("namespace", "labels", "ownerReferences") if key in pod["metadata"]}
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    meta = {**kept, "name": name or fresh(pod["metadata"]["name"])}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": "Pending"}}


def _conditions(status: str) -> list[Json]:
    return [{"type": word, "status": status} for word in ("PodScheduled", "Ready")]
