from services.domain.headroom import Place, Shape, objects

SHAPE = Shape("nvidia.com/gpu", 2, "8", "64Gi")
AT = Place("spot", "", {"karpenter.sh/nodepool": "spot"}, [], [{"key": "nvidia.com/gpu", "operator": "Exists"}])


def test_the_priority_is_the_lowest_that_still_brings_nodes_and_preempts_nobody() -> None:
    made = objects.priority_class()
    assert (made["value"], made["preemptionPolicy"], made["globalDefault"]) == (-10, "Never", False)


def test_placeholders_leave_at_once_and_may_nothing() -> None:
    made = objects.deployment("warm-spot", AT, SHAPE, 3)
    spec = made["spec"]["template"]["spec"]
    assert made["spec"]["replicas"] == 3
    assert made["spec"]["strategy"] == {"type": "Recreate"}
    assert spec["terminationGracePeriodSeconds"] == 0
    assert spec["automountServiceAccountToken"] is False
    assert spec["priorityClassName"] == "gpu-headroom"
    assert spec["nodeSelector"] == {"karpenter.sh/nodepool": "spot"}
    (container,) = spec["containers"]
    assert container["image"] == "registry.k8s.io/pause:3.10"
    security = container["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["resources"] == {
        "requests": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "64Gi", "nvidia.com/gpu": "2"},
    }


def test_the_selector_finds_the_pods_and_everything_is_marked_as_ours() -> None:
    made = objects.deployment("warm-spot", AT, SHAPE, 1)
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert made["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert (
        labels
        == made["metadata"]["labels"]
        == {
            "app.kubernetes.io/managed-by": "gpu-fleet-console",
            "app.kubernetes.io/part-of": "gpu-headroom",
            "app.kubernetes.io/name": "gpu-headroom",
            "app.kubernetes.io/instance": "warm-spot",
            "gpu-fleet-console/shape": "2x-gpu",
        }
    )
    assert made["metadata"]["annotations"] == {"gpu-fleet-console/pool": "spot"}


def test_a_buffer_names_its_template_and_its_pod_has_no_priority_of_its_own() -> None:
    template, buffer = objects.pod_template("w", AT, SHAPE), objects.buffer("w", AT, SHAPE, 2)
    assert buffer["spec"]["podTemplateRef"] == {"name": "w"}
    assert buffer["spec"]["replicas"] == 2
    assert "priorityClassName" not in template["template"]["spec"]
    assert objects.shape_in(template["template"]) == SHAPE


def test_the_namespace_lets_only_restricted_pods_in() -> None:
    assert objects.namespace()["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_shape_is_read_back_from_what_was_made_and_changed_without_touching_the_rest() -> None:
    made = objects.deployment("w", AT, SHAPE, 1)["spec"]["template"]
    assert objects.shape_in(made) == SHAPE
    assert objects.shape_in({"spec": {"containers": []}}) is None
    live = [{**made["spec"]["containers"][0], "imagePullPolicy": "IfNotPresent"}]
    (changed,) = objects.reshaped(live, Shape("nvidia.com/gpu", 2, "4", "32Gi"))
    assert changed["imagePullPolicy"] == "IfNotPresent"
    assert changed["resources"]["requests"] == {"cpu": "4", "memory": "32Gi", "nvidia.com/gpu": "2"}
