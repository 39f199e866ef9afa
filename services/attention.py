"""What needs attention in the whole console, ranked: each source costs its own findings when it cannot be asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pandas as pd

from services import audit, fleet, metrics, serving, sharing, utilisation
from services.alerts import read as alerts
from services.breakers import board as breakers
from services.cost import budgets, waste
from services.domain import findings
from services.domain.breakers import findings as breaker_findings
from services.domain.change import findings as operation_findings
from services.domain.fallback import budgets as budget_findings
from services.domain.fallback import findings as fallback_findings
from services.domain.findings import Finding, Fix
from services.domain.headroom import findings as headroom_findings
from services.domain.litellm import findings as gateway_findings
from services.domain.scope import Scope
from services.domain.signals import Query
from services.domain.veil import named
from services.fallback import board as fallback
from services.fallback import budgets as llm_budgets
from services.fallback import read as fallback_read
from services.gateway import read as gateways
from services.headroom import read as headroom
from services.merge import merged
from services.ports import Sources
from services.reading import Absence, Problem, Reading
from services.startup import advice

_OF_OWNERS = frozenset(
    {
        "idle",
        "unmet",
        "startup-late",
        "startup-lever",
        "startup-slower",
        "startup-stuck",
        "budget",
        "anomaly",
        "fallback",
        "serving",
    }
)
"""Kinds of key that speak of somebody's workload; the others are about hardware or the console."""


def read(sources: Sources, scope: Scope) -> Reading[list[Finding]]:
    """Everything that needs attention in the scope."""
    nodes, table, codes = fleet.nodes(sources, scope), _held(sources, scope), xids(sources, scope)
    kept, changed = headroom.pools(sources, scope), audit.operations(sources, "24h", scope.cluster)
    found = [
        *_hardware(sources, scope, nodes.value),
        *_demand(sources, scope),
        *_use(sources, scope, table.value, nodes.value),
        *(() if codes.value is None else findings.sick_gpus(codes.value)),
    ]
    if kept.value is not None:
        found = [*headroom_findings.offered(found, kept.value), *headroom_findings.cold(kept.value, scope.range)]
    found += [*sharing.findings(sources, scope), *_gateways(sources, scope), *budgets.findings(sources, scope)]
    found += [*_breakers(sources, scope), *serving.attention(sources, scope)]
    found += _fallen(sources, scope, {} if kept.value is None else headroom_findings.fixes(kept.value))
    if scope.sees.whole and changed.value is not None:
        found += operation_findings.stopped(changed.value, pd.Timestamp(sources.now()))
        tripped = audit.breaker(sources).value
        found += [] if tripped is None else [operation_findings.tripped(tripped.says, pd.Timestamp(tripped.at))]
        found += alerts.findings(sources)
    found = _with_starts(found, advice.findings(sources, scope))
    if scope.by_owner:
        found = [f for f in found if f.key.split("/", 1)[0] in _OF_OWNERS]
    return Reading(
        findings.ranked(findings.folded(found)),
        nodes.as_of,
        _first(nodes, table, codes, changed),
        Absence.LOADING if nodes.absence is Absence.LOADING and not found else None,
        tuple(dict.fromkeys((*nodes.notes, *table.notes))),
    )


def _first(*readings: Reading[pd.DataFrame]) -> Problem | None:
    return next((reading.problem for reading in readings if reading.problem is not None), None)


