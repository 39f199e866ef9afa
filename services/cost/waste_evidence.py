"""What waste is judged by: for every unit and the pod that holds it now, what was measured over a window."""

from collections.abc import Iterable
from concurrent.futures import Future
from datetime import timedelta

import numpy as np
import pandas as pd

from services import fleet, metrics, snapshots
from services.cost import prices as in_force
from services.cost.record import asked
from services.domain import attribution, frames, units
from services.domain.cost import MICRO, UNPRICED, opencost, rates
from services.domain.cost.waste import HELD
from services.domain.cost.waste_options import MODELS
from services.domain.headroom import NAMESPACE
from services.domain.scope import Scope
from services.domain.signals import IDLE_BELOW, UNIT_KEY, Query, Stat
from services.domain.window import OWNER_BUDGET, Window
from services.merge import merged
from services.ports import ClusterSource, Sources
from services.reading import Absence, Reading
from services.snapshots import Inventory

BY_HOLDER = (*UNIT_KEY, "namespace", "pod")
_KEY = ["node", "gpu", "instance", "profile", "namespace", "pod"]
_UNIT = _KEY[:4]
_FINER = (timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=15))
_MINUTE = timedelta(minutes=1)


def held(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Frame :data:`services.domain.cost.waste.HELD` of the scope over its range."""
    usual = fleet.window(sources, scope, by_owner=True)
    parts = [_of_cluster(sources, source, scope, usual) for source in sources.chosen(scope.cluster)]
    return merged(parts, lambda found: frames.conform(pd.concat(found, ignore_index=True), HELD))


def models(sources: Sources, scope: Scope) -> pd.DataFrame:
    """Frame :data:`services.domain.cost.waste_options.MODELS`: whole GPUs on nodes that take pods."""
    nodes = fleet.nodes(sources, scope.hardware).value
    if nodes is None or nodes.empty:
        return frames.empty(MODELS)
    plain = nodes[nodes["sharing"].eq("none") & nodes["ready"] & nodes["schedulable"] & nodes["gpus"].gt(0)]
    rows = plain.assign(usd=gpu_hour(sources, plain)["usd"])
    grouped = rows.groupby(["cluster", "model"], sort=True)
    return frames.conform(grouped.agg(memory_bytes=("memory_bytes", "min"), usd=("usd", "min")).reset_index(), MODELS)


def gpu_hour(sources: Sources, nodes: pd.DataFrame) -> pd.DataFrame:
    """``usd`` of a GPU-hour of each node at the price in force and its ``basis``; NaN and "" when unpriced.

    The rate card's line, else what OpenCost says of this kind of node, else the list price.
    """
    card = asked(sources, in_force.card_in_force).value
    lines = frames.empty(rates.CARD) if card is None else card.lines
    sized = nodes.assign(gpus=nodes["gpus"].fillna(0).astype("int64"))
    found = rates.priced(sized, lines, snapshots.price_book(), pd.Timestamp(sources.now()))
    known = found["micro_per_hour"].ne(UNPRICED) & found["basis"].ne("") & nodes["gpus"].gt(0)
    usd = (found["micro_per_hour"] / MICRO / nodes["gpus"]).where(known)
    answer = pd.DataFrame({"usd": usd.astype("float64"), "basis": found["basis"].where(known, "")}, index=nodes.index)
    return _by_opencost(sources, nodes, answer)


def _by_opencost(sources: Sources, nodes: pd.DataFrame, answer: pd.DataFrame) -> pd.DataFrame:
    counted = in_force.in_force(sources, Scope()).value if sources.work is not None else None
    if counted is None:
        return answer
    kind = ["instance_type", "region", "capacity_type", "model"]
    rows = counted.rows[opencost.counted(counted.rows["basis"])].drop_duplicates(kind).set_index(kind)
    found = rows[["usd_per_gpu", "basis"]].reindex(pd.MultiIndex.from_frame(nodes[kind]))
    theirs = found["usd_per_gpu"].to_numpy()
    taken = ~np.isnan(theirs) & answer["basis"].ne(rates.CARD_BASIS).to_numpy()
    return answer.assign(
        usd=answer["usd"].mask(taken, pd.Series(theirs, index=answer.index)),
        basis=answer["basis"].mask(taken, pd.Series(found["basis"].to_numpy(), index=answer.index)),
    )


def _of_cluster(sources: Sources, source: ClusterSource, scope: Scope, usual: Window) -> Reading[pd.DataFrame]:
    stock = snapshots.read(sources, source)
    if stock.value is None:
        return Reading(None, stock.as_of, stock.problem, stock.absence, stock.notes)
    inventory, window = stock.value, finer(usual, stock.value)
    key = ("waste", source.name, scope.range)
    version = (int(sources.now().timestamp()) // 60, stock.absence, stock.problem)
    whole = sources.memo.get(key, version, lambda: _build(sources, source, inventory, window))
    if whole.value is None:
        return whole
    return Reading(scope.keep(whole.value), whole.as_of, whole.problem or stock.problem, whole.absence, whole.notes)


def finer(usual: Window, stock: Inventory) -> Window:
    """The window with more instants where the fleet is small enough: a short burst between two is not seen."""
    amount = float(stock.nodes["gpus"].sum())
    for step in _FINER:
        if step < usual.step and amount * ((usual.end - usual.start) / step) <= OWNER_BUDGET:
            return Window(usual.start, usual.end, step)
    return usual


def _questions(sources: Sources, window: Window) -> dict[str, Query]:
    span, step = window.end - window.start, window.step
    return {
        "mean": Query("util", BY_HOLDER, over=span, step=step),
        "peak": Query("util", BY_HOLDER, over=span, stat=Stat.MAX, step=step),
        "sm": Query("sm_active", BY_HOLDER, over=span, step=step),
        "memory_peak": Query("memory_used", BY_HOLDER, over=span, stat=Stat.MAX, step=step),
        "memory_used": Query("memory_used", UNIT_KEY),
        "memory_free": Query("memory_free", UNIT_KEY),
    } | {_rung(length): _quiet(length, window) for length in _rungs(sources, window)}


def _rungs(sources: Sources, window: Window) -> list[timedelta]:
    """Spans asked one after the other for how long nothing was done; the window itself is the longest."""
    steps = [sources.policy.idle_after, *(timedelta(hours=hours) for hours in (2, 6, 24, 72))]
    return [one for one in steps if sources.policy.idle_after <= one < window.end - window.start]


def _rung(length: timedelta) -> str:
    return f"quiet {length.total_seconds():.0f}"


def _quiet(length: timedelta, window: Window) -> Query:
    step = _MINUTE if length <= timedelta(hours=2) or length % window.step else window.step
    return Query("util", BY_HOLDER, over=length, stat=Stat.MAX, step=step)


def _build(sources: Sources, source: ClusterSource, stock: Inventory, window: Window) -> Reading[pd.DataFrame]:
    now = metrics.moment(sources)
    questions = _questions(sources, window)
    pending: dict[str, Future[Reading[pd.DataFrame]]] = {
        name: sources.pool.submit(
            metrics.instant,
            sources,
            source,
            query,
            now if query.over is None or name.startswith("quiet") else window.end,
        )
        for name, query in questions.items()
    }
    answers = {name: future.result() for name, future in pending.items()}
    peak = answers["peak"]
    if peak.value is None:
        return Reading(None, peak.as_of, peak.problem, peak.absence, peak.notes)
    known = metrics.coverage(sources, source).value
    if known is not None and not known.owner_labels:
        note = f"{source.name}: the exporter does not say which pod holds a GPU, so nothing can be advised there."
        return Reading(frames.empty(HELD), peak.as_of, None, None, (note,))
    given = {name: answer.value for name, answer in answers.items() if answer.value is not None}
    value = joined(sources, source.name, given, stock, window)
    problem = next((one.problem for one in answers.values() if one.problem is not None), None)
    notes = dict.fromkeys(note for answer in answers.values() for note in answer.notes)
    absence = Absence.NOT_COLLECTED if peak.absence is Absence.NOT_COLLECTED else None
    return Reading(value, peak.as_of, problem, absence, tuple(notes))


def joined(
    sources: Sources, cluster: str, given: dict[str, pd.DataFrame], stock: Inventory, window: Window
) -> pd.DataFrame:
    """Frame ``HELD`` of a cluster from the answers by their names in :func:`_questions`."""
    pods = stock.pods[stock.pods["node"].ne("")]
    rows = given["peak"][[*_KEY, "model"]].drop_duplicates(_KEY)
    rows = rows[rows["namespace"].ne(NAMESPACE)].merge(
        pods[["namespace", "pod", "node", "workload", "workload_kind", "team", "units", "created_at"]],
        on=["namespace", "pod", "node"],
    )
    place = stock.nodes.set_index("node").reindex(rows["node"]).reset_index(drop=True)
    rows["dcgm"] = rows["model"]
    rows["model"] = place["model"].where(place["model"].notna(), rows["dcgm"].map(units.model_name)).to_numpy()
    rows["pool"] = place["pool"].fillna(attribution.UNKNOWN_NODE).to_numpy()
    rows["usd"] = gpu_hour(sources, stock.nodes).set_axis(stock.nodes["node"])["usd"].reindex(rows["node"]).to_numpy()
    replicas = place["replicas"].fillna(1.0).to_numpy()
    fraction = np.array(
        [units.mig_fraction(a, b) if a else 1.0 for a, b in zip(rows["profile"], rows["model"], strict=True)]
    )
    rows["held"] = fraction / replicas
    rows["whole"] = rows["instance"].eq("") & (replicas <= 1)
    for name in ("mean", "peak", "sm", "memory_peak"):
        rows[name] = _values(given.get(name), _KEY, rows)
    used, free = (_values(given.get(name), _UNIT, rows) for name in ("memory_used", "memory_free"))
    rows["memory_total"] = used + free
    length = (window.end - window.start).total_seconds()
    share = np.clip(_values(given.get("mean"), _KEY, rows, column="weight") / fraction, 0, 1)
    now = pd.Timestamp(sources.now())
    age = (now - rows["created_at"]).dt.total_seconds().to_numpy()
    rows["span_s"] = share * length
    rows["seen"] = np.clip(share * length / np.clip(np.minimum(age, length), window.step.total_seconds(), None), 0, 1)
    rows["idle_s"] = _idle(rows, given, length, age, (_rung(one) for one in _rungs(sources, window)))
    measured = rows.groupby(["namespace", "pod"], sort=False)["peak"].transform("count")
    rows["complete"] = measured.ge(np.where(rows["whole"], rows["units"], 1)) & rows["idle_s"].notna()
    return frames.conform(rows.assign(cluster=cluster), HELD)


def _values(answer: pd.DataFrame | None, keys: list[str], rows: pd.DataFrame, column: str = "value") -> np.ndarray:
    if answer is None or answer.empty:
        return np.full(len(rows), np.nan)
    series = pd.Series(answer[column].to_numpy(), index=pd.MultiIndex.from_frame(answer[keys]))
    return series[~series.index.duplicated()].reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy(dtype="float64")


def _idle(
    rows: pd.DataFrame, given: dict[str, pd.DataFrame], length: float, age: np.ndarray, rungs: Iterable[str]
) -> np.ndarray:
    """Seconds at least; 0 where there was work in the shortest span, NaN where that was not measured.

    A pod has done nothing for no longer than it is there, nor for longer than somebody watched it.
    """
    result, going = np.full(len(rows), np.nan), np.ones(len(rows), dtype=bool)
    for name in rungs:
        peak = _values(given.get(name), _KEY, rows)
        quiet = peak < IDLE_BELOW
        result = np.where(going & quiet, float(name.rpartition(" ")[2]), result)
        result = np.where(np.isnan(result) & (peak >= IDLE_BELOW), 0.0, result)
        going &= quiet
    result = np.where(going & (rows["peak"].to_numpy() < IDLE_BELOW), length, result)
    least: np.ndarray = np.minimum(result, age)
    return least
