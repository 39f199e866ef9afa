import math

from services.domain.headroom.growth import (
    CLUSTER_AUTOSCALER,
    KARPENTER,
    Growth,
    NodeGroup,
    by_pool,
    karpenter,
    node_groups,
)
from services.domain.objects import Generic, Meta

GPU = "nvidia.com/gpu"
STATUS = """
time: 2026-06-03 11:59:50
autoscalerStatus: Running
nodeGroups:
- name: eks-a100-mig-7ecb2f1a
  health: {status: Healthy, cloudProviderTarget: 2, minSize: 0, maxSize: 5}
- name: eks-a100-mig-b-7ecb2f1b
  health: {status: Healthy, cloudProviderTarget: 1, minSize: 0, maxSize: 1}
- name: eks-a100-00000000
  health: {status: Healthy, cloudProviderTarget: 3, minSize: 3, maxSize: 3}
- name: broken
  health: {maxSize: many}
"""


def pool(name: str, spec: object, status: object = None) -> Generic:
    return Generic(metadata=Meta(name=name), spec=spec, status=status)


def test_a_nodepool_may_add_what_its_limit_leaves() -> None:
    pools = [
        pool("t4", {"limits": {GPU: "10", "cpu": "40"}}, {"resources": {GPU: "8"}}),
        pool("full", {"limits": {GPU: 4}}, {"resources": {GPU: "6"}}),
        pool("silent", {"limits": {GPU: 4}}),
    ]
    assert karpenter(pools, GPU, {"silent": 1.0}) == {
        "t4": Growth(KARPENTER, 10, 2),
        "full": Growth(KARPENTER, 4, 0),
        "silent": Growth(KARPENTER, 4, 3),
    }


def test_a_nodepool_without_a_limit_has_none() -> None:
    assert karpenter([pool("free", {})], GPU, {}) == {"free": Growth(KARPENTER, math.inf, math.inf)}


def test_a_limit_on_gpus_says_nothing_of_mig_instances() -> None:
    grows = karpenter([pool("cut", {"limits": {GPU: "16"}})], "nvidia.com/mig-1g.10gb", {})["cut"]
    assert grows.by == KARPENTER
    assert math.isnan(grows.more)


def test_a_static_nodepool_does_not_grow() -> None:
    assert karpenter([pool("fixed", {"replicas": 3})], GPU, {}) == {}


def test_groups_of_the_cluster_autoscaler_are_read_and_what_is_broken_is_left_out() -> None:
    assert node_groups(STATUS)[0] == NodeGroup("eks-a100-mig-7ecb2f1a", 2, 5)
    assert len(node_groups(STATUS)) == 3


def test_the_free_text_of_older_versions_has_no_groups() -> None:
    assert node_groups("Cluster-autoscaler status at 2023:\nCluster-wide:\n  Health: Healthy (ready=1)\n") == []
    assert node_groups("a: [") == []


def test_a_group_belongs_to_the_longest_pool_in_its_name() -> None:
    """Pool a100-mig has two groups: 3 of 6 nodes, so three more of eight units; a100 is at its size."""
    grows = by_pool(node_groups(STATUS), {"a100", "a100-mig", "h100"}, {"a100": 8.0, "a100-mig": 8.0})
    assert grows == {"a100-mig": Growth(CLUSTER_AUTOSCALER, 48, 24), "a100": Growth(CLUSTER_AUTOSCALER, 24, 0)}
