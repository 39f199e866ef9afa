import pandas as pd
import pytest

from services.domain import frames, prices
from services.domain.cost import PLACES, TICKS, cardchange
from services.domain.cost.rates import CARD, NAMED

BOOK = frames.table(
    prices.BOOK,
    [("aws", "us-east-1", "p5.48xlarge", "H100", 8, 55.04, None, "table", "2026-07-20")],
)
HOUR = TICKS * 3600
PLACE = frames.table(
    PLACES | {"gpus": "float64"},
    [
        (1, "prod", "h100", "H100", "p5.48xlarge", "on-demand", "us-east-1", "z1", 8.0),
        (2, "lab", "metal", "L40S", "metal", "on-demand", "", "", 4.0),
        (3, "lab", "old", "V100", "gone", "on-demand", "", "", float("nan")),
    ],
)


def day(number: int, hour: int = 0) -> pd.Timestamp:
    return pd.Timestamp(2026, 6, number, hour, tz="UTC").as_unit("us")


def line(
    usd: float, begins: int, ends: int | None = None, *, per: str = "instance", off: float = 0.0, **named: str
) -> list[object]:
    until = pd.NaT if ends is None else day(ends)
    names = [named.get(name, "") for name in NAMED]
    return [*names, per, round(usd * 1_000_000), off, named.get("term", ""), day(begins), until]


def card(*lines: list[object]) -> pd.DataFrame:
    return frames.table(CARD, lines)


def touched(old: pd.DataFrame, new: pd.DataFrame) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    return cardchange.touched(old, new, day(1), day(20, 7))


A = line(1, 5, 10, instance_type="a")


def test_the_same_card_touches_nothing() -> None:
    assert touched(card(A), card(A)) == []
    assert touched(card(A, line(2, 3, instance_type="b")), card(line(2, 3, instance_type="b"), A)) == []


@pytest.mark.parametrize(
    ("new", "found"),
    [
        ([], [(day(5), day(10))]),
        ([line(2, 5, 10, instance_type="a")], [(day(5), day(10))]),
        ([line(1, 5, 8, instance_type="a")], [(day(8), day(10))]),  # only its end
        ([line(1, 2, 10, instance_type="a")], [(day(2), day(5))]),
        ([line(1, 5, instance_type="a")], [(day(10), day(20, 7))]),  # until now
        ([line(2, 5, 10, off=0.5, instance_type="a")], []),  # two dollars, half off: the same price
        ([line(1, 5, 10, instance_type="a", term="reserved")], []),
        ([A, line(3, 25, instance_type="a")], []),  # to come
        ([line(1, 5, 7, instance_type="a"), line(1, 7, 10, instance_type="a")], []),
        (
            [line(2, 5, 6, instance_type="a"), line(1, 6, 9, instance_type="a"), line(3, 9, 10, instance_type="a")],
            [(day(5), day(6)), (day(9), day(10))],
        ),
    ],
)
def test_a_change_touches_the_time_in_which_prices_differ(
    new: list[list[object]], found: list[tuple[pd.Timestamp, pd.Timestamp]]
) -> None:
    assert touched(card(A), card(*new)) == found


def test_what_was_before_is_left_alone() -> None:
    assert cardchange.touched(card(), card(line(1, 1, instance_type="a")), day(15), day(20)) == [(day(15), day(20))]


def test_lines_that_differ_are_said_with_what_they_were() -> None:
    old = card(A, line(2, 3, instance_type="b"))
    new = card(line(1.5, 5, 10, instance_type="a", off=0.35, term="reserved"), line(4, 1, per="gpu", model="L4"))
    found = cardchange.changes(old, new)
    assert found[["change", "instance_type", "model", "before", "after"]].to_numpy().tolist() == [
        [
            "changed",
            "a",
            "",
            "1 USD per instance, until 2026-06-10 00:00 UTC",
            "1.5 USD per instance, 35 % off, until 2026-06-10 00:00 UTC, reserved",
        ],
        ["added", "", "L4", "", "4 USD per GPU"],
        ["removed", "b", "", "2 USD per instance", ""],
    ]
    assert found.dtypes.astype("str").to_dict() == cardchange.CHANGES
    assert cardchange.changes(old, old).empty


