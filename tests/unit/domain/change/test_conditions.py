import pytest

from services.domain.change.conditions import Test, met

NODE = {
    "metadata": {"labels": {"nvidia.com/mig.config.state": "success"}},
    "status": {"allocatable": {"nvidia.com/gpu": "16"}},
}
GPUS = ("status", "allocatable", "nvidia.com/gpu")
STATE = ("metadata", "labels", "nvidia.com/mig.config.state")


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ((GPUS, "is", 16), True),
        ((GPUS, "is", "16"), True),
        ((GPUS, "is", "16.0"), True),
        ((GPUS, "is", 8), False),
        ((GPUS, "at least", 8), True),
        ((GPUS, "at least", 17), False),
        ((("status", "allocatable", "nvidia.com/mig-1g.10gb"), "at least", 1), False),
        ((("status", "allocatable", "nvidia.com/mig-1g.10gb"), "absent", None), True),
        ((STATE, "is", "success"), True),
        ((STATE, "is not", "pending"), True),
        ((STATE, "exists", None), True),
        (((), "gone", None), False),
    ],
)
def test_words_compare_what_is_at_the_path(test: Test, holds: bool) -> None:
    assert met(NODE, [test]) is holds


def test_every_test_has_to_hold() -> None:
    assert met(NODE, [(GPUS, "is", 16), (STATE, "is", "success")])
    assert not met(NODE, [(GPUS, "is", 16), (STATE, "is", "pending")])


def test_an_object_that_does_not_exist_is_gone() -> None:
    assert met({}, [((), "gone", None)])


DEPLOYMENT = {"metadata": {"generation": 4}, "spec": {"replicas": 2}}


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, True),
        ({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, False),
        ({"observedGeneration": 4, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}, False),
        ({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 2}, False),
        ({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, False),
        ({}, False),
    ],
)
def test_a_deployment_is_rolled_out_when_only_new_pods_are_left_and_available(
    status: dict[str, int], done: bool
) -> None:
    assert met({**DEPLOYMENT, "status": status}, [((), "rolled_out", None)]) is done


def test_a_daemonset_is_rolled_out_when_every_node_runs_the_new_pod() -> None:
    status = {"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
    body = {"metadata": {"generation": 1}, "spec": {}, "status": status}
    assert met(body, [((), "rolled_out", None)])
    assert not met({**body, "status": {**status, "numberAvailable": 2}}, [((), "rolled_out", None)])
