"""An estate small enough to work out by hand: two nodes of eight H100, three workloads, one pod that waits.

Node a: eight GPUs, all held by train/pretrain-0, each 90 % busy.
Node b: eight GPUs, one called unhealthy by the device plugin and silent. web/chat-0 holds two at 50 %, lab/notebook-0
holds four and does nothing, one is free. train/big-0 has waited 20 minutes for eight GPUs.

By hand: 16 GPUs = 14 held + 1 free + 1 out of use. Measured 15; busy 8 × 0.9 + 2 × 0.5 = 8.2; 8.2 / 15 = 54.67 %.
A p5.48xlarge in us-east-1 costs 55.04 USD per hour, one of its eight GPUs 6.88, a day of it 165.12.
"""

from datetime import datetime, timedelta

from services.ports import ClusterSource, Sources
from tests import factories
from tests.conftest import NOW, Inline
from tests.fakes import Card, HeldCluster, SteadyMetrics

GPU_DAY_USD = 165.12
GIB = 1024.0**3
_READINGS = {"memory_used": 20 * GIB, "memory_free": 60 * GIB, "power": 500.0, "temperature": 60.0, "xid": 0.0}


def cards() -> list[Card]:
    """The fifteen GPUs that report; the hottest is b-0 with 71 °C."""
    a = [Card("a", f"GPU-a-{i}", 0.9, ("train/pretrain-0",), values=_READINGS) for i in range(8)]
    hot = {**_READINGS, "temperature": 71.0}
    chat = [Card("b", f"GPU-b-{i}", 0.5, ("web/chat-0",), values=hot if i == 0 else _READINGS) for i in range(2)]
    lab = [Card("b", f"GPU-b-{i}", 0.0, ("lab/notebook-0",), values=_READINGS) for i in range(2, 6)]
    return [*a, *chat, *lab, Card("b", "GPU-b-6", 0.0, values=_READINGS)]


def objects(at: datetime = NOW) -> dict[str, list[object]]:
    """Nodes, pods and namespaces."""
    since = at - timedelta(days=2)

    def pod(name: str, namespace: str, node: str | None, gpus: int, **more: object) -> object:
        owner = ("StatefulSet", name.rpartition("-")[0], f"uid-{name}")
        units = {"nvidia.com/gpu": gpus}
        return factories.pod(name, namespace=namespace, node_name=node, units=units, owner=owner, **more)

    return {
        "nodes": [factories.node("a"), factories.node("b", allocatable={"nvidia.com/gpu": "7"})],
        "pods": [
            pod("pretrain-0", "train", "a", 8, since=since),
            pod("chat-0", "web", "b", 2, since=since),
            pod("notebook-0", "lab", "b", 4, since=since),
            pod(
                "big-0",
                "train",
                None,
                8,
                since=at - timedelta(minutes=20),
                scheduler_says="0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
            ),
        ],
        "namespaces": [
            factories.namespace("train", team="research"),
            factories.namespace("web", team="product"),
            factories.namespace("lab", team="research"),
        ],
    }


def source(name: str = "tiny", at: datetime = NOW, *, metrics: bool = True) -> ClusterSource:
    """The estate as one cluster."""
    return ClusterSource(name, HeldCluster(objects(at), at), SteadyMetrics(cards(), at) if metrics else None)  # type: ignore[arg-type]


def sources(*clusters: ClusterSource, at: datetime = NOW, mode: str = "live") -> Sources:
    """Sources of these clusters; of the tiny one when none is given."""
    given = clusters or (source(at=at),)
    return Sources(mode=mode, clusters={each.name: each for each in given}, now=lambda: at, pool=Inline())
