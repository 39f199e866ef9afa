"""The Books page over hours written by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pages.ui import tables_prices as columns
from services.cost import books
from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOLD_SPANS, HOURS, LISTLESS, NODE_SPANS, PLACES, TICKS, hours
from services.domain.cost.rates import CARD
from services.domain.cost.use import USE
from services.domain.scope import Scope
from services.ports import Sources
from services.snapshots import price_book
from tests import tiny
from tests.cardrecord import Record
from tests.conftest import NOW
from tests.pages.opening import has_table, opened, quiet, rerun, table, tiles, words

GPU_HOUR = TICKS * 3600
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 6, 3, tzinfo=UTC)
MARK = {"next": "2026-06-03T12:00:00+00:00", "todo": []}
"""The collector is through until noon; now is half a minute past it."""


def control(hour: datetime, micro: int = 110_080_000) -> list[object]:
    return ["tiny", hour, 0, 2, 16 * GPU_HOUR, 0, micro, hour + HOUR]


def fact(hour: datetime, micro: int, hours: int, kind: str) -> list[object]:
    return ["tiny", hour, 0, 0, 1, kind, "list price", hours * GPU_HOUR, micro, LISTLESS, 0, 0, 0, 0]


def facts(hour: datetime, off: int = 0) -> list[list[object]]:
    """14 of 16 GPUs held for an hour at 6.88 USD, 96.32; two free, 13.76."""
    return [fact(hour, 96_320_000 + off, 14, "held"), fact(hour, 13_760_000, 2, "free")]


@pytest.fixture
def record() -> Record:
    """The hours of today until noon, without that of five o'clock; the record begins at two."""
    there = [MIDNIGHT + HOUR * number for number in (2, 3, 4, 6, 7, 8, 9, 10, 11)]
    return Record(
        hours=frames.table(HOURS, [row for hour in there for row in facts(hour)]),
        controls=frames.table(CONTROLS, [control(hour) for hour in there]),
        mark=MARK,
    )


@pytest.fixture
def sources(record: Record) -> Sources:
    return replace(tiny.sources(mode="demo"), work=record)  # type: ignore[arg-type]


def spoil(record: Record, hour: datetime, by: int) -> None:
    kept = record.hours[record.hours["hour"] != hour]
    record.hours = pd.concat([kept, frames.table(HOURS, facts(hour, by))], ignore_index=True)


def test_every_cent_is_accounted_for(sources: Sources) -> None:
    at = opened(sources, "books")
    assert tiles(at) == {
        "Hours that add up": ("9", "of 9 recorded"),
        "Hours that differ": ("0", "to the micro-dollar"),
        "Hours missing": ("1", "unknown, not zero"),
        "Money checked": ("$991", "what the nodes cost"),  # 9 × 110.08
    }
    said = words(at).replace("\\", "")
    assert (
        "**Every cent is accounted for: 9 of 9 hours add up**, from 2026-06-03 02:00:00 UTC to 2026-06-03 12:00:00 UTC."
        in said
    )
    assert "**1 hour missing:** no collector ran (1). Nothing is counted for them." in said


def test_one_micro_dollar_is_found(sources: Sources, record: Record) -> None:
    spoil(record, MIDNIGHT + HOUR * 7, 1)
    at = opened(sources, "books")
    assert tiles(at)["Hours that differ"] == ("1", "see below")
    said = words(at).replace("\\", "")
    assert "**1 of 9 hours do not add up:** tiny 2026-06-03 07:00:00 UTC." in said
    assert "accounted for" not in said
    row = table(at, columns.BOOKS).iloc[7]
    assert (row["state"], row["difference_usd"]) == ("✗ differ", 1e-6)


def test_missing_hours_are_shown_as_missing_with_the_reason(sources: Sources, record: Record) -> None:
    record.mark = {**MARK, "todo": [["2026-06-03T00:00:00+00:00", "2026-06-03T01:00:00+00:00"]]}
    rows = table(opened(sources, "books"), columns.BOOKS)
    assert len(rows) == 12
    assert rows["why"].tolist()[:6] == [books.FILLING, books.EARLIER, "", "", "", books.UNSEEN]
    assert rows["state"].tolist()[5] == "– missing"
    assert rows[["nodes_usd", "parts_usd", "gpu_hours", "card"]].iloc[5].isna().all(), "unknown, not zero"
    assert rows["nodes_usd"].iloc[2] == 110.08


def test_an_hour_that_was_over_a_moment_ago_is_not_missed_yet(sources: Sources, record: Record) -> None:
    last = MIDNIGHT + HOUR * 11
    record.controls = record.controls[record.controls["hour"] != last]
    record.hours = record.hours[record.hours["hour"] != last]
    record.mark = {**MARK, "next": last.isoformat()}
    at = opened(sources, "books")
    assert tiles(at)["Hours missing"][0] == "1", "that of five o'clock"
    assert table(at, columns.BOOKS)["why"].iloc[11] == books.SOON


def test_another_day_is_a_link(sources: Sources) -> None:
    at = opened(sources, "books", books_day="2026-06-02")
    assert set(table(at, columns.BOOKS)["why"]) == {books.EARLIER}


