"""PromQL text for a question: pure, no network.

Everything rests on one idea: first reduce the exporter's raw series to **one value per unit** (a whole GPU, a MIG
instance; for device-level signals the physical GPU), then aggregate. Two exporters, several scrape jobs, time-slicing
copies and changing pod labels disappear in the first step.

GPU equivalents are not computed in PromQL: answers keep ``GPU_I_PROFILE`` and ``modelName`` apart, and the caller
multiplies each class of units by its fraction. That keeps queries short and reads every profile name.

Facts used: labels and units of dcgm-exporter (``render_metrics.go``, ``default-counters.csv``), PromQL's matching rules
(Prometheus docs, "Operators"), subquery instants being multiples of the step since the epoch (docs, "Basics").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.adapters.promql_text import matcher, matchers_of, quoted, selector
from services.domain.signals import DIMENSIONS, IDLE_BELOW, SIGNALS, Carrier, Combine, Level, Query, Signal, Stat

HOST_LABELS = ("Hostname", "hostname")
"""The exporter's label for the node, before and since 4.8.3. The later one wins where both are on one series."""

EXPORTER_PODS = ".*dcgm-exporter.*"
"""With honorLabels on, Prometheus adds the exporter's own pod to GPUs nobody holds; these are not owners."""

PER_PROCESS = frozenset(
    {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_UTIL_RATIO", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_USED_BYTES"}
)
"""Carriers that virtual-GPU mode exports per process as well (4.5.3-4.8.2 on), told apart by ``pod_uid``."""

PERCENT_LOOKBACK = "[1d:30m]"
"""Where a node's readings are looked at to tell percent from ratio."""

_UNIT_LABELS = {
    "node": "node",
    "gpu": "UUID",
    "instance": "GPU_I_ID",
    "profile": "GPU_I_PROFILE",
    "model": "modelName",
}
_OWNER_DIMENSIONS = ("namespace", "pod")


class Owners(StrEnum):
    """Where the pod that holds a GPU is named."""

    NONE = ""
    EXPORTED = "exported"  # honorLabels off: exported_namespace, exported_pod
    PLAIN = "plain"  # honorLabels on: namespace, pod, the exporter's own among them
    MIXED = "mixed"  # some scrape jobs this way, some that


@dataclass(frozen=True)
class Flavour:
    """What an exporter fleet looks like in one source.

    ``metrics``: carrier metrics that exist. ``labels``: label names on them. ``plain_jobs``: with MIXED owners, the
    scrape jobs with honorLabels on. ``percent``: some node exports ``DCGM_FI_DEV_GPU_UTIL_RATIO`` in percent.
    """

    metrics: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    owners: Owners = Owners.NONE
    plain_jobs: tuple[str, ...] = ()
    percent: bool = False


@dataclass(frozen=True)
class Plan:
    """The queries that together answer a question.

    ``value`` answers by ``value_by``. With ``weighted`` it is a sum over units that has to be weighted and divided by
    ``weight``; otherwise it is the value itself. ``weight`` counts units (their shares, when grouped by owner) by
    ``weight_by``; "" means that every row of ``value`` is one unit. Both are dimensions; ``labels`` names the label
    each of them has in the answers ("" for none).
    """

    value: str
    weight: str
    value_by: tuple[str, ...]
    weight_by: tuple[str, ...]
    weighted: bool
    labels: Mapping[str, str]


def carriers_of(signal: Signal, flavour: Flavour) -> tuple[Carrier, ...]:
    """The carriers of a signal that exist, in order of preference."""
    return tuple(carrier for carrier in signal.carriers if carrier.metric in flavour.metrics)


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
    owned = any(name in _OWNER_DIMENSIONS for name in (*query.by, *only))
    if (
        not carriers_of(signal, flavour)
        or not all(only.values())
        or (owned and (flavour.owners is Owners.NONE or "" in {v for n in _OWNER_DIMENSIONS for v in only.get(n, ())}))
    ):
        return None
    return _Expansion(query, signal, flavour, matchers_of(matchers or {}), only).plan()


