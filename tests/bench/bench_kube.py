"""Reading a large cluster: this product's path against the typed official client, in time and memory.

``python -m tests.bench.bench_kube [pods] [nodes]`` (10,000 and 1,250 when not given). Pods and nodes of realistic size
are served from a loopback server in a process of its own; every way to read them runs in a fresh process, which reports
seconds and by how much its peak resident memory grew after imports. Nothing is asserted.
"""

import base64
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

SIDES = ("stores", "stores and frames", "typed client")
MIB = 1024.0


def node(i: int) -> dict[str, object]:
    """A node with eight GPUs, labels of GPU feature discovery and two managers."""
    labels = {f"feature.node.kubernetes.io/cpu-cpuid.F{n}": "true" for n in range(40)} | {
        "kubernetes.io/hostname": f"node-{i:05}",
        "karpenter.sh/nodepool": f"pool-{i % 12}",
        "node.kubernetes.io/instance-type": "p5.48xlarge",
        "topology.kubernetes.io/zone": f"us-east-1{'abc'[i % 3]}",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.memory": "81559",
    }
    amounts = {"cpu": "192", "memory": "2097152Mi", "pods": "110", "ephemeral-storage": "900Gi", "nvidia.com/gpu": "8"}
    conditions = [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "reason": f"Kubelet{kind}",
            "message": "kubelet is posting status",
            "lastHeartbeatTime": "2026-11-22T12:00:00Z",
            "lastTransitionTime": "2026-11-20T12:00:00Z",
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    images = [{"names": [f"registry.example.com/team/image-{n}@sha256:{n:064x}"], "sizeBytes": n} for n in range(30)]
    return {
        "metadata": {
            "name": f"node-{i:05}",
            "uid": f"00000000-0000-4000-8000-{i:012}",
            "resourceVersion": str(i + 1),
            "creationTimestamp": "2026-11-20T12:00:00Z",
            "labels": labels,
            "managedFields": managed(labels, 2),
        },
        "spec": {"providerID": f"aws:///us-east-1a/i-{i:017x}"},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": conditions,
            "images": images,
            "nodeInfo": node_info(i),
        },
    }


def node_info(i: int) -> dict[str, str]:
    """The software of a node."""
    same = (
        "kubeletVersion",
        "kubeProxyVersion",
        "kernelVersion",
        "osImage",
        "containerRuntimeVersion",
        "operatingSystem",
    )
    return {
        **dict.fromkeys(same, "v1.36.2"),
        "architecture": "amd64",
        "machineID": f"{i:032x}",
        "systemUUID": f"{i:032x}",
        "bootID": f"{i:032x}",
    }


def managed(labels: dict[str, str], managers: int) -> list[dict[str, object]]:
    """managedFields as three controllers leave them."""
    fields = {f"f:{key}": {} for key in labels}
    owned = {"f:metadata": {"f:labels": {".": {}, **fields}}, "f:spec": {f"f:field{n}": {} for n in range(12)}}
    entry = {"operation": "Update", "apiVersion": "v1", "time": "2026-11-22T12:00:00Z", "fieldsType": "FieldsV1"}
    return [{**entry, "manager": f"manager-{n}", "fieldsV1": owned} for n in range(managers)]


