"""Collectors in processes of their own, for tests that end them: each does what is due when it is told the time.

They record the demo, whose past and present are the same for all of them; the database is what they share.
"""

import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

import pandas as pd

from db.work import Database
from services import demo
from services.jobs.loop import Collector
from services.jobs.tenure import LASTS, LEASE
from services.ports import Sources
from tests.conftest import Inline
from tests.fakes import Clock

KEEP = timedelta(days=400)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


def recording(database: Database, clock: Clock, holder: str) -> Collector:
    """A collector of the demo at the clock's time."""
    estate = demo.build(clock=clock, pool=Inline())
    return Collector(Sources("demo", estate, clock, Inline(), work=database), keep=KEEP, holder=holder)


def _serve(told: Connection, url: str, holder: str) -> None:
    database = Database(url)
    clock: Clock | None = None
    collector: Collector | None = None
    while True:
        at = told.recv()
        if at is None:
            if collector is not None:
                collector.close()
            told.send(False)
            return
        if clock is None:
            clock = Clock(at)
            collector = recording(database, clock, holder)
        assert collector is not None
        clock.at = at
        collector.tick()
        told.send(collector.works)


@contextmanager
def _no_script() -> Iterator[None]:
    """A new process reads the main module again; after a test of pages that is the app's script."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Process:
    """A collector in a process of its own."""

    def __init__(self, url: str, holder: str) -> None:
        self.url, self.holder = url, holder
        self._ours, theirs = _FORKS.Pipe()
        self._process = _FORKS.Process(target=_serve, args=(theirs, url, holder), daemon=True)
        with _no_script():
            self._process.start()
        theirs.close()

    def begin(self, at: datetime) -> None:
        """Tell it the time; it does what is due."""
        self._ours.send(at)

    def done(self) -> bool:
        """Wait until it has; whether it holds the lease."""
        works: bool = self._ours.recv()
        return works

    def tick(self, at: datetime) -> bool:
        """Both."""
        self.begin(at)
        return self.done()

    def kill(self) -> None:
        """End it wherever it is."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join(20)
        self._ours.close()

    def end(self) -> None:
        """Let it end in order."""
        self._ours.send(None)
        self.done()
        self._process.join(20)
        self._ours.close()


@contextmanager
def process(url: str, holder: str) -> Iterator[Process]:
    found = Process(url, holder)
    try:
        yield found
    finally:
        if found._process.is_alive():
            found.kill()


def killed_again_and_again(
    database: Database, url: str, begin: datetime, steps: int, step: timedelta, *, every: int, seed: int
) -> int:
    """Record with processes that are killed at random, about one in so many steps; how many were.

    The cluster waits for the next process: what the one before did not write, the next can still see.
    """
    chance, deaths = random.Random(seed), 0
    one = Process(url, "p-0")
    for place in range(steps):
        at = begin + place * step
        while True:
            one.begin(at)
            if chance.randrange(every):
                one.done()
                break
            time.sleep(chance.random() * 0.04)
            one.kill()
            deaths += 1
            run_out(database, at)
            one = Process(url, f"p-{deaths}")
    one.end()
    return deaths


def run_out(database: Database, at: datetime) -> None:
    """Have so much time pass for the lease that it is free, and none for the cluster."""
    later = at + 2 * LASTS
    with database() as unit:
        unit.leases.take(LEASE, "nobody", until=later + LASTS, now=later)
        unit.leases.release(LEASE, "nobody")
        unit.commit()


def kept(database: Database, begin: datetime) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Everything recorded since: starts that are over, all pulls of these, and the starts in full."""
    with database() as unit:
        starts = unit.starts.window(begin - KEEP, begin + KEEP)
        over = starts[starts["outcome"] != "starting"].reset_index(drop=True)
        pulls = unit.starts.pulls(begin - KEEP, begin + KEEP)
        pulls = pulls[pulls["uid"].isin(over["uid"])].reset_index(drop=True)
        whole = {
            uid: unit.starts.detail(cluster, uid) for cluster, uid in zip(over["cluster"], over["uid"], strict=True)
        }
    return over, pulls, whole


def costs(database: Database, begin: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Facts of the hours that are closed, and what they must sum to."""
    with database() as unit:
        facts = unit.costs.hours(begin - KEEP, begin + KEEP)
        controls = unit.costs.controls(begin - KEEP, begin + KEEP).drop(columns="closed_at")
    return facts.sort_values(list(facts.columns), ignore_index=True), controls
