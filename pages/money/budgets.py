"""Budgets: which hold, which will not, and when?"""

from pages.money import _budgets_code as code
from pages.money import _budgets_edit as edit
from pages.money import _budgets_figures as figures
from pages.money import _budgets_one as one
from pages.money import _budgets_table as table
from pages.ui import shell

page = shell.page("Budgets")


@shell.live
def picture() -> None:
    """Tiles and the answer in words."""
    figures.draw(page)


picture()
chosen = table.draw(page)
if chosen:
    one.draw(page, chosen)
edit.draw(page, chosen)
code.draw(page)
shell.glossary("Budget", "Landing", "Even pace", "Threshold", "Held", "Unpriced")