def pod(i: int, nodes: int) -> dict[str, object]:
    """A pod of a ReplicaSet of twenty with one GPU, a sidecar, environment and volumes."""
    group, name = i // 20, f"llm-{i // 20:05}"
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": name,
        "pod-template-hash": f"{group:010x}",
        "team": f"team-{group % 40}",
    }
    environment = [{"name": f"SETTING_{n}", "value": f"value of the setting number {n}"} for n in range(12)]
    environment += [{"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}]
    mounts = [{"name": f"volume-{n}", "mountPath": f"/mnt/{n}"} for n in range(5)]

    def container(called: str, gpus: str) -> dict[str, object]:
        amounts = {"cpu": "8", "memory": "64Gi"} | ({"nvidia.com/gpu": gpus} if gpus else {})
        probe = {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}, "periodSeconds": 10}
        return {
            "name": called,
            "image": f"registry.example.com/team/{called}:1.{group % 9}",
            "env": environment,
            "resources": {"limits": amounts, "requests": amounts},
            "volumeMounts": mounts,
            "readinessProbe": probe,
            "livenessProbe": probe,
            "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }

    def state(called: str) -> dict[str, object]:
        return {
            "name": called,
            "ready": True,
            "started": True,
            "restartCount": 0,
            "image": f"registry.example.com/team/{called}:1",
            "imageID": f"registry.example.com/team/{called}@sha256:{i:064x}",
            "containerID": f"containerd://{i:064x}",
            "state": {"running": {"startedAt": "2026-11-22T12:02:00Z"}},
            "lastState": {},
        }

    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "metadata": {
            "name": f"{name}-{group:010x}-{i:05x}",
            "generateName": f"{name}-{group:010x}-",
            "namespace": f"team-{group % 40}",
            "uid": f"10000000-0000-4000-8000-{i:012}",
            "resourceVersion": str(5000 + i),
            "creationTimestamp": "2026-11-22T12:00:00Z",
            "labels": labels,
            "annotations": {"cni.projectcalico.org/podIP": f"10.0.{i // 250}.{i % 250}/32"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{name}-{group:010x}",
                    "uid": f"20000000-0000-4000-8000-{group:012}",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": managed(labels, 2),
        },
        "spec": {
            "containers": [container("server", "1"), container("proxy", "")],
            "nodeName": f"node-{i % nodes:05}",
            "volumes": [
                {"name": f"volume-{n}", "configMap": {"name": f"map-{n}", "defaultMode": 420}} for n in range(5)
            ],
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "serviceAccountName": "default",
            "securityContext": {},
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {
                    "type": kind,
                    "status": "True",
                    "lastProbeTime": None,
                    "lastTransitionTime": "2026-11-22T12:03:00Z",
                    "observedGeneration": 1,
                }
                for kind in kinds
            ],
            "containerStatuses": [state("server"), state("proxy")],
            "hostIP": "10.1.0.1",
            "podIP": f"10.0.{i // 250}.{i % 250}",
            "startTime": "2026-11-22T12:00:01Z",
            "qosClass": "Guaranteed",
        },
    }


def serve(pods: int, nodes: int, mode: str) -> None:
    """Serve until stdin closes. ``mode`` "whole" ignores ``limit``, as answers from the watch cache do."""
    items = {
        "/api/v1/pods": [json.dumps(pod(i, nodes)).encode() for i in range(pods)],
        "/api/v1/nodes": [json.dumps(node(i)).encode() for i in range(nodes)],
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            listed = items[parts.path]
            start = int(base64.b64decode(query["continue"])) if "continue" in query else 0
            limit = int(query.get("limit", len(listed))) if mode == "pages" else len(listed)
            more = base64.b64encode(str(start + limit).encode()) if start + limit < len(listed) else b""
            head = (
                b'{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"'
                + more
                + b'"},"items":['
            )
            body = b"" if "watch" in query else head + b",".join(listed[start : start + limit]) + b"]}"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
            """Silent."""

    import threading
    from http.server import ThreadingHTTPServer

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients leave when they have measured."""

    server: HTTPServer = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    size = sum(map(len, items["/api/v1/pods"])) / pods
    print(json.dumps({"port": server.server_address[1], "pod_bytes": size}), flush=True)
    sys.stdin.read()
    server.shutdown()
    thread.join()
    server.server_close()


def measured(work: Callable[[], object]) -> None:
    """Run and report seconds, peak and kept memory beyond what imports took."""
    before, kept_before = peak(), resident()
    started = time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - started
    print(json.dumps({"s": seconds, "peak": peak() - before, "kept": resident() - kept_before}))
    del kept


def peak() -> float:
    """Peak resident memory, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def resident() -> float:
    """Present resident memory, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB / 1024


def stores(kubeconfig: str, *, frames: bool) -> None:
    """Fill the stores of pods and nodes; with ``frames``, derive the domain's frames as well."""
    from services.adapters.kube import KubeCluster
    from services.domain import allocation, inventory
    from services.domain.kinds import KINDS
    from services.ports import StoreState
    from services.settings import KubeAccess

    kinds = {name: KINDS[name] for name in ("pods", "nodes")}
    cluster = KubeCluster("bench", KubeAccess(kubeconfig=kubeconfig), clock=lambda: datetime.now(UTC), kinds=kinds)

    def work() -> object:
        cluster.start()
        while any(cluster.snapshot(name).state is not StoreState.READY for name in kinds):
            time.sleep(0.002)
        pods, nodes = cluster.snapshot("pods").objects, cluster.snapshot("nodes").objects
        if not frames:
            return len(pods), len(nodes)
        node_frame, units = inventory.nodes("bench", nodes)
        return node_frame, allocation.pods("bench", pods, units)

    measured(work)
    cluster.close()


def typed(kubeconfig: str, mode: str) -> None:
    """List pods and nodes with the official client's models."""
    from kubernetes import client, config

    configuration = client.Configuration()
    config.load_kube_config(kubeconfig, client_configuration=configuration)
    api = client.CoreV1Api(client.ApiClient(configuration))
    limit = {"limit": 500} if mode == "pages" else {"resource_version": "0"}

    def every(ask: Callable[..., object]) -> list[object]:
        found: list[object] = []
        token = ""
        while True:
            answer = ask(**limit, **({"_continue": token} if token else {}))
            found += answer.items  # type: ignore[attr-defined]
            token = answer.metadata._continue or ""  # type: ignore[attr-defined]
            if not token:
                return found

    measured(lambda: (every(api.list_pod_for_all_namespaces), every(api.list_node)))


def main(pods: int = 10_000, nodes: int = 1_250) -> None:
    """Run every side in both modes and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("pages", "whole"):
            command = [sys.executable, "-m", "tests.bench.bench_kube"]
            serving = [*command, "serve", str(pods), str(nodes), mode]
            with subprocess.Popen(serving, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
                assert server.stdout is not None
                told = json.loads(server.stdout.readline())
                from tests.apiserver import kubeconfig

                path = kubeconfig(Path(folder), f"http://127.0.0.1:{told['port']}")
                how = "pages of 500" if mode == "pages" else "one answer"
                print(f"\n{pods:,} pods of {told['pod_bytes'] / 1000:.1f} kB and {nodes:,} nodes, {how}")
                results = {}
                for side in SIDES:
                    run = subprocess.run([*command, side, path, mode], check=True, capture_output=True, text=True)
                    results[side] = json.loads(run.stdout)
                    took = results[side]
                    print(
                        f"  {side:18} {took['s']:6.2f} s   peak {took['peak']:6.0f} MiB   kept {took['kept']:6.0f} MiB"
                    )
                ours, theirs = results["stores"], results["typed client"]
                faster, smaller = theirs["s"] / ours["s"], theirs["peak"] / ours["peak"]
                print(f"  typed ÷ stores     {faster:6.1f} ×   peak {smaller:6.1f} ×")
                server.communicate("")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", pods_, nodes_, mode_]:
            serve(int(pods_), int(nodes_), mode_)
        case ["typed client", path_, mode_]:
            typed(path_, mode_)
        case [side_, path_, _] if side_ in SIDES:
            stores(path_, frames=side_ != "stores")
        case amounts_:
            main(*map(int, amounts_))
