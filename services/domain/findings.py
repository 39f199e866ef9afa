"""What needs attention, ranked: one model for every kind of finding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum

import pandas as pd

from services.domain.inventory import short_node
from services.domain.pending import upper_first
from services.domain.xid import explain


class Severity(IntEnum):
    """How urgent; the number orders."""

    CRITICAL = 0  # capacity is lost or users wait
    WARNING = 1  # money is lost or will be
    NOTICE = 2  # worth knowing


@dataclass(frozen=True)
class Fix:
    """An action that would mend a finding, with its parameters filled in; ``label`` says it on the button."""

    action: str
    label: str
    params: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    ``key`` is stable while the finding lasts. ``gpus`` are GPU equivalents concerned, ``usd_per_day`` what they cost
    (None when unpriced or not about money), ``since`` when it began if known. ``page`` and ``params`` lead to the view
    that explains it, ``fix`` to the action that mends it.
    """

    key: str
    kind: str
    severity: Severity
    title: str
    detail: str
    cluster: str
    team: str = ""
    gpus: float | None = None
    usd_per_day: float | None = None
    since: datetime | None = None
    page: str = "utilisation"
    params: dict[str, str] = field(default_factory=dict)
    fix: Fix | None = None


DEAR = 0.05
"""Share of the scope's spend above which idle GPUs are critical."""
LONG_WAIT = timedelta(minutes=15)
"""Longer than a node takes to come: a pod that waits longer will not be helped by patience."""

FINDINGS = {
    "severity": "str",
    "kind": "str",
    "title": "str",
    "detail": "str",
    "cluster": "str",
    "team": "str",
    "gpus": "float64",
    "usd_per_day": "float64",
    "since": "datetime64[us, UTC]",
}


def ranked(found: Iterable[Finding]) -> list[Finding]:
    """Most urgent first; within a severity what can be mended here, then by whole GPUs, money and title."""
    return sorted(
        found, key=lambda f: (f.severity, f.fix is None, -round(f.gpus or 0.0), -(f.usd_per_day or 0.0), f.title)
    )


def frame(found: Sequence[Finding]) -> pd.DataFrame:
    """The findings as a table :data:`FINDINGS`."""
    rows = [
        (f.severity.name.lower(), f.kind, f.title, f.detail, f.cluster, f.team, f.gpus, f.usd_per_day, f.since)
        for f in found
    ]
    return pd.DataFrame(rows, columns=list(FINDINGS)).astype(FINDINGS)


def idle(gpus: pd.DataFrame, idle_after_minutes: int, spend: float) -> Iterable[Finding]:
    """Held GPUs on which nothing ran, one finding per workload. ``gpus``: :data:`services.domain.gpus.GPUS`.

    Critical when it costs more than :data:`DEAR` of ``spend``, what the whole scope costs per day.
    """
    held = gpus[gpus["use"] == "held idle"]
    grouped = held.groupby(["cluster", "namespace", "workload"], sort=True)
    sums = (
        grouped[["held", "idle_usd_per_day"]]
        .sum(min_count=1)
        .assign(team=grouped["team"].first(), units=grouped.size())
    )
    for (cluster, namespace, workload), amount, cost, team, units in sums.itertuples(name=None):
        yield Finding(
            key=f"idle/{cluster}/{namespace}/{workload}",
            kind="Idle but held",
            severity=Severity.CRITICAL if spend > 0 and cost > DEAR * spend else Severity.WARNING,
            title=f"{workload} holds {_gpus(amount)} and uses none",
            detail=f"No work on {_count(units, 'unit')} in the last {idle_after_minutes} minutes; "
            f"namespace {namespace}.",
            cluster=str(cluster),
            team=str(team),
            gpus=float(amount),
            usd_per_day=None if pd.isna(cost) else float(cost),
            page="workloads",
            params={"cluster": str(cluster), "work_name": f"{namespace}/{workload}"},
        )


