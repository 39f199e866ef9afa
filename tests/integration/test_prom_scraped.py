"""A Prometheus that scrapes by itself: staleness as it is in life, which backfilled data cannot show."""

from datetime import UTC, datetime

from services.adapters.prometheus import PrometheusMetrics
from services.domain.signals import Query
from services.settings import MetricsAccess
from tests.integration.prom_server import prometheus, wait_until
from tests.integration.replay import Reply, replaying

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: dcgm-exporter
    static_configs:
      - targets: ["{target}"]
        labels: {{namespace: gpu-operator, pod: nvidia-dcgm-exporter-x7k2p, container: exporter}}
"""


def exposition(pod: str) -> bytes:
    labels = f'gpu="0",UUID="G1",modelName="NVIDIA L4",Hostname="n1",namespace="team-a",pod="{pod}",container="c"'
    return f"# TYPE DCGM_FI_DEV_POWER_USAGE gauge\nDCGM_FI_DEV_POWER_USAGE{{{labels}}} 58.0\n".encode()


def test_a_gpu_changes_hands_at_the_next_scrape_and_vanishes_with_its_node(tmp_path):
    """Takes about five seconds: three scrapes of a second each."""
    said = {"body": exposition("first")}

    def holders(metrics: PrometheusMetrics) -> dict[str, tuple[float, float]]:
        frame = metrics.instant(Query("power", ("pod",)), datetime.now(UTC)).frame
        return dict(zip(frame["pod"], zip(frame["value"], frame["weight"], strict=True), strict=True))

    def answer(_: object) -> Reply:
        return Reply(200, said["body"], {"Content-Type": "text/plain; version=0.0.4"})

    with (
        replaying(answer) as exporter,
        prometheus(tmp_path, lookback="5m", config=CONFIG.format(target=exporter.url.removeprefix("http://"))) as url,
    ):
        metrics = PrometheusMetrics("prometheus", MetricsAccess(url), clock=lambda: datetime.now(UTC))
        try:
            wait_until(lambda: metrics.coverage().has("power"), "the first scrape", seconds=20)
            wait_until(lambda: holders(metrics) == {"first": (58.0, 1.0)}, "the first pod", seconds=20)
            said["body"] = exposition("second")
            wait_until(lambda: "second" in holders(metrics), "the second pod", seconds=20)
            assert holders(metrics) == {"second": (58.0, 1.0)}  # not both for the five minutes of the lookback
            said["body"] = b""
            wait_until(lambda: holders(metrics) == {}, "the GPU to vanish", seconds=20)
        finally:
            metrics.close()
