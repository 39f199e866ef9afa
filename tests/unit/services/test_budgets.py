"""Budgets over the record of tests/budgeting.py, every figure worked by hand. It is Wednesday, 3 June, noon."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from services import access
from services.access import User
from services.cost import budgetedit, budgets
from services.cost.read import MARK
from services.domain import frames
from services.domain.cost import LLM, budgetyaml
from services.domain.cost.budget import Budget
from services.domain.cost.burn import Standing
from services.domain.scope import Scope, Sight
from services.memo import Memo
from services.ports import Sources
from tests.budgeting import ALL, APP, FLEET, OPENAI, PRODUCT, WEB, recorded
from tests.conftest import NOW
from tests.costing import SPOT, TRAIN, USD, cost

FINANCE = User("f", "Fay", access.ROLES["finance"], ("finance",), via="oidc")


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    with recorded(tmp_path, *ALL) as known:
        yield known


def stands(sources: Sources, scope: Scope = Scope()) -> dict[str, Standing]:  # noqa: B008
    found = budgets.board(sources, scope).value
    assert found is not None
    return {one.budget.id: one for one in found.standings}


def test_a_team_is_counted_by_what_its_pods_held(sources: Sources) -> None:
    """Two days of 100 and 50 today; 14 of 24 hours of 100 are left today, and 27 days."""
    one = stands(sources)["product"]
    assert (one.spent, one.state, one.overrun) == (250 * USD, "will overrun", "2026-06-30")
    assert (one.landing.low, one.landing.high) == (3_008_333_333, 3_008_333_333)
    assert one.seen == datetime(2026, 6, 3, 10, tzinfo=UTC)


def test_a_namespace_by_week(sources: Sources) -> None:
    """100, 200 and 250 are spent of 400; at 100 a day 408 by the end of Thursday."""
    one = stands(sources)["web"]
    assert (one.spent, one.state, one.overrun) == (250 * USD, "will overrun", "2026-06-04")
    assert one.days == {0.5: "2026-06-02"}


def test_a_label_by_day(sources: Sources) -> None:
    one = stands(sources)["app"]
    assert (one.spent, one.state, one.overrun) == (50 * USD, "over", "2026-06-03")


def test_the_fleet_counts_what_nobody_held_and_says_what_has_no_price(sources: Sources) -> None:
    """59 days of 150 and 50 today; 14/24 of 150 and 27 × 150 to come. Four days of April are not recorded."""
    one = stands(sources)["fleet"]
    assert (one.spent, one.state, one.missing) == (8900 * USD, "on track", 4)
    assert one.landing.mid == 13_037_500_000
    assert round(one.unpriced_gpu_hours, 6) == 5


def test_a_provider_is_counted_as_the_gateway_did(sources: Sources) -> None:
    """55 in the 48 hours since the first spend: 27.50 a day, for 27 days and 14 hours more; above 100 on the 5th."""
    one = stands(sources)["openai"]
    assert (one.spent, one.overrun) == (55 * USD, "2026-06-05")
    assert [round(end / USD) for end in (one.landing.low, one.landing.mid, one.landing.high)] == [434, 814, 1572]


def test_those_in_trouble_come_first(sources: Sources) -> None:
    assert list(stands(sources)) == ["app", "web", "openai", "product", "fleet"]


def test_without_a_budget_the_month_before_is_suggested(sources: Sources) -> None:
    found = budgets.board(sources, Scope()).value
    assert found is not None
    assert found.suggested == 31 * 150 * USD


def test_who_sees_one_team_gets_its_budget_and_no_other(sources: Sources) -> None:
    scope = Scope(sees=Sight(teams=frozenset({"product"})))
    assert list(stands(sources, scope)) == ["product"]
    found = budgets.board(sources, scope).value
    assert found is not None
    assert (found.suggested, found.hidden) == (None, 0)
    assert budgets.detail(sources, scope, "fleet").value is None
    assert {each.key.split("/")[1] for each in budgets.findings(sources, scope)} == {"product"}


def test_filters_keep_the_budgets_they_name(sources: Sources) -> None:
    found = budgets.board(sources, Scope(namespace="web")).value
    assert found is not None
    assert ([one.budget.id for one in found.standings], found.hidden) == (["web"], 4)


def test_crossings_are_noted_once_with_the_hour(sources: Sources) -> None:
    """Chat costs 5 an hour: of 30, half is reached by 03:00, 80 % by 05:00, all by 06:00."""
    new, found = budgets.crossings(sources, NOW)
    today = [each for each in new if each.period_begin.date() == NOW.date()]
    app = {each.threshold: (each.at.hour, each.spent_micro) for each in today if each.budget == "app"}
    assert app == {
        "0.5": (3, 15 * USD), "0.8": (5, 25 * USD), "1": (6, 30 * USD), "projected": (12, 50 * USD),
    }  # fmt: skip
    # hours of 2 June are not kept: the day's end
    assert [each.at for each in new if each.budget == "web" and each.threshold == "0.5"] == [
        datetime(2026, 6, 3, tzinfo=UTC)
    ]
    assert budgets.crossings(sources, NOW) == ((), found)


def test_what_crossed_in_the_last_hours_of_a_period_is_noted_after_its_end(sources: Sources) -> None:
    """Chat cost 100 on 2 June, above all of its 30; hours of that day are not kept. Expecting it is too late then."""
    new, _ = budgets.crossings(sources, NOW)
    day, midnight = datetime(2026, 6, 2, tzinfo=UTC), datetime(2026, 6, 3, tzinfo=UTC)
    before = [each for each in new if each.budget == "app" and each.period_begin == day]
    assert sorted(each.threshold for each in before) == ["0.5", "0.8", "1"]
    assert {each.at for each in before} == {midnight}
    # the week and the month before ended two days and a half ago
    assert {each.period_begin for each in new} == {datetime(2026, 6, number, tzinfo=UTC) for number in (1, 2, 3)}


def test_crossings_wait_for_days_that_are_still_being_filled_in(tmp_path: Path) -> None:
    """Four days of April are missing of the fleet's 10,000, of which 8,900 are spent; of the product's June none is."""
    with recorded(tmp_path, PRODUCT, replace(FLEET, amount_micro=10_000 * USD)) as sources:
        assert sources.work is not None
        for done, noted in ((1, {"product"}), (2, {"fleet"})):
            with sources.work() as unit:
                unit.starts.set_mark("tiny", MARK, {"done": done, "of": 2}, NOW)
                unit.commit()
            later = replace(sources, memo=Memo())
            assert {each.budget for each in budgets.crossings(later, NOW)[0]} == noted


def test_a_budget_made_today_crossed_nothing_yesterday(tmp_path: Path) -> None:
    with recorded(tmp_path) as sources:
        budgetedit.save(sources, FINANCE, replace(APP, id=""))
        new, _ = budgets.crossings(sources, NOW)
    assert {each.period_begin for each in new} == {datetime(2026, 6, 3, tzinfo=UTC)}


def test_the_period_before_is_held_against_the_amount_of_then(sources: Sources) -> None:
    """Raised from 30 to 1,000 today: yesterday's 100 was above 30, and today's 50 is far from half."""
    held = stands(sources)["app"].budget
    assert budgetedit.save(sources, FINANCE, replace(held, amount_micro=1000 * USD)).value is not None
    new, _ = budgets.crossings(sources, NOW)
    app = {(each.period_begin.day, each.threshold, each.amount_micro) for each in new if each.budget == "app"}
    assert app == {(2, share, 30 * USD) for share in ("0.5", "0.8", "1")}


def test_what_was_noted_and_is_not_so_any_more_is_said_to_be(sources: Sources) -> None:
    """Today's 50 crossed all of 30; of 1,000, where 108.33 are expected, it crosses nothing."""
    budgets.crossings(sources, NOW)
    held = stands(sources)["app"].budget
    assert budgetedit.save(sources, FINANCE, replace(held, amount_micro=1000 * USD)).value is not None
    found = budgets.detail(sources, Scope(), "app").value
    assert found is not None
    assert found.thresholds["what"].tolist() == ["no longer"] * 4
    assert found.thresholds["noted_at"].notna().all()