def test_a_day_is_held_against_its_hours(sources: Sources, record: Record) -> None:
    whole = [["tiny", "2026-06-03", 0, *fact(NOW, 9 * 96_320_000, 126, "held")[3:]]]
    whole += [["tiny", "2026-06-03", 0, *fact(NOW, 9 * 13_760_000, 18, "free")[3:]]]
    record.days = frames.table(DAYS, whole)
    assert "The day's own figures are the sums of its hours." in words(opened(sources, "books"))
    found = books.day(sources, Scope(), "2026-06-03").value
    assert found is not None
    assert found.days_differ == 0
    record.days = frames.table(DAYS, whole[:1])
    found = books.day(sources, Scope(), "2026-06-03").value
    assert found is not None
    assert found.days_differ == 1


def test_the_days_hours_are_those_of_the_reporting_zone(sources: Sources) -> None:
    policy = replace(sources.policy, cost=replace(sources.policy.cost, zone="America/New_York"))
    found = books.day(replace(sources, policy=policy), Scope(), "2026-06-03").value
    assert found is not None
    assert found.rows["hour"].iloc[0] == pd.Timestamp("2026-06-03T04:00:00Z")


def test_before_anything_is_closed_the_page_says_what_will_come(sources: Sources, record: Record) -> None:
    record.controls = record.controls.iloc[:0]
    at = opened(sources, "books")
    assert "**No hour is closed yet.**" in words(at)
    assert not has_table(at, columns.BOOKS)


def test_a_database_that_is_away_is_said(sources: Sources, record: Record) -> None:
    record.broken = True
    assert "The database cannot be reached" in words(opened(sources, "books"))


def closed(record: Record, at: datetime) -> None:
    """The record of an hour of one p5.48xlarge at its list price: 55.04, eight GPUs, five of them held."""
    record.places = frames.table(PLACES, [(1, "tiny", "h100", "H100", "p5.48xlarge", "on-demand", "us-east-1", "")])
    record.nodes = frames.table(NODE_SPANS, [("tiny", "ua", MIDNIGHT, pd.NaT, "a", 1, 8, 0, 0, False)])
    record.holds = frames.table(HOLD_SPANS, [("tiny", "p", "ua", MIDNIGHT, pd.NaT, "held", 5, "web/chat", 5 * TICKS)])
    prices = hours.Prices(frames.empty(CARD), 0, price_book())
    found = hours.closed(record.nodes, record.holds, record.places, prices, frames.empty(USE), at, at + HOUR)
    record.hours = found.facts
    record.controls = frames.conform(found.controls.assign(closed_at=pd.Timestamp(at + HOUR)), CONTROLS)


def test_an_hour_is_told_node_by_node_and_comes_out_the_same(sources: Sources, record: Record) -> None:
    closed(record, MIDNIGHT + HOUR * 7)
    at = opened(sources, "books", books_hour="tiny/2026-06-03T07:00Z")
    (node,) = table(at, columns.NODES).to_dict("records")
    assert (node["node"], node["seconds"], node["gpus"], node["usd_per_hour"]) == ("a", 3600, 8, 55.04)
    assert (node["usd"], node["held_usd"], node["free_usd"], node["out_usd"]) == (55.04, 34.4, 20.64, 0)
    assert "1 node together cost $55.040000; that is what the record says" in words(at).replace("\\", "")
    at.button(key="books_recompute").click()
    assert "Worked out again, every figure came out the same." in words(rerun(at, sources))


def test_a_fact_that_was_changed_is_found_by_working_it_out_again(sources: Sources, record: Record) -> None:
    closed(record, MIDNIGHT + HOUR * 7)
    record.hours = record.hours.assign(micro=record.hours["micro"] + record.hours["kind"].eq("free"))
    at = opened(sources, "books", books_hour="tiny/2026-06-03T07:00Z")
    at.button(key="books_recompute").click()
    at = rerun(at, sources)
    assert table(at, columns.AGAIN)[["figure", "kind", "kept", "again"]].to_numpy().tolist() == [
        ["micro", "free", 20_640_001, 20_640_000]
    ]


def test_an_hour_priced_by_opencost_is_not_taken_apart(sources: Sources, record: Record) -> None:
    closed(record, MIDNIGHT + HOUR * 7)
    record.hours = record.hours.assign(basis="OpenCost")
    at = opened(sources, "books", books_hour="tiny/2026-06-03T07:00Z")
    assert "This hour was priced by OpenCost" in words(at)
    assert not has_table(at, columns.NODES)


def test_nonsense_in_the_link_is_answered_in_words(sources: Sources) -> None:
    assert "An hour is written as" in words(opened(sources, "books", books_hour="*yesterday*"))
    assert "This hour is not closed" in words(opened(sources, "books", books_hour="tiny/2026-06-03T05:00Z"))


def test_the_page_says_nothing_to_the_log(sources: Sources, caplog: pytest.LogCaptureFixture) -> None:
    with quiet(caplog):
        opened(sources, "books")
