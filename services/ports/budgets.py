"""The record of budgets, of what happened at their thresholds, and of advice somebody set aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.domain.cost.budget import Budget


@dataclass(frozen=True)
class BudgetChange:
    """One change of a budget; ``budget`` None when it was removed."""

    id: str
    revision: int
    at: datetime
    actor: str
    budget: Budget | None


@dataclass(frozen=True)
class Crossing:
    """A budget crossed a threshold: once per budget, period and ``threshold`` ("0.8", "projected")."""

    budget: str
    period_begin: datetime
    threshold: str
    at: datetime
    spent_micro: int
    amount_micro: int


@dataclass(frozen=True)
class Dismissal:
    """Advice set aside by its key until some day, and why."""

    key: str
    title: str
    reason: str
    until: datetime
    at: datetime
    actor: str


class Budgets(Protocol):
    """Budgets inside one unit of work."""

    def all(self) -> Sequence[Budget]:
        """Those that are in force, by name."""
        ...

    def save(self, budget: Budget, *, at: datetime, actor: str) -> Budget:
        """Write a budget whose ``revision`` is the one that was read (0: new); with its new one. Raises Conflict."""
        ...

    def remove(self, id: str, *, revision: int, at: datetime, actor: str) -> None:
        """Remove a budget; its history stays. Raises Conflict."""
        ...

    def history(self, id: str = "") -> Sequence[BudgetChange]:
        """Changes of one budget or of all, newest first."""
        ...

    def cross(self, crossing: Crossing) -> bool:
        """Note a crossing; False when it was noted before, and nothing changes."""
        ...

    def crossings(self, since: datetime) -> Sequence[Crossing]:
        """Crossings noted since then, newest first."""
        ...

    def dismiss(self, dismissal: Dismissal) -> None:
        """Set advice aside, in place of an earlier dismissal of the same key."""
        ...

    def restore(self, key: str) -> bool:
        """Have advice back; False when it was not set aside."""
        ...

    def dismissed(self, now: datetime) -> Sequence[Dismissal]:
        """What is set aside now, the one that comes back first in front."""
        ...
