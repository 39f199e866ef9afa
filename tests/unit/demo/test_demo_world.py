import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from services.demo.holds import holds
from services.demo.metrics import DemoMetrics
from services.demo.world import World
from services.domain.signals import UNIT_KEY, Query
from services.domain.window import Window, ending
from services.errors import WrongSetting

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)

FINGERPRINT = "c7041570fec7ee9a20d77f54e0fee086"


def fingerprint(world: World) -> str:
    """Hash of six hours of every unit's utilisation and of its owners."""
    digest = hashlib.sha256()
    for site in world.sites.values():
        metrics = DemoMetrics(site, lambda: NOON)
        for by in (UNIT_KEY, ("gpu", "instance", "namespace", "pod")):
            frame = metrics.range(Query("util", by), ending(NOON, "6h")).frame.sort_values([*by, "at"])
            digest.update(frame.to_csv(index=False, float_format="%.4f").encode())
    return digest.hexdigest()[:32]


def test_history_is_the_same_in_every_process() -> None:
    code = (
        "import runpy; from services.demo.world import World;"
        f"print(runpy.run_path({str(Path(__file__))!r})['fingerprint'](World()))"
    )
    seen = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        seen.add(run.stdout.strip())
    assert seen == {FINGERPRINT}


def test_another_seed_is_another_history() -> None:
    assert fingerprint(World(seed=8)) != FINGERPRINT


def test_history_does_not_change_when_it_is_asked_again_later() -> None:
    window = ending(NOON, "24h")
    for name in ("demo-east", "demo-west"):
        first = DemoMetrics(World().sites[name], lambda: NOON).range(Query("util", UNIT_KEY), window).frame
        later = DemoMetrics(World().sites[name], lambda: NOON + timedelta(days=3)).range(
            Query("util", UNIT_KEY), window
        )
        assert first.equals(later.frame)


def test_a_moment_reads_the_same_alone_and_within_a_range() -> None:
    metrics = DemoMetrics(World().sites["demo-west"], lambda: NOON)
    window = ending(NOON, "24h")
    query = Query("util", UNIT_KEY)
    ranged = metrics.range(query, window).frame
    at = window.start + 200 * window.step
    part = ranged[ranged["at"] == at].drop(columns="at").sort_values(list(UNIT_KEY), ignore_index=True)
    alone = metrics.instant(query, at).frame.sort_values(list(UNIT_KEY), ignore_index=True)
    assert part.equals(alone)


def test_nothing_is_known_of_the_future() -> None:
    metrics = DemoMetrics(World().sites["demo-east"], lambda: NOON)
    query = Query("util", ("node",))
    assert metrics.instant(query, NOON + timedelta(minutes=1)).frame.empty
    ahead = Window(NOON.replace(minute=0, second=0), NOON.replace(hour=17, minute=0, second=0), timedelta(minutes=30))
    assert metrics.range(query, ahead).frame["at"].max() == NOON.replace(minute=30, second=0)


def test_a_slot_is_never_held_by_two_pods_in_thirty_days() -> None:
    end = int(NOON.timestamp())
    for site in World().sites.values():
        begin = end - 30 * 86400
        held = holds(site, site.roster(begin, end), site.pods(begin, end))
        order = np.lexsort((held.start, held.replica, held.unit))
        unit, replica, start, ended = (values[order] for values in (held.unit, held.replica, held.start, held.end))
        same = (unit[1:] == unit[:-1]) & (replica[1:] == replica[:-1])
        assert len(held) > 1000
        assert (start[1:][same] >= ended[:-1][same]).all()


def test_a_pod_holds_a_gpu_only_once() -> None:
    end = int(NOON.timestamp())
    for site in World().sites.values():
        roster, pods = site.roster(end, end), site.pods(end, end)
        held = holds(site, roster, pods)
        pairs = set(zip(held.pod.tolist(), roster.unit_gpu[held.unit].tolist(), strict=True))
        assert len(pairs) == len(held)


def test_history_has_pods_that_are_gone() -> None:
    end = int(NOON.timestamp())
    site = World().sites["demo-east"]
    past = site.pods(end - 30 * 86400, end)
    assert (past.gone < end).sum() > 500


def test_requests_follow_the_day() -> None:
    world = World()
    found = {work.name: (site, work) for site, work in world.services()}
    assert set(found) == {"chat-70b", "chat-8b", "embed"}
    site, work = found["chat-8b"]
    day = int(datetime(2026, 12, 9, tzinfo=UTC).timestamp())
    rates = site.requests(work, np.arange(day, day + 86400, 600))
    # peak 64 requests a second at 21:00 UTC, 14 % of it at 09:00, each within 17 %
    assert rates[21 * 6] == pytest.approx(64.0, rel=0.18)
    assert rates[9 * 6] == pytest.approx(64.0 * 0.14, rel=0.18)


def test_a_larger_estate_repeats_the_tile_and_fills_the_rest() -> None:
    for wanted in (64, 128, 141, 1000):
        world = World(gpus=wanted)
        stay = 0
        for site in world.sites.values():
            stay += sum(not site.estate.nodes[node].burst for node in site.estate.gpu_node.tolist())
        assert stay == wanted
    small, large = World().sites["demo-east"], World(gpus=200).sites["demo-east"]
    assert large.roster(0, 0).gpu_uuids[0] == small.roster(0, 0).gpu_uuids[0]
    assert len(large.works) > 2 * len(small.works)


def test_impossible_estates_are_refused_in_a_sentence() -> None:
    with pytest.raises(WrongSetting, match="at least 64 GPUs; 10 were asked for"):
        World(gpus=10)
    with pytest.raises(WrongSetting, match="no demo scenario 'mars'"):
        World("mars")
