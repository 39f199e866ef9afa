"""Circuit breakers: those of the mesh beside the cooldowns of gateways, and what they did."""

import math
from collections.abc import Mapping
from datetime import timedelta

import pandas as pd

from services.domain import breakers, frames
from services.domain.breakers import Policy, Rule, number
from services.domain.breakers import lint as breaker_lint
from services.domain.breakers.lint import Known
from services.domain.litellm.lint import Lint
from services.domain.objects import Generic
from services.domain.scope import EVERYTHING, Scope, Sight
from services.domain.window import Window, ending
from services.errors import OpsError
from services.gateway import read as gateway
from services.merge import merged
from services.ports import ClusterSource, Sources, StoreState
from services.reading import Absence, Problem, Reading

ISTIO, LITELLM = "Istio", "LiteLLM"
COOLDOWN_S = 5.0
"""LiteLLM's ``cooldown_time`` where none is set."""
HINT = (
    "Nothing counts what the breakers of {cluster} did. Istio drops these metrics by default: add "
    ".*outlier_detection.* and .*upstream_rq_pending.* to proxyStatsMatcher.inclusionRegexps of the mesh."
)
BREAKERS = {
    "cluster": "str",
    "namespace": "str",
    "by": "str",  # ISTIO or LITELLM
    "name": "str",  # of the rule, or of the gateway's ConfigMap
    "host": "str",  # what is broken off: the host as the rule says it, or the model group
    "policy": "str",  # the part of the rule; "" for a gateway
    "says": "str",  # the most urgent thing wrong, and how a gateway's cooldown works
    "wrong": "int64",  # things found
    "errors": "float64",  # errors in a row that take a replica out; 0 is off, NaN: not by a number of errors
    "interval_s": "float64",
    "out_s": "float64",  # how long a first time out lasts
    "max_percent": "float64",  # of replicas that may be out at once
    "pending": "float64",  # requests that may wait; NaN: no limit set
    "taken_out": "float64",  # times over the window; NaN when nothing counts them
    "blocked": "float64",  # times none was taken out because too many were out already
    "out_now": "float64",  # replicas out, as the mean proxy saw it in the last five minutes
    "turned_away": "float64",  # requests a full queue turned away
    "refused": "float64",  # requests that ended by an open breaker, too many retries or no healthy replica
}
"""One row per rule and policy of the mesh, and per model group of a gateway. Policies of a host share its counts."""
_REFUSED = ("UO", "URX", "UH")
_HOUR, _LATELY = timedelta(hours=1), timedelta(minutes=5)


