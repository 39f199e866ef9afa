"""The Prices page over the tiny estate: two p5.48xlarge, 55.04 USD an hour in the price book."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui import tables_prices as columns
from services import fleet
from services.access import ROLES
from services.domain import frames
from services.domain.cost import DAYS, LISTLESS, PLACES, TICKS, cardfile, keys
from services.domain.cost.rates import CARD, NAMED
from services.domain.scope import Scope
from services.ports import Card, Sources
from tests import factories, tiny
from tests.cardrecord import Record
from tests.conftest import NOW
from tests.fakes import HeldCluster
from tests.pages.opening import opened, quiet, rerun, table, tiles, words
from tests.pages.persons import behind, claims, downloads, opened_by  # noqa: F401

HOUR = TICKS * 3600
LONG_AGO = pd.Timestamp("2026-01-01T00:00:00Z").as_unit("us")
GONE = ("tiny", "old", "V100", "metal.v100", "on-demand", "", "")


def line(usd: float, begins: pd.Timestamp = LONG_AGO, **named: str) -> list[object]:
    per = named.pop("per", "instance")
    return [*(named.get(name, "") for name in NAMED), per, round(usd * 1e6), 0.0, "", begins, pd.NaT]


def card(version: int, *lines: list[object], reason: str = "contract") -> Card:
    return Card(version, frames.table(CARD, lines), NOW - timedelta(days=3), "Ada", reason)


def days(*rows: tuple[int, float, float, str]) -> pd.DataFrame:
    """Place, GPU-hours, dollars, basis; of two days ago."""
    known = [(place, "free", basis, round(hours * HOUR), round(usd * 1e6)) for place, hours, usd, basis in rows]
    return frames.table(DAYS, [("tiny", "2026-06-01", 0, 0, *row, LISTLESS, 0, 0, 0, 0) for row in known])


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def sources(record: Record) -> Sources:
    return replace(tiny.sources(mode="demo"), work=record)  # type: ignore[arg-type]


@pytest.fixture
def here(sources: Sources) -> int:
    """The number of the place both nodes are in."""
    nodes = fleet.nodes(sources, Scope()).value
    assert nodes is not None
    (number,) = {
        keys.place(*row)
        for row in nodes[[name for name in PLACES if name != "place"]].itertuples(index=False, name=None)
    }
    return number


def test_without_a_card_list_prices_stand_and_are_called_so(sources: Sources) -> None:
    at = opened(sources, "prices")
    assert tiles(at) == {
        "GPU-hour": ("$6.88", "mean of the fleet now"),
        "By rate card": ("0 GPUs", "there is no rate card"),
        "At list price": ("16 GPUs", "published prices"),
        "Without a price": ("0 GPUs", "every GPU has a price"),
    }
    (row,) = table(at, columns.PRICES).to_dict("records")
    assert (row["usd_per_gpu"], row["usd_per_instance"]) == (6.88, 55.04)
    assert row["basis"] == "list price 2026-07-20"
    assert "karpenter" in row["source"]
    assert "**16 of 16 GPUs have a price**: list prices 16 GPUs." in words(at)


def test_the_rate_card_stands_above_the_list_price(sources: Sources, record: Record) -> None:
    record.cards.append(card(1, line(40, instance_type="p5.48xlarge")))
    at = opened(sources, "prices")
    assert tiles(at)["GPU-hour"] == ("$5.00", "mean of the fleet now")
    assert tiles(at)["By rate card"] == ("16 GPUs", "version 1 is in force")
    assert table(at, columns.PRICES)["basis"].tolist() == ["rate card"]
    assert "Version 1, saved by Ada on 2026-05-31 12:00:30 UTC: contract" in words(at).replace("\\", "")


def test_kinds_without_a_price_come_first_and_are_left_out(sources: Sources) -> None:
    odd = tiny.objects()
    odd["nodes"][1] = factories.node("b", labels={**factories.H100, "node.kubernetes.io/instance-type": "metal.x"})
    held = replace(sources.clusters["tiny"], cluster=HeldCluster(odd, NOW))
    at = opened(replace(sources, clusters={"tiny": held}), "prices")
    rows = table(at, columns.PRICES)
    assert rows["instance_type"].tolist() == ["metal.x", "p5.48xlarge"]
    assert rows["usd_per_gpu"].isna().tolist() == [True, False]
    assert tiles(at)["Without a price"] == ("8 GPUs", "left out of every total")
    assert tiles(at)["GPU-hour"][0] == "$6.88", "what has no price is not free"
    assert "**No price is known** for metal.x: 8 GPUs." in words(at).replace("\\", "")


def test_what_is_only_in_the_record_is_listed_with_what_it_was_counted_at(sources: Sources, record: Record) -> None:
    number = keys.place(*GONE)
    record.places = frames.table(PLACES, [(number, *GONE)])
    record.days = days((number, 10, 25, "rate card"), (number, 4, 0, ""))
    row = table(opened(sources, "prices"), columns.PRICES).set_index("instance_type").loc["metal.v100"]
    assert (row["nodes"], row["gpus"], row["gpu_hours"]) == (0, 0, 14)
    assert row["counted_usd_per_gpu"] == 2.5, "25 dollars for the ten hours that had a price"
    assert pd.isna(row["usd_per_gpu"])


def test_prices_of_opencost_are_called_so_and_its_default_is_doubted(
    sources: Sources, record: Record, here: int
) -> None:
    record.days = days((here, 100, 350, "OpenCost, its default"))
    at = opened(sources, "prices")
    (row,) = table(at, columns.PRICES).to_dict("records")
    assert (row["basis"], row["source"]) == ("OpenCost, its default", "")
    assert row["usd_per_gpu"] == pytest.approx(3.5)
    said = words(at).replace("\\", "")
    assert "OpenCost counts its default of 0.95 USD a GPU-hour** for p5.48xlarge." in said


def test_a_line_of_the_card_stands_above_what_opencost_counted(sources: Sources, record: Record, here: int) -> None:
    record.days = days((here, 100, 350, "OpenCost"))
    record.cards.append(card(1, line(40, instance_type="p5.48xlarge")))
    (row,) = table(opened(sources, "prices"), columns.PRICES).to_dict("records")
    assert (row["basis"], row["usd_per_gpu"]) == ("rate card", 5.0)


def test_a_database_that_is_away_leaves_list_prices_and_says_so(sources: Sources, record: Record) -> None:
    record.broken = True
    at = opened(sources, "prices")
    assert tiles(at)["GPU-hour"][0] == "$6.88"
    assert "The database cannot be reached" in words(at)


def form(at: AppTest, **cells: str) -> None:
    """Fill in the line's form."""
    for name, text in cells.items():
        (field,) = [one for one in at.text_input if str(one.key).startswith(f"prices_{name}_")]
        field.set_value(text)


