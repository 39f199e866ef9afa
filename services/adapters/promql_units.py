"""PromQL of single units: one value per unit, and who holds it. Pure text; :mod:`.promql` aggregates over it.

A unit is known by the UUID of its GPU and its MIG instance. Reducing the exporter's series to one per unit removes what
two exporters, several scrape jobs, time-slicing copies and changing pod labels add. Other labels are kept only when the
question needs them: matching and relabelling long label sets is most of the cost on 10,000 GPUs.

Facts used: labels and units of dcgm-exporter (``render_metrics.go``, ``default-counters.csv``), PromQL's matching rules
(Prometheus docs, "Operators").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.adapters.promql_text import matcher, quoted, selector
from services.domain.signals import Carrier, Level, Signal

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
    "gpu": "UUID",
    "instance": "GPU_I_ID",
    "profile": "GPU_I_PROFILE",
    "model": "modelName",
}
OWNER_DIMENSIONS = ("namespace", "pod")


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


def carriers_of(signal: Signal, flavour: Flavour) -> tuple[Carrier, ...]:
    """The carriers of a signal that exist, in order of preference."""
    return tuple(carrier for carrier in signal.carriers if carrier.metric in flavour.metrics)


@dataclass(frozen=True)
class Units:
    """The units of one signal in one source, kept by ``only`` (dimension to values), as PromQL."""

    signal: Signal
    flavour: Flavour
    matchers: tuple[str, ...]
    only: Mapping[str, Sequence[str]]

    @property
    def key(self) -> str:
        """The labels that tell units apart."""
        return "UUID" if self.signal.level is Level.GPU else "UUID,GPU_I_ID"

    def label(self, dimension: str) -> str:
        """The label a dimension has in these expressions; "" for what the unit does not have."""
        if self.signal.level is Level.GPU and dimension in {"instance", "profile"}:
            return ""  # grouping by these would find the parent's copies again
        if dimension in OWNER_DIMENSIONS:
            return f"exported_{dimension}" if self.flavour.owners is Owners.EXPORTED else dimension
        return self._node if dimension == "node" else _UNIT_LABELS[dimension]

    def labels(self, dimensions: Sequence[str]) -> str:
        """The labels of some dimensions, as in a ``by`` clause."""
        return ",".join(dict.fromkeys(filter(None, map(self.label, dimensions))))

    def values(self, dimensions: Sequence[str] = ()) -> str:
        """One value per unit in the signal's base unit: of the first carrier that has a number for it."""
        kept = self._kept(dimensions)
        return "(" + " or ".join(self._value(one, kept) for one in carriers_of(self.signal, self.flavour)) + ")"

    def holders(self, dimensions: Sequence[str], *, only: Mapping[str, Sequence[str]] | None = None) -> str:
        """1 per unit and combination of the dimensions under which pods hold it, over all carriers of the signal.

        ``only`` keeps namespaces and pods. A series without a number holds nothing: every holder's unit has a value.
        """
        kept = self._kept(dimensions)
        held = " or ".join(
            f"group by ({kept}) ({series} < Inf)"
            for carrier in carriers_of(self.signal, self.flavour)
            for series in self._held(carrier, only or {}, named="node" in dimensions)
        )
        return f"({held})"

    def _kept(self, dimensions: Sequence[str]) -> str:
        return ",".join(dict.fromkeys([*self.key.split(","), *filter(None, map(self.label, dimensions))]))

    @property
    def _hosts(self) -> list[str]:
        return [label for label in HOST_LABELS if label in self.flavour.labels]

    @property
    def _node(self) -> str:
        """The one label nodes are named by; "node" where several have to be brought together."""
        return self._hosts[0] if len(self._hosts) == 1 and "node" not in self.flavour.labels else "node"

    def _value(self, carrier: Carrier, kept: str) -> str:
        percent = carrier.percent_guard and self.flavour.percent
        by = ",".join(dict.fromkeys([*kept.split(","), self._node])) if percent else kept
        value = self._largest(carrier, by)
        if carrier.metric in PER_PROCESS and "pod_uid" in self.flavour.labels:
            # The device's own value is on the series of no process; copies that merely name the pod's uid serve too.
            own = 'pod_uid=""'
            value = f"({self._largest(carrier, by, own)} or {value})"
        if percent:
            value = self._as_ratio(carrier, value)
            value = value if by == kept else f"max by ({kept}) ({value})"
        if carrier.scale != 1.0:
            value = f"{value} * {carrier.scale!r}"
        return f"({value} < Inf)"  # a comparison with NaN is false: what is no number does not report

    def _as_ratio(self, carrier: Carrier, value: str) -> str:
        """Percent turned into ratio where the node's readings of a day pass 1.5; a node too young for that, by reading.

        By node, because an idle GPU that reads 1 % would look like 100 % taken alone.
        """
        nodes = {name: values for name, values in self.only.items() if name == "node"}
        readings = f"max by ({self._node}) ({self._series(carrier, (), nodes, named=True)})"
        seen = f"max_over_time(({readings}){PERCENT_LOOKBACK} @ end())"
        by_node = f"{value} / on ({self._node}) group_left () (1 + 99 * ({seen} > bool 1.5))"
        return f"({by_node} or {value} / (1 + 99 * ({value} > bool 1.5)))"

    def _largest(self, carrier: Carrier, by: str, *extra: str) -> str:
        return f"max by ({by}) ({self._series(carrier, extra, self.only, named=self._node in by.split(','))})"

    def _series(self, carrier: Carrier, extra: Sequence[str], only: Mapping[str, Sequence[str]], *, named: bool) -> str:
        """The carrier's series of the units wanted; with ``named`` they carry the node's label."""
        matchers = [*self.matchers, *extra]
        matchers += [
            matcher(_UNIT_LABELS[name], tuple(values)) for name, values in only.items() if name in _UNIT_LABELS
        ]
        if carrier.whole_only:
            matchers.append('GPU_I_ID=""')
        nodes = tuple(only.get("node", ()))
        if self._node != "node":
            return selector(carrier.metric, [*matchers, matcher(self._node, nodes)] if nodes else matchers)
        hosts = self._hosts
        if not nodes:
            return _node_from(selector(carrier.metric, matchers), hosts if named else [])
        branches = []
        for place, host in enumerate(hosts):
            later = [f'{label}=""' for label in hosts[place + 1 :]]
            branches.append(_node_from(selector(carrier.metric, (*matchers, matcher(host, nodes), *later)), [host]))
        # Exporters told to leave the host name out: the scrape configuration's own label, if there is one.
        branches.append(selector(carrier.metric, (*matchers, matcher("node", nodes), *(f'{h}=""' for h in hosts))))
        return " or ".join(branches)

    def _held(self, carrier: Carrier, only: Mapping[str, Sequence[str]], *, named: bool) -> list[str]:
        owners = self.flavour.owners
        series = []
        if owners in {Owners.EXPORTED, Owners.MIXED}:
            extra = ['exported_pod!=""', *(matcher(f"exported_{name}", tuple(only[name])) for name in only)]
            exported = self._series(carrier, extra, self.only, named=named)
            if owners is Owners.MIXED:
                for name in OWNER_DIMENSIONS:
                    exported = f'label_replace({exported}, "{name}", "$1", "exported_{name}", "(.*)")'
            series.append(f"({exported})")
        if owners in {Owners.PLAIN, Owners.MIXED}:
            extra = ['pod!=""', f"pod!~{quoted(EXPORTER_PODS)}", *(matcher(name, tuple(only[name])) for name in only)]
            if owners is Owners.MIXED:
                extra += ['exported_pod=""', matcher("job", self.flavour.plain_jobs)]
            series.append(f"({self._series(carrier, extra, self.only, named=named)})")
        return series


def _node_from(series: str, hosts: Sequence[str]) -> str:
    for host in hosts:
        series = f'label_replace({series}, "node", "$1", "{host}", "(.+)")'
    return series
