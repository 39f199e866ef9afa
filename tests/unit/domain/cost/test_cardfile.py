import pandas as pd
import pytest

from services.domain import frames
from services.domain.cost import cardfile
from services.domain.cost.cardfile import Wrong
from services.domain.cost.rates import CARD

HEADER = "cluster,instance_type,zone,region,capacity_type,model,per,usd_per_hour,discount,term,begins,ends\n"
JUNE, JULY = pd.Timestamp("2026-06-01T00:00:00Z"), pd.Timestamp("2026-07-01T00:00:00Z")


def wrong(text: str, zone: str = "UTC") -> list[tuple[int, str]]:
    found = cardfile.read(text, zone)
    assert found.lines.empty
    return [(one.line, one.says) for one in found.wrong]


def test_a_file_says_prices_to_the_micro_dollar() -> None:
    found = cardfile.read(
        HEADER + "prod,p5.48xlarge,,,,,instance,55.04,0.35,reserved,2026-06-01,2026-07-01\n"
        ",,,,spot,L4,gpu,0.000001,,,2026-06-01,\n",
        "UTC",
    )
    assert found.wrong == ()
    assert found.lines.dtypes.astype("str").to_dict() == CARD
    assert found.lines.astype("object").to_numpy().tolist()[0] == [
        "prod", "p5.48xlarge", "", "", "", "", "instance", 55_040_000, 0.35, "reserved", JUNE, JULY,
    ]  # fmt: skip
    assert found.lines["micro_per_hour"].tolist() == [55_040_000, 1]
    assert found.lines["ends"].isna().tolist() == [False, True]


def test_columns_may_stand_in_any_order_and_be_left_out() -> None:
    found = cardfile.read("begins;usd_per_hour;instance_type;discount\n2026-06-01;1.5;g6.xlarge;35 %\n", "UTC")
    assert found.wrong == ()
    assert found.lines[["instance_type", "per", "micro_per_hour", "discount"]].to_numpy().tolist() == [
        ["g6.xlarge", "instance", 1_500_000, 0.35]
    ]


def test_a_day_begins_at_midnight_of_the_reporting_zone_and_an_instant_where_it_says() -> None:
    text = "instance_type,usd_per_hour,begins,ends\na,1,2026-06-01,2026-06-01T12:00:00+02:00\n"
    (row,) = cardfile.read(text, "Asia/Kolkata").lines.to_dict("records")
    assert row["begins"] == pd.Timestamp("2026-05-31T18:30:00Z")
    assert row["ends"] == pd.Timestamp("2026-06-01T10:00:00Z")


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("a,-1,2026-06-01,,", "usd_per_hour is below 0."),
        ("a,,2026-06-01,,", "usd_per_hour is missing."),
        ('a,"1,50",2026-06-01,,', "usd_per_hour is not a number such as 55.04."),
        ("a,nan,2026-06-01,,", "usd_per_hour is not below 1,000,000."),
        ("a,1.0000001,2026-06-01,,", "usd_per_hour has more than 6 digits after its point."),
        ("a,1,,,", "begins is missing: the day from which the price holds, such as 2026-06-01."),
        ("a,1,01.06.2026,,", "begins is not a day such as 2026-06-01, or an instant such as 2026-06-01T00:00:00Z."),
        ("a,1,0001-06-01,,", "begins is not between the years 2000 and 2200."),
        ("a,1,2026-06-01,2026-06-01,", "ends is not after begins."),
        ("a,1,2026-06-01,,1.01", "discount is not from 0 to 1, or 0 % to 100 %."),
        ("a,1,2026-06-01,,-5 %", "discount is not from 0 to 1, or 0 % to 100 %."),
        ("a,1,2026-06-01,,much", "discount is not a ratio such as 0.35, or 35 %."),
        (",1,2026-06-01,,", "names no node at all: a price of an instance needs at least its type."),
        ("a,1,2026-06-01,", "has 4 cells where the header has 5."),
        ('"a\nb",1,2026-06-01,,', "instance_type has a sign in it that cannot be shown."),
    ],
)
def test_what_is_wrong_is_said_in_words(cells: str, says: str) -> None:
    line = 3 if "\n" in cells else 2
    assert wrong("instance_type,usd_per_hour,begins,ends,discount\n" + cells) == [(line, says)]


