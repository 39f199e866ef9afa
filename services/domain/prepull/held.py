"""Which node of a pool has which image, and how much room there is for more."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.domain.headroom.room import quantity
from services.domain.objects import Node
from services.domain.startup.holdings import LISTED, NAMED
from services.domain.startup.imagenames import Name, canonical, parsed


@dataclass(frozen=True)
class Holding:
    """One image on the nodes of a pool, by names of nodes. ``size_bytes`` as nodes list it, or as given; NaN unknown.

    ``unknown`` are nodes whose list does not tell: it is empty, or holds the largest images only.
    """

    image: str
    size_bytes: float
    holding: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def wanting(self) -> tuple[str, ...]:
        """Nodes that may have to pull it."""
        return (*self.lacking, *self.unknown)


@dataclass(frozen=True)
class Disk:
    """The disk of a node: its size, NaN when it does not say, and what the images it lists take, in bytes."""

    node: str
    size_bytes: float
    listed_bytes: float


def look(nodes: Sequence[Node], images: Sequence[str], sizes: Mapping[str, float]) -> tuple[Holding, ...]:
    """The images, in their order, on these nodes. ``sizes`` are bytes by image, for images no node lists."""
    given = {canonical(image): float(size) for image, size in sizes.items() if size > 0}
    listings = {node.metadata.name: _listing(node) for node in nodes}
    return tuple(_holding(image, listings, given.get(canonical(image), 0.0)) for image in images)


def disk(node: Node) -> Disk:
    """The disk of a node that images go to.

    A runtime may keep images on a disk of its own, of which the API says nothing.
    """
    has = (node.status.capacity or {}).get("ephemeral-storage")
    listed = sum(float(one.size_bytes or 0) for one in node.status.images or ())
    return Disk(node.metadata.name, math.nan if has is None else quantity(has), listed)


@dataclass(frozen=True)
class _Listing:
    """What a node lists: bytes by image, their number, the smallest, and repositories of which names are left out."""

    sizes: Mapping[str, float]
    number: int
    smallest: float
    cut_short: frozenset[str]


def _listing(node: Node) -> _Listing:
    images = node.status.images or ()
    sizes: dict[str, float] = {}
    cut: set[str] = set()
    for one in images:
        names = [parsed(name) for name in one.names or ()]
        sizes.update((str(name), float(one.size_bytes or 0)) for name in names)
        if len(names) >= NAMED:
            cut.update(_repository(name) for name in names)
    return _Listing(sizes, len(images), min((one.size_bytes or 0 for one in images), default=0), frozenset(cut))


def _holding(image: str, listings: Mapping[str, _Listing], given: float) -> Holding:
    key, path = canonical(image), _repository(parsed(image))
    size = max([given, *(one.sizes[key] for one in listings.values() if key in one.sizes)])
    told: dict[str, list[str]] = {"holding": [], "lacking": [], "unknown": []}
    for node, one in listings.items():
        if key in one.sizes:
            answer = "holding"
        elif not one.number or path in one.cut_short or (one.number >= LISTED and size <= one.smallest):
            answer = "unknown"
        else:
            answer = "lacking"
        told[answer].append(node)
    return Holding(image, size or math.nan, **{answer: tuple(names) for answer, names in told.items()})


def _repository(name: Name) -> str:
    return f"{name.registry}/{name.repository}"
