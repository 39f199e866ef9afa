"""What stands on the Budgets page over the record of tests/budgeting.py; its figures are worked out there."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.money import _budgets_code as code
from pages.ui import identity, tables_budget
from services import access
from services.cost import budgets
from services.domain.cost.budget import Budget
from services.domain.cost.budgetyaml import text
from services.domain.scope import Scope, Sight
from services.ports import Sources
from tests import tiny
from tests.budgeting import ALL, APP, FLEET, OPENAI, PRODUCT, WEB, recorded
from tests.conftest import NOW
from tests.costing import USD
from tests.pages.opening import figures, opened, rerun, table, tiles, words
from tests.pages.persons import LOGIN, behind, claims, everything, opened_by
from tests.pages.test_hostile import EVIL, SIGNS, interpreted


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    with recorded(tmp_path, *ALL) as known:
        yield known


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who may do everything."""
    monkeypatch.setattr(identity, "person", lambda: access.DEMO)


def kept(sources: Sources) -> dict[str, Budget]:
    assert sources.work is not None
    with sources.work.reading() as unit:
        return {one.id: one for one in unit.budgets.all()}


def field(at: AppTest, name: str) -> Any:
    """The form's field of that name, whichever budget the form is of."""
    kinds = (at.text_input, at.selectbox, at.checkbox)
    (found,) = [one for kind in kinds for one in kind if str(one.key).startswith(f"budgets_{name}_")]
    return found


def press(at: AppTest, sources: Sources, key: str) -> AppTest:
    (button,) = [one for one in at.button if str(one.key).startswith(key)]
    button.click()
    return rerun(at, sources)


def test_the_tiles_count_budgets_by_how_they_stand(sources: Sources) -> None:
    found = tiles(opened(sources, "budgets"))
    assert found["Hold"] == ("1 of 5", "none is above pace")
    assert found["Will overrun"] == ("3", "the first on 2026-06-04")
    assert found["Over"] == ("1", "by $20")
    # 13,037.50 of 20,000
    assert found["Landing, fleet, quarter"] == ("$13.0k", "65 %, days missing")


def test_the_answer_names_them(sources: Sources) -> None:
    said = words(opened(sources, "budgets")).replace("\\", "")
    assert "**Over:** Chat, daily since 2026-06-03, 167 % of its amount." in said
    assert "Web, weekly on 2026-06-04, expected to end at $708 of $400;" in said
    assert "**Expected to hold:** Fleet, quarterly." in said
    assert "Up to 4 days of the period not recorded, of Fleet, quarterly: unknown, and in no figure." in said
    assert "5 GPU-hours of the fleet have no price and are in no figure." in said


def test_what_unrecorded_days_may_put_above_is_not_said_to_hold(tmp_path: Path) -> None:
    """13,037.50 of 13,600 are expected; the four days of April that are not recorded would make it 13,637.50."""
    with recorded(tmp_path, replace(FLEET, amount_micro=13_600 * USD)) as known:
        at = opened(known, "budgets")
    assert tiles(at)["Hold"][0] == "0 of 1"
    said = words(at).replace("\\", "")
    assert "**May not hold,** were unrecorded days to cost the usual: Fleet, quarterly (4 days)." in said
    assert "expected to hold" not in said


def test_the_table_has_every_budget_in_dollars(sources: Sources) -> None:
    rows = table(opened(sources, "budgets"), tables_budget.BUDGETS).set_index("name")
    assert rows.loc["Product", ["state", "of", "spent_usd", "amount_usd", "overrun", "owner"]].tolist() == [
        "will overrun", "team product", 250.0, 3000.0, "2026-06-30", "Ada",
    ]  # fmt: skip
    assert round(rows.loc["Product", "low_usd"], 2) == 3008.33


def test_the_link_says_which_budget_is_drawn(sources: Sources) -> None:
    at = opened(sources, "budgets", budget="web")
    (figure,) = figures(at)
    assert [trace["name"] for trace in figure["data"]] == [
        "Even pace", "Eight of ten end in", "Expected", "Spent", "Threshold crossed",
    ]  # fmt: skip
    assert [round(value) for value in figure["data"][3]["y"]] == [0, 100, 200, 250]
    assert table(at, tables_budget.THRESHOLDS)["what"].tolist() == ["crossed", "expected", "expected", "crossed"]
    assert table(at, tables_budget.HISTORY)["spent_usd"].iloc[0] == 700
    assert table(at, tables_budget.CHANGES)["actor"].tolist() == ["Ada"]


def test_a_budget_that_is_gone_is_said_to_be(sources: Sources) -> None:
    at = opened(sources, "budgets", budget="gone")
    assert "There is no budget `gone` here" in words(at)
    assert not figures(at)


@pytest.mark.usefixtures("demo")
def test_without_a_budget_the_page_offers_to_begin_with_last_month(tmp_path: Path) -> None:
    """May cost 4,650; the form says 4,700."""
    with recorded(tmp_path) as known:
        at = opened(known, "budgets")
        assert "Last month cost \\$4,650" in words(at)
        assert field(at, "amount").value == "4700"
        at = press(at, known, "budgets_save_")
        assert kept(known)["fleet-monthly"].amount_micro == 4700 * USD
        assert tiles(at)["Hold"][0] == "1 of 1"


def test_a_name_the_record_does_not_have_is_asked_about(tmp_path: Path) -> None:
    with recorded(tmp_path, replace(PRODUCT, value="produkt")) as known:
        assert "Nothing in the record is of team produkt." in words(opened(known, "budgets")).replace("\\", "")


