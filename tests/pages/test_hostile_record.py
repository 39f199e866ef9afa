"""Names from outside in the record of costs are shown as they are, on every page that reads it and in every file."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import openpyxl
import pypdfium2
import pytest
import streamlit as st

from pages.money import _cost_choose as choose
from pages.ui import identity, tables_alerts, tables_prices
from services import access
from services.cost.board import Asked
from services.domain.cost import budgetyaml, cardfile
from services.ports import Sources
from tests.pages import hostile_record
from tests.pages.opening import figures, opened, quiet, table, tiles, words
from tests.pages.test_hostile import EVIL, SIGNS, estate, interpretations, interpreted

NAMES = {
    "markdown": EVIL,
    "signs": "evil :skull: $$x^2$$ | a | &lt;b&gt; ~~s~~ `c` ==m== www.evil.x :streamlit: y",
    "links": "https://evil.example :material/skull:",
    "lines": "`evil`\u202e\u2067 \x07\x1b[31m\n\n# big\n\n|a|b|\n|-|-|\n[x](javascript:evil)\r\n- i",
    "formula": "=cmd('evil')!A0",
    "long": "evil <b>" * 500,
}
"""Names by what is wrong with them."""
INTERPRETED = (
    *SIGNS, r":skull:", r"\$[^$]+\$", r"&lt;", r"~~s~~", r"(?m)^(# big|\|a\||- i$)",
    "[\u202e\u2067\x07\x1b]",
)  # fmt: skip
"""Beginnings of what the browser would interpret, were they not escaped."""
TAKEN = r"(?i)https?://evil|\bwww\.|:material/skull|:streamlit"
"""What it makes links and pictures of even when it is escaped."""
PAGES: Mapping[str, Mapping[str, str]] = {
    "cost": {"cost_in": "team:{path}>kind:{path}", "cost_by": "label app", "cost_llm": "key", "cost_moved": "team"},
    "budgets": {"budget": "label"},
    "waste": {"waste_team": "{evil}"},
    "savings": {"cluster": "{evil}"},
    "prices": {"card_new": "{evil}", "card_old": "{evil}"},
    "books": {"books_hour": "{evil}/2026-06-03T05:00Z"},
    "alerts": {"alerts_channel": "{evil}"},
    "audit": {"op": "op", "range": "30d"},
    "overview": {"team": "{evil}", "ns": "{evil}", "pool": "{evil}", "model": "{evil}"},
}
"""Pages that read the record, and what a link may ask of them."""
NAMELESS = ("audit", "savings", "waste")
"""Pages that show names in tables alone, the last of them where a name has a slash."""
NONSENSE = ("\x00", "1e309", "-9" * 200, "\u202e", "a" * 5000, "=1+1", EVIL)
INSTANTS = (
    "0001-01-01T00:00Z", "9999-12-31T23:00Z", "2026-06-03T05:30Z", "2026-06-03T05:00+23:59", "now", "-1",
    "2026-02-30T05:00Z",
)  # fmt: skip
ASKED = {
    "cost": (
        "cost_window", "cost_from", "cost_to", "cost_against", "cost_card", "cost_by", "cost_in", "cost_llm",
        "cost_moved",
    ),
    "budgets": ("budget",),
    "waste": (
        "waste_window", "waste_verbs", "waste_unused", "waste_busy", "waste_team", "waste_least", "waste_grace",
    ),
    "prices": ("card_new", "card_old"),
    "books": ("books_day", "books_hour"),
    "alerts": ("alerts_channel", "alerts_state", "alerts_severity", "alerts_text"),
}  # fmt: skip
"""Parameters of the pages, none of which is to be trusted."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.fixture(scope="module")
def estates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Sources]]:
    """The recorded estate by the kind of its names; tests only read it."""
    with ExitStack() as stack:
        known = {}
        for kind, evil in NAMES.items():
            known[kind], database = hostile_record.recorded(tmp_path_factory.mktemp(kind), evil, estate(evil))
            stack.callback(database.close)
        yield known


@pytest.fixture(autouse=True)
def _everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may do everything sees every form and button."""
    monkeypatch.setattr(identity, "person", lambda: access.DEMO)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Files the download buttons of pages opened meanwhile would hand out, by name."""
    given: dict[str, bytes] = {}
    original = st.download_button

    def button(*args: Any, **kwargs: Any) -> Any:
        data = kwargs["data"]
        given[kwargs["file_name"]] = data() if callable(data) else data
        return original(*args, **kwargs)

    monkeypatch.setattr(st, "download_button", button)
    return given


def params(path: str, evil: str) -> dict[str, str]:
    return {name: text.format(evil=evil, path=quote(evil)) for name, text in PAGES[path].items()}


