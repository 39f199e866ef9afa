import math
from dataclasses import replace

import pytest

from services.domain.prepull import DAEMONSET, JOB, guards
from services.domain.prepull.guards import Survey
from services.domain.prepull.held import Disk, Holding

VLLM, CHAT = "registry.example.com/serving/vllm:0.9.1", "chat:2"
NODES = ("a", "b", "c", "d")
ONE_OF_FOUR = Holding(VLLM, 9.8e9, holding=("a",), lacking=("b", "c", "d"))
ROOMY = tuple(Disk(node, 500e9, 20e9) for node in NODES)
SURVEY = Survey("h100", NODES, (), (), (ONE_OF_FOUR,), ROOMY, kept=0, parallel=2)


def said(survey: Survey, method: str = DAEMONSET, **more: str) -> guards.Answer:
    answer = guards.answer(survey, method, **more)
    assert answer.refusal == ""
    return answer


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "chat:2",
        "localhost:5000/chat:2",
        "registry.example.com:443/a/b-c/d__e.f:V1.0_x",
        "registry.example.com/a@sha256:" + "0" * 64,
        "registry.example.com/a:1@sha256:" + "0" * 64,
    ],
)
def test_names_of_images_are_taken(image: str) -> None:
    assert guards.unfit([image]) == ""


@pytest.mark.parametrize(
    "image",
    ["", "two words", "Upper/case", "a:tag:tag", "a@sha256:123", "https://example.com/a", "-a", "a/", "a:" + "t" * 129,
     "a\n", "registry.example.com/" + "a" * 256],
)  # fmt: skip
def test_what_is_no_name_of_an_image_is_refused(image: str) -> None:
    assert guards.unfit(["chat:2", image]).endswith("is not the name of an image.")


def test_at_most_twenty_images_are_kept_on_a_pool() -> None:
    assert guards.unfit([f"a:{number}" for number in range(20)]) == ""
    assert guards.unfit([f"a:{number}" for number in range(21)]) == "20 images at most; 21 are asked for."
    assert guards.answer(replace(SURVEY, kept=20), DAEMONSET).refusal == (
        "Pool h100 keeps 20 images and 20 at most; 1 more are asked for."
    )


def test_each_image_counts_once_however_it_is_spelled() -> None:
    assert guards.once(["chat:2", " docker.io/library/chat:2", VLLM]) == ("chat:2", VLLM)


@pytest.mark.parametrize(("nodes", "parallel"), [(1, 2), (12, 2), (21, 3), (95, 10), (1000, 10)])
def test_a_tenth_of_the_nodes_pull_at_a_time(nodes: int, parallel: int) -> None:
    assert guards.at_a_time(nodes) == parallel


def test_cost_in_network_and_disk_is_said_first() -> None:
    """Three nodes lack 9.8 GB: 29.4 GB. Two rounds of 9.8 GB at 50 MB/s and half a minute: 452 s, 8 min."""
    assert said(SURVEY).blast == (
        "Brings vllm:0.9.1 to 4 nodes of pool h100, 2 nodes at a time. Nodes that join later pull as well, beside "
        "their first pods.",
        "Network: about 29.4 GB from registry.example.com (vllm:0.9.1: 3 nodes × 9.8 GB).",
        "Disk: up to 9.8 GB more on a node, and more unpacked; the smallest has 500.0 GB.",
        "About 8 min at 50 MB/s. Nodes that serve now share their network and disk with it.",
        "A pod on each node, without GPUs, keeps the kubelet from removing the images; when the disk fills it removes "
        "others or evicts pods.",
        "Pulled with what the nodes may read; another login needs a pull secret in namespace gpu-prepull.",
    )
    assert guards.seconds(SURVEY) == 904.0


def test_several_images_of_one_registry_are_summed_and_known_ones_only() -> None:
    """3 × 9.8 GB and 4 × 0.6 GB are 31.8 GB; the third image is of another registry and of unknown size."""
    small = Holding("registry.example.com/small:1", 6e8, lacking=NODES)
    unknown = Holding(CHAT, math.nan, lacking=NODES)
    blast = said(replace(SURVEY, holdings=(ONE_OF_FOUR, small, unknown))).blast
    assert blast[0].startswith("Brings 3 images to 4 nodes")
    assert blast[1] == (
        "Network: about 31.8 GB from registry.example.com (vllm:0.9.1: 3 nodes × 9.8 GB, small:1: 4 nodes × 600 MB)."
    )
    assert blast[2] == (
        "Not known: the size of chat:2. No node lists it and no recorded pull was given; check the name."
    )
    assert blast[3].startswith("Disk: up to 10.4 GB more on a node")
    assert "if unknown images have 20 GB" in blast[4]


