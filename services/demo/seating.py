"""Who sits where: nodes, the units on them and the pods that hold them, as controllers and scheduler move them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.demo.estate import NodeSlot
from services.demo.lanes import RUN
from services.demo.lives import NEVER
from services.demo.workloads import Work

Event = Callable[[int], None]
"""What happens at a time, which it is given."""

GPU = "nvidia.com/gpu"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


@dataclass(eq=False)
class Unit:
    """A GPU or a MIG instance. ``gpu`` is its place on the node, ``base`` its slot in the estate, -1 when new."""

    gpu: int
    profile: str
    instance: str
    base: int = -1
    born: int = -NEVER
    gone: int = NEVER

    @property
    def resource(self) -> str:
        """What pods ask for to get it."""
        return f"nvidia.com/mig-{self.profile}" if self.profile else GPU


@dataclass(eq=False)
class Cell:
    """One replica of a unit: what a pod is given. ``slot`` is its slot in the placement, -1 when new.

    ``offered`` false: the device plugin no longer sells it, though a pod may still hold it.
    """

    unit: Unit
    replica: int
    slot: int = -1
    resource: str = GPU
    offered: bool = True
    stay: "Stay | None" = None
    host: "Host | None" = None


@dataclass(frozen=True)
class Face:
    """What a node shows from a time on. A label of None is removed; ``crash`` names what the plugin has not got."""

    at: int
    capacity: Mapping[str, str]
    allocatable: Mapping[str, str]
    labels: Mapping[str, str | None]
    crash: str = ""


@dataclass(eq=False)
class Host:
    """One node. Pods can be bound from ``usable`` to ``gone``, unless it is ``closed`` (cordoned) or ``down``."""

    slot: NodeSlot
    name: str
    born: int
    gone: int
    usable: int
    labels: dict[str, str]
    cells: list[Cell]
    units: list[Unit] = field(default_factory=list)  # those that are there and those that were
    broken: int = 0  # GPUs the device plugin calls unhealthy
    closed: bool = False
    down: bool = False
    taints: Sequence[Mapping[str, Any]] = ()
    faces: list[Face] = field(default_factory=list)
    turn: int = 0  # of its configuration: what an earlier turn had planned is off

    @property
    def added(self) -> bool:
        """Whether the autoscaler added it."""
        return bool(self.slot.name)

    @property
    def resources(self) -> dict[str, int]:
        """Units the device plugin offers."""
        return dict(Counter(cell.resource for cell in self.cells if cell.offered))

    def held(self) -> bool:
        """Whether any pod holds a unit."""
        return any(cell.stay for cell in self.cells)

    def open(self, at: int, tolerations: Sequence[Mapping[str, Any]], wanted: "Wanted") -> bool:
        """Whether the scheduler may bind such a pod here."""
        there = self.usable <= at < self.gone and not self.closed and not self.down
        return there and wanted.matches(self.labels) and all(tolerated(taint, tolerations) for taint in self.taints)

    def free(self, resource: str) -> list[Cell]:
        """Units a pod could have, best spread first; fewer than are empty while pods hold more than is offered."""
        own = [cell for cell in self.cells if cell.resource == resource]
        empty = sorted(
            (cell for cell in own if cell.offered and cell.stay is None), key=lambda cell: (cell.replica, cell.unit.gpu)
        )
        room = sum(cell.offered for cell in own) - sum(cell.stay is not None for cell in own)
        return empty[: max(room, 0)]

    def face(self, at: int) -> Face | None:
        """What it shows at a time; None while it shows what the scenario says."""
        return next((face for face in reversed(self.faces) if face.at <= at), None)


@dataclass(frozen=True)
class Wanted:
    """Which nodes a pod may be on: its node selector and required node affinity."""

    selector: Mapping[str, str] = field(default_factory=dict)
    terms: Sequence[Mapping[str, Any]] = ()

    @staticmethod
    def of(spec: Mapping[str, Any]) -> "Wanted":
        """Of a pod's spec."""
        affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
            "requiredDuringSchedulingIgnoredDuringExecution"
        ) or {}
        return Wanted(spec.get("nodeSelector") or {}, tuple(affinity.get("nodeSelectorTerms") or ()))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels will do."""
        if any(labels.get(name) != value for name, value in self.selector.items()):
            return False
        return not self.terms or any(
            all(_holds(one, labels) for one in term.get("matchExpressions") or ()) for term in self.terms
        )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    found, values = labels.get(expression["key"]), expression.get("values") or ()
    return {
        "In": found in values,
        "NotIn": found not in values,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }.get(expression["operator"], False)


def tolerated(taint: Mapping[str, Any], tolerations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a pod with these tolerations may be bound in spite of the taint."""
    if taint.get("effect") == "PreferNoSchedule":
        return True
    for one in tolerations:
        fits = one.get("effect") in (None, "", taint.get("effect")) and one.get("key") in (None, "", taint.get("key"))
        if fits and (one.get("operator") == "Exists" or (one.get("value") or "") == (taint.get("value") or "")):
            return True
    return False


@dataclass(eq=False)
class Stay:
    """One pod from its creation to its end; times as in :class:`services.demo.lanes.Pods`.

    ``cells`` is what it holds or held. ``home`` are the cells its timetable gives it, ``lane`` that timetable's lane
    (-1: none). ``lasts`` is how long it is bound (0: until ``until``), ``kept`` how long it is there afterwards. What
    depends on images (``init_there``, ``there``, ``started``, ``ready``) is known when the replay is over
    (:mod:`services.demo.settling`).
    """

    work: Work
    lane: int
    replica: int
    cycle: int
    key: int
    created: int
    priority: int
    until: int = NEVER
    lasts: int = 0
    kept: int = 0
    failed: bool = False
    fate: int = RUN
    home: tuple[Cell, ...] = ()
    cells: tuple[Cell, ...] = ()
    scheduled: int = NEVER
    init_there: int = NEVER
    there: int = NEVER
    started: int = NEVER
    ready: int = NEVER
    ended: int = NEVER
    gone: int = NEVER
    host: Host | None = None
    host_name: str = ""  # of the node it is or was on
    preempted_by: "Stay | None" = None
    bound_first: int = NEVER  # when its timetable binds it
    moved: bool = False  # no longer as the timetable has it

    def over(self, at: int) -> bool:
        """Whether it has ended."""
        return self.ended <= at
