"""Collectors that are killed at random, that sleep through their lease, and two that work at once."""

import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from db import migrate
from db.work import Database
from services.jobs.tenure import LASTS
from tests.apiserver import eventually
from tests.collecting import Process, costs, kept, killed_again_and_again, process, recording
from tests.fakes import Clock

BEGIN = datetime(2026, 6, 3, 10, 55, tzinfo=UTC)
"""Within the next hour nodes come for pods and services are rolled out."""
STEP, STEPS = timedelta(seconds=20), 220
ROOT = Path(__file__).parents[2]


def migrated(url: str) -> Database:
    made = Database(url)
    migrate.upgrade(made.engine)
    return made


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = migrated(database_url)
    yield made
    made.close()


@pytest.fixture
def undisturbed(tmp_path: Path) -> Iterator[Database]:
    """What one collector records that never dies."""
    made = migrated(f"sqlite:///{tmp_path / 'undisturbed.sqlite3'}")
    clock = Clock(BEGIN)
    one = recording(made, clock, "immortal")
    for place in range(STEPS):
        clock.at = BEGIN + place * STEP
        one.tick()
    one.close()
    yield made
    made.close()


def test_collectors_killed_at_random_leave_what_one_leaves_that_never_died(
    database: Database, database_url: str, undisturbed: Database
) -> None:
    deaths = killed_again_and_again(database, database_url, BEGIN, STEPS, STEP, every=9, seed=5)
    assert deaths >= 10
    ours, theirs = kept(database, BEGIN), kept(undisturbed, BEGIN)
    assert len(theirs[0]) > 60, "there was something to record"
    assert (theirs[0]["created_at"] > BEGIN).sum() > 5
    pd.testing.assert_frame_equal(ours[0], theirs[0])
    pd.testing.assert_frame_equal(ours[1], theirs[1])
    assert ours[2] == theirs[2]
    ours_cost, theirs_cost = costs(database, BEGIN), costs(undisturbed, BEGIN)
    assert theirs_cost[1]["micro"].sum() > 0, "hours were closed"
    for own, other in zip(ours_cost, theirs_cost, strict=True):
        pd.testing.assert_frame_equal(own, other)


def test_of_two_at_once_one_works_whoever_dies_or_sleeps_and_nothing_is_lost(
    database: Database, database_url: str, undisturbed: Database
) -> None:
    """Both are told the time at once. Sometimes the one that works is killed or sleeps through its lease."""
    chance, numbers = random.Random(11), itertools.count()
    with process(database_url, "a") as one, process(database_url, "b") as other:
        workers: list[Process] = [one, other]
        asleep: dict[Process, datetime] = {}
        changes = 0
        for place in range(STEPS):
            at = BEGIN + place * STEP
            awake = [worker for worker in workers if asleep.get(worker, at) <= at]
            woken = [worker for worker in awake if asleep.pop(worker, None)]
            for worker in awake:
                worker.begin(at)
            works = [worker for worker in awake if worker.done()]
            assert len(works) <= 1
            assert not set(works) & set(woken), "who slept so long works no more"
            if works and place % 25 == 20:
                changes += 1
                (holder,) = works
                if chance.random() < 0.5:
                    asleep[holder] = at + 3 * LASTS
                else:
                    holder.kill()
                    workers[workers.index(holder)] = Process(database_url, f"c-{next(numbers)}")
        for worker in workers:
            worker.end()
    assert changes >= 6
    # Where nobody looked for half a minute, only what has a time of its own is the same.
    columns = ["uid", "outcome", "created_at", "scheduled_at", "ended_at", "total_s", "workload", "node", "cold", "usd"]
    ours, theirs = (kept(each, BEGIN)[0][columns] for each in (database, undisturbed))
    pd.testing.assert_frame_equal(ours[ours["uid"].isin(theirs["uid"])].reset_index(drop=True), theirs)
    assert len(ours) == len(theirs)


def test_the_command_records_until_it_is_told_to_end(tmp_path: Path) -> None:
    """Waits for a process to start and to end, a few seconds."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("GFC_")}
    command = [sys.executable, "-m", "services.collector"]
    file = tmp_path / "gpu-fleet-console.sqlite3"
    with subprocess.Popen(
        command, env={**given, "GFC_DATA_DIR": str(tmp_path)}, cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        database = Database(f"sqlite:///{file}")
        eventually(lambda: _looked(database), within_s=60)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
        said += running.stderr.read()
    assert "INFO services.jobs.loop: starts of GPU pods are recorded in: demo-east, demo-west" in said
    assert "Traceback" not in said
    with database() as unit:
        assert unit.leases.holder("collector") is None
        assert unit.starts.extent().number > 20
    database.close()


def _looked(database: Database) -> bool:
    with database() as unit:
        return unit.starts.mark("demo-west", "alive") is not None
