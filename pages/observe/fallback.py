"""Fallback: how often do own GPUs not answer, why, and what does that cost?"""

from pages.observe import _fallback_budgets as budgets
from pages.observe import _fallback_figures as figures
from pages.observe import _fallback_tiers as tiers
from pages.observe import _fallback_time as time
from pages.observe import _fallback_why as why
from pages.ui import actions, shell

page = shell.page("Fallback")
cluster = figures.choose_gateway(page)
if cluster:

    @shell.live
    def picture() -> None:
        """Tiles, the chain that is looked at, when and why it fell back."""
        board = figures.draw(page, cluster)
        if board is not None:
            group = figures.choose_group(board)
            tiers.draw(page, board, group)
            time.draw(page, board, group)
            why.draw(page, board, group)
            figures.in_figures(page, board)
            budgets.draw(page, board)

    picture()
shell.glossary("Model group", "Fallback rate", "By design", "Lost", "Left out")
actions.host()
