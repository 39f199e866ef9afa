"""Levers on waiting for nodes: room kept warm, a pool whose nodes come sooner, nodes that bring their driver."""

import math
from collections import deque
from collections.abc import Iterator, Mapping

import numpy as np

from services.domain.startup import AT_ONCE_S, Phase, percentiles, pools
from services.domain.startup.whatif import Case, History, Keyed, Told, less, medians

SERVED = 0.8
"""Units are proposed until so many of the starts that waited would have found one."""
UNITS = (1, 2, 3, 4, 6, 8)
"""Numbers of units that are tried."""
_WAITING = (Phase.WAIT, Phase.DECISION, Phase.PROVISION, Phase.BOOT, Phase.DEVICE, Phase.BIND)
_PAID = (Phase.BOOT, Phase.DEVICE, Phase.BIND)

Kept = Mapping[tuple[str, str, str, str], int]
"""Warm units asked for now by (cluster, pool, model, resource); a place that is missing keeps none."""


def cases(history: History, kept: Kept | None) -> Iterator[Case]:
    """The node levers."""
    yield _headroom(history, kept)
    times = pools.node_times(history.starts)
    yield _pool(history, times["node"].to_numpy(), (times["boot"] + times["device"]).to_numpy())
    yield _driver(history, times["device"].to_numpy())


def _headroom(history: History, kept: Kept | None) -> Case:
    """Waiting for room becomes what warm starts wait, for those starts that would have found a unit there.

    A unit that is taken is there again after the median time a new node takes here. Starts that ask for more than one
    unit holds would not have been helped.
    """
    keyed = history.keyed("cluster", "pool", "model", "resource")
    spent = history.seconds(*_WAITING)
    grows = np.bincount(keyed.codes[history.cold], minlength=keyed.number) > 0
    placed = (history.starts["pool"].ne("") & history.starts["resource"].ne("")).to_numpy()
    waited = history.warm & (history.seconds(Phase.WAIT) > AT_ONCE_S)
    waiting = (history.cold | waited) & placed & grows[keyed.codes]
    shape, units, served = _units(history, keyed, waiting, spent)
    quick = history.warm & ~waited & history.ready
    short = history.seconds(Phase.WAIT, Phase.BIND)
    by_pool, by_cluster = history.keyed("cluster", "pool"), history.keyed("cluster")
    own, own_n = (found[by_pool.codes[keyed.first]] for found in medians(short, by_pool, quick))
    any_, any_n = (found[by_cluster.codes[keyed.first]] for found in medians(short, by_cluster, quick))
    reference = np.where(np.isnan(own), any_, own)
    saved = less(spent, reference[keyed.codes], served)
    paid = np.where(history.cold & (saved > 0), history.seconds(*_PAID), np.where(np.isnan(saved), np.nan, 0.0))
    late = np.bincount(keyed.codes[waiting], minlength=keyed.number)
    found = np.bincount(keyed.codes[served], minlength=keyed.number)
    alike = served & (history.starts["gpus"].to_numpy(dtype="float64") == shape[keyed.codes])
    price = _median_of_any(history.usd_per_hour, keyed, alike)

    def told(subject: int) -> Told:
        cluster, pool, model, resource = (str(part[subject]) for part in keyed.parts)
        number, gpus = units[subject], shape[subject]
        there = f"{_count(number, 'unit')} would have been there for {found[subject]} of {late[subject]} that waited"
        if not np.isnan(own[subject]):
            n, basis = int(own_n[subject]), f"median wait of {own_n[subject]} warm starts in this pool; {there}"
        elif not np.isnan(any_[subject]):
            n, basis = int(any_n[subject]), f"median wait of {any_n[subject]} warm starts in this cluster; {there}"
        else:
            n, basis = int(any_n[subject]), "no prediction: too few recorded starts found room on a node that was there"
        params: dict[str, object] = {}
        if kept is not None:
            whole = {"resource": resource, "gpus": int(gpus)}
            now = kept.get((cluster, pool, model, resource), 0)
            params = {"cluster": cluster, "pool": pool, "model": model, "units": now + number, "shape": whole}
        cost = float(price[subject]) * number * 24
        action = "scale-headroom" if params else ""
        return Told(f"{pool} · {model}" if model else pool, n, basis, pool, action, params, cost)

    return Case("headroom", "waiting", "pool", keyed, served, spent, saved, paid, told)


