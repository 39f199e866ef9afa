"""What would do instead of a whole GPU: the smallest MIG slice, a smaller model, or a share of the same GPU.

A slice or a model fits when its memory is at least the most that was used × 1.2. A slice also has to have the compute
the pod's SMs were active with on average (engines busy, where SM activity is not collected). Of a smaller model it is
not known how fast it would be.
"""

from dataclasses import dataclass

import pandas as pd

from services.domain.sharing import Layout, Mode, mig
from services.domain.sharing.findings import BUSY, FACTORS, FULL

HEADROOM = 1.2
MODELS = {
    "cluster": "str",
    "model": "str",
    "memory_bytes": "float64",  # of one GPU
    "usd": "float64",  # lowest price in force of a GPU-hour; NaN when unpriced
}
"""Models there are as whole GPUs, by cluster."""


@dataclass(frozen=True)
class Need:
    """What a pod of a workload needs at most: of the memory's high-water, the mean utilisation and SM activity."""

    cluster: str
    model: str
    memory_peak: float
    memory_total: float
    mean: float
    sm: float | None
    usd: float | None

    @property
    def activity(self) -> float:
        """The compute it needs, 0..1 of its GPU."""
        return self.mean if self.sm is None else self.sm


@dataclass(frozen=True)
class Option:
    """Another way: ``kept`` of a GPU (0..1) at ``usd`` per GPU-hour; ``sure`` False where its speed is not known."""

    becomes: str
    kept: float
    usd: float | None
    says: str
    resource: str = ""
    layout: str = ""
    sure: bool = True


def best(need: Need, models: pd.DataFrame) -> Option | None:
    """The option that costs least; without a price the one that keeps least. None where nothing smaller fits."""
    cut, smaller = slice_of(need), smaller_model(need, models)
    shared = sliced_time(need) if mig.board(need.model) is None else None
    found = [one for one in (cut, smaller, shared) if one is not None]
    if need.usd is None:
        found = [one for one in found if one.kept < 1]
        return min(found, key=lambda one: one.kept, default=None)
    return min(found, key=lambda one: one.kept * (one.usd or 0.0), default=None)


def slice_of(need: Need) -> Option | None:
    """The smallest MIG profile of the model that has the memory and the compute."""
    board = mig.board(need.model)
    if board is None:
        return None
    plain = [one for one in board.profiles.values() if one.compute < board.compute and not one.name.endswith(".me")]
    for one in sorted(plain, key=lambda one: (one.compute, one.memory)):
        memory, share = mig.memory_bytes(one.name, need.model), one.compute / board.compute
        if memory >= need.memory_peak * HEADROOM and share >= need.activity:
            says = (
                f"The smallest slice with room for that × {HEADROOM:g} is {one.name}: {memory / 2**30:.0f} GiB and "
                f"{one.compute} of {board.compute} compute slices."
            )
            return Option(one.name, share, need.usd, says, resource=f"nvidia.com/mig-{one.name}")
    return None


def smaller_model(need: Need, models: pd.DataFrame) -> Option | None:
    """The cheapest other model of the cluster with the memory, where it costs less."""
    if need.usd is None:
        return None
    fits = models[
        models["cluster"].eq(need.cluster)
        & models["model"].ne(need.model)
        & models["memory_bytes"].ge(need.memory_peak * HEADROOM)
        & models["usd"].lt(need.usd)
    ]
    if fits.empty:
        return None
    row = fits.iloc[int(fits["usd"].to_numpy().argmin())]
    says = (
        f"{row['model']} has {row['memory_bytes'] / 2**30:.0f} GiB and costs ${row['usd']:.2f} a GPU-hour against "
        f"${need.usd:.2f}. How fast the pod would be on it is not known: try it."
    )
    return Option(str(row["model"]), 1.0, float(row["usd"]), says, sure=False)


def sliced_time(need: Need) -> Option | None:
    """A share of the same GPU by time-slicing, of as many pods like this one as it would bear."""
    fits = [one for one in FACTORS if need.mean * one <= BUSY and need.memory_peak * one <= FULL * need.memory_total]
    if not fits:
        return None
    layout = Layout(Mode.TIME_SLICING, max(fits))
    says = f"{layout.replicas} pods like it would fit on one GPU. Time-slicing isolates neither memory nor faults."
    return Option(f"1 of {layout.replicas} shares", 1 / layout.replicas, need.usd, says, layout=layout.key)