@dataclass(frozen=True)
class _Expansion:
    query: Query
    signal: Signal
    flavour: Flavour
    matchers: tuple[str, ...]
    only: Mapping[str, Sequence[str]]

    def plan(self) -> Plan:
        query = self.query
        by_owner = tuple(name for name in query.by if name in _OWNER_DIMENSIONS)
        # Units of one profile and model weigh the same: a class is what must be kept apart to weigh it later.
        kept = () if self.signal.level is Level.GPU else tuple(n for n in ("profile", "model") if n not in query.by)
        classes = (*query.by, *kept)
        values = self._values()
        if self.only.keys() & set(_OWNER_DIMENSIONS) and not by_owner:
            values = f"({values} and on ({self._unit}) {self._holders(self.only)})"
        weighted = self.signal.combine is Combine.SHARE and query.stat is not Stat.MAX
        counted = self._shares(values) if by_owner else values
        count = "sum" if by_owner else "count"
        weight = self._spanned("sum_over_time", f"{count} by ({self._list(classes)}) ({counted})")
        single = not by_owner and "gpu" in query.by and (self.signal.level is Level.GPU or "instance" in query.by)
        if single and query.over is None:
            return self._planned(f"max by ({self._list(classes)}) ({values})", "", classes, classes, weighted=False)
        if not weighted:
            return self._planned(self._direct(values, by_owner), weight, query.by, classes, weighted=False)
        measured = f"({values} < bool {IDLE_BELOW})" if query.stat is Stat.IDLE else values
        summed = self._shares(values, measured) if by_owner else measured
        value = self._spanned("sum_over_time", f"sum by ({self._list(classes)}) ({summed})")
        return self._planned(value, weight, classes, classes, weighted=True)

    def _direct(self, values: str, by_owner: tuple[str, ...]) -> str:
        """The group's value itself: SUM and PEAK signals, and the largest value of any signal.

        Sums are split between the pods of a unit as weights are, so that namespaces add up to the fleet.
        """
        by = self._list(self.query.by)
        summands = self._shares(values, values) if by_owner else values
        if by_owner:  # each unit once in each group, however many of the group's pods hold it
            values = f"({self._holders(self.only, by_owner)} * on ({self._unit}) group_left () {values})"
        if self.query.stat is Stat.MAX and self.query.over is not None:
            return self._spanned("max_over_time", f"max by ({by}) ({values})")
        if self.signal.combine is Combine.SUM:
            return self._spanned("avg_over_time", f"sum by ({by}) ({summands})")
        if self.query.over is None:
            return f"max by ({by}) ({values})"
        total, number = (self._spanned("sum_over_time", f"{one} by ({by}) ({values})") for one in ("sum", "count"))
        return f"{total} / {number}"

    def _shares(self, values: str, measured: str = "") -> str:
        """Per unit and pod: the pod's share of the unit (1/n), times the measured value if given."""
        holders, everyone = self._holders(self.only), self._holders({})
        numerator = (
            f"{holders} * on ({self._unit}) group_left () {measured}"
            if measured
            else (f"({holders} and on ({self._unit}) {values})")
        )
        return f"{numerator} / on ({self._unit}) group_left () count by ({self._unit}) ({everyone})"

    def _spanned(self, function: str, expression: str) -> str:
        """The statistic over the instants ``at - over + step … at``; ``at`` must be a multiple of the step.

        One millisecond less than the span leaves out the instant ``at - over`` on every version: Prometheus 2 includes
        the left end of a range, Prometheus 3 does not.
        """
        if self.query.over is None:
            return expression
        return f"{function}(({expression})[{_ms(self.query.over) - 1}ms:{_ms(self.query.step)}ms])"

    # one value per unit

    @property
    def _unit_dimensions(self) -> tuple[str, ...]:
        return ("node", "gpu", "model") if self.signal.level is Level.GPU else tuple(_UNIT_LABELS)

    @property
    def _unit(self) -> str:
        return ",".join(_UNIT_LABELS[name] for name in self._unit_dimensions)

    def _values(self) -> str:
        """One value per unit in the signal's base unit: of the first carrier that has a number for it."""
        return "(" + " or ".join(self._value(carrier) for carrier in carriers_of(self.signal, self.flavour)) + ")"

    def _value(self, carrier: Carrier) -> str:
        value = self._largest(carrier)
        if carrier.metric in PER_PROCESS and "pod_uid" in self.flavour.labels:
            # The device's own value is on the series of no process; copies that merely name the pod's uid serve too.
            own = 'pod_uid=""'
            value = f"({self._largest(carrier, own)} or {value})"
        if carrier.percent_guard and self.flavour.percent:
            value = self._as_ratio(carrier, value)
        if carrier.scale != 1.0:
            value = f"{value} * {carrier.scale!r}"
        return f"({value} < Inf)"  # a comparison with NaN is false: what is no number does not report

    def _as_ratio(self, carrier: Carrier, value: str) -> str:
        """Percent turned into ratio where the node's readings of a day pass 1.5; a node too young for that, by reading.

        By node, because an idle GPU that reads 1 % would look like 100 % taken alone.
        """
        nodes = {name: values for name, values in self.only.items() if name == "node"}
        seen = f"max_over_time((max by (node) ({self._series(carrier, only=nodes)})){PERCENT_LOOKBACK} @ end())"
        by_node = f"{value} / on (node) group_left () (1 + 99 * ({seen} > bool 1.5))"
        return f"({by_node} or {value} / (1 + 99 * ({value} > bool 1.5)))"

    def _largest(self, carrier: Carrier, *extra: str) -> str:
        return f"max by ({self._unit}) ({self._series(carrier, extra)})"

    def _series(
        self, carrier: Carrier, extra: Sequence[str] = (), *, only: Mapping[str, Sequence[str]] | None = None
    ) -> str:
        """The carrier's series that are wanted, with the node in the label ``node``."""
        only = self.only if only is None else only
        matchers = [*self.matchers, *extra]
        matchers += [
            matcher(_UNIT_LABELS[name], tuple(values))
            for name, values in only.items()
            if name in _UNIT_LABELS and name != "node"
        ]
        if carrier.whole_only:
            matchers.append('GPU_I_ID=""')
        hosts = [label for label in HOST_LABELS if label in self.flavour.labels]
        if "node" not in only:
            return _node_from(selector(carrier.metric, matchers), hosts)
        nodes = tuple(only["node"])
        branches = []
        for place, host in enumerate(hosts):
            later = [f'{label}=""' for label in hosts[place + 1 :]]
            branches.append(_node_from(selector(carrier.metric, (*matchers, matcher(host, nodes), *later)), [host]))
        # Exporters told to leave the host name out: the scrape configuration's own label, if there is one.
        branches.append(selector(carrier.metric, (*matchers, matcher("node", nodes), *(f'{h}=""' for h in hosts))))
        return " or ".join(branches)

    # who holds a unit

    def _holders(self, only: Mapping[str, Sequence[str]], dimensions: Sequence[str] = _OWNER_DIMENSIONS) -> str:
        """1 per unit and pod that holds it (or namespace, as ``dimensions`` say), over all carriers of the signal."""
        labels = ",".join((self._unit, *(self._label(name) for name in dimensions)))
        held = " or ".join(
            f"group by ({labels}) ({series})"
            for carrier in carriers_of(self.signal, self.flavour)
            for series in self._held(carrier, only)
        )
        return f"({held})"

    def _held(self, carrier: Carrier, only: Mapping[str, Sequence[str]]) -> list[str]:
        owners = self.flavour.owners
        wanted = {name: tuple(values) for name, values in only.items() if name in _OWNER_DIMENSIONS}
        series = []
        if owners in {Owners.EXPORTED, Owners.MIXED}:
            extra = ['exported_pod!=""', *(matcher(f"exported_{name}", values) for name, values in wanted.items())]
            exported = self._series(carrier, extra)
            if owners is Owners.MIXED:
                for name in _OWNER_DIMENSIONS:
                    exported = f'label_replace({exported}, "{name}", "$1", "exported_{name}", "(.*)")'
            series.append(exported)
        if owners in {Owners.PLAIN, Owners.MIXED}:
            extra = ['pod!=""', f"pod!~{quoted(EXPORTER_PODS)}", *(matcher(n, v) for n, v in wanted.items())]
            if owners is Owners.MIXED:
                extra += ['exported_pod=""', matcher("job", self.flavour.plain_jobs)]
            series.append(self._series(carrier, extra))
        return series

    def _label(self, dimension: str) -> str:
        if dimension in _OWNER_DIMENSIONS and self.flavour.owners is Owners.EXPORTED:
            return f"exported_{dimension}"
        return _UNIT_LABELS.get(dimension, dimension)

    def _list(self, dimensions: Iterable[str]) -> str:
        # A device-level signal has no instance: grouping by its label would find the parent's copies again.
        absent = {"instance", "profile"} if self.signal.level is Level.GPU else set()
        return ",".join(self._label(name) for name in dimensions if name not in absent)

    def _planned(
        self, value: str, weight: str, value_by: Sequence[str], weight_by: Sequence[str], *, weighted: bool
    ) -> Plan:
        labels = {name: self._label(name) for name in (*value_by, *weight_by)}
        if self.signal.level is Level.GPU:
            labels |= dict.fromkeys(labels.keys() & {"instance", "profile"}, "")
        return Plan(value, weight, tuple(value_by), tuple(weight_by), weighted, labels)


def _node_from(series: str, hosts: Iterable[str]) -> str:
    for host in hosts:
        series = f'label_replace({series}, "node", "$1", "{host}", "(.+)")'
    return series


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
