"""Waste: what could be given back, and what is it worth?"""

from pages.money import _waste_aside as aside
from pages.money import _waste_choose as choose
from pages.money import _waste_figures as figures
from pages.money import _waste_list as listed
from pages.ui import actions, queries_money, shell

page = shell.page("Waste")
asked = choose.draw(page)


@shell.live
def picture() -> None:
    """Tiles, the answer in words, and the picture."""
    reading = queries_money.waste(page.mode, asked.scope, asked.limits)
    board = shell.shown(reading, "Waste")
    if board is not None:
        figures.draw(board, asked)


picture()
listed.draw(page, asked)
aside.draw(page, asked)
shell.glossary("Waste verbs", "Held idle", "GPU equivalent", "Confidence of advice", "Money per month", "List price")
actions.host()
