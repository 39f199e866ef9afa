"""Figures of starts: over time, by what the time went to, how they are spread, and one of them as a waterfall."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.ui import charts, words
from pages.ui.charts import layout, mark, plain, times
from pages.ui.theme import Theme
from services.domain.startup import Confidence
from services.domain.startup.groups import GROUPS
from services.domain.startup.summary import SERVED

SERVED_WORDS = {
    "warm": "Warm",
    "headroom": "By headroom",
    "waited": "Waited",
    "cold": "Cold",
    "unknown": "Not known",
}
"""How starts came to their nodes."""
_STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 36000)
_TICKS = 5
MANY = 5
"""From so many starts on a mean is not one accident."""
THICK = 44
"""Height a bar of phases takes with the room around it."""
_LEGEND = 60
"""Height of a legend that may need three lines."""
ROW = 26
"""Height of one bar of a waterfall."""
_APART = "\u200b"
"""Bars of one label would share a lane, so each label has an end of its own that is not seen."""


class Look(NamedTuple):
    """A colour of the theme's categories, None for that of what is not known, and a pattern."""

    colour: int | None
    pattern: str = ""


LOOKS: Mapping[str, Look] = {
    "waiting": Look(1),
    "autoscaler": Look(1, "/"),
    "provision": Look(0),
    "boot": Look(0, "/"),
    "device": Look(0, "x"),
    "setup": Look(6),
    "pull": Look(5),
    "init": Look(3, "/"),
    "download": Look(3),
    "start": Look(6, "/"),
    "retry": Look(7),
    "load": Look(2),
    "unattributed": Look(None, "."),
}
"""How each phase group is drawn on every chart; no two share colour and pattern."""
_SERVED_LOOKS = {
    "warm": Look(2),
    "headroom": Look(4),
    "waited": Look(1),
    "cold": Look(0, "/"),
    "unknown": Look(None, "."),
}
_KNOWN = {Confidence.EXACT: "", Confidence.DERIVED: "", Confidence.ESTIMATED: "/", Confidence.MISSING: "."}
"""Patterns of a waterfall: what is only estimated is hatched."""


def took(seconds: float | None) -> str:
    """How long something took: <1 s, 45 s, 3 min 12 s, 25 min, 1 h 5 min, 1 d 2 h."""
    if seconds is None or np.isnan(seconds):
        return words.DASH
    sign = "−" if seconds <= -1 else ""
    length = abs(seconds)
    if 0 < length < 1:
        return "<1 s"
    whole = round(length)
    if whole >= words.DAY:
        return f"{sign}{whole // words.DAY} d {whole % words.DAY // words.HOUR} h"
    if whole >= words.HOUR:
        return sign + words.span(whole)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{sign}{rest} s"
    return f"{sign}{minutes} min {rest} s" if rest and minutes < 10 else f"{sign}{minutes} min"


