"""What stands beside the figures of costs wherever they go: window, rule, basis, rate card, how far they reach."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.cost.board import Beside, Board, Llm
from services.domain.cost import MICRO
from services.domain.cost.report import Step
from services.domain.scope import Scope

Facts = tuple[tuple[str, str], ...]
"""Labels and what they say, in the order to be read."""
RULE = (
    "A GPU carries its whole instance's price ÷ its GPUs, for every second its node is there. Each second of each GPU "
    "is held by a pod, warm, free, out of use or the remainder of a MIG layout; the parts sum to the total."
)
BASES = (
    "Held is what pods reserved. Used is the share of that in which the GPU worked, where somebody measured it; "
    "unmeasured is neither used nor idle. Idle: free and warm, held idle (held, measured, not used), overhead (out of "
    "use and remainder)."
)
CHANGE = (
    "Of whole days, by class (instance type, capacity type): volume is more or fewer GPU-hours at the earlier mix and "
    "prices, mix hours that moved between classes at earlier prices, price other prices for the later hours; they sum "
    "to the change."
)
LANDING = "The month's landing is a range, from the days before and their weekly rhythm."


@dataclass(frozen=True)
class Report:
    """A board as a file: ``llm`` None when its spend could not be read; ``at`` is when the figures were read."""

    board: Board
    llm: Llm | None
    by: str
    scope: str
    mode: str
    at: datetime | None

    @property
    def facts(self) -> Facts:
        """What to know about the figures."""
        return tuple(_facts(self))

    @property
    def stem(self) -> str:
        """The beginning of a file's name."""
        window = self.board.window
        return f"cost-{window.first}-{window.last}{'-demo' if self.mode == 'demo' else ''}"


def usd(micro: float) -> str:
    """Micro-dollars as money with cents."""
    return f"−${-micro / MICRO:,.2f}" if micro <= -5000 else f"${abs(micro) / MICRO:,.2f}"


def share(ratio: float | None) -> str:
    """A ratio in percent, with one decimal."""
    return "—" if ratio is None or ratio != ratio else f"{ratio * 100:.1f} %"  # noqa: PLR0124 (NaN)


def scoped(scope: Scope) -> str:
    """What part of the fleet a scope is, in words."""
    names = {"cluster": "cluster", "pool": "pool", "model": "GPU model", "namespace": "namespace", "team": "team"}
    chosen = [f"{word} {getattr(scope, name)}" for name, word in names.items() if getattr(scope, name)]
    seen = "" if scope.sees.whole else " (what your groups may see)"
    return (", ".join(chosen) or "everything") + seen


def inside(scope: Scope, path: tuple[Step, ...]) -> str:
    """A scope and the steps inside it, in words."""
    return ", ".join([scoped(scope), *(f"{dimension} {key or 'none'}" for dimension, key in path)])


def card(version: int) -> str:
    """A rate card's name."""
    return f"version {version}" if version else "none: list prices"


def prices(board: Board) -> str:
    """What the prices rest on, by the money counted with each."""
    total = int(board.bases["micro"].sum())
    said = [
        f"{basis} {share(int(micro) / total if total else None)}"
        for basis, micro in zip(board.bases["basis"], board.bases["micro"], strict=True)
    ]
    return ", ".join(said) or "no price is known"


def lacking(beside: Beside) -> tuple[str, ...]:
    """What a comparison is without, in sentences."""
    names = f"The comparison is without {', '.join(beside.without)}: not recorded in both windows."
    days = f"The comparison lacks {beside.missing} of its days: they were not recorded."
    uneven = f"{beside.now.days} days stand beside {beside.then.days}: part of the volume is their number."
    several = beside.now.days != beside.then.days
    return tuple(said for said, so in ((names, beside.without), (days, beside.missing), (uneven, several)) if so)


def local(at: datetime | None, zone: str) -> str:
    """An instant by the clock of the reporting zone."""
    return "—" if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    board = report.board
    totals = board.totals
    yield "Window", f"{board.window.text}, days of {board.zone}"
    yield "Scope", report.scope
    yield "Data through", local(board.data_through, board.zone)
    yield "Recorded since", local(board.since, board.zone)
    if board.unrecorded:
        yield "Days not recorded", f"{board.unrecorded} of {board.window.days}: unknown, not zero"
    if board.filling:
        said = ", ".join(f"{name} {share(ratio)}" for name, ratio in board.filling.items())
        yield "Being filled in", f"{said}: figures still change"
    yield "Rate card", card(board.card)
    yield "Prices", prices(board)
    yield "Measured", f"{share(totals.measured_share)} of the held money; used and held idle speak of that"
    if totals.unpriced_gpu_hours:
        yield "Without a price", f"{totals.unpriced_gpu_hours:,.1f} GPU-hours, in no total"
    yield "Rule", RULE
    yield "Held and used", BASES
    yield "Change", CHANGE
    yield "Landing", board.month.method if board.month and board.month.method else LANDING
    yield "Data", "demo estate, simulated" if report.mode == "demo" else "live"
    yield "Read at", local(report.at, board.zone)
