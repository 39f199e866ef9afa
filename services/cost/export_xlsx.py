"""The Cost page as a workbook: money as numbers, one sheet per question, and how it was counted on the last one."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from services.cost.told import Report
from services.domain.cost import MICRO

MONEY, SHARE, NUMBER, TEXT = "$#,##0.00", "0.0%", "#,##0.0", "@"
PRECISE = "$#,##0.0000"
Columns = Mapping[str, tuple[str, str]]
"""Columns of a frame with their titles and formats; those of money are in micro-dollars."""

BREAKDOWN: Columns = {
    "name": ("Name", TEXT),
    "kind": ("Not held", TEXT),
    "cluster": ("Cluster", TEXT),
    "micro": ("Cost", MONEY),
    "share": ("Share", SHARE),
    "held_micro": ("Held", MONEY),
    "used_micro": ("Used", MONEY),
    "idle_micro": ("Held idle", MONEY),
    "unmeasured_micro": ("Held, not measured", MONEY),
    "free_micro": ("Free and warm", MONEY),
    "overhead_micro": ("Overhead", MONEY),
    "gpu_hours": ("GPU-hours", NUMBER),
    "unpriced_gpu_hours": ("Without a price, GPU-hours", NUMBER),
}
DAILY: Columns = {
    "day": ("Day", TEXT),
    "micro": ("Cost", MONEY),
    "used_micro": ("Used", MONEY),
    "idle_micro": ("Held idle", MONEY),
    "unmeasured_micro": ("Held, not measured", MONEY),
    "warm_micro": ("Warm", MONEY),
    "free_micro": ("Free", MONEY),
    "overhead_micro": ("Overhead", MONEY),
}
IDLE: Columns = {
    "workload": ("Workload", TEXT),
    "namespace": ("Namespace", TEXT),
    "team": ("Team", TEXT),
    "cluster": ("Cluster", TEXT),
    "held_micro": ("Held", MONEY),
    "idle_micro": ("Held idle", MONEY),
    "idle_share": ("Of the measured", SHARE),
}
SPEND: Columns = {
    "name": ("Name", TEXT),
    "micro": ("Spend", MONEY),
    "requests": ("Requests", NUMBER),
    "prompt_tokens": ("Prompt tokens", NUMBER),
    "completion_tokens": ("Completion tokens", NUMBER),
    "usd_per_million": ("Per million tokens", PRECISE),
}
OWN: Columns = {
    "model": ("Model", TEXT),
    "workload": ("Workload", TEXT),
    "namespace": ("Namespace", TEXT),
    "groups": ("Model groups", TEXT),
    "tokens": ("Tokens", NUMBER),
    "micro": ("GPU money held", MONEY),
    "usd_per_million": ("Own, per million tokens", PRECISE),
    "api_usd_per_million": ("API, per million tokens", PRECISE),
    "break_even_per_day": ("Break-even, tokens a day", NUMBER),
    "tokens_per_day": ("Tokens a day", NUMBER),
    "cheaper": ("Cheaper", TEXT),
}
MOVERS: Columns = {
    "name": ("Name", TEXT),
    "kind": ("Not held", TEXT),
    "cluster": ("Cluster", TEXT),
    "before_micro": ("Before", MONEY),
    "after_micro": ("After", MONEY),
    "delta_micro": ("Change", MONEY),
    "moved": ("", TEXT),
}
UNPRICED: Columns = {
    "instance_type": ("Instance type", TEXT),
    "capacity_type": ("Capacity", TEXT),
    "cluster": ("Cluster", TEXT),
    "gpu_hours": ("GPU-hours", NUMBER),
}


def xlsx_of(report: Report) -> bytes:
    """The file."""
    board, out = report.board, io.BytesIO()
    # Text is text, whatever it begins with: nothing becomes a formula or a link.
    book = Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    if report.at is not None:
        book.set_properties({"title": f"Cost {board.window.text}", "created": report.at.replace(tzinfo=None)})
    sheets = _Sheets(book)
    _summary(sheets, report)
    sheets.table("By team", [("", board.teams, BREAKDOWN)])
    sheets.table("By workload", [("", board.workloads, BREAKDOWN)])
    if report.by not in ("team", "workload"):
        sheets.table(f"By {report.by}", [("", board.breakdown, BREAKDOWN)])
    sheets.table("Daily", [("", board.daily, DAILY)])
    sheets.table("Idle", [("", board.idle, IDLE)])
    if report.llm is not None:
        tables = [(f"Spend by {split}", frame, SPEND) for split, frame in report.llm.splits.items()]
        sheets.table("LLM", [*tables, ("Models on own GPUs", report.llm.own, OWN)])
    sheet = sheets.add("How counted")
    sheet.set_column(1, 1, 110)
    for row, (label, text) in enumerate(report.facts):
        sheet.write_string(row, 0, label, sheets.bold)
        sheet.write_string(row, 1, text, sheets.wrapped)
    book.close()
    return out.getvalue()


def _summary(sheets: "_Sheets", report: Report) -> None:
    board = report.board
    totals = board.totals
    figures: list[tuple[str, float | None, str]] = [
        ("Total", totals.micro, MONEY),
        ("Held", totals.held, MONEY),
        ("of it measured", totals.measured, MONEY),
        ("of that used", totals.used if totals.measured else None, MONEY),
        ("of that held idle", totals.held_idle if totals.measured else None, MONEY),
        ("Warm", totals.warm, MONEY),
        ("Free", totals.free, MONEY),
        ("Out of use", totals.out, MONEY),
        ("MIG remainder", totals.remainder, MONEY),
        ("Idle money (free, warm, held idle, overhead)", totals.idle, MONEY),
        ("Idle share", totals.idle_share, SHARE),
        ("GPU-hours", totals.gpu_hours, NUMBER),
        ("Without a price, GPU-hours", totals.unpriced_gpu_hours, NUMBER),
        ("Spot share of GPU-hours", board.spot.share, SHARE),
        ("Spot saved against list", board.spot.saved, MONEY),
        ("Agreed prices saved against list", board.spot.agreed, MONEY),
    ]
    if board.month is not None:
        figures += [
            (f"{board.month.name} so far", board.month.spent, MONEY),
            (f"{board.month.name} lands at, low", board.month.low, MONEY),
            (f"{board.month.name} lands at, middle", board.month.mid, MONEY),
            (f"{board.month.name} lands at, high", board.month.high, MONEY),
        ]
    if board.beside is not None:
        change = board.beside.change
        figures += [
            (f"Whole days {board.beside.then.text}", change.before, MONEY),
            (f"Whole days {board.beside.now.text}", change.after, MONEY),
            ("Change", change.total, MONEY),
            ("of it volume", change.volume, MONEY),
            ("of it mix", change.mix, MONEY),
            ("of it price", change.price, MONEY),
        ]
    sheet = sheets.add("Summary")
    sheet.set_column(1, 1, 24)
    sheet.write_string(0, 0, "Cost", sheets.bold)
    row = 1
    for label, text in report.facts[:7]:
        sheet.write_string(row, 0, label)
        sheet.write_string(row, 1, text)
        row += 1
    row += 1
    for label, value, form in figures:
        sheet.write_string(row, 0, label)
        sheets.cell(sheet, row, 1, value, form)
        row += 1
    parts: list[tuple[str, pd.DataFrame, Columns]] = []
    if board.beside is not None:
        parts = [(f"Change by {by}", frame, MOVERS) for by, frame in board.beside.movers.items()]
    if len(board.unpriced):
        parts.append(("Without a price: in no total", board.unpriced, UNPRICED))
    sheets.tables(sheet, row + 1, parts)


class _Sheets:
    """A workbook's sheets and their formats."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self.bold = book.add_format({"bold": True})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self._head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._formats: dict[str, Format] = {
            form: book.add_format({"num_format": form}) for form in (MONEY, SHARE, NUMBER, TEXT, PRECISE)
        }

    def add(self, name: str) -> Worksheet:
        """A new sheet; names have at most 31 characters and none that means something in a formula."""
        clean = "".join("-" if char in "[]:*?/\\'" else char for char in name)[:31]
        sheet: Worksheet = self._book.add_worksheet(clean)
        sheet.set_column(0, 0, 44)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        return sheet

    def table(self, name: str, parts: Sequence[tuple[str, pd.DataFrame, Columns]]) -> None:
        """A sheet of tables."""
        sheet = self.add(name)
        sheet.set_column(1, 12, 16)
        if len(parts) == 1:
            sheet.freeze_panes(1, 1)
        self.tables(sheet, 0, parts)

    def tables(self, sheet: Worksheet, row: int, parts: Sequence[tuple[str, pd.DataFrame, Columns]]) -> None:
        """Tables under each other."""
        for title, frame, columns in parts:
            if title:
                sheet.write_string(row, 0, title, self.bold)
                row += 1
            for place, (label, _) in enumerate(columns.values()):
                sheet.write_string(row, place, label, self._head)
            for place, (name, (_, form)) in enumerate(columns.items()):
                for below, value in enumerate(frame[name].tolist(), start=row + 1):
                    self.cell(sheet, below, place, value, form)
            row += len(frame) + 2

    def cell(self, sheet: Worksheet, row: int, column: int, value: Any, form: str) -> None:
        """One value; what is not known stays empty. Money comes in micro-dollars, prices per million in dollars."""
        if isinstance(value, str):
            sheet.write_string(row, column, value, self._formats[form])
        elif value is not None and not pd.isna(value):
            sheet.write_number(row, column, value / MICRO if form == MONEY else value, self._formats[form])
