"""Figures: a tidy frame in, a Plotly figure out. Pure; the only place that knows the chart engine."""

import html
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.ui import words
from pages.ui.theme import Theme
from services.domain.signals import Unit

HEIGHT = 300
LABEL = 70
"""Characters of an operation's summary that a hover has room for."""
USE_SYMBOLS = {
    "active": "square",
    "held idle": "diamond",
    "free": "square-open",
    "out of use": "square-x-open",
    "unknown": "x-thin-open",
    "mixed": "hexagon2",
}
USE_WORDS = {
    "active": "Active",
    "held idle": "Held idle",
    "free": "Free",
    "closed": "Closed",
    "out of use": "Out of use",
    "remainder": "MIG remainder",
    "not measured": "Held, not measured",
    "unknown": "Not measured",
    "mixed": "Mixed",
}
STAGE_WORDS = {"total": "Total", "allocated": "Allocated", "active": "Active", "effective": "Effective"}
_FORMATS = {
    Unit.RATIO: (".0%", ""),
    Unit.BYTES: (".1f", " GiB"),
    Unit.WATTS: (".3s", "W"),
    Unit.CELSIUS: (".0f", " °C"),
    Unit.COUNT: (".0f", ""),
    Unit.CODE: (".0f", ""),
}


def times(at: pd.Series, zone: str) -> np.ndarray:
    """Instants in the reader's zone as naive values: Plotly is ten times slower with aware ones."""
    return at.dt.tz_convert(zone).dt.tz_localize(None).to_numpy()


def plain(text: str) -> str:
    """Text from outside made safe to stand in a figure: Plotly reads tags, links among them, in names and hovers."""
    return html.escape(text, quote=False)


