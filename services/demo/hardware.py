"""The machines of the simulated estate: GPU models, MIG profiles and instance types, with their real figures.

GPU memory, power limits and MIG geometry: NVIDIA data sheets and the MIG user guide; instance sizes: the AWS EC2 pages
for P5, P4de, G4dn, G6 and M6i. Idle power and reserved memory are typical readings.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuModel:
    """One GPU model. Memory in MiB, power in watts; ``profiling`` says whether DCGM's profiling counters are there."""

    name: str  # DCGM's modelName
    memory_mib: int
    reserved_mib: int
    idle_w: float
    limit_w: float
    family: str
    compute: tuple[int, int]
    short: str  # Karpenter's instance-gpu-name
    profiling: bool
    row_remap: bool  # HBM and GDDR6 from Ampere on
    mig: bool
    clock_mhz: int
    slices: int = 7

    @property
    def product(self) -> str:
        """The value of the label ``nvidia.com/gpu.product`` without sharing or MIG suffix."""
        return self.name.replace(" ", "-")


@dataclass(frozen=True)
class Instance:
    """One instance type; ``gpus`` of ``model`` each, memory in GiB."""

    name: str
    cpus: int
    memory_gib: int
    gpus: int = 0
    model: GpuModel | None = None

    @property
    def family(self) -> str:
        """The part before the dot."""
        return self.name.split(".", maxsplit=1)[0]


@dataclass(frozen=True)
class Profile:
    """One MIG profile: compute slices of the GPU's, usable memory in MiB and the first GPU instance id it is given."""

    name: str
    slices: int
    memory_mib: int
    first_id: int


H100 = GpuModel("NVIDIA H100 80GB HBM3", 81559, 551, 72.0, 700.0, "hopper", (9, 0), "h100", True, True, True, 1980)
A100 = GpuModel("NVIDIA A100-SXM4-80GB", 81920, 615, 58.0, 400.0, "ampere", (8, 0), "a100", True, True, True, 1410)
T4 = GpuModel("Tesla T4", 15360, 418, 10.0, 70.0, "turing", (7, 5), "t4", False, False, False, 1590)
L4 = GpuModel("NVIDIA L4", 23034, 451, 17.0, 72.0, "ada-lovelace", (8, 9), "l4", True, True, False, 2040)

INSTANCES = {
    instance.name: instance
    for instance in (
        Instance("p5.48xlarge", 192, 2048, 8, H100),
        Instance("p4de.24xlarge", 96, 1152, 8, A100),
        Instance("g4dn.xlarge", 4, 16, 1, T4),
        Instance("g6.12xlarge", 48, 192, 4, L4),
        Instance("g6.xlarge", 4, 16, 1, L4),
        Instance("m6i.xlarge", 4, 16),
    )
}

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("1g.10gb", 1, 9728, 7),
        Profile("2g.20gb", 2, 19968, 3),
        Profile("3g.40gb", 3, 40192, 1),
    )
}
"""Profiles of an A100 with 80 GB; 14 of a GPU's 98 multiprocessors to the slice."""
