"""The figures of a stretch of days: what it cost, who held it, what was used of it and what was not.

Everything is a sum of one frame (:data:`COSTS`), so that the parts of every answer sum to its total: what owners held,
and what nobody did (free, warm, out, remainder). What has no price is counted in GPU-hours beside the money.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from services.domain import frames
from services.domain.cost import DAYS, KINDS, LISTLESS, OWNERS, PLACES, TICKS

COSTS = {
    **{name: dtype for name, dtype in DAYS.items() if name not in ("owner", "place", "card")},
    **{name: dtype for name, dtype in OWNERS.items() if name not in ("owner", "cluster")},
    **{name: dtype for name, dtype in PLACES.items() if name not in ("place", "cluster")},
}
"""Facts of days with the names of their owners and places; text may be categories."""

LABEL = "label "
"""How a dimension by a pod label begins: "label app"."""
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "team": ("team",),
    "namespace": ("cluster", "namespace"),
    "workload": ("cluster", "namespace", "workload"),
    "pool": ("cluster", "pool"),
    "model": ("model",),
    "capacity type": ("capacity_type",),
    "instance type": ("instance_type",),
    "cluster": ("cluster",),
}
"""What costs can be shown by, and the columns that tell it apart; the last one names it."""
OF_OWNERS = ("team", "namespace", "workload")
KIND = "kind"
"""What nobody held is one row for each kind where costs are shown by owner."""
NEXT: Mapping[str, tuple[str, ...]] = {
    "team": ("namespace", "workload", "pool"),
    "namespace": ("workload", "pool"),
    "workload": ("pool", "capacity type"),
    "pool": ("team", "workload"),
    "model": ("pool", "team"),
    "capacity type": ("instance type", "pool"),
    "instance type": ("pool", "team"),
    "cluster": ("team", "pool"),
    KIND: ("pool", "model"),
}
"""What is looked at next inside one of a dimension: the first of these that was not chosen already."""

Step = tuple[str, str]
"""A dimension (or :data:`KIND`) and one ``key`` of its breakdown."""

BREAKDOWN = {
    "key": "str",  # values of the dimension's columns, parted by "/"
    "name": "str",  # "" is held by an owner that has no such name
    "kind": "str",  # of what nobody held, one of KINDS; "" of what is held, or of hardware
    "cluster": "str",  # "" where the dimension does not part clusters
    "micro": "int64",
    "share": "float64",  # of the total; NaN when that is 0
    "held_micro": "int64",
    "used_micro": "float64",  # NaN where nothing of it was measured
    "idle_micro": "float64",  # measured and not used; NaN likewise
    "unmeasured_micro": "int64",  # held, and nobody knows whether it was used
    "free_micro": "int64",  # free and warm
    "overhead_micro": "int64",
    "gpu_hours": "float64",  # GPU equivalents × hours, those without a price included
    "unpriced_gpu_hours": "float64",
}
"""One row for each of a dimension, the dearest first; ``micro`` sums to the total."""

DAILY = {
    "day": "str",
    "used_micro": "int64",
    "idle_micro": "int64",
    "unmeasured_micro": "int64",
    "warm_micro": "int64",
    "free_micro": "int64",
    "overhead_micro": "int64",
    "micro": "int64",  # the sum of the others
}
"""One row per recorded day, oldest first."""

IDLE = {
    "workload": "str",
    "namespace": "str",
    "team": "str",
    "cluster": "str",
    "held_micro": "int64",
    "measured_micro": "int64",
    "idle_micro": "int64",  # measured and not used
    "idle_share": "float64",  # of the measured
}
"""Who holds what is not used, most idle money first."""

UNPRICED = {"instance_type": "str", "capacity_type": "str", "cluster": "str", "gpu_hours": "float64"}
BASES = {"basis": "str", "micro": "int64", "gpu_hours": "float64"}

_MICROS = ("micro", "measured_micro", "used_micro")
_HOUR_TICKS = TICKS * 3600


@dataclass(frozen=True)
class Totals:
    """Micro-dollars by kind, and GPU-hours. Of ``held`` so much was ``measured``, of that so much ``used``."""

    micro: int
    held: int
    warm: int
    free: int
    out: int
    remainder: int
    measured: int
    used: int
    gpu_hours: float
    unpriced_gpu_hours: float

    @property
    def held_idle(self) -> int:
        """Held, measured and not used."""
        return self.measured - self.used

    @property
    def overhead(self) -> int:
        """Broken or not offered, and what MIG layouts leave over."""
        return self.out + self.remainder

    @property
    def idle(self) -> int:
        """Free (warm included), held idle and overhead; what nobody measured is not in it."""
        return self.free + self.warm + self.held_idle + self.overhead

    @property
    def idle_share(self) -> float | None:
        """Idle money of all; None when nothing cost anything."""
        return self.idle / self.micro if self.micro else None

    @property
    def measured_share(self) -> float | None:
        """Measured of held; None when nothing was held."""
        return self.measured / self.held if self.held else None


@dataclass(frozen=True)
class Spot:
    """Spot capacity: its GPU-hours of all, and what it cost less than at on-demand list price.

    ``saved`` counts spot hours that have a price and a list price; ``listless_gpu_hours`` are the other spot hours.
    ``agreed`` is the same of all other capacity: what discounts and agreed prices saved (negative: they cost more).
    """

    gpu_hours: float
    of_gpu_hours: float
    saved: int
    agreed: int
    listless_gpu_hours: float

    @property
    def share(self) -> float | None:
        """Spot hours of all; None when there are none."""
        return self.gpu_hours / self.of_gpu_hours if self.of_gpu_hours else None


def gpu_hours(ticks: float) -> float:
    """Ticks as GPU equivalents × hours."""
    return ticks / _HOUR_TICKS


def totals(costs: pd.DataFrame) -> Totals:
    """The totals of some costs (:data:`COSTS`)."""
    by_kind = costs.groupby("kind", observed=True)["micro"].sum()
    held = costs["kind"].eq("held")
    measured, used = (int(costs.loc[held, name].sum()) for name in ("measured_micro", "used_micro"))
    of = {kind: int(by_kind.get(kind, 0)) for kind in KINDS}
    return Totals(
        micro=int(costs["micro"].sum()),
        measured=measured,
        used=used,
        gpu_hours=gpu_hours(int(costs["ticks"].sum())),
        unpriced_gpu_hours=gpu_hours(int(costs.loc[costs["basis"].eq(""), "ticks"].sum())),
        **of,
    )


def narrowed(costs: pd.DataFrame, path: Sequence[Step]) -> pd.DataFrame:
    """Costs of one of each dimension of a path; nothing for a dimension that is not known.

    One of an owner's dimension is what that owner held.
    """
    kept = costs
    for dimension, key in path:
        if dimension == KIND:
            kept = kept[kept["kind"].eq(key)]
            continue
        columns = _columns(dimension)
        parts = key.split("/", len(columns) - 1)
        if len(parts) != len(columns):
            return kept.iloc[:0]
        chosen = kept["kind"].eq("held") if of_owners(dimension) else pd.Series(data=True, index=kept.index)
        for column, value in zip(columns, parts, strict=True):
            chosen &= _column(kept, column) == value
        kept = kept[chosen]
    return kept


def by(costs: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """Frame :data:`BREAKDOWN` of a dimension."""
    if costs.empty:
        return frames.empty(BREAKDOWN)
    columns = _columns(dimension)
    keyed: dict[str, pd.Series] = {column: _column(costs, column) for column in columns}
    kinds = costs["kind"].astype("category")
    if of_owners(dimension):
        nobody = kinds.ne("held")
        keyed = {column: _blanked(values, nobody) for column, values in keyed.items()}
    unpriced = costs["ticks"].where(costs["basis"].eq(""), 0)
    rows = costs[["ticks", *_MICROS]].assign(**keyed, kind=kinds, unpriced=unpriced)
    sums = rows.groupby([*columns, "kind"], observed=True, sort=False).sum().reset_index()
    return _breakdown(sums, columns, owners=of_owners(dimension))


def _breakdown(sums: pd.DataFrame, columns: tuple[str, ...], *, owners: bool) -> pd.DataFrame:
    kind = sums["kind"].astype("str")
    held = kind.eq("held")
    parts = pd.DataFrame(
        {
            **{column: sums[column].astype("str") for column in columns},
            "kind": kind.mask(held, "") if owners else "",
            "micro": sums["micro"],
            "held_micro": sums["micro"].where(held, 0),
            "measured": sums["measured_micro"].where(held, 0),
            "used": sums["used_micro"].where(held, 0),
            "free_micro": sums["micro"].where(kind.isin(("free", "warm")), 0),
            "overhead_micro": sums["micro"].where(kind.isin(("out", "remainder")), 0),
            "ticks": sums["ticks"],
            "unpriced": sums["unpriced"],
        }
    )
    found = parts.groupby([*columns, "kind"], sort=False).sum().reset_index()
    total = int(found["micro"].sum())
    known = found["measured"] > 0
    key = found[columns[0]]
    for column in columns[1:]:
        key = key + "/" + found[column]
    nobody = found["kind"].ne("")
    found = found.assign(
        key=key.mask(nobody, found["kind"]),
        name=found[columns[-1]].mask(nobody, found["kind"]),
        cluster=found["cluster"].mask(nobody, "") if "cluster" in columns else "",
        share=found["micro"] / total if total else np.nan,
        used_micro=found["used"].where(known).astype("float64"),
        idle_micro=(found["measured"] - found["used"]).where(known).astype("float64"),
        unmeasured_micro=found["held_micro"] - found["measured"],
        gpu_hours=found["ticks"] / _HOUR_TICKS,
        unpriced_gpu_hours=found["unpriced"] / _HOUR_TICKS,
    )
    return frames.conform(found.sort_values(["micro", "ticks", "key"], ascending=[False, False, True]), BREAKDOWN)


def daily(costs: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`DAILY`."""
    if costs.empty:
        return frames.empty(DAILY)
    sums = costs.groupby(["day", "kind"], observed=True, sort=False)[list(_MICROS)].sum().reset_index()
    kind, day = sums["kind"].astype("str"), sums["day"].astype("str")
    held = kind.eq("held")
    known = pd.DataFrame(
        {
            "day": day,
            "used_micro": sums["used_micro"].where(held, 0),
            "idle_micro": (sums["measured_micro"] - sums["used_micro"]).where(held, 0),
            "unmeasured_micro": (sums["micro"] - sums["measured_micro"]).where(held, 0),
            "warm_micro": sums["micro"].where(kind.eq("warm"), 0),
            "free_micro": sums["micro"].where(kind.eq("free"), 0),
            "overhead_micro": sums["micro"].where(kind.isin(("out", "remainder")), 0),
            "micro": sums["micro"],
        }
    )
    return frames.conform(known.groupby("day", sort=True).sum().reset_index(), DAILY)


