"""Objects of the scenario that no snapshot of ours lists: ConfigMaps, policies, disruption budgets, whole as JSON.

To add more, write a maker and append it to :data:`MAKERS`; to give a kind a status that follows its writes, put a
function into :data:`STATUS`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.demo import gateway_manifests, mesh_rules
from services.demo.ledger import Folded, Key
from services.demo.world import Site

Maker = Callable[[Site], Iterable[dict[str, Any]]]
Status = Callable[[Mapping[str, Any], Folded, int], dict[str, Any]]
"""The status of an object: its body, the writes to it, the time."""

OPERATOR = "gpu-operator"
PLUGIN_IMAGE = "nvcr.io/nvidia/k8s-device-plugin:v0.18.0"
_SHARED = "version: v1\nsharing:\n  {word}:\n    resources:\n    - name: nvidia.com/gpu\n      replicas: {replicas}\n"
CONFIGS = {
    "exclusive": "version: v1\n",
    "ts2": _SHARED.format(word="timeSlicing", replicas=2),
    "ts4": _SHARED.format(word="timeSlicing", replicas=4),
    "ts8": _SHARED.format(word="timeSlicing", replicas=8),
    "mps4": _SHARED.format(word="mps", replicas=4),
}
DEFAULT = "exclusive"
_PROFILES = {"1g.10gb": 7, "2g.20gb": 3, "3g.40gb": 2}
_BALANCED = {"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1}


def operated(site: Site) -> bool:
    """Whether the GPU Operator runs the device plugin; else its Helm chart does."""
    return site.plan.labels == "karpenter"


def plugin(site: Site) -> tuple[str, str]:
    """Namespace and name of the device plugin's DaemonSet."""
    return (OPERATOR, "nvidia-device-plugin-daemonset") if operated(site) else ("nvidia-device-plugin",) * 2


def configs_name(site: Site) -> str:
    """Name of the ConfigMap with the device plugin's documents, in the plugin's namespace."""
    return "plugin-configs" if operated(site) else "nvidia-device-plugin-configs"


def plugin_template(site: Site) -> dict[str, Any]:
    """The pod template of the device plugin: the plugin and the config-manager that chooses its document."""
    label = plugin(site)[1]
    env = {
        "NODE_LABEL": "nvidia.com/device-plugin.config",
        "CONFIG_FILE_SRCDIR": "/available-configs",
        "CONFIG_FILE_DST": "/config/config.yaml",
        "DEFAULT_CONFIG": DEFAULT,
        "FALLBACK_STRATEGIES": "empty" if operated(site) else "named,single",
        "SEND_SIGNAL": "true",
        "SIGNAL": "1",
        "PROCESS_TO_SIGNAL": "nvidia-device-plugin",
    }
    mounts = [
        {"name": "available-configs", "mountPath": "/available-configs"},
        {"name": "config", "mountPath": "/config"},
    ]
    manager = {"image": PLUGIN_IMAGE, "command": ["config-manager"], "volumeMounts": mounts}
    once = {**env, "ONESHOT": "true", "SEND_SIGNAL": "false"}
    main = {
        "name": "nvidia-device-plugin" if operated(site) else "nvidia-device-plugin-ctr",
        "image": PLUGIN_IMAGE,
        "env": _env({"CONFIG_FILE": "/config/config.yaml", "MIG_STRATEGY": "mixed" if operated(site) else "none"}),
        "volumeMounts": mounts[1:],
    }
    return {
        "metadata": {"labels": {"app": label}},
        "spec": {
            "priorityClassName": "system-node-critical",
            "nodeSelector": {"nvidia.com/gpu.deploy.device-plugin": "true"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "initContainers": [{"name": "config-manager-init", **manager, "env": _env(once)}],
            "containers": [main, {"name": "config-manager", **manager, "env": _env(env)}],
            "volumes": [
                {"name": "available-configs", "configMap": {"name": configs_name(site)}},
                {"name": "config", "emptyDir": {}},
            ],
        },
    }


def _env(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _sharing(site: Site) -> Iterable[dict[str, Any]]:
    space = plugin(site)[0]
    yield _object("ConfigMap", configs_name(site), space, data=dict(CONFIGS))
    if not operated(site):
        return
    yield _object(
        "ClusterPolicy",
        "cluster-policy",
        spec={
            "devicePlugin": {"enabled": True, "config": {"name": configs_name(site), "default": DEFAULT}},
            "mig": {"strategy": "mixed"},
            "migManager": {"enabled": True, "config": {"name": "", "default": "all-disabled"}},
        },
        status={"state": "ready"},
    )
    for slot in site.estate.nodes:
        if slot.pool.mig:
            node = site.estate.node_name(slot.index, 0)
            labels = {"nvidia.com/node-name": node}
            text = mig_config([slot.layout(gpu) for gpu in range(slot.pool.instance.gpus)], f"custom-{slot.ordinal}")
            yield _object("ConfigMap", mig_config_name(node), OPERATOR, labels=labels, data={"config.yaml": text})


def mig_config_name(node: str) -> str:
    """Name of the ConfigMap with the MIG configurations the operator generated for a node."""
    return f"{node}-mig-config"


def mig_config(layouts: list[tuple[str, ...]], name: str) -> str:
    """The document of a node: what its GPUs can be cut into, and under ``name`` what they are cut into now."""
    lines = ["version: v1", "mig-configs:", "  all-disabled:", "  - devices: all", "    mig-enabled: false"]
    for profile, most in _PROFILES.items():
        lines += _cut(f"all-{profile}", [("all", {profile: most})])
    lines += _cut("all-balanced", [("all", _BALANCED)])
    lines += _cut(name, [(f"[{gpu}]", {p: layout.count(p) for p in layout}) for gpu, layout in enumerate(layouts)])
    return "\n".join(lines) + "\n"


def _cut(name: str, groups: Iterable[tuple[str, Mapping[str, int]]]) -> list[str]:
    lines = [f"  {name}:"]
    for devices, instances in groups:
        lines += [f"  - devices: {devices}", f"    mig-enabled: {str(bool(instances)).lower()}"]
        if instances:
            lines += ["    mig-devices:", *(f"      {profile}: {count}" for profile, count in instances.items())]
    return lines


def _budgets(site: Site) -> Iterable[dict[str, Any]]:
    for budget in site.scenario.budgets:
        if budget.cluster == site.name:
            selector = {"matchLabels": {"app.kubernetes.io/name": budget.workload}}
            spec = {"minAvailable": budget.least, "selector": selector}
            yield _object("PodDisruptionBudget", budget.workload, budget.namespace, spec=spec)


def _object(
    kind: str, name: str, namespace: str = "", *, labels: Mapping[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = dict(labels)
    return {"kind": kind, "metadata": meta, **rest}


MAKERS: list[Maker] = [_sharing, _budgets, gateway_manifests.objects, mesh_rules.objects]
STATUS: dict[str, Status] = {}


def objects(site: Site) -> Mapping[Key, dict[str, Any]]:
    """Every such object of a cluster, by what tells it apart; made once."""
    if not site.extras:
        for maker in MAKERS:
            for body in maker(site):
                meta = body["metadata"]
                site.extras[body["kind"], meta.get("namespace", ""), meta["name"]] = body
    return site.extras


def data(site: Site, name: str, namespace: str, until: int) -> Mapping[str, str]:
    """The texts of a ConfigMap at a time; {} when there is none."""
    key = ("ConfigMap", namespace, name)
    folded = site.ledger.folded(key, objects(site).get(key), until)
    return {} if folded is None else folded.body.get("data") or {}
