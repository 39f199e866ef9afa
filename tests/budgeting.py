"""A record with budgets over it, written by hand, in a fresh database.

From 5 April on chat (team product, namespace web, label app=chat) holds $100 a day, train (research) $40, and $10 are
free: $150 in all. Today, 3 June, ten hours are closed, in each of which chat cost $5; the record ends at 10:00. Of
2 June five GPU-hours of train have no price. The gateway counted $30 and $25 for openai and $20 for anthropic.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from db import migrate
from db.work import Database
from services.domain import frames
from services.domain.cost import CONTROLS, HOLD_SPANS, HOURS, NODE_SPANS
from services.domain.cost.budget import Budget
from services.domain.cost.periods import Calendar
from services.ports import Sources
from tests import costing, tiny
from tests.costing import CHAT, H100, SPOT, TRAIN, USD, cost

SINCE, TODAY = date(2026, 4, 5), datetime(2026, 6, 3, tzinfo=UTC)
MADE = datetime(2026, 5, 20, tzinfo=UTC)
"""When the budgets were written."""
PRODUCT = Budget("product", "Product", "team", 3000 * USD, "product", owner="Ada", channel="finance")
WEB = Budget("web", "Web, weekly", "namespace", 400 * USD, "web", Calendar("week", day=0))
APP = Budget("app", "Chat, daily", "label", 30 * USD, "app=chat", Calendar("day"))
FLEET = Budget("fleet", "Fleet, quarterly", "fleet", 20_000 * USD, calendar=Calendar("quarter"))
OPENAI = Budget("openai", "OpenAI", "provider", 100 * USD, "openai")
ALL = (PRODUCT, WEB, APP, FLEET, OPENAI)


@contextmanager
def recorded(folder: Path, *budgets: Budget, more: Sequence[dict[str, Any]] = ()) -> Iterator[Sources]:
    """A console over that record with these budgets; ``more`` rows of costs."""
    database = Database(f"sqlite:///{folder / 'budgets.sqlite3'}")
    migrate.upgrade(database.engine)
    try:
        _fill(database, budgets, more)
        yield replace(tiny.sources(), work=database)
    finally:
        database.close()


def _fill(database: Database, budgets: Sequence[Budget], more: Sequence[dict[str, Any]]) -> None:
    rows = [*more, cost("2026-06-02", 5, None, who=TRAIN, at=SPOT)]
    for number in range((TODAY.date() - SINCE).days):
        day = str(SINCE + timedelta(days=number))
        rows += [cost(day, 24, 100, who=CHAT), cost(day, 24, 40, who=TRAIN, at=SPOT), cost(day, 8, 10)]
    days = costing.days(*rows)
    with database() as unit:
        unit.costs.save_spans(
            frames.empty(NODE_SPANS), frames.empty(HOLD_SPANS), costing.owners(CHAT, TRAIN), costing.places(H100, SPOT)
        )
        unit.costs.set_days(days, ("tiny",), str(SINCE), "2026-06-02", 1)
        closed = [TODAY + timedelta(hours=number) for number in range(10)]
        hours = [{**cost("", 1, 5, who=CHAT), "hour": at} for at in closed]
        begun = datetime(SINCE.year, SINCE.month, SINCE.day, tzinfo=UTC)
        unit.costs.close(
            frames.table(HOURS, [[row[name] for name in HOURS] for row in hours]),
            frames.table(CONTROLS, [["tiny", at, 1, 2, 0, 0, 5 * USD, at] for at in (begun, *closed)]),
        )
        spend = [("2026-06-01T10", "openai", 30), ("2026-06-02T10", "anthropic", 20), ("2026-06-03T01", "openai", 25)]
        llm = [
            {"hour": pd.Timestamp(f"{at}:00Z"), "source": "gateway", "provider": provider, "micro": usd * USD}
            for at, provider, usd in spend
        ]
        unit.costs.save_llm(costing.llm(*llm), "tiny", "gateway", [row["hour"].to_pydatetime() for row in llm])
        for budget in budgets:
            unit.budgets.save(budget, at=MADE, actor="Ada")
        unit.commit()
