"""What dcgm-exporter writes in the simulated clusters: metric names by version, texts of values, labels of a unit.

Names, units and label order: dcgm-exporter ``etc/default-counters.csv`` and ``internal/pkg/rendermetrics`` of 4.8.2,
and the renames of its 4.9.0 release notes (``Hostname`` became ``hostname`` already in 4.8.3).
"""

from dataclasses import dataclass

from services.demo import noise
from services.demo.world import Site

NAMESPACE = "gpu-operator"
XID_TEXTS = {0: "No Error", 31: "GPU memory page fault", 79: "GPU has fallen off the bus"}


@dataclass(frozen=True)
class Family:
    """One metric family: its name before and since 4.9.0 and how it follows from a reading.

    ``reading`` is a signal, or "clock", "energy", "busy_percent", "reserved". The text is the reading times ``scale``
    (``new_scale`` since 4.9.0) with ``decimals`` places. ``whole_only``: absent on MIG instances.
    """

    old: str
    new: str
    reading: str
    scale: float = 1.0
    new_scale: float = 1.0
    decimals: int = 6
    new_decimals: int = 6
    whole_only: bool = False
    counter: bool = False


_MIB = 1.0 / 1048576.0

FAMILIES = (
    Family("DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_SM_CLOCK_HERTZ", "clock", 1.0, 1e6, 0, 0),
    Family("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_TEMP_CELSIUS", "temperature", decimals=0, new_decimals=0),
    Family("DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_BOARD_POWER_WATTS", "power"),
    Family(
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL",
        "energy",
        1000.0,
        1.0,
        0,
        counter=True,
    ),
    Family("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_UTIL_RATIO", "busy_percent", 1.0, 0.01, 0, whole_only=True),
    Family("DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR", "xid", decimals=0, new_decimals=0),
    Family("DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_FREE_BYTES", "memory_free", _MIB, 1.0, 0, 0),
    Family("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_USED_BYTES", "memory_used", _MIB, 1.0, 0, 0),
    Family("DCGM_FI_DEV_FB_RESERVED", "DCGM_FI_DEV_FB_RESERVED_BYTES", "reserved", _MIB, 1.0, 0, 0),
    Family(
        "DCGM_FI_DEV_ROW_REMAP_FAILURE", "DCGM_FI_DEV_ROW_REMAP_FAILED", "row_remap_failed", decimals=0, new_decimals=0
    ),
    Family("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", "util"),
    Family("DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_SM_UTIL_RATIO", "sm_active"),
    Family("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "DCGM_FI_PROF_TENSOR_UTIL_RATIO", "tensor_active"),
    Family("DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_PROF_DRAM_UTIL_RATIO", "memory_bandwidth"),
)


def renamed(site: Site) -> bool:
    """Whether the cluster's exporter uses the names of 4.9.0."""
    major, minor = site.plan.exporter.split(".")[:2]
    return (int(major), int(minor)) >= (4, 9)


def metric(site: Site, family: Family) -> str:
    """The family's name in a cluster."""
    return family.new if renamed(site) else family.old


def shares(site: Site) -> bool:
    """Whether the exporter runs in virtual-GPU mode: one copy of a series for each pod on a time-sliced GPU."""
    return any(pool.replicas > 1 for pool in site.plan.pools)


def exporters(site: Site, node: int) -> tuple[str, ...]:
    """The scrape jobs that cover a node slot: none, one, or two where somebody installed a second exporter."""
    if site.placement.hit("no-telemetry", node):
        return ()
    return ("dcgm-exporter", "dcgm-manual") if site.placement.hit("duplicate-exporter", node) else ("dcgm-exporter",)


def exporter_namespace(job: str) -> str:
    """Where the exporter of a scrape job runs."""
    return NAMESPACE if job == "dcgm-exporter" else "monitoring"


def exporter_pod(site: Site, node: str, job: str) -> str:
    """Name of the exporter's own pod on a node."""
    return f"{job}-{noise.suffix(noise.key(site.seed, site.name, node, job))}"


def driver(site: Site, node: int) -> str:
    """Driver version of a node slot."""
    drifted = site.placement.hit("driver-drift", node)
    return site.scenario.trouble("driver-drift").driver if drifted else site.plan.driver


def target_labels(site: Site, node: str, job: str) -> dict[str, str]:
    """Labels Prometheus adds to everything scraped from one exporter."""
    address = node.split(".", maxsplit=1)[0].removeprefix("ip-").replace("-", ".")
    return {
        "container": "exporter",
        "endpoint": "metrics",
        "instance": f"{address}:{9400 if job == 'dcgm-exporter' else 9401}",
        "job": job,
        "namespace": exporter_namespace(job),
        "pod": exporter_pod(site, node, job),
        "service": job,
    }


def device_labels(
    site: Site, place: int, uuid: str, model: str, profile: str, instance: str, node: str, version: str
) -> dict[str, str]:
    """Labels the exporter itself writes about one unit."""
    new = renamed(site)
    labels = {
        "gpu": str(place),
        "UUID": uuid,
        "pci_bus_id": f"00000000:{16 + place * 9:02X}:00.0",
        "device": f"nvidia{place}",
        "modelName": model,
    }
    if profile:
        labels |= {"GPU_I_PROFILE": profile, "GPU_I_ID": instance}
    labels["hostname" if new else "Hostname"] = node
    labels["DCGM_FI_SYSTEM_DRIVER_VERSION" if new else "DCGM_FI_DRIVER_VERSION"] = version
    return labels
