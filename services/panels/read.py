"""Reading a panel: ask every cluster, attribute, combine."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd

from services import metrics, snapshots
from services.domain import attribution, frames
from services.domain.scope import Scope
from services.domain.signals import Combine, Query
from services.domain.window import Window, finest
from services.merge import merged
from services.panels.catalogue import Panel
from services.ports import ClusterSource, Sources
from services.reading import Absence, Reading

TREND = {"at": "datetime64[us, UTC]", "group": "str", "value": "float64", "weight": "float64"}
"""A point per group: ``value`` in the panel's unit, ``weight`` the GPU equivalents it speaks of."""

MOST_GROUPS = 7


def trend(sources: Sources, panel: Panel, scope: Scope, window: Window, group: str) -> Reading[pd.DataFrame]:
    """The panel's trend over ``window`` split by ``group`` (one of ``attribution.GROUPS``), frame :data:`TREND`.

    At most :data:`MOST_GROUPS` groups and "others".
    """
    parts = [_of_cluster(sources, source, panel, scope, window, group) for source in sources.chosen(scope.cluster)]
    whole = merged(parts, lambda found: pd.concat(found, ignore_index=True))
    if whole.value is None:
        return whole
    rows = whole.value
    if rows.empty:
        return Reading(frames.empty(TREND), whole.as_of, whole.problem, whole.absence, whole.notes)
    several = len(rows["cluster"].unique()) > 1
    if group == "node" and several:
        rows = rows.assign(group=rows["cluster"].astype("str") + " / " + rows["group"].astype("str"))
    lines = _lines(rows, panel, MOST_GROUPS)
    notes = whole.notes
    if window.step > finest(window):
        notes = (*notes, f"One point every {window.step / timedelta(minutes=1):g} minutes: the fleet is large.")
    return Reading(frames.conform(lines, TREND), whole.as_of, whole.problem, None, notes)


def _lines(rows: pd.DataFrame, panel: Panel, keep: int) -> pd.DataFrame:
    keys = ["at", "group"]
    used = attribution.combine(rows[rows["part"] == "signal"], keys, panel.combine)
    used, _ = attribution.largest(used, keep, how=panel.combine)
    if not panel.rest:
        return used
    kept = set(used["group"])
    rest = rows[rows["part"] == "rest"]
    if "others" in kept:
        rest = rest.assign(group=[g if g in kept else "others" for g in rest["group"]])
    both = used.merge(attribution.combine(rest, keys, Combine.SUM), on=keys, suffixes=("", "_rest"))
    both["value"] = both["value"] / (both["value"] + both["value_rest"])
    return both


def _of_cluster(
    sources: Sources, source: ClusterSource, panel: Panel, scope: Scope, window: Window, group: str
) -> Reading[pd.DataFrame]:
    stock = snapshots.read(sources, source)
    by = attribution.dimensions(group, by_owner=scope.by_owner)
    only = {"namespace": [scope.namespace]} if scope.namespace else None
    signals = {"signal": panel.signal} | ({"rest": panel.rest} if panel.rest else {})
    asked = {
        part: metrics.over_window(sources, source, Query(signal, by), window, only) for part, signal in signals.items()
    }
    first = asked["signal"]
    veiled = "pod" in by and not scope.sees.whole
    if first.absence is Absence.NOT_COLLECTED:
        return replace(
            first, value=None, notes=(*first.notes, f"{source.name} does not collect {panel.title.lower()}.")
        )
    if first.value is None:
        return first
    found = []
    for part, answer in asked.items():
        if answer.value is None:
            return answer
        frame = answer.value
        if stock.value is not None:
            frame = scope.keep(
                attribution.attribute(frame, stock.value.nodes, stock.value.pods).assign(cluster=source.name)
            )
        elif group in ("pool", "model", "team", "workload") or scope.pool or scope.model or scope.team or veiled:
            return Reading(None, problem=stock.problem, absence=stock.absence)
        else:
            frame = frame.assign(cluster=source.name)
        found.append(frame.assign(part=part, group=frame[group].astype("str")))
    value = pd.concat(found, ignore_index=True)[["cluster", "at", "part", "group", "value", "weight"]]
    return Reading(value, first.as_of, first.problem or stock.problem, None, first.notes)
