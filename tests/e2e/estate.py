"""A cluster and its metrics to point a live console at: the demo's objects behind HTTP, its samples in a Prometheus."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from services import demo
from services.demo import openmetrics
from services.demo.world import World
from services.domain.kinds import KINDS
from tests.apiserver import ApiServer
from tests.integration.prom_server import backfill, prometheus

CLUSTER = "demo-east"
"""The demo's cluster whose objects and samples are served. A live console knows it by a name of its own."""


@contextmanager
def api_server(at: datetime) -> Iterator[ApiServer]:
    """An API server that holds what the cluster holds at an instant."""
    with ThreadPoolExecutor(1) as pool, ApiServer(cached=True) as server:
        cluster = demo.build(clock=lambda: at, pool=pool)[CLUSTER].cluster
        for name, kind in KINDS.items():
            if kind.installed:
                server.put(name, *msgspec.to_builtins(cluster.snapshot(name).objects, str_keys=True))
        server.token = "sesame"
        yield server


@contextmanager
def metrics(folder: Path, at: datetime) -> Iterator[str]:
    """A Prometheus with the cluster's samples of the hour before an instant and some minutes after it; its address."""
    folder.mkdir()
    text = folder / "exporters.om"
    with text.open("w") as file:
        openmetrics.write(
            World(), CLUSTER, at - timedelta(hours=1), at + timedelta(minutes=10), timedelta(minutes=1), file
        )
    backfill(text, folder)
    text.unlink()
    with prometheus(folder) as url:
        yield url


def size(at: datetime) -> str:
    """How many GPUs on how many nodes the world itself knows at an instant, as Overview says it."""
    moment, roster = int(at.timestamp()), World().sites[CLUSTER].roster(int(at.timestamp()), int(at.timestamp()))
    there = (roster.node_born <= moment) & (roster.node_gone > moment)
    with_gpus = set(roster.gpu_node.tolist())
    nodes = [row for row in range(len(there)) if there[row] and row in with_gpus]
    return f"of {int(there[roster.gpu_node].sum())} on {len(nodes)} nodes"


def this_minute() -> datetime:
    """The clock, to the minute."""
    return datetime.now(UTC).replace(second=0, microsecond=0)
