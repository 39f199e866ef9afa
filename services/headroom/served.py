"""How the pods of a scope came to their nodes: as recorded, or where they are not as pods tell that still exist."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from services.domain.allocation import NO_TEAM, teams
from services.domain.headroom import balloon, placeholder
from services.domain.headroom import starts as headroom_starts
from services.domain.objects import Pod
from services.domain.scope import Scope
from services.domain.startup.findings import SILENT
from services.domain.window import RANGES
from services.headroom import stores
from services.ports import ClusterSource, Sources
from services.snapshots import Inventory
from services.startup import recorder
from services.startup.read import recorded
from services.startup.recorder import State

_DERIVE_EVERY_S = 5.0
_ELSE = "only those of pods that still exist are counted."


@dataclass(frozen=True)
class Served:
    """Starts of one cluster: what :func:`services.domain.headroom.starts.counted` takes. ``notes``: what is missing."""

    starts: pd.DataFrame
    recorded: bool
    notes: tuple[str, ...] = ()


def served(sources: Sources, scope: Scope, source: ClusterSource, stock: Inventory) -> Served:
    """Those of the scope's window. The record is what the Startup page shows: a first look finds living pods too."""
    whole, state = recorded(sources, scope), recorder.state(sources, source.name)
    name, now = source.name, sources.now()
    if sources.work is None:
        why = f"Starts are not recorded: {_ELSE}"
    elif whole.value is None or whole.problem is not None or state.value is None:
        why = f"The recorded starts cannot be read: {_ELSE}"
    elif _silent(state.value.looked.get(name), now):
        why = f"{name}: starts are not being recorded: {_ELSE}"
    else:
        mine = whole.value.starts[whole.value.starts["cluster"] == name]
        return Served(mine, recorded=True, notes=_short(state.value, name, now - RANGES[scope.range]))
    living = _living(sources, source, stock, now - RANGES[scope.range], scope.range)
    return Served(scope.keep(living), recorded=False, notes=(why,))


def _silent(looked: datetime | None, now: datetime) -> bool:
    return looked is None or now - looked > SILENT


def _short(state: State, name: str, begin: datetime) -> tuple[str, ...]:
    """Why the record may lack starts of the window."""
    since, filled = state.since.get(name), state.filled.get(name)
    if filled is not None:
        return (f"{name}: the past is being filled in; counts of starts still grow.",) if filled < 1 else ()
    if since is None or since <= begin:
        return ()
    at = f"{since:%d %b %H:%M} UTC"
    return (f"{name}: starts are recorded without a break since {at}; of earlier ones some may be missing.",)


def _living(sources: Sources, source: ClusterSource, stock: Inventory, since: datetime, window: str) -> pd.DataFrame:
    """Frame :data:`services.domain.headroom.starts.STARTS`."""
    version = tuple(source.cluster.snapshot(kind).version for kind in ("nodes", "pods", "namespaces"))
    label = sources.policy.team_label

    def build() -> pd.DataFrame:
        of_space = teams(stores.all_of(source, "namespaces"), label)

        def team_of(pod: Pod) -> str:
            return (pod.metadata.labels or {}).get(label) or of_space.get(pod.metadata.namespace, NO_TEAM)

        real = (pod for pod in stores.pods(source) if not placeholder(pod) and not balloon(pod))
        return headroom_starts.starts(source.name, real, stock.nodes, since, team_of)

    at = sources.now().timestamp()
    key = "living starts", source.name, window
    return sources.memo.get(key, version, build, at=at, keep_s=_DERIVE_EVERY_S)
