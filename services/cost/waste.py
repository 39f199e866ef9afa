"""Waste: what could be given back, what people set aside, and what attention is drawn to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd

from services import fleet, snapshots
from services.access import Right, User, why_not
from services.cost import waste_evidence as evidence
from services.cost.record import asked
from services.domain.cost import waste_patch
from services.domain.cost.waste import Advice, Limits
from services.domain.cost.waste_advice import advise
from services.domain.findings import Finding, Fix
from services.domain.objects import Pod
from services.domain.release import KINDS, ReleaseParams
from services.domain.release.owners import by_name, owner
from services.domain.scope import Scope
from services.domain.units import is_gpu_resource, quantity
from services.errors import OpsError, Refused
from services.headroom import stores
from services.ports import Dismissal, Sources
from services.reading import Absence, Problem, Reading
from services.snapshots import Inventory

WINDOWS = ("7d", "24h")
LONGEST_REASON = 500
LONGEST_ASIDE = timedelta(days=365)


@dataclass(frozen=True)
class Board:
    """Advice in force and what was set aside; ``unseen`` is why the latter could not be read, "" when it was."""

    advice: tuple[Advice, ...]
    aside: tuple[tuple[Dismissal, Advice | None], ...]
    measured: float  # GPU equivalents of which there are measurements
    step_s: float  # between two samples
    unseen: str = ""


def read(sources: Sources, scope: Scope, limits: Limits) -> Reading[Board]:
    """Everything there is to advise in the scope over its range."""
    held = evidence.held(sources, scope)
    if held.value is None:
        return Reading(None, held.as_of, held.problem, held.absence, held.notes)
    judged = replace(limits, idle_after_s=sources.policy.idle_after.total_seconds())
    found = advise(held.value, evidence.models(sources, scope), judged)
    record = set_aside(sources)
    keys = {one.key: one for one in record.value or ()}
    mine = {one.key: one for one in found}
    window = fleet.window(sources, scope, by_owner=True)
    steps = [evidence.finer(window, stock).step for stock in _stocks(sources, scope)]
    value = Board(
        advice=tuple(one for one in found if one.key not in keys),
        # Of what is set aside and not advised now only who sees everything is told: a key names a workload.
        aside=tuple((one, mine.get(key)) for key, one in keys.items() if key in mine or scope.sees.whole),
        measured=float(held.value.loc[held.value["complete"], "held"].sum()),
        step_s=max(steps, default=window.step).total_seconds(),
        unseen="" if record.problem is None else record.problem.message,
    )
    return Reading(value, held.as_of, held.problem or record.problem, held.absence, held.notes)


def _stocks(sources: Sources, scope: Scope) -> list[Inventory]:
    found = (snapshots.read(sources, source).value for source in sources.chosen(scope.cluster))
    return [one for one in found if one is not None]


def set_aside(sources: Sources) -> Reading[tuple[Dismissal, ...]]:
    """What is set aside now."""
    return asked(sources, lambda unit: tuple(unit.budgets.dismissed(sources.now())))


def may_set_aside(sources: Sources, user: User) -> str:
    """Why the person may not set advice aside, "" when they may: it takes the right to act or that of budgets."""
    reasons = [
        why_not(user, one, policy=sources.policy.actions, now=sources.now()) for one in (Right.BUDGETS, Right.ACT)
    ]
    return "" if "" in reasons else reasons[0]


def dismiss(sources: Sources, user: User, advice: Advice, reason: str, until: datetime) -> Reading[bool]:
    """Set advice aside until then; what was wrong is in the reading's problem."""
    try:
        _check(sources, user, reason, until)
        if sources.work is None:
            return Reading(None, absence=Absence.NOT_CONFIGURED)
        said = Dismissal(advice.key, advice.title, reason.strip(), until, sources.now(), user.name)
        with sources.work() as unit:
            unit.budgets.dismiss(said)
            unit.commit()
    except OpsError as error:
        return Reading(None, problem=Problem.of(error, source="database"))
    return Reading(True, as_of=sources.now())