@pytest.mark.usefixtures("demo")
def test_a_budget_is_changed_and_removed(sources: Sources) -> None:
    at = opened(sources, "budgets", budget="product")
    field(at, "amount").set_value("3,100")
    field(at, "thresholds").set_value("90 %, 100")
    at = press(at, sources, "budgets_save_")
    now = kept(sources)["product"]
    assert (now.amount_micro, now.thresholds, now.revision) == (3100 * USD, (0.9, 1.0), 2)
    assert table(at, tables_budget.BUDGETS).set_index("name").loc["Product", "state"] != "will overrun"
    press(at, sources, "budgets_remove_")
    assert "product" not in kept(sources)


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("amount", "much", "The amount is not an amount such as 12000 or 950.50."),
        ("amount", "", "The amount is not an amount such as 12000 or 950.50."),
        ("thresholds", "some", "Thresholds are percentages with commas between, such as 50, 80, 100."),
        ("kind", "week", "A week begins on a weekday."),
        ("value", "", "Product: Say which team it is for."),
        ("name", "openai", "There is a budget called openai already."),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(sources: Sources, name: str, value: str, said: str) -> None:
    at = opened(sources, "budgets", budget="product")
    field(at, name).set_value(value)
    at = press(at, sources, "budgets_save_")
    errors = " ".join(str(one.value) for one in at.error).replace("\\", "")
    assert said in errors
    assert kept(sources)["product"].revision == 1


@pytest.mark.usefixtures("demo")
def test_what_somebody_else_changed_meanwhile_is_not_overwritten(sources: Sources) -> None:
    at = opened(sources, "budgets", budget="product")
    assert sources.work is not None
    with sources.work() as unit:
        unit.budgets.save(replace(PRODUCT, revision=1, owner="Bob"), at=NOW, actor="Bob")
        unit.commit()
    field(at, "amount").set_value("1")
    at = press(at, sources, "budgets_save_")
    assert "Somebody else changed this budget meanwhile" in words(at)
    assert kept(sources)["product"].owner == "Bob"
    assert field(at, "owner").value == "Bob"


def test_a_viewer_reads_why_they_cannot_change_anything(sources: Sources) -> None:
    at = opened_by(claims("nobodys"), behind(sources), "budgets")
    assert "This needs the role finance; you have viewer." in everything(at)
    assert field(at, "amount").disabled
    assert all(one.disabled for one in at.button if str(one.key).startswith(("budgets_save", "budgets_remove")))


def test_who_sees_one_team_sees_its_budget_alone(sources: Sources) -> None:
    login = replace(LOGIN, views={"web": Sight(teams=frozenset({"product"}))})
    at = opened_by(claims("web"), behind(sources, login), "budgets", budget="fleet")
    assert table(at, tables_budget.BUDGETS)["name"].tolist() == ["Product"]
    told = everything(at)
    assert "quarterly" not in told
    assert "OpenAI" not in told
    assert "Budgets as code" not in told


def test_names_from_outside_are_shown_as_they_are(tmp_path: Path) -> None:
    evil = Budget("x", EVIL[:78], "team", 10 * USD, EVIL, owner=EVIL, channel=EVIL[:78])
    over = Budget("y", f"2{EVIL[:70]}", "namespace", 10 * USD, "web", owner=EVIL)
    with recorded(tmp_path, evil, over) as known:
        for one in ("x", "y"):
            at = opened(known, "budgets", budget=one)
            for said in interpreted(at):
                assert not any(re.search(rf"(?<!\\){sign}", said) for sign in SIGNS), said


def test_without_a_database_the_page_says_so() -> None:
    assert "no database is configured" in words(opened(tiny.sources(), "budgets"))


@pytest.mark.usefixtures("demo")
def test_a_document_is_planned_and_then_applied(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = text([replace(PRODUCT, amount_micro=USD), WEB, APP, FLEET]).encode()
    upload = SimpleNamespace(getvalue=lambda: wanted)
    monkeypatch.setattr(code.st, "file_uploader", lambda *_a, **_k: upload)
    at = opened(sources, "budgets")
    rows = table(at, tables_budget.PLAN)
    assert rows[["what", "name", "fields"]].to_numpy().tolist() == [
        ["change", "Product", "amount"], ["remove", "OpenAI", ""],
    ]  # fmt: skip
    assert set(kept(sources)) == {one.id for one in ALL}
    press(at, sources, "budgets_apply")
    assert kept(sources)["product"].amount_micro == USD
    assert OPENAI.id not in kept(sources)


@pytest.mark.usefixtures("demo")
def test_a_document_that_is_wrong_changes_nothing(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = SimpleNamespace(
        getvalue=lambda: b"version: 1\nbudgets:\n  - name: x\n    scope: moon\n    amount_usd: 1\n"
    )
    monkeypatch.setattr(code.st, "file_uploader", lambda *_a, **_k: upload)
    at = opened(sources, "budgets")
    assert "Line 3: The scope is none of" in words(at).replace("\\", "")
    assert not [one for one in at.button if one.key == "budgets_apply"]


def test_the_findings_lead_to_the_budget(sources: Sources) -> None:
    found = budgets.findings(sources, Scope())[0]
    at = opened(sources, found.page, **found.params)
    assert at.selectbox(key="budget").value == found.params["budget"]