def press(at: AppTest, begins: str) -> None:
    next(one for one in at.button if str(one.key).startswith(begins)).click()


def test_a_line_is_written_weighed_and_saved_with_a_reason(sources: Sources, record: Record, here: int) -> None:
    record.places = frames.table(PLACES, [(here, "tiny", "", "H100", "p5.48xlarge", "on-demand", "us-east-1", "")])
    record.days = days((here, 80, 550.4, "list price 2026-07-20"))  # 80 × 6.88
    at = opened(sources, "prices")
    form(at, instance_type="p5.48xlarge", usd_per_hour="40", begins="2026-06-01", term="reserved")
    press(at, "prices_enter_")
    at = rerun(at, sources)
    changes = table(at, columns.CHANGES)
    assert changes[["change", "instance_type", "after"]].to_numpy().tolist() == [
        ["added", "p5.48xlarge", "40 USD per instance, reserved"]
    ]
    said = words(at).replace("\\", "")
    # 80 GPU-hours × (5.00 − 6.88) = −150.40
    assert "**Estimate:** the 1 recorded of the last 30 days (80 GPU-hours, $550 by the card in force) would" in said
    assert "would have cost $150 less, with the dates of these lines; at the prices of 2026-06-03, $150 less." in said
    assert "60 hours from 2026-06-01 00:00:00 UTC to 2026-06-03 12:00:30 UTC" in said
    press(at, "prices_save")
    at = rerun(at, sources)
    assert "Say why prices change" in words(at)
    assert record.cards == []
    at.text_input(key="prices_reason").set_value("contract of June")
    press(at, "prices_save")
    at = rerun(at, sources)
    (saved,) = record.cards
    assert (saved.version, saved.reason, saved.at) == (1, "contract of June", NOW)
    assert saved.lines["micro_per_hour"].tolist() == [40_000_000]
    assert tiles(at)["By rate card"] == ("16 GPUs", "version 1 is in force")
    assert "Before you save" not in words(at)


def test_a_wrong_line_is_refused_in_words_and_nothing_is_lost(sources: Sources) -> None:
    at = opened(sources, "prices")
    form(at, instance_type="p5.48xlarge", usd_per_hour="-1", begins="June")
    press(at, "prices_enter_")
    at = rerun(at, sources)
    said = words(at).replace("\\", "")
    assert "- usd_per_hour is below 0." in said
    assert "- begins is not a day such as 2026-06-01" in said
    assert "p5.48xlarge" in [field.value for field in at.text_input]
    assert "Before you save" not in said