def board(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Every breaker of the scope, frame :data:`BREAKERS`, and what each did over its range."""
    window = ending(sources.now(), scope.range)
    parts = [_cluster(sources, source, window, scope.sees) for source in sources.chosen(scope.cluster)]
    return merged(parts, lambda found: scope.keep(frames.conform(pd.concat(found, ignore_index=True), BREAKERS)))


DID = ("taken_out", "blocked", "out_now", "turned_away", "refused")


def once(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns :data:`DID` of :data:`BREAKERS` with each event in one row: parts of a rule, and rules of a host, share.

    One row per host of the mesh and per group of a gateway. What a rule without a part for the whole host counts is
    the sum of its subsets, except for refused requests, which are counted by host.
    """
    mesh = rows["by"] == ISTIO
    hosts = [breakers.full(host, space) for host, space in zip(rows["host"], rows["namespace"], strict=True)]
    told = rows.assign(host=pd.Series(hosts, rows.index).where(mesh, rows["name"] + "/" + rows["host"]))
    told = told.drop_duplicates(["cluster", "by", "host", "policy"])
    place = told["policy"]
    whole = place.isin(["", breakers.WHOLE])
    inner = place.str.contains("port ")
    has_whole = whole.groupby([told["cluster"], told["by"], told["host"]]).transform("any")
    grouped = told[whole | ~(has_whole | inner)].groupby(["cluster", "by", "host"], sort=False)
    found = grouped[list(DID)].sum(min_count=1)
    return found.assign(refused=grouped["refused"].max()).reset_index()


def lints(sources: Sources, cluster: str, sees: Sight = EVERYTHING) -> Mapping[tuple[str, str], list[Lint]]:
    """What is wrong with each rule of a cluster, by namespace and name; {} when they cannot be read.

    Names what the person ``sees``, and nothing else.
    """
    source = sources.clusters.get(cluster)
    return {} if source is None else breaker_lint.lint(rules(source), known(source), sees)


def rules(source: ClusterSource) -> list[Rule]:
    """The rules a cluster has."""
    objects = source.cluster.snapshot("destinationrules").objects
    return [breakers.stored(one) for one in objects if isinstance(one, Generic)]


def known(source: ClusterSource) -> Known:
    """Workloads stand for Services, which are not watched: usually they have one name."""
    stores = [source.cluster.snapshot(kind) for kind in ("deployments", "statefulsets")]
    if any(store.state is not StoreState.READY for store in stores):
        return Known()
    replicas: dict[str, int] = {}
    for one in [obj for store in stores for obj in store.objects if isinstance(obj, Generic)]:
        host = breakers.full(one.metadata.name, one.metadata.namespace)
        wanted = (one.spec or {}).get("replicas")
        replicas[host] = wanted if isinstance(wanted, int) else 1
    return Known(frozenset(replicas), replicas)


def _cluster(sources: Sources, source: ClusterSource, window: Window, sees: Sight) -> Reading[pd.DataFrame]:
    store = source.cluster.snapshot("destinationrules")
    gateways, problem = _gateway(sources, source, window)
    if store.state is not StoreState.READY and not store.objects and not gateways:
        if store.state is StoreState.ABSENT:
            note = f"{source.name} has no DestinationRules: Istio is not installed there."
            return Reading(None, absence=Absence.NOT_COLLECTED, notes=(note,))
        if store.state is StoreState.LOADING:
            return Reading(None, absence=Absence.LOADING)
        return Reading(None, problem=Problem("kubernetes", f"The rules of {source.name} cannot be read."))
    found, notes = rules(source), []
    counts: dict[str, pd.DataFrame] = {}
    try:
        counts = _counts(source, window) if found else {}
    except OpsError as error:
        problem = Problem.of(error, source="prometheus")
    if found and problem is None and not len(counts.get("mesh_ejections", ())):
        notes.append(HINT.format(cluster=source.name))
    wrong = breaker_lint.lint(found, known(source), sees)
    rows = [
        _row(source.name, rule, policy, wrong[rule.namespace, rule.name], counts)
        for rule in found
        for policy in rule.policies or (Policy(("spec", "trafficPolicy")),)
    ]
    frame = frames.table(BREAKERS, [*rows, *gateways])
    return Reading(frame, as_of=store.as_of, problem=problem, notes=tuple(notes))


def _row(
    cluster: str, rule: Rule, policy: Policy, wrong: list[Lint], counts: Mapping[str, pd.DataFrame]
) -> list[object]:
    return [
        cluster, rule.namespace, ISTIO, rule.name, rule.host, policy.place, wrong[0].says if wrong else "", len(wrong),
        _float(policy.errors), _seconds(policy.interval), _seconds(policy.ejection), _float(policy.percent),
        _float(number(policy.http, "http1MaxPendingRequests", 0) or None),
        *(_of(counts.get(name), rule, policy) for name in (
            "mesh_ejections", "mesh_ejection_overflow", "mesh_ejected_now", "mesh_pending_overflow"
        )),
        _refused(counts.get("mesh_refused"), rule),
    ]  # fmt: skip


def _of(counted: pd.DataFrame | None, rule: Rule, policy: Policy) -> float:
    """The sum over the upstreams a policy is for; NaN when nothing counts them."""
    if counted is None or counted.empty:
        return math.nan
    named = {name: breakers.upstream(name) for name in counted["upstream"].unique()}
    mine = [
        name
        for name, one in named.items()
        if one is not None and one.direction == "outbound" and one.host == rule.target
        and policy.subset in ("", one.subset) and policy.port in (0, one.port)
    ]  # fmt: skip
    return float(counted.loc[counted["upstream"].isin(mine), "value"].sum(min_count=1))


def _refused(counted: pd.DataFrame | None, rule: Rule) -> float:
    if counted is None or counted.empty:
        return math.nan
    mine = counted[counted["host"].str.lower().eq(rule.target) & counted["reporter"].isin(["source", ""])]
    if mine.empty:
        return math.nan
    flags = mine["flags"].str.split(",").map(lambda told: any(flag in _REFUSED for flag in told))
    return float(mine.loc[flags, "value"].sum())


def _counts(source: ClusterSource, window: Window) -> dict[str, pd.DataFrame]:
    if source.metrics is None:
        return {}
    whole = ("mesh_ejections", "mesh_ejection_overflow", "mesh_pending_overflow", "mesh_refused")
    end = window.end.replace(second=0, microsecond=0)
    begin = end - (window.end - window.start)
    found = {name: source.metrics.grown(name, begin, end, _HOUR).frame for name in whole}
    return found | {"mesh_ejected_now": source.metrics.grown("mesh_ejected_now", end - _LATELY, end, _LATELY).frame}


def _gateway(sources: Sources, source: ClusterSource, window: Window) -> tuple[list[list[object]], Problem | None]:
    """A row for each group of the cluster's gateway, and why it is not known what was taken out."""
    read = gateway.board(sources, source.name).value
    if read is None or read.config is None:
        return [], None
    taken, problem = None, None
    try:
        taken = _cooldowns(source, window)
    except OpsError as error:
        problem = Problem.of(error, source="prometheus")
    config = read.config
    fails, lasts = config.numbers.get("allowed_fails"), config.numbers.get("cooldown_time", COOLDOWN_S)
    rows: list[list[object]] = []
    for group in config.groups:
        ids = read.tiers.loc[read.tiers["group"] == group, "id"]
        alone = len(config.of(group)) == 1
        says = "" if fails is not None else "allowed_fails is not set: LiteLLM goes by the share of failures."
        says = "Its only deployment is never taken out." if alone else says
        if config.settings.get("disable_cooldowns") is True:
            says = "disable_cooldowns is set: no deployment is ever taken out."
        # a deployment that was never taken out has no series: 0 where its requests are counted
        counted = taken is not None and (read.counted or not taken.empty)
        number = math.nan if taken is None or not counted else float(taken[taken["id"].isin(ids)]["value"].sum())
        rows.append([
            source.name, read.place.namespace, LITELLM, read.place.configmap, group, "", says, 0,
            math.nan if alone else _float(fails), math.nan, math.nan if alone else lasts, math.nan, math.nan,
            number, math.nan, math.nan, math.nan, math.nan,
        ])  # fmt: skip
    return rows, problem


def _cooldowns(source: ClusterSource, window: Window) -> pd.DataFrame | None:
    if source.metrics is None:
        return None
    end = window.end.replace(second=0, microsecond=0)
    return source.metrics.grown("fallback_cooldowns", end - (window.end - window.start), end, _HOUR).frame


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _seconds(span: timedelta | None) -> float:
    return math.nan if span is None else span.total_seconds()
