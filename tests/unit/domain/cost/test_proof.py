from datetime import UTC, datetime

import pandas as pd
import pytest

from services.domain import frames
from services.domain.cost import CONTROLS, DAYS, HOURS, PLACES, TICKS, ledger, proof

GPU_HOUR = TICKS * 3600
AT = datetime(2026, 6, 2, 14, tzinfo=UTC)
CLOSED = datetime(2026, 6, 2, 15, 6, tzinfo=UTC)


def fact(
    micro: int,
    hours: float,
    *,
    hour: datetime = AT,
    kind: str = "held",
    owner: int = 1,
    place: int = 1,
    basis: str = "b",
) -> list[object]:
    ticks = round(hours * GPU_HOUR)
    return ["east", hour, 1, owner, place, kind, basis, ticks, micro, -1, ticks, ticks // 2, micro, micro // 2]


def facts(*rows: list[object]) -> pd.DataFrame:
    return frames.table(HOURS, rows)


def control(micro: int, hours: float, *, unpriced: float = 0, hour: datetime = AT) -> list[object]:
    return ["east", hour, 1, 2, round(hours * GPU_HOUR), round(unpriced * GPU_HOUR), micro, CLOSED]


def proved(controls: list[list[object]], *rows: list[object]) -> pd.DataFrame:
    found = proof.proved(frames.table(CONTROLS, controls), facts(*rows))
    assert found.dtypes.astype("str").to_dict() == proof.PROVED
    return found


def test_an_hour_whose_parts_sum_to_its_nodes_adds_up() -> None:
    (row,) = proved([control(55_040_000, 8)], fact(30_000_000, 5), fact(25_040_000, 3, kind="free")).to_dict("records")
    assert (row["state"], row["difference_micro"], row["difference_ticks"]) == (proof.ADDS_UP, 0, 0)
    assert (row["micro"], row["parts_micro"], row["closed_at"]) == (55_040_000, 55_040_000, pd.Timestamp(CLOSED))


@pytest.mark.parametrize(
    ("parts", "difference"),
    [
        ([fact(54_999_999, 8)], (-40_001, 0, 0)),
        ([fact(55_040_000, 7.5)], (0, -GPU_HOUR // 2, 0)),
        ([fact(55_040_000, 7), fact(0, 1, basis="")], (0, 0, GPU_HOUR)),
        ([], (-55_040_000, -8 * GPU_HOUR, 0)),
    ],
)
def test_money_time_and_what_is_unpriced_must_each_add_up(
    parts: list[list[object]], difference: tuple[int, int, int]
) -> None:
    (row,) = proved([control(55_040_000, 8)], *parts).to_dict("records")
    assert row["state"] == proof.DIFFERS
    assert (row["difference_micro"], row["difference_ticks"], row["difference_unpriced"]) == difference


def test_unpriced_time_that_is_counted_as_such_adds_up() -> None:
    assert proved([control(0, 1, unpriced=1)], fact(0, 1, basis=""))["state"].tolist() == [proof.ADDS_UP]


def test_an_hour_without_any_gpu_adds_up_to_nothing() -> None:
    assert proved([control(0, 0)])["state"].tolist() == [proof.ADDS_UP]


def test_facts_nothing_says_the_sum_of_do_not_add_up() -> None:
    (row,) = proved([], fact(1, 1)).to_dict("records")
    assert (row["state"], row["why"]) == (proof.DIFFERS, "nothing says what it must sum to")


def test_a_missing_hour_is_missing_and_no_zero() -> None:
    later = datetime(2026, 6, 2, 13, tzinfo=UTC)
    found = proof.completed(proved([control(1, 1)], fact(1, 1)), [("east", later, "no collector ran")])
    assert found[["state", "why"]].to_numpy().tolist() == [["missing", "no collector ran"], ["adds up", ""]]
    assert found["closed_at"].isna().tolist() == [True, False]
    assert found.dtypes.astype("str").to_dict() == proof.PROVED
    assert len(proof.completed(proved([]), [("east", later, "x")])) == 1


@pytest.mark.parametrize(
    ("day", "zone", "first", "number"),
    [
        ("2026-06-02", "UTC", datetime(2026, 6, 2, tzinfo=UTC), 24),
        ("2026-03-29", "Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        ("2026-10-25", "Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        ("2026-06-02", "Asia/Kolkata", datetime(2026, 6, 1, 18, 30, tzinfo=UTC), 24),
    ],
)
def test_the_hours_of_a_day_are_those_of_its_zone(day: str, zone: str, first: datetime, number: int) -> None:
    found = proof.hours_of(day, zone)
    assert (found[0], len(found)) == (first, number)


def test_a_day_is_held_against_its_hours_figure_by_figure() -> None:
    next_hour = datetime(2026, 6, 2, 15, tzinfo=UTC)
    hours = facts(fact(10, 1), fact(20, 1, hour=next_hour), fact(5, 1, kind="free"))
    right = ["east", "2026-06-02", 1, 1, 1, "held", "b", 2 * GPU_HOUR, 30, -1, 2 * GPU_HOUR, GPU_HOUR, 30, 15]
    free = ["east", "2026-06-02", 1, 1, 1, "free", "b", GPU_HOUR, 5, -1, GPU_HOUR, GPU_HOUR // 2, 5, 2]
    assert proof.days_differ(frames.table(DAYS, [right, free]), hours) == 0
    assert proof.days_differ(frames.table(DAYS, [right]), hours) == 1, "a row that is not there"
    assert proof.days_differ(frames.table(DAYS, [[*right[:8], 31, *right[9:]], free]), hours) == 1


def test_what_comes_out_differently_is_named() -> None:
    kept, again = facts(fact(10, 1), fact(5, 1, kind="free")), facts(fact(11, 1))
    found = proof.differences(kept, again)
    assert found.dtypes.astype("str").to_dict() == proof.AGAIN
    assert proof.differences(kept, kept).empty
    held = found[found["kind"] == "held"]
    assert held[["figure", "kept", "again"]].to_numpy().tolist() == [
        ["measured_micro", 10, 11],
        ["micro", 10, 11],
    ]
    assert found.loc[found["kind"] == "free", "again"].isna().all()


def test_what_each_node_cost_is_told_apart() -> None:
    # a was there for the whole hour: at 8 USD an hour for 15 minutes, then at 4; b came after 45 and has no price
    pieces = frames.table(
        ledger.PIECES,
        [
            (0, "east", "ua", "a", 7, AT, 900, 8, 0, 0, False, "list price", 2_000_000, -1),
            (1, "east", "ua", "a", 7, AT, 2700, 8, 0, 0, False, "rate card", 3_000_000, -1),
            (2, "east", "ub", "b", 7, AT, 900, 8, 0, 0, False, "", -1, -1),
        ],
    )
    parts = frames.table(
        ledger.PARTS,
        [
            (0, "held", 1, "p", 6, 1_500_000, -1),
            (0, "free", 0, "", 2, 500_000, -1),
            (1, "held", 1, "p", 8, 3_000_000, -1),
            (2, "free", 0, "", 8, -1, -1),
        ],
    )
    places = frames.table(PLACES, [(7, "east", "h100", "H100", "p5.48xlarge", "on-demand", "us", "z")])
    found = proof.by_node(pieces, parts, places)
    assert found.dtypes.astype("str").to_dict() == proof.BY_NODE
    assert found["node"].tolist() == ["b", "a"], "what has no price comes first"
    b, a = found.to_dict("records")
    assert (a["seconds"], a["gpus"], a["usd"], a["usd_per_hour"]) == (3600, 8, 5, 5)
    assert (a["pool"], a["instance_type"], a["basis"]) == ("h100", "p5.48xlarge", "list price, rate card")
    assert (a["held_usd"], a["free_usd"], a["out_usd"]) == (4.5, 0.5, 0)
    assert (b["seconds"], b["basis"]) == (900, "")
    assert pd.isna([b["usd"], b["usd_per_hour"], b["free_usd"]]).all()
