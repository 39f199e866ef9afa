"""The fleet as Kubernetes sees it: nodes, pools, who holds what. Works without any metrics source."""

from collections.abc import Callable

import pandas as pd

from services import snapshots
from services.domain import capacity
from services.domain.scope import EVERYTHING, Scope, Sight
from services.domain.window import HARDWARE_BUDGET, OWNER_BUDGET, Window, ending
from services.merge import merged
from services.ports import Sources
from services.reading import Reading
from services.snapshots import Inventory


def nodes(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU nodes of the scope's hardware, columns as :class:`services.snapshots.Inventory` says."""
    return _joined(sources, scope, lambda stock: stock.nodes)


def pods(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """GPU pods of the scope (:data:`services.domain.allocation.PODS` plus ``pool`` and ``model`` of their node)."""
    return _joined(sources, scope, placed)


def waiting(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Unmet demand (:data:`services.domain.demand.WAITING`); pool and model do not apply: these pods have no node."""
    return _joined(sources, scope, lambda stock: stock.waiting)


def pools(sources: Sources, scope: Scope) -> Reading[pd.DataFrame]:
    """Pools of the scope, frame :data:`services.domain.capacity.POOLS`."""
    found = nodes(sources, scope)
    if found.value is None:
        return found
    return Reading(capacity.by_pool(found.value), found.as_of, found.problem, found.absence, found.notes)


def choices(sources: Sources, sees: Sight = EVERYTHING) -> dict[str, list[str]]:
    """What can be chosen in the global filters: cluster, pool, model, namespace, team, each sorted."""
    found: dict[str, set[str]] = {name: set() for name in ("pool", "model", "namespace", "team")}
    for source in sources.clusters.values():
        stock = snapshots.read(sources, source).value
        if stock is None:
            continue
        found["pool"] |= set(stock.nodes["pool"])
        found["model"] |= set(stock.nodes["model"]) - {""}
        pods = sees.seen(stock.pods)
        found["namespace"] |= set(pods["namespace"])
        found["team"] |= set(pods["team"])
    return {"cluster": sorted(sources.clusters), **{name: sorted(values) for name, values in found.items()}}


def window(sources: Sources, scope: Scope, *, by_owner: bool = False) -> Window:
    """The scope's window, at a resolution its largest cluster can be asked at; the same for all of them.

    ``by_owner`` for questions that join every unit with the pods that hold it.
    """
    stocks = [snapshots.read(sources, source).value for source in sources.clusters.values()]
    largest = max((float(stock.nodes["gpus"].sum()) for stock in stocks if stock is not None), default=0.0)
    budget = OWNER_BUDGET if by_owner else HARDWARE_BUDGET
    return ending(sources.now(), scope.range, units=largest, budget=budget)


def placed(stock: Inventory) -> pd.DataFrame:
    """The pod frame with the pool and model of each pod's node; "" while it has none."""
    place = stock.nodes.set_index("node")[["pool", "model"]].reindex(stock.pods["node"]).fillna("")
    return stock.pods.assign(pool=place["pool"].to_numpy(), model=place["model"].to_numpy())


def held_by(nodes: pd.DataFrame, pods: pd.DataFrame | None) -> pd.DataFrame:
    """The node frame as these pods alone see it: what they hold is held, and nothing else is theirs."""
    bound = pd.Series(dtype="float64") if pods is None else pods.groupby(["cluster", "node"])["equivalents"].sum()
    keys = pd.MultiIndex.from_frame(nodes[["cluster", "node"]])
    held = bound.reindex(keys).fillna(0.0).to_numpy() if len(bound) else 0.0
    return nodes.assign(gpus=held, held=held, free=0.0, closed=0.0, unhealthy=0.0, remainder=0.0, missing=0.0)


def _joined(sources: Sources, scope: Scope, pick: Callable[[Inventory], pd.DataFrame]) -> Reading[pd.DataFrame]:
    parts = []
    for source in sources.chosen(scope.cluster):
        stock = snapshots.read(sources, source)
        value = None if stock.value is None else scope.keep(pick(stock.value))
        parts.append(Reading(value, stock.as_of, stock.problem, stock.absence, stock.notes))
    return merged(parts, lambda found: pd.concat(found, ignore_index=True))
