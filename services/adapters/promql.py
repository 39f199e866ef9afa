"""PromQL text for a question: pure, no network.

Everything rests on one idea: first reduce the exporter's raw series to **one value per unit** (a whole GPU, a MIG
instance; for device-level signals the physical GPU; :mod:`.promql_units`), then aggregate.

GPU equivalents are not computed in PromQL: answers keep ``GPU_I_PROFILE`` and ``modelName`` apart, and the caller
multiplies each class of units by its fraction. That keeps queries short and reads every profile name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.adapters.promql_text import matchers_of
from services.adapters.promql_units import OWNER_DIMENSIONS, Flavour, Owners, Units, carriers_of
from services.domain.signals import DIMENSIONS, IDLE_BELOW, SIGNALS, Combine, Level, Query, Signal, Stat


@dataclass(frozen=True)
class Plan:
    """The queries that together answer a question.

    ``value`` answers by ``value_by``. With ``weighted`` it is a sum over units that has to be weighted and divided by
    ``weight``; otherwise it is the value itself. ``weight`` counts units (once for each pod, when grouped by owner) by
    ``weight_by``; "" means that every row of ``value`` is one unit. Both are dimensions; ``labels`` names the label
    each of them has in the answers ("" for none).
    """

    value: str
    weight: str
    value_by: tuple[str, ...]
    weight_by: tuple[str, ...]
    weighted: bool
    labels: Mapping[str, str]


def expand(
    query: Query,
    flavour: Flavour,
    *,
    matchers: Mapping[str, str] | None = None,
    only: Mapping[str, Sequence[str]] | None = None,
) -> Plan | None:
    """The queries for a question; None when nothing can answer it (no carrier, no owner labels, an empty choice).

    ``matchers`` go into every selector; ``only`` keeps units by dimension. Raises ValueError for an unknown dimension.
    """
    only = dict(only or {})
    unknown = set(only) - set(DIMENSIONS)
    if unknown:
        raise ValueError(f"unknown dimensions {sorted(unknown)}")
    signal = SIGNALS[query.signal]
    if signal.level is Level.GPU:
        # The physical GPU is the unit, so it has neither instance nor profile to choose by.
        chosen = [only.pop(name) for name in ("instance", "profile") if name in only]
        if any("" not in values for values in chosen):
            return None
    owned = any(name in OWNER_DIMENSIONS for name in (*query.by, *only))
    if (
        not carriers_of(signal, flavour)
        or not all(only.values())
        or (owned and (flavour.owners is Owners.NONE or "" in {v for n in OWNER_DIMENSIONS for v in only.get(n, ())}))
    ):
        return None
    units = {name: values for name, values in only.items() if name not in OWNER_DIMENSIONS}
    owners = {name: values for name, values in only.items() if name in OWNER_DIMENSIONS}
    return _Expansion(query, signal, Units(signal, flavour, matchers_of(matchers or {}), units), owners).plan()


@dataclass(frozen=True)
class _Expansion:
    query: Query
    signal: Signal
    units: Units
    owners: Mapping[str, Sequence[str]]

    def plan(self) -> Plan:
        query, units = self.query, self.units
        by_owner = any(name in OWNER_DIMENSIONS for name in query.by)
        # Units of one profile and model weigh the same: a class is what must be kept apart to weigh it later.
        kept = () if self.signal.level is Level.GPU else tuple(n for n in ("profile", "model") if n not in query.by)
        classes = (*query.by, *kept)
        values = units.values(() if by_owner else classes)
        if self.owners and not by_owner:
            values = f"({values} and on ({units.key}) {units.holders((), only=self.owners)})"
        weighted = self.signal.combine is Combine.SHARE and query.stat is not Stat.MAX
        counted = (
            f"sum by ({units.labels(classes)}) ({self._holdings()})"
            if by_owner
            else (f"count by ({units.labels(classes)}) ({values})")
        )
        weight = self._spanned("sum_over_time", counted)
        single = not by_owner and "gpu" in query.by and (self.signal.level is Level.GPU or "instance" in query.by)
        if single and query.over is None:
            return self._planned(f"max by ({units.labels(classes)}) ({values})", "", classes, classes)
        if not weighted:
            return self._planned(self._direct(values, by_owner=by_owner), weight, query.by, classes)
        measured = f"({values} < bool {IDLE_BELOW})" if query.stat is Stat.IDLE else values
        summed = self._holdings(measured) if by_owner else measured
        value = self._spanned("sum_over_time", f"sum by ({units.labels(classes)}) ({summed})")
        return self._planned(value, weight, classes, classes, weighted=True)

    def _direct(self, values: str, *, by_owner: bool) -> str:
        """The group's value itself: SUM and PEAK signals, and the largest value of any signal.

        Sums are split between the pods of a unit, so that namespaces add up to the fleet.
        """
        units, by = self.units, self.units.labels(self.query.by)
        summands = self._shares(values) if by_owner else values
        if by_owner:  # each unit once in each group, however many of the group's pods hold it
            holders = units.holders(self.query.by, only=self.owners)
            values = f"({holders} * on ({units.key}) group_left () {values})"
        if self.query.stat is Stat.MAX and self.query.over is not None:
            return self._spanned("max_over_time", f"max by ({by}) ({values})")
        if self.signal.combine is Combine.SUM:
            return self._spanned("avg_over_time", f"sum by ({by}) ({summands})")
        if self.query.over is None:
            return f"max by ({by}) ({values})"
        total, number = (self._spanned("sum_over_time", f"{one} by ({by}) ({values})") for one in ("sum", "count"))
        return f"{total} / {number}"

    def _holdings(self, measured: str = "") -> str:
        """Per unit and pod that holds it: 1, or the measured value of the unit."""
        classes = () if self.signal.level is Level.GPU else ("profile", "model")
        holders = self.units.holders((*self.query.by, *classes, *OWNER_DIMENSIONS), only=self.owners)
        return f"{holders} * on ({self.units.key}) group_left () {measured}" if measured else holders

    def _shares(self, measured: str) -> str:
        """Per unit and pod: the measured value split equally between the unit's pods."""
        key = self.units.key
        everyone = self.units.holders(OWNER_DIMENSIONS)
        return f"{self._holdings(measured)} / on ({key}) group_left () count by ({key}) {everyone}"

    def _spanned(self, function: str, expression: str) -> str:
        """The statistic over the instants ``at - over + step … at``; ``at`` must be a multiple of the step.

        Subquery instants are multiples of the step since the epoch. One millisecond less than the span leaves out the
        instant ``at - over`` on every version: Prometheus 2 includes the left end of a range, Prometheus 3 does not.
        """
        if self.query.over is None:
            return expression
        return f"{function}(({expression})[{_ms(self.query.over) - 1}ms:{_ms(self.query.step)}ms])"

    def _planned(
        self, value: str, weight: str, value_by: Sequence[str], weight_by: Sequence[str], *, weighted: bool = False
    ) -> Plan:
        labels = {name: self.units.label(name) for name in (*value_by, *weight_by)}
        return Plan(value, weight, tuple(value_by), tuple(weight_by), weighted, labels)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
