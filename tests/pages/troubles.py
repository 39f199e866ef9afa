"""Everything that can be wrong with the sources, by name: each makes the tiny estate (or the demo) ill in one way."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from services.domain.signals import Query
from services.ports import ClusterSource, Sources, StoreState
from tests import factories, fakes, tiny
from tests.conftest import NOW

LOADING, FORBIDDEN, FAILED = StoreState.LOADING, StoreState.FORBIDDEN, StoreState.FAILED


def ill(name: str = "tiny", **states: StoreState) -> Sources:
    """The tiny estate behind doubles, kinds of object in the given states ("all" for every kind)."""
    sources = fakes.watched(tiny.sources(tiny.source(name)))
    double = fakes.cluster_of(sources, name)
    double.states = {"*" if kind == "all" else kind: state for kind, state in states.items()}
    double.forgetful = True
    return sources


def without_metrics() -> Sources:
    """No metrics source in the settings."""
    return tiny.sources(tiny.source(metrics=False))


def metrics(**changes: object) -> Sources:
    """The tiny estate with a metrics source that misbehaves."""
    sources = fakes.watched(tiny.sources())
    for name, value in changes.items():
        setattr(fakes.metrics_of(sources, "tiny"), name, value)
    return sources


def estate_of(*nodes: object) -> Sources:
    """A cluster of these nodes, without pods and without a GPU that reports."""
    source = ClusterSource("tiny", fakes.HeldCluster({"nodes": nodes}, NOW), fakes.SteadyMetrics([], NOW))  # type: ignore[dict-item]
    return tiny.sources(source)


def all_nan(query: Query, frame: pd.DataFrame) -> pd.DataFrame:
    """A source whose every value is NaN."""
    return frame.assign(value=np.nan)


def half_nan(query: Query, frame: pd.DataFrame) -> pd.DataFrame:
    """Every other value NaN."""
    return frame.assign(value=frame["value"].where(np.arange(len(frame)) % 2 == 0))


def one_of_two_dead() -> Sources:
    """Cluster "alive" is well; cluster "dead" answers nothing, neither Kubernetes nor metrics."""
    both = fakes.watched(tiny.sources(tiny.source("alive"), tiny.source("dead")))
    gone = fakes.cluster_of(both, "dead")
    gone.states, gone.forgetful = {"*": FAILED}, True
    fakes.metrics_of(both, "dead").error = fakes.dead()
    return both


HALF = frozenset({"memory_used", "memory_free", "power", "temperature", "xid"})
NO_GPU_NODE = factories.node("cpu-1", labels={}, capacity={"cpu": "8"})
ZERO_GPU_NODE = factories.node("zero", labels={}, capacity={"nvidia.com/gpu": "0"})

TROUBLES: dict[str, Callable[[], Sources]] = {
    "no nodes": estate_of,
    "nodes without GPUs": lambda: estate_of(NO_GPU_NODE),
    "zero GPUs": lambda: estate_of(ZERO_GPU_NODE),
    "no clusters": lambda: replace(tiny.sources(), clusters={}),
    "metrics dead": lambda: metrics(error=fakes.dead()),
    "metrics answer nothing": lambda: metrics(silent=True),
    "half the metrics": lambda: metrics(lacks=HALF),
    "no utilisation": lambda: metrics(lacks=frozenset({"util"})),
    "only NaN": lambda: metrics(change=all_nan),
    "half NaN": lambda: metrics(change=half_nan),
    "warnings": lambda: metrics(notes=("partial response: <b>store</b> [gone](http://evil.example)",)),
    "no metrics configured": without_metrics,
    "kubernetes dead": lambda: ill(all=FAILED),
    "kubernetes loading": lambda: ill(all=LOADING),
    "kubernetes forbidden": lambda: ill(all=FORBIDDEN),
    "nodes forbidden": lambda: ill(nodes=FORBIDDEN),
    "pods forbidden": lambda: ill(pods=FORBIDDEN),
    "pods loading": lambda: ill(pods=LOADING),
    "events forbidden": lambda: ill(events=FORBIDDEN),
    "one of two clusters dead": one_of_two_dead,
}