def test_a_card_saved_meanwhile_is_not_overwritten(sources: Sources, record: Record) -> None:
    record.cards.append(card(1, line(40, instance_type="p5.48xlarge")))
    at = opened(sources, "prices")
    form(at, instance_type="g6.xlarge", usd_per_hour="1", begins="2026-06-01")
    press(at, "prices_enter_")
    at = rerun(at, sources)
    record.cards.append(card(2, line(39, instance_type="p5.48xlarge")))
    at.text_input(key="prices_reason").set_value("more")
    press(at, "prices_save")
    at = rerun(at, sources)
    assert len(record.cards) == 2
    assert "Somebody saved another rate card meanwhile" in words(at)


def test_a_file_is_weighed_before_its_lines_take_the_place_of_all(sources: Sources, record: Record) -> None:
    record.cards.append(card(1, line(40, instance_type="p5.48xlarge")))
    at = opened(sources, "prices")
    wrong = b"instance_type,usd_per_hour,begins\ng6.xlarge,0.8,2026-06-01\n*x*,much,2026-06-01\n"
    at.file_uploader(key="prices_file").set_value(("card.csv", wrong, "text/csv"))
    at = rerun(at, sources)
    said = words(at).replace("\\", "")
    assert "1 thing to put right; nothing was taken from the file.\n- Line 3: usd_per_hour is not a number" in said
    right = b"instance_type,usd_per_hour,begins\ng6.xlarge,0.8,2026-06-01\n"
    at.file_uploader(key="prices_file").set_value(("card.csv", right, "text/csv"))
    at = rerun(at, sources)
    assert not record.cards[1:]
    assert table(at, columns.CARD)["instance_type"].tolist() == ["p5.48xlarge"], "nothing is taken unasked"
    press(at, "prices_use_file")
    at = rerun(at, sources)
    assert table(at, columns.CARD)["instance_type"].tolist() == ["g6.xlarge"]
    assert table(at, columns.CHANGES)["change"].tolist() == ["added", "removed"]


def test_what_is_exported_is_the_card_again(
    sources: Sources,
    record: Record,
    downloads: list[str],  # noqa: F811
) -> None:
    record.cards.append(card(1, line(40.000001, instance_type="p5.48xlarge")))
    opened(sources, "prices")
    files = [text for text in downloads if text.startswith("cluster,instance_type,zone")]
    assert len(files) == 2, "the card in force, and the version chosen"
    for text in files:
        pd.testing.assert_frame_equal(cardfile.read(text, "UTC").lines, record.cards[0].lines)


def test_a_line_is_removed_and_the_lines_can_be_dropped(sources: Sources, record: Record) -> None:
    record.cards.append(card(1, line(40, instance_type="p5.48xlarge"), line(1, instance_type="g6.xlarge")))
    at = opened(sources, "prices")
    choice = at.selectbox(key="prices_line")
    choice.set_value(choice.options[1])
    at = rerun(at, sources)
    press(at, "prices_remove_")
    at = rerun(at, sources)
    assert table(at, columns.CARD)["instance_type"].tolist() == ["g6.xlarge"]
    assert table(at, columns.CHANGES)["change"].tolist() == ["removed"]
    press(at, "prices_drop")
    at = rerun(at, sources)
    assert table(at, columns.CARD)["instance_type"].tolist() == ["p5.48xlarge", "g6.xlarge"]


def test_the_history_says_who_when_and_why_and_what_one_version_changed(sources: Sources, record: Record) -> None:
    record.cards += [
        card(1, line(40, instance_type="p5.48xlarge")),
        card(2, line(39, instance_type="p5.48xlarge"), reason="*cheaper*"),
    ]
    at = opened(sources, "prices")
    assert table(at, columns.VERSIONS)[["version", "actor", "reason", "lines"]].to_numpy().tolist() == [
        [2, "Ada", "*cheaper*", 1],
        [1, "Ada", "contract", 1],
    ]
    assert table(at, columns.CHANGES)[["before", "after"]].to_numpy().tolist() == [
        ["40 USD per instance", "39 USD per instance"]
    ]
    first = table(opened(sources, "prices", card_new="1"), columns.CHANGES)
    assert first["change"].tolist() == ["added"]


def test_who_may_not_change_prices_sees_them_and_no_way_to(sources: Sources, record: Record) -> None:
    record.cards.append(card(1, line(40, instance_type="p5.48xlarge")))
    at = opened_by(claims(), behind(sources), "prices")
    assert table(at, columns.CARD)["usd_per_hour"].tolist() == [40]
    assert "Prices are changed by people with a finance or admin role" in words(at)
    assert not [one for one in at.button if str(one.key).startswith("prices_")]
    assert "finance" in ROLES


def test_the_page_says_nothing_to_the_log(sources: Sources, caplog: pytest.LogCaptureFixture) -> None:
    with quiet(caplog):
        opened(sources, "prices")