def trend(
    found: pd.DataFrame,
    zone: str,
    theme: Theme,
    *,
    target_s: float,
    marks: pd.DataFrame | None = None,
    changes: pd.DataFrame | None = None,
) -> go.Figure:
    """Median and 95th percentile over time (:data:`services.domain.startup.summary.TREND`), with the target.

    ``marks`` are operations, ``changes`` (``at``, ``says``) what changed about workloads: pins at the top.
    """
    figure = go.Figure()
    at = times(found["at"], zone)
    looks = {"p95_s": ("p95", 5, "dot"), "p50_s": ("p50", 0, "solid")}
    for column, (name, colour, dash) in looks.items():
        values = found[column].to_numpy()
        figure.add_trace(
            go.Scatter(
                x=at,
                y=values,
                name=name,
                mode="lines+markers",
                connectgaps=False,
                line={"width": 2, "color": _shade(theme, colour), "dash": dash},
                marker={"size": 5},
                text=[f"{took(value)}, {number} ready" for value, number in zip(values, found["ready"], strict=True)],
                hovertemplate="%{text}",
            )
        )
    _target(figure, theme, target_s)
    top = max(target_s, float(found["p95_s"].max()) if found["p95_s"].notna().any() else 0.0)
    figure.update_yaxes(**_ticks(top * 1.15), title=None)
    figure.update_xaxes(tickangle=0, nticks=7, title=None)
    pins = [] if marks is None or marks.empty else [times(marks["at"], zone)]
    if marks is not None and len(marks) and len(found):
        mark(figure, marks, at, zone, theme)
    if changes is not None and len(changes) and len(found):
        pins.append(times(changes["at"], zone))
        _changed(figure, changes, pins[-1], theme)
    if len(found) and (pins or len(found) == 1):
        instants = np.concatenate([at, *pins])
        around = np.timedelta64(3600 if np.ptp(instants) == np.timedelta64(0) else 0, "s")  # a single instant
        figure.update_xaxes(range=[instants.min() - around, instants.max() + around])
    return layout(figure, height=270)


def _changed(figure: go.Figure, changes: pd.DataFrame, at: np.ndarray, theme: Theme) -> None:
    figure.add_trace(
        go.Scatter(
            x=at,
            y=[1.0] * len(at),
            yaxis="y2",
            mode="markers",
            name="Image, GPUs or pool changed",
            marker={"symbol": "diamond-open", "size": 9, "color": theme.text},
            text=[plain(text[: 2 * charts.LABEL]) for text in changes["says"]],
            hovertemplate="%{text}<extra>change</extra>",
            cliponaxis=False,
        )
    )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def phases(split: pd.DataFrame, theme: Theme, *, target_s: float) -> go.Figure:
    """Mean seconds by phase group, a bar for each row of :data:`services.startup.board.SPLIT`.

    A bar of a few very long starts runs out of the picture, and says so, where it would leave no room for the others.
    """
    figure = go.Figure()
    whole = float(split["mean_s"].max())
    height = max(320, 60 + _LEGEND + THICK * len(split))
    thick = min(0.7, THICK * 0.7 * len(split) / (height - 60 - _LEGEND))
    names = [
        f"{plain(_short(name) or 'not known')} ({ready:,})  <b>{took(mean)}</b>" + _APART * place
        for place, (name, ready, mean) in enumerate(zip(split["name"], split["ready"], split["mean_s"], strict=True))
    ]
    for key, group in GROUPS.items():
        values = split[f"{key}_s"].to_numpy()
        if not (values > 0).any():
            continue
        figure.add_trace(
            go.Bar(
                x=values,
                y=names,
                orientation="h",
                name=group.title,
                width=thick,
                marker=_marker(theme, LOOKS[key]),
                text=[took(value) if value >= _room(split) / 14 else "" for value in values],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": _ink(theme, LOOKS[key]), "size": 12},
                customdata=[
                    [took(value), words.share(value / mean if mean else None), ready]
                    for value, mean, ready in zip(values, split["mean_s"], split["ready"], strict=True)
                ],
                hovertemplate=f"{group.title}: %{{customdata[0]}} (%{{customdata[1]}}), mean of %{{customdata[2]:,}}"
                "<extra></extra>",
            )
        )
    shows_target = whole >= target_s / 2
    if shows_target:
        _target(figure, theme, target_s, across=False)
    top = max(_room(split), target_s if shows_target else 0.0) * 1.02
    for name, mean in zip(names, split["mean_s"], strict=True):
        if mean > top:
            figure.add_annotation(
                x=1, xref="paper", y=name, text=f"<b>{took(mean)} ▸</b>", showarrow=False, xanchor="right",
                bgcolor=_shade(theme, None), font={"color": _ink(theme, Look(None)), "size": 12},
            )  # fmt: skip
    figure.update_xaxes(**_ticks(top), title=None, tickangle=0)
    figure.update_yaxes(autorange="reversed", title=None, tickfont={"size": 12, "color": theme.text})
    figure = layout(figure, height=height)
    return figure.update_layout(
        barmode="stack",
        hovermode="closest",
        legend={"traceorder": "normal", "x": 0, "xref": "container", "y": 0, "yref": "container", "yanchor": "bottom"},
        margin={"t": 22, "b": _LEGEND + 30},
        uniformtext={"minsize": 11, "mode": "hide"},
    )


