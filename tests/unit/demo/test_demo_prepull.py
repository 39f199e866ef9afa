"""What DaemonSets pull in the demo, and that later starts find it."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from services.actions.prepull_images import PrepullParams
from services.demo.imagestore import Fetched
from services.demo.moment import Moment
from services.demo.reaction import seen
from services.demo.starts import Step, told
from services.demo.world import World
from services.domain.prepull import NAMESPACE
from services.domain.startup import Phase
from tests import proving
from tests.unit.demo.handling import MORNING, Hands
from tests.unit.demo.prepulling import AWS, CHAT, GONE, NOT_FOUND, PULLED, ROLLOUT, VIDEO, Pulling, spent, state


@pytest.fixture
def hands() -> Pulling:
    return Pulling()


# -- pulls -----------------------------------------------------------------------------------------------------------


def test_a_pull_takes_as_long_as_size_and_registry_say(hands: Pulling) -> None:
    zones = {
        node.metadata.name: node.metadata.labels["topology.kubernetes.io/zone"]
        for node in hands["east"].cluster.snapshot("nodes").objects
    }
    listed = {node for node, images in hands.lists().items() if VIDEO in images}
    hands.keep(VIDEO)
    hands.wait(minutes=5)
    pulls = {}
    for event in hands.said("Pulled"):
        match = PULLED.fullmatch(event.message)
        if match and match[1] == VIDEO:
            pulls[event.source.host] = int(match[2] or 0) * 60 + float(match[3])
            assert 11_300_000_000 <= int(match[4]) < 11_310_000_000
    assert set(pulls) == set(hands.gpu_nodes("east", "t4-spot")) - listed
    assert len(pulls) == 4
    for node, took in pulls.items():
        # 11.3 GB at 92 MB/s, or 0.7 of that in zone b; draws take 0.85 to 1.25 of it
        plain = 122.8 if zones[node] == "us-east-1a" else 175.5
        assert 0.85 * plain - 1 <= took <= 1.25 * plain + 1
    there = {
        e.source.host
        for e in hands.said("Pulled")
        if e.message == f'Container image "{VIDEO}" already present on machine'
    }
    assert there == listed & set(hands.gpu_nodes("east", "t4-spot"))


def test_a_node_lists_what_was_pulled_from_then_on(hands: Pulling) -> None:
    node = hands.gpu_nodes("east", "t4-spot")[1]
    hands.keep(VIDEO)
    for _ in range(150):
        hands.wait(seconds=2)
        pod = hands.own().get(node)
        done = pod is not None and state((pod.status.init_container_statuses or [])[1]) == "ended 0"
        listed = hands.lists()[node]
        assert VIDEO in listed or not done
        if VIDEO in listed:
            break
    images = next(n for n in hands["east"].cluster.snapshot("nodes").objects if n.metadata.name == node).status.images
    sizes = [one.size_bytes for one in images or ()]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) <= 50
    assert listed["docker.io/library/busybox:1.37.0-musl"] > 2_000_000


def test_a_pull_that_began_is_not_lost_with_its_pod(hands: Pulling) -> None:
    hands.keep(VIDEO)
    hands.wait(seconds=30)
    cluster = hands["east"].cluster
    cluster.delete(hands.kept(), expected=cluster.read(hands.kept()).version)
    hands.wait(minutes=5)
    assert hands.own() == {}
    assert all(VIDEO in hands.lists()[node] for node in hands.gpu_nodes("east", "t4-spot"))


def test_an_image_of_no_registry_is_not_found(hands: Pulling) -> None:
    hands.keep(GONE)
    hands.wait(minutes=4)  # looked at 210 s after
    for pod in hands.own().values():
        tool, pull = pod.status.init_container_statuses or []
        assert (state(tool), state(pull), pod.status.phase) == ("ended 0", "waits: ImagePullBackOff", "Pending")
        assert pull.state.waiting.message == f'Back-off pulling image "{GONE}": ErrImagePull: {NOT_FOUND}'  # type: ignore[union-attr]
    failed = [e for e in hands.said("Failed") if "code = NotFound" in e.message]
    assert {(e.message, e.type) for e in failed} == {(f'Failed to pull image "{GONE}": {NOT_FOUND}', "Warning")}
    # the first pull fails within ten seconds, the others 11, 32, 73, 154 and 315 s after it
    assert {e.count for e in failed} == {5}
    assert {e.message for e in hands.said("BackOff")} == {f'Back-off pulling image "{GONE}"'}
    assert hands.status().get("numberAvailable", 0) == 0
    hands.change(AWS)
    hands.wait(seconds=30)
    assert hands.status()["numberAvailable"] == 8, "pods that are not ready are replaced at once"


def test_a_release_can_be_pulled_a_day_before_it_is_rolled_out() -> None:
    hands = Pulling()
    hands.clock.at = ROLLOUT - timedelta(hours=24, minutes=10)
    hands.keep(CHAT, cluster="west")
    hands.wait(minutes=9)
    assert all(
        state((pod.status.init_container_statuses or [])[1]).startswith("waits: ImagePull")
        for pod in hands.own("west").values()
    )
    hands.wait(minutes=15)  # the longest pause is five minutes, the slowest pull 13.1 GB at 41.4 MB/s: 6.6 min
    assert all(pod.status.phase == "Running" for pod in hands.own("west").values())
    assert all(CHAT in hands.lists("west")[node] for node in hands.gpu_nodes("west", "l4-inference"))


def test_an_image_is_the_same_by_its_digest(hands: Pulling) -> None:
    holder = next(node for node in hands["east"].cluster.snapshot("nodes").objects if VIDEO in str(node.status.images))
    digest = next(one.names[0] for one in holder.status.images if VIDEO in one.names)
    hands.keep(digest)
    hands.wait(minutes=5)
    assert all(VIDEO in hands.lists()[node] for node in hands.gpu_nodes("east", "t4-spot"))


# -- later starts ----------------------------------------------------------------------------------------------------


def rolled_out(hands: Pulling) -> list[list[Step]]:
    return hands.starts("west", "chat-8b", ROLLOUT - timedelta(minutes=1), ROLLOUT + timedelta(minutes=59))


def test_starts_find_what_was_pulled_ahead() -> None:
    plain, kept = rolled_out(Pulling()), Pulling()
    kept.clock.at = ROLLOUT - timedelta(hours=1)
    kept.keep(CHAT, cluster="west")
    faster = rolled_out(kept)
    assert len(plain) == len(faster) > 5
    # one pod on each of two nodes pulled; one that came four minutes after the first waited for the end of its pull
    assert sorted(spent(plain, Phase.PULL))[-3:] == [1, 220, 272]
    assert sum(spent(plain, Phase.PULL_WAIT)) == 5
    assert sum(spent(faster, Phase.PULL, Phase.PULL_WAIT)) == 0
    same = (Phase.SETUP, Phase.DOWNLOAD, Phase.LOAD, Phase.READINESS)
    assert spent(plain, *same) == spent(faster, *same)
    events = [e for e in kept["west"].cluster.snapshot("events").objects if CHAT in (e.message or "")]
    by_chat = [e.message for e in events if e.involved_object.name.startswith("chat-8b")]
    assert set(by_chat) == {f'Container image "{CHAT}" already present on machine'}


def test_what_was_before_the_write_stays_as_it_was() -> None:
    hands = Pulling()
    hands.clock.at = ROLLOUT + timedelta(minutes=2)  # the first pod of the release is pulling
    begin, end = (int((ROLLOUT + timedelta(minutes=m)).timestamp()) for m in (-120, 2))
    before = told(hands.world().sites["demo-west"], begin, end)
    hands.keep(CHAT, AWS, cluster="west")
    hands.wait(hours=3)
    assert told(hands.world().sites["demo-west"], begin, end) == before


@pytest.mark.parametrize("earlier", [{"headroom"}, set()])
def test_the_time_before_the_write_can_be_asked_about(hands: Pulling, earlier: set[str]) -> None:
    if earlier:
        hands.headroom(1)
        hands.wait(hours=5)
    at = hands.clock.at
    hands.keep(VIDEO)
    hands.wait(minutes=1)
    plain, long_ago = World().sites["demo-east"], int((MORNING - timedelta(days=20)).timestamp())
    for until in (long_ago, int((at - timedelta(hours=2)).timestamp())):
        assert seen(hands.world().sites["demo-east"], until).daemons is None
    past, now = hands.world().sites["demo-east"], long_ago
    assert Moment(seen(past, now), now).pods == Moment(plain, now).pods


def test_pods_wait_for_the_pull_that_came_first() -> None:
    hands = Pulling()
    # the second pod's turn: the first is pulling on the same node since a minute after the rollout began
    hands.clock.at = ROLLOUT + timedelta(minutes=2)
    hands.keep(CHAT, cluster="west")
    hands.clock.at = ROLLOUT + timedelta(minutes=14)
    pulls = [
        (e, PULLED.fullmatch(e.message))
        for e in hands["west"].cluster.snapshot("events").objects
        if e.reason == "Pulled"
    ]
    hosts: dict[str, list[float]] = {}
    for event, match in pulls:
        if match and match[1] == CHAT:
            hosts.setdefault(event.source.host, []).append(int(match[2] or 0) * 60 + float(match[3]))
    assert sorted(hosts) == sorted(hands.gpu_nodes("west", "l4-inference"))
    for took in hosts.values():
        assert sum(seconds > 10 for seconds in took) == 1, "one pull brings it to the node"


def test_a_pod_whose_init_image_is_there_wants_its_own_sooner() -> None:
    site, at = World().sites["demo-east"], int(MORNING.timestamp())
    video = next(work for work in site.works if work.plan.name == "video-embed")
    image, init = (np.array([numbers[video.index]]) for numbers in (site.recipes.image, site.recipes.init_image))
    fixed = np.zeros(1, np.int64)
    slots = [node.index for node in site.estate.nodes if node.pool.name == "t4-spot" and node.gap_s]
    assert len(slots) == 2  # nodes that are replaced every five days
    before = {}
    for slot in slots:
        node = fixed + slot
        gen = site.store.generation(node, fixed + at)
        before[slot] = [site.store.first(role, node, gen, one, fixed) for role, one in ((0, init), (1, image))]
    first_init, first_own = before[slots[0]]
    node = fixed + slots[0]
    gen = site.store.generation(node, fixed + at)
    place = (slots[0], int(gen[0]), int(init[0]), 0)
    wanted = int(first_init.wanted[0])
    store = site.store.having({place: Fetched(wanted - 60, wanted - 55)})
    sooner = store.first(1, node, gen, image, fixed)
    # the pull of the init image, a second or more, is all it saves
    saved = int(first_init.there[0]) - wanted
    assert saved > 0
    assert (sooner.lane[0], sooner.wanted[0]) == (first_own.lane[0], first_own.wanted[0] - saved)
    other, gen = fixed + slots[1], site.store.generation(fixed + slots[1], fixed + at)
    assert store.first(1, other, gen, image, fixed) == before[slots[1]][1]
    assert site.store.first(1, node, site.store.generation(node, fixed + at), image, fixed) == first_own


def test_pods_of_a_pool_people_changed_find_them_too() -> None:
    ends = {}
    for kept in (False, True):
        hands = Pulling()
        hands.headroom(1)
        site = hands.world().sites["demo-east"]
        work = next(work for work in site.works if work.name == "clip-search")
        clip = site.recipes.name(*site.recipes.run_by(work.index, int(MORNING.timestamp())))
        if kept:
            hands.keep(clip)
        begin = datetime(2026, 6, 3, 11, 0, tzinfo=UTC)
        ends[kept] = hands.starts("east", "clip-search", begin, begin + timedelta(minutes=20))
    assert len(ends[False]) == len(ends[True]) == 1
    assert spent(ends[False], Phase.PULL)[0] > 30
    assert spent(ends[True], Phase.PULL, Phase.PULL_WAIT) == [0]


def test_a_pool_that_is_changed_later_keeps_its_past() -> None:
    hands, end = Pulling(), ROLLOUT + timedelta(minutes=30)
    hands.clock.at = ROLLOUT - timedelta(hours=1)
    hands.keep(CHAT, AWS, cluster="west")
    begin, until = int((ROLLOUT - timedelta(minutes=1)).timestamp()), int(end.timestamp())
    before = told(hands.world().sites["demo-west"], begin, until)
    assert sum(spent(list(before.values()), Phase.PULL)) < sum(
        spent(list(told(World().sites["demo-west"], begin, until).values()), Phase.PULL)
    )
    hands.clock.at = end
    hands.patch(
        hands.ref("west", "Node", hands.gpu_nodes("west", "l4-inference")[0]), {"spec": {"unschedulable": True}}
    )
    hands.wait(hours=1)
    assert told(hands.world().sites["demo-west"], begin, until) == before


def test_two_processes_that_read_the_same_journal_agree() -> None:
    hands = Pulling()
    hands.keep()
    hands.wait(seconds=15)
    hands.change(VIDEO, AWS)
    hands.headroom(1)
    hands.wait(hours=3)
    for name, kind in itertools.product(("east", "west"), ("pods", "nodes", "events", "daemonsets")):
        other = Hands(clock=hands.clock, journal=hands.journal)
        assert other[name].cluster.snapshot(kind).objects == hands[name].cluster.snapshot(kind).objects
    early, late = hands.world().sites["demo-east"], hands.world().sites["demo-east"]
    now = int(hands.clock.at.timestamp())
    seen(late, now + 86400)
    assert told(early, now - 7200, now) == told(late, now - 7200, now), "what comes later changes nothing"


# -- the action ------------------------------------------------------------------------------------------------------


def test_the_action_makes_later_starts_faster_and_can_be_taken_back(tmp_path: Path) -> None:
    with proving.bench("demo", tmp_path) as bench:
        bench.clock.now = ROLLOUT - timedelta(hours=2)
        engine, cluster = bench.engine(), bench.sources.clusters["demo-west"].cluster
        want = PrepullParams("demo-west", "l4-inference", (CHAT,))
        operation = bench.operation(bench.applied(engine, bench.plan(engine, "prepull-images", want)))
        assert (operation.state, operation.verification) == ("done", "3 of 3 nodes have chat-serve:1.37.0.")
        assert bench.clock.now < ROLLOUT
        assert bench.journal is not None
        site = World(journal=bench.journal).sites["demo-west"]
        end = ROLLOUT + timedelta(hours=1)
        steps = told(site, int((ROLLOUT - timedelta(minutes=1)).timestamp()), int(end.timestamp()))
        bench.clock.now = end
        chat = [pod for pod in cluster.snapshot("pods").objects if pod.metadata.name.startswith("chat-8b")]
        faster = [steps[pod.metadata.uid] for pod in chat if pod.metadata.uid in steps]
        assert len(faster) > 5
        assert sum(spent(faster, Phase.PULL, Phase.PULL_WAIT)) == 0

        undone = bench.taken_back(engine, operation.id)
        assert undone.state == "done", undone.outcome
        bench.wait(10)
        assert not [pod for pod in cluster.snapshot("pods").objects if pod.metadata.namespace == NAMESPACE]
        assert NAMESPACE not in [one.metadata.name for one in cluster.snapshot("namespaces").objects]
        holders = [node for node in cluster.snapshot("nodes").objects if CHAT in str(node.status.images)]
        assert len(holders) == 3


def test_the_action_says_that_an_image_does_not_exist(tmp_path: Path) -> None:
    with proving.bench("demo", tmp_path) as bench:
        engine = bench.engine()
        want = PrepullParams("demo-east", "t4-spot", (GONE,))
        operation = bench.operation(bench.applied(engine, bench.plan(engine, "prepull-images", want)))
        assert (operation.state, operation.outcome) == ("failed", "It was applied and did not take effect.")
        assert f'Back-off pulling image "{GONE}": ErrImagePull: rpc error: code = NotFound' in operation.verification
