"""The budgets of the demo estate: one that holds, some that will not."""

from collections.abc import Sequence

from services.domain.cost import MICRO
from services.domain.cost.budget import Budget
from services.domain.cost.periods import Calendar


def budgets(gpus: int) -> Sequence[Budget]:
    """Budgets of an estate of so many GPUs; amounts are those of the tile of 64 in proportion."""
    month, week = Calendar("month"), Calendar("week", day=0)

    def made(name: str, scope: str, value: str, usd: float, calendar: Calendar, owner: str) -> Budget:
        amount = round(usd * gpus / 64) * MICRO
        return Budget(f"demo-{name}", name.replace("-", " ").capitalize(), scope, amount, value, calendar, owner=owner)

    return (
        made("whole-fleet", "fleet", "", 175_000, month, "Head of infrastructure"),
        made("research", "team", "research", 50_000, month, "Research lead"),
        made("assistants", "team", "assistants", 63_000, month, "Product lead"),
        made("notebooks", "namespace", "research-notebooks", 2_500, week, "Research lead"),
        made("h100", "model", "H100 80GB HBM3", 125_000, month, "Head of infrastructure"),
    )
