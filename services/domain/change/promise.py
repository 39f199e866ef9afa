"""What a change should do to what is paid per day, and where in the books that will be seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Promise:
    """The money a change speaks of.

    ``micro_per_day``: by how many micro-dollars a day should cost more, at the prices of the moment of planning;
    negative where it saves, None where no price is known. ``of`` names the part of the books it is measured on:
    columns of the facts of cost (services.domain.cost: cluster, kind, namespace, workload, pool …) and their values.
    """

    micro_per_day: int | None
    of: Mapping[str, str] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {"micro_per_day": self.micro_per_day, "of": dict(self.of)}

    def taken_back(self) -> "Promise":
        """What undoing the change promises."""
        return Promise(None if self.micro_per_day is None else -self.micro_per_day, self.of)


def of(stored: Mapping[str, Any] | None) -> Promise | None:
    """From JSON; None for a plan that promises nothing."""
    return None if stored is None else Promise(stored["micro_per_day"], stored["of"])
