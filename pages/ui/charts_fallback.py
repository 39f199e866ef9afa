"""Figures of fallbacks: the share of requests that fell or were lost, over time."""

import pandas as pd
import plotly.graph_objects as go

from pages.ui.charts import layout, plain, times
from pages.ui.theme import Theme

PATTERNS = ("", "/", "x", ".", "\\", "-", "+", "|")
LOST = "Lost"


def rate(trend: pd.DataFrame, target: float, zone: str, theme: Theme) -> go.Figure:
    """A stacked bar per step and ``part`` of a trend with ``at``, ``part``, ``share`` (0..1), and the target as a line.

    Parts keep their colour and pattern by the order they first come in.
    """
    figure = go.Figure()
    for place, part in enumerate(dict.fromkeys(trend["part"])):
        rows = trend[trend["part"] == part]
        colour = theme.broken if part == LOST else theme.categorical[place % len(theme.categorical)]
        figure.add_trace(
            go.Bar(
                x=times(rows["at"], zone),
                y=rows["share"].to_numpy(),
                name=plain(str(part)),
                marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": PATTERNS[place % len(PATTERNS)]}},
                hovertemplate="%{y:.1%}",
            )
        )
    figure.add_hline(
        y=target,
        line_dash="dot",
        line_width=1.5,
        line_color=theme.text,
        opacity=0.8,
        annotation_text=f"target {target:.0%}".replace("%", " %"),
        annotation_position="top left",
    )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(tickangle=0, nticks=7, title=None)
    top = max(float(trend.groupby("at")["share"].sum().max()) if len(trend) else 0.0, target * 1.4)
    figure.update_yaxes(tickformat=".0%", range=[0, min(top * 1.08, 1.0)], title=None)
    figure = layout(figure)
    figure.update_layout(bargap=0.0)
    return figure
