"""How pods came to their nodes: at once on a warm one, after waiting for room, or only when a new node had come."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pandas as pd

from services.domain import frames, units
from services.domain.headroom.room import requests
from services.domain.objects import Pod

STARTS = {
    "cluster": "str",
    "namespace": "str",
    "pod": "str",
    "node": "str",
    "pool": "str",
    "model": "str",
    "resource": "str",
    "created_at": "datetime64[us, UTC]",
    "wait_s": "float64",  # from creation to the scheduler's decision
    "start": "str",  # one of KINDS
}
"""One row per GPU pod that was given a node in the window, as long as the pod exists."""

KINDS = ("warm", "waited", "cold")
"""warm    the node was there before the pod and the pod was placed at once
waited  the node was there and the pod had to wait until others left
cold    the node came for it: it joined after the pod was created
"""

AT_ONCE = timedelta(seconds=30)
"""A scheduler's pass, a preemption and clocks that differ; a pod placed within it has not waited."""
COINCIDENCE = timedelta(seconds=30)
"""A node that joined so shortly before the pod was already on its way for somebody and is counted as new."""


def starts(cluster: str, pods: Iterable[Pod], nodes: pd.DataFrame, since: datetime) -> pd.DataFrame:
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
        wait = max(scheduled - created, timedelta(0))
        kind = "cold" if joined > created - COINCIDENCE else "warm" if wait <= AT_ONCE else "waited"
        rows.append(
            (cluster, pod.metadata.namespace, pod.metadata.name, pod.spec.node_name, pool, model, asked[0], created,
             wait.total_seconds(), kind)
        )  # fmt: skip
    return frames.table(STARTS, rows)


def _scheduled(pod: Pod) -> datetime | None:
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "True":
            return condition.last_transition_time
    return None
