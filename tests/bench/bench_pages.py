"""How long each page's script takes on the demo, with 64 and with 10,000 GPUs: ``python -m tests.bench.bench_pages``.

Pages run in process through Streamlit's test harness: the script and its messages, without a browser and a network.
*cold* begins with every cache empty (what the watch stores hold is there, as it is in a running console); *sources* is
the part of it spent inside the simulated sources; *warm* is the median of further runs of the same view. *calls* counts
questions to sources. Arguments: numbers of GPUs instead of 64 and 10000.
"""

import logging
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass

import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from db import migrate
from db.work import Database
from services import runtime
from services.ports import Metrics, Sources
from tests import fakes
from tests.conftest import NOW, demo_sources

VIEWS = [
    ("overview", {}),
    ("utilisation", {}),
    ("utilisation", {"util_node": "*"}),
    ("workloads", {}),
    ("workloads", {"work_name": "*"}),
    ("headroom", {}),
    ("headroom", {"headroom_pool": "demo-west · l4-inference · L4 · nvidia.com/gpu"}),
    ("sharing", {}),
    ("sharing", {"share_pool": "demo-west/l4-notebooks", "share_layout": "time-slicing-2"}),
    ("fallback", {}),
    ("fallback", {"range": "7d"}),
    ("serving", {}),
    ("breakers", {}),
    ("fallback-edit", {}),
    ("fallback-edit", {"fallback_group": "summarise"}),
    ("audit", {}),
    ("sources", {}),
]
"""Paths with URL parameters; "*" stands for the first there is."""
WARM_RUNS = 7


@dataclass
class Timed:
    """A metrics source that adds up the time spent in it."""

    inner: Metrics
    seconds: float = 0.0

    def __getattr__(self, name: str) -> object:
        asked = getattr(self.inner, name)

        def timed(*args: object, **kwargs: object) -> object:
            began = time.perf_counter()
            try:
                return asked(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def prepared(estate: Sources) -> tuple[Sources, list[Timed]]:
    """Fresh sources over the same estate: empty memo, counters at zero."""
    sources = fakes.watched(estate)
    clocks = []
    for name in sources.clusters:
        double = fakes.metrics_of(sources, name)
        double.inner = Timed(double.inner)  # type: ignore[assignment]
        clocks.append(double.inner)
    return sources, clocks  # type: ignore[return-value]


def opening(path: str, params: dict[str, str]) -> AppTest:
    """The page, not yet run."""
    from pages.ui.shell import SECTIONS  # says that there is no server, unless logging is off by then

    at = AppTest.from_file("../../app.py", default_timeout=300)
    at.query_params.update(params)
    entry = next(entry for entries in SECTIONS.values() for entry in entries if entry.path == path)
    if not entry.default:
        at.switch_page(entry.script)
        at._page_hash = calc_hash(path)  # before the first run the harness knows files, and not what they are called
    return at


def measured(at: AppTest) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    at.run()
    took = time.perf_counter() - began
    if list(at.exception):
        raise SystemExit(f"the page failed: {at.exception[0].value}")
    return took


def first_names(estate: Sources) -> dict[str, str]:
    """The first node and workload there are, by their URL parameter."""
    source = next(iter(estate.clusters.values()))
    node = source.cluster.snapshot("nodes").objects[0].metadata.name
    from services import workloads
    from services.domain.scope import Scope

    rows = workloads.table(estate, Scope()).value
    assert rows is not None
    return {"util_node": node, "work_name": f"{rows['namespace'].iat[0]}/{rows['workload'].iat[0]}"}


def recorded(folder: str) -> Database:
    """A record without operations."""
    database = Database(f"sqlite:///{folder}/bench.sqlite3")
    migrate.upgrade(database.engine)
    return database


def main(sizes: list[int]) -> None:
    """Print the table."""
    logging.disable(logging.WARNING)
    config.set_option("runner.enforceSerializableSessionState", False)
    runtime.now = lambda: NOW
    print(f"{'page':<28}{'GPUs':>7}{'cold s':>9}{'sources s':>11}{'calls':>7}{'warm ms':>9}{'calls':>7}")
    for gpus in sizes:
        estate = demo_sources(gpus=gpus, work=recorded(tempfile.mkdtemp()))
        names = first_names(estate)
        for path, params in VIEWS:
            given = {key: names[key] if value == "*" else value for key, value in params.items()}
            st.cache_data.clear()
            sources, clocks = prepared(estate)
            with runtime.using(sources):
                at = opening(path, given)
                cold = measured(at)
                asked, inside = fakes.calls(sources).total(), sum(clock.seconds for clock in clocks)
                warm = statistics.median(measured(at) for _ in range(WARM_RUNS))
            again = fakes.calls(sources).total() - asked
            name = f"{path} {' '.join(key.rpartition('_')[2] for key in given)}"
            print(f"{name:<28}{gpus:>7}{cold:>9.2f}{inside:>11.2f}{asked:>7}{warm * 1000:>9.0f}{again:>7}", flush=True)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [64, 10_000])