def _units(
    history: History, keyed: Keyed, waiting: np.ndarray, spent: np.ndarray
) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Per subject what a unit holds and how many to keep; per start whether it would have found one."""
    created = history.starts["created_at"].astype("int64").to_numpy() / 1e6
    gpus = np.nan_to_num(history.starts["gpus"].to_numpy(dtype="float64"))
    refill = _median_of_any(spent, keyed, history.cold)
    shape, numbers = np.zeros(keyed.number), [1] * keyed.number
    served = np.zeros(len(created), dtype=bool)
    rows = np.flatnonzero(waiting)
    rows = rows[np.lexsort((created[rows], keyed.codes[rows]))]
    for mine in np.split(rows, np.flatnonzero(np.diff(keyed.codes[rows])) + 1) if len(rows) else ():
        subject = keyed.codes[mine[0]]
        asked, times = np.unique(gpus[mine], return_counts=True)
        shape[subject] = asked[np.argmax(times)]
        fitting = mine[gpus[mine] <= shape[subject]]
        for number in UNITS:
            found = _found(created[fitting], float(refill[subject]), number)
            numbers[subject] = number
            if found.mean() >= SERVED:
                break
        served[fitting[found]] = True
    return shape, numbers, served


def _median_of_any(values: np.ndarray, keyed: Keyed, chosen: np.ndarray) -> np.ndarray:
    """Per subject the median of the chosen starts, however few; NaN of none."""
    return percentiles.grouped(values[chosen], keyed.codes[chosen], keyed.number, (0.5,))[0]


def _found(created_s: np.ndarray, refill_s: float, number: int) -> np.ndarray:
    """Which of these starts, in order of time, find one of ``number`` units; each needs ``refill_s`` to come back."""
    free = deque([-math.inf] * number)
    found = np.zeros(len(created_s), dtype=bool)
    for place, at in enumerate(created_s.tolist()):
        if free[0] <= at:
            free.popleft()
            free.append(at + refill_s)
            found[place] = True
    return found


def _pool(history: History, node: np.ndarray, paid: np.ndarray) -> Case:
    """New nodes come as fast as those of the fastest other pool of this cluster with the same GPUs."""
    keyed = history.keyed("cluster", "pool", "model")
    reference, n, name = _best_other(keyed, *medians(node, keyed, history.cold), same_model=True)
    paid_median = medians(paid, keyed, history.cold & ~np.isnan(node))[0]
    by_name = {key: paid_median[subject] for subject, key in enumerate(zip(*keyed.parts, strict=True))}
    clusters, models = keyed.parts[0], keyed.parts[2]
    paid_reference = np.array([by_name.get(key, np.nan) for key in zip(clusters, name, models, strict=True)])
    concerned = history.cold & ~np.isnan(node) & ~np.isnan(reference)[keyed.codes]
    spent = np.nan_to_num(node)
    saved = less(spent, reference[keyed.codes], concerned)
    money = np.where(saved > 0, np.nan_to_num(paid) - np.nan_to_num(paid_reference)[keyed.codes], 0.0)

    def told(subject: int) -> Told:
        basis = f"median of {n[subject]} starts that waited for a node of pool {name[subject]}, which has the same GPUs"
        pool = str(keyed.parts[1][subject])
        return Told(pool, int(n[subject]), basis, pool=pool)

    return Case("pool", "provision", "pool", keyed, concerned, spent, saved, money, told)


def _driver(history: History, device: np.ndarray) -> Case:
    """GPUs are offered as soon as in this cluster's fastest pool: one with the same GPUs where there is one."""
    keyed = history.keyed("cluster", "pool", "model")
    median, number = medians(device, keyed, history.cold)
    same, same_n, same_name = _best_other(keyed, median, number, same_model=True)
    any_, any_n, any_name = _best_other(keyed, median, number, same_model=False)
    reference = np.where(np.isnan(same), any_, same)
    concerned = history.cold & ~np.isnan(device)
    spent = np.nan_to_num(device)

    def told(subject: int) -> Told:
        pool = str(keyed.parts[1][subject])
        if not np.isnan(same[subject]):
            n, basis = same_n[subject], f"median of {same_n[subject]} new nodes' starts in pool {same_name[subject]}"
        elif not np.isnan(any_[subject]):
            n = any_n[subject]
            basis = f"median of {n} new nodes' starts in pool {any_name[subject]}, which has other GPUs"
        else:
            n, basis = number[subject], "no prediction: no other pool of this cluster is known to offer its GPUs sooner"
        return Told(pool, int(n), basis, pool=pool)

    saved = less(spent, reference[keyed.codes], concerned)
    return Case("driver", "device", "pool", keyed, concerned, spent, saved, saved, told)


def _best_other(
    keyed: Keyed, median: np.ndarray, number: np.ndarray, *, same_model: bool
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Per pool the lowest median of another pool of its cluster, if lower than its own; with its n and name."""
    reference, n, name = np.full(keyed.number, np.nan), np.zeros(keyed.number, dtype="int64"), [""] * keyed.number
    clusters, names, models = keyed.parts
    for subject in range(keyed.number):
        others = (clusters == clusters[subject]) & (names != names[subject]) & (median < median[subject])
        if same_model:
            others &= (models == models[subject]) & (models != "")
        if others.any():
            best = int(np.nanargmin(np.where(others, median, np.nan)))
            reference[subject], n[subject], name[subject] = median[best], number[best], str(names[best])
    return reference, n, name


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
