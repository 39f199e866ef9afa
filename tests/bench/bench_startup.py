"""What a month of recorded starts costs to write, to read and to show: ``python -m tests.bench.bench_startup``.

Thirty days of 2,000 starts a day (an argument gives another number a day), made by :mod:`tests.bench.startsynth`,
recorded by the ordinary repository, in SQLite and in PostgreSQL where it is installed. *written* are rows a second,
with their details and pulls, in transactions of 1,000. *read* is the window with its pulls as frames. *cold* is the
first run of the page's script with nothing cached, *warm* the median of further ones, in Streamlit's test harness.
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from db import migrate
from db.work import Database
from services import runtime
from services.domain.window import RANGES
from services.ports import Sources
from tests import needs, postgresql
from tests.bench import startsynth
from tests.conftest import NOW, demo_sources

WARM_RUNS = 7
_DAYS = 30


@contextmanager
def databases() -> Iterator[dict[str, Database]]:
    """An empty database of each kind there is."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"SQLite": f"sqlite:///{folder / 'bench.sqlite3'}"}
        try:
            needs.need("postgres")
        except BaseException as missing:  # noqa: BLE001 - pytest's skip is one
            print(f"without PostgreSQL: {missing}")
        else:
            socket = stack.enter_context(postgresql.server())
            with psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True) as admin:
                admin.execute("CREATE DATABASE bench")
            urls["PostgreSQL"] = f"postgresql+psycopg://postgres@/bench?host={socket}"
        made = {name: Database(url) for name, url in urls.items()}
        for database in made.values():
            stack.callback(database.close)
            migrate.upgrade(database.engine)
        yield made


def took(what: object) -> float:
    """Seconds a call takes."""
    began = time.perf_counter()
    what()  # type: ignore[operator]
    return time.perf_counter() - began


def shown(sources: Sources, script: str = "pages/observe/startup.py", **params: str) -> tuple[float, float]:
    """Seconds of the page's first run and of a usual further one."""
    st.cache_data.clear()
    at = AppTest.from_file("../../app.py", default_timeout=300)
    at.query_params.update(params)
    at.switch_page(script)
    with runtime.using(sources):
        cold = took(at.run)
        warm = statistics.median(took(at.run) for _ in range(WARM_RUNS))
    if list(at.exception):
        raise SystemExit(f"the page failed: {at.exception[0].value}")
    return cold, warm


def main(per_day: int) -> None:
    """Print the tables."""
    logging.disable(logging.WARNING)
    config.set_option("runner.enforceSerializableSessionState", False)
    runtime.now = lambda: NOW
    found = list(startsynth.month(NOW, days=_DAYS, per_day=per_day))
    uid = f"{found[-1][0]}/{found[-1][1].uid}"
    with databases() as made:
        for name, database in made.items():
            writing = took(lambda database=database: startsynth.fill(database, iter(found), NOW))
            print(f"{name}: {len(found):,} starts, {len(found) / writing:,.0f} rows/s written")
            for range_name in ("24h", "7d", "30d"):
                begin = NOW - RANGES[range_name]
                with database.reading() as unit:
                    reading = took(
                        lambda unit=unit, begin=begin: (
                            unit.starts.window(begin, NOW + timedelta(seconds=1)),
                            unit.starts.pulls(begin, NOW + timedelta(seconds=1)),
                        )
                    )
                cold, warm = shown(demo_sources(work=database), range=range_name)
                print(f"  {range_name:>4}: read {reading:6.2f} s, page cold {cold:6.2f} s, warm {warm * 1000:5.0f} ms")
            cold, warm = shown(demo_sources(work=database), start=uid)
            print(f"  one start: page cold {cold:6.2f} s, warm {warm * 1000:5.0f} ms", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
