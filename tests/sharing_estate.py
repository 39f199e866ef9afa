"""An estate to change sharing in, small enough to work out by hand; writes are seen by the stores at once.

Pool t4: nodes t1 and t2 with one T4 (16 GiB, compute capability 7.5) each. On t1 runs web/small-0 of Deployment small
(one GPU, 10 % busy, 2 of 16 GiB), on t2 web/tiny-0 likewise.
Pool a100: node a1 with two A100 of 80 GB, MIG off. On it runs train/big-0 with both (StatefulSet big, 90 % busy).
The plain device plugin with config-manager reads ConfigMap nvidia-device-plugin/plugin-configs: exclusive (the
default) and ts2. Namespace web has a quota of 4 ``requests.nvidia.com/gpu``.
"""

import copy
from datetime import datetime
from typing import Any

import msgspec

from services.domain.change.refs import Ref
from services.domain.kinds import KINDS
from services.domain.sharing import CONFIG_LABEL, MIG_LABEL, MIG_STATE_LABEL
from services.domain.sharing import config as sharing_config
from services.ports import ClusterSource, Snapshot, Sources, SourceStatus, StoreState
from tests.conftest import NOW, Inline
from tests.fakes import Card, SteadyMetrics
from tests.memory import MemoryCluster

CLUSTER = "lab"
SPACE = "nvidia-device-plugin"
GIB = 2.0**30
_KINDS = {"nodes": "Node", "pods": "Pod", "daemonsets": "DaemonSet", "deployments": "Deployment",
          "statefulsets": "StatefulSet", "quotas": "ResourceQuota"}  # fmt: skip
TS2 = "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - {name: nvidia.com/gpu, replicas: 2}\n"
MIG_CONFIGS = """
version: v1
mig-configs:
  all-disabled: [{devices: all, mig-enabled: false}]
  all-1g.10gb: [{devices: all, mig-enabled: true, mig-devices: {1g.10gb: 7}}]
  half: [{devices: [0], mig-enabled: true, mig-devices: {3g.40gb: 2}}, {devices: [1], mig-enabled: false}]
  eight: [{devices: all, mig-enabled: true, mig-devices: {1g.10gb: 8}}]
"""


class WatchedMemory(MemoryCluster):
    """A cluster of dictionaries whose stores show every write at once."""

    def __init__(self, at: datetime = NOW) -> None:
        super().__init__()
        self.at = at

    def snapshot(self, kind: str) -> Snapshot:
        wanted = _KINDS.get(kind)
        bodies = [body for ref, body in self.objects.items() if ref.kind == wanted]
        version = max((int(body["metadata"]["resourceVersion"]) for body in self.objects.values()), default=0)
        objects = tuple(msgspec.convert(body, KINDS[kind].struct) for body in bodies)
        return Snapshot(kind, objects, version, StoreState.READY, self.at)

    def probe(self) -> SourceStatus:
        return SourceStatus("kubernetes", "https://kube.test:6443", reachable=True)

    def api_groups(self) -> frozenset[str]:
        return frozenset({"apps"})

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


def ref(kind: str, name: str, namespace: str = "") -> Ref:
    return Ref.of(CLUSTER, kind, name, namespace)


def node(name: str) -> Ref:
    return ref("Node", name)


PLUGIN, CONFIGS = ref("DaemonSet", "nvidia-device-plugin", SPACE), ref("ConfigMap", "plugin-configs", SPACE)


