"""What the GPUs did: one table of all units, and the figures drawn from it."""

from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta

import pandas as pd

from services import fleet, metrics, snapshots
from services.domain import capacity, frames
from services.domain import heat as heat_map
from services.domain.gpus import GPUS, by_band, gpus, holdings, waste
from services.domain.headroom import NAMESPACE
from services.domain.scope import Scope
from services.domain.signals import UNIT_KEY, Query, Stat
from services.domain.veil import named, veiled
from services.domain.window import Window, ending
from services.merge import merged
from services.ports import ClusterSource, Sources
from services.reading import Absence, Problem, Reading

_RECENT_STEP = timedelta(minutes=1)
OWNERS = ("owners", Query("util", (*UNIT_KEY, "namespace", "pod")))


def questions(sources: Sources, window: Window) -> dict[str, Query]:
    """The queries behind the GPU table, by the name of the column they fill."""
    idle = sources.policy.idle_after
    gpu_key = ("node", "gpu")
    return {
        "util_now": Query("util", UNIT_KEY),
        "util": Query("util", UNIT_KEY, over=window.end - window.start, step=window.step),
        "peak": Query("util", UNIT_KEY, over=idle, stat=Stat.MAX, step=_RECENT_STEP),
        "recent": Query("util", UNIT_KEY, over=idle, step=_RECENT_STEP),
        "memory_used": Query("memory_used", UNIT_KEY),
        "memory_free": Query("memory_free", UNIT_KEY),
        "power": Query("power", gpu_key),
        "temperature": Query("temperature", gpu_key),
        OWNERS[0]: OWNERS[1],
    }


