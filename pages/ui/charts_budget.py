"""The figure of a budget: what is spent of it, the even pace, and where it is expected to end."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import plotly.graph_objects as go

from pages.ui import words
from pages.ui.charts import layout
from pages.ui.theme import Theme
from services.domain.cost import MICRO
from services.domain.cost.burn import Standing, level

_DAY = pd.Timedelta(days=1)


def burndown(found: pd.DataFrame, one: Standing, zone: str, theme: Theme) -> go.Figure:
    """Money of a period by the end of each day (:data:`services.domain.cost.burn.BURN`); a gap is not recorded."""
    figure = go.Figure()
    begin, end = _local(one.period.begin, zone), _local(one.period.end, zone)
    at = pd.Series(pd.to_datetime(found["day"]) + _DAY)
    seen = begin if one.seen is None else _local(one.seen, zone)
    drawn = at.where(at < seen, seen)
    amount = one.budget.amount_micro
    _line(figure, [begin, end], [0, amount / MICRO], "Even pace", {"dash": "dot", "width": 1.5, "color": theme.unknown})
    past = found["spent"].notna()
    spent = [0.0, *(found["spent"].where(past) / MICRO)][: int(past[past].index.max()) + 2 if past.any() else 1]
    ahead = found["mid"].notna()
    if ahead.any() and one.landing.known:
        xs = [seen, *at[ahead]]
        low, mid, high = ([spent[-1], *(found.loc[ahead, name] / MICRO)] for name in ("low", "mid", "high"))
        figure.add_trace(
            go.Scatter(
                x=[*xs, *xs[::-1]],
                y=[*high, *low[::-1]],
                mode="lines",
                fill="toself",
                name="Eight of ten end in",
                line={"width": 0},
                fillcolor=theme.unknown,
                opacity=0.35,
                hoverinfo="skip",
            )
        )
        _line(figure, xs, mid, "Expected", {"dash": "dash", "width": 2, "color": theme.active})
    _line(figure, [begin, *drawn][: len(spent)], spent, "Spent", {"width": 3, "color": theme.active})
    _crossings(figure, one, dict(zip(found["day"], drawn, strict=True)), theme)
    figure.add_hline(
        y=amount / MICRO,
        line_width=1.5,
        line_color=theme.broken,
        annotation_text=f"amount {words.micro(amount)}",
        annotation_position="top left",
    )
    if one.seen is not None and begin < seen < end:
        figure.add_vline(x=seen, line_width=1, line_dash="dot", line_color=theme.text)
        figure.add_annotation(
            x=seen, y=0, yref="paper", text="recorded until here", showarrow=False, xanchor="left", yanchor="bottom"
        )
    figure.update_xaxes(range=[begin, end], tickformat="%-d %b", title=None)
    figure.update_yaxes(tickprefix="$", rangemode="tozero", title=None)
    return layout(figure, height=360)


def _line(figure: go.Figure, xs: list[object], ys: list[float], name: str, line: dict[str, object]) -> None:
    figure.add_trace(
        go.Scatter(
            x=xs,
            y=ys,
            name=name,
            mode="lines",
            connectgaps=False,
            line=line,
            text=[words.money(value) for value in ys],
            hovertemplate="%{text}",
        )
    )


def _crossings(figure: go.Figure, one: Standing, ends: dict[str, object], theme: Theme) -> None:
    if not one.days:
        return
    shares = sorted(one.days)
    figure.add_trace(
        go.Scatter(
            x=[ends[one.days[share]] for share in shares],
            y=[level(one.budget.amount_micro, share) / MICRO for share in shares],
            mode="markers+text",
            name="Threshold crossed",
            text=[words.share(share) for share in shares],
            textposition="top left",
            textfont={"size": 12, "color": theme.text},
            marker={"size": 10, "symbol": "diamond", "color": theme.idle, "line": {"width": 1, "color": theme.text}},
            hovertemplate="%{text}",
        )
    )


def _local(at: datetime, zone: str) -> pd.Timestamp:
    """An instant by the clock of the reporting zone."""
    return pd.Timestamp(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
