"""Lower regions of the Utilisation page: classes of use, what was measured, one GPU."""

import pandas as pd
import streamlit as st

from pages.observe._utilisation_map import GPU
from pages.ui import charts, panels, queries, shell, tables, theme, words
from pages.ui.shell import Page
from services.domain.signals import SIGNALS
from services.utilisation import CARD_SIGNALS

_ICONS = {
    "active": ":material/play_circle:",
    "held idle": ":material/pause_circle:",
    "not measured": ":material/help:",
    "free": ":material/radio_button_unchecked:",
    "closed": ":material/block:",
    "out of use": ":material/error:",
    "remainder": ":material/donut_small:",
}


def classes(page: Page) -> None:
    """GPU equivalents by class of use, with money."""
    uses = shell.shown(queries.idle_classes(page.mode, page.scope), "Classes of use")
    if uses is None:
        return
    if uses["gpus"].isna().any():
        panels.nothing("Classes cannot be told", "Which pods hold which GPUs is not known (yet).")
        return
    total = float(uses["gpus"].sum())
    for row in uses.to_dict("records"):
        ratio = row["gpus"] / total if total else 0.0
        money = "" if pd.isna(row["usd_per_day"]) else f", {words.plain(words.money(row['usd_per_day']))} a day"
        st.progress(
            min(max(ratio, 0.0), 1.0),
            text=f"{_ICONS[row['use']]} **{charts.USE_WORDS[row['use']]}**: {words.gpus(row['gpus'])} "
            f"({words.share(ratio)}){money}",
        )
    hours = queries.class_hours(page.mode, page.scope).value
    if hours is not None and (whole := float(hours["gpu_hours"].sum())) > 0:
        said = ", ".join(
            f"{words.share(row['gpu_hours'] / whole)} {charts.USE_WORDS.get(row['use'], row['use']).lower()}"
            for row in hours.to_dict("records")
        )
        st.markdown(f"**Over {page.scope.range}:** {said}, of {words.count(whole)} measured GPU-hours.")
    st.caption(f"Bars: now. Together {words.gpus(total)}, each once; money at list prices.")


def basis(page: Page) -> None:
    """Which counters stand behind the word utilisation here."""
    reading = queries.carriers(page.mode, page.scope.cluster)
    if reading.value is None or reading.value.empty:
        return
    parts = [f"{row['metric']} ({row['gpus']} GPUs)" for row in reading.value.to_dict("records")]
    st.caption(
        f":material/straighten: Utilisation is measured by {words.plain(', '.join(parts))}; "
        "per GPU the first of these that it reports."
    )


def distribution(page: Page) -> None:
    """GPU equivalents in ten bands of utilisation."""
    bands = shell.shown(queries.distribution(page.mode, page.scope), "Distribution")
    if bands is not None:
        st.plotly_chart(
            charts.bands(bands, theme.current()),
            key="util_bands",
            alt="GPU equivalents by band of mean utilisation.",
            config={"displayModeBar": False},
        )


def one_node(page: Page, node: str) -> None:
    """The units of a node, and everything about the GPU chosen among them."""
    st.subheader(f"GPUs of {words.plain(node)}", anchor=False)
    reading = queries.gpus(page.mode, page.scope)
    everything = shell.shown(reading, "GPUs")
    if everything is None:
        return
    units = everything[everything["node"] == node].reset_index(drop=True)
    if units.empty:
        panels.nothing("No metrics from this node", "Its GPUs are known from Kubernetes alone, if at all; see Sources.")
        return
    tables.show(
        units,
        tables.UNITS,
        key="util_units",
        alt=f"GPUs of {node}.",
        page=page,
        as_of=reading.as_of,
    )
    cards = list(dict.fromkeys(units["gpu"]))
    if st.session_state.get(GPU) not in (None, *cards):
        st.session_state.pop(GPU, None)
    gpu = st.selectbox("GPU", cards, key=GPU, bind="query-params")
    if gpu is not None:
        _card(page, units[units["gpu"] == gpu])


def _card(page: Page, units: pd.DataFrame) -> None:
    first = units.iloc[0]
    sharers = int(units["holders"].sum())
    mig = bool((units["instance"] != "").any())
    said = [words.plain(first["model"]), f"pool {words.plain(first['pool'])}"]
    if mig:
        said.append(f"{len(units)} MIG instances")
    elif sharers > 1:
        said.append(f"shared by {sharers}: figures belong to the card, not to one pod")
    st.markdown(" · ".join(said))
    pods = [pod for text in units["pods"] if text for pod in text.split(", ")]
    st.markdown("Held by " + ", ".join(words.code(pod) for pod in pods[:12]) if pods else "Nobody holds it.")
    reading = queries.gpu_trend(page.mode, page.scope, str(first["cluster"]), str(first["gpu"]))
    history = shell.shown(reading, "This GPU's history")
    if history is None:
        return
    columns = st.columns(2, gap="medium")
    for place, (signal, title) in enumerate(CARD_SIGNALS.items()):
        rows = history[history["signal"] == signal]
        with columns[place % 2]:
            st.markdown(f"**{title}**")
            if rows.empty:
                st.caption(":material/sensors_off: Not collected. Unknown, not zero.")
                continue
            profiles = dict(zip(units["instance"], units["profile"], strict=True))
            named = [
                f"{profiles.get(name) or 'instance'} ({name})" if name else "whole GPU" for name in rows["instance"]
            ]
            trend = rows.assign(group=named)
            st.plotly_chart(
                charts.lines(trend, SIGNALS[signal].unit, panels.zone(), theme.current(), height=200),
                key=f"util_card_{signal}",
                alt=f"{title} of GPU {first['gpu']}.",
                config={"displayModeBar": False},
            )
