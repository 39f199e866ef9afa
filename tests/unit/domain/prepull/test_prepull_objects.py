from typing import Any

import msgspec
import pytest

from services.domain.headroom import OURS as HEADROOM
from services.domain.headroom import Place
from services.domain.prepull import OURS, PrepullParams, container_name, job_name, name, objects, ours

VLLM, CHAT = "registry.example.com/serving/vllm:0.9.1", "chat:2"
WHERE = Place("h100", "", {"karpenter.sh/nodepool": "h100"}, [], [{"key": "nvidia.com/gpu", "operator": "Exists"}])


def made(*images: str, **more: Any) -> dict[str, Any]:
    body = objects.daemonset("prepull-h100", WHERE, 2, **more)
    body["spec"]["template"]["spec"]["initContainers"] = objects.pulling(images)
    return body


def test_a_new_daemonset_holds_no_image_and_selects_the_pool() -> None:
    body = objects.daemonset("prepull-h100", WHERE, 3)
    pod = body["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert pod["nodeSelector"] == {"karpenter.sh/nodepool": "h100"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert body["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 3}}
    labels = body["spec"]["template"]["metadata"]["labels"]
    assert body["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_an_image_is_run_with_a_program_it_need_not_have() -> None:
    tool, pull = objects.pulling([VLLM])
    assert (tool["image"], tool["command"]) == (
        "docker.io/library/busybox:1.37.0-musl",
        ["/bin/busybox", "cp", "/bin/busybox", "/prepull/true"],
    )
    assert (pull["image"], pull["command"], pull["workingDir"]) == (VLLM, ["/prepull/true"], "/prepull")
    assert tool["volumeMounts"] == [{"name": "tool", "mountPath": "/prepull"}]
    assert pull["volumeMounts"] == [{"name": "tool", "mountPath": "/prepull", "readOnly": True}]
    assert pull["imagePullPolicy"] == "IfNotPresent"


def test_no_container_holds_a_gpu_or_sees_one() -> None:
    pod = made(VLLM, CHAT)["spec"]["template"]["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    asked = [amounts for one in containers for amounts in one["resources"].values()]
    assert {key for amounts in asked for key in amounts} == {"cpu", "memory", "ephemeral-storage"}
    for pull in pod["initContainers"][1:]:
        assert pull["env"] == [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]


def test_every_container_keeps_to_the_restricted_standard() -> None:
    pod = made(VLLM)["spec"]["template"]["spec"]
    for one in [*pod["initContainers"], *pod["containers"]]:
        security = one["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert [list(volume) for volume in pod["volumes"]] == [["name", "emptyDir"]]
    assert objects.namespace()["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_an_image_is_added_behind_those_there_and_never_twice() -> None:
    first = objects.pulling([VLLM])
    live = [{**one, "terminationMessagePath": "/dev/termination-log"} for one in first]
    more = objects.pulling([CHAT, "docker.io/library/chat:2", VLLM], had=live)
    assert [one["image"] for one in more] == [objects.TOOL, VLLM, "docker.io/library/chat:2"]
    assert more[:2] == live, "what a server has filled in stays"


def test_images_are_taken_away_by_name_and_the_tool_with_the_last() -> None:
    both = objects.pulling([VLLM, CHAT])
    assert [one["image"] for one in objects.without(["docker.io/library/chat:2"], both)] == [objects.TOOL, VLLM]
    assert objects.without([VLLM, CHAT], both) == []


def test_the_images_of_a_daemonset_are_read_back() -> None:
    assert objects.images_in(made(VLLM, CHAT)) == (VLLM, CHAT)
    assert objects.images_in(objects.daemonset("prepull-h100", WHERE, 2)) == ()
    assert objects.images_in(None) == ()


def test_a_pull_secret_is_named_and_another_tool_is_used() -> None:
    assert made(secret="regcred")["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "regcred"}]
    assert objects.pulling([VLLM], tool="mirror.example.com/busybox:1-uclibc")[0]["image"].startswith("mirror")


def test_a_job_of_openkruise_goes_on_with_nodes_that_join() -> None:
    only = {"key": "nvidia.com/gpu.present", "operator": "In", "values": ["true"]}
    where = Place("h100", "", {"karpenter.sh/nodepool": "h100"}, [only], [])
    assert objects.job(where, VLLM, 5, 1200.4, secret="regcred")["spec"] == {
        "image": VLLM,
        "selector": {"matchLabels": {"karpenter.sh/nodepool": "h100"}, "matchExpressions": [only]},
        "parallelism": 5,
        "pullSecrets": ["regcred"],
        "pullPolicy": {"timeoutSeconds": 1200, "backoffLimit": 3},
        "completionPolicy": {"type": "Never"},
    }


def test_names_are_stable_and_fit_a_label() -> None:
    assert name("h100") == "prepull-h100"
    assert name("(no pool)").startswith("prepull-no-pool-")
    assert name("GPU_Pool") != name("gpu-pool")
    assert len(name("x" * 200)) <= 52
    assert job_name("h100", "chat:2") == job_name("h100", "docker.io/library/chat:2")
    assert len(job_name("x" * 200, VLLM)) <= 63
    assert container_name(VLLM) != container_name(CHAT)


def test_what_keeps_images_is_no_placeholder() -> None:
    assert ours(OURS)
    assert not ours(HEADROOM)
    assert not ours(None)


@pytest.mark.parametrize(
    "given",
    [
        {"cluster": "east", "pool": "h100", "images": ["chat:2"]},
        {"cluster": "east", "pool": "h100", "images": [], "remove": True},
        {"cluster": "east", "pool": "h100", "images": ["a"], "sizes": {"a": 9.8e9}, "secret_name": "regcred"},
    ],
)
def test_parameters_are_json_there_and_back(given: dict[str, Any]) -> None:
    params = msgspec.convert(given, PrepullParams)
    assert msgspec.convert(msgspec.to_builtins(params), PrepullParams) == params


@pytest.mark.parametrize(
    "wrong",
    [{"parallel": -1}, {"parallel": 101}, {"secret_name": "No Secret"}, {"images": ["x" * 401]}, {"method": "curl"}],
)
def test_parameters_out_of_bounds_do_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"cluster": "east", "pool": "h100", **wrong}, PrepullParams)
