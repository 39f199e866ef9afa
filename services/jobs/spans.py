"""Spans of cost as rows, and what of them is still to be written."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from services.domain import frames
from services.domain.cost import HOLD_SPANS, NODE_SPANS, OWNERS, PLACES, keys
from services.domain.cost.seen import NodeState, Place

Owner = tuple[str, str, str, str, str, str]
"""Values of :data:`services.domain.cost.OWNERS` without its number."""


class NodeSpan(NamedTuple):
    """A node as it stayed from ``begin`` to ``end``, None while it lasts."""

    uid: str
    begin: datetime
    end: datetime | None
    state: NodeState


class HoldSpan(NamedTuple):
    """What a pod held; see :data:`services.domain.cost.HOLD_SPANS`. ``pod`` is "namespace/name"."""

    pod_uid: str
    node_uid: str
    begin: datetime
    end: datetime | None
    kind: str
    owner: int
    pod: str
    ticks: int


@dataclass
class Pile:
    """Spans of one cluster that are new or changed, by their keys, and the names behind their numbers."""

    cluster: str
    nodes: dict[tuple[str, datetime], NodeSpan] = field(default_factory=dict)
    holds: dict[tuple[str, datetime], HoldSpan] = field(default_factory=dict)
    owners: dict[int, Owner] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.nodes or self.holds)

    def put(self, span: NodeSpan | HoldSpan) -> None:
        """Have a span written, in place of what was put of it before. One that ends before it begins is none.

        One that lasts no time is written: it may have been said to last.
        """
        if span.end is not None and span.end < span.begin:
            return
        if isinstance(span, NodeSpan):
            self.nodes[span.uid, span.begin] = span
        else:
            self.holds[span.pod_uid, span.begin] = span

    def owned_by(self, owner: Owner) -> int:
        """The number of an owner, whose name is written with the spans."""
        number = keys.owner(*owner)
        self.owners[number] = owner
        return number

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """NODE_SPANS, HOLD_SPANS, OWNERS and PLACES."""
        nodes = [
            (self.cluster, uid, begin, end, one.node, one.place, one.gpus, one.out, one.remainder, one.closed)
            for uid, begin, end, one in self.nodes.values()
        ]
        holds = [
            (self.cluster, one.pod_uid, one.node_uid, one.begin, one.end, one.kind, one.owner, one.pod, one.ticks)
            for one in self.holds.values()
        ]
        owners = [(number, *owner) for number, owner in self.owners.items()]
        places = [(number, *place) for number, place in self.places.items()]
        return (
            frames.table(NODE_SPANS, nodes),
            frames.table(HOLD_SPANS, holds),
            frames.table(OWNERS, owners),
            frames.table(PLACES, places),
        )

    def clear(self) -> None:
        """All of it is written."""
        self.nodes, self.holds, self.owners, self.places = {}, {}, {}, {}


def read(nodes: pd.DataFrame, holds: pd.DataFrame) -> tuple[dict[str, NodeSpan], dict[str, HoldSpan]]:
    """Spans that last, by the uid of their node or pod, from frames as :meth:`Pile.frames` makes them."""
    of_nodes = {
        uid: NodeSpan(uid, begin.to_pydatetime(), None, NodeState(*state))
        for uid, begin, *state in _rows(nodes, "uid", "begin", "node", "place", "gpus", "out", "remainder", "closed")
    }
    of_pods = {
        uid: HoldSpan(uid, node, begin.to_pydatetime(), None, *what)
        for uid, node, begin, *what in _rows(holds, "pod_uid", "node_uid", "begin", "kind", "owner", "pod", "ticks")
    }
    return of_nodes, of_pods


def _rows(frame: pd.DataFrame, *columns: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(frame[name].tolist() for name in columns), strict=True)
