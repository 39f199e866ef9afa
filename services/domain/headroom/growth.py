"""Whether a pool grows by itself, and how far: Karpenter's NodePools and the Cluster Autoscaler's status."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from services.domain.headroom.room import quantity
from services.domain.objects import Generic
from services.domain.units import is_gpu_resource

KARPENTER, CLUSTER_AUTOSCALER = "Karpenter", "Cluster Autoscaler"


@dataclass(frozen=True)
class Growth:
    """How a pool grows in units of one resource.

    ``by`` is the autoscaler, "" when there is none. ``limit`` is the most units the pool may have and ``more`` how many
    may still be added: infinite without a limit, NaN when it cannot be told.
    """

    by: str = ""
    limit: float = math.nan
    more: float = math.nan


@dataclass(frozen=True)
class NodeGroup:
    """One group in the Cluster Autoscaler's status; sizes in nodes."""

    name: str
    target: int
    most: int


def karpenter(pools: Iterable[Generic], resource: str, held: Mapping[str, float]) -> dict[str, Growth]:
    """Growth by NodePool. ``held`` are the units each pool's nodes have, where its status does not say.

    A pool with ``spec.replicas`` is static: Karpenter keeps its size.
    """
    found = {}
    for pool in pools:
        spec, status = _mapping(pool.spec), _mapping(pool.status)
        name = pool.metadata.name
        if spec.get("replicas") is not None:
            continue
        limits = _mapping(spec.get("limits"))
        limit = limits.get(resource)
        if limit is None:
            # A limit on whole GPUs binds their instances too, but does not say how many.
            free = math.nan if any(is_gpu_resource(key) for key in limits) else math.inf
            found[name] = Growth(KARPENTER, free, free)
            continue
        has = _mapping(status.get("resources")).get(resource)
        used = held.get(name, 0.0) if has is None else quantity(str(has))
        most = quantity(str(limit))
        found[name] = Growth(KARPENTER, most, max(most - used, 0.0))
    return found


def node_groups(text: str) -> list[NodeGroup]:
    """The groups in ``cluster-autoscaler-status``; none when it is the free text of versions before 1.30."""
    try:
        body = YAML(typ="safe").load(text)
    except YAMLError:
        return []
    groups = _mapping(body).get("nodeGroups")
    found = []
    for group in groups if isinstance(groups, Sequence) and not isinstance(groups, str) else ():
        health = _mapping(_mapping(group).get("health"))
        try:
            found.append(NodeGroup(str(group["name"]), int(health["cloudProviderTarget"]), int(health["maxSize"])))
        except (KeyError, TypeError, ValueError):
            continue
    return found


def by_pool(groups: Iterable[NodeGroup], pools: Collection[str], per_node: Mapping[str, float]) -> dict[str, Growth]:
    """Growth by pool; a group belongs to the longest pool name that stands in its name ("eks-<pool>-<id>").

    ``per_node`` are units of the resource on one node of each pool.
    """
    sizes: dict[str, tuple[int, int]] = {}
    for group in groups:
        named = [pool for pool in pools if re.search(rf"(?<![a-z0-9]){re.escape(pool)}(?![a-z0-9])", group.name)]
        if named:
            pool = max(named, key=len)
            target, most = sizes.get(pool, (0, 0))
            sizes[pool] = (target + group.target, most + group.most)
    return {
        pool: Growth(CLUSTER_AUTOSCALER, most * each, max(most - target, 0) * each)
        for pool, (target, most) in sizes.items()
        for each in (per_node.get(pool, math.nan),)
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