def _room(split: pd.DataFrame) -> float:
    """How far the axis reaches: to the longest bar, or not much beyond the longest that many starts stand behind."""
    whole = float(split["mean_s"].max())
    many = split.loc[split["ready"] >= MANY, "mean_s"]
    usual = whole if many.empty else float(many.max())
    return whole if whole <= 2 * usual else 1.25 * usual


def spread(found: pd.DataFrame, theme: Theme, *, target_s: float) -> go.Figure:
    """How many starts took how long (:data:`services.domain.startup.summary.HISTOGRAM`), by how they were served."""
    some = np.flatnonzero(found["number"].to_numpy() > 0)
    last = max(int(some.max()), int(found["in_target"].sum()))
    rows = found.iloc[: last + 1]
    names = [
        f"{took(begin)} to {took(end)}" if np.isfinite(end) else f"more than {took(begin)}"
        for begin, end in zip(rows["from_s"], rows["to_s"], strict=True)
    ]
    places = np.arange(len(rows))
    target = int(rows["in_target"].sum()) - 1
    edges = [place for place in places if np.isfinite(rows["to_s"].iloc[place]) and (place - target) % 2 == 0]
    figure = go.Figure()
    for how in SERVED:
        values = rows[how].to_numpy()
        if values.any():
            figure.add_trace(
                go.Bar(
                    x=places,
                    y=values,
                    name=SERVED_WORDS[how],
                    marker=_marker(theme, _SERVED_LOOKS[how]),
                    customdata=names,
                    hovertemplate="%{y:,} took %{customdata}",
                )
            )
    figure.update_layout(barmode="stack")
    figure.add_vline(
        x=target + 0.5,
        line_dash="dot",
        line_width=1.5,
        line_color=theme.text,
        annotation_text=f"target {took(target_s)}",
        annotation_position="top",
    )
    figure.update_yaxes(title="Starts", rangemode="tozero")
    # Every other edge is written, the target's among them; all of them would have to stand askew.
    figure.update_xaxes(
        title=None,
        tickangle=0,
        tickfont={"size": 11},
        tickvals=[place + 0.5 for place in edges],
        ticktext=[took(float(rows["to_s"].iloc[place])) for place in edges],
    )
    return layout(figure, height=270).update_layout(
        bargap=0.1, hovermode="closest", legend={"traceorder": "normal"}, margin={"t": 22}
    )


