"""What the Waste page looks at: window, thresholds and filters, all of it in the link."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import streamlit as st

from pages.ui import filters, queries_money
from pages.ui.shell import Page
from services.cost.waste import WINDOWS
from services.domain.cost.waste import VERBS, Advice, Limits
from services.domain.scope import Scope

WORDS = {"remove": "Remove", "optimise": "Optimise", "share": "Share"}
_VERB_OF = {word: verb for verb, word in WORDS.items()}


@dataclass(frozen=True)
class Asked:
    """The scope with the page's own range, what counts as what, and which advice is shown."""

    scope: Scope
    limits: Limits
    verbs: tuple[str, ...] = ()
    team: str = ""
    least: float = 0.0

    def shown(self, found: Iterable[Advice]) -> list[Advice]:
        """The advice that passes the filters; what is unpriced passes only where no money is asked for."""
        return [
            one
            for one in found
            if (not self.verbs or one.verb in self.verbs)
            and (not self.team or one.team == self.team)
            and (not self.least or (one.usd_per_month is not None and one.usd_per_month >= self.least))
        ]


def draw(page: Page) -> Asked:
    """Draw the choices and return what is asked for."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        window = st.segmented_control(
            "Watched for", list(WINDOWS), default=WINDOWS[0], required=True, key="waste_window", bind="query-params"
        )
        verbs = st.pills("Verbs", list(WORDS.values()), selection_mode="multi", key="waste_verbs", bind="query-params")
    scope = replace(page.scope, range=window or WINDOWS[0])
    grid = st.grid(4, min_column_width=210)
    with grid.container():
        unused = st.slider(
            "A GPU is unused below", 1, 20, 5, 1, format="%d %%", key="waste_unused", bind="query-params",
            help="Peak utilisation over the window. For pods that hold several GPUs.",
        )  # fmt: skip
    with grid.container():
        busy = st.slider(
            "A pod is small below", 5, 60, 30, 5, format="%d %%", key="waste_busy", bind="query-params",
            help="Mean utilisation over the window, with at most half of the memory used.",
        )  # fmt: skip
    limits = Limits(unused=unused / 100, busy=busy / 100)
    board = queries_money.waste(page.mode, scope, limits).value
    with grid.container():
        teams = sorted({one.team for one in board.advice} - {""}) if board is not None else []
        team = filters.choose("Team of the workload", teams, key="waste_team", nothing="Every team")
    with grid.container():
        least = st.number_input(
            "At least a month, USD", 0.0, 1e6, 0.0, 100.0, key="waste_least", bind="query-params", format="%.0f",
            help="Advice worth less, and advice without a price, is left out.",
        )  # fmt: skip
    chosen = tuple(verb for verb in VERBS if verb in {_VERB_OF[word] for word in verbs or ()})
    return Asked(scope, limits, chosen, team, float(least or 0))