def spot(costs: pd.DataFrame) -> Spot:
    """Spot capacity and what prices below the list saved."""
    is_spot, ticks = costs["capacity_type"] == "spot", costs["ticks"]
    listed = costs["basis"].ne("") & costs["list_micro"].ne(LISTLESS)
    less = costs["list_micro"] - costs["micro"]
    return Spot(
        gpu_hours(int(ticks[is_spot].sum())),
        gpu_hours(int(ticks.sum())),
        int(less[is_spot & listed].sum()),
        int(less[~is_spot & listed].sum()),
        gpu_hours(int(ticks[is_spot & ~listed].sum())),
    )


def idle(costs: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`IDLE` of workloads some of whose money was held, measured and not used."""
    held = costs[costs["kind"].eq("held") & costs["measured_ticks"].gt(0)]
    if held.empty:
        return frames.empty(IDLE)
    keys = ["workload", "namespace", "team", "cluster"]
    sums = held.groupby(keys, observed=True, sort=False)[list(_MICROS)].sum().reset_index()
    sums = sums.assign(held_micro=sums["micro"], idle_micro=sums["measured_micro"] - sums["used_micro"])
    sums = sums[sums["idle_micro"] > 0]
    sums = sums.assign(idle_share=sums["idle_micro"] / sums["measured_micro"])
    return frames.conform(sums.sort_values(["idle_micro", "workload"], ascending=[False, True]), IDLE)


def unpriced(costs: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`UNPRICED`: GPU-hours that are in no total, most first."""
    lacking = costs[costs["basis"].eq("")]
    if lacking.empty:
        return frames.empty(UNPRICED)
    keys = ["instance_type", "capacity_type", "cluster"]
    sums = lacking.groupby(keys, observed=True)["ticks"].sum().sort_values(ascending=False, kind="stable")
    return frames.conform((sums / _HOUR_TICKS).rename("gpu_hours").reset_index(), UNPRICED)


def bases(costs: pd.DataFrame) -> pd.DataFrame:
    """Frame :data:`BASES`: where the prices are from, most money first; without what has no price."""
    sums = costs.groupby("basis", observed=True)[["micro", "ticks"]].sum().reset_index()
    sums = sums[sums["basis"].ne("")].assign(gpu_hours=sums["ticks"] / _HOUR_TICKS)
    return frames.conform(sums.sort_values("micro", ascending=False, kind="stable"), BASES)


def of_owners(dimension: str) -> bool:
    """Whether a dimension is about owners, so that what nobody held has rows of its own in it."""
    return dimension in OF_OWNERS or dimension.startswith(LABEL)


def known(dimension: str) -> bool:
    """Whether there is such a dimension."""
    return dimension in DIMENSIONS or dimension.startswith(LABEL)


def following(dimension: str, path: Sequence[Step]) -> str:
    """What to look at inside one of ``dimension``, "" when nothing is left."""
    taken = {step for step, _ in path} | {dimension}
    onward = NEXT.get(dimension, ("workload", "pool"))
    return next((name for name in onward if name not in taken), "")


def _columns(dimension: str) -> tuple[str, ...]:
    return DIMENSIONS.get(dimension, (dimension,))


def _column(costs: pd.DataFrame, column: str) -> pd.Series:
    """A column of costs, or the values of a label, as categories."""
    if not column.startswith(LABEL):
        return costs[column].astype("category")
    wanted = column.removeprefix(LABEL)
    labels = costs["labels"].astype("category")
    values = [str(json.loads(text or "{}").get(wanted, "")) for text in labels.cat.categories]
    codes, names = pd.factorize(np.asarray([*values, ""], dtype=object))
    return pd.Series(pd.Categorical.from_codes(codes[labels.cat.codes], pd.Index(names)), index=costs.index)


def _blanked(values: pd.Series, where: pd.Series) -> pd.Series:
    named = values if "" in values.cat.categories else values.cat.add_categories("")
    return named.mask(where, "")
