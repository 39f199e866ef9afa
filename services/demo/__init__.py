"""The demo estate: a simulated world that stands in for clusters and metrics sources, deterministic and labelled."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Any

from services.demo.cluster import DemoCluster
from services.demo.metrics import DemoMetrics
from services.demo.world import World
from services.ports import ClusterSource

__all__ = ["World", "build"]


def build(
    *,
    clock: Callable[[], datetime],
    pool: Executor,
    scenario: str = "everyday",
    gpus: int | None = None,
    seed: int = 7,
    journal: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
) -> dict[str, ClusterSource]:
    """The clusters of a simulated estate by name, each with its metrics source.

    ``gpus`` enlarges the scenario to that many physical GPUs, ``journal`` answers what people changed (see
    :mod:`services.demo.world`). The demo answers from arithmetic and leaves ``pool`` idle. Raises WrongSetting for an
    unknown scenario or too few GPUs.
    """
    del pool
    world = World(scenario, seed, gpus, journal)
    return {
        name: ClusterSource(name=name, cluster=DemoCluster(site, clock), metrics=DemoMetrics(site, clock))
        for name, site in world.sites.items()
    }
