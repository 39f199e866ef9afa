"""Serving: how full and how fast are the engines that serve models, and are they set well?"""

from pages.observe import _serving_models as models
from pages.observe import _serving_one as one
from pages.ui import actions, shell

page = shell.page("Serving")


@shell.live
def picture() -> None:
    """Tiles, the workloads that serve, and the one that is looked at."""
    board = models.draw(page)
    if board is not None:
        chosen = models.choose(board)
        if chosen is not None:
            one.draw(page, board, chosen)
        models.in_figures(page, board)


picture()
shell.glossary("Running", "KV cache", "First token", "Begun anew")
actions.host()
