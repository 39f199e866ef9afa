"""What has to be so before a plan may be applied: ceremony, the installation's mode, and the fleet-wide breaker."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from services import fleet
from services.access import User
from services.actions.rehearsing import Rehearsal
from services.domain.change import breaker
from services.domain.change.plan import Plan, Risk
from services.domain.scope import Scope
from services.errors import Refused, SourceUnavailable
from services.ports import Event, Sources, UnitOfWork, Work

PLAN_LASTS = timedelta(minutes=15)
"""An older plan is made anew before it is applied: guards and figures in it are from then."""


def record(sources: Sources) -> Work:
    """The database. Raises SourceUnavailable where there is none: nothing is changed without a record."""
    if sources.work is None:
        raise SourceUnavailable("database", "Without a database nothing can be recorded, so nothing is changed.")
    return sources.work


def confirmation(plan: Plan) -> str:
    """What is typed to confirm a plan of high risk."""
    return plan.confirm or (plan.refs[0].name if plan.refs else "")


def standing(plan: Plan, sources: Sources) -> str:
    """What stands in the way of any change of this kind now; "" when nothing."""
    if sources.policy.actions.mode == "dry-run":
        return "This installation only rehearses; nothing is applied."
    try:
        with record(sources)() as unit:
            tripped = unit.operations.breaker()
    except SourceUnavailable as error:
        return f"{error} Nothing is changed without a record."
    if tripped is not None and plan.nodes and not plan.undoes:
        return f"The fleet-wide breaker is open: {tripped.says} An admin can reset it on the Audit page."
    return ""


def check(plan: Plan, sources: Sources, *, reason: str, rehearsal: Rehearsal, typed: str) -> None:
    """Raise Refused, with what is missing, unless the plan may be applied."""
    if plan.empty:
        raise Refused("There is nothing to change: it is so already.")
    if rehearsal.plan != plan.id or not rehearsal.ok:
        raise Refused(rehearsal.refusal or "The rehearsal of this plan did not succeed.")
    refusal = standing(plan, sources)
    if refusal:
        raise Refused(refusal)
    if sources.now() - plan.made_at > PLAN_LASTS:
        raise Refused("This plan is too old. Plan the change anew.")
    if plan.risk is not Risk.LOW and not reason.strip():
        raise Refused("Say why: the reason is kept in the audit.")
    if plan.risk is Risk.HIGH and typed != confirmation(plan):
        raise Refused(f"Type {confirmation(plan)} to confirm.")


@contextmanager
def within_breaker(plan: Plan, user: User, sources: Sources) -> Iterator[UnitOfWork]:
    """A unit of work that begins the plan, kept only when it touches no more nodes than people together may.

    Raises Refused otherwise, which trips the breaker; a plan that is too large by itself is refused without.
    Taking something back is never stopped. The nodes are counted after the plan's own are recorded, behind the
    record's lock: two plans at one moment cannot both be the last that fits.
    """
    wanted = [(cluster, pool, node) for cluster, pool, nodes in plan.nodes for node in nodes]
    guarded = bool(wanted) and not plan.undoes
    policy, sizes = sources.policy.actions, _pool_sizes(sources, plan.clusters) if guarded else {}
    limits: dict[str, Any] = {"nodes": policy.breaker_nodes, "ratio": policy.breaker_pool_ratio}
    alone = breaker.crossed((), wanted, sizes, **limits) if guarded else ""
    if alone:
        raise Refused(f"This is too much at once: {alone}.", hint="Choose fewer nodes.")
    now, crossed = sources.now(), ""
    with record(sources)() as unit:
        yield unit
        if guarded:
            resets = [event.at for event in unit.operations.events("") if event.kind == "breaker-reset"]
            others = unit.operations.touched(max([now - policy.breaker_window, *resets]))
            crossed = breaker.crossed(set(others) - set(wanted), wanted, sizes, **limits)
        if not crossed:
            unit.commit()
    if crossed:
        with record(sources)() as unit:
            unit.operations.log(Event("", "breaker-tripped", now, user.id, f"{crossed} ({plan.summary})."))
            unit.commit()
        hint = "An admin can reset it on the Audit page."
        raise Refused(f"The fleet-wide breaker tripped: {crossed}.", hint=hint)


def _pool_sizes(sources: Sources, clusters: Collection[str]) -> dict[tuple[str, str], int]:
    sizes: dict[tuple[str, str], int] = {}
    for cluster in clusters:
        nodes = fleet.nodes(sources, Scope(cluster=cluster)).value
        if nodes is not None:
            sizes |= {(cluster, str(pool)): int(count) for pool, count in nodes["pool"].value_counts().items()}
    return sizes
