"""Energy of the GPUs over the days of a report, from their power draw: optional, and beside their cost."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services import metrics, snapshots
from services.domain.cost.energy import Energy, energy
from services.domain.cost.windows import Window
from services.domain.scope import Scope
from services.domain.signals import Query
from services.domain.window import HARDWARE_BUDGET
from services.merge import merged
from services.ports import ClusterSource, CostPolicy, Sources
from services.reading import Reading

LONGEST = timedelta(days=31)
"""What was longer ago is not asked for: few servers keep readings longer at a useful resolution."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Drawn:
    """``found`` by cluster, None where nobody measured; of [begin, end)."""

    found: dict[str, Energy | None]
    begin: datetime
    end: datetime

    @property
    def whole(self) -> Energy | None:
        """All clusters together; a factor that one lacks all lack."""
        known = [one for one in self.found.values() if one is not None]
        if not known:
            return None
        usd = [one.usd for one in known if one.usd is not None]
        grams = [one.grams for one in known if one.grams is not None]
        return Energy(
            gpu_hours=sum(one.gpu_hours for one in known),
            kwh=sum(one.kwh for one in known),
            usd=sum(usd) if len(usd) == len(known) else None,
            grams=sum(grams) if len(grams) == len(known) else None,
        )


def read(sources: Sources, scope: Scope, asked: Window) -> Reading[Drawn]:
    """What all GPUs of the scope's clusters drew in the days of a window that metrics can still tell of."""
    zone, now = sources.policy.cost.zone, metrics.moment(sources)
    end = _whole_hour(min(asked.end(zone), now))
    begin = max(_whole_hour(asked.begin(zone)), end - LONGEST)
    if begin >= end:
        return Reading(Drawn({}, begin, end), as_of=now)
    parts = [_of_cluster(sources, source, begin, end) for source in sources.chosen(scope.cluster)]
    return merged(
        parts, lambda found: Drawn({name: one for part in found for name, one in part.found.items()}, begin, end)
    )


def _of_cluster(sources: Sources, source: ClusterSource, begin: datetime, end: datetime) -> Reading[Drawn]:
    hours = round((end - begin) / _HOUR)
    stock = snapshots.read(sources, source).value
    gpus = 0.0 if stock is None else float(stock.nodes["gpus"].sum())
    every = next(each for each in range(1, hours + 1) if hours % each == 0 and gpus * hours / each <= HARDWARE_BUDGET)
    answer = metrics.instant(sources, source, Query("power", ("gpu",), over=end - begin, step=_HOUR * every), end)
    if answer.value is None:
        return Reading(None, answer.as_of, answer.problem, answer.absence, answer.notes)
    weight = float(answer.value["weight"].sum())
    watts = float((answer.value["value"] * answer.value["weight"]).sum()) / weight if weight else None
    found = {source.name: _energy(watts, weight * hours, sources.policy.cost)}
    return Reading(Drawn(found, begin, end), answer.as_of, answer.problem, None, answer.notes)


def _energy(watts: float | None, gpu_hours: float, policy: CostPolicy) -> Energy | None:
    factors = {"usd_per_kwh": policy.usd_per_kwh, "grams_per_kwh": policy.grams_per_kwh}
    return energy(watts, gpu_hours, pue=policy.pue, **factors)


def _whole_hour(at: datetime) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // 3600 * 3600, UTC)