def table(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """One row per unit of the scope, frame :data:`services.domain.gpus.GPUS`."""
    window = fleet.window(sources, scope)
    parts = [_of_cluster(sources, source, scope, window) for source in sources.chosen(scope.cluster)]
    return merged(parts, lambda found: frames.conform(pd.concat(found, ignore_index=True), GPUS))


def _of_cluster(sources: Sources, source: ClusterSource, scope: Scope, window: Window) -> Reading[pd.DataFrame]:
    stock = snapshots.read(sources, source)
    if stock.value is None:
        return Reading(None, stock.as_of, stock.problem, stock.absence, stock.notes)
    inventory = stock.value
    key = ("gpus", source.name, scope.range)
    version = (int(sources.now().timestamp()) // sources.policy.refresh_s, stock.absence, stock.problem)
    whole = sources.memo.get(key, version, lambda: _build(sources, source, inventory, window, stock.problem))
    if whole.value is None or whole.value.empty:
        return whole
    pods = stock.value.pods
    return replace(whole, value=veiled(within(whole.value, scope, pods), scope.sees, pods))


def _build(
    sources: Sources,
    source: ClusterSource,
    inventory: snapshots.Inventory,
    window: Window,
    troubled: Problem | None,
) -> Reading[pd.DataFrame]:
    now = metrics.moment(sources)
    pending: dict[str, Future[Reading[pd.DataFrame]]] = {
        name: sources.pool.submit(metrics.instant, sources, source, query, window.end if name == "util" else now)
        for name, query in questions(sources, window).items()
    }
    answers = {name: future.result() for name, future in pending.items()}
    util = answers["util_now"]
    if util.value is None:
        return util
    given = {name: answer.value for name, answer in answers.items() if answer.value is not None and name != OWNERS[0]}
    owners = answers[OWNERS[0]].value
    known = metrics.coverage(sources, source)
    if known.value is not None and not known.value.owner_labels:
        owners = None
    if owners is not None:
        owners = owners[owners["namespace"] != NAMESPACE]  # what is kept warm is free to whoever needs it
    value = gpus(source.name, given, owners, inventory.nodes, inventory.pods)
    problem = next((a.problem for a in answers.values() if a.problem is not None), None) or troubled
    notes = dict.fromkeys(note for answer in answers.values() for note in answer.notes)
    absence = Absence.NOT_COLLECTED if util.absence is Absence.NOT_COLLECTED and value.empty else None
    return Reading(value, util.as_of, problem, absence, tuple(notes))


def within(units: pd.DataFrame, scope: Scope, pods: pd.DataFrame) -> pd.DataFrame:
    """Rows of the scope; with a namespace or team, the units at least one of its pods holds."""
    kept = scope.hardware.keep(units)
    if not scope.by_owner:
        return kept
    mine = scope.keep(pods)
    labels = set(mine["namespace"] + "/" + mine["pod"])
    mine_too = [not labels.isdisjoint(text.split(", ")) if text else False for text in kept["pods"]]
    return kept[pd.Series(mine_too, index=kept.index, dtype=bool)]  # a bare empty list would select columns


@dataclass(frozen=True)
class Summary:
    """Headline figures of the scope's measured units over the window; None where nothing was collected."""

    measured: float  # GPU equivalents with utilisation
    util: float | None  # mean over the window, weighted by GPU equivalents
    held_idle: float | None  # GPU equivalents
    idle_usd_per_day: float | None
    memory: float | None  # used over used + free
    power: float | None  # watts, each physical GPU once
    hottest: float | None  # degrees Celsius


def summary(sources: Sources, scope: Scope, node: str = "") -> Reading[Summary]:
    """The tiles of the Utilisation page; of one ``node`` when it is given."""
    units = table(sources, scope)
    if units.value is None:
        return Reading(None, units.as_of, units.problem, units.absence, units.notes)
    frame = units.value if not node else units.value[units.value["node"] == node]
    cards = frame.drop_duplicates(["cluster", "gpu"])
    weighed = frame[frame["util"].notna()]
    weight = float(weighed["fraction"].sum())
    # Free GPUs say nothing of the held ones: where none of those was measured, idle is unknown and not zero.
    judged = frame if not (frame["use"] == "unknown").any() else frame[frame["use"].isin(["active", "held idle"])]
    idle = judged[judged["use"] == "held idle"]
    sized = frame[frame["memory_total"].notna()]
    value = Summary(
        measured=weight,
        util=float((weighed["util"] * weighed["fraction"]).sum()) / weight if weight else None,
        held_idle=None if judged.empty else float(idle["held"].sum()),
        idle_usd_per_day=None
        if judged.empty
        else (0.0 if idle.empty else _known(idle["idle_usd_per_day"].sum(min_count=1))),
        memory=float(sized["memory_used"].sum() / sized["memory_total"].sum()) if len(sized) else None,
        power=_known(cards["power"].sum(min_count=1)),
        hottest=_known(cards["temperature"].max()),
    )
    return Reading(value, units.as_of, units.problem, units.absence, units.notes)


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def uses(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU equivalents by class, as :func:`services.domain.capacity.by_class` returns them.

    They add up to the scope's GPUs. A scope of pods has only what its pods hold: classes of what nobody holds are left
    out.
    """
    stock = fleet.nodes(sources, scope)
    if stock.value is None:
        return stock
    units = table(sources, replace(scope, range="1h"))
    told = None if units.value is None or units.absence is not None else holdings(units.value)
    nodes = stock.value
    if scope.by_owner:
        nodes = fleet.held_by(nodes, fleet.pods(sources, scope).value)
    value = capacity.by_class(nodes, told)
    problem = stock.problem or units.problem
    return Reading(value[value["gpus"].ne(0)], stock.as_of, problem, stock.absence, stock.notes)


def distribution(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU equivalents by mean utilisation over the window, in ten bands: ``band`` ("0–10 %"), ``use``, ``gpus``."""
    units = table(sources, scope)
    if units.value is None:
        return units
    return replace(units, value=by_band(units.value))


def wasters(sources: Sources, scope: Scope, most: int = 200) -> Reading[pd.DataFrame]:
    """Who leaves most of the GPUs they hold unused over the window, frame :data:`services.domain.gpus.WASTERS`."""
    units = table(sources, scope)
    if units.value is None:
        return units
    return replace(units, value=waste(named(units.value, scope.sees)).head(most))


MEASURES = {"util": "Utilisation", "util_now": "Utilisation now", "memory": "Memory used", "temperature": "Temperature"}
"""What the heat map can show, by column."""
CELLS_UP_TO = 400


def heat(sources: Sources, scope: Scope, measure: str, node: str = "") -> Reading[pd.DataFrame]:
    """Cells of the heat map, frame :data:`services.domain.heat.CELLS`.

    One cell per physical GPU while the scope has at most :data:`CELLS_UP_TO`, or of the one ``node``; else one per
    node. GPU nodes without metrics have cells too, so that nothing that exists is out of sight.
    """
    units = table(sources, scope)
    stock = fleet.nodes(sources, scope)
    if units.value is None or stock.value is None:
        return units if units.value is None else stock
    frame, nodes = units.value, stock.value
    if scope.by_owner:
        nodes = nodes[nodes["node"].isin(frame["node"])]
    if node:
        frame, nodes = frame[frame["node"] == node], nodes[nodes["node"] == node]
    cells = heat_map.cells(frame, nodes, measure, per_node=nodes["gpus"].sum() > CELLS_UP_TO)
    return replace(units, value=cells)


CARD_SIGNALS = {
    "util": "Utilisation",
    "sm_active": "SM active",
    "tensor_active": "Tensor cores active",
    "memory_bandwidth": "Memory bandwidth",
    "memory_used": "Memory used",
    "power": "Power",
    "temperature": "Temperature",
}


def gpu_trend(sources: Sources, scope: Scope, cluster: str, gpu: str) -> Reading[pd.DataFrame]:
    """What one physical GPU did over the window: ``at``, ``signal``, ``instance``, ``value`` in base units."""
    source = sources.clusters.get(cluster)
    if source is None:
        return Reading(pd.DataFrame({"at": [], "signal": [], "instance": [], "value": []}))
    window = ending(sources.now(), scope.range)
    asked = {
        signal: sources.pool.submit(
            metrics.over_window, sources, source, Query(signal, ("gpu", "instance")), window, {"gpu": [gpu]}
        )
        for signal in CARD_SIGNALS
    }
    answers = {signal: future.result() for signal, future in asked.items()}
    found = [
        answer.value.assign(signal=signal)
        for signal, answer in answers.items()
        if answer.value is not None and len(answer.value)
    ]
    first = answers["util"]
    if not found:
        return replace(first, value=None)
    value = pd.concat(found, ignore_index=True)[["at", "signal", "instance", "value"]]
    return Reading(value, first.as_of, first.problem, None, first.notes)
