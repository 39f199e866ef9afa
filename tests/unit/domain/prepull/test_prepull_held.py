import math

import msgspec
import pytest

from services.domain.objects import Node, NodeImage
from services.domain.prepull import held
from services.domain.startup.holdings import holdings
from services.domain.startup.imagenames import canonical
from tests.factories import node

VLLM, CHAT = "registry.example.com/serving/vllm:0.9.1", "chat:2"


def listing(name: str, *images: tuple[str, int], disk: str = "") -> Node:
    """A node that lists images (name, bytes)."""
    plain = node(name, capacity={"nvidia.com/gpu": "8"} | ({"ephemeral-storage": disk} if disk else {}))
    found = [NodeImage(names=[image], size_bytes=size) for image, size in images]
    return msgspec.structs.replace(plain, status=msgspec.structs.replace(plain.status, images=found))


def fifty(name: str, smallest: int) -> Node:
    """A node whose list is full: fifty images, the smallest of so many bytes."""
    return listing(name, *((f"registry.example.com/other:{number}", smallest + number) for number in range(50)))


def test_a_node_has_what_it_lists_under_any_spelling() -> None:
    has = listing("a", ("docker.io/library/chat:2", 4_000_000_000))
    (found,) = held.look([has], [CHAT], {})
    assert (found.image, found.holding, found.lacking, found.unknown) == (CHAT, ("a",), (), ())
    assert found.size_bytes == 4e9


def test_a_short_list_without_the_image_says_no() -> None:
    nodes = [listing("a", (VLLM, 9_800_000_000)), listing("b", (CHAT, 100))]
    vllm, chat = held.look(nodes, [VLLM, CHAT], {})
    assert (vllm.holding, vllm.lacking, vllm.wanting) == (("a",), ("b",), ("b",))
    assert (chat.holding, chat.lacking) == (("b",), ("a",))


def test_a_node_that_lists_nothing_does_not_tell() -> None:
    (found,) = held.look([listing("a")], [VLLM], {})
    assert (found.unknown, found.wanting) == (("a",), ("a",))
    assert math.isnan(found.size_bytes)


def test_a_full_list_tells_of_images_larger_than_its_smallest() -> None:
    full = fifty("full", 1_000_000_000)
    (small,) = held.look([full], [VLLM], {VLLM: 500_000_000})
    (large,) = held.look([full], [VLLM], {VLLM: 9_800_000_000})
    (nobody_knows,) = held.look([full], [VLLM], {})
    assert (small.unknown, large.lacking, nobody_knows.unknown) == (("full",), ("full",), ("full",))


def test_a_size_another_node_lists_decides_for_a_full_list() -> None:
    (found,) = held.look([fifty("full", 1_000_000_000), listing("b", (VLLM, 9_800_000_000))], [VLLM], {})
    assert (found.holding, found.lacking, found.size_bytes) == (("b",), ("full",), 9.8e9)


def test_names_of_an_image_that_has_many_may_be_left_out() -> None:
    digests = [f"registry.example.com/serving/vllm@sha256:{number:064}" for number in range(5)]
    many = listing("many", (VLLM, 1))
    status = msgspec.structs.replace(many.status, images=[NodeImage(names=digests, size_bytes=9_800_000_000)])
    (found,) = held.look([msgspec.structs.replace(many, status=status)], [VLLM], {})
    assert found.unknown == ("many",)


@pytest.mark.parametrize("sizes", [{}, {VLLM: 9.8e9}, {VLLM: 5e8, CHAT: 2e9}])
def test_nodes_are_judged_by_the_rule_of_start_ups(sizes: dict[str, float]) -> None:
    nodes = [listing("a", (VLLM, 9_800_000_000)), listing("b"), fifty("c", 1_000_000_000), listing("d", (CHAT, 100))]
    there = holdings("", nodes, [VLLM, CHAT], sizes={canonical(image): size for image, size in sizes.items()})
    for one in held.look(nodes, [VLLM, CHAT], sizes):
        row = there[there["image"] == canonical(one.image)].iloc[0]
        assert (len(one.holding), len(one.lacking), len(one.unknown)) == (
            row["holding"],
            row["lacking"],
            row["unknown"],
        )
        assert one.size_bytes == row["size_bytes"]


def test_a_disk_is_as_large_as_the_node_says_and_holds_what_it_lists() -> None:
    disk = held.disk(listing("a", (VLLM, 9_800_000_000), (CHAT, 200_000_000), disk="100Gi"))
    assert (disk.size_bytes, disk.listed_bytes) == (100 * 2.0**30, 1e10)
    assert math.isnan(held.disk(listing("b", (VLLM, 1))).size_bytes)
