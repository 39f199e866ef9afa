"""What stands in the way of warm units in a pool, what could go wrong, and what they cost. Rules, not reads."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.domain.headroom import PRIORITY, Place, Shape
from services.domain.headroom.growth import Growth

NEW_NODE_S, HERE_S = 900.0, 120.0
"""How long to wait for units: where an autoscaler has to bring nodes, and where there is room already."""


@dataclass(frozen=True)
class Survey:
    """What is known of one pool, for a shape.

    ``offers`` are allocatable units by resource, ``fit`` how many units of the shape fit now. ``ready`` and ``waiting``
    are our placeholders of this shape; ``balloons`` somebody else's in the pool. ``quota`` is what quotas of our
    namespace still allow, in units of the resource; infinite without any. ``usd_per_day`` is one unit's list price,
    NaN when unpriced;
    ``per_node`` the units of the resource on the smallest node of the pool and ``node_usd_per_day`` what that node
    costs. ``through_claims``: its GPUs are only offered through dynamic resource allocation.
    ``holds``: whether a node of the pool is large enough for a unit when it is empty. ``growth_known``: whether what
    autoscalers say of themselves could be read.
    """

    place: Place
    shape: Shape
    offers: Mapping[str, float]
    fit: int
    growth: Growth
    growth_known: bool = True
    set: int = 0
    ready: int = 0
    waiting: int = 0
    balloons: int = 0
    quota: float = math.inf
    usd_per_day: float = math.nan
    per_node: float = math.nan
    node_usd_per_day: float = math.nan
    through_claims: bool = False
    holds: bool = True


@dataclass(frozen=True)
class Replica:
    """What matters of the workload a unit is held for: its name, priority and whether it may preempt."""

    name: str
    priority: int
    preempts: bool


@dataclass(frozen=True)
class Answer:
    """Whether a number of units can be kept: ``refusal`` is one sentence, "" when nothing stands in the way.

    ``new_nodes``: nodes have to come first. ``usd_per_day`` of all units, NaN when unpriced.
    """

    refusal: str
    warnings: tuple[str, ...]
    blast: tuple[str, ...]
    new_nodes: bool
    usd_per_day: float

    @property
    def deadline_s(self) -> float:
        """How long it may take until the units are warm."""
        return NEW_NODE_S if self.new_nodes else HERE_S


def answer(survey: Survey, units: int, *, method: str, replica: Replica | None = None) -> Answer:
    """What becomes of ``units`` warm units by a method, "placeholder" or "buffer"."""
    more = max(units - survey.ready, 0)
    short = max(more - survey.fit, 0)
    cost = units * survey.usd_per_day if units else 0.0
    said = _blast(survey, units, method, cost)
    if units == 0:
        return Answer("", (), said, new_nodes=False, usd_per_day=0.0)
    refusal = _impossible(survey, replica, method) or _too_many(survey, units, short, method)
    warnings = () if refusal else tuple(_warnings(survey, units, short, method))
    return Answer(refusal, warnings, said, new_nodes=short > 0, usd_per_day=cost)


def _impossible(survey: Survey, replica: Replica | None, method: str) -> str:
    shape, pool = survey.shape, survey.place.pool
    if survey.through_claims:
        return (
            f"Pool {pool} offers its GPUs through resource claims. A placeholder that is preempted does not free a "
            "claim, so it cannot keep these GPUs warm."
        )
    if survey.offers and not survey.offers.get(shape.resource):
        has = " and ".join(sorted(name for name, amount in survey.offers.items() if amount)) or "no GPUs now"
        return f"Pool {pool} offers {has}, not {shape.resource}; the name differs by how GPUs are shared."
    if not survey.holds:
        return f"No node of pool {pool} is large enough for {shape} with {shape.cpu} CPUs and {shape.memory} of memory."
    if replica is not None and method == "placeholder":
        if not replica.preempts:
            return f"{replica.name} has preemptionPolicy Never: it waits in line and never takes a placeholder's place."
        if replica.priority <= PRIORITY:
            return f"{replica.name} has priority {replica.priority}; placeholders only yield to more than {PRIORITY}."
    return ""


def _too_many(survey: Survey, units: int, short: int, method: str) -> str:
    shape, growth = survey.shape, survey.growth
    beyond = (units - survey.set) * shape.gpus
    if method == "placeholder" and beyond > survey.quota:
        return f"A quota of the headroom namespace allows {_whole(survey.quota / shape.gpus)} more units of {shape}."
    if not short or units <= survey.set:
        return ""
    room = f"{_whole(survey.fit)} more {'fits' if survey.fit == 1 else 'fit'} now" if survey.fit else "none fits now"
    if not growth.by and survey.growth_known:
        return f"Nothing adds nodes to pool {survey.place.pool}, and {room}: the rest would wait for ever."
    if not math.isnan(growth.more) and short * shape.gpus > growth.more:
        return (
            f"{growth.by} may add {_whole(growth.more)} {shape.resource} to pool {survey.place.pool}, and {room}; "
            f"{short * shape.gpus} more would be needed."
        )
    return ""


def _warnings(survey: Survey, units: int, short: int, method: str) -> Sequence[str]:
    said = []
    if short and units > survey.set:
        who = survey.growth.by or "An autoscaler, if the pool has one,"
        said.append(f"{who} has to bring nodes for {_units(short)}: that takes minutes and can fail.")
        said.extend(_whole_nodes(survey, short))
    elif units > survey.set and survey.fit == units - survey.ready and method == "placeholder":
        said.append("This takes the last room in the pool. Ordinary pods still get it, by preemption.")
    if survey.waiting and units >= survey.set > 0:
        said.append(
            f"{_units(survey.waiting)} kept here already {'waits' if survey.waiting == 1 else 'wait'} for room."
        )
    if survey.balloons:
        pods = "1 placeholder pod" if survey.balloons == 1 else f"{survey.balloons} placeholder pods"
        said.append(f"{pods} that this console did not make already hold GPUs in this pool.")
    return said


def _whole_nodes(survey: Survey, short: int) -> Iterator[str]:
    """What follows from nodes coming whole, as large as the smallest the pool has now."""
    each, more, kind = survey.per_node, survey.growth.more, survey.shape.resource
    if more < each:
        yield f"{survey.growth.by} may add {_whole(more)} {kind}; the smallest node of the pool has {_whole(each)}."
    if short * survey.shape.gpus < each and not math.isnan(survey.node_usd_per_day):
        yield f"A new node costs about {_money(survey.node_usd_per_day)} a day as a whole, whoever uses the rest of it."


def _blast(survey: Survey, units: int, method: str, cost: float) -> tuple[str, ...]:
    pool = survey.place.pool
    if units == 0:
        return (f"Frees what warm units hold in pool {pool}. The next start may have to wait for a node.",)
    money = "its price is not known" if math.isnan(cost) else f"about {_money(cost)} a day at list prices"
    if method == "buffer":
        return (
            f"The autoscaler keeps room for {units} × {survey.shape} in pool {pool}: {money}.",
            "Nothing is reserved: ordinary pods use the room first come, first served, and it is made again.",
        )
    return (
        f"Holds {units} × {survey.shape} of pool {pool}: {money}.",
        "Pods of priority 0 and above take their place at once; the units are then made again.",
    )


def _units(number: int) -> str:
    return "1 unit" if number == 1 else f"{number} units"


def _whole(number: float) -> str:
    return f"{max(math.floor(number), 0):,}"


def _money(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= 10 else f"${amount:,.2f}"
