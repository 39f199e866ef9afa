"""The demo's world twice: as the demo answers for it, and as a real Prometheus that scraped its exporters."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.adapters.prometheus import PrometheusMetrics
from services.demo import openmetrics
from services.demo.metrics import DemoMetrics
from services.demo.world import World
from services.ports import Metrics
from services.settings import MetricsAccess
from tests.integration.prom_server import backfill, prometheus

END = datetime(2026, 6, 3, 12, tzinfo=UTC)
SPAN = timedelta(hours=2)
STEP = timedelta(minutes=5)
CLUSTERS = ("demo-east", "demo-west")


@dataclass(frozen=True)
class Estate:
    """One cluster seen from both sides."""

    demo: Metrics
    real: Metrics


def now() -> datetime:
    return END


@contextlib.contextmanager
def estate(folder: Path, cluster: str, *, honor_labels: bool = False) -> Iterator[Estate]:
    """Both sources for the two hours up to :data:`END`, sampled every minute."""
    world = World()
    text = folder / "exporters.om"
    with text.open("w") as file:
        openmetrics.write(world, cluster, END - SPAN, END, timedelta(minutes=1), file, honor_labels=honor_labels)
    backfill(text, folder)
    text.unlink()
    with prometheus(folder) as url:
        real = PrometheusMetrics(cluster, MetricsAccess(url, scrape_interval_s=60.0), clock=now)
        try:
            yield Estate(DemoMetrics(world.sites[cluster], now), real)
        finally:
            real.close()