def gpu_node(pool: str, product: str, gpus: int, mebibytes: int, **labels: str) -> dict[str, Any]:
    """A ready node of whole GPUs; labels are given without "nvidia.com/", with _ for "." and - for "__"."""
    own = {f"nvidia.com/{key.replace('__', '-').replace('_', '.')}": value for key, value in labels.items()}
    units = {"nvidia.com/gpu": str(gpus), "cpu": "8"}
    return {
        "metadata": {
            "labels": {
                "eks.amazonaws.com/nodegroup": pool,
                "nvidia.com/gpu.product": product,
                "nvidia.com/gpu.count": str(gpus),
                "nvidia.com/gpu.memory": str(mebibytes),
                "nvidia.com/gpu.replicas": "1",
                "nvidia.com/gpu.sharing-strategy": "none",
                **own,
            }
        },
        "spec": {},
        "status": {
            "capacity": units,
            "allocatable": dict(units),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod(node_name: str, gpus: int, owner: tuple[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "ownerReferences": [{"kind": owner[0], "name": owner[1], "uid": f"u-{owner[1]}", "controller": True}]
        },
        "spec": {"nodeName": node_name, "containers": [container(gpus)], **spec},
        "status": {"phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    }


def container(gpus: int) -> dict[str, Any]:
    return {"name": "main", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}


def template(gpus: int, **spec: Any) -> dict[str, Any]:
    return {"spec": {"replicas": 1, "template": {"spec": {"containers": [container(gpus)], **spec}}}}


def plugin(**env: str) -> dict[str, Any]:
    """The plugin's DaemonSet with config-manager, as its Helm chart writes it."""
    told = {"NODE_LABEL": CONFIG_LABEL, "CONFIG_FILE_SRCDIR": "/available-configs", "DEFAULT_CONFIG": "exclusive",
            "FALLBACK_STRATEGIES": "named,single", **env}  # fmt: skip
    manager = {
        "name": "config-manager",
        "env": [{"name": key, "value": value} for key, value in told.items()],
        "volumeMounts": [{"name": "available-configs", "mountPath": "/available-configs"}],
    }
    pod_spec = {
        "initContainers": [{**manager, "name": "config-manager-init"}],
        "containers": [manager, {"name": "nvidia-device-plugin-ctr", "env": []}],
        "volumes": [{"name": "available-configs", "configMap": {"name": "plugin-configs"}}],
    }
    return {"spec": {"template": {"spec": pod_spec}}, "status": {"desiredNumberScheduled": 3}}


def cluster() -> WatchedMemory:
    """The estate as it is at first."""
    memory = WatchedMemory()
    for name in ("t1", "t2"):
        memory.put(node(name), gpu_node("t4", "Tesla-T4", 1, 16384, gpu_compute_major="7", gpu_compute_minor="5"))
    memory.put(
        node("a1"),
        gpu_node(
            "a100", "NVIDIA-A100-SXM4-80GB", 2, 81920, gpu_compute_major="8", gpu_compute_minor="0", mig_capable="true",
            mig_strategy="mixed", mig_config="all-disabled", mig_config_state="success",
        ),
    )  # fmt: skip
    memory.put(PLUGIN, plugin())
    memory.put(CONFIGS, {"data": {"exclusive": "version: v1\n", "ts2": TS2}})
    memory.put(ref("ConfigMap", "a1-mig-config", SPACE), {"data": {"config.yaml": MIG_CONFIGS}})
    memory.put(ref("Deployment", "small", "web"), template(1))
    memory.put(ref("StatefulSet", "big", "train"), template(2))
    memory.put(ref("Pod", "small-0", "web"), pod("t1", 1, ("ReplicaSet", "small-7d9c8b6f5d")))
    memory.put(ref("Pod", "tiny-0", "web"), pod("t2", 1, ("StatefulSet", "tiny")))
    memory.put(ref("Pod", "big-0", "train"), pod("a1", 2, ("StatefulSet", "big")))
    memory.put(ref("ResourceQuota", "gpu", "web"), {"spec": {"hard": {"requests.nvidia.com/gpu": "4"}}})
    for one in list(memory.objects):
        if one.namespace:
            memory.objects[one]["metadata"]["namespace"] = one.namespace
    return memory


def cards(at: datetime = NOW) -> SteadyMetrics:
    small = {"memory_used": 2 * GIB, "memory_free": 14 * GIB}
    big = {"memory_used": 60 * GIB, "memory_free": 20 * GIB}
    return SteadyMetrics(
        [
            Card("t1", "GPU-t1", 0.1, ("web/small-0",), "Tesla T4", small),
            Card("t2", "GPU-t2", 0.1, ("web/tiny-0",), "Tesla T4", small),
            Card("a1", "GPU-a1-0", 0.9, ("train/big-0",), "NVIDIA A100-SXM4-80GB", big),
            Card("a1", "GPU-a1-1", 0.9, ("train/big-0",), "NVIDIA A100-SXM4-80GB", big),
        ],
        at,
    )


def sources(memory: WatchedMemory | None = None, *, metrics: bool = True) -> Sources:
    held = memory or cluster()
    source = ClusterSource(CLUSTER, held, cards() if metrics else None)  # type: ignore[arg-type]
    return Sources(mode="live", clusters={CLUSTER: source}, now=lambda: NOW, pool=Inline())


def controllers(memory: WatchedMemory) -> None:
    """Play the device plugin and the MIG manager: nodes show what their labels ask for."""
    documents = memory.objects[CONFIGS]["data"]
    for one, body in list(memory.objects.items()):
        if one.kind != "Node":
            continue
        labels, before = body["metadata"]["labels"], copy.deepcopy(body)
        layout = sharing_config.read(documents.get(labels.get(CONFIG_LABEL, "exclusive"), "")).layout
        cut = labels.get(MIG_LABEL) == "all-1g.10gb"
        gpus = int(labels["nvidia.com/gpu.count"])
        units = {"nvidia.com/gpu": str(0 if cut else gpus * layout.replicas)}
        if cut or "nvidia.com/mig-1g.10gb" in body["status"]["capacity"]:
            units["nvidia.com/mig-1g.10gb"] = str(7 * gpus if cut else 0)
            labels[MIG_STATE_LABEL] = "success"
        labels["nvidia.com/gpu.replicas"] = str(layout.replicas)
        labels["nvidia.com/gpu.sharing-strategy"] = layout.mode.value if layout.shared else "none"
        for part in ("capacity", "allocatable"):
            body["status"][part].update(units)
        if body != before:
            memory.put(one, body)
