"""The demo estate: a simulated world that stands in for clusters and metrics sources, deterministic and labelled."""

from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime

from services.demo.cluster import DemoCluster
from services.demo.gateway import DemoGateway
from services.demo.journal import Journal, Memory
from services.demo.metrics import DemoMetrics
from services.demo.money import budgets
from services.demo.post import channels
from services.demo.world import World
from services.ports import ClusterSource, GatewayPlace

__all__ = ["Journal", "Memory", "World", "budgets", "build", "channels"]


def build(
    *,
    clock: Callable[[], datetime],
    pool: Executor,
    scenario: str = "everyday",
    gpus: int | None = None,
    seed: int = 7,
    journal: Journal | None = None,
    forbidden: Collection[tuple[str, str]] = (),
) -> dict[str, ClusterSource]:
    """The clusters of a simulated estate by name, each with its metrics source, one with a gateway.

    ``gpus`` enlarges the scenario to that many physical GPUs, ``journal`` keeps what people do to it, in memory when
    none is given; ``forbidden`` are (verb, kind) pairs its credentials lack. The demo answers from arithmetic and
    leaves ``pool`` idle. Raises WrongSetting for an unknown scenario or too few GPUs.
    """
    del pool
    world = World(scenario, seed, gpus, journal)
    found = {
        name: ClusterSource(
            name=name, cluster=DemoCluster(site, clock, forbidden=forbidden), metrics=DemoMetrics(site, clock, world)
        )
        for name, site in world.sites.items()
    }
    for plan in world.scenario.gateways:
        found[plan.cluster] = replace(
            found[plan.cluster],
            gateway=DemoGateway(world, plan, clock),
            gateway_place=GatewayPlace(plan.namespace, plan.configmap, plan.key, plan.deployment),
        )
    return found
