import pytest

from services.domain.objects import Meta, Node, NodeImage, NodeStatus
from services.domain.startup.holdings import HOLDINGS, holdings

DIGEST = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
OURS = "reg.example/vllm:1"


def node(*images: NodeImage) -> Node:
    return Node(Meta(name="n"), status=NodeStatus(images=list(images)))


def listed(*names: str, size: int = 8_000_000_000) -> NodeImage:
    return NodeImage(names=list(names), size_bytes=size)


def others(number: int, size: int = 1_000_000_000) -> list[NodeImage]:
    return [listed(f"reg.example/other{i}:1", size=size) for i in range(number)]


def answer(one: Node, image: str = OURS, **sizes: float) -> str:
    row = holdings("east", [one], [image], sizes={OURS: sizes["size"]} if sizes else None).iloc[0]
    (said,) = (name for name in ("holding", "lacking", "unknown") if row[name] == 1)
    return said


def test_a_listed_image_is_there() -> None:
    assert answer(node(*others(49), listed(f"reg.example/vllm@{DIGEST}", OURS))) == "holding"


def test_an_image_missing_from_a_list_that_is_not_full_is_not_there() -> None:
    assert answer(node(*others(49))) == "lacking"


def test_an_image_missing_from_a_full_list_may_be_there() -> None:
    assert answer(node(*others(50))) == "unknown"
    assert answer(node(*others(50)), size=1e9) == "unknown"
    assert answer(node(*others(51))) == "unknown"


def test_a_full_list_would_have_named_an_image_larger_than_its_smallest() -> None:
    assert answer(node(*others(50)), size=1e9 + 1) == "lacking"


def test_a_node_that_lists_nothing_does_not_tell() -> None:
    assert answer(Node(Meta(name="n"))) == "unknown"
    assert answer(node()) == "unknown"


def test_another_tag_is_another_image_and_a_digest_is_matched() -> None:
    one = node(listed("reg.example/vllm:2", f"reg.example/vllm@{DIGEST}"))
    assert answer(one) == "lacking"
    assert answer(one, f"reg.example/vllm:1@{DIGEST}") == "holding"


def test_names_are_compared_in_one_spelling() -> None:
    assert answer(node(listed("docker.io/library/nginx:latest")), "nginx") == "holding"


def test_an_image_with_as_many_names_as_are_listed_may_have_more() -> None:
    full = listed(*(f"reg.example/vllm:old{i}" for i in range(5)))
    assert answer(node(full)) == "unknown"
    assert answer(node(full), "reg.example/else:1") == "lacking"


def test_nodes_sum_to_those_given_and_sizes_come_from_lists_too() -> None:
    nodes = [node(listed(OURS, size=7)), node(*others(3)), node(*others(50))]
    found = holdings("east", nodes, [OURS, "reg.example/vllm:1", ""])
    row = found.iloc[0]
    assert len(found) == 1
    assert (row["holding"], row["lacking"], row["unknown"], row["size_bytes"]) == (1, 1, 1, 7)
    assert {name: str(kind) for name, kind in found.dtypes.items()} == HOLDINGS


def test_an_image_without_names_is_skipped() -> None:
    assert answer(node(NodeImage(), listed(OURS))) == "holding"


@pytest.mark.parametrize("images", [[], [""]])
def test_asked_for_nothing_the_frame_is_empty(images: list[str]) -> None:
    assert {name: str(kind) for name, kind in holdings("east", [node()], images).dtypes.items()} == HOLDINGS