def _held(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    return utilisation.table(sources, replace(scope, range="1h"))


def _hardware(sources: Sources, scope: Scope, nodes: pd.DataFrame | None) -> Iterable[Finding]:
    if nodes is None:
        return []
    found = [*findings.broken_nodes(nodes), *findings.drifted_nodes(nodes)]
    # How many wait in the cluster is a number that names nobody.
    pools, queue = fleet.pools(sources, scope), fleet.waiting(sources, scope if scope.sees.whole else scope.hardware)
    if pools.value is not None and queue.value is not None:
        found += findings.saturated(pools.value, queue.value, sources.policy.saturated_above)
    return found


def _demand(sources: Sources, scope: Scope) -> Iterable[Finding]:
    waiting = fleet.waiting(sources, scope).value
    return [] if waiting is None else findings.unmet(waiting, sources.now())


def _use(sources: Sources, scope: Scope, table: pd.DataFrame | None, nodes: pd.DataFrame | None) -> Iterable[Finding]:
    if table is None:
        return []
    spend = 0.0 if nodes is None else float((nodes["gpus"] * nodes["price"] * 24).sum())
    minutes = round(sources.policy.idle_after / timedelta(minutes=1))
    idle = list(findings.idle(named(table, scope.sees), minutes, spend))
    found = waste.attended(sources, idle, fleet.pods(sources, scope).value)
    if nodes is not None and not scope.by_owner:
        seen = set(zip(table["cluster"], table["node"], strict=True))
        found += findings.silent_nodes(nodes, seen)
    return found


def _with_starts(found: Sequence[Finding], starts: Iterable[Finding]) -> list[Finding]:
    """With what recorded starts say, but for a lever whose fix another finding offers already."""
    offered = {place for f in found if (place := _mends(f)) is not None}
    return [*found, *(f for f in starts if not f.key.startswith("startup-lever/") or _mends(f) not in offered)]


def _mends(finding: Finding) -> tuple[str, str, object] | None:
    """The action and the pool a finding's fix is for."""
    fix = finding.fix
    return None if fix is None else (fix.action, finding.cluster, fix.params.get("pool"))


def _gateways(sources: Sources, scope: Scope) -> Iterable[Finding]:
    for name in gateways.places(sources):
        board = gateways.board(sources, name).value if scope.cluster in ("", name) else None
        if board is None or board.config is None:
            continue
        order = gateway_findings.misplaced(board.tiers, board.config, board.sha256)
        yield from (finding for finding in order if finding.params["fallback_group"] not in board.locked)
        yield from gateway_findings.faults(board.lints, name)


def _fallen(sources: Sources, scope: Scope, fixes: Mapping[tuple[str, str], Fix]) -> Iterable[Finding]:
    """Of requests that say whose they are; those of a namespace are not known."""
    if scope.namespace or scope.pool or scope.model:
        return
    over = replace(scope, range="24h")
    for name in fallback_read.places(sources, scope.cluster):
        kept = llm_budgets.read(sources, name, over).value
        if kept is not None:
            yield from budget_findings.ending(kept, name)
        value = fallback.board(sources, name, over).value
        if value is not None:
            yield from fallback_findings.fallen(
                value.routes,
                value.explained,
                fixes,
                cluster=name,
                target=sources.policy.fallback_target,
                days=1.0,
                window="24 hours",
                now=sources.now(),
            )


def _breakers(sources: Sources, scope: Scope) -> Iterable[Finding]:
    """Of rules that may be seen: they are named, and with them their namespaces."""
    for source in sources.chosen(scope.cluster):
        rules = breakers.rules(source)
        if not scope.sees.whole:
            rules = [rule for rule in rules if rule.namespace in (scope.sees.namespaces or ())]
        if rules:
            yield from breaker_findings.stale(source.name, rules, breakers.lints(sources, source.name, scope.sees))


def xids(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """The last XID of every GPU of the scope: ``cluster``, ``node``, ``pool``, ``model``, ``gpu``, ``value``."""
    parts = []
    for source in sources.chosen(scope.cluster):
        answer = metrics.instant(sources, source, Query("xid", ("node", "gpu")), metrics.moment(sources))
        value = None
        if answer.value is not None:
            stock = fleet.nodes(sources, Scope(cluster=source.name)).value
            place = None if stock is None else stock.set_index("node")[["pool", "model"]].reindex(answer.value["node"])
            value = answer.value.assign(
                cluster=source.name,
                pool="" if place is None else place["pool"].fillna("").to_numpy(),
                model="" if place is None else place["model"].fillna("").to_numpy(),
            )
            value = scope.keep(value)
        parts.append(Reading(value, answer.as_of, answer.problem, answer.absence, answer.notes))
    return merged(parts, lambda found: pd.concat(found, ignore_index=True))
