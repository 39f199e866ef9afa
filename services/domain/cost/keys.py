"""Numbers that stand for owners and places: the same everywhere, so that two collectors write the same rows."""

import json
from collections.abc import Mapping
from hashlib import blake2b

NOBODY = 0
"""Owner of what is not held."""


def owner(cluster: str, namespace: str, workload_kind: str, workload: str, team: str, labels: str) -> int:
    """The number of an owner (:data:`services.domain.cost.OWNERS`)."""
    return _number("owner", cluster, namespace, workload_kind, workload, team, labels)


def place(cluster: str, pool: str, model: str, instance_type: str, capacity_type: str, region: str, zone: str) -> int:
    """The number of a place (:data:`services.domain.cost.PLACES`)."""
    return _number("place", cluster, pool, model, instance_type, capacity_type, region, zone)


def labels(found: Mapping[str, str]) -> str:
    """Labels as :data:`services.domain.cost.OWNERS` keeps them."""
    return json.dumps(dict(found), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _number(*parts: str) -> int:
    """63 bits of a hash, so that both databases can hold it; never 0."""
    text = "\x1f".join(parts).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest()) >> 1 or 1