def unmet(waiting: pd.DataFrame, now: datetime) -> Iterable[Finding]:
    """Unmet demand, one finding per workload and reason. ``waiting``: :data:`services.domain.demand.WAITING`."""
    keys = ["cluster", "namespace", "workload", "state", "reason"]
    for (cluster, namespace, workload, state, reason), group in waiting.groupby(keys, sort=True):
        first = group.iloc[0]
        wanted = group["equivalents"].sum(min_count=1)
        since = group["since"].min()
        what = {
            "waiting": f"{_count(len(group), 'pod')} of {workload} {'waits' if len(group) == 1 else 'wait'} for GPUs",
            "failing": f"{_count(len(group), 'pod')} of {workload} {'holds' if len(group) == 1 else 'hold'} GPUs and "
            "cannot start",
            "blocked": f"{workload} may not create more pods",
        }[str(state)]
        yield Finding(
            key=f"unmet/{cluster}/{namespace}/{workload}/{reason}",
            kind="Unmet demand" if state != "failing" else "Cannot start",
            severity=Severity.CRITICAL if state == "waiting" and _long(since, now) else Severity.WARNING,
            title=f"{what}: {str(reason)[:1].lower()}{str(reason)[1:]}",
            detail=f"{first['message']}. Asks for {first['resources']}.",
            cluster=str(cluster),
            team=str(first["team"]),
            gpus=None if pd.isna(wanted) else float(wanted),
            since=None if pd.isna(since) else min(since.to_pydatetime(), now),
            page="workloads",
            params={"cluster": str(cluster), "work_name": f"{namespace}/{workload}"},
        )


def broken_nodes(nodes: pd.DataFrame) -> Iterable[Finding]:
    """Nodes whose GPUs vanished, broke or cannot be reached."""
    for row in nodes[nodes["state"].isin(["not ready", "no GPUs", "fewer GPUs"])].to_dict("records"):
        lost = row["gpus"] if row["state"] != "fewer GPUs" else row["unhealthy"] + row["missing"]
        words = {
            "not ready": f"{short_node(row['node'])} is not ready",
            "no GPUs": f"{short_node(row['node'])} lost all its GPUs",
            "fewer GPUs": f"{short_node(row['node'])} has {lost:g} of its {row['gpus']:g} GPUs out of use",
        }
        yield Finding(
            key=f"node/{row['cluster']}/{row['node']}",
            kind="GPUs lost",
            severity=Severity.WARNING if row["state"] == "fewer GPUs" else Severity.CRITICAL,
            title=words[row["state"]],
            detail=f"{upper_first(row['state_message'])}. Node {row['node']}, pool {row['pool']}, {row['model']}.",
            cluster=row["cluster"],
            gpus=float(lost),
            usd_per_day=None if pd.isna(row["price"]) else float(lost * row["price"] * 24),
            page="utilisation",
            params={"cluster": row["cluster"], "util_node": row["node"]},
        )


def drifted_nodes(nodes: pd.DataFrame) -> Iterable[Finding]:
    """Nodes on which labels, capacity and allocatable disagree, or pods hold more than there is."""
    for row in nodes[(nodes["drift"] != "") | (nodes["overcommitted"] > 0)].to_dict("records"):
        said = [row["drift"]] if row["drift"] else []
        if row["overcommitted"] > 0:
            said.append(f"pods hold {row['overcommitted']:g} GPUs more than it can allocate")
        yield Finding(
            key=f"drift/{row['cluster']}/{row['node']}",
            kind="Sharing drift",
            severity=Severity.NOTICE,
            title=f"{short_node(row['node'])} is not set up as its labels say",
            detail=f"{upper_first('; '.join(said))}.",
            cluster=row["cluster"],
            gpus=float(row["gpus"]),
            page="utilisation",
            params={"cluster": row["cluster"], "util_node": row["node"]},
        )


