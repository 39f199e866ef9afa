"""What can be drawn from metrics. An entry is all there is to say of a panel: words, query, unit, thresholds."""

from dataclasses import dataclass
from enum import StrEnum

from services.domain.signals import SIGNALS, Combine, Unit


class Kind(StrEnum):
    """How a panel is drawn."""

    LINES = "lines"
    STACK = "stack"  # amounts that add up


@dataclass(frozen=True)
class Panel:
    """One trend. ``signal`` is asked over the window; ``rest`` makes the value signal ÷ (signal + rest).

    ``help`` is one sentence, shown beside the title; ``target`` is drawn as a named line, in the panel's unit.
    """

    id: str
    title: str
    help: str
    signal: str
    kind: Kind = Kind.LINES
    rest: str = ""
    target: str = ""  # name of a Policy field

    @property
    def unit(self) -> Unit:
        """Unit of the values drawn."""
        return Unit.RATIO if self.rest else SIGNALS[self.signal].unit

    @property
    def combine(self) -> Combine:
        """How groups are put together."""
        return SIGNALS[self.signal].combine


_PANELS = (
    Panel(
        "utilisation",
        "Utilisation",
        "Share of time the engines of these GPUs were busy, over all of them, held or not.",
        "util",
        target="utilisation_target",
    ),
    Panel(
        "sm_active",
        "SM active",
        "Share of time the streaming multiprocessors had work: below half is rarely effective, above 80 % is good.",
        "sm_active",
    ),
    Panel(
        "tensor_active",
        "Tensor cores active",
        "Share of time the tensor cores were busy; even well-tuned training stays far below 100 %.",
        "tensor_active",
    ),
    Panel(
        "memory",
        "Memory used",
        "Framebuffer in use over what workloads can use.",
        "memory_used",
        rest="memory_free",
    ),
    Panel(
        "memory_bandwidth",
        "Memory bandwidth",
        "Share of time the memory interface was moving data; decode-heavy inference saturates here first.",
        "memory_bandwidth",
    ),
    Panel("power", "Power", "Board power, each physical GPU once.", "power", kind=Kind.STACK),
    Panel("temperature", "Hottest GPU", "Core temperature of the hottest GPU of each group.", "temperature"),
)

PANELS: dict[str, Panel] = {panel.id: panel for panel in _PANELS}
