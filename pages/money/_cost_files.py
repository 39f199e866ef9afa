"""How the figures are counted, and the files that carry them away."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from pages.money import _cost_llm as llm
from pages.money import _cost_tables as tables
from pages.ui import queries_money, words
from pages.ui.shell import Page
from services.cost.board import Asked
from services.cost.export_csv import csv_of
from services.cost.export_pdf import pdf_of
from services.cost.export_xlsx import xlsx_of
from services.cost.told import Report

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILES: dict[str, tuple[str, str, str, Callable[[Report], bytes]]] = {
    "pdf": ("PDF", "application/pdf", ":material/picture_as_pdf:", pdf_of),
    "xlsx": ("Spreadsheet", _XLSX, ":material/table_view:", xlsx_of),
    "csv": ("CSV", "text/csv", ":material/csv:", csv_of),
}
_PRINT = """<style>@media print {
  [data-testid="stSidebar"], [data-testid="stToolbar"], .stDownloadButton, .st-key-cost_files {display: none !important}
  [data-testid="stMain"], [data-testid="stAppViewContainer"], .stApp {
    overflow: visible !important; position: static !important}
}</style>"""


def draw(page: Page, asked: Asked) -> None:
    """The files, then how it is counted."""
    found = queries_money.cost(page.mode, page.scope, asked).value
    if found is None:
        return
    report = replace(tables.report_of(page, asked, found), llm=llm.found(page, asked))
    st.subheader("Take it along", anchor=False, help="The same figures, with window, prices and rate card inside.")
    with st.container(horizontal=True, key="cost_files"):
        for ending, (label, mime, icon, build) in _FILES.items():
            st.download_button(
                label,
                data=_later(build, report),
                file_name=f"{report.stem}.{ending}",
                mime=mime,
                icon=icon,
                key=f"cost_file_{ending}",
                on_click="ignore",
            )
    with st.expander("How this is counted", icon=":material/functions:"):
        for label, text in report.facts:
            st.markdown(f"**{label}:** {words.plain(text)}")
    st.html(_PRINT)


def _later(build: Callable[[Report], bytes], report: Report) -> Callable[[], bytes]:
    """The file, made when somebody wants it."""
    return lambda: build(report)