@pytest.mark.parametrize("path", list(PAGES))
@pytest.mark.parametrize(("kind", "linked"), [("markdown", False), *((kind, True) for kind in NAMES)])
def test_names_in_the_record_are_shown_and_never_interpreted(
    estates: dict[str, Sources], files: dict[str, bytes], path: str, kind: str, linked: bool
) -> None:
    at = opened(estates[kind], path, **(params(path, NAMES[kind]) if linked else {}))
    assert interpretations(at, *INTERPRETED) == []
    read = [re.sub(r"\\(.)", r"\1", text) for text in interpreted(at)]
    assert [text for text in read if re.search(TAKEN, text)] == []
    assert any("evil" in text for text in read) or path in NAMELESS
    for figure in figures(at):
        assert not re.search(r"<a href|<b>b", str(figure))
    for name, data in files.items():
        if name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
            assert [cell for row in rows for cell in row if cell.startswith(_FORMULA) and not _number(cell)] == [], name
            assert len({len(row) for row in rows}) == 1, name


def _number(cell: str) -> bool:
    try:
        return float(cell) == float(cell)
    except ValueError:
        return False


@pytest.mark.parametrize("kind", list(NAMES))
def test_tables_and_files_of_costs_hold_the_name_itself(
    estates: dict[str, Sources], files: dict[str, bytes], kind: str
) -> None:
    at, evil = opened(estates[kind], "cost"), NAMES[kind]
    (rows,) = [one.value for one in at.dataframe if "unmeasured_usd" in one.value.columns]
    # 1 and 2 June: 100 dollars a day of the enemy and 10 free; ten hours of today at 5
    assert dict(zip(rows["name"], rows["cost_usd"], strict=True)) == {evil: 250, "Free": 20}
    book = openpyxl.load_workbook(io.BytesIO(files["cost-2026-06-01-2026-06-03.xlsx"]))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert [cell.value for cell in cells if cell.data_type == "f" or cell.hyperlink] == []
    assert kind == "lines" or evil in [cell.value for cell in book["By team"]["A"]]
    document = pypdfium2.PdfDocument(files["cost-2026-06-01-2026-06-03.pdf"])
    try:
        pages = [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()
    assert "$270.00" in pages[0]
    assert all(f"page {number} of {len(pages)}" in text for number, text in enumerate(pages, start=1))


@pytest.mark.parametrize("kind", ["lines", "long"])
def test_tables_of_alerts_and_prices_hold_the_name_itself(estates: dict[str, Sources], kind: str) -> None:
    assert table(opened(estates[kind], "alerts"), tables_alerts.ALERTS)["title"].tolist() == [NAMES[kind]] * 2
    assert table(opened(estates[kind], "prices"), tables_prices.CARD)["term"].tolist() == [NAMES[kind]]


@pytest.mark.parametrize("kind", ["markdown", "signs", "formula"])
def test_documents_give_back_the_names_they_hold(
    estates: dict[str, Sources], files: dict[str, bytes], kind: str
) -> None:
    opened(estates[kind], "budgets")
    opened(estates[kind], "prices")
    assert {one.owner for one in budgetyaml.read(files["budgets.yaml"], "UTC").budgets} == {NAMES[kind]}
    assert cardfile.read(files["rate-card-2.csv"], "UTC").lines["term"].tolist() == [NAMES[kind]]


@pytest.mark.parametrize(("kind", "usd"), [("signs", "$250"), ("links", "$250"), ("lines", "$250"), ("long", "$270")])
def test_a_link_leads_into_what_an_enemy_named(estates: dict[str, Sources], kind: str, usd: str) -> None:
    """What is too long for a link asks for nothing."""
    at = opened(estates[kind], "cost", cost_in=f"team:{quote(NAMES[kind])}", cost_by="workload")
    assert tiles(at)["Month to date"][0] == usd


def test_a_name_too_long_for_a_link_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(st, "toast", lambda text, icon: said.append(text))
    choose.into(Asked(), "a" * 4000, "")
    assert said == ["This name is too long to stand in a link."]


@pytest.mark.parametrize("path", list(ASKED))
@pytest.mark.parametrize("value", NONSENSE, ids=range(len(NONSENSE)))
def test_links_that_ask_for_nonsense_are_answered_calmly(
    estates: dict[str, Sources], caplog: pytest.LogCaptureFixture, path: str, value: str
) -> None:
    with quiet(caplog):
        at = opened(estates["markdown"], path, **dict.fromkeys(ASKED[path], value))
    assert interpretations(at, *INTERPRETED) == []


@pytest.mark.parametrize("at", INSTANTS)
def test_what_is_no_full_hour_of_these_times_is_no_hour(estates: dict[str, Sources], at: str) -> None:
    said = words(opened(estates["formula"], "books", books_hour=f"cluster/{at}"))
    assert "An hour is written as cluster/2026-11-23T05:00Z." in said


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("0001-01-01", "9999-12-31", "2026-06-01 to 2026-06-03"),
        ("2026-06-31", "x", "2026-06-01 to 2026-06-03"),
        ("2026-06-02", "2026-06-01", "2026-06-01 to 2026-06-02"),
    ],
)
def test_days_of_a_link_are_put_right(estates: dict[str, Sources], first: str, last: str, said: str) -> None:
    at = opened(estates["formula"], "cost", cost_window="From–to", cost_from=first, cost_to=last)
    assert f"By day, {said}" in words(at)
