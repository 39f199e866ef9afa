"""Figures: a tidy frame in, a Plotly figure out. Pure; the only place that knows the chart engine."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.ui import words
from services.domain.signals import Unit

HEIGHT = 300
USE_COLOURS = {"active": "#1a7f9c", "held idle": "#d97a00", "free": "#8a94a6", "unknown": "#c2c8d2", "mixed": "#6a7bbd"}
USE_SYMBOLS = {"active": "square", "held idle": "square-x", "free": "square-open", "unknown": "x-thin-open", "mixed": "square-cross"}
USE_WORDS = {
    "active": "Active",
    "held idle": "Held idle",
    "free": "Free",
    "unknown": "Not measured",
    "mixed": "Mixed",
}
STAGE_WORDS = {"total": "Total", "allocated": "Allocated", "active": "Active", "effective": "Effective"}
SHADES = {
    False: ["#e3eef2", "#a9d0d6", "#63aeb4", "#167874", "#06403c"],
    True: ["#20323b", "#1f5c61", "#238b86", "#4fc0b3", "#b9f3e4"],
}
"""From nothing to full, on a light and on a dark page."""
_FORMATS = {
    Unit.RATIO: (".0%", ""),
    Unit.BYTES: (".3s", "B"),
    Unit.WATTS: (".3s", "W"),
    Unit.CELSIUS: (".0f", " °C"),
    Unit.COUNT: (".0f", ""),
    Unit.CODE: (".0f", ""),
}


def times(at: pd.Series, zone: str) -> np.ndarray:
    """Instants in the reader's zone as naive values: Plotly is ten times slower with aware ones."""
    return at.dt.tz_convert(zone).dt.tz_localize(None).to_numpy()


def _layout(figure: go.Figure, *, height: int = HEIGHT, legend: bool = True) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=legend,
        legend={"orientation": "h", "y": -0.18, "x": 0, "font": {"size": 12}},
        hovermode="x unified",
        bargap=0.25,
    )
    return figure


def lines(
    trend: pd.DataFrame, unit: Unit, zone: str, *, stacked: bool = False, target: tuple[str, float] | None = None
) -> go.Figure:
    """A line (or stacked area) per ``group`` of a trend with ``at``, ``group``, ``value``; gaps stay gaps.

    Colours are the theme's, in the order of the sorted group names, so that a group keeps its colour on every chart of
    a page.
    """
    figure = go.Figure()
    spec, suffix = _FORMATS[unit]
    groups = sorted(trend["group"].unique(), key=lambda name: (name == "others", name))
    for group in groups:
        rows = trend[trend["group"] == group]
        figure.add_trace(
            go.Scatter(
                x=times(rows["at"], zone),
                y=rows["value"].to_numpy(),
                name=str(group),
                mode="lines",
                stackgroup="all" if stacked else None,
                connectgaps=False,
                line={"width": 2},
                hovertemplate=f"%{{y:{spec}}}{suffix}",
            )
        )
    if target is not None and len(trend):
        name, level = target
        figure.add_hline(
            y=level, line_dash="dot", line_width=1.5, annotation_text=name, annotation_position="top left"
        )
    top = [0, 1] if unit is Unit.RATIO else None
    figure.update_yaxes(tickformat=spec, ticksuffix=suffix, range=top, rangemode="tozero", title=None)
    return _layout(figure)


def funnel(stages: pd.DataFrame) -> go.Figure:
    """Total → allocated → active → effective: GPUs and dollars a day on each bar, its share of the total beside it."""
    known = stages[stages["gpus"].notna()]
    total = float(stages["gpus"].iat[0]) or np.nan
    labels = [
        f"<b>{words.count(gpus)}</b> GPUs · {words.share(gpus / total)}"
        + ("" if np.isnan(usd) else f" · {words.money(usd)} a day")
        for gpus, usd in zip(known["gpus"], known["usd_per_day"], strict=True)
    ]
    colours = ["#8a94a6", "#5da9bf", "#1a7f9c", "#0c4f66"]
    figure = go.Figure(
        go.Bar(
            x=known["gpus"].to_numpy(),
            y=[STAGE_WORDS[stage] for stage in known["stage"]],
            orientation="h",
            text=labels,
            textposition=["inside" if gpus > 0.55 * total else "outside" for gpus in known["gpus"]],
            insidetextanchor="start",
            marker_color=colours[: len(known)],
            hoverinfo="skip",
            cliponaxis=False,
            textfont={"size": 13},
        )
    )
    figure.update_yaxes(autorange="reversed", title=None, tickfont={"size": 13})
    figure.update_xaxes(visible=False, range=[0, total * 1.02 if total else 1])
    figure.update_layout(hovermode=False)
    return _layout(figure, height=190, legend=False).update_layout(hovermode=False)


