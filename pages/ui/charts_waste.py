"""The picture of the Waste page: money a month by workload."""

import pandas as pd
import plotly.graph_objects as go

from pages.ui import words
from pages.ui.charts import layout, plain
from pages.ui.theme import Theme

_LOOKS = {"Remove": (0, ""), "Optimise": (1, "/"), "Share": (2, ".")}
"""Colour among the theme's categories and pattern of each verb."""
_LONGEST = 28


def bars(rows: pd.DataFrame, theme: Theme) -> go.Figure:
    """A bar for each row of ``workload``, ``verb``, ``usd`` (a month) and ``confidence``, dearest on top."""
    figure = go.Figure()
    names = [f"{place}/{plain(name)}" for place, name in enumerate(rows["workload"])]  # rows of one name stay apart
    for verb, (colour, pattern) in _LOOKS.items():
        mine = rows["verb"].eq(verb)
        if not mine.any():
            continue
        usd = rows.loc[mine, "usd"].tolist()
        figure.add_trace(
            go.Bar(
                x=usd,
                y=[name for name, its in zip(names, mine, strict=True) if its],
                name=verb,
                orientation="h",
                marker={
                    "color": theme.categorical[colour],
                    "pattern": {"shape": pattern, "size": 6, "solidity": 0.3, "fillmode": "overlay"},
                },
                text=[words.money(value) for value in usd],
                textposition="auto",
                customdata=rows.loc[mine, "confidence"].tolist(),
                hovertemplate="%{text} a month, confidence %{customdata}",
            )
        )
    figure = layout(figure, height=110 + 34 * len(rows))
    figure.update_layout(hovermode="closest", barmode="overlay")
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], tickvals=names,
                        ticktext=[_shown(name) for name in rows["workload"]], title=None)  # fmt: skip
    figure.update_xaxes(tickprefix="$", title=None)
    return figure


def _shown(name: str) -> str:
    return plain(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…")
