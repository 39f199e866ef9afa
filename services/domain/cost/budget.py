"""A budget: how much may be spent on what, how often it begins anew, and who is told when."""

from dataclasses import dataclass, field

from services.domain.cost.periods import Calendar

SCOPES = ("fleet", "cluster", "team", "namespace", "label", "model", "provider")
"""What a budget can be for. ``model`` is a GPU model, ``provider`` one of API spend; the others are GPU money."""

THRESHOLDS = (0.5, 0.8, 1.0)


@dataclass(frozen=True)
class Budget:
    """One budget. ``value`` names the team, namespace, … ("key=value" of a label; "" of the fleet).

    ``thresholds`` are shares of ``amount_micro`` per period (0..), ``projected`` also tells when the landing will be
    above it. ``channel`` is the name of a notification channel, "" for none. ``revision`` grows with every change.
    """

    id: str
    name: str
    scope: str
    amount_micro: int
    value: str = ""
    calendar: Calendar = field(default_factory=Calendar)
    thresholds: tuple[float, ...] = THRESHOLDS
    projected: bool = True
    owner: str = ""
    channel: str = ""
    revision: int = 0
