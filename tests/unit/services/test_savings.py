"""What changes promised and what was measured since, of a record worked by hand.

Until 20 May train held GPUs of pool spot for 60 dollars a day and chat some of pool h100 for 100. On 20 May the GPUs of
train were released, which promised 60 dollars a day; it went on with 15 a day. Chat costs what it did.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from db import migrate
from db.work import Database
from services.cost import savings
from services.domain import frames
from services.domain.change.plan import Plan, Risk
from services.domain.change.promise import Promise
from services.domain.cost import CONTROLS
from services.domain.scope import Scope, Sight
from services.ports import Event, Operation, Sources
from services.reading import Absence
from tests import costing, tiny
from tests.conftest import NOW
from tests.costing import CHAT, H100, HOUR, SPOT, TRAIN, USD, cost

BEGIN, CHANGED = date(2026, 5, 1), date(2026, 5, 20)
OF_TRAIN = {"cluster": "tiny", "namespace": "lab", "workload": "train", "kind": "held"}


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(made.engine)
    yield made
    made.close()


def spent(work: Database, *, until: str = "2026-06-02", without: tuple[datetime, ...] = (), **more: Any) -> None:
    """The record of these days, hour by hour; ``without`` are hours nobody closed."""
    rows, hours, day = [], [], BEGIN
    while str(day) <= until:
        rows.append(cost(str(day), 24, 100, who=CHAT, at=H100))
        rows.append(cost(str(day), 24, 60 if day <= CHANGED else 15, who=TRAIN, at=SPOT, **more))
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        hours += [begin + timedelta(hours=number) for number in range(24)]
        day += timedelta(days=1)
    closed = [hour for hour in hours if hour not in without]
    controls = frames.table(CONTROLS, [["tiny", hour, 1, 2, 2 * HOUR, 0, 0, hour] for hour in closed])
    with work() as unit:
        nothing = unit.costs.hours(NOW, NOW)
        unit.costs.save_spans(*unit.costs.spans(NOW, NOW), costing.owners(CHAT, TRAIN), costing.places(H100, SPOT))
        unit.costs.close(nothing, controls)
        unit.costs.set_days(costing.days(*rows), ("tiny",), str(BEGIN), until, 1)
        unit.commit()


def change(
    work: Database,
    id: str = "op",
    promise: Promise | None = Promise(-60 * USD, OF_TRAIN),  # noqa: B008 - frozen
    *,
    at: datetime = datetime(2026, 5, 20, 15, tzinfo=UTC),
    state: str = "done",
    **more: Any,
) -> None:
    plan = Plan(id=id, action="release-idle", summary=id, steps=(), made_at=at, risk=Risk.LOW, promise=promise)
    made = Operation(
        id, plan.action, id, state, plan.stored(), "op-1", "Olga", "demo", ("operator",), "idle", "live", at, at, at,
        outcome="", verification="", clusters=("tiny",), **more,
    )  # fmt: skip
    with work() as unit:
        unit.operations.propose(made, (Event(id, "done", at, "op-1", "Olga"),), targets=())
        unit.commit()


def read(work: Database, scope: Scope = Scope()) -> savings.Savings:  # noqa: B008 - frozen
    sources: Sources = replace(tiny.sources(), work=work)
    found = savings.read(sources, scope).value
    assert found is not None
    return found


def row(work: Database, scope: Scope = Scope()) -> Any:  # noqa: B008 - frozen
    (one,) = read(work, scope).changes.to_dict("records")
    return one


def test_a_release_saved_what_its_workload_costs_less_a_day(work: Database) -> None:
    spent(work)
    change(work)
    one = row(work)
    # 13 to 19 May at 60 a day; 21 May, and 21 to 27 May, at 15; the thirty days are not over
    assert (one["promised"], one["before"], one["days_before"]) == (60.0, 60.0, 7)
    assert (one["after_1"], one["after_7"]) == (45.0, 45.0)
    assert math.isnan(one["after_30"])
    assert read(work).through == {"tiny": date(2026, 6, 2)}


@pytest.mark.parametrize("scope", [Scope(pool="spot"), Scope(namespace="lab"), Scope(team="research")])
def test_a_filter_chooses_changes_and_measures_them_whole(work: Database, scope: Scope) -> None:
    spent(work)
    change(work, promise=Promise(-60 * USD, {"cluster": "tiny", "kind": "held"}))  # chat is of this part as well
    one = row(work, scope)
    assert (one["before"], one["after_1"]) == (160.0, 45.0)


@pytest.mark.parametrize("scope", [Scope(pool="h100"), Scope(namespace="web"), Scope(team="product"), Scope("else")])
def test_a_filter_leaves_out_changes_of_others(work: Database, scope: Scope) -> None:
    spent(work)
    change(work)
    assert read(work, scope).changes.empty


def test_who_sees_some_namespaces_sees_the_changes_of_these(work: Database) -> None:
    spent(work)
    change(work)
    change(work, "warm", Promise(5 * USD, {"cluster": "tiny", "pool": "h100", "kind": "warm"}))
    lab, web = (Scope(sees=Sight(namespaces=frozenset({name}))) for name in ("lab", "web"))
    assert read(work, lab).changes["operation"].tolist() == ["op"]
    assert row(work, lab)["after_7"] == 45.0
    assert read(work, web).changes.empty


def test_a_day_with_a_missing_hour_is_not_known(work: Database) -> None:
    spent(work, without=(datetime(2026, 5, 21, 4, tzinfo=UTC), datetime(2026, 5, 18, 9, tzinfo=UTC)))
    change(work)
    one = row(work)
    assert one["days_before"] == 6
    assert one["before"] == 60.0
    assert math.isnan(one["after_1"])
    assert math.isnan(one["after_7"])


def test_a_day_that_is_not_over_is_not_known(work: Database) -> None:
    spent(work, until="2026-05-21", without=(datetime(2026, 5, 21, 23, tzinfo=UTC),))
    change(work)
    assert math.isnan(row(work)["after_1"])
    assert read(work).through == {"tiny": date(2026, 5, 20)}


def test_changes_that_failed_or_promised_nothing_are_no_savings(work: Database) -> None:
    spent(work)
    change(work, "failed", state="failed")
    change(work, "labels", None)
    found = read(work)
    assert found.changes.empty
    assert found.others == 1


def test_a_change_taken_back_after_two_days_is_measured_by_its_first(work: Database) -> None:
    spent(work)
    change(work, undone_by="back")
    change(work, "back", at=datetime(2026, 5, 22, 9, tzinfo=UTC), undoes="op")
    one = row(work)
    assert one["undone_at"] == pd.Timestamp("2026-05-22T09:00Z")
    assert one["after_1"] == 45.0
    assert math.isnan(one["after_7"])


def test_without_a_record_nothing_is_said() -> None:
    found = savings.read(tiny.sources(), Scope())
    assert (found.value, found.absence) == (None, Absence.NOT_CONFIGURED)