def heat(cells: pd.DataFrame, unit: Unit, *, per_node: bool, dark: bool) -> go.Figure:
    """The heat map: a square per GPU (or per node of a large fleet), its colour the measure, its shape the class of use."""
    figure = go.Figure()
    spec, suffix = _FORMATS[unit]
    rows = int(cells["row"].max()) + 1
    columns = int(cells["column"].max()) + 1
    size = int(np.clip(min(640 / max(rows, 1), 1000 / max(columns, 1)), 9, 26))
    top = 1.0 if unit is Unit.RATIO else max(float(cells["value"].max()), 1.0)
    bottom = 0.0 if unit is Unit.RATIO else float(np.nanmin([cells["value"].min(), top - 1]))
    for place, use in enumerate(["active", "mixed", "held idle", "free", "unknown"]):
        part = cells[cells["use"] == use]
        if part.empty:
            continue
        measured = part["value"].notna().any()
        marker: dict[str, Any] = {
            "symbol": USE_SYMBOLS[use],
            "size": size,
            "line": {"width": 2 if use in ("free", "unknown") else 1, "color": USE_COLOURS[use]},
        }
        if measured and use != "unknown":
            marker |= {
                "color": part["value"].fillna(0.0).to_numpy(),
                "cmin": bottom,
                "cmax": top,
                "colorscale": [[i / (len(SHADES[dark]) - 1), shade] for i, shade in enumerate(SHADES[dark])],
                "showscale": place == 0,
                "colorbar": {"tickformat": spec, "ticksuffix": suffix, "thickness": 10, "len": 0.8},
            }
        else:
            marker["color"] = USE_COLOURS[use]
        figure.add_trace(
            go.Scatter(
                x=part["column"].to_numpy(),
                y=part["row"].to_numpy(),
                mode="markers",
                name=f"{USE_WORDS[use]} ({words.count(float(part['gpus'].sum()))})",
                marker=marker,
                customdata=np.stack(
                    [
                        part["cluster"],
                        part["node"],
                        part["gpu"],
                        [described(value, unit) for value in part["value"]],
                        [text[:120] for text in part["text"]],
                        part["pool"],
                    ],
                    axis=1,
                ),
                hovertemplate="%{customdata[1]}<br>%{customdata[2]}<br>%{customdata[5]} · "
                + USE_WORDS[use]
                + " · %{customdata[3]}<br>%{customdata[4]}<extra></extra>",
            )
        )
    names = cells.drop_duplicates("label" if per_node else "row")
    figure.update_yaxes(
        autorange="reversed",
        showgrid=False,
        zeroline=False,
        tickvals=names["row"].to_numpy(),
        ticktext=list(names["label"]),
        title=None,
    )
    figure.update_xaxes(visible=False, range=[-0.7, max(columns, 12) - 0.3])
    figure = _layout(figure, height=int(np.clip(rows * (size + 8) + 90, 220, 900)))
    return figure.update_layout(hovermode="closest", legend={"itemsizing": "constant", "y": -0.04}, clickmode="event+select")


def described(value: float, unit: Unit) -> str:
    """A value with its unit, for hovers."""
    if np.isnan(value):
        return "not measured"
    return words.share(value) if unit is Unit.RATIO else f"{value:.0f} °C"


def bands(frame: pd.DataFrame) -> go.Figure:
    """Distribution: GPU equivalents in each band of utilisation, held and free apart."""
    figure = go.Figure()
    for use, colour in (("held", USE_COLOURS["active"]), ("free", USE_COLOURS["free"])):
        part = frame[frame["use"] == use]
        figure.add_trace(
            go.Bar(
                x=list(part["band"]),
                y=part["gpus"].to_numpy(),
                name=use.capitalize(),
                marker_color=colour,
                hovertemplate="%{y:.1f} GPUs",
            )
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title="GPUs", rangemode="tozero")
    figure.update_xaxes(title=None)
    return _layout(figure)
