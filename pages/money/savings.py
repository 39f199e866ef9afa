"""Savings: what did changes promise to save, and what was measured since?"""

from pages.money import _savings_tables as tables
from pages.ui import actions, shell

page = shell.page("Savings")


@shell.live
def picture() -> None:
    """Tiles, the answer in words, and every change."""
    tables.draw(page)


picture()
shell.glossary("Saving", "Held", "Warm headroom", "List price")
actions.host()
