"""Generated pages of docs/: the glossary and the reference of all figures: ``python -m services.panels.reference``."""

import sys
from pathlib import Path

from services.domain.glossary import GLOSSARY
from services.domain.signals import IDLE_BELOW, SIGNALS, Carrier, Combine, Level, Signal, Unit
from services.panels.catalogue import PANELS, Panel

DOCS = Path(__file__).parents[2] / "docs"

_UNITS = {
    Unit.RATIO: "ratio, 0 to 1",
    Unit.BYTES: "bytes",
    Unit.WATTS: "watts",
    Unit.CELSIUS: "degrees Celsius",
    Unit.COUNT: "number",
    Unit.CODE: "code",
}
_COMBINES = {
    Combine.SHARE: "mean weighted by GPU equivalents",
    Combine.SUM: "sum",
    Combine.PEAK: "largest",
}
_LEVELS = {
    Level.UNIT: "whole GPU or MIG instance",
    Level.GPU: "physical GPU",
}

_GLOSSARY = """# Glossary

<!-- Written by `make docs` from services/domain/glossary.py; do not edit. -->

One word per idea, in the product, its code and its documents.

| word | meaning |
|---|---|
"""

_METRICS = """# Figures and the metrics behind them

<!-- Written by `make docs` from services/domain/signals.py and services/panels/catalogue.py; do not edit. -->

A figure is measured by the first of its metrics that a GPU reports; different GPUs may report different ones. The
factor turns the metric's unit into the figure's. A figure nobody exports is not collected: unknown, not zero. A GPU is
idle while its utilisation is below {idle}.

## What is measured

| figure | meaning | unit | of a group | one series speaks of | metrics, preferred first |
|---|---|---|---|---|---|
"""

_TRENDS = """
## What is drawn

Trends of the Utilisation page, split by pool, model, namespace, workload or team.

| trend | meaning | drawn from | as |
|---|---|---|---|
"""


def glossary() -> str:
    """The page docs/glossary.md."""
    return _GLOSSARY + "".join(f"| {term} | {_cell(meaning)} |\n" for term, meaning in GLOSSARY.items())


def metrics() -> str:
    """The page docs/metrics.md."""
    measured = "".join(map(_signal, SIGNALS.values()))
    return _METRICS.format(idle=f"{IDLE_BELOW * 100:g} %") + measured + _TRENDS + "".join(map(_panel, PANELS.values()))


PAGES = {DOCS / "glossary.md": glossary, DOCS / "metrics.md": metrics}
"""What is written where."""


def _signal(signal: Signal) -> str:
    title = signal.title + (" (not exported by default)" if signal.optional else "")
    carriers = "; ".join(map(_carrier, signal.carriers))
    cells = (title, signal.help, _UNITS[signal.unit], _COMBINES[signal.combine], _LEVELS[signal.level], carriers)
    return f"| {' | '.join(map(_cell, cells))} |\n"


def _carrier(carrier: Carrier) -> str:
    said = [f"× {carrier.scale:,.10g}"] if carrier.scale != 1 else []
    if carrier.whole_only:
        said.append("whole GPUs only")
    if carrier.percent_guard:
        said.append("values above 1.5 are percent")
    return f"`{carrier.metric}`" + (f" ({', '.join(said)})" if said else "")


def _panel(panel: Panel) -> str:
    source = SIGNALS[panel.signal].title
    if panel.rest:
        source = f"{source} ÷ ({source} + {SIGNALS[panel.rest].title})"
    return f"| {panel.title} | {_cell(panel.help)} | {source} | {panel.kind.value}, {_UNITS[panel.unit]} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        stale = [path.name for path, text in PAGES.items() if path.read_text(encoding="utf-8") != text()]
        sys.exit(f"{', '.join(stale)} stale: run `make docs`." if stale else 0)
    for path, text in PAGES.items():
        path.write_text(text(), encoding="utf-8")
