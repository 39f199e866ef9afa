"""Small GPU fleets with known numbers, told apart in one server by the label ``cluster``."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.integration.prom_server import Series, sample, scraped

START = datetime(2026, 6, 1, 10, tzinfo=UTC)
HALF = datetime(2026, 6, 1, 11, tzinfo=UTC)
END = datetime(2026, 6, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=1)

H100 = {"modelName": "NVIDIA H100 80GB HBM3", "Hostname": "n1"}
ENGINE, BUSY, POWER = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_POWER_USAGE"


def until(end: datetime, value: float) -> Callable[[datetime], float | None]:
    """A value at every sample up to and including ``end``."""
    return lambda at: value if at <= end else None


def after(start: datetime, value: float) -> Callable[[datetime], float | None]:
    """A value at every sample later than ``start``."""
    return lambda at: value if at > start else None


def gpu(name: str, uuid: str, value: float | Callable[[datetime], float | None], **labels: str) -> Series:
    return Series(name, {"UUID": uuid, **H100, **labels}, value)


def held(pod: str, namespace: str = "team-a") -> dict[str, str]:
    return {"exported_pod": pod, "exported_namespace": namespace}


def _renamed_on(node: str, mark: str) -> list[Series]:
    return [
        one.labelled(hostname=node, UUID=one.labels["UUID"] + mark)
        for one in scraped(sample("dcgm_renamed_4_9_0"), instance="10.0.0.9:9400")
    ]


def _without(series: list[Series], *prefixes: str) -> list[Series]:
    return [one for one in series if not one.name.startswith(prefixes)]


def _louder_processes() -> list[Series]:
    """Per-process readings that sum to more than the device's, as sampling can make them."""
    return [
        Series(one.name, one.labels, 99.0) if one.name == BUSY and one.labels.get("exported_pod") == "api-0" else one
        for one in _without(scraped(sample("dcgm_timeslice_4_5_3")), "DCGM_FI_PROF")
    ]


def _windows() -> list[Series]:
    return [
        gpu(ENGINE, "G1", lambda at: 0.2 if at <= HALF else 0.8, **held("x")),
        gpu(ENGINE, "G2", after(HALF, 0.005), **held("y", "team-b")),
        gpu(POWER, "G1", 100.0, **held("x")),
        gpu(POWER, "G2", after(HALF, 50.0), **held("y", "team-b")),
        gpu("DCGM_FI_DEV_GPU_TEMP", "G1", lambda at: 40.0 if at <= HALF else 60.0, **held("x")),
        gpu("DCGM_FI_DEV_GPU_TEMP", "G2", after(HALF, 80.0), **held("y", "team-b")),
    ]


def _mixed_owners() -> list[Series]:
    old = scraped(sample("dcgm_exclusive_4_8_2"), honor=True, job="operator")
    new = scraped(sample("dcgm_mig_4_8_2"), honor=False, job="chart")
    return old + new


SCENARIOS: dict[str, list[Series]] = {
    "exclusive": scraped(sample("dcgm_exclusive_4_8_2")),
    "mig": scraped(sample("dcgm_mig_4_8_2")),
    "honored": scraped(sample("dcgm_exclusive_4_8_2"), honor=True),
    "honored-mig": scraped(sample("dcgm_mig_4_8_2"), honor=True),
    "sliced-old": scraped(sample("dcgm_timeslice_4_5_2")),
    "sliced": scraped(sample("dcgm_timeslice_4_5_3")),
    "sliced-unprofiled": _without(scraped(sample("dcgm_timeslice_4_5_3")), "DCGM_FI_PROF"),
    "sliced-loud": _louder_processes(),
    "renamed": scraped(sample("dcgm_renamed_4_9_0")),
    "captured": scraped(sample("dcgm_upstream_captured")),
    "twice": scraped(sample("dcgm_exclusive_4_8_2"))
    + scraped(sample("dcgm_exclusive_4_8_2"), job="dcgm-manual", instance="10.0.0.1:9401"),
    "upgrading": scraped(sample("dcgm_exclusive_4_8_2")) + _renamed_on("gpu-a2", "-new"),
    "both-names": scraped(sample("dcgm_exclusive_4_8_2")) + _renamed_on("gpu-a1", ""),
    "mixed-owners": _mixed_owners(),
    "windows": _windows(),
    "handover": [
        gpu(ENGINE, "G1", until(HALF, 0.5), **held("first")),
        gpu(ENGINE, "G1", after(HALF, 0.9), **held("second", "team-b")),
    ],
    "not-numbers": [
        gpu(ENGINE, "G1", 0.4, **held("x")),
        gpu(ENGINE, "G2", math.nan, **held("y")),
        gpu(ENGINE, "G3", math.inf, **held("z")),
        gpu(ENGINE, "G4", math.nan, **held("w")),
        gpu(BUSY, "G4", 60.0, **held("w")),
    ],
    "percent": [
        gpu("DCGM_FI_DEV_GPU_UTIL_RATIO", "G1", lambda at: 97.0 if at <= HALF else 1.0),
        gpu("DCGM_FI_DEV_GPU_UTIL_RATIO", "G2", 1.0, Hostname="n2"),
        gpu("DCGM_FI_DEV_GPU_UTIL_RATIO", "G3", 0.5, Hostname="n2"),
    ],
    "shared-namespace": [
        gpu(POWER, "G1", 100.0, **held("x"), vgpu="0"),
        gpu(POWER, "G1", 100.0, **held("y"), vgpu="1"),
        gpu(POWER, "G1", 100.0, **held("z", "team-b"), vgpu="2"),
        gpu(POWER, "G2", 30.0, **held("x")),
        gpu(ENGINE, "G1", 0.9, **held("x"), vgpu="0"),
        gpu(ENGINE, "G1", 0.9, **held("y"), vgpu="1"),
        gpu(ENGINE, "G1", 0.9, **held("z", "team-b"), vgpu="2"),
        gpu(ENGINE, "G2", 0.1, **held("x")),
    ],
    "odd-names": [
        Series(ENGINE, {"UUID": 'G"1', "modelName": "M", "Hostname": "a.b"}, 0.25),
        Series(ENGINE, {"UUID": "G2", "modelName": "M", "Hostname": "axb"}, 0.75),
        Series(ENGINE, {"UUID": "G3", "modelName": "M", "hostname": "c|d"}, 0.5),
        Series(ENGINE, {"UUID": "G4", "modelName": "M", "node": "plain"}, 0.125),
        Series(ENGINE, {"UUID": "G5", "modelName": "NVIDIA A30", "Hostname": "n3", "GPU_I_ID": "1",
                        "GPU_I_PROFILE": "2g.12gb+me"}, 0.5),
        Series(ENGINE, {"UUID": "G6", "modelName": "M", "Hostname": "n4", "GPU_I_ID": "1",
                        "GPU_I_PROFILE": "huge"}, 1.0),
    ],
}  # fmt: skip


def everything() -> list[Series]:
    """All scenarios, each with its name as ``cluster``."""
    also = [
        Series("kube_pod_info", {"pod": "p", "cluster": "exclusive"}, 1.0),
        Series("vllm:num_requests_running", {"model_name": "m", "cluster": "exclusive"}, 2.0),
        Series("node_cpu_seconds_total", {"cpu": "0", "cluster": "exclusive"}, 2.0),
    ]
    return also + [one.labelled(cluster=name) for name, series in SCENARIOS.items() for one in series]
