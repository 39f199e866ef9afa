"""Cost: what does the fleet cost, who uses it, what is idle, and where will the month end?"""

from pages.money import _cost_charts as charts
from pages.money import _cost_choose as choose
from pages.money import _cost_energy as energy
from pages.money import _cost_figures as figures
from pages.money import _cost_files as files
from pages.money import _cost_llm as llm
from pages.money import _cost_tables as tables
from pages.ui import shell

page = shell.page("Cost")
asked = choose.draw(page)


@shell.live
def picture() -> None:
    """Tiles, the answer, and what each day cost."""
    if figures.draw(page, asked):
        charts.draw(page, asked)


picture()
if figures.known(page, asked) is not None:
    tables.draw(page, asked)
    llm.draw(page, asked)
    energy.draw(page, asked)
    files.draw(page, asked)
shell.glossary(
    "Held",
    "Used money",
    "Idle money",
    "Free",
    "Warm headroom",
    "Out of use",
    "Remainder",
    "Landing",
    "Volume, mix and price",
    "Spot saving",
    "Rate card",
    "List price",
    "Break-even",
)
