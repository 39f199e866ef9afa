"""Images that are put on the nodes of a pool before a pod needs them.

An image is *kept* on a pool while something made here pulls it to every node that joins: a DaemonSet whose init
containers run each image once, or an ImagePullJob of OpenKruise for each image. What is on a node is told by the node's
own list of images (:mod:`services.domain.startup.holdings`), never by the state of what pulls.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from services.domain.headroom import INSTANCE, POOL
from services.domain.startup.imagenames import canonical

__all__ = ["DAEMONSET", "INSTANCE", "JOB", "MOST_IMAGES", "NAMESPACE", "OURS", "POOL", "PrepullParams",
           "container_name", "job_name", "name", "ours"]  # fmt: skip

NAMESPACE = "gpu-prepull"
OURS = {"app.kubernetes.io/managed-by": "gpu-fleet-console", "app.kubernetes.io/part-of": NAMESPACE}
"""Labels of everything made here."""
MOST_IMAGES = 20
"""A pool keeps no more: they are pulled one after another, and none of them is removed when the disk fills."""
DAEMONSET, JOB = "daemonset", "job"
_PULLING = "pull-"


@dataclass(frozen=True)
class PrepullParams:
    """Which images a pool is to keep, or, with ``remove``, no longer; without any, ``remove`` means all of the pool.

    ``sizes`` are bytes by image known from recorded pulls, for images no node lists. ``parallel`` is how many nodes
    pull at a time, 0 for a share of the pool. ``secret_name`` is a pull secret in :data:`NAMESPACE`. ``tool`` replaces
    :data:`services.domain.prepull.objects.TOOL`. ``method`` "auto" takes OpenKruise where it runs on the pool's nodes.
    """

    cluster: str
    pool: str
    images: tuple[Annotated[str, msgspec.Meta(max_length=400)], ...] = ()
    remove: bool = False
    sizes: Mapping[str, float] = field(default_factory=dict)
    parallel: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    secret_name: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?)?$")] = ""
    tool: Annotated[str, msgspec.Meta(max_length=400)] = ""
    method: Literal["auto", "daemonset", "job"] = "auto"


def ours(labels: Mapping[str, str] | None) -> bool:
    """Whether an object was made here."""
    return all((labels or {}).get(key) == value for key, value in OURS.items())


def name(pool: str) -> str:
    """Name of the DaemonSet that keeps images on a pool; one for each pool, so that a node gets one pod."""
    plain = f"prepull-{pool}"
    clean = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    if clean == plain and len(clean) <= 52:
        return clean
    return f"{clean[:45].rstrip('-')}-{_digest(pool, 6)}"


def job_name(pool: str, image: str) -> str:
    """Name of the ImagePullJob that keeps an image on a pool; the same for every spelling of the image's name."""
    return f"{name(pool)}-{_digest(canonical(image), 8)}"


def container_name(image: str) -> str:
    """Name of the container that pulls an image."""
    return _PULLING + _digest(canonical(image), 10)


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