def test_every_wrong_line_is_named_and_no_right_one_is_taken() -> None:
    text = "instance_type,usd_per_hour,begins\na,1,2026-06-01\n\nb,x,2026-06-01\nc,1,\n"
    assert [number for number, _ in wrong(text)] == [4, 5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The file is empty."),
        ("instance_type,price\n", '"price" is no column of a rate card.'),
        ("instance_type,usd_per_hour,usd_per_hour,begins\n", 'The column "usd_per_hour" is there twice.'),
        ("instance_type,usd_per_hour\n", 'The column "begins" is missing.'),
        ('instance_type,usd_per_hour,begins\n"a', "The file is not CSV: unexpected end of data."),
        ("a" * 1_000_001, "The file is larger than 1,000,000 bytes."),
        ("usd_per_hour,begins\n" + "1,2026-06-01\n" * 5_001, "The file has more than 5,000 lines."),
    ],
)
def test_a_file_that_is_no_rate_card_is_refused(text: str, says: str) -> None:
    assert says in [text for _, text in wrong(text)]


def test_a_file_that_is_not_text_is_refused() -> None:
    (found,) = cardfile.read(b"\xff\xfe\x00", "UTC").wrong
    assert found == Wrong(0, "The file is not UTF-8 text. Save it as CSV with the encoding UTF-8.")


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    assert cardfile.read(b"\xef\xbb\xbfinstance_type,usd_per_hour,begins\na,1,2026-06-01\n", "UTC").wrong == ()


def test_two_prices_of_the_same_nodes_at_the_same_time_are_wrong() -> None:
    text = (
        "instance_type,usd_per_hour,begins,ends\n"
        "a,1,2026-06-01,\n"
        "b,1,2026-06-01,2026-07-01\n"
        "b,2,2026-07-01,\n"  # follows at once
        "a,2,2026-06-05,2026-06-06\n"
        "a,3,2026-06-10,2026-06-11\n"
    )
    assert wrong(text) == [
        (5, "names the same nodes as line 2, at the same time."),
        (6, "names the same nodes as line 2, at the same time."),
    ]


def test_what_is_written_reads_the_same() -> None:
    card = frames.table(
        CARD,
        [
            ("=cmd()", "p5.48xlarge", "", "", "", "", "instance", 55_040_001, 0.1 + 0.2, '\'=a, "b"', JUNE, JULY),
            ("", "", "", "", "spot", "L4", "gpu", 0, 0.0, "-", JUNE, pd.NaT),
        ],
    )
    text = cardfile.text(card)
    assert text.startswith(HEADER)
    assert "\n'=cmd(),p5.48xlarge," in text, "a spreadsheet must not run a name"
    found = cardfile.read(text, "Asia/Kolkata")
    assert found.wrong == ()
    pd.testing.assert_frame_equal(found.lines, card)


def test_a_card_from_elsewhere_is_held_to_the_same_rules() -> None:
    card = frames.table(
        CARD,
        [
            ("", "a", "", "", "", "", "instance", -1, 0.0, "", JUNE, pd.NaT),
            ("", "a", "", "", "", "", "node", 1, 2.0, "", JUNE, JULY),
        ],
    )
    assert [(one.line, one.says) for one in cardfile.check(card)] == [
        (1, "usd_per_hour is below 0."),
        (2, 'per is neither "instance" nor "gpu".'),
        (2, "discount is not from 0 to 1, or 0 % to 100 %."),
        (2, "names the same nodes as line 1, at the same time."),
    ]
    assert cardfile.check(frames.empty(CARD)) == []


@pytest.mark.parametrize(("micro", "text"), [(55_040_000, "55.04"), (1, "0.000001"), (0, "0"), (100_000_000, "100")])
def test_amounts_are_exact_text(micro: int, text: str) -> None:
    assert cardfile.usd(micro) == text