def saturated(pools: pd.DataFrame, waiting: pd.DataFrame, above: float) -> Iterable[Finding]:
    """Pools of which more than ``above`` (0..1) is held."""
    for row in pools[pools["held_ratio"] >= above].to_dict("records"):
        queue = int(((waiting["cluster"] == row["cluster"]) & (waiting["state"] == "waiting")).sum())
        yield Finding(
            key=f"full/{row['cluster']}/{row['pool']}/{row['model']}",
            kind="Pool full",
            severity=Severity.WARNING if queue else Severity.NOTICE,
            title=f"Pool {row['pool']} is {row['held_ratio']:.0%} held",
            detail=f"{_gpus(row['free'])} of {row['gpus']:g} {row['model']} free"
            + (f"; {_count(queue, 'pod')} waiting in this cluster." if queue else "."),
            cluster=row["cluster"],
            gpus=float(row["gpus"]),
            page="utilisation",
            params={"cluster": row["cluster"], "pool": row["pool"]},
        )


def sick_gpus(xids: pd.DataFrame) -> Iterable[Finding]:
    """GPUs whose last XID points at hardware or driver. ``xids``: cluster, node, gpu, value (the code)."""
    for row in xids[xids["value"] > 0].to_dict("records"):
        known = explain(int(row["value"]))
        if not known.hardware:
            continue
        yield Finding(
            key=f"xid/{row['cluster']}/{row['gpu']}",
            kind="GPU error",
            severity=Severity.CRITICAL,
            title=f"A GPU on {short_node(row['node'])} reported XID {int(row['value'])}",
            detail=f"{upper_first(known.meaning)}: {known.action}. GPU {row['gpu']}; the exporter does not say when.",
            cluster=row["cluster"],
            gpus=1.0,
            page="utilisation",
            params={"cluster": row["cluster"], "util_node": row["node"]},
        )


def folded(found: Sequence[Finding]) -> list[Finding]:
    """Findings with a GPU's error told inside the finding of the node that lost it, where there is one."""
    nodes = {f.params["util_node"]: f for f in found if f.key.startswith("node/")}
    errors: dict[str, list[Finding]] = {}
    for f in found:
        if f.key.startswith("xid/") and f.params["util_node"] in nodes:
            errors.setdefault(f.params["util_node"], []).append(f)
    told = {
        nodes[name].key: replace(
            nodes[name],
            severity=Severity.CRITICAL,
            detail=" ".join([*(f"{f.title.split(' reported ')[-1]}, {f.detail}" for f in its), nodes[name].detail]),
        )
        for name, its in errors.items()
    }
    hidden = {f.key for its in errors.values() for f in its}
    return [told.get(f.key, f) for f in found if f.key not in hidden]


def silent_nodes(nodes: pd.DataFrame, seen: set[tuple[str, str]]) -> Iterable[Finding]:
    """GPU nodes no metrics came from. ``seen``: (cluster, node) pairs with telemetry, of clusters that have any."""
    clusters = {cluster for cluster, _ in seen}
    silent = nodes[nodes["ready"] & nodes["cluster"].isin(clusters) & (nodes["allocatable"] > 0)]
    for (cluster, pool), group in silent.groupby(["cluster", "pool"], sort=True):
        names = [name for name in group["node"] if (str(cluster), name) not in seen]
        if not names:
            continue
        amount = float(group.loc[group["node"].isin(names), "gpus"].sum())
        yield Finding(
            key=f"silent/{cluster}/{pool}",
            kind="No telemetry",
            severity=Severity.NOTICE,
            title=f"No GPU metrics from {_count(len(names), 'node')} of pool {pool}",
            detail=f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''}: {_gpus(amount)} cannot be judged.",
            cluster=str(cluster),
            gpus=amount,
            page="sources",
            params={"cluster": str(cluster)},
        )


def _long(since: pd.Timestamp, now: datetime) -> bool:
    return not pd.isna(since) and now - since.to_pydatetime() > LONG_WAIT


def _gpus(amount: float) -> str:
    rounded = round(amount, 2) if amount < 1 else round(amount, 1)
    return "1 GPU" if rounded == 1 else f"{rounded:g} GPUs"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
