"""The Cost page as a document of one to three pages, drawn as vectors without a browser.

The letters are those every reader of PDF has (Helvetica), so no font is shipped. They know Western European alphabets;
what they cannot write is taken apart to what they can (é of any form, full-width letters) or shown as "?", and the last
page says so. The workbook and the CSV file have every name as it is.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd
from fpdf import FPDF

from services.cost.told import Report, card, lacking, prices, share, usd
from services.domain.cost import MICRO

_FONT, _CODE = "helvetica", "windows-1252"
_WIDTH, _LEFT, _ROW = 180.0, 15.0, 5.2
_INK, _GREY, _LINE = (14, 24, 32), (90, 102, 115), (215, 222, 229)
PARTS = {
    "used_micro": ("Used", (0, 114, 178)),
    "unmeasured_micro": ("Held, not measured", (122, 127, 135)),
    "idle_micro": ("Held idle", (230, 159, 0)),
    "warm_micro": ("Warm", (204, 121, 167)),
    "free_micro": ("Free", (86, 180, 233)),
    "overhead_micro": ("Overhead", (213, 94, 0)),
}
"""What a day's bar is made of, from below."""
_KINDS = {"free": "Free", "warm": "Warm", "out": "Out of use", "remainder": "MIG remainder"}
_MOST, _FEW = 14, 8
_PAGES = "\x7f\x7f"
"""Stands for the number of pages while they are written; no name can hold it, for it is not printable."""
_LONGEST = 600
"""Letters that no line has room for, however thin they are."""
Column = tuple[str, float, str]
"""Title, width in mm, and alignment."""


def pdf_of(report: Report) -> bytes:
    """The file."""
    pdf = _Document(report)
    pdf.add_page()
    _head(pdf, report)
    _tiles(pdf, report)
    _chart(pdf, report)
    _change(pdf, report)
    _breakdown(pdf, "By team", report.board.teams)
    if report.by not in ("team", "workload"):
        _breakdown(pdf, f"By {report.by}", report.board.breakdown)
    _breakdown(pdf, "By workload", report.board.workloads)
    _idle(pdf, report)
    _llm(pdf, report)
    _unpriced(pdf, report)
    _counted(pdf, report)
    return bytes(pdf.output())


def writable(text: str) -> tuple[str, bool]:
    """Text in letters the font has, and whether something was lost."""
    fine = " ".join(text.replace("−", "-").split())
    parts = (char if _has(char) else unicodedata.normalize("NFKD", char) for char in fine)
    letters = [char for part in parts for char in part if not unicodedata.combining(char)]
    return "".join(char if _has(char) else "?" for char in letters), not all(map(_has, letters))


def _has(char: str) -> bool:
    try:
        return char.isprintable() and bool(char.encode(_CODE))
    except UnicodeEncodeError:
        return False


