"""Changing budgets: who may, what is refused, and what is kept of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from services.access import Right, User, require
from services.cost.budgets import visible
from services.domain.cost.budget import Budget
from services.domain.cost.budgetrules import MOST, clashes, wrong
from services.domain.cost.budgetyaml import Plan, fresh
from services.errors import OpsError, Refused
from services.ports import Sources, UnitOfWork
from services.reading import Absence, Problem, Reading

T = TypeVar("T")


def save(sources: Sources, user: User, budget: Budget) -> Reading[Budget]:
    """Write a budget; a new one (without an id) gets its id here."""

    def write(unit: UnitOfWork) -> Budget:
        known = unit.budgets.all()
        kept = replace(budget, name=budget.name.strip(), value=budget.value.strip())
        if not kept.id:
            kept = replace(kept, id=fresh(kept.name, {each.id for each in unit.budgets.history()}))
        _may_see(user, [kept, *(one for one in known if one.id == kept.id)])
        _check([*(one for one in known if one.id != kept.id), kept])
        return unit.budgets.save(kept, at=sources.now(), actor=user.name)

    return _written(sources, user, write)


def remove(sources: Sources, user: User, budget: Budget) -> Reading[Budget]:
    """Remove a budget; its history stays."""

    def write(unit: UnitOfWork) -> Budget:
        _may_see(user, [budget, *(one for one in unit.budgets.all() if one.id == budget.id)])
        unit.budgets.remove(budget.id, revision=budget.revision, at=sources.now(), actor=user.name)
        return budget

    return _written(sources, user, write)


def apply(sources: Sources, user: User, plan: Plan) -> Reading[int]:
    """Make the changes of a plan, all or none; how many. Refused where a budget changed since it was planned."""

    def write(unit: UnitOfWork) -> int:
        if not user.sees.whole:
            raise Refused("A document is about all budgets, and you do not see all of them.")
        at = sources.now()
        for gone in (each.before for each in plan.changes if each.after is None):
            if gone is not None:
                unit.budgets.remove(gone.id, revision=gone.revision, at=at, actor=user.name)
        for kept in (each.after for each in plan.changes):
            if kept is not None:
                unit.budgets.save(kept, at=at, actor=user.name)
        _check(unit.budgets.all())
        return len(plan.changes)

    return _written(sources, user, write)


def _check(budgets: Sequence[Budget]) -> None:
    """Refuse budgets that may not be, together or one by one."""
    if len(budgets) > MOST:
        raise Refused(f"There may be {MOST} budgets at most.")
    said = [f"{one.name or 'The budget'}: {says}" for one in budgets for says in wrong(one)]
    said += [says for _, says in clashes(budgets)]
    if said:
        raise Refused(said[0])


def _may_see(user: User, budgets: Sequence[Budget]) -> None:
    if not all(visible(one, user.sees) for one in budgets):
        raise Refused("You do not see what this budget is for, so you cannot change it.")


def _written(sources: Sources, user: User, write: Callable[[UnitOfWork], T]) -> Reading[T]:
    try:
        require(user, Right.BUDGETS, policy=sources.policy.actions, now=sources.now())
        if sources.work is None:
            return Reading(None, absence=Absence.NOT_CONFIGURED)
        with sources.work() as unit:
            made = write(unit)
            unit.commit()
    except OpsError as error:
        return Reading(None, problem=Problem.of(error, source="database"))
    return Reading(made, as_of=sources.now())
