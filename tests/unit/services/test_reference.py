from pathlib import Path

import pytest

from services.domain.glossary import GLOSSARY
from services.domain.signals import SIGNALS
from services.panels import reference
from services.panels.catalogue import PANELS


@pytest.mark.parametrize("path", list(reference.PAGES), ids=lambda path: path.name)
def test_the_page_is_what_make_docs_would_write(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == reference.PAGES[path](), "stale: run `make docs`"


def test_every_word_of_the_glossary_has_one_row() -> None:
    rows = [line.split("|")[1].strip() for line in reference.glossary().splitlines() if line.startswith("| ")]
    assert rows == ["word", *GLOSSARY]


def test_every_figure_metric_and_trend_is_named() -> None:
    text = reference.metrics()
    for signal in SIGNALS.values():
        assert f"| {signal.title}" in text
        for carrier in signal.carriers:
            assert f"`{carrier.metric}`" in text
    for panel in PANELS.values():
        assert f"| {panel.title} |" in text


def test_every_row_has_as_many_cells_as_its_head() -> None:
    for page in (reference.glossary(), reference.metrics()):
        for part in page.split("\n\n"):
            rows = [line for line in part.splitlines() if line.startswith("|")]
            assert len({line.replace("\\|", "").count("|") for line in rows}) <= 1