def counted(*rows: tuple[int, float, int], usd: float = 0, basis: str = "list price 2026-07-20") -> pd.DataFrame:
    """Place, GPU-hours, day."""
    return pd.DataFrame(
        [(place, round(hours * HOUR), round(usd * 1_000_000), basis, day(at, 12)) for place, hours, at in rows],
        columns=["place", "ticks", "micro", "basis", "at"],
    )


def test_the_effect_is_the_same_gpu_hours_at_other_prices() -> None:
    # 80 GPU-hours of an H100 at 55.04 / 8 = 6.88 USD each, 550.40; from the 5th on at 40 / 8 = 5 USD: 48 of them
    rows = counted((1, 32, 4), (1, 40, 5), (1, 8, 6))
    found = cardchange.effect(rows, PLACE, card(), card(line(40, 5, instance_type="p5.48xlarge")), BOOK)
    assert found.gpu_hours == pytest.approx(80)
    assert found.before_micro == 550_400_000
    assert found.change_micro == round(-1.88 * 48 * 1_000_000)
    assert (found.gain, found.lose, found.unknown) == (0, 0, 0)
    (kind,) = found.rows.to_dict("records")
    assert kind["instance_type"] == "p5.48xlarge"
    assert (kind["before_usd"], kind["after_usd"]) == (pytest.approx(550.40), pytest.approx(460.16))
    assert found.rows.dtypes.astype("str").to_dict() == cardchange.EFFECT


def test_hours_that_get_or_lose_a_price_are_no_difference_of_money() -> None:
    rows = counted((2, 10, 5))
    priced = card(line(1, 1, per="gpu", model="L40S"))
    found = cardchange.effect(rows, PLACE, card(), priced, BOOK)
    assert (found.change_micro, found.gain, found.lose) == (0, pytest.approx(10), 0)
    assert found.rows["after_usd"].tolist() == [pytest.approx(10)]
    assert found.rows["change_usd"].isna().all()
    back = cardchange.effect(rows, PLACE, priced, card(), BOOK)
    assert (back.change_micro, back.gain, back.lose) == (0, 0, pytest.approx(10))


def test_what_opencost_priced_keeps_its_price_until_a_line_says_another() -> None:
    # 10 GPU-hours OpenCost counted at 30 dollars, 10 at the list's 6.88 each; a line of 40 / 8 = 5 for both: 50 and 50
    rows = pd.concat([counted((1, 10, 6)), counted((1, 10, 6), usd=30, basis="OpenCost")], ignore_index=True)
    elsewhere = cardchange.effect(rows, PLACE, card(), card(line(1, 1, model="A10")), BOOK)
    assert (elsewhere.before_micro, elsewhere.change_micro) == (98_800_000, 0)
    found = cardchange.effect(rows, PLACE, card(), card(line(40, 5, instance_type="p5.48xlarge")), BOOK)
    assert (found.before_micro, found.change_micro) == (98_800_000, 1_200_000)


def test_nodes_whose_number_of_gpus_nobody_knows_are_counted_beside() -> None:
    found = cardchange.effect(counted((3, 7, 5), (1, 1, 5)), PLACE, card(), card(), BOOK)
    assert (found.unknown, found.gpu_hours, found.change_micro) == (pytest.approx(7), pytest.approx(1), 0)
    nothing = cardchange.effect(counted((3, 7, 5)), PLACE, card(), card(), BOOK)
    assert (nothing.unknown, nothing.gpu_hours, len(nothing.rows)) == (pytest.approx(7), 0, 0)
