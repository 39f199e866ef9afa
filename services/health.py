"""How the sources are doing, what they lack, what that costs the user, and the exact text that turns it on."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import pandas as pd

from services import metrics, utilisation
from services.domain import attribution, frames
from services.domain.kinds import KINDS
from services.domain.scope import Scope
from services.domain.signals import SIGNALS
from services.errors import OpsError
from services.ports import ClusterSource, Coverage, Sources, SourceStatus, StoreState
from services.reading import Problem, Reading

STORES = {
    "cluster": "str",
    "kind": "str",
    "state": "str",
    "objects": "int64",
    "as_of": "datetime64[us, UTC]",
    "message": "str",
    "loses": "str",
}
"""One row per kind of Kubernetes object; ``loses`` says what a user misses while it is not readable."""

SIGNAL_ROWS = {
    "cluster": "str",
    "signal": "str",
    "state": "str",  # collected, not collected
    "metric": "str",
    "series": "int64",
    "gpus": "int64",
    "newest_at": "datetime64[us, UTC]",
    "loses": "str",
}
"""One row per signal and carrier metric; ``loses`` says what a user misses without it."""

LOSES = {
    "util": "utilisation, idle GPUs, waste: most of the product",
    "sm_active": "the sharper view of utilisation; engine-active stands in",
    "tensor_active": "whether matrix units are used",
    "memory_bandwidth": "whether memory bandwidth is the limit",
    "memory_used": "memory use and sharing candidates",
    "memory_free": "memory use as a share",
    "power": "power and energy",
    "temperature": "temperature",
    "xid": "GPU errors (XID)",
    "row_remap_failed": "GPUs that must be replaced",
}


FEATURES = {
    "cluster": "str",
    "what": "str",  # label, API group, family of metrics
    "name": "str",
    "state": "str",  # found, missing, not asked
    "gives": "str",
}
"""One row per label, API group or family of metrics that switches something on."""

_LABELS = {
    "pod": "who holds each GPU (honorLabels on)",
    "exported_pod": "who holds each GPU (honorLabels off)",
    "GPU_I_ID": "MIG instances as units of their own",
    "modelName": "the GPU model, without asking Kubernetes",
    "Hostname": "the node a GPU is on (exporter up to 4.8.2)",
    "hostname": "the node a GPU is on (exporter from 4.8.3)",
    "vgpu": "a series per pod on a shared GPU",
    "pod_uid": "a process's own share of a shared GPU",
}
"""Labels of GPU series and what they give; only those one install needs are missed."""

_GROUPS = {
    "resource.k8s.io": "GPUs through dynamic resource allocation",
    "karpenter.sh": "pool limits and nodes on their way (Karpenter)",
    "autoscaling.x-k8s.io": "warm headroom as CapacityBuffers",
    "kueue.x-k8s.io": "queues and quotas (Kueue)",
    "nvidia.com": "state of the GPU Operator",
}
"""API groups that switch something on where they are installed."""

_FAMILIES = {
    "kube_pod_info": "history of pods (kube-state-metrics)",
    "kube_node_labels": "node labels in PromQL (kube-state-metrics)",
    "node_gpu_hourly_cost": "prices from OpenCost",
    "vllm:": "serving figures of vLLM",
    "litellm_": "traffic, spend and fallbacks of LiteLLM",
}


@dataclass(frozen=True)
class Advice:
    """Something missing: what it costs, and the snippet that turns it on."""

    cluster: str
    title: str
    cost: str
    snippet: str
    language: str = "yaml"


def probes(sources: Sources, chosen: Sequence[ClusterSource]) -> list[tuple[str, SourceStatus | None]]:
    """The sources of these clusters asked now, in parallel: (cluster, status); None where no metrics are configured."""
    asked: list[tuple[str, Future[SourceStatus] | None]] = []
    for source in chosen:
        asked.append((source.name, sources.pool.submit(source.cluster.probe)))
        asked.append((source.name, sources.pool.submit(source.metrics.probe) if source.metrics else None))
        if source.gateway is not None:
            asked.append((source.name, sources.pool.submit(source.gateway.probe)))
        if source.pricing is not None:
            asked.append((source.name, sources.pool.submit(source.pricing.probe)))
    return [(name, None if future is None else future.result()) for name, future in asked]


def stores(source: ClusterSource) -> pd.DataFrame:
    """What is known of each kind of object, frame :data:`STORES`."""
    rows = []
    for kind in KINDS.values():
        snapshot = source.cluster.snapshot(kind.name)
        rows.append(
            (
                source.name,
                kind.name,
                snapshot.state.value,
                len(snapshot.objects),
                snapshot.as_of,
                snapshot.message,
                "" if snapshot.state is StoreState.READY else kind.loses,
            )
        )
    rows.sort(key=lambda row: row[2] == "ready")
    return frames.table(STORES, rows)


def signals(sources: Sources, source: ClusterSource) -> Reading[pd.DataFrame]:
    """What the metrics source carries, frame :data:`SIGNAL_ROWS`."""
    known = metrics.coverage(sources, source)
    if known.value is None:
        return Reading(None, known.as_of, known.problem, known.absence)
    rows: list[tuple[object, ...]] = []
    for signal in SIGNALS.values():
        carriers = known.value.carriers[known.value.carriers["signal"] == signal.id]
        if carriers.empty:
            rows.append((source.name, signal.title, "not collected", "", 0, 0, None, LOSES[signal.id]))
        rows += [
            (source.name, signal.title, "collected", row["metric"], row["series"], row["gpus"], row["newest_at"], "")
            for row in carriers.to_dict("records")
        ]
    rows.sort(key=lambda row: row[2] == "collected")
    return Reading(frames.table(SIGNAL_ROWS, rows), known.as_of, known.problem)


def features(sources: Sources, source: ClusterSource) -> pd.DataFrame:
    """Labels, API groups and metric families found and missing, frame :data:`FEATURES`; optional ones included."""
    rows: list[tuple[object, ...]] = []
    known = metrics.coverage(sources, source).value
    for name, gives in _LABELS.items():
        state = "not asked" if known is None else "found" if name in known.labels else "missing"
        rows.append((source.name, "label", name, state, gives))
    groups = api_groups(source).value
    for name, gives in _GROUPS.items():
        state = "not asked" if groups is None else "found" if name in groups else "missing"
        rows.append((source.name, "API group", name, state, gives))
    for name, gives in _FAMILIES.items():
        present = known is not None and any(family.startswith(name) for family in known.also)
        state = "not asked" if known is None else "found" if present else "missing"
        rows.append((source.name, "metrics", name, state, gives))
    return frames.table(FEATURES, rows)


def advice(sources: Sources, source: ClusterSource) -> Reading[list[Advice]]:
    """What could be turned on in a cluster, most valuable first."""
    found: list[Advice] = list(_rights(source))
    if source.metrics is None:
        found.append(_no_metrics(source.name))
        return Reading(found)
    known = metrics.coverage(sources, source)
    if known.value is None:
        return Reading(found, known.as_of, known.problem)
    found += _metrics(source.name, known.value)
    found += _strangers(sources, source.name)
    return Reading(found, known.as_of)


def _strangers(sources: Sources, cluster: str) -> Iterable[Advice]:
    units = utilisation.table(sources, Scope(cluster=cluster)).value
    if units is None:
        return
    strange = units[units["pool"] == attribution.UNKNOWN_NODE]
    if strange.empty:
        return
    names = sorted(set(strange["node"]))
    yield Advice(
        cluster,
        "Let dcgm-exporter say the node's name",
        f"{strange['gpu'].nunique()} GPUs report a node that is not in this cluster: {names[0] or 'none at all'}. "
        "They count in utilisation, but belong to no pool and have no price.",
        "# environment of the dcgm-exporter DaemonSet\n- name: NODE_NAME\n  valueFrom:\n    fieldRef:\n"
        "      fieldPath: spec.nodeName",
    )


def _rights(source: ClusterSource) -> Iterable[Advice]:
    denied = [kind for kind in KINDS.values() if source.cluster.snapshot(kind.name).state is StoreState.FORBIDDEN]
    if not denied:
        return
    by_group: dict[str, list[str]] = {}
    for kind in denied:
        group = kind.groups[0].rpartition("/")[0]
        by_group.setdefault(group, []).append(kind.plural)
    rules = "\n".join(
        f'  - apiGroups: ["{group}"]\n    resources: [{", ".join(sorted(plurals))}]\n    verbs: [get, list, watch]'
        for group, plurals in sorted(by_group.items())
    )
    yield Advice(
        source.name,
        "Allow reading more kinds of object",
        "Without it you lose " + "; ".join(kind.loses for kind in denied) + ".",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: gpu-fleet-console-read\n"
        f"rules:\n{rules}",
    )


def _no_metrics(cluster: str) -> Advice:
    return Advice(
        cluster,
        "Connect a Prometheus-compatible server",
        "Without it you lose utilisation, idle GPUs, power and temperature; inventory and demand work.",
        f"clusters:\n  - name: {cluster}\n    prometheus:\n      url: http://prometheus.monitoring:9090",
    )


_COUNTERS = {
    "util": "DCGM_FI_PROF_GR_ENGINE_ACTIVE, gauge, Ratio of time the graphics engine is active.",
    "sm_active": "DCGM_FI_PROF_SM_ACTIVE, gauge, The ratio of cycles an SM has at least 1 warp assigned.",
    "tensor_active": "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE, gauge, Ratio of cycles the tensor pipe is active.",
    "memory_bandwidth": "DCGM_FI_PROF_DRAM_ACTIVE, gauge, Ratio of cycles the memory interface is active.",
    "memory_used": "DCGM_FI_DEV_FB_USED, gauge, Framebuffer memory used (in MiB).",
    "memory_free": "DCGM_FI_DEV_FB_FREE, gauge, Framebuffer memory free (in MiB).",
    "power": "DCGM_FI_DEV_POWER_USAGE, gauge, Power draw (in W).",
    "temperature": "DCGM_FI_DEV_GPU_TEMP, gauge, GPU temperature (in C).",
    "xid": "DCGM_FI_DEV_XID_ERRORS, gauge, Value of the last XID error encountered.",
    "row_remap_failed": "DCGM_FI_DEV_ROW_REMAP_FAILURE, gauge, Whether remapping of rows has failed.",
}
"""Rows for dcgm-exporter's counters file: field, type, help. Names up to 4.8; 4.9 accepts them still."""


