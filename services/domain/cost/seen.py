"""What a node or a pod is, as far as its cost goes, from its Kubernetes object."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.domain import inventory
from services.domain.cost import TICKS, keys
from services.domain.objects import Generic, Node, Pod

Place = tuple[str, str, str, str, str, str, str]
"""Values of :data:`services.domain.cost.PLACES` without its number."""


@dataclass(frozen=True)
class NodeState:
    """A node for as long as it stays like this; see :data:`services.domain.cost.NODE_SPANS`."""

    node: str
    place: int
    gpus: int
    out: int
    remainder: int
    closed: bool


@dataclass(frozen=True)
class Stock:
    """GPU nodes by uid, and the places they are in by number."""

    states: Mapping[str, NodeState]
    places: Mapping[int, Place]


def stock(
    cluster: str, objects: Sequence[Node], *, instance_gpus: Mapping[str, int], slices: Sequence[Generic] = ()
) -> Stock:
    """The GPU nodes among ``objects``; arguments as of :func:`services.domain.inventory.nodes`.

    A node counts with the GPUs it should have, so that one whose driver is not up yet, or lost a GPU, costs as much as
    it does: what is not offered is out.
    """
    frame, _ = inventory.nodes(cluster, objects, instance_gpus=instance_gpus, slices=slices)
    uids = {node.metadata.name: node.metadata.uid for node in objects}
    states: dict[str, NodeState] = {}
    places: dict[int, Place] = {}
    for row in frame.itertuples(index=False):
        place = (
            cluster,
            str(row.pool),
            str(row.model),
            str(row.instance_type),
            str(row.capacity_type),
            str(row.region),
            str(row.zone),
        )
        number = keys.place(*place)
        places[number] = place
        states[uids[str(row.node)]] = NodeState(
            node=str(row.node),
            place=number,
            gpus=math.ceil(_known(row.gpus) - 1e-9),
            out=round((_known(row.unhealthy) + _known(row.missing)) * TICKS),
            remainder=round(_known(row.remainder) * TICKS),
            closed=not (row.ready and row.schedulable),
        )
    return Stock(states, places)


def _known(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    return 0.0 if math.isnan(number) else number


def held_from(pod: Pod) -> datetime | None:
    """When it was bound to its node; None while it is not, as far as its object tells.

    The scheduler counts its units as taken from then on, whether its containers run yet or not.
    """
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "True":
            return condition.last_transition_time or pod.status.start_time
    return pod.status.start_time


def held_until(pod: Pod) -> datetime | None:
    """When a finished pod gave its units back: with the end of its last container. None when its object says not."""
    if not finished(pod):
        return None
    ends = [
        status.state.terminated.finished_at
        for status in (*(pod.status.container_statuses or ()), *(pod.status.init_container_statuses or ()))
        if status.state is not None and status.state.terminated is not None
    ]
    return max((end for end in ends if end is not None), default=None)


def finished(pod: Pod) -> bool:
    """Whether it holds nothing any more, though its object is still there."""
    return pod.status.phase in ("Succeeded", "Failed")


def chosen(labels: Mapping[str, str] | None, wanted: Iterable[str]) -> str:
    """Of a pod's labels those costs are kept by, as :func:`services.domain.cost.keys.labels` writes them."""
    given = labels or {}
    return keys.labels({name: given[name] for name in wanted if name in given})
