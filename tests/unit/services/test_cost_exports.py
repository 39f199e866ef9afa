"""The files of the Cost page: the same figures as the board, and nothing a spreadsheet would run."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import openpyxl
import pypdfium2
import pytest

from services.cost import told
from services.cost.board import Asked, board, llm
from services.cost.export_csv import csv_of
from services.cost.export_pdf import pdf_of, writable
from services.cost.export_xlsx import xlsx_of
from services.cost.told import Report
from services.domain.scope import Scope
from tests import costing, tiny
from tests.costing import CHAT, SPOT, Book, cost
from tests.unit.domain.cost.test_tokens import API, ENGINE, OURS

EVIL = ("tiny", "web", "Deployment", "=HYPERLINK(evil)", "+équipe 漢字", "{}")


@pytest.fixture
def report() -> Report:
    """June: chat held 100 dollars and 1 cent (80 measured, 60 used), somebody evil 50 on spot, 20 were free."""
    book = Book(
        days=costing.days(
            cost("2026-06-01", 24, 100.01, who=CHAT, measured=80, used=60, listed=120),
            cost("2026-06-02", 24, 50, who=EVIL, at=SPOT, listed=100),
            cost("2026-06-02", 8, 20),
            cost("2026-06-02", 8, None, at=SPOT),
            cost("2026-05-01", 24, 90, who=CHAT),
            cost("2026-05-02", 24, 90, who=CHAT),
        ),
        owners=costing.owners(CHAT, EVIL),
        llm=costing.llm(API, OURS, ENGINE),
    )
    sources = replace(tiny.sources(), work=book)
    asked = Asked(by="pool")
    reading = board(sources, Scope(), asked)
    assert reading.value is not None
    spent = llm(sources, Scope(), asked, spenders=False).value
    return Report(reading.value, spent, "pool", told.scoped(Scope()), "live", reading.as_of)


def rows_of(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_of(report).decode("utf-8-sig"))))


def test_every_line_of_the_csv_says_what_it_speaks_of(report: Report) -> None:
    rows = rows_of(report)
    assert rows[0]["section"] == "total"
    assert (rows[0]["usd"], rows[0]["held_usd"], rows[0]["used_usd"]) == ("170.010000", "150.010000", "60.000000")
    for row in rows:
        assert (row["window_first"], row["window_last"]) == ("2026-06-01", "2026-06-03")
        assert (row["rate_card"], row["price_basis"], row["zone"]) == ("version 1", "rate card 100.0 %", "UTC")


def test_no_cell_of_the_csv_is_a_formula(report: Report) -> None:
    names = [row["name"] for row in rows_of(report) if row["section"] in ("workload", "team")]
    assert "'=HYPERLINK(evil)" in names
    assert "'+équipe 漢字" in names
    changes = {row["name"]: row["usd"] for row in rows_of(report) if row["section"] == "change"}
    assert changes["before"] == "180.000000"
    assert float(changes["volume"]) + float(changes["mix"]) + float(changes["price"]) == pytest.approx(-9.99)


def test_the_workbook_has_the_same_figures_as_numbers(report: Report, tmp_path: Path) -> None:
    (tmp_path / "cost.xlsx").write_bytes(xlsx_of(report))
    book = openpyxl.load_workbook(tmp_path / "cost.xlsx")
    assert book.sheetnames == [
        "Summary", "By team", "By workload", "By pool", "Daily", "Idle", "LLM", "How counted",
    ]  # fmt: skip
    summary = {row[0].value: row[1] for row in book["Summary"].iter_rows() if row[0].value}
    assert summary["Total"].value == 170.01
    assert summary["Total"].number_format == "$#,##0.00"
    assert summary["Idle share"].value == pytest.approx((20 + 20) / 170.01)
    assert summary["Window"].value == "2026-06-01 to 2026-06-03, days of UTC"
    assert summary["Rate card"].value == "version 1"
    days = [[cell.value for cell in row][:2] for row in book["Daily"].iter_rows(min_row=2)]
    assert days == [["2026-06-01", 100.01], ["2026-06-02", 70]]
    teams = {row[0].value: row for row in book["By team"].iter_rows(min_row=2)}
    assert teams["product"][5].value == 100.01
    assert teams["free"][6].value is None, "nothing of it could be used: empty, and not 0"
    counted = {row[0].value: row[1].value for row in book["How counted"].iter_rows()}
    assert counted["Without a price"] == "8.0 GPU-hours, in no total"


def test_no_cell_of_the_workbook_is_a_formula_or_a_link(report: Report, tmp_path: Path) -> None:
    (tmp_path / "cost.xlsx").write_bytes(xlsx_of(report))
    book = openpyxl.load_workbook(tmp_path / "cost.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert [cell.value for cell in cells if cell.data_type == "f" or cell.hyperlink] == []
    assert "=HYPERLINK(evil)" in [cell.value for cell in cells]


def test_the_document_says_the_same_on_at_most_three_pages(report: Report) -> None:
    document = pypdfium2.PdfDocument(pdf_of(report))
    try:
        assert 1 <= len(document) <= 3
        pages = [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()
    whole = "\n".join(pages)
    assert "$170.01" in whole
    assert "what your groups" not in whole
    for number, text in enumerate(pages, start=1):
        assert f"page {number} of {len(pages)}" in text
        assert "rate card version 1" in text
        assert "2026-06-01 to 2026-06-03 (UTC)" in text
    assert "+équipe ??" in whole
    assert 'they are shown as "?"' in whole


def test_a_name_is_not_the_number_of_pages(report: Report) -> None:
    named = report.board.teams.assign(name=["{nb} \x7f\x7f", "i" * 4000, ""])
    document = pypdfium2.PdfDocument(pdf_of(replace(report, board=replace(report.board, teams=named))))
    try:
        whole = "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()
    assert "{nb} ??" in whole
    assert "iii…" in whole


def test_the_document_is_drawn(report: Report) -> None:
    """The chart is there: the first page has the colours of what was used and what was free."""
    document = pypdfium2.PdfDocument(pdf_of(report))
    try:
        picture = document[0].render(scale=1).to_pil().convert("RGB")
    finally:
        document.close()
    colours = {colour for _, colour in picture.getcolors(1_000_000)}
    assert {(0, 114, 178), (86, 180, 233), (230, 159, 0)} <= colours


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chat", ("chat", False)),
        ("équipe – 5 €", ("équipe – 5 €", False)),
        ("Ｆｕｌｌ", ("Full", False)),
        ("ﬁne ǆ", ("fine dz", False)),
        ("漢字 why?", ("?? why?", True)),
        ("a\x00b", ("a?b", True)),
    ],
)
def test_letters_the_font_lacks_never_break_the_document(text: str, expected: tuple[str, bool]) -> None:
    assert writable(text) == expected
