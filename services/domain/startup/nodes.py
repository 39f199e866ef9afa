"""What is remembered of a node, and how it is joined to the traces of the pods on it.

A node comes before its pod is bound, so it is remembered by name, whatever it will be used for. Of two nodes that had
the same name one after the other, the younger is remembered.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.domain import inventory, units
from services.domain.headroom import model_of
from services.domain.objects import Generic, Node
from services.domain.startup import SKEW_S
from services.domain.startup.trace import NodeSeen, Trace

TRUSTED = timedelta(hours=1)
"""A condition of a node or pod that turned True so soon after creation is taken for its first time."""
_SKEW = timedelta(seconds=SKEW_S)
_UNSAID = ("", inventory.NO_POOL, "unknown")
"""What stands for a label that is not there (yet)."""
_STREAMING = "cloud.google.com/gke-image-streaming"


def earliest(*times: datetime | None) -> datetime | None:
    """The first of the times that are known."""
    return min((one for one in times if one is not None), default=None)


def node_seen(known: NodeSeen | None, node: Node, at: datetime) -> NodeSeen:
    """What is known of a node after looking at its object."""
    meta = node.metadata
    created = meta.creation_timestamp
    if known is not None and known.created is not None and created is not None and created != known.created:
        if created < known.created:
            return known
        known = None
    seen = known or NodeSeen(meta.name)
    ready = next((one for one in node.status.conditions or () if one.type == "Ready" and one.status == "True"), None)
    offers = offered(node)
    labels = meta.labels or {}
    pool = next((labels[key] for key in inventory.POOL_LABELS if labels.get(key)), "")
    capacity_type = inventory.capacity_type(labels)
    found = msgspec.structs.replace(
        seen,
        seen=earliest(seen.seen, at),
        created=created or seen.created,
        offers=_first(dict.fromkeys(offers, at), seen.offers),
        pool=pool or seen.pool or inventory.NO_POOL,
        zone=labels.get("topology.kubernetes.io/zone") or seen.zone,
        model=model_of(node) or seen.model,
        instance=labels.get("node.kubernetes.io/instance-type") or seen.instance,
        capacity_type=capacity_type if capacity_type != "unknown" else seen.capacity_type or capacity_type,
        streaming=seen.streaming or labels.get(_STREAMING) == "true",
        holds=_images(node) if offers else seen.holds,
    )
    if ready is None or ready.last_transition_time is None:
        return became_ready(found, None, exact=True)
    soon = created is not None and ready.last_transition_time - created <= TRUSTED
    return became_ready(found, ready.last_transition_time, exact=soon)


def offered(node: Node) -> frozenset[str]:
    """The GPU resources a node has for pods now."""
    there = (node.status.allocatable or {}).items()
    return frozenset(name for name, amount in there if units.is_gpu_resource(name) and units.quantity(amount) > 0)


def offering(seen: NodeSeen, resources: str) -> datetime | None:
    """When a node began to offer all that a pod asks for (:attr:`.trace.Trace.resource`), as far as that was seen.

    None when it offered them at first sight: since when is not known.
    """
    times = [seen.offers.get(name) for name in resources.split(", ")]
    last = max((one for one in times if one is not None), default=None)
    return last if None not in times and seen.seen is not None and last is not None and last > seen.seen else None


def became_ready(seen: NodeSeen, at: datetime | None, *, exact: bool) -> NodeSeen:
    """With one more statement of when it was Ready; the first counts, and none from before it was created."""
    stated = [(seen.ready, not seen.ready_exact)] if seen.ready is not None else []
    if at is not None:
        stated.append((at, not exact))
    valid = [one for one in stated if seen.created is None or one[0] >= seen.created - _SKEW]
    ready, doubtful = min(valid) if valid else (None, False)
    return msgspec.structs.replace(seen, ready=ready, ready_exact=not doubtful)


def node_of(claim: Generic) -> str:
    """Name of the node a Karpenter NodeClaim has become; "" before."""
    name = _status(claim).get("nodeName")
    return name if isinstance(name, str) else ""


def claim_seen(known: NodeSeen, claim: Generic) -> NodeSeen:
    """What is known of a node after looking at its NodeClaim."""
    since = {
        str(one.get("type")): _instant(one.get("lastTransitionTime"))
        for one in _status(claim).get("conditions") or ()
        if isinstance(one, Mapping) and one.get("status") == "True"
    }
    return msgspec.structs.replace(
        known,
        claim_created=earliest(known.claim_created, claim.metadata.creation_timestamp),
        claim_registered=earliest(known.claim_registered, since.get("Registered")),
        claim_initialized=earliest(known.claim_initialized, since.get("Initialized")),
    )


def join(trace: Trace, seen: NodeSeen) -> Trace:
    """The trace with what is known of its node. Once the pod was ready only gaps are filled, and with earlier times."""
    here = trace.node
    if here is None or here.name != seen.name or not _same(trace, here, seen):
        return trace
    ready = trace.conditions.get("Ready")
    joined = msgspec.structs.replace(
        seen if ready is None else _filled(here, seen),
        holds=here.holds,
        streaming=here.streaming or seen.streaming,
    )
    if ready is not None:
        early = {name: since for name, since in joined.offers.items() if since <= ready + _SKEW}
        joined = msgspec.structs.replace(joined, offers=early)
    return trace if joined == here else msgspec.structs.replace(trace, node=joined)


def holding(seen: NodeSeen | None, images: Iterable[str]) -> tuple[str, ...]:
    """Those of the images that the node lists."""
    listed = {_normal(name) for name in seen.holds} if seen else set()
    return tuple(sorted({image for image in images if image and _normal(image) in listed}))


def _same(trace: Trace, here: NodeSeen, seen: NodeSeen) -> bool:
    """Whether it can be the node the pod was bound to, and not a later one of the same name."""
    if seen.created is None or seen.created == here.created:
        return True
    bound = trace.conditions.get("PodScheduled")
    if bound is not None and seen.created > bound + _SKEW:
        return False
    return here.created is None or seen.created > here.created


def _filled(here: NodeSeen, seen: NodeSeen) -> NodeSeen:
    if here.created is None:
        return seen
    times = {
        name: earliest(getattr(here, name), getattr(seen, name))
        for name in ("seen", "claim_created", "claim_registered", "claim_initialized")
    }
    words = {
        name: getattr(seen if getattr(here, name) in _UNSAID else here, name)
        for name in ("pool", "zone", "model", "instance", "capacity_type")
    }
    filled = msgspec.structs.replace(here, **times, **words, offers=_first(here.offers, seen.offers))
    return became_ready(filled, seen.ready, exact=seen.ready_exact)


def _first(one: Mapping[str, datetime], other: Mapping[str, datetime]) -> dict[str, datetime]:
    """The earlier of two times for each name."""
    return {name: min(since for since in (one.get(name), other.get(name)) if since) for name in sorted({*one, *other})}


def _images(node: Node) -> tuple[str, ...]:
    return tuple(sorted({name for image in node.status.images or () for name in image.names or ()}))


def _normal(image: str) -> str:
    """One spelling: without Docker Hub's host and library, with a tag."""
    bare = image.removeprefix("docker.io/").removeprefix("library/")
    return bare if "@" in bare or ":" in bare.rpartition("/")[2] else f"{bare}:latest"


def _status(claim: Generic) -> Mapping[str, Any]:
    return claim.status if isinstance(claim.status, Mapping) else {}


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
