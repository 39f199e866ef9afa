"""Whether the parts add up: facts against what the nodes cost before anything was split."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from services.domain import frames
from services.domain.cost import HOURS, KINDS, MICRO, UNPRICED

PROVED = {
    "cluster": "str",
    "hour": "datetime64[us, UTC]",
    "state": "str",  # ADDS_UP, DIFFERS, MISSING
    "card": "int64",
    "nodes": "int64",
    "gpu_ticks": "int64",
    "unpriced_ticks": "int64",
    "micro": "int64",  # of the nodes
    "parts_micro": "int64",
    "difference_micro": "int64",  # parts − nodes
    "difference_ticks": "int64",
    "difference_unpriced": "int64",  # ticks
    "closed_at": "datetime64[us, UTC]",
    "why": "str",  # there is none
}
"""One row per cluster and hour, oldest first. Figures of a missing hour are not known: they stand as 0, and count for
nothing."""

ADDS_UP, DIFFERS, MISSING = "adds up", "differs", "missing"
_KEY = ["cluster", "hour"]
_HOUR_S = 3600
_FIGURES = ("card", "nodes", "gpu_ticks", "unpriced_ticks", "micro")
_SUMS = ["ticks", "micro", "measured_ticks", "used_ticks", "measured_micro", "used_micro"]

AGAIN = {
    "owner": "int64",
    "place": "int64",
    "kind": "str",
    "basis": "str",
    "figure": "str",
    "kept": "float64",  # NaN where there is no such row
    "again": "float64",
}
"""Figures of an hour that came out differently when it was worked out again."""

BY_NODE = {
    "node": "str",
    "pool": "str",
    "instance_type": "str",
    "seconds": "float64",
    "gpus": "float64",
    "usd_per_hour": "float64",  # over the time it was there; NaN when unpriced
    "basis": "str",
    "usd": "float64",  # NaN when unpriced
    **{f"{kind}_usd": "float64" for kind in KINDS},
}
"""What a node cost in an hour, and what became of it, in US dollars."""


def proved(controls: pd.DataFrame, hours: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`PROVED` of ``CONTROLS`` and ``HOURS`` of the same time. Facts without a control differ."""
    facts = hours.assign(unpriced=hours["ticks"].where(hours["basis"].eq(""), 0))
    sums = facts.groupby(_KEY)[["ticks", "micro", "unpriced"]].sum().add_prefix("parts_").reset_index()
    both = controls.merge(sums, on=_KEY, how="outer").sort_values(["hour", "cluster"], kind="stable")
    numbers = [*_FIGURES, "parts_ticks", "parts_micro", "parts_unpriced"]
    both[numbers] = both[numbers].fillna(0).astype("int64")
    both["difference_micro"] = both["parts_micro"] - both["micro"]
    both["difference_ticks"] = both["parts_ticks"] - both["gpu_ticks"]
    both["difference_unpriced"] = both["parts_unpriced"] - both["unpriced_ticks"]
    off = both[["difference_micro", "difference_ticks", "difference_unpriced"]].ne(0).any(axis=1)
    uncontrolled = both["closed_at"].isna()
    both["state"] = pd.Series(ADDS_UP, index=both.index).mask(off | uncontrolled, DIFFERS)
    both["why"] = pd.Series("", index=both.index).mask(uncontrolled, "nothing says what it must sum to")
    return frames.conform(both, PROVED)


def completed(found: pd.DataFrame, missing: Sequence[tuple[str, datetime, str]]) -> pd.DataFrame:
    """With the hours there is nothing of: cluster, hour, why."""
    nothing = {name: 0 for name, dtype in PROVED.items() if dtype == "int64"} | {"state": MISSING, "closed_at": pd.NaT}
    rows = [nothing | {"cluster": cluster, "hour": hour, "why": why} for cluster, hour, why in missing]
    whole = frames.table(PROVED, [[row[name] for name in PROVED] for row in rows])
    both = whole if found.empty else found if whole.empty else pd.concat([found, whole], ignore_index=True)
    return both.sort_values(["hour", "cluster"], kind="stable", ignore_index=True)


def hours_of(day: str, zone: str) -> list[datetime]:
    """When the hours of a day of a zone begin, in UTC: 24 of them, 23 or 25 on two days a year."""
    first = date.fromisoformat(day)
    begin, end = (datetime.combine(one, time(), ZoneInfo(zone)).timestamp() for one in (first, first + timedelta(1)))
    utc = ZoneInfo("UTC")
    return [datetime.fromtimestamp(at, utc) for at in range(int(begin), int(end), 3600)]


def days_differ(days: pd.DataFrame, hours: pd.DataFrame) -> int:
    """Of how many owners, places, kinds and bases a day's facts are not the sums of its hours'."""
    key = ["cluster", "owner", "place", "kind", "basis"]
    by_day, by_hour = (frame.groupby(key)[_SUMS].sum() for frame in (days, hours))
    both = by_day.merge(by_hour, on=key, how="outer", suffixes=("_day", "_hour")).fillna(0)
    off = pd.Series(data=False, index=both.index)
    for name in _SUMS:
        off |= both[f"{name}_day"] != both[f"{name}_hour"]
    return int(off.sum())


def differences(kept: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`AGAIN` of the facts of one hour of a cluster as they are kept, and as they came out again."""
    key = ["owner", "place", "kind", "basis"]
    figures = [name for name, dtype in HOURS.items() if dtype == "int64" and name not in ("card", "owner", "place")]
    long = [frame[[*key, *figures]].melt(key, var_name="figure") for frame in (kept, again)]
    sides = [frame.set_index([*key, "figure"]) for frame in long]
    both = sides[0].merge(sides[1], on=[*key, "figure"], how="outer", suffixes=("_kept", "_again"))
    off = both[both["value_kept"].ne(both["value_again"])].reset_index()
    return frames.conform(off.rename(columns={"value_kept": "kept", "value_again": "again"}), AGAIN)


def by_node(pieces: pd.DataFrame, parts: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`BY_NODE` of the pieces and parts (:mod:`services.domain.cost.ledger`) of one hour, dearest first."""
    key = ["cluster", "uid", "node", "place"]
    grouped = pieces.groupby(key, sort=False)
    rows = grouped.agg(seconds=("seconds", "sum"), gpus=("gpus", "max"))
    rows["basis"] = grouped["basis"].agg(lambda names: ", ".join(dict.fromkeys(name for name in names if name)))
    priced = pieces[pieces["micro"] != UNPRICED]
    rows["usd"] = priced.groupby(key)["micro"].sum() / MICRO
    rows["usd_per_hour"] = rows["usd"] * _HOUR_S / priced.groupby(key)["seconds"].sum()
    split = parts[parts["micro"] != UNPRICED].merge(pieces[["piece", *key]], on="piece")
    for kind in KINDS:
        spent = split[split["kind"] == kind].groupby(key)["micro"].sum() / MICRO
        rows[f"{kind}_usd"] = spent.reindex(rows.index, fill_value=0.0).where(rows["usd"].notna())
    found = rows.reset_index().merge(places[["place", "pool", "instance_type"]], on="place", how="left")
    return frames.conform(found.sort_values(["usd", "node"], ascending=[False, True], na_position="first"), BY_NODE)
