"""Prices OpenCost works out (``pkg/costmodel/metrics.go``)."""

from services.domain.counters.counter import Counter

# scraped without honorLabels its ``instance``, which is the node too, is renamed
_NODE = {"node": ("node", "exported_instance")}

OPENCOST = (
    Counter(
        "node_price",
        "node_total_hourly_cost",
        "US dollars an hour OpenCost counts a whole node at",
        _NODE,
        level="mean",
    ),
    Counter(
        "gpu_price",
        "node_gpu_hourly_cost",
        "US dollars an hour OpenCost counts one GPU of a node at",
        _NODE,
        level="mean",
    ),
)
