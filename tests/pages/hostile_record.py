"""A record in which everything has the name an enemy gave it, over the estate of tests/pages/test_hostile.py.

From 5 April on what the enemy holds costs 100 dollars a day (half of it measured, half of that used), 10 are free, and
two GPU-hours have no price. Of today ten hours are closed; those of 5:00 differ from what their node cost.
"""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from db import migrate
from db.work import Database
from services.cost.read import MARK
from services.domain import frames
from services.domain.alerts import Channel, Message, made_of
from services.domain.change.plan import Plan, Risk
from services.domain.change.promise import Promise
from services.domain.cost import CONTROLS, HOLD_SPANS, HOURS, NODE_SPANS, keys
from services.domain.cost.budget import Budget
from services.domain.cost.budgetrules import LONGEST
from services.domain.cost.periods import Calendar
from services.domain.cost.rates import CARD, NAMED
from services.domain.findings import Severity
from services.ports import ChannelSource, Crossing, Dismissal, Event, Operation, Sources, UnitOfWork
from tests import costing
from tests.alerting import Mailbox, finding
from tests.conftest import NOW
from tests.costing import HOUR, USD, Owner, Place, cost

SINCE, TODAY = date(2026, 4, 5), datetime(2026, 6, 3, tzinfo=UTC)
BEGUN = datetime(2026, 4, 5, tzinfo=UTC)
DIFFERS = TODAY + timedelta(hours=5)
SCOPES = ("fleet", "cluster", "team", "namespace", "label", "model", "provider")


def recorded(folder: Path, evil: str, estate: Sources) -> tuple[Sources, Database]:
    """The estate with that record, to be closed afterwards."""
    database = Database(f"sqlite:///{folder / 'hostile.sqlite3'}")
    migrate.upgrade(database.engine)
    with database() as unit:
        _costs(unit, evil)
        _spend(unit, evil)
        _budgets(unit, evil)
        _prices(unit, evil)
        _alerts(unit, evil)
        _changes(unit, evil)
        unit.commit()
    policy = replace(estate.policy, cost=replace(estate.policy.cost, labels=("app",)))
    channel = ChannelSource(Channel(evil, place=evil, teams=frozenset({evil})), Mailbox())
    return replace(estate, work=database, policy=policy, channels={evil: channel}), database


def owner(evil: str) -> Owner:
    """Whose the costs are."""
    return evil, evil, "Deployment", evil, evil, json.dumps({"app": evil})


def place(evil: str) -> Place:
    """Where they are from."""
    return evil, evil, evil, evil, "on-demand", evil, evil


