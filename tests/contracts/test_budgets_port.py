"""What :class:`services.ports.Budgets` says, of the record in memory and in both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.domain.cost.budget import Budget
from services.domain.cost.periods import Calendar
from services.errors import Conflict
from services.ports import BudgetChange, Budgets, Crossing, Dismissal

NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)
VOICE = Budget(
    id="b1",
    name="Voice: größer",
    scope="label",
    amount_micro=2**53 + 1,
    value="app=asr",
    calendar=Calendar("quarter", "Asia/Kolkata", day=31, month=2),
    thresholds=(0.5, 0.915),
    projected=False,
    owner="ada",
    channel="finance",
)
CROSSING = Crossing("b1", NOON - DAY, "0.8", NOON, 2**53 + 1, 2**53 + 3)
ADVICE = Dismissal("east/asr/idle", "Idle GPUs of asr", "A demo on Friday.", NOON + DAY, NOON, "ada")


def do(record: Any, what: Callable[[Budgets], Any]) -> Any:
    with record() as unit:
        answer = what(unit.budgets)
        unit.commit()
    return answer


def save(record: Any, budget: Budget, *, at: datetime = NOON, actor: str = "ada") -> Budget:
    return do(record, lambda budgets: budgets.save(budget, at=at, actor=actor))


def remove(record: Any, id: str, revision: int, *, at: datetime = NOON, actor: str = "bob") -> None:
    do(record, lambda budgets: budgets.remove(id, revision=revision, at=at, actor=actor))


def asked(record: Any, what: Callable[[Budgets], Any]) -> Any:
    with record.reading() as unit:
        return what(unit.budgets)


def every(record: Any) -> list[Budget]:
    return list(asked(record, lambda budgets: budgets.all()))


# -- budgets -----------------------------------------------------------------------------------------------------------


def test_a_new_budget_comes_back_as_it_was_written_with_revision_1(record: Any) -> None:
    saved = save(record, VOICE)
    assert saved == replace(VOICE, revision=1)
    assert every(record) == [saved]


def test_a_change_of_what_was_read_has_the_next_revision(record: Any) -> None:
    first = save(record, VOICE)
    second = save(record, replace(first, amount_micro=5, name="Voice"))
    assert second == replace(VOICE, amount_micro=5, name="Voice", revision=2)
    assert every(record) == [second]


@pytest.mark.parametrize("revision", [0, 1, 3])
def test_a_change_of_another_revision_is_a_conflict_and_changes_nothing(record: Any, revision: int) -> None:
    now = save(record, save(record, VOICE))
    with pytest.raises(Conflict):
        save(record, replace(VOICE, revision=revision, amount_micro=1))
    assert every(record) == [now]
    assert len(asked(record, lambda budgets: budgets.history("b1"))) == 2


def test_a_budget_that_is_not_there_cannot_be_changed_or_removed(record: Any) -> None:
    with pytest.raises(Conflict):
        save(record, replace(VOICE, revision=1))
    with pytest.raises(Conflict):
        remove(record, "b1", 1)
    with pytest.raises(Conflict):
        remove(record, "b1", 0)
    assert list(asked(record, lambda budgets: budgets.history())) == []


def test_budgets_come_by_name(record: Any) -> None:
    for id, name in (("1", "b"), ("2", "c"), ("3", "a")):
        save(record, replace(VOICE, id=id, name=name))
    assert [budget.name for budget in every(record)] == ["a", "b", "c"]


def test_a_removed_budget_is_gone_and_its_history_stays(record: Any) -> None:
    saved = save(record, VOICE)
    with pytest.raises(Conflict):
        remove(record, "b1", 2)
    remove(record, "b1", 1, at=NOON + DAY)
    assert every(record) == []
    assert list(asked(record, lambda budgets: budgets.history("b1"))) == [
        BudgetChange("b1", 2, NOON + DAY, "bob", None),
        BudgetChange("b1", 1, NOON, "ada", saved),
    ]


def test_a_removed_budget_may_come_again_and_its_revisions_go_on(record: Any) -> None:
    save(record, VOICE)
    remove(record, "b1", 1)
    assert save(record, VOICE, at=NOON + DAY).revision == 3
    assert [change.revision for change in asked(record, lambda budgets: budgets.history("b1"))] == [3, 2, 1]


def test_the_history_of_all_is_newest_first(record: Any) -> None:
    save(record, replace(VOICE, id="old"), at=NOON)
    first = save(record, VOICE, at=NOON + DAY)
    save(record, first, at=NOON + 2 * DAY, actor="bob")
    history = asked(record, lambda budgets: budgets.history())
    assert [(change.id, change.revision, change.actor) for change in history] == [
        ("b1", 2, "bob"), ("b1", 1, "ada"), ("old", 1, "ada"),
    ]  # fmt: skip


# -- crossings ---------------------------------------------------------------------------------------------------------


def test_a_crossing_is_noted_once(record: Any) -> None:
    again = replace(CROSSING, at=NOON + DAY, spent_micro=1)
    assert do(record, lambda budgets: budgets.cross(CROSSING)) is True
    assert do(record, lambda budgets: budgets.cross(again)) is False
    assert list(asked(record, lambda budgets: budgets.crossings(NOON))) == [CROSSING]


@pytest.mark.parametrize(
    "other", [{"budget": "b2"}, {"period_begin": NOON}, {"threshold": "projected"}], ids=lambda one: next(iter(one))
)
def test_another_budget_period_or_threshold_is_another_crossing(record: Any, other: dict[str, Any]) -> None:
    assert do(record, lambda budgets: budgets.cross(CROSSING))
    assert do(record, lambda budgets: budgets.cross(replace(CROSSING, **other)))
    assert len(asked(record, lambda budgets: budgets.crossings(NOON))) == 2


def test_crossings_are_those_noted_since_then_newest_first(record: Any) -> None:
    for days, threshold in ((0, "0.5"), (2, "1.0"), (1, "0.8")):
        do(record, lambda budgets, at=NOON + days * DAY, threshold=threshold: budgets.cross(
            replace(CROSSING, at=at, threshold=threshold)))  # fmt: skip
    found = asked(record, lambda budgets: budgets.crossings(NOON + DAY))
    assert [crossing.threshold for crossing in found] == ["1.0", "0.8"]


# -- advice ------------------------------------------------------------------------------------------------------------


def test_advice_is_set_aside_until_its_day_and_not_on_it(record: Any) -> None:
    do(record, lambda budgets: budgets.dismiss(ADVICE))
    assert list(asked(record, lambda budgets: budgets.dismissed(NOON))) == [ADVICE]
    assert list(asked(record, lambda budgets: budgets.dismissed(NOON + DAY))) == []


def test_setting_aside_again_replaces_what_was_said(record: Any) -> None:
    again = replace(ADVICE, reason="Until the launch.", until=NOON + 9 * DAY, actor="bob")
    do(record, lambda budgets: budgets.dismiss(ADVICE))
    do(record, lambda budgets: budgets.dismiss(again))
    assert list(asked(record, lambda budgets: budgets.dismissed(NOON))) == [again]


def test_what_comes_back_first_is_in_front(record: Any) -> None:
    for days in (3, 1, 2):
        aside = replace(ADVICE, key=f"k{days}", until=NOON + days * DAY)
        do(record, lambda budgets, aside=aside: budgets.dismiss(aside))
    assert [one.key for one in asked(record, lambda budgets: budgets.dismissed(NOON))] == ["k1", "k2", "k3"]


def test_advice_can_be_had_back_once(record: Any) -> None:
    do(record, lambda budgets: budgets.dismiss(ADVICE))
    assert do(record, lambda budgets: budgets.restore(ADVICE.key)) is True
    assert do(record, lambda budgets: budgets.restore(ADVICE.key)) is False
    assert list(asked(record, lambda budgets: budgets.dismissed(NOON))) == []