def test_a_node_that_does_not_tell_counts_as_pulling_and_is_named() -> None:
    untold = Holding(VLLM, 9.8e9, holding=("a", "b"), lacking=("c",), unknown=("d",))
    blast = said(replace(SURVEY, holdings=(untold,))).blast
    assert "2 nodes × 9.8 GB" in blast[1]
    assert blast[2] == "Counted as pulling although their lists do not tell: d."


def test_images_that_are_everywhere_cost_nothing_now() -> None:
    blast = said(replace(SURVEY, holdings=(Holding(VLLM, 9.8e9, holding=NODES),))).blast
    assert blast[1] == "All 4 nodes have vllm:0.9.1 already."
    assert not any(word in line for line in blast for word in ("Network", "Disk:", "min at"))


def test_nothing_new_says_nothing() -> None:
    assert said(replace(SURVEY, holdings=())).blast == ()


def test_images_may_take_half_of_a_disk_and_no_more() -> None:
    """40 GB listed and 9.8 GB to come are 49.8 of 99 GB, 50.3 %; a node that has the image already is not judged."""
    tight = (Disk("b", 99e9, 40e9), *ROOMY[2:])
    assert guards.answer(replace(SURVEY, disks=tight), DAEMONSET).refusal == (
        "On b images would take 49.8 GB of 99.0 GB of disk, and more unpacked; at most half may be images."
    )
    assert said(replace(SURVEY, disks=(Disk("b", 100e9, 40e9),))).warnings[0].startswith("Images would take 50%")
    assert said(replace(SURVEY, disks=(Disk("a", 10e9, 9.8e9),))).warnings == ()


def test_a_disk_nobody_knows_is_said_to_be_unknown() -> None:
    blind = tuple(Disk(node, math.nan, 0.0) for node in NODES)
    assert "how large they are is not known" in said(replace(SURVEY, disks=blind)).blast[2]
    some = (*blind[:3], Disk("d", 200e9, 0.0))
    assert said(replace(SURVEY, disks=some)).blast[2].endswith("the smallest has 200.0 GB, 3 nodes did not say.")


def test_a_pool_without_a_ready_node_is_refused() -> None:
    survey = replace(SURVEY, ready=(), away=NODES, holdings=(replace(ONE_OF_FOUR, holding=(), lacking=()),), disks=())
    assert guards.answer(survey, DAEMONSET).refusal == "No GPU node of pool h100 is ready, so nobody could pull."


def test_what_could_go_wrong_is_warned_of() -> None:
    moving = Holding("registry.example.com/serving/vllm", 9.8e9, lacking=NODES)
    survey = replace(SURVEY, holdings=(moving,), full=("c",), away=("e", "f"))
    assert said(survey, secret="regcred").warnings == (
        "The kubelet of c is short of disk and takes no new pods.",
        "Not ready now, and not waited for: e, f. What is kept comes to them when they are back.",
        "vllm:latest: a tag that moves. A node that has it keeps what it has; a digest says which is meant.",
        "Whether there is a secret regcred in namespace gpu-prepull is not checked: secrets are not read here.",
    )


def test_openkruise_holds_nothing_and_is_said_to() -> None:
    blast = said(SURVEY, JOB).blast
    assert "Nothing holds the images on a node: the kubelet removes unused ones when the disk fills." in blast
    assert not any("A pod on each node" in line for line in blast)


def test_a_pull_may_take_four_times_what_is_reckoned_within_bounds() -> None:
    """9.8 GB at 50 MB/s are 196 s; one of unknown size counts as 20 GB."""
    assert guards.timeout_s(ONE_OF_FOUR) == 784.0
    assert guards.timeout_s(Holding(CHAT, math.nan)) == 1600.0
    assert guards.timeout_s(Holding(CHAT, 1e6)) == 600.0


def test_the_wait_for_a_large_pool_has_an_end() -> None:
    names = tuple(f"n{number}" for number in range(400))
    huge = Survey("h100", names, (), (), (Holding(VLLM, 40e9, lacking=names),), (), 0, 10)
    assert guards.seconds(huge) == 7200.0
