"""Rollouts as recorded starts tell them: pods of a Deployment carry their ReplicaSet's name in front of their own."""

from datetime import datetime

import pandas as pd

KINDS = ("Deployment", "Rollout")
"""Workloads whose pods are named so; those of a StatefulSet keep their names over a rollout."""


def began(starts: pd.DataFrame, since: datetime, end: datetime) -> datetime | None:
    """When the first rollout within a time began, of starts of one workload.

    ``starts`` are as :data:`services.domain.startup.frame.STARTS`. A rollout, or its undoing, is a start from another
    ReplicaSet than the start before it. None when there was none, and when no start was recorded before.
    """
    mine = starts[starts["workload_kind"].isin(KINDS)].sort_values("created_at", kind="stable")
    sets = mine["pod"].str.replace(r"-[^-]*$", "", regex=True)
    other = sets.ne(sets.shift()) & sets.shift().notna()
    within = mine["created_at"].between(pd.Timestamp(since), pd.Timestamp(end))
    found = mine.loc[other & within, "created_at"]
    return None if found.empty else found.iloc[0].to_pydatetime()
