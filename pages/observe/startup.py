"""Startup: where does the time until GPU pods are ready go, and what would make it shorter?"""

import streamlit as st

from pages.observe import _startup_charts as charts
from pages.observe import _startup_figures as figures
from pages.observe import _startup_levers as levers
from pages.observe import _startup_one as one
from pages.observe import _startup_tables as tables
from pages.ui import actions, shell

page = shell.page("Startup")
workload = figures.choose(page)
asked = one.asked(workload)
if asked:
    one.draw(page, asked)
else:
    listed = tables.wanted(page, workload)

    @shell.live
    def picture() -> None:
        """Tiles, where the time goes, and what would help."""
        if figures.draw(page, workload):
            charts.draw(page, workload)
            levers.draw(page, workload)
            if not listed:
                st.rerun()  # the first starts were recorded meanwhile, and their tables stand outside

    picture()
    if listed:
        tables.draw(page, workload)
shell.glossary(
    "Start",
    "Startup time",
    "Within target",
    "Percentile",
    "Startup phase",
    "Unattributed",
    "Warm start",
    "Served by headroom",
    "Startup money",
    "Lever",
    "List price",
)
actions.host()
