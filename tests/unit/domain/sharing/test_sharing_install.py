"""Which installation of the device plugin a cluster has."""

from typing import Any

import pytest

from services.domain.objects import Generic, Meta, OwnerReference
from services.domain.sharing.install import Way, installation

CONFIG_MANAGER = {
    "name": "config-manager",
    "env": [
        {"name": "CONFIG_FILE_SRCDIR", "value": "/available-configs"},
        {"name": "DEFAULT_CONFIG", "value": "plain"},
    ],
    "volumeMounts": [
        {"name": "entry", "mountPath": "/bin/entrypoint.sh"},
        {"name": "documents", "mountPath": "/available-configs/"},
    ],
}  # fmt: skip
VOLUMES = [
    {"name": "entry", "configMap": {"name": "nvidia-device-plugin-entrypoint"}},
    {"name": "documents", "configMap": {"name": "plugin-configs"}},
]


def daemonset(name: str, containers: list[dict[str, Any]], volumes: Any = (), *, policy: str = "") -> Generic:
    owner = [OwnerReference(kind="ClusterPolicy", name=policy, uid="u", controller=True)] if policy else None
    spec = {"template": {"spec": {"containers": containers, "volumes": list(volumes)}}}
    return Generic(metadata=Meta(name=name, namespace="gpu", owner_references=owner), spec=spec)


def ctr(name: str = "nvidia-device-plugin-ctr", **env: str) -> dict[str, Any]:
    return {"name": name, "env": [{"name": key, "value": value} for key, value in env.items()]}


def test_config_manager_means_labels_and_names_the_configmap_of_documents() -> None:
    found = installation([daemonset("nvdp", [ctr(MIG_STRATEGY="mixed"), CONFIG_MANAGER], VOLUMES)])
    assert (found.way, found.configmap, found.default, found.strategy) == (
        Way.LABEL,
        "plugin-configs",
        "plain",
        "mixed",
    )
    assert (found.namespace, found.daemonset, found.policy) == ("gpu", "nvdp", "")


def test_the_operators_plugin_without_config_manager_can_be_given_one() -> None:
    found = installation(
        [
            daemonset("nvidia-mig-manager", [ctr("nvidia-mig-manager")]),
            daemonset("nvidia-device-plugin-daemonset", [ctr("nvidia-device-plugin")], policy="cluster-policy"),
            daemonset("nvidia-device-plugin-mps-control-daemon", [ctr("mps-control-daemon-ctr")]),
        ]
    )
    assert (found.way, found.policy, found.mig, found.mps) == (Way.POLICY, "cluster-policy", True, True)
    assert found.daemonset == "nvidia-device-plugin-daemonset"


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_one_file_for_all_nodes_is_static(how: str) -> None:
    container = ctr(CONFIG_FILE="/config/config.yaml") if how == "environment" else ctr()
    if how == "argument":
        container["args"] = ["--config-file=/config/config.yaml"]
    container["volumeMounts"] = [{"name": "config", "mountPath": "/config"}]
    items = [{"key": "shared", "path": "config.yaml"}]
    found = installation(
        [daemonset("nvdp", [container], [{"name": "config", "configMap": {"name": "one", "items": items}}])]
    )
    assert (found.way, found.configmap, found.document) == (Way.STATIC, "one", "shared")


def test_a_plugin_without_any_document_says_what_is_missing() -> None:
    found = installation([daemonset("nvdp", [ctr()])])
    assert found.way is Way.NONE
    assert found.reason.startswith("The device plugin runs without a configuration file.")


def test_gkes_own_plugin_is_left_to_gke() -> None:
    found = installation([daemonset("nvidia-gpu-device-plugin-small-cos", [ctr("nvidia-gpu-device-plugin")])])
    assert (found.way, found.says) == (Way.NONE, found.reason)
    assert "Recreate the pool" in found.reason


def test_feature_discovery_is_no_device_plugin() -> None:
    found = installation([daemonset("nvidia-device-plugin-gpu-feature-discovery", [ctr("gpu-feature-discovery-ctr")])])
    assert found.reason.startswith("No NVIDIA device plugin was found")
    assert installation([]).way is Way.NONE
