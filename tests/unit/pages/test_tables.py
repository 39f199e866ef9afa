import csv
import io
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from pages.ui import tables
from services.domain import capacity, findings, gpus

AT = datetime(2026, 6, 3, 12, 0, 30, tzinfo=UTC)


def downloaded(frame: pd.DataFrame, columns: list[str], **more: object) -> list[dict[str, str]]:
    given = {"window": "7d", "mode": "demo", "as_of": AT, "prices": "list prices, USD", **more}
    body = tables.csv(frame, dict.fromkeys(columns), **given)  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(body.decode())))


def test_every_row_says_what_it_speaks_of() -> None:
    frame = pd.DataFrame({"pool": ["a", "b"], "usd_per_day": [10.5, np.nan], "hidden": [1, 2]})
    assert downloaded(frame, ["pool", "usd_per_day"]) == [
        {"pool": "a", "usd_per_day": "10.5", "window": "7d", "as_of": "2026-06-03 12:00:30 UTC", "mode": "demo",
         "price_basis": "list prices, USD"},
        {"pool": "b", "usd_per_day": "", "window": "7d", "as_of": "2026-06-03 12:00:30 UTC", "mode": "demo",
         "price_basis": "list prices, USD"},
    ]  # fmt: skip


def test_a_table_without_money_names_no_prices() -> None:
    row = downloaded(pd.DataFrame({"pool": ["a"]}), ["pool"], mode="live")[0]
    assert (row["price_basis"], row["mode"]) == ("", "live")


def test_a_table_of_recorded_money_says_so() -> None:
    row = downloaded(pd.DataFrame({"spent_usd": [3.0]}), ["spent_usd"], **tables.RECORDED)[0]
    assert (row["window"], row["price_basis"]) == ("", "as recorded, USD")


def test_values_are_in_base_units_and_not_formatted() -> None:
    frame = pd.DataFrame({"util": [0.5467], "memory_used": [21474836480.0]})
    row = downloaded(frame, list(frame))[0]
    assert (row["util"], float(row["memory_used"])) == ("0.5467", 20 * 1024**3)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
@pytest.mark.parametrize("dtype", ["str", "object"])
def test_a_name_cannot_become_a_formula(sign: str, dtype: str) -> None:
    evil = f'{sign}HYPERLINK("http://evil.example")'
    frame = pd.DataFrame({"pod": pd.Series([evil, "web-0"], dtype=dtype)})
    assert [row["pod"] for row in downloaded(frame, ["pod"])] == [f"'{evil}", "web-0"]


def test_negative_numbers_stay_numbers() -> None:
    assert downloaded(pd.DataFrame({"gpus": [-1.5]}), ["gpus"])[0]["gpus"] == "-1.5"


def test_an_empty_table_has_its_head() -> None:
    body = tables.csv(pd.DataFrame({"pool": []}), {"pool": None}, window="", mode="live", as_of=AT, prices="")
    assert body.decode().strip() == "pool,window,as_of,mode,price_basis"


@pytest.mark.parametrize(
    ("columns", "frame"),
    [(tables.WASTERS, gpus.WASTERS), (tables.UNITS, gpus.GPUS), (tables.FINDINGS, findings.FINDINGS)],
)
def test_every_column_of_a_table_is_a_column_of_its_frame(columns: dict[str, object], frame: dict[str, str]) -> None:
    assert set(columns) <= set(frame)


def test_pools_gain_what_is_out_of_use_and_a_price_per_day() -> None:
    pools = pd.DataFrame({name: pd.Series([0], dtype="float64") for name in capacity.POOLS})
    told = tables.pools(pools.assign(unhealthy=2.0, missing=1.0, usd_per_hour=10.0))
    assert told[["out", "usd_per_day"]].to_numpy().tolist() == [[3.0, 240.0]]
    assert set(tables.POOLS) <= set(told.columns)
