"""How pods came to their nodes, pool by pool: as recorded, or as pods tell that still exist."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import pandas as pd

from services.domain import frames, units
from services.domain.headroom.room import requests
from services.domain.objects import Pod
from services.domain.startup.placing import came_for
from services.domain.startup.summary import SERVED, served

STARTS = {
    "cluster": "str",
    "namespace": "str",
    "team": "str",
    "pod": "str",
    "pool": "str",
    "model": "str",
    "resource": "str",
    "created_at": "datetime64[us, UTC]",
    "wait_s": "float64",  # from creation to the scheduler's decision
    "cold": "boolean",  # the node came for it
    "headroom": "boolean",  # always NA: a pod does not tell whose room it took
}
"""One row per GPU pod that was given a node in the window, as long as the pod exists; named as in recorded starts."""

KINDS = tuple(how for how in SERVED if how != "unknown")
"""How starts are told apart; :mod:`services.domain.startup.summary` says what the words mean."""
KEYS = ["pool", "model", "resource"]


def starts(
    cluster: str, pods: Iterable[Pod], nodes: pd.DataFrame, since: datetime, team_of: Callable[[Pod], str]
) -> pd.DataFrame:
    """Frame :data:`STARTS` of the pods created after ``since``; placeholders must not be among them.

    ``nodes``: :data:`services.domain.inventory.NODES`. Pods whose node is gone are left out: it cannot be told how old
    the node was.
    """
    place = {
        row[0]: row[1:] for row in nodes[["node", "pool", "model", "created_at"]].itertuples(index=False, name=None)
    }
    rows = []
    for pod in pods:
        created, scheduled = pod.metadata.creation_timestamp, _scheduled(pod)
        here = place.get(pod.spec.node_name or "")
        if created is None or scheduled is None or here is None or created < since or pd.isna(here[2]):
            continue
        asked = sorted(name for name in requests(pod) if units.is_gpu_resource(name))
        if not asked:
            continue
        pool, model, joined = here
        wait_s = max(scheduled - created, timedelta(0)).total_seconds()
        rows.append(
            (cluster, pod.metadata.namespace, team_of(pod), pod.metadata.name, pool, model, asked[0], created, wait_s,
             came_for(joined, created), None)
        )  # fmt: skip
    return frames.table(STARTS, rows)


def counted(started: pd.DataFrame) -> pd.DataFrame:
    """How many starts came to their nodes in which way, by :data:`KEYS`: one column for each of :data:`KINDS`.

    ``started``: :data:`STARTS`, or recorded starts. Those of which it is not known are in no column.
    """
    how = served(started)
    return started[KEYS].assign(**{kind: how[kind] for kind in KINDS}).groupby(KEYS)[list(KINDS)].sum().astype("int64")


def _scheduled(pod: Pod) -> datetime | None:
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "True":
            return condition.last_transition_time
    return None
