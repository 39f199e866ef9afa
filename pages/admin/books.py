"""Books: do the parts add up to what the nodes cost, for every hour?"""

from pages.admin import _books_day as day
from pages.admin import _books_hour as hour
from pages.admin import _books_period as period
from pages.ui import shell

page = shell.page("Books")
if period.draw(page):
    hour.draw(page, day.draw(page))
shell.glossary("Books", "GPU-hour price", "Unpriced", "Held", "Free", "Remainder")
