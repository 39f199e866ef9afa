"""The stores of one cluster as lists of the structs they hold."""

from services.domain.objects import Event, Generic, Node, Pod
from services.ports import ClusterSource


def nodes(source: ClusterSource) -> list[Node]:
    """All nodes, those without GPUs among them."""
    return [one for one in source.cluster.snapshot("nodes").objects if isinstance(one, Node)]


def pods(source: ClusterSource) -> list[Pod]:
    """All pods, those that are over among them."""
    return [one for one in source.cluster.snapshot("pods").objects if isinstance(one, Pod)]


def events(source: ClusterSource) -> list[Event]:
    """Events the API server still keeps."""
    return [one for one in source.cluster.snapshot("events").objects if isinstance(one, Event)]


def all_of(source: ClusterSource, kind: str) -> list[Generic]:
    """Objects of a kind that has no struct of its own."""
    return [one for one in source.cluster.snapshot(kind).objects if isinstance(one, Generic)]