def test_of_what_nothing_is_recorded_no_threshold_is_said_to_hold(tmp_path: Path) -> None:
    """The gateway has no spend: not known, which is another thing than not expected."""
    with recorded(tmp_path, OPENAI) as sources:
        assert sources.work is not None
        with sources.work() as unit:
            for day in (1, 2, 3):
                hours = [datetime(2026, 6, day, hour, tzinfo=UTC) for hour in range(24)]
                unit.costs.save_llm(frames.empty(LLM), "tiny", "gateway", hours)
            unit.commit()
        found = budgets.detail(sources, Scope(), "openai").value
    assert found is not None
    assert found.standing.state == "unknown"
    assert found.thresholds["what"].tolist() == ["not known"] * 4


def test_findings_say_over_or_that_it_will_be_and_the_last_threshold(sources: Sources) -> None:
    found = {each.key: each for each in budgets.findings(sources, Scope())}
    assert set(found) == {
        "budget/app/2026-06-03/over",
        "budget/web/week of 2026-06-01/projected",
        "budget/web/week of 2026-06-01/0.5",
        "budget/openai/2026-06/projected",
        "budget/openai/2026-06/0.5",
        "budget/product/2026-06/projected",
    }
    said = found["budget/product/2026-06/projected"]
    assert said.title == "Product will be over its budget on 2026-06-30"
    assert said.detail == "$250 of $3,000 spent in 2026-06. It is expected to end at $3,008."
    assert (said.page, said.params, said.team) == ("budgets", {"budget": "product"}, "product")