def restore(sources: Sources, user: User, key: str) -> Reading[bool]:
    """Have advice back; False when it was not set aside."""
    try:
        _allowed(sources, user)
        if sources.work is None:
            return Reading(None, absence=Absence.NOT_CONFIGURED)
        with sources.work() as unit:
            there = unit.budgets.restore(key)
            unit.commit()
    except OpsError as error:
        return Reading(None, problem=Problem.of(error, source="database"))
    return Reading(there, as_of=sources.now())


def _check(sources: Sources, user: User, reason: str, until: datetime) -> None:
    _allowed(sources, user)
    if not reason.strip():
        raise Refused("Say why: whoever looks next wants to know.")
    if len(reason) > LONGEST_REASON:
        raise Refused(f"The reason is longer than {LONGEST_REASON} characters.")
    if not sources.now() < until <= sources.now() + LONGEST_ASIDE:
        raise Refused("Advice is set aside for a year at most, and comes back on a day that is still to come.")


def _allowed(sources: Sources, user: User) -> None:
    reason = may_set_aside(sources, user)
    if reason:
        raise Refused(reason)


def manifest(sources: Sources, advice: Advice) -> str:
    """The manifest patch of advice, from its pods as they are now; "" where there is none."""
    source = sources.clusters.get(advice.cluster)
    if source is None:
        return ""
    pods = [one for one in stores.pods(source) if one.metadata.namespace == advice.namespace]
    pod = next((one for one in pods if one.metadata.name in advice.pods), None)
    container = "" if pod is None else _asking(pod)
    if pod is None or not container:
        return ""
    products = {
        product
        for node in stores.nodes(source)
        if (product := (node.metadata.labels or {}).get(waste_patch.PRODUCT))
        and node.metadata.name in _with(sources, advice)
    }
    name = advice.workload if advice.kind == "CronJob" else pod.metadata.name
    if advice.kind not in ("CronJob", "Pod"):
        try:
            name = owner(
                pod, by_name(stores.all_of(source, "replicasets")), by_name(stores.all_of(source, "jobs"))
            ).name
        except Refused:
            return ""
    return waste_patch.manifest(
        advice, owner=name, container=container, product=products.pop() if len(products) == 1 else ""
    )


def _with(sources: Sources, advice: Advice) -> Collection[str]:
    """Nodes with the model that advice names."""
    nodes = fleet.nodes(sources, Scope(cluster=advice.cluster)).value
    return () if nodes is None else set(nodes.loc[nodes["model"].eq(advice.becomes), "node"])


def _asking(pod: Pod) -> str:
    """The container that asks for GPUs."""
    for one in pod.spec.containers or ():
        asks = one.resources.limits if one.resources is not None else None
        if any(is_gpu_resource(name) and quantity(amount) > 0 for name, amount in (asks or {}).items()):
            return one.name
    return ""


def attended(sources: Sources, found: Sequence[Finding], pods: pd.DataFrame | None) -> list[Finding]:
    """Findings of idleness without those set aside, the others with the action that releases them."""
    aside = {one.key for one in set_aside(sources).value or ()}
    kinds = (
        {}
        if pods is None
        else {
            tuple(key): kind
            for *key, kind in pods[["cluster", "namespace", "workload", "workload_kind"]].itertuples(
                index=False, name=None
            )
        }
    )
    result = []
    for one in found:
        what, _, key = one.key.partition("/")
        if what != "idle":
            result.append(one)
            continue
        if f"waste/remove/{key}" in aside:
            continue
        cluster, namespace, workload = key.split("/", 2)
        kind = kinds.get((cluster, namespace, workload), "")
        if kind in KINDS:
            want = ReleaseParams(cluster, namespace, workload, kind)
            result.append(replace(one, fix=Fix("release-idle", f"Release idle GPUs of {workload}", _params(want))))
        else:
            result.append(one)
    return result


def _params(want: ReleaseParams) -> dict[str, object]:
    return {"cluster": want.cluster, "namespace": want.namespace, "workload": want.workload, "kind": want.kind}