def waterfall(spans: pd.DataFrame, theme: Theme, *, target_s: float, total_s: float) -> go.Figure:
    """One start from 0 s on: a bar for each phase, in order, and below them what ran beside.

    ``spans``: :data:`services.startup.one.SPANS`. Hatched: not known exactly; an outline alone: beside.
    """
    figure = go.Figure()
    lanes = [_lane(title, container, place) for place, title, container in _named(spans)]
    for place, span in enumerate(spans.to_dict("records")):
        look = LOOKS[str(span["group"])]
        colour = _shade(theme, look.colour)
        pattern = _KNOWN[Confidence(str(span["confidence"]))]
        beside = bool(span["beside"])
        said = [f"<b>{plain(str(span['title']))}</b> {took(span['seconds'])}"]
        said.append(f"from {took(span['from_s'])} to {took(span['to_s'])}")
        said.append(f"{plain(str(span['source']) or 'no evidence')} ({span['confidence']})")
        said += _wrapped(str(span["note"]))
        figure.add_trace(
            go.Bar(
                base=[span["from_s"]],
                x=[span["seconds"]],
                y=[lanes[place]],
                orientation="h",
                marker={
                    "color": "rgba(0,0,0,0)" if beside else colour,
                    "line": {"color": colour, "width": 1.5 if beside else 0},
                    "pattern": {"shape": pattern, "fillmode": "overlay", "size": 6, "solidity": 0.3},
                },
                text=took(span["seconds"]),
                textposition="outside",
                textfont={"color": theme.text, "size": 12},
                cliponaxis=False,
                customdata=["<br>".join(said)],
                hovertemplate="%{customdata}<extra></extra>",
                showlegend=False,
            )
        )
    if total_s >= target_s / 2:
        _target(figure, theme, target_s, across=False)
    if spans["beside"].any() and not spans["beside"].all():
        edge = float((~spans["beside"]).sum()) - 0.5
        figure.add_hline(y=edge, line_width=1, line_color=theme.free, line_dash="dot")
    end = max(total_s, target_s if total_s >= target_s / 2 else 0.0, 1.0)
    ticks = _ticks(end * 1.12)
    figure.update_xaxes(**ticks, title=None)
    figure.update_yaxes(
        type="category",
        categoryarray=lanes,
        range=[len(lanes) - 0.5, -0.5],
        title=None,
        tickfont={"size": 12, "color": theme.text},
        showgrid=False,
    )
    figure = layout(figure, height=60 + ROW * max(len(lanes), 2), legend=False)
    return figure.update_layout(
        hovermode="closest", hoverlabel={"align": "left"}, barmode="overlay", bargap=0.3, margin={"t": 22}
    )


def _named(spans: pd.DataFrame) -> Sequence[tuple[int, str, str]]:
    return [(place, *both) for place, both in enumerate(zip(spans["title"], spans["container"], strict=True))]


def _lane(title: str, container: str, place: int) -> str:
    """The label of a bar."""
    return plain(f"{title} · {_short(container)}" if container else title) + _APART * place


def _wrapped(text: str) -> list[str]:
    return [plain(line) for line in textwrap.wrap(text, 80)]


def _short(text: str, most: int = 32) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _shade(theme: Theme, colour: int | None) -> str:
    return theme.unknown if colour is None else theme.categorical[colour % len(theme.categorical)]


def _marker(theme: Theme, look: Look) -> dict[str, object]:
    pattern = {"shape": look.pattern, "fillmode": "overlay", "size": 6, "solidity": 0.25}
    return {"color": _shade(theme, look.colour), "pattern": pattern, "line": {"width": 0}}


def _ink(theme: Theme, look: Look) -> str:
    """Black or white, whichever is read better on the colour."""
    shade = _shade(theme, look.colour).lstrip("#")
    if len(shade) != 6:
        return theme.text
    red, green, blue = (int(shade[place : place + 2], 16) / 255 for place in (0, 2, 4))
    bright = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#0E1820" if bright > 0.18 else "#FFFFFF"


def _target(figure: go.Figure, theme: Theme, target_s: float, *, across: bool = True) -> None:
    said = {
        "line_dash": "dot",
        "line_width": 1.5,
        "line_color": theme.text,
        "opacity": 0.8,
        "annotation_text": f"target {took(target_s)}",
    }
    if across:
        figure.add_hline(y=target_s, annotation_position="bottom right", **said)
    else:
        figure.add_vline(x=target_s, annotation_position="top", layer="below", **said)


def _ticks(top: float) -> dict[str, object]:
    """An axis of seconds from 0 to ``top`` with ticks people would choose."""
    step = next((step for step in _STEPS_S if top / step <= _TICKS), _STEPS_S[-1])
    values = [float(value) for value in np.arange(0, top + step, step) if value <= top]
    return {"tickvals": values, "ticktext": [took(value) if value else "0 s" for value in values], "range": [0, top]}