def test_a_day_unlike_its_weekday_is_a_finding(tmp_path: Path) -> None:
    """500 more of train on 2 June: 540 where eight Tuesdays cost 40, and 650 of the fleet where they cost 150."""
    with recorded(tmp_path, more=[cost("2026-06-02", 24, 500, who=TRAIN, at=SPOT, basis="OpenCost")]) as sources:
        found = {each.key: each for each in budgets.findings(sources, Scope())}
    assert set(found) == {"anomaly/fleet//2026-06-02", "anomaly/team/research/2026-06-02"}
    said = found["anomaly/team/research/2026-06-02"]
    assert said.title == "Team research cost $540 on 2026-06-02, more than usual"
    assert said.usd_per_day == 500


def test_the_periods_before_have_the_amount_of_then(sources: Sources) -> None:
    """The budget was written on 20 May, so the week to 17 May had none."""
    found = budgets.detail(sources, Scope(), "web").value
    assert found is not None
    rows = found.history.set_index("period")
    assert len(rows) == 13
    assert rows.loc["week of 2026-05-25", ["spent_micro", "amount_micro", "ratio"]].tolist() == [
        700 * USD, 400 * USD, 1.75,
    ]  # fmt: skip
    assert pd.isna(rows.loc["week of 2026-05-11", "amount_micro"])
    # the record begins on Sunday 5 April: one day of that week, nothing of the one before
    assert rows.loc["week of 2026-03-30", ["spent_micro", "recorded"]].tolist() == [100 * USD, "partly"]
    assert rows.loc["week of 2026-03-23", "recorded"] == "not recorded"
    assert pd.isna(rows.loc["week of 2026-03-23", "spent_micro"])


def test_thresholds_say_what_happened_and_what_is_expected(sources: Sources) -> None:
    """Of 400 a week: 200 on the 2nd, 320 on the 4th, by whose end 408 are expected; 400 then too."""
    budgets.crossings(sources, NOW)
    found = budgets.detail(sources, Scope(), "web").value
    assert found is not None
    assert found.thresholds[["threshold", "what", "day"]].to_numpy().tolist() == [
        ["50 %", "crossed", "2026-06-02"],
        ["80 %", "expected", "2026-06-04"],
        ["100 %", "expected", "2026-06-04"],
        ["projected", "crossed", ""],
    ]
    assert found.thresholds["noted_at"].notna().tolist() == [True, False, False, True]


def test_a_budget_that_is_not_there_is_neither_a_value_nor_a_failure(sources: Sources) -> None:
    found = budgets.detail(sources, Scope(), "nothing")
    assert (found.value, found.problem) == (None, None)