def _metrics(cluster: str, coverage: Coverage) -> Iterable[Advice]:
    if not coverage.has("util") and not coverage.has("temperature"):
        yield Advice(
            cluster,
            "Scrape dcgm-exporter",
            "No GPU metric was found here. Without it you lose utilisation, idle GPUs, power and temperature.",
            "# values of the dcgm-exporter chart\nserviceMonitor:\n  enabled: true\n  interval: 15s\n"
            "  additionalLabels: {}  # the labels your Prometheus selects ServiceMonitors by",
        )
        return
    missing = [signal for signal in SIGNALS if not coverage.has(signal)]
    if missing:
        rows = "\n".join(f"    {_COUNTERS[signal]}" for signal in missing)
        yield Advice(
            cluster,
            "Add counters to dcgm-exporter",
            "Without them you lose " + "; ".join(LOSES[signal] for signal in missing) + ".",
            "# This file replaces the shipped list: add the rows to your full list. Profiling rows (…_PROF_…) need\n"
            "# a data-centre GPU of Volta or later and CAP_SYS_ADMIN.\n"
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: dcgm-metrics\n  namespace: gpu-operator\ndata:\n"
            f"  dcgm-metrics.csv: |\n{rows}\n---\n# ClusterPolicy of the GPU Operator\nspec:\n  dcgmExporter:\n"
            "    config:\n      name: dcgm-metrics",
        )
    if not coverage.owner_labels:
        yield Advice(
            cluster,
            "Let dcgm-exporter name the pod on each GPU",
            "Without it you lose who holds which GPU, idle GPUs by owner, and GPU-hours by workload.",
            '# environment of the dcgm-exporter DaemonSet\n- name: DCGM_EXPORTER_KUBERNETES\n  value: "true"',
        )
    if coverage.duplicates:
        yield Advice(
            cluster,
            "Scrape each exporter once",
            f"{coverage.duplicates} GPUs are scraped by more than one job. Figures here count each GPU once, but the "
            "series cost you twice.",
            "# find the jobs\ncount by (job) (DCGM_FI_DEV_GPU_TEMP)",
            "promql",
        )
    if "kube_node_labels" not in coverage.also:
        yield Advice(
            cluster,
            "Allow-list node and pod labels in kube-state-metrics",
            "The console reads labels from Kubernetes and loses nothing; your own PromQL by pool or team needs it.",
            "# arguments of kube-state-metrics\n- --metric-labels-allowlist=nodes=[karpenter.sh/nodepool,"
            "eks.amazonaws.com/nodegroup,cloud.google.com/gke-nodepool,nvidia.com/gpu.product],pods=[team]",
        )