def _costs(unit: UnitOfWork, evil: str) -> None:
    who, at = owner(evil), place(evil)
    rows: list[dict[str, Any]] = []
    for number in range((TODAY.date() - SINCE).days):
        day = str(SINCE + timedelta(days=number))
        rows.append(cost(day, 24, 100, who=who, at=at, measured=50, used=25, listed=120))
        rows += [cost(day, 8, 10, at=at), cost(day, 2, None, who=who, at=at)]
    node = [evil, evil, BEGUN, pd.NaT, evil, keys.place(*at), 8, 0, 0, False]
    hold = [evil, evil, evil, BEGUN, pd.NaT, "held", keys.owner(*who), evil, 8 * HOUR // 3600]
    unit.costs.save_spans(
        frames.table(NODE_SPANS, [node]), frames.table(HOLD_SPANS, [hold]), costing.owners(who), costing.places(at)
    )
    unit.costs.set_days(costing.days(*rows), (evil,), str(SINCE), "2026-06-02", 1)
    closed = [BEGUN, *(TODAY + timedelta(hours=number) for number in range(10))]
    facts = [{**cost("", 8, 5, who=who, at=at), "hour": hour} for hour in closed]
    unit.costs.close(
        frames.table(HOURS, [[row[name] for name in HOURS] for row in facts]),
        frames.table(CONTROLS, [[evil, at, 1, 1, 8 * HOUR, 0, 5 * USD + (at == DIFFERS), at] for at in closed]),
    )
    unit.starts.set_mark(evil, MARK, {"next": "2026-06-03T10:00:00+00:00", "todo": []}, NOW)


def _spend(unit: UnitOfWork, evil: str) -> None:
    hour = TODAY - timedelta(hours=14)
    named = dict.fromkeys(("model", "team", "namespace", "workload"), evil)
    tokens = {"hour": pd.Timestamp(hour), "cluster": evil, "prompt_tokens": 1e6, "completion_tokens": 1e6}
    asked = {"model_group": evil, "provider": evil, "key_alias": evil, "requests": 9.0, "micro": 8 * USD}
    for source, more in (("gateway", asked), ("engine", {})):
        unit.costs.save_llm(costing.llm({**named, **tokens, **more, "source": source}), evil, source, [hour])


def _budgets(unit: UnitOfWork, evil: str) -> None:
    """One over, one that will be, one that holds, and others of whose scope the record may know nothing."""
    value = {"fleet": "", "label": f"app={evil}"}
    amounts = {"team": 50, "namespace": 3000, "cluster": 90_000}
    for scope in SCOPES:
        budget = Budget(
            id=scope,
            name=f"{scope} {evil}"[: LONGEST["name"]],
            scope=scope,
            amount_micro=amounts.get(scope, 4000) * USD,
            value=value.get(scope, evil),
            calendar=Calendar("week", day=0) if scope == "team" else Calendar(),
            owner=evil,
            channel=evil,
        )
        unit.budgets.save(budget, at=NOW - timedelta(days=9), actor=evil)
    unit.budgets.cross(Crossing("team", TODAY - timedelta(days=2), "0.8", NOW, 40 * USD, 50 * USD))
    aside = Dismissal(f"waste/remove/{evil}", evil, evil, NOW + timedelta(days=9), NOW, evil)
    unit.budgets.dismiss(aside)


def _prices(unit: UnitOfWork, evil: str) -> None:
    for version in range(2):
        line = [*(evil for _ in NAMED), "instance", (40 + version) * USD, 0.0, evil, pd.Timestamp(BEGUN), pd.NaT]
        unit.costs.add_card(frames.table(CARD, [line]), after=version, at=NOW, actor=evil, reason=evil)


def _alerts(unit: UnitOfWork, evil: str) -> None:
    """One that could not be sent, to a channel that is set, and one to a channel that is not any more."""
    then = NOW - timedelta(minutes=10)
    for name in (evil, f"{evil} old"):
        found = finding(evil, Severity.WARNING, title=evil, detail=evil, cluster=evil, team=evil, kind=evil)
        alert = made_of(found, then, Channel(name), at=then, due=then)
        unit.alerts.add([alert])
        unit.alerts.post(Message(f"m-{name}", name, then, (alert,)))
    unit.alerts.claim(evil, worker="w", now=then, lease_until=NOW)
    unit.alerts.failed(f"m-{evil}", worker="w", at=then, error=evil, next_at=NOW + timedelta(minutes=9))


def _changes(unit: UnitOfWork, evil: str) -> None:
    """One that promised to save 20 dollars a day of what the enemy holds, done twenty days ago."""
    at = NOW - timedelta(days=20)
    promise = Promise(-20 * USD, {"cluster": evil, "namespace": evil, "workload": evil, "kind": "held"})
    plan = Plan(id="op", action="release-idle", summary=evil, steps=(), made_at=at, risk=Risk.LOW, promise=promise)
    made = Operation(
        "op", plan.action, evil, "done", plan.stored(), evil, evil, evil, (evil,), evil, "live", at, at, at,
        outcome=evil, verification=evil, clusters=(evil,),
    )  # fmt: skip
    said = Event("op", "done", at, evil, evil)
    unit.operations.propose(made, (said,), targets=())
