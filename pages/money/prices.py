"""Prices: what is a GPU-hour counted at, since when, and where does the price come from?"""

from pages.money import _prices_card as card
from pages.money import _prices_figures as figures
from pages.money import _prices_history as history
from pages.ui import shell

page = shell.page("Prices")
figures.draw(page)
card.draw(page)
history.draw(page)
shell.glossary("GPU-hour price", "List price", "Rate card", "Price basis", "Unpriced")
