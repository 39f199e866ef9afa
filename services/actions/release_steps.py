"""Looking at a workload that is to give back its GPUs: what of it is idle right now, and how far it can go down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from services import metrics, snapshots
from services.cost.waste_evidence import BY_HOLDER, gpu_hour
from services.domain.change import patch
from services.domain.change.refs import Live, Ref
from services.domain.cost import money
from services.domain.objects import Pod
from services.domain.release import DELETION_COST, GRACES, KEEP, KINDS, NOTICE, ReleaseParams, kept, targets
from services.domain.release.owners import Owner, by_name, owner
from services.domain.signals import IDLE_BELOW, Query, Stat
from services.errors import NotFound, OpsError, Refused
from services.headroom import stores
from services.ports import ClusterSource, Sources

_STEP = timedelta(minutes=1)


@dataclass(frozen=True)
class Release:
    """What would be released of one owner: to ``target`` replicas, or by suspending it where that is None.

    ``pods`` are the idle ones that go, ``stay`` those that are ended only if they are chosen by mistake.
    """

    live: Live
    target: int | None
    pods: tuple[Pod, ...]
    stay: tuple[Pod, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """What is set."""
        return {"spec": {"suspend": True} if self.target is None else {"replicas": self.target}}


@dataclass(frozen=True)
class Look:
    """A workload as it is now; ``gpus`` are the GPU equivalents of what goes and ``usd_per_day`` their money."""

    releases: tuple[Release, ...]
    gpus: float = 0.0
    usd_per_day: float | None = None
    busy: int = 0
    warnings: tuple[str, ...] = field(default=())


def source_of(params: ReleaseParams, sources: Sources) -> ClusterSource:
    """The cluster. Raises Refused for parameters that fit nothing."""
    source = sources.clusters.get(params.cluster)
    if source is None:
        raise Refused(f"There is no cluster called {params.cluster[:60]}.")
    if params.grace_minutes not in GRACES:
        raise Refused(f"The grace time is one of {', '.join(map(str, GRACES))} minutes.")
    if params.kind == "Pod":
        raise Refused(
            f"Nothing controls pod {params.workload}: it cannot be scaled or suspended, only deleted, and nothing "
            "would bring it back.",
            hint="Ask its owner to delete it, or to run it as a Job, which can be suspended and resumed.",
        )
    if params.kind not in KINDS:
        raise Refused(f"A {params.kind[:40]} cannot be released from here.", hint="Use the tool that made it.")
    return source


def look(params: ReleaseParams, sources: Sources) -> Look:
    """What can be released now, by fresh metrics. Raises Refused with what stands against it."""
    source = source_of(params, sources)
    stock = snapshots.read(sources, source)
    if stock.value is None or stock.problem is not None:
        raise Refused(f"Pods of {source.name} cannot be read now, so nothing is released there.")
    rows = stock.value.pods
    mine = rows[
        rows["namespace"].eq(params.namespace) & rows["workload"].eq(params.workload) & rows["node"].ne("")
        & rows["workload_kind"].eq(params.kind)
    ]  # fmt: skip
    if mine.empty:
        return Look(_released_before(params, source))
    _exempt(params, source)
    quiet = idle(sources, source, mine)
    structs = {one.metadata.name: one for one in stores.pods(source) if one.metadata.namespace == params.namespace}
    groups: dict[Owner, list[Pod]] = {}
    sets, jobs = by_name(stores.all_of(source, "replicasets")), by_name(stores.all_of(source, "jobs"))
    for name in mine["pod"]:
        if name in structs:
            groups.setdefault(owner(structs[name], sets, jobs), []).append(structs[name])
    quiet -= {name for name, one in structs.items() if kept(one.metadata.labels)}
    found = [one for at, pods in sorted(groups.items()) if (one := _release(source, at, pods, quiet)) is not None]
    if not found:
        raise Refused(
            f"{params.workload} is in use again: none of its pods was without work for the last "
            f"{sources.policy.idle_after / timedelta(minutes=1):.0f} minutes."
        )
    gone = {pod.metadata.name for one in found for pod in one.pods}
    going = mine[mine["pod"].isin(gone)]
    return Look(
        tuple(found),
        gpus=float(going["equivalents"].sum()),
        usd_per_day=_usd_per_day(sources, going, stock.value.nodes),
        busy=len(mine) - len(going),
        warnings=tuple(said for one in found for said in one.known if said),
    )


def idle(sources: Sources, source: ClusterSource, pods: pd.DataFrame) -> set[str]:
    """Names of those pods (of one namespace) on all of whose units nothing was done for the idle time.

    Asked of the metrics at this moment, past every cache. A pod that is younger, or of which a unit is not measured,
    is not idle. Raises Refused where nobody can tell.
    """
    span = sources.policy.idle_after
    if source.metrics is None:
        raise Refused(f"Cluster {source.name} has no metrics, so nobody can tell whether its GPUs are idle.")
    query = Query("util", BY_HOLDER, over=span, stat=Stat.MAX, step=_STEP)
    now = sources.now()
    try:
        answer = source.metrics.instant(query, now, {"namespace": sorted(set(pods["namespace"]))}).frame
    except OpsError as error:
        raise Refused(
            f"Metrics of {source.name} do not answer, so nobody can tell whether GPUs are idle: {error}"
        ) from error
    known = metrics.coverage(sources, source).value
    if known is not None and not known.owner_labels:
        raise Refused(f"The exporter of {source.name} does not say which pod holds a GPU.")
    here = answer.merge(pods[["namespace", "pod", "node", "units", "equivalents", "created_at"]],
                        on=["namespace", "pod", "node"])  # fmt: skip
    old = here[here["created_at"] <= pd.Timestamp(now - span)]
    grouped = old.assign(quiet=old["value"] < IDLE_BELOW).groupby("pod")
    seen = grouped.agg(
        quiet=("quiet", "all"), number=("quiet", "size"), units=("units", "first"), held=("equivalents", "first")
    )
    # Of shared units several may be the same device: those of whole GPUs have to be there one by one.
    whole = seen["held"] >= seen["units"] - 1e-9
    return set(seen.index[seen["quiet"] & (~whole | seen["number"].ge(seen["units"]))])


def _exempt(params: ReleaseParams, source: ClusterSource) -> None:
    spaces = [one.metadata.labels for one in stores.all_of(source, "namespaces")
              if one.metadata.name == params.namespace]  # fmt: skip
    if kept(*spaces):
        raise Refused(f"Namespace {params.namespace} keeps its GPUs: it is labelled {KEEP}=true.")


def _released_before(params: ReleaseParams, source: ClusterSource) -> tuple[Release, ...]:
    """The owner as it is when no pod holds a GPU. Raises Refused when that is not because it was released."""
    if params.kind in ("Deployment", "StatefulSet", "Job"):
        try:
            live = source.cluster.read(Ref.of(source.name, params.kind, params.workload, params.namespace))
        except NotFound:
            live = None
        spec = {} if live is None else live.body.get("spec") or {}
        if live is not None and (spec.get("suspend") is True or spec.get("replicas") == 0):
            return (Release(live, None if params.kind == "Job" else 0, ()),)
    raise Refused(f"{params.workload} holds no GPUs now.")


def _release(source: ClusterSource, at: Owner, pods: list[Pod], quiet: set[str]) -> Release | None:
    """How far one owner can go down; None where none of its pods is idle."""
    going = [one for one in pods if one.metadata.name in quiet]
    stay = [one for one in pods if one.metadata.name not in quiet]
    if not going:
        return None
    live = source.cluster.read(Ref.of(source.name, at.kind, at.name, at.namespace))
    if kept(dict(live.labels), patch.at(live.body, ("spec", "template", "metadata", "labels"))):
        raise Refused(f"{live.ref} keeps its GPUs: it is labelled {KEEP}=true.")
    if at.kind == "Job":
        if stay:
            return None
        return Release(live, None, tuple(going), known=(targets.job(at.name, live.body, at.above),))
    replicas = patch.at(live.body, ("spec", "replicas"))
    replicas = 1 if replicas is None else int(replicas)
    if at.kind == "StatefulSet":
        start = int(patch.at(live.body, ("spec", "ordinals", "start")) or 0)
        busy = [one.metadata.name for one in stay]
        target = targets.statefulset(replicas, sorted(quiet), busy, start)
        going = [one for one in going if targets.ordinal(one.metadata.name) >= target + start]
        stay = []
    else:
        target = targets.deployment(replicas, [one.metadata.name for one in going])
    hpas = stores.all_of(source, "hpas")
    said = targets.autoscaled(at.kind, at.name, at.namespace, target, hpas)
    return Release(live, target, tuple(going), tuple(stay), (said,))


def _usd_per_day(sources: Sources, going: pd.DataFrame, nodes: pd.DataFrame) -> float | None:
    each = gpu_hour(sources, nodes).set_axis(nodes["node"])["usd"].reindex(going["node"]).to_numpy()
    total = (going["equivalents"] * each * 24).sum(skipna=False)
    return None if pd.isna(total) else float(total)


def notice(params: ReleaseParams, found: Look, now: datetime) -> dict[str, Any]:
    """The annotation that tells the owner, as fields of the object."""
    told = {
        "by": params.by or "GPU Fleet Console",
        "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "not_before": f"{now + timedelta(minutes=params.grace_minutes):%Y-%m-%dT%H:%M:%SZ}",
        "why": f"{gpus(found.gpus)} held and idle",
        "keep": f"label this {KEEP}=true",
    }
    return {"metadata": {"annotations": {NOTICE: json.dumps(told, sort_keys=True)}}}


def chosen_first(pod: Pod, source: ClusterSource) -> tuple[Live, Mapping[str, Any]]:
    """A pod and the fields that make its ReplicaSet end it before others."""
    live = source.cluster.read(Ref.of(source.name, "Pod", pod.metadata.name, pod.metadata.namespace))
    return live, {"metadata": {"annotations": {DELETION_COST: "-1000"}}}


def gpus(amount: float) -> str:
    """GPU equivalents in words."""
    rounded = round(amount, 2) if amount < 1 else round(amount, 1)
    return "1 GPU" if rounded == 1 else f"{rounded:g} GPUs"


def micro_per_day(usd: float | None) -> int | None:
    """The promise: so much less a day."""
    return None if usd is None else -money.micro(round(usd, 6))
