"""What can be asked of a metrics source: logical signals, and questions about them.

A signal is the project's own name for a measured quantity. Which exporter metric carries it, in which unit and with
which labels, differs by exporter version and is the adapter's business: it tries ``carriers`` in order and uses,
for each unit, the first one present. Names, units and the 4.9.0 renames: NVIDIA dcgm-exporter
``etc/default-counters.csv`` and its 4.9.0 release notes.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Unit(StrEnum):
    """Base units; formatting belongs to the pages."""

    RATIO = "ratio"  # 0..1
    BYTES = "bytes"
    WATTS = "watts"
    CELSIUS = "celsius"
    COUNT = "count"
    CODE = "code"  # an identifier that happens to be a number, such as an XID


class Combine(StrEnum):
    """How values of several units become one value of a group."""

    SHARE = "share"  # mean weighted by GPU equivalents
    SUM = "sum"
    PEAK = "peak"  # the largest


class Level(StrEnum):
    """What one series speaks of."""

    UNIT = "unit"  # a whole GPU or one MIG instance
    GPU = "gpu"  # the physical GPU; under MIG the exporter repeats it on every instance


@dataclass(frozen=True)
class Carrier:
    """An exporter metric that carries a signal: its name and the factor to the signal's base unit.

    ``whole_only``: meaningless on a MIG instance, so series with ``GPU_I_ID`` are left out.
    ``percent_guard``: some versions export this name in percent although it says ratio; values above 1.5 are percent.
    """

    metric: str
    scale: float = 1.0
    whole_only: bool = False
    percent_guard: bool = False


@dataclass(frozen=True)
class Signal:
    """A measured quantity. ``help`` is one sentence for a person; ``optional`` rows are not exported by default."""

    id: str
    title: str
    help: str
    unit: Unit
    combine: Combine
    level: Level
    carriers: tuple[Carrier, ...]
    optional: bool = False


MIB = 1048576.0

_SIGNALS = (
    Signal(
        "util",
        "GPU utilisation",
        "Share of time the GPU's engines were busy; engine active where it is collected, GPU_UTIL otherwise.",
        Unit.RATIO,
        Combine.SHARE,
        Level.UNIT,
        (
            Carrier("DCGM_FI_PROF_GR_ENGINE_ACTIVE"),
            Carrier("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"),
            Carrier("DCGM_FI_DEV_GPU_UTIL", 0.01, whole_only=True),
            Carrier("DCGM_FI_DEV_GPU_UTIL_RATIO", 1.0, whole_only=True, percent_guard=True),
        ),
    ),
    Signal(
        "sm_active",
        "SM active",
        "Share of time a streaming multiprocessor had work, averaged over all of them.",
        Unit.RATIO,
        Combine.SHARE,
        Level.UNIT,
        (Carrier("DCGM_FI_PROF_SM_ACTIVE"), Carrier("DCGM_FI_PROF_SM_UTIL_RATIO")),
        optional=True,
    ),
    Signal(
        "tensor_active",
        "Tensor cores active",
        "Share of time the tensor pipe was busy; well below 1 even in well-tuned training.",
        Unit.RATIO,
        Combine.SHARE,
        Level.UNIT,
        (Carrier("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"), Carrier("DCGM_FI_PROF_TENSOR_UTIL_RATIO")),
    ),
    Signal(
        "memory_bandwidth",
        "Memory bandwidth",
        "Share of time the memory interface was moving data.",
        Unit.RATIO,
        Combine.SHARE,
        Level.UNIT,
        (Carrier("DCGM_FI_PROF_DRAM_ACTIVE"), Carrier("DCGM_FI_PROF_DRAM_UTIL_RATIO")),
    ),
    Signal(
        "memory_used",
        "GPU memory used",
        "Framebuffer memory in use.",
        Unit.BYTES,
        Combine.SUM,
        Level.UNIT,
        (Carrier("DCGM_FI_DEV_FB_USED", MIB), Carrier("DCGM_FI_DEV_FB_USED_BYTES")),
    ),
    Signal(
        "memory_free",
        "GPU memory free",
        "Framebuffer memory not in use.",
        Unit.BYTES,
        Combine.SUM,
        Level.UNIT,
        (Carrier("DCGM_FI_DEV_FB_FREE", MIB), Carrier("DCGM_FI_DEV_FB_FREE_BYTES")),
    ),
    Signal(
        "power",
        "Power",
        "Board power, once per physical GPU.",
        Unit.WATTS,
        Combine.SUM,
        Level.GPU,
        (Carrier("DCGM_FI_DEV_POWER_USAGE"), Carrier("DCGM_FI_DEV_BOARD_POWER_WATTS")),
    ),
    Signal(
        "temperature",
        "Temperature",
        "Core temperature; of a group, its hottest GPU.",
        Unit.CELSIUS,
        Combine.PEAK,
        Level.GPU,
        (Carrier("DCGM_FI_DEV_GPU_TEMP"), Carrier("DCGM_FI_DEV_GPU_TEMP_CELSIUS")),
    ),
    Signal(
        "xid",
        "Last XID",
        "Code of the last XID error the driver reported; it stays until the next one. 0 means none.",
        Unit.CODE,
        Combine.PEAK,
        Level.GPU,
        (Carrier("DCGM_FI_DEV_XID_ERRORS"), Carrier("DCGM_FI_DEV_XID_ERROR")),
    ),
    Signal(
        "row_remap_failed",
        "Row remap failed",
        "1 when the GPU could not remap a broken memory row: it should be replaced.",
        Unit.COUNT,
        Combine.PEAK,
        Level.GPU,
        (Carrier("DCGM_FI_DEV_ROW_REMAP_FAILURE"), Carrier("DCGM_FI_DEV_ROW_REMAP_FAILED")),
    ),
)

SIGNALS: dict[str, Signal] = {signal.id: signal for signal in _SIGNALS}

DIMENSIONS = ("node", "gpu", "instance", "profile", "model", "namespace", "pod")
"""What a query may group by. ``gpu`` is the UUID of the physical GPU, ``instance`` the MIG instance on it ("" for a
whole GPU), ``profile`` its MIG profile ("" for a whole GPU), ``model`` DCGM's ``modelName``. ``namespace`` and ``pod``
are those of the workload that holds the GPU, never of the exporter."""

UNIT_KEY = ("node", "gpu", "instance", "profile", "model")
"""Grouping that keeps every unit apart."""


class Stat(StrEnum):
    """What to compute over the trailing span of a query."""

    MEAN = "mean"
    MAX = "max"
    IDLE = "idle"  # share of the time the value was below IDLE_BELOW; for ratios


IDLE_BELOW = 0.01
"""A unit is idle at an instant when its utilisation is below this ratio (1 %)."""


@dataclass(frozen=True)
class Query:
    """A question to a metrics source; what it means in PromQL is the adapter's business.

    Without ``over``: the value at an instant, or at each point of a range. With ``over`` (and ``stat``): a statistic of
    the instants ``at - over + step … at``, spaced by ``step`` (``over`` is a whole multiple of ``step``).

    The answer is a frame with one string column per entry of ``by`` and two numbers:

    - ``value`` in the signal's base unit, combined over the group's units as ``Signal.combine`` says. With ``over``:
      MEAN is the mean over the group's units and the instants at which they were seen, weighted by GPU equivalents for
      SHARE signals; for SUM signals the group's value at each instant, averaged over the instants at which the group
      was seen. MAX is the largest unit value seen. IDLE is the share (0..1) of the observed equivalent-time below
      :data:`IDLE_BELOW`.
    - ``weight`` in GPU equivalents: how many the value speaks of (a MIG instance counts its compute slices over the
      GPU's; for Level.GPU signals each physical GPU counts 1). Grouped by namespace or pod, a unit held by n pods
      counts in full for each of them, because only the inventory knows how many replicas it is sold as (weight ÷
      replicas are the equivalents held). With ``over``: the equivalents summed over the instants, divided by the
      number of instants in the whole span, so ``weight × hours(over)`` is GPU-hours, and a pod seen for a quarter of
      the span has a quarter.

    A unit's value belongs to the card: of a shared unit every holder is given the same ratio or peak; only SUM signals
    are split, equally (1/n) between the n pods on the unit at that instant, so that sums over pods add up.

    A range answer has a column ``at`` (UTC) as well. Units that do not report the signal are in neither number.
    Units nobody holds are left out when grouping by namespace or pod.
    """

    signal: str
    by: tuple[str, ...]
    over: timedelta | None = None
    stat: Stat = Stat.MEAN
    step: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise ValueError(f"unknown signal {self.signal!r}")
        unknown = set(self.by) - set(DIMENSIONS)
        if unknown:
            raise ValueError(f"unknown dimensions {sorted(unknown)}")
        if self.over is not None and self.over % self.step:
            raise ValueError("over must be a whole multiple of step")
        if self.stat is Stat.IDLE and (self.over is None or SIGNALS[self.signal].unit is not Unit.RATIO):
            raise ValueError("idle needs a span and a ratio")