def api_groups(source: ClusterSource) -> Reading[frozenset[str]]:
    """API groups the cluster offers."""
    try:
        return Reading(source.cluster.api_groups())
    except OpsError as error:
        return Reading(None, problem=Problem.of(error, source="kubernetes"))


@dataclass(frozen=True)
class Report:
    """Everything the Sources page shows, of one moment.

    ``statuses`` pairs a cluster with a source's status, or with None where no metrics source is configured.
    """

    statuses: list[tuple[str, SourceStatus | None]]
    stores: pd.DataFrame
    signals: pd.DataFrame
    features: pd.DataFrame
    advice: list[Advice]
    problems: list[Problem]


def report(sources: Sources, cluster: str = "") -> Reading[Report]:
    """Probe every source of ``cluster`` (all when empty) and say what is there, what is missing and what it costs."""
    chosen = sources.chosen(cluster)
    rows = [signals(sources, source) for source in chosen]
    advised = [advice(sources, source) for source in chosen]
    found = [row.value for row in rows if row.value is not None]
    value = Report(
        statuses=probes(sources, chosen),
        stores=pd.concat([stores(source) for source in chosen], ignore_index=True) if chosen else frames.empty(STORES),
        signals=pd.concat(found, ignore_index=True) if found else frames.empty(SIGNAL_ROWS),
        features=pd.concat([features(sources, source) for source in chosen], ignore_index=True)
        if chosen
        else frames.empty(FEATURES),
        advice=[item for answer in advised for item in answer.value or ()],
        problems=[row.problem for row in rows if row.problem is not None],
    )
    return Reading(value, as_of=sources.now())


def carriers(sources: Sources, cluster: str, signal: str) -> Reading[pd.DataFrame]:
    """Metrics that carry a signal in ``cluster`` (all when empty), preferred first: ``metric`` and ``gpus``."""
    known = (metrics.coverage(sources, source).value for source in sources.chosen(cluster))
    found = [held.carriers[held.carriers["signal"] == signal] for held in known if held is not None]
    if not found:
        return Reading(None)
    counts = pd.concat(found).groupby("metric")["gpus"].sum()
    order = [carrier.metric for carrier in SIGNALS[signal].carriers if carrier.metric in counts.index]
    return Reading(counts.reindex(order).reset_index(), as_of=sources.now())
