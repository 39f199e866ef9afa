"""Which nodes hold which image, as far as they say."""

from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from services.domain import frames
from services.domain.objects import Node, NodeImage
from services.domain.startup.imagenames import canonical, parsed

LISTED = 50
"""Images a kubelet lists, the largest first, unless it is told otherwise (``nodeStatusMaxImages``)."""
NAMED = 5
"""Names a kubelet lists of one image; digests come before tags."""

HOLDINGS = {
    "cluster": "str",
    "image": "str",  # canonical
    "holding": "int64",  # nodes that list it
    "lacking": "int64",  # nodes that do not have it
    "unknown": "int64",  # nodes whose list does not tell
    "size_bytes": "float64",  # as nodes list it; NaN when none does
}
"""One row per image asked for. The three numbers sum to the nodes given."""


def holdings(
    cluster: str, nodes: Iterable[Node], images: Collection[str], *, sizes: dict[str, float] | None = None
) -> pd.DataFrame:
    """Frame :data:`HOLDINGS` of these nodes. ``sizes`` (bytes by canonical name) are those known from pulls."""
    wanted = sorted({canonical(image) for image in images if image})
    if not wanted:
        return frames.empty(HOLDINGS)
    listings = [_Listing(node.status.images or ()) for node in nodes]
    rows = []
    for image in wanted:
        stated = [listing.sizes[image] for listing in listings if image in listing.sizes]
        size = max([*stated, (sizes or {}).get(image, 0.0)])
        answers = [listing.has(image, size) for listing in listings]
        told = answers.count(None)
        held = answers.count(True)
        rows.append((cluster, image, held, len(answers) - held - told, told, size if size > 0 else None))
    return frames.table(HOLDINGS, rows)


class _Listing:
    """One node's list of images."""

    def __init__(self, images: Sequence[NodeImage]) -> None:
        self.number = len(images)
        self.smallest = min((one.size_bytes or 0 for one in images), default=0)
        self.sizes: dict[str, float] = {}
        self.cut_short: set[str] = set()
        for one in images:
            names = [parsed(name) for name in one.names or ()]
            self.sizes.update((str(name), float(one.size_bytes or 0)) for name in names)
            if len(names) >= NAMED:
                self.cut_short.update(f"{name.registry}/{name.repository}" for name in names)

    def has(self, image: str, size: float) -> bool | None:
        """Whether the node has an image of ``size`` bytes (0 when not known); None when its list does not tell."""
        if image in self.sizes:
            return True
        name = parsed(image)
        if not self.number or f"{name.registry}/{name.repository}" in self.cut_short:
            return None
        if self.number >= LISTED and size <= self.smallest:
            return None
        return False