def layout(figure: go.Figure, *, height: int = HEIGHT, legend: bool = True) -> go.Figure:
    """What all figures have in common: height, margins, the legend's place."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=legend,
        # the plot is about half of a low chart: far enough below it for both lines of the time axis
        legend={"orientation": "h", "y": -80 / height, "x": 0, "font": {"size": 12}},
        hovermode="x unified",
        bargap=0.25,
    )
    return figure


def lines(
    trend: pd.DataFrame,
    unit: Unit,
    zone: str,
    theme: Theme,
    *,
    stacked: bool = False,
    target: tuple[str, float] | None = None,
    marks: pd.DataFrame | None = None,
    height: int = HEIGHT,
) -> go.Figure:
    """A line (or stacked area) per ``group`` of a trend with ``at``, ``group``, ``value``; gaps stay gaps.

    ``marks`` (``at``, ``summary``, ``state``) are operations, drawn as named vertical lines. Colours are the
    theme's, in the order of the sorted group names, so that a group keeps its colour on every chart of a page.
    """
    figure = go.Figure()
    spec, suffix = _FORMATS[unit]
    scale = 2.0**-30 if unit is Unit.BYTES else 1.0
    groups = sorted(trend["group"].unique(), key=lambda name: (name == "others", name))
    for place, group in enumerate(groups):
        colour = theme.free if group == "others" else theme.categorical[place % len(theme.categorical)]
        rows = trend[trend["group"] == group]
        figure.add_trace(
            go.Scatter(
                x=times(rows["at"], zone),
                y=rows["value"].to_numpy() * scale,
                name=plain(str(group)),
                mode="lines",
                stackgroup="all" if stacked else None,
                connectgaps=False,
                line={"width": 2, "color": colour},
                hovertemplate=f"%{{y:{spec}}}{suffix}",
            )
        )
    if target is not None and len(trend):
        name, level = target
        figure.add_hline(
            y=level,
            line_dash="dot",
            line_width=1.5,
            line_color=theme.text,
            opacity=0.8,
            annotation_text=name,
            annotation_position="top left",
        )
    if marks is not None and len(marks) and len(trend):
        mark(figure, marks, times(trend["at"], zone), zone, theme)
    figure.update_xaxes(tickangle=0, nticks=7, title=None)
    top = [0, 1] if unit is Unit.RATIO else None
    figure.update_yaxes(tickformat=spec, ticksuffix=suffix, range=top, rangemode="tozero", title=None)
    return layout(figure, height=height, legend=len(groups) > 1)


def mark(figure: go.Figure, marks: pd.DataFrame, drawn: np.ndarray, zone: str, theme: Theme) -> None:
    """Operations on a trend drawn at instants: a dashed line each, with a pin at its top that says what was done."""
    at = times(marks["at"], zone)
    for instant in at:
        figure.add_shape(
            type="line", x0=instant, x1=instant, y0=0, y1=1, yref="paper", opacity=0.6,
            line={"width": 1, "dash": "dash", "color": theme.text},
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=at,
            y=[1.0] * len(at),
            yaxis="y2",
            mode="markers",
            name="Operations",
            marker={"symbol": "triangle-down", "size": 10, "color": theme.text},
            text=[plain(f"{_short(row.summary)} ({row.state})") for row in marks.itertuples()],
            hovertemplate="%{text}<extra>operation</extra>",
            cliponaxis=False,
            showlegend=False,
        )
    )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})
    # Plotly leaves room around pins, and none around lines: the window stays the window.
    figure.update_xaxes(range=[min(x.min() for x in (at, drawn)), max(x.max() for x in (at, drawn))])


def _short(text: str) -> str:
    return text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"


def funnel(stages: pd.DataFrame, theme: Theme) -> go.Figure:
    """Total → allocated → active → effective: GPUs and dollars a day on each bar, its share of the total beside it."""
    known = stages[stages["gpus"].notna()]
    total = float(stages["gpus"].iat[0]) or np.nan
    figure = go.Figure(
        go.Bar(
            x=known["gpus"].to_numpy(),
            y=[
                f"{STAGE_WORDS[stage]}  <b>{words.count(gpus)}</b>"
                for stage, gpus in zip(known["stage"], known["gpus"], strict=True)
            ],
            orientation="h",
            text=[
                words.share(gpus / total) + ("" if np.isnan(usd) else f" · {words.money(usd)}/day")
                for gpus, usd in zip(known["gpus"], known["usd_per_day"], strict=True)
            ],
            textposition="outside",
            marker_color=[theme.sequential[shade] for shade in (2, 4, 6, 8)][: len(known)],
            hoverinfo="skip",
            cliponaxis=False,
            textfont={"size": 13, "color": theme.text},
        )
    )
    figure.update_yaxes(autorange="reversed", title=None, tickfont={"size": 13, "color": theme.text})
    # Room for the words beside the longest bar.
    figure.update_xaxes(visible=False, range=[0, total * 1.9 if total else 1])
    return layout(figure, height=170, legend=False).update_layout(hovermode=False)


def heat(cells: pd.DataFrame, unit: Unit, theme: Theme) -> go.Figure:
    """The heat map.

    A square per GPU (or per node of a large fleet), its colour the measure, its shape the class of use.
    """
    figure = go.Figure()
    spec, suffix = _FORMATS[unit]
    rows, columns = int(cells["row"].max()) + 1, float(cells["column"].max()) + 1
    size = int(np.clip(min(560 / rows, 900 / max(columns, 1)), 8, 22))
    colours = {
        "active": theme.active,
        "mixed": theme.mixed,
        "held idle": theme.idle,
        "free": theme.free,
        "out of use": theme.broken,
        "unknown": theme.unknown,
    }
    known = cells["value"].dropna()
    top = 1.0 if unit is Unit.RATIO or known.empty else float(known.max())
    bottom = 0.0 if unit is Unit.RATIO or known.empty else min(float(known.min()), top - 1)
    scale_shown = False
    for use, colour in colours.items():
        part = cells[cells["use"] == use]
        if part.empty:
            continue
        marker: dict[str, Any] = {
            "symbol": USE_SYMBOLS[use],
            "size": size,
            "color": colour,
            "line": {"width": 1 if use in ("active", "mixed") else 2, "color": colour},
        }
        if use not in ("unknown", "free", "out of use") and part["value"].notna().any():
            marker |= {
                "color": part["value"].to_numpy(),
                "cmin": bottom,
                "cmax": top,
                "colorscale": [[i / (len(theme.sequential) - 1), shade] for i, shade in enumerate(theme.sequential)],
                "showscale": not scale_shown,
                "colorbar": {"tickformat": spec, "ticksuffix": suffix, "thickness": 8, "outlinewidth": 0},
            }
            scale_shown = True
        figure.add_trace(
            go.Scatter(
                x=part["column"].to_numpy(),
                y=part["row"].to_numpy(),
                mode="markers",
                name=f"{USE_WORDS[use]} ({words.count(float(part['gpus'].sum()))})",
                marker=marker,
                customdata=np.stack(
                    [
                        *([plain(name) for name in part[column]] for column in ("cluster", "node", "gpu")),
                        [described(value, unit) for value in part["value"]],
                        [plain(text[:120]) for text in part["text"]],
                        [plain(name) for name in part["pool"]],
                    ],
                    axis=1,
                ),
                hovertemplate="%{customdata[1]}<br>%{customdata[2]}<br>%{customdata[5]} · "
                + USE_WORDS[use]
                + " · %{customdata[3]}<br>%{customdata[4]}<extra></extra>",
            )
        )
    names = cells.drop_duplicates("label")
    figure.update_yaxes(
        range=[rows - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        tickvals=names["row"].to_numpy(),
        ticktext=[plain(name) for name in names["label"]],
        title=None,
        tickfont={"size": 12, "color": theme.text},
    )
    figure.update_xaxes(visible=False, range=[-0.8, max(columns, 32) - 0.2])
    figure = layout(figure, height=int(np.clip(rows * (size + 10) + 70, 150, 900)))
    return figure.update_layout(
        hovermode="closest", legend={"itemsizing": "constant", "y": -0.02, "yanchor": "top"}, clickmode="event+select"
    )


def described(value: float, unit: Unit) -> str:
    """A value with its unit, for hovers."""
    if np.isnan(value):
        return "not measured"
    return words.share(value) if unit is Unit.RATIO else f"{value:.0f} °C"


def bands(frame: pd.DataFrame, theme: Theme) -> go.Figure:
    """Distribution: GPU equivalents in each band of utilisation, held and free apart."""
    figure = go.Figure()
    for use, colour in (("held", theme.active), ("free", theme.free)):
        part = frame[frame["use"] == use]
        figure.add_trace(
            go.Bar(
                x=[band.removesuffix(" %") for band in part["band"]],
                y=part["gpus"].to_numpy(),
                name=use.capitalize(),
                marker_color=colour,
                hovertemplate="%{y:.1f} GPUs",
            )
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title="GPUs", rangemode="tozero")
    figure.update_xaxes(title="Mean utilisation, %", tickangle=0, tickfont={"size": 11})
    return layout(figure, height=260)