def test_a_new_budget_gets_an_id_and_its_writer_is_kept(sources: Sources) -> None:
    made = budgetedit.save(sources, FINANCE, Budget("", "Web, weekly too", "namespace", 5 * USD, "lab")).value
    assert made is not None
    assert (made.id, made.revision) == ("web-weekly-too", 1)
    found = budgets.detail(sources, Scope(), made.id).value
    assert found is not None
    assert [(each.actor, each.revision) for each in found.changes] == [("Fay", 1)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "PRODUCT"}, "There is a budget called PRODUCT already."),
        ({"amount_micro": 0}, "New: The amount is from $0.01 to $1,000,000,000."),
        ({"amount_micro": 10**15 + 1}, "New: The amount is from $0.01 to $1,000,000,000."),
        ({"thresholds": (2.01,)}, "New: A threshold is from 1 % to 200 %."),
        ({"value": "  "}, "New: Say which team it is for."),
        ({"scope": "label", "value": "app"}, "New: A label is written key=value."),
        ({"name": " "}, "The budget: A budget needs a name."),
    ],
)
def test_what_may_not_be_is_refused(sources: Sources, changed: dict[str, object], said: str) -> None:
    budget = replace(Budget("", "New", "team", USD, "x"), **changed)  # type: ignore[arg-type]
    found = budgetedit.save(sources, FINANCE, budget)
    assert found.problem is not None
    assert found.problem.message == said
    assert set(stands(sources)) == {"app", "web", "openai", "product", "fleet"}


def test_nobody_without_the_right_changes_a_budget(sources: Sources) -> None:
    viewer = User("v", "Vic", access.ROLES["viewer"], ("viewer",), via="oidc")
    for found in (
        budgetedit.save(sources, viewer, PRODUCT),
        budgetedit.remove(sources, viewer, PRODUCT),
        budgetedit.apply(sources, viewer, budgetyaml.plan([], [])),
    ):
        assert found.problem is not None
        assert found.problem.message == "This needs the role finance; you have viewer."


def test_nobody_changes_what_they_do_not_see(sources: Sources) -> None:
    """Not even by calling it something they do see."""
    narrow = replace(FINANCE, sees=Sight(teams=frozenset({"research"})))
    taken = replace(stands(sources)["product"].budget, value="research")
    for found in (budgetedit.save(sources, narrow, taken), budgetedit.remove(sources, narrow, taken)):
        assert found.problem is not None
        assert found.problem.message.startswith("You do not see")
    found = budgetedit.apply(sources, narrow, budgetyaml.plan([], []))
    assert found.problem is not None


def test_a_budget_somebody_else_changed_is_not_overwritten(sources: Sources) -> None:
    held = stands(sources)["product"].budget
    assert budgetedit.save(sources, FINANCE, replace(held, amount_micro=1)).problem is not None
    assert budgetedit.save(sources, FINANCE, replace(held, amount_micro=USD)).value is not None
    late = budgetedit.save(sources, FINANCE, replace(held, amount_micro=2 * USD))
    assert late.problem is not None
    assert late.problem.message == "Somebody else changed this budget meanwhile."


def test_a_removed_budget_keeps_its_history(sources: Sources) -> None:
    held = stands(sources)["product"].budget
    assert budgetedit.remove(sources, FINANCE, held).value == held
    assert "product" not in stands(sources)
    assert sources.work is not None
    with sources.work.reading() as unit:
        assert [(each.actor, each.budget is None) for each in unit.budgets.history("product")] == [
            ("Fay", True), ("Ada", False),
        ]  # fmt: skip


def test_a_document_takes_the_place_of_all_or_of_nothing(sources: Sources) -> None:
    known = [one.budget for one in stands(sources).values()]
    product = next(one for one in known if one.id == "product")
    wanted = [replace(product, amount_micro=USD), Budget("", "New", "team", USD, "x"), *(each for each in (WEB, APP))]
    plan = budgetyaml.plan(known, wanted)
    assert [(each.what, (each.after or each.before or FLEET).id) for each in plan.changes] == [
        ("add", "new"), ("change", "product"), ("remove", "openai"), ("remove", "fleet"),
    ]  # fmt: skip
    assert plan.unchanged == 2
    stale = replace(plan, changes=(*plan.changes, budgetyaml.Change(replace(WEB, revision=9), None)))
    assert budgetedit.apply(sources, FINANCE, stale).problem is not None
    assert len(stands(sources)) == len(ALL)
    assert budgetedit.apply(sources, FINANCE, plan).value == 4
    assert set(stands(sources)) == {"new", "product", "web", "app"}
    assert OPENAI.id not in stands(sources)
