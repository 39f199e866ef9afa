"""Figures of money: what each day cost and of what it is made, and why one stretch cost more than another."""

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.ui import words
from pages.ui.charts import layout, plain
from pages.ui.theme import Theme
from services.cost.board import Line, Month
from services.domain.cost import MICRO
from services.domain.cost.pricevolume import Change
from services.domain.cost.windows import Window


class Look(NamedTuple):
    """What a part is called, its colour among the theme's categories (None: that of the unknown), and a pattern."""

    title: str
    colour: int | None
    pattern: str = ""


PARTS = {
    "used_micro": Look("Used", 0),
    "unmeasured_micro": Look("Held, not measured", None, "."),
    "idle_micro": Look("Held idle", 1, "/"),
    "warm_micro": Look("Warm", 3),
    "free_micro": Look("Free", 4, "\\"),
    "overhead_micro": Look("Overhead", 5, "x"),
}
"""What a day's money is made of, from below; no two share colour and pattern."""
_OVER = "rgba(255,255,255,0.55)"
_DAY = timedelta(days=1)


def daily(
    found: pd.DataFrame,
    window: Window,
    theme: Theme,
    *,
    budgets: tuple[Line, ...] = (),
    month: Month | None = None,
    through: datetime | None = None,
) -> go.Figure:
    """Money by day, stacked (:data:`services.domain.cost.report.DAILY`); a day that is not recorded is a gap.

    ``budgets`` are lines of what may be spent a day; ``month`` the range this month's time from ``through`` on is
    expected in.
    """
    figure = go.Figure()
    at = pd.to_datetime(found["day"]).to_numpy()
    for name, look in PARTS.items():
        values = found[name].to_numpy() / MICRO
        if not values.any():
            continue
        figure.add_trace(
            go.Bar(
                x=at,
                y=values,
                name=look.title,
                marker={
                    "color": theme.unknown if look.colour is None else theme.categorical[look.colour],
                    "pattern": {
                        "shape": look.pattern,
                        "size": 6,
                        "solidity": 0.3,
                        "fillmode": "overlay",
                        "fgcolor": _OVER,
                    },
                },
                text=[words.money(value) for value in values],
                textposition="none",
                hovertemplate="%{text}",
            )
        )
    last = pd.Timestamp(window.last)
    if month is not None and through is not None:
        last = max(last, _expected(figure, month, window, through, theme))
    for line in budgets:
        figure.add_hline(
            y=line.micro_per_day / MICRO,
            line_dash="dash",
            line_width=1.5,
            line_color=theme.text,
            annotation_text=plain(f"budget {line.name}: {words.micro(line.micro_per_day)} a day"),
            annotation_position="top right",
        )
    figure.update_layout(barmode="stack")
    half = pd.Timedelta(hours=14)
    figure.update_xaxes(range=[pd.Timestamp(window.first) - half, last + half], tickformat="%-d %b", title=None)
    figure.update_yaxes(tickprefix="$", rangemode="tozero", title=None)
    return layout(figure, height=330)


def _expected(figure: go.Figure, month: Month, window: Window, through: datetime, theme: Theme) -> pd.Timestamp:
    """The band the rest of the month is expected in, per day; the last day it reaches. Today's rest is in its money."""
    last = pd.Timestamp(month.name) + pd.offsets.MonthEnd(0)
    begin = pd.Timestamp(window.last) + _DAY
    left = (month.end - through) / _DAY
    if begin > last or left <= 0:
        return pd.Timestamp(window.last)
    low, high = ((end - month.spent) / MICRO / left for end in (month.low, month.high))
    half = pd.Timedelta(hours=12)
    figure.add_trace(
        go.Scatter(
            x=[begin - half, last + half, last + half, begin - half, begin - half],
            y=[low, low, high, high, low],
            mode="lines",
            fill="toself",
            opacity=0.35,
            name="Expected a day",
            line={"width": 1, "dash": "dot", "color": theme.text},
            fillcolor=theme.unknown,
            hoverinfo="skip",
        )
    )
    return last


def waterfall(change: Change, before: str, after: str, theme: Theme) -> go.Figure:
    """From what it cost before to what it cost after, by volume, mix and price."""
    parts = (change.volume, change.mix, change.price)
    said = [words.micro(change.before), *(plus(part) for part in parts), words.micro(change.after)]
    figure = go.Figure(
        go.Waterfall(
            x=[f"Before<br>{plain(before)}", "Volume", "Mix", "Price", f"After<br>{plain(after)}"],
            y=np.array([change.before, *parts, change.after]) / MICRO,
            measure=["absolute", "relative", "relative", "relative", "total"],
            text=said,
            textposition="outside",
            textfont={"size": 13, "color": theme.text},
            hoverinfo="skip",
            cliponaxis=False,
            increasing={"marker": {"color": theme.idle}},
            decreasing={"marker": {"color": theme.active}},
            totals={"marker": {"color": theme.unknown}},
            connector={"line": {"width": 1, "color": theme.unknown}},
        )
    )
    levels = np.cumsum([change.before, *parts])
    low, high = float(levels.min()) / MICRO, float(levels.max()) / MICRO
    room = max((high - low) * 0.6, high * 0.02, 0.01)
    cut = max(0.0, low - room)  # a change of a few percent would not be seen from zero; the bars have their numbers
    figure.update_yaxes(range=[cut, high + room], tickprefix="$", title=None)
    figure.update_xaxes(title=None, tickangle=0)
    return layout(figure, height=290, legend=False).update_layout(hovermode=False)


def plus(micro: float) -> str:
    """A change of money, with its sign."""
    return f"+{words.micro(micro)}" if micro > 0 else words.micro(micro)
