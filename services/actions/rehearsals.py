"""What rehearsals of fallbacks showed, read from the record."""

from dataclasses import dataclass

import pandas as pd

from services.actions import sending
from services.actions.rehearse_fallbacks import RehearseFallbacks
from services.actions.sending import Sent
from services.domain.change.plan import Plan
from services.domain.litellm.rehearsal import MODES
from services.errors import SourceUnavailable
from services.ports import Operation, ReadUnit, Sources
from services.reading import Absence, Problem, Reading

MOST = 50
"""Rehearsals looked through, newest first."""

REQUESTS = {
    "request": "int64",
    "mode": "str",
    "answered_by": "str",
    "tier": "str",
    "result": "str",
    "fallbacks": "Int64",
    "retries": "Int64",
    "seconds": "float64",
    "usd": "float64",
}
"""One row per request of a rehearsal, counted from 1.

``result``: as planned, unexpected, nobody answered, not known (sent and no answer recorded), not sent. ``usd`` is what
the gateway said it cost, NaN where it did not say or knows no price.
"""


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal: its operation, and its requests as :data:`REQUESTS`."""

    operation: Operation
    requests: pd.DataFrame


def last(sources: Sources, cluster: str, group: str, own: str = "") -> Reading[Rehearsed]:
    """The newest rehearsal of a group; no value, and nothing wrong, when there is none. ``own`` keeps to one person."""
    if sources.work is None:
        return Reading(None, absence=Absence.NOT_CONFIGURED)
    try:
        with sources.work.reading() as unit:
            return Reading(_last(unit, cluster, group, own), as_of=sources.now())
    except SourceUnavailable as error:
        return Reading(None, problem=Problem.of(error, source="database"))


def _last(unit: ReadUnit, cluster: str, group: str, own: str) -> Rehearsed | None:
    found = unit.operations.recent()
    mine = found[(found["action"] == RehearseFallbacks.name) & (found["clusters"] == cluster)]
    for id_ in mine[mine["actor"] == own if own else mine["actor"].notna()]["id"].head(MOST):
        operation = unit.operations.get(id_)
        if operation is None or operation.state == "declined":
            continue
        plan = Plan.of(operation.plan)
        if plan.params.get("group") == group:
            return Rehearsed(operation, _frame(sending.told(plan, unit.operations.events(id_))))
    return None


def _frame(requests: list[Sent]) -> pd.DataFrame:
    rows = [
        (number, MODES.get(one.mode, one.mode), one.by, one.tier, _result(one), *_figures(one))
        for number, one in enumerate(requests, 1)
    ]
    return pd.DataFrame(rows, columns=list(REQUESTS)).astype(REQUESTS)


def _figures(one: Sent) -> tuple[int | None, int | None, float | None, float | None]:
    """Fallbacks, retries, seconds and USD, as far as the gateway said them."""
    answer = one.answer
    if answer is None:
        return None, None, None, None
    return answer.fallbacks, answer.retries, answer.seconds, None if answer.usd is None else one.usd


def _result(one: Sent) -> str:
    if not one.asked:
        return "not sent"
    if one.answer is None:
        return "not known"
    if not one.by:
        return "nobody answered"
    return "as planned" if one.expected else "unexpected"