class _Document(FPDF):
    """Pages with the footer every one of them carries, and text that always can be written."""

    def __init__(self, report: Report) -> None:
        super().__init__(format="A4")
        self.core_fonts_encoding = _CODE
        self.lost = False
        board = report.board
        demo = "demo estate, simulated · " if report.mode == "demo" else ""
        self._told = (
            f"{demo}{board.window.text} ({board.zone}) · rate card {card(board.card)} · prices: {prices(board)}"
        )
        self.set_margins(_LEFT, 14, _LEFT)
        self.set_auto_page_break(auto=True, margin=18)
        self.alias_nb_pages(_PAGES)
        self.set_title(f"Cost {board.window.text}")
        self.set_creator("GPU Fleet Console")
        if report.at is not None:
            self.set_creation_date(report.at)

    def footer(self) -> None:
        """Window, rate card, basis and page number."""
        self.set_y(-13)
        self.letters(7, _GREY)
        self.put(self.cut(self._told, _WIDTH - 22), _WIDTH - 22)
        self.cell(22, _ROW, f"page {self.page_no()} of {_PAGES}", align="R")

    def letters(self, size: float, colour: tuple[int, int, int] = _INK, style: Any = "") -> None:
        """What is written next."""
        self.set_font(_FONT, style, size)
        self.set_text_color(*colour)

    def put(self, text: str, width: float, align: str = "L", height: float = _ROW) -> None:
        """Text in a cell."""
        self.cell(width, height, self.fine(text), align=align)

    def fine(self, text: str) -> str:
        """Text that can be written."""
        told, lost = writable(text)
        self.lost |= lost
        return told

    def cut(self, text: str, width: float) -> str:
        """Text that fits on one line."""
        told = self.fine(text)[:_LONGEST]
        if self.get_string_width(told) <= width - 2:
            return told
        while told and self.get_string_width(f"{told}…") > width - 2:
            told = told[:-1]
        return f"{told}…"

    def title_of(self, text: str, needs: float = 24) -> None:
        """A heading, on a page that has room for what follows."""
        if self.get_y() + needs > self.page_break_trigger:
            self.add_page()
        self.ln(3)
        self.letters(11, style="B")
        self.put(text, _WIDTH)
        self.ln(_ROW + 1)

    def rows(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """A table; its head is repeated where it goes on."""
        self._row(columns, [title for title, _, _ in columns], head=True)
        for row in rows:
            if self.get_y() + _ROW > self.page_break_trigger:
                self.add_page()
                self._row(columns, [title for title, _, _ in columns], head=True)
            self._row(columns, row)

    def _row(self, columns: Sequence[Column], texts: Sequence[str], *, head: bool = False) -> None:
        self.letters(7.5, _GREY if head else _INK, "B" if head else "")
        for (_, width, align), text in zip(columns, texts, strict=True):
            self.put(self.cut(text, width), width, align)
        self.ln(_ROW)
        self.set_draw_color(*_LINE)
        self.line(_LEFT, self.get_y(), _LEFT + _WIDTH, self.get_y())


def _head(pdf: _Document, report: Report) -> None:
    pdf.letters(18, style="B")
    pdf.put("Cost", _WIDTH, height=9)
    pdf.ln(9)
    pdf.letters(9, _GREY)
    for label, text in report.facts[:4]:
        pdf.put(pdf.cut(f"{label}: {text}", _WIDTH), _WIDTH)
        pdf.ln(_ROW)


def _tiles(pdf: _Document, report: Report) -> None:
    board = report.board
    totals, month, beside = board.totals, board.month, board.beside
    ends = () if month is None else dict.fromkeys((_short(month.low), _short(month.high)))
    lands = " – ".join(ends) or "—"
    ratio = None if beside is None else beside.change.ratio
    tiles = [
        ("Total", usd(totals.micro), f"{totals.gpu_hours:,.0f} GPU-hours"),
        (f"{month.name} lands at" if month else "Landing", lands, f"so far {usd(month.spent)}" if month else ""),
        ("Idle money", share(totals.idle_share), usd(totals.idle)),
        ("Change", _signed(ratio), f"from {usd(beside.change.before)}" if beside else "nothing to compare with"),
        ("Spot saved", usd(board.spot.saved), f"{share(board.spot.share)} of GPU-hours"),
    ]
    top, width = pdf.get_y() + 3, _WIDTH / len(tiles)
    pdf.set_draw_color(*_LINE)
    for place, (label, value, under) in enumerate(tiles):
        left = _LEFT + place * width
        pdf.rect(left, top, width - 2, 19)
        for size, colour, style, text, down in (
            (7.5, _GREY, "", label, 1.5),
            (10, _INK, "B", value, 6.5),
            (7, _GREY, "", under, 12.5),
        ):
            pdf.set_xy(left + 1, top + down)
            pdf.letters(size, colour, style)
            pdf.put(pdf.cut(text, width - 3), width - 4)
    pdf.set_xy(_LEFT, top + 21)


def _chart(pdf: _Document, report: Report) -> None:
    """Money by day, stacked, with budgets per day as lines."""
    board = report.board
    daily = board.daily
    if daily.empty:
        return
    pdf.title_of("By day", needs=80)
    top, height, left, width = pdf.get_y() + 2, 48.0, _LEFT + 18, _WIDTH - 18
    most = max([float(daily["micro"].max()), *(line.micro_per_day for line in board.budgets)]) * 1.08 or 1.0
    pdf.set_line_width(0.15)
    for part in range(5):
        y = top + height * (1 - part / 4)
        pdf.set_draw_color(*_LINE)
        pdf.line(left, y, left + width, y)
        pdf.letters(6.5, _GREY)
        pdf.set_xy(_LEFT, y - 2)
        pdf.put(_short(most * part / 4), 17, "R", 4)
    first = pd.Timestamp(board.window.first)
    slot = width / board.window.days
    for row in daily.to_dict("records"):
        x, y = left + (pd.Timestamp(row["day"]) - first).days * slot, top + height
        for name, (_, colour) in PARTS.items():
            part = height * row[name] / most
            if part > 0:
                y -= part
                pdf.set_fill_color(*colour)
                pdf.rect(x + slot * 0.1, y, slot * 0.8, part, style="F")
    pdf.set_draw_color(*_INK)
    pdf.set_dash_pattern(dash=1.2, gap=0.8)
    for line in board.budgets:
        y = top + height * (1 - line.micro_per_day / most)
        pdf.line(left, y, left + width, y)
        pdf.letters(6.5)
        said = pdf.cut(f"budget {line.name}: {usd(line.micro_per_day)} a day", width)
        wide = pdf.get_string_width(said) + 2
        pdf.set_fill_color(255, 255, 255)
        pdf.rect(left + width - wide, y - 3.8, wide, 3.6, style="F")
        pdf.set_xy(left + width - wide, y - 4)
        pdf.put(said, wide, "R", 4)
    pdf.set_dash_pattern()
    pdf.letters(6.5, _GREY)
    pdf.set_xy(left, top + height + 0.5)
    pdf.put(str(board.window.first), width / 2)
    pdf.put(str(board.window.last), width / 2, "R")
    pdf.set_xy(left, top + height + 5)
    for label, colour in PARTS.values():
        pdf.set_fill_color(*colour)
        pdf.rect(pdf.get_x(), pdf.get_y() + 1.2, 2.6, 2.6, style="F")
        pdf.set_x(pdf.get_x() + 3.2)
        pdf.put(label, pdf.get_string_width(label) + 5)
    pdf.ln(_ROW + 1)


def _change(pdf: _Document, report: Report) -> None:
    beside = report.board.beside
    if beside is None:
        return
    change = beside.change
    pdf.title_of(f"What changed: whole days {beside.now.text} against {beside.then.text}")
    columns: list[Column] = [(title, 36, "R") for title in ("Before", "Volume", "Mix", "Price", "After")]
    parts = [usd(change.before), *(_plus(part) for part in (change.volume, change.mix, change.price))]
    pdf.rows(columns, [[*parts, usd(change.after)]])
    moved = beside.movers["workload"].head(_FEW)
    if len(moved):
        pdf.ln(2)
        columns = [("Moved most", 96, "L"), ("Before", 28, "R"), ("After", 28, "R"), ("Change", 28, "R")]
        rows = [
            [_named(row), usd(row["before_micro"]), usd(row["after_micro"]), _plus(row["delta_micro"])]
            for row in moved.to_dict("records")
        ]
        pdf.rows(columns, rows)
    for text in lacking(beside):
        pdf.letters(7.5, _GREY)
        pdf.put(pdf.cut(text, _WIDTH), _WIDTH)
        pdf.ln(_ROW)


def _breakdown(pdf: _Document, title: str, frame: pd.DataFrame) -> None:
    if frame.empty:
        return
    pdf.title_of(title if len(frame) <= _MOST else f"{title}: the {_MOST} dearest of {len(frame):,}", needs=40)
    columns: list[Column] = [
        ("Name", 45, "L"), ("Cost", 22, "R"), ("Share", 13, "R"), ("Held", 20, "R"), ("Used", 20, "R"),
        ("Held idle", 20, "R"), ("Not measured", 24, "R"), ("GPU-hours", 16, "R"),
    ]  # fmt: skip
    rows = [
        [
            _named(row), usd(row["micro"]), share(row["share"]), usd(row["held_micro"]), _known(row["used_micro"]),
            _known(row["idle_micro"]), usd(row["unmeasured_micro"]), f"{row['gpu_hours']:,.0f}",
        ]
        for row in frame.head(_MOST).to_dict("records")
    ]  # fmt: skip
    pdf.rows(columns, rows)


def _idle(pdf: _Document, report: Report) -> None:
    frame = report.board.idle.head(_FEW)
    if frame.empty:
        return
    pdf.title_of("Idle money and its owners", needs=36)
    columns: list[Column] = [
        ("Workload", 64, "L"), ("Team", 40, "L"), ("Held", 26, "R"), ("Held idle", 26, "R"), ("Of measured", 24, "R"),
    ]  # fmt: skip
    rows = [
        [
            f"{row['namespace']}/{row['workload']}", row["team"] or "no team", usd(row["held_micro"]),
            usd(row["idle_micro"]), share(row["idle_share"]),
        ]
        for row in frame.to_dict("records")
    ]  # fmt: skip
    pdf.rows(columns, rows)


def _llm(pdf: _Document, report: Report) -> None:
    if report.llm is None:
        return
    spent = report.llm.splits["model group"].head(_FEW)
    if len(spent):
        pdf.title_of(f"Language models: {usd(report.llm.micro)} through the gateway", needs=36)
        columns: list[Column] = [
            ("Model group", 90, "L"),
            ("Spend", 30, "R"),
            ("Requests", 30, "R"),
            ("$ per M", 30, "R"),
        ]
        rows = [
            [row["name"] or "not known", usd(row["micro"]), f"{row['requests']:,.0f}", _price(row["usd_per_million"])]
            for row in spent.to_dict("records")
        ]
        pdf.rows(columns, rows)
    own = report.llm.own.head(_FEW)
    if len(own):
        pdf.title_of("Own models: a million tokens beside the API", needs=36)
        columns = [
            ("Model", 62, "L"), ("GPU money", 26, "R"), ("Own $ per M", 24, "R"), ("API $ per M", 24, "R"),
            ("Break-even a day", 28, "R"), ("Cheaper", 16, "R"),
        ]  # fmt: skip
        rows = [
            [
                row["model"], _known(row["micro"]), _price(row["usd_per_million"]), _price(row["api_usd_per_million"]),
                "—" if pd.isna(row["break_even_per_day"]) else f"{row['break_even_per_day'] / 1e6:,.1f} M",
                row["cheaper"] or "—",
            ]
            for row in own.to_dict("records")
        ]  # fmt: skip
        pdf.rows(columns, rows)


def _unpriced(pdf: _Document, report: Report) -> None:
    frame = report.board.unpriced.head(_FEW)
    if frame.empty:
        return
    pdf.title_of("Without a price: in no total")
    columns: list[Column] = [
        ("Instance type", 70, "L"),
        ("Capacity", 40, "L"),
        ("Cluster", 40, "L"),
        ("GPU-hours", 30, "R"),
    ]
    rows = [
        [row["instance_type"] or "not known", row["capacity_type"], row["cluster"], f"{row['gpu_hours']:,.1f}"]
        for row in frame.to_dict("records")
    ]
    pdf.rows(columns, rows)


def _counted(pdf: _Document, report: Report) -> None:
    pdf.title_of("How this is counted", needs=60)
    facts = [*report.facts]
    if pdf.lost:
        facts.append(("Letters", 'Some names have letters this file cannot write; they are shown as "?".'))
    for label, text in facts:
        pdf.letters(7.5, style="B")
        pdf.put(label, 30, height=4)
        pdf.letters(7.5)
        pdf.multi_cell(_WIDTH - 30, 4, pdf.fine(text), align="L", new_x="LMARGIN", new_y="NEXT")


def _named(row: Any) -> str:
    return _KINDS.get(row["kind"], "") or row["name"] or "no name"


def _known(micro: float) -> str:
    return "—" if pd.isna(micro) else usd(micro)


def _price(dollars: float) -> str:
    return "—" if pd.isna(dollars) else f"${dollars:,.2f}"


def _plus(micro: int) -> str:
    return f"+{usd(micro)}" if micro > 0 else usd(micro)


def _signed(ratio: float | None) -> str:
    said = "—" if ratio is None else f"{ratio * 100:+.1f} %"
    return "0 %" if said[1:] == "0.0 %" else said


def _short(micro: float) -> str:
    dollars = micro / MICRO
    for size, sign in ((1e6, "M"), (1e4, "k")):
        if dollars >= size:
            return f"${dollars / (1e6 if sign == 'M' else 1e3):,.1f}{sign}"
    return f"${dollars:,.0f}" if dollars >= 10 else f"${dollars:,.2f}"
