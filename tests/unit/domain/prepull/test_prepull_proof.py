from typing import Any

import msgspec

from services.domain.objects import Pod
from services.domain.prepull import INSTANCE, OURS, container_name, proof
from services.domain.prepull.held import Holding
from services.domain.prepull.proof import Trouble

VLLM, CHAT = "registry.example.com/serving/vllm:0.9.1", "docker.io/library/chat:2"
GONE = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "ghcr.io/sympozium-ai/sympozium/llmfit-daemon:'
    'v0.10.34": failed to resolve reference "ghcr.io/sympozium-ai/sympozium/llmfit-daemon:v0.10.34": '
    "ghcr.io/sympozium-ai/sympozium/llmfit-daemon:v0.10.34: not found"
)
PLATFORM = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "ghcr.io/kubewarden/kubewarden-controller:'
    'latest": no match for platform in manifest: not found'
)
LAYER = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "gcr.io/k8s-staging-cri-tools/test-image-latest:'
    'latest": failed to prepare extraction snapshot "extract-795119289-7389": parent snapshot does not exist: not found'
)


def pod(node: str, state: dict[str, Any], *, image: str = VLLM, name: str = "prepull-h100") -> Pod:
    """A pod whose container for an image is in a state."""
    called = container_name(image)
    body = {
        "metadata": {"name": f"p-{node}", "namespace": "gpu-prepull", "labels": {**OURS, INSTANCE: name}},
        "spec": {"nodeName": node or None, "initContainers": [{"name": called, "image": image}]},
        "status": {"phase": "Pending", "initContainerStatuses": [{"name": called, "state": state}]},
    }
    return msgspec.convert(body, Pod)


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def test_images_are_proven_when_all_nodes_list_them() -> None:
    both = [Holding(VLLM, 9.8e9, holding=("a", "b")), Holding(CHAT, 4e9, holding=("a", "b"))]
    shown = proof.proof(both, ["a", "b"])
    assert (shown.done, shown.says) == (True, "2 of 2 nodes have all 2 images.")


def test_a_node_that_lacks_one_is_waited_for_by_name() -> None:
    shown = proof.proof([Holding(VLLM, 9.8e9, holding=("a",), lacking=("b",))], ["a", "b"])
    assert (shown.done, shown.hopeless) == (False, False)
    assert shown.says == "1 of 2 nodes have vllm:0.9.1. Not listed yet by b."


def test_where_a_list_does_not_tell_the_pod_that_ran_the_image_does() -> None:
    held = [Holding(VLLM, 9.8e9, holding=("a",), unknown=("b", "c"))]
    nodes = ["a", "b", "c"]
    blind = proof.proof(held, nodes)
    assert (blind.done, blind.says) == (
        False,
        "1 of 3 nodes have vllm:0.9.1. Not to be told by the list of b, c.",
    )
    told = proof.proof(held, nodes, ran=[("b", VLLM), ("c", VLLM)])
    assert (told.done, told.says) == (
        True,
        "3 of 3 nodes have vllm:0.9.1. Of b, c the pod says so, the list does not tell.",
    )


def test_a_list_that_says_no_is_not_overruled_by_a_pod() -> None:
    """Its container ended well, and the image may have been removed since."""
    shown = proof.proof([Holding(VLLM, 9.8e9, lacking=("a",))], ["a"], ran=[("a", VLLM)])
    assert not shown.done


def test_nodes_that_are_not_ready_are_named_and_not_waited_for() -> None:
    shown = proof.proof([Holding(VLLM, 9.8e9, holding=("a",))], ["a"], away=["z"])
    assert (shown.done, shown.says) == (True, "1 of 1 nodes have vllm:0.9.1. Not ready, and not looked at: z.")
    assert not proof.proof([Holding(VLLM, 9.8e9)], []).done, "no node is no proof"


def test_what_pods_complain_of_is_quoted_for_nodes_that_are_late() -> None:
    found = proof.troubles([pod("a", waiting("ErrImagePull", LAYER)), pod("b", waiting("PodInitializing", ""))])
    assert [(one.node, one.image, one.final) for one in found] == [("a", VLLM, False)]
    late = proof.proof([Holding(VLLM, 9.8e9, lacking=("a",))], ["a"], troubles=found)
    assert late.says.startswith("0 of 1 nodes have vllm:0.9.1. Not listed yet by a. a: ErrImagePull: rpc error")
    assert not late.hopeless, "a layer may come with the next try"
    there = proof.proof([Holding(VLLM, 9.8e9, holding=("a",))], ["a"], troubles=found)
    assert there.says == "1 of 1 nodes have vllm:0.9.1."


def test_an_image_that_does_not_exist_will_not_come() -> None:
    for message in (GONE, PLATFORM):
        found = proof.troubles([pod("a", waiting("ErrImagePull", message))])
        assert proof.proof([Holding(VLLM, 9.8e9, lacking=("a", "b"))], ["a", "b"], troubles=found).hopeless
    bad = proof.troubles([pod("a", waiting("InvalidImageName", ""))])
    assert bad == [Trouble("a", VLLM, "InvalidImageName: no message", final=True)]


def test_what_one_node_cannot_find_and_another_has_may_still_come() -> None:
    found = proof.troubles([pod("b", waiting("ErrImagePull", GONE))])
    assert not proof.proof([Holding(VLLM, 9.8e9, holding=("a",), lacking=("b",))], ["a", "b"], troubles=found).hopeless
    ran = [("a", VLLM)]
    assert not proof.proof(
        [Holding(VLLM, 9.8e9, unknown=("a",), lacking=("b",))], ["a", "b"], ran=ran, troubles=found
    ).hopeless


def test_a_tool_that_cannot_be_pulled_holds_up_everything() -> None:
    found = proof.troubles([pod("a", waiting("ErrImagePull", GONE), image="mirror.example.com/none:1")])
    assert proof.proof([Holding(VLLM, 9.8e9, lacking=("a",))], ["a"], troubles=found).hopeless


def test_containers_that_ended_well_tell_what_ran_where() -> None:
    ended = pod("a", {"terminated": {"exitCode": 0, "reason": "Completed"}}, image="chat:2")
    broken = pod("b", {"terminated": {"exitCode": 126, "reason": "StartError", "message": "permission denied"}})
    assert proof.ran([ended, broken]) == {("a", CHAT)}
    assert proof.troubles([ended, broken]) == [Trouble("b", VLLM, "StartError (126): permission denied")]


def test_a_pod_without_a_node_says_why_it_waits() -> None:
    plain = pod("", {})
    says = (
        "0/12 nodes are available: 4 Insufficient nvidia.com/gpu, 8 node(s) didn't match Pod's node affinity/selector."
    )
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": says}]
    body = msgspec.to_builtins(plain) | {"status": {"phase": "Pending", "conditions": conditions}}
    (found,) = proof.troubles([msgspec.convert(body, Pod)])
    assert found == Trouble("", "", f"A pod waits for its node: {says}")


def test_only_pods_of_that_daemonset_are_asked() -> None:
    mine, other = pod("a", {}), pod("b", {}, name="prepull-a100")
    assert proof.pods_of([mine, other], "prepull-h100") == [mine]
