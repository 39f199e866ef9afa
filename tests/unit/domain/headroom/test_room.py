import math

import pytest

from services.domain.headroom import room
from services.domain.objects import Container, Resources
from tests import factories


@pytest.mark.parametrize(
    ("text", "amount"),
    [("500m", 0.5), ("8", 8), (3, 3), ("12Gi", 12 * 2**30), ("1k", 1000), ("1e3", 1000), (None, 0), ("", 0)],
)
def test_quantities_are_read_in_base_units(text: str | int | None, amount: float) -> None:
    assert room.quantity(text) == amount


def test_a_quantity_nobody_can_read_is_unknown_and_not_zero() -> None:
    assert math.isnan(room.quantity("twelve"))
    assert math.isnan(room.quantity("xGi"))


def asks(cpu: str, gpus: int = 0, *, sidecar: bool = False) -> Container:
    wants = {"cpu": cpu, **({"nvidia.com/gpu": gpus} if gpus else {})}
    return Container(resources=Resources(requests=wants), restart_policy="Always" if sidecar else None)


def test_a_pod_requests_its_containers_or_its_largest_init_container_and_all_sidecars() -> None:
    """Main 2 + 1 and sidecar 0.5 make 3.5; the init container wants 4 beside the sidecar: 4.5 is the larger."""
    pod = factories.pod(units={"cpu": "2", "nvidia.com/gpu": 1}, init=[asks("500m", sidecar=True), asks("4")])
    pod.spec.containers.append(asks("1"))
    assert room.requests(pod) == {"cpu": 4.5, "nvidia.com/gpu": 1}


def big(name: str, **more: object) -> object:
    size = {"nvidia.com/gpu": "4", "cpu": "16", "memory": "64Gi", "pods": "3"}
    return factories.node(name, capacity=size, **more)


def test_what_bound_pods_request_is_taken_and_what_is_over_is_given_back() -> None:
    pods = [
        factories.pod("one", node_name="n1", units={"nvidia.com/gpu": 1, "cpu": "6"}),
        factories.pod("over", node_name="n1", units={"nvidia.com/gpu": 2}, phase="Succeeded"),
        factories.pod("queued", node_name=None),
    ]
    left = room.free([big("n1"), big("closed", cordoned=True), big("dead", ready=False)], pods)
    assert left == {"n1": {"nvidia.com/gpu": 3, "cpu": 10, "memory": 64 * 2**30, "pods": 2}}


@pytest.mark.parametrize(
    ("wants", "number"),
    [
        ({"nvidia.com/gpu": 1}, 4),
        ({"nvidia.com/gpu": 3}, 1),
        ({"nvidia.com/gpu": 1, "cpu": 7}, 2),  # two times 7 of 16 CPUs
        ({"nvidia.com/gpu": 1, "pods": 1}, 3),  # the node takes three pods
        ({"nvidia.com/gpu": 1, "cpu": 20}, 0),
        ({"amd.com/gpu": 1}, 0),
    ],
)
def test_as_many_fit_as_the_scarcest_resource_allows(wants: dict[str, float], number: int) -> None:
    assert room.fits(room.free([big("n1")], []), wants, ["n1", "not there"]) == number


def test_free_room_on_two_nodes_is_not_one_room() -> None:
    left = room.free([big("n1"), big("n2")], [factories.pod("p", node_name="n1", units={"nvidia.com/gpu": 2})])
    assert room.fits(left, {"nvidia.com/gpu": 3}, ["n1", "n2"]) == 1


def test_nothing_fits_into_what_cannot_be_read() -> None:
    assert room.fits({"n1": {"nvidia.com/gpu": math.nan}}, {"nvidia.com/gpu": 1}, ["n1"]) == 0
    assert room.fits({"n1": {"nvidia.com/gpu": 1.0, "cpu": 4.0}}, {"nvidia.com/gpu": 1, "cpu": math.nan}, ["n1"]) == 0


def test_room_that_is_overdrawn_is_none() -> None:
    left = {"n1": {"nvidia.com/gpu": -1.0}}
    assert room.fits(left, {"nvidia.com/gpu": 1}, ["n1"]) == 0
