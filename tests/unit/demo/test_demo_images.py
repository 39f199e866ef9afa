"""Images on the demo's nodes: who pulls them, how long that takes, and what nodes list."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services import demo
from services.demo.scenario import load
from services.demo.starts import told
from services.demo.world import World
from services.domain.objects import Event, Node, Pod
from services.domain.startup import Phase
from services.ports import ClusterSource
from tests.conftest import Inline
from tests.fakes import Clock
from tests.unit.demo.handling import Hands

NOON = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)
CLUSTERS = ["demo-east", "demo-west"]
PULLED = re.compile(
    r'Successfully pulled image "(.*)" in (\S+) \((\S+) including waiting\)\. Image size: (\d+) bytes\.'
)
CACHED = re.compile(r'Container image "(.*)" already present on machine')
LENGTH = re.compile(r"(?:(\d+)m)?([\d.]+)(ms|s)")


def length(text: str) -> float:
    match = LENGTH.fullmatch(text)
    assert match is not None, text
    return int(match[1] or 0) * 60 + float(match[2]) / (1000 if match[3] == "ms" else 1)


def canonical(image: str) -> str:
    return image if "." in image.split("/", maxsplit=1)[0] else f"docker.io/{image}"


class Walk:
    """A cluster seen at one moment after another."""

    def __init__(self, name: str) -> None:
        self.clock = Clock(NOON)
        self.source: ClusterSource = demo.build(clock=self.clock, pool=Inline())[name]

    def back(self, hours: int, every: timedelta) -> Iterator[datetime]:
        self.clock.at = NOON - timedelta(hours=hours, minutes=10)  # at 20 and 50 nodes of bursts stand
        while self.clock.at <= NOON:
            yield self.clock.at
            self.clock.at += every

    def objects(self, kind: str) -> Any:
        return self.source.cluster.snapshot(kind).objects

    def pulls(self) -> list[tuple[Event, re.Match[str]]]:
        events = [one for one in self.objects("events") if one.reason == "Pulled"]
        return [(one, match) for one in events if (match := PULLED.fullmatch(one.message or ""))]

    def lists(self) -> dict[str, dict[str, int]]:
        """By node, sizes by name of the images it lists."""
        return {
            node.metadata.name: {name: image.size_bytes for image in node.status.images or () for name in image.names}
            for node in self.objects("nodes")
        }


def test_pulls_take_as_long_as_the_registry_needs_for_the_zone() -> None:
    # megabytes a second of registry.example.com by zone, of others everywhere; draws take 0.85 to 1.25 of size / rate
    ours = {"us-east-1a": 92, "us-east-1b": 64.4, "us-west-2a": 57.04, "us-west-2b": 57.04, "us-west-2c": 41.4}
    others = {"nvcr.io": 63, "docker.io": 41, "quay.io": 48, "ghcr.io": 55, "public.ecr.aws": 88}
    seen: dict[str, tuple[float, float]] = {}
    for name in CLUSTERS:
        walk = Walk(name)
        for _ in walk.back(48, timedelta(minutes=30)):
            zones = {
                node.metadata.name: node.metadata.labels["topology.kubernetes.io/zone"]
                for node in walk.objects("nodes")
            }
            for event, match in walk.pulls():
                zone = zones.get(event.source.host or "") if event.source else None
                took, size = length(match[2]), int(match[4])
                if zone is None or length(match[3]) > took or took < 2:
                    continue
                registry = canonical(match[1]).split("/")[0]
                rate = others.get(registry) or ours[zone]
                seen[event.metadata.uid] = (took, size / 1e6 / rate)
    assert len(seen) > 40
    for took, plain in seen.values():
        assert 0.85 * plain - 1 <= took <= 1.25 * plain + 1


def test_what_nodes_list_agrees_with_what_was_pulled() -> None:
    pulled = cached = 0
    for name in CLUSTERS:
        walk = Walk(name)
        before: dict[str, dict[str, int]] = {}
        earlier = NOON
        for at in walk.back(14, timedelta(minutes=5)):
            lists = walk.lists()
            for event in walk.objects("events"):
                node = event.source.host if event.source else None
                done = event.last_timestamp
                if event.reason != "Pulled" or node not in lists or done <= earlier.replace(second=0):
                    continue
                if match := PULLED.fullmatch(event.message):
                    image = canonical(match[1])
                    assert lists[node][image] == int(match[4])
                    repeated = length(match[3]) > length(match[2]) or length(match[2]) < 2
                    if node in before and not repeated:
                        assert image not in before[node]
                    pulled += 1
                elif match := CACHED.fullmatch(event.message):
                    assert canonical(match[1]) in lists[node] or "pause" in match[1]
                    cached += 1
            before, earlier = lists, at
    assert pulled > 10
    assert cached > 40


def test_nodes_list_the_largest_images_first_and_at_most_fifty() -> None:
    for name in CLUSTERS:
        nodes: list[Node] = Walk(name).objects("nodes")
        for node in nodes:
            images = node.status.images or []
            sizes = [image.size_bytes or 0 for image in images]
            assert sizes == sorted(sizes, reverse=True)
            assert 3 <= len(images) <= 50
            digests = [image.names[0] for image in images if image.names and len(image.names) == 2]
            assert all(re.search(r"@sha256:[0-9a-f]{64}$", digest) for digest in digests)
        gpu = [node for node in nodes if (node.status.capacity or {}).get("nvidia.com/gpu", "0") != "0"]
        assert all(any("dcgm-exporter" in str(image.names) for image in node.status.images or ()) for node in gpu)


def test_a_second_pod_of_an_image_waits_for_the_pull_of_the_first() -> None:
    walk = Walk("demo-west")
    walk.clock.at = datetime(2026, 12, 8, 9, 30, tzinfo=UTC)
    waited = [(e, m) for e, m in walk.pulls() if length(m[3]) - length(m[2]) > 5]
    assert waited
    for event, match in waited:
        assert length(match[2]) <= 1.0
        first = [
            (one, other)
            for one, other in walk.pulls()
            if one.source == event.source and other[1] == match[1] and length(other[2]) > 10
        ]
        assert len(first) == 1
        assert (event.first_timestamp - first[0][0].first_timestamp) == timedelta(seconds=1)  # type: ignore[operator]
        site = World().sites["demo-west"]
        end = int(walk.clock.at.timestamp())
        steps = told(site, end - 3600, end)[event.involved_object.uid]
        waits = [until - begin for phase, begin, until in steps if phase is Phase.PULL_WAIT]
        assert waits == [pytest.approx(length(match[3]) - length(match[2]), abs=1.1)]


def test_an_image_that_is_always_asked_for_is_only_looked_up() -> None:
    walk = Walk("demo-east")
    walk.clock.at = datetime(2026, 12, 9, 12, 20, tzinfo=UTC)
    pods: dict[str, Pod] = {pod.metadata.uid: pod for pod in walk.objects("pods")}
    found = [m for e, m in walk.pulls() if pods[e.involved_object.uid].metadata.name.startswith("regression-suite")]
    assert len(found) == 3
    assert all(length(match[2]) <= 1.0 for match in found)
    (suite, *_) = [pod for pod in pods.values() if pod.metadata.name.startswith("regression-suite")]
    assert suite.spec.containers[0].image_pull_policy == "Always"


@pytest.mark.parametrize("days", range(0, 40, 3))
def test_images_of_at_least_two_workloads_changed_in_the_last_month(days: int) -> None:
    now = int((NOON + timedelta(days=days)).timestamp())
    changed = set()
    for site in World().sites.values():
        for work in site.works:
            for age in range(0, 30 * 86400, 43200):
                before, after = (site.recipes.run_by(work.index, now - age - back) for back in (43200, 0))
                if before != after:
                    sizes = [site.recipes.size(*one) for one in (before, after)]
                    changed.add((work.name, sizes[1] > 1.2 * sizes[0]))
    assert {name for name, bigger in changed if bigger} >= {"chat-8b", "clip-search", "tts"}
    assert {name for name, bigger in changed if not bigger} >= {"chat-8b", "clip-search", "tts"}


def test_a_larger_image_makes_the_slowest_starts_of_two_workloads_slower() -> None:
    world, end = World(), int(NOON.timestamp())
    totals: dict[tuple[str, str], list[int]] = {}
    for site in world.sites.values():
        pods = site.pods(end - 28 * 86400, end)
        names = {work.index: work.plan.name for work in site.works}
        for work, created, ready, ended in zip(
            pods.work.tolist(), pods.created.tolist(), pods.ready.tolist(), pods.ended.tolist(), strict=True
        ):
            if names[work] in ("chat-8b", "clip-search") and end - 28 * 86400 < created and ready < min(end, ended):
                image = site.recipes.name(*site.recipes.run_by(work, created))
                totals.setdefault((names[work], image), []).append(ready - created)
    for name in ("chat-8b", "clip-search"):
        large = {plan.name: plan for plan in load("everyday").images}
        assert len(large["chat-serve"].gb) == len(large["clip-search"].gb) == 2
        p95 = sorted(np.percentile(values, 95) for (of, _), values in totals.items() if of == name and len(values) > 40)
        assert len(p95) >= 2
        assert p95[-1] > 1.2 * p95[0]


def test_releases_of_a_deployment_come_with_its_rollouts() -> None:
    walk = Walk("demo-west")
    names: dict[str, set[str]] = {}
    for _ in walk.back(24 * 21, timedelta(hours=6)):
        for pod in walk.objects("pods"):
            if pod.metadata.name.startswith("chat-8b-"):
                names.setdefault(pod.metadata.owner_references[0].name, set()).add(pod.spec.containers[0].image)
    assert len(names) >= 3
    assert all(len(images) == 1 for images in names.values())
    assert len({image for images in names.values() for image in images}) == 2


def test_what_a_replay_pulled_is_listed_and_found_again() -> None:
    hands = Hands()
    hands.headroom(2)
    pulled: dict[str, list[str]] = {}
    for minutes in range(0, 12 * 60, 20):
        hands.clock.at = datetime(2026, 6, 3, 10, 30, 30, tzinfo=UTC) + timedelta(minutes=minutes)
        lists = {
            node.metadata.name: {name for image in node.status.images or () for name in image.names or ()}
            for node in hands["east"].cluster.snapshot("nodes").objects
            if isinstance(node, Node)
        }
        for event in hands["east"].cluster.snapshot("events").objects:
            if isinstance(event, Event) and event.reason == "Pulled" and "clip-search:" in (event.message or ""):
                node = event.source.host if event.source else None
                if node in lists:
                    image = (PULLED.fullmatch(event.message or "") or CACHED.fullmatch(event.message or ""))[1]  # type: ignore[index]
                    assert image in lists[node]
                    said = pulled.setdefault(node, [])
                    if event.metadata.uid not in said:
                        said.append(event.metadata.uid)
    # each node is kept for starts to come, so a start or two finds the image that another one pulled
    assert max(len(said) for said in pulled.values()) > 1
