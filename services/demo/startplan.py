"""How pods start, as it is written in the scenario file: images and who delivers them, init containers, probes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RegistryPlan:
    """A registry delivers ``mb_s`` to one node, in a zone of ``zones`` that share of it."""

    name: str
    mb_s: float
    zones: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ImagePlan:
    """An image. ``gb``: sizes of its releases in turn, ``load``: what each multiplies the seconds of loading with.

    ``{n}`` in the tag is the number of the release; a new one comes every ``every_days``, by a rollout where the
    workload is a Deployment, else ``offset_days`` after the periods begin. 0: there is only one.
    """

    name: str
    repository: str
    tag: str
    gb: tuple[float, ...]
    load: tuple[float, ...] = (1.0,)
    every_days: int = 0
    offset_days: float = 0.0

    @property
    def registry(self) -> str:
        """Where it is pulled from; names without a host are Docker Hub's."""
        first = self.repository.split("/", maxsplit=1)[0]
        return first if "." in first else "docker.io"


@dataclass(frozen=True)
class InitPlan:
    """The init container of a pod; it works for ``lasts_s`` (shortest, longest)."""

    name: str
    image: str
    lasts_s: tuple[int, int]


@dataclass(frozen=True)
class StartPlan:
    """What happens from a pod's creation until it is ready. Pairs are seconds (shortest, longest).

    ``probes``: "startup", "readiness", both or none. ``always``: the image is asked for each time. ``gated``: a queue
    holds the pod back by a scheduling gate. ``restarts``, ``pull_fails``, ``never``: shares of the pods that crash once
    while loading, whose pull fails once, and that crash until they are given up.
    """

    image: str = ""
    init: InitPlan | None = None
    load_s: tuple[int, int] = (5, 20)
    probes: tuple[str, ...] = ("startup", "readiness")
    always: bool = False
    volume_s: tuple[int, int] = (0, 0)
    gated: bool = False
    restarts: float = 0.0
    pull_fails: float = 0.0
    never: float = 0.0


def start(raw: Mapping[str, Any]) -> StartPlan:
    """A workload's ``start``."""
    fields = dict(raw)
    for name in ("load_s", "volume_s", "probes"):
        if name in fields:
            fields[name] = tuple(fields[name])
    if "init" in fields:
        fields["init"] = InitPlan(**{**fields["init"], "lasts_s": tuple(fields["init"]["lasts_s"])})
    return StartPlan(**fields)


def registry(raw: Mapping[str, Any]) -> RegistryPlan:
    """An entry of ``registries``."""
    return RegistryPlan(**raw)


def image(raw: Mapping[str, Any]) -> ImagePlan:
    """An entry of ``images``."""
    return ImagePlan(**{**raw, "gb": tuple(raw["gb"]), "load": tuple(raw.get("load", (1.0,)))})
