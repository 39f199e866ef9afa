"""What stands on the Savings page over the record worked out by hand in tests/unit/services/test_savings.py."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from db import migrate
from db.work import Database
from pages.money import _savings_tables as savings
from services.domain.change.promise import Promise
from services.ports import Sources
from tests import tiny
from tests.costing import USD
from tests.pages.opening import opened, table, tiles, words
from tests.unit.services.test_savings import OF_TRAIN, change, spent


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(made.engine)
    spent(made)
    yield made
    made.close()


@pytest.fixture
def sources(work: Database) -> Sources:
    return replace(tiny.sources(), work=work)


def test_a_change_stands_with_what_it_promised_and_what_was_measured(sources: Sources, work: Database) -> None:
    change(work)
    at = opened(sources, "savings")
    assert tiles(at) == {
        "Promised a day": ("$60", "at the prices of then"),
        "Measured a day": ("$45", "of 1 change measured"),
        "To be measured": ("0", "all are measured"),
        "Taken back": ("0", "not in the sums"),
    }
    assert "**1 change promised $60 less a day and measured $45 less.**" in words(at).replace("\\", "")
    (row,) = table(at, savings.CHANGES).to_dict("records")
    assert (row["promised"], row["before"], row["after_1"], row["after_7"]) == (60.0, 60.0, 45.0, 45.0)
    assert row["part"] == "what is held by lab/train"


def test_a_change_that_costs_more_is_said_to(sources: Sources, work: Database) -> None:
    """More room for chat was to cost 5 dollars a day; its part costs what it did."""
    early = datetime(2026, 5, 10, 9, tzinfo=UTC)
    change(work, "room", Promise(5 * USD, {"cluster": "tiny", "pool": "h100", "kind": "held"}), at=early)
    at = opened(sources, "savings")
    assert tiles(at)["Promised a day"][0] == "−$5.00"
    assert tiles(at)["Measured a day"] == ("$0.00", "of 1 change measured")
    assert "promised $5.00 more a day and measured $0.00 less." in words(at).replace("\\", "")


def test_what_was_made_today_waits_for_its_day(sources: Sources, work: Database) -> None:
    change(work, at=datetime(2026, 6, 3, 9, tzinfo=UTC))
    at = opened(sources, "savings")
    assert tiles(at)["Measured a day"] == ("—", "nothing is measured yet")
    assert tiles(at)["To be measured"] == ("1", "the day after has to be over")
    assert "**Nothing can be compared yet.**" in words(at)


def test_what_was_taken_back_is_in_no_sum(sources: Sources, work: Database) -> None:
    change(work, undone_by="back")
    change(work, "back", Promise(60 * USD, OF_TRAIN), at=datetime(2026, 5, 24, 9, tzinfo=UTC), undoes="op")
    at = opened(sources, "savings")
    assert tiles(at)["Promised a day"][0] == "—"
    assert tiles(at)["Taken back"][0] == "1"
    assert len(table(at, savings.CHANGES)) == 1


def test_without_changes_the_page_says_how_to_make_one(sources: Sources) -> None:
    at = opened(sources, "savings")
    assert "**No change about money yet.**" in words(at)
