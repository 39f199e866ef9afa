"""The Cost page as one CSV table, which a spreadsheet opens as it is.

One row per figure and no lines of comment: the first line names the columns, and every row says what it speaks of.
Money is in US dollars with all its six decimals; an empty cell is not known, or does not apply.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from services.cost.told import Report, card, local, prices

COLUMNS = (
    "section", "day", "name", "kind", "cluster", "usd", "held_usd", "used_usd", "held_idle_usd", "unmeasured_usd",
    "free_usd", "warm_usd", "overhead_usd", "gpu_hours", "unpriced_gpu_hours", "tokens", "window_first", "window_last",
    "zone", "data_through", "scope", "rate_card", "price_basis", "mode",
)  # fmt: skip
_MONEY = {
    "micro": "usd",
    "held_micro": "held_usd",
    "used_micro": "used_usd",
    "idle_micro": "held_idle_usd",
    "unmeasured_micro": "unmeasured_usd",
    "free_micro": "free_usd",
    "warm_micro": "warm_usd",
    "overhead_micro": "overhead_usd",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_of(report: Report) -> bytes:
    """The file, UTF-8 with the mark spreadsheets know it by."""
    told = _told(report)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for row in _rows(report):
        writer.writerow({name: inert(value) for name, value in {**row, **told}.items()})
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def table_of(frame: pd.DataFrame, report: Report) -> bytes:
    """One table of the page as a file of its own, with what each row speaks of; money is what the frame has."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    told = _told(report)
    writer.writerow([*frame.columns, *told])
    for row in frame.itertuples(index=False):
        cells = ["" if not isinstance(value, str) and pd.isna(value) else value for value in row]
        writer.writerow([inert(cell) for cell in (*cells, *told.values())])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def inert(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _told(report: Report) -> dict[str, str]:
    """What every row of a file says of its figures."""
    board = report.board
    return {
        "window_first": str(board.window.first),
        "window_last": str(board.window.last),
        "zone": board.zone,
        "data_through": local(board.data_through, board.zone),
        "scope": report.scope,
        "rate_card": card(board.card),
        "price_basis": prices(board),
        "mode": report.mode,
    }


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    board = report.board
    totals = board.totals
    measured = bool(totals.measured)
    yield {
        "section": "total",
        "usd": _usd(totals.micro),
        "held_usd": _usd(totals.held),
        "used_usd": _usd(totals.used) if measured else "",
        "held_idle_usd": _usd(totals.held_idle) if measured else "",
        "unmeasured_usd": _usd(totals.held - totals.measured),
        "free_usd": _usd(totals.free),
        "warm_usd": _usd(totals.warm),
        "overhead_usd": _usd(totals.overhead),
        "gpu_hours": totals.gpu_hours,
        "unpriced_gpu_hours": totals.unpriced_gpu_hours,
    }
    yield from _frame("day", board.daily)
    shown = {"team": board.teams, "workload": board.workloads, report.by: board.breakdown}
    for name, frame in shown.items():
        yield from _frame(name, frame)
    yield from _frame("idle", board.idle.assign(name=board.idle["namespace"] + "/" + board.idle["workload"]))
    named = board.unpriced.rename(columns={"instance_type": "name", "gpu_hours": "unpriced_gpu_hours"})
    yield from _frame("without a price", named)
    if board.beside is not None:
        change = board.beside.change
        parts = {"before": change.before, "volume": change.volume, "mix": change.mix, "price": change.price}
        for part, micro in {**parts, "after": change.after}.items():
            days = board.beside.then if part == "before" else board.beside.now
            yield {"section": "change", "name": part, "day": days.text, "usd": _usd(micro)}
    for split, frame in ({} if report.llm is None else report.llm.splits).items():
        used = frame["prompt_tokens"] + frame["completion_tokens"]
        yield from _frame(f"language models by {split}", frame.assign(tokens=used))


def _frame(section: str, frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for row in frame.to_dict("records"):
        yield {"section": section, **_cells({str(name): value for name, value in row.items()})}


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    cells = {name: row[name] for name in COLUMNS if name in row}
    cells |= {title: _usd(row[name]) for name, title in _MONEY.items() if name in row}
    return {name: "" if isinstance(value, float) and pd.isna(value) else value for name, value in cells.items()}


def _usd(micro: float) -> Decimal | str:
    return "" if pd.isna(micro) else Decimal(round(micro)).scaleb(-6)
