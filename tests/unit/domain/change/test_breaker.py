from services.domain.change.breaker import crossed, limit

SIZES = {("east", "h100"): 10, ("east", "t4"): 3}


def touches(pool: str, count: int, first: int = 0) -> list[tuple[str, str, str]]:
    return [("east", pool, f"{pool}-{number}") for number in range(first, first + count)]


def test_half_of_a_pool_may_be_touched_and_small_pools_whole() -> None:
    assert limit(10, 0.5) == 5
    assert limit(3, 0.5) == 4
    assert crossed((), touches("t4", 3), SIZES, nodes=20, ratio=0.5) == ""


def test_the_node_that_crosses_a_pools_share_is_named_with_figures() -> None:
    assert crossed(touches("h100", 4), touches("h100", 1, 4), SIZES, nodes=20, ratio=0.5) == ""
    said = crossed(touches("h100", 4), touches("h100", 2, 4), SIZES, nodes=20, ratio=0.5)
    assert said == "6 of 10 nodes of pool h100 would be touched within the window; at most 5 may be"


def test_nodes_of_all_pools_count_together_and_each_once() -> None:
    assert crossed(touches("h100", 4), touches("t4", 2), SIZES, nodes=5, ratio=1).startswith("6 nodes would be touched")
    assert crossed(touches("h100", 4), [*touches("h100", 4), *touches("t4", 1)], SIZES, nodes=5, ratio=1) == ""


def test_touching_the_same_nodes_again_never_crosses() -> None:
    assert crossed(touches("h100", 9), touches("h100", 9), SIZES, nodes=5, ratio=0.5) == ""
