"""Budgets as YAML: what is read, what is refused and on which line, what is written."""

from dataclasses import replace

import pytest

from services.domain.cost.budget import Budget
from services.domain.cost.budgetyaml import MOST_BYTES, fresh, micro_of, plan, read, text
from services.domain.cost.periods import Calendar

WHOLE = """version: 1
budgets:
  - id: research
    name: Research, monthly
    scope: team
    value: research
    amount_usd: 12000.50
    period: quarter
    begins: 15
    first_month: 2
    thresholds: [0.5, 1.2]
    projected: false
    owner: Ada
    channel: finance
  - name: Fleet
    scope: fleet
    amount_usd: 1
    period: week
    begins: Sunday
"""
RESEARCH = Budget(
    "research", "Research, monthly", "team", 12_000_500_000, "research",
    Calendar("quarter", "Europe/Berlin", 15, 2), (0.5, 1.2), projected=False, owner="Ada", channel="finance",
)  # fmt: skip
FLEET = Budget("", "Fleet", "fleet", 1_000_000, calendar=Calendar("week", "Europe/Berlin", 6))


def wrong(given: str | bytes) -> list[tuple[int, str]]:
    found = read(given, "UTC")
    assert found.budgets == ()
    return [(one.line, one.says) for one in found.wrong]


def test_a_document_is_read() -> None:
    assert read(WHOLE, "Europe/Berlin").budgets == (RESEARCH, FLEET)
    assert read(b"\xef\xbb\xbf" + WHOLE.encode(), "Europe/Berlin").budgets == (RESEARCH, FLEET)


def test_what_is_written_reads_the_same() -> None:
    budgets = (RESEARCH, replace(FLEET, id="fleet", name='It\'s: a "fleet" # 1 ü', amount_micro=10_000))
    assert read(text(budgets), "Europe/Berlin").budgets == budgets
    daily = Budget("yes", "true", "label", 123_450_000, "app=1", Calendar("day"), (), owner="null")
    assert read(text([daily]), "UTC").budgets == (daily,)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("version: 1", "version: 2", 1, "version is not 1, the one this console reads."),
        ("name: Research, monthly", "nam: x", 4, "nam is not a name of a budget."),
        ("scope: team", "scope: pod", 3, "The scope is none of fleet, cluster, team"),
        ("amount_usd: 12000.50", "amount_usd: much", 7, "amount_usd is not an amount such as 12000 or 950.50."),
        ("amount_usd: 12000.50", "amount_usd: 0.001", 7, "amount_usd has parts of a cent."),
        ("amount_usd: 12000.50", "amount_usd: .nan", 7, "amount_usd is"),
        ("amount_usd: 12000.50", "amount_usd: 0", 3, "The amount is from $0.01"),
        ("amount_usd: 12000.50", "amount_usd:", 7, "amount_usd has no value."),
        ("amount_usd: 12000.50", "amount_usd: [1]", 7, "amount_usd is not one value."),
        ("period: quarter", "period: year", 8, "period is none of day, week, month, quarter."),
        ("begins: 15", "begins: 32", 9, "there is no such day to begin on."),
        ("begins: 15", "begins: monday", 9, "begins is not a whole number such as 1."),
        ("begins: Sunday", "begins: 1", 19, "begins is none of monday"),
        ("begins: Sunday", "first_month: 1", 19, "first_month says nothing of a week."),
        ("[0.5, 1.2]", "[0.5, high]", 11, "A threshold is not a number such as 0.8."),
        ("[0.5, 1.2]", "0.5", 11, "thresholds is not a list such as [0.5, 0.8, 1]."),
        ("[0.5, 1.2]", "[0.5, 3]", 3, "A threshold is from 1 % to 200 %."),
        ("[0.5, 1.2]", "[0.5, 0.5]", 3, "A threshold stands there twice."),
        ("projected: false", "projected: perhaps", 12, "projected is neither true nor false."),
        ("owner: Ada", "name: again", 13, "name stands here twice."),
        ("name: Fleet", "name: research, MONTHLY", 15, "There is a budget called research, MONTHLY already."),
        ("  - name: Fleet\n", "  - x\n  - name: Fleet\n", 15, "A budget is not written as names with values."),
        ("    scope: fleet\n", "", 15, "scope is missing."),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: int, says: str) -> None:
    assert old in WHOLE
    found = wrong(WHOLE.replace(old, new, 1))
    assert any(at == line and said.startswith(says) for at, said in found), found


def test_everything_that_is_wrong_is_said_at_once() -> None:
    given = WHOLE.replace("12000.50", "x").replace("period: week", "period: year")
    assert [line for line, _ in wrong(given)][:2] == [7, 18]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "The document is empty."),
        ("[1]", "The document is not written as names with values."),
        ("version: 1", "budgets is not a list."),
        ("budgets: []", "version is missing: write version: 1."),
        ("a: [", "This is no YAML"),
        ("a: 1\n---\nb: 2", "This is no YAML"),
        ("[" * 5000, "This is no YAML"),
        ("x: *gone", "This is no YAML"),
        ("a" * (MOST_BYTES + 1), "The document is larger than 200,000 bytes."),
    ],
)
def test_what_is_no_such_document_is_refused(given: str, says: str) -> None:
    assert any(said.startswith(says) for _, said in wrong(given))


def test_bytes_that_are_no_text_are_refused() -> None:
    assert wrong(b"\xff\xfe\x00") == [(0, "The document is not UTF-8 text.")]


def test_a_document_of_no_budgets_is_one() -> None:
    found = read("version: 1\nbudgets: []\n", "UTC")
    assert (found.budgets, found.wrong) == ((), ())


def test_a_plan_tells_budgets_by_id_and_else_by_name() -> None:
    known = [
        replace(RESEARCH, revision=4),
        replace(FLEET, id="fleet", revision=2),
        Budget("old", "Old", "fleet", 10**6),
    ]
    renamed = replace(RESEARCH, name="Science")
    found = plan(known, [renamed, replace(FLEET, amount_micro=2_000_000), Budget("", "Old!", "fleet", 10**6)])
    assert [(each.what, each.fields) for each in found.changes] == [
        ("add", ()), ("change", ("name",)), ("change", ("amount",)), ("remove", ()),
    ]  # fmt: skip
    added, _, fleet, removed = found.changes
    assert added.after is not None
    assert fleet.after is not None
    assert removed.before is not None
    assert (added.after.id, added.after.revision) == ("old-2", 0)  # the id of what is removed is not taken again
    assert (fleet.after.id, fleet.after.revision) == ("fleet", 2)
    assert removed.before.id == "old"


def test_the_same_document_changes_nothing() -> None:
    known = [replace(RESEARCH, revision=4), replace(FLEET, id="fleet", revision=2)]
    found = plan(known, read(text(known), "Europe/Berlin").budgets)
    assert (found.changes, found.unchanged) == ((), 2)


def test_new_ids_are_made_of_names() -> None:
    assert fresh("  Größe & Co. ", set()) == "gr-e-co"
    assert fresh("Fleet", {"fleet", "fleet-2"}) == "fleet-3"
    assert fresh("日本", set()) == "budget"


@pytest.mark.parametrize(("given", "micro"), [("$12,000", 12_000_000_000), ("0.01", 10_000), (" 7 ", 7_000_000)])
def test_amounts_as_people_write_them(given: str, micro: int) -> None:
    assert micro_of(given) == micro
