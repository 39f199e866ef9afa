"""Levers on what the containers do: fetching weights, loading them, being restarted."""

from collections.abc import Iterator

import numpy as np

from services.domain.startup import Phase
from services.domain.startup.changes import WORKLOAD
from services.domain.startup.whatif import ENOUGH, Case, History, Told, fastest_quarter, less, workload_of


def cases(history: History) -> Iterator[Case]:
    """The levers on the workload itself."""
    loading = history.seconds(Phase.LOAD, Phase.READINESS)
    # A streamed image is fetched while it loads, and without a probe nobody says when loading ended.
    loads = history.ready & ~history.streamed & ~history.flagged("no_readiness")
    yield _as_the_fastest(history, "cache", "download", history.seconds(Phase.DOWNLOAD), history.ready, "downloads")
    yield _as_the_fastest(history, "preload", "load", loading, loads, "loads", "model")
    yield _restarts(history)


def _as_the_fastest(
    history: History, lever: str, group: str, spent: np.ndarray, chosen: np.ndarray, noun: str, *beside: str
) -> Case:
    """A phase becomes what it takes in the fastest quarter of the same workload's starts."""
    keyed = history.keyed(*WORKLOAD, *beside)
    chosen = chosen & (spent > 0)
    reference, n = fastest_quarter(spent, keyed, chosen)
    size = np.bincount(keyed.codes[chosen], minlength=keyed.number)

    def told(subject: int) -> Told:
        where = [str(keyed.parts[len(WORKLOAD)][subject])] if beside else []
        name = workload_of(keyed, subject) + "".join(f" on {model}" for model in where if model)
        like = " on the same GPUs" if beside else ""
        basis = (
            f"no prediction: only {size[subject]} {noun} of this workload{like} are recorded"
            if np.isnan(reference[subject])
            else f"median of the fastest {n[subject]} of {size[subject]} {noun} of this workload{like}"
        )
        return Told(name, int(n[subject]), basis)

    saved = less(spent, reference[keyed.codes], chosen)
    return Case(lever, group, "workload", keyed, chosen, spent, saved, saved, told)


def _restarts(history: History) -> Case:
    """What runs that ended cost, against starts of the same workload without a restart."""
    keyed = history.keyed(*WORKLOAD)
    spent = history.seconds(Phase.RETRY)
    smooth = history.ready & history.starts["restarts"].eq(0).to_numpy(dtype=bool)
    n = np.bincount(keyed.codes[smooth], minlength=keyed.number)
    reference = np.where(n >= ENOUGH, 0.0, np.nan)
    concerned = spent > 0

    def told(subject: int) -> Told:
        known = f"{n[subject]} starts of this workload needed no restart"
        return Told(
            workload_of(keyed, subject),
            int(n[subject]),
            known if n[subject] >= ENOUGH else f"no prediction: only {known}",
        )

    saved = less(spent, reference[keyed.codes], concerned)
    return Case("restarts", "retry", "workload", keyed, concerned, spent, saved, saved, told)
