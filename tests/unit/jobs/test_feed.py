"""What changed in the stores since the last look."""

from datetime import timedelta

import pytest

from services.jobs.feed import LOST_AFTER, NEEDED, Feed
from services.ports import StoreState
from tests.factories import NOW, node, pod, refused
from tests.unit.jobs.watched import Shown

SOON = NOW + timedelta(seconds=5)


def test_the_first_look_sees_everything_and_the_next_only_what_changed():
    cluster = Shown()
    one, two, here = pod("a"), pod("b"), node("n1")
    cluster.put("pods", one, two)
    cluster.put("nodes", here)
    feed = Feed(cluster)
    first = feed.look(NOW)
    assert (first.pods, first.nodes, list(first.events), list(first.gone)) == ([one, two], [here], [], [])
    changed = pod("b", phase="Succeeded")
    cluster.put("pods", changed)
    cluster.put("events", refused("x", "quota"))
    second = feed.look(SOON)
    assert (second.pods, second.nodes, len(second.events)) == ([changed], [], 1)


def test_nothing_is_compared_while_a_store_keeps_its_version():
    cluster = Shown()
    cluster.put("pods", pod("a"))
    feed = Feed(cluster)
    feed.look(NOW)
    cluster.objects["pods"]["uid-ns-b"] = pod("b")  # behind the version's back
    assert feed.look(SOON).pods == []


def test_a_pod_that_was_there_a_moment_ago_is_gone():
    cluster = Shown()
    cluster.put("pods", pod("a"), pod("b"))
    feed = Feed(cluster)
    feed.look(NOW)
    cluster.remove("pods", "uid-ns-a")
    assert feed.look(SOON).gone == ["uid-ns-a"]


def test_of_a_pod_that_went_while_nobody_looked_the_fate_is_not_known():
    cluster = Shown()
    cluster.put("pods", pod("a"))
    feed = Feed(cluster)
    feed.look(NOW)
    cluster.remove("pods", "uid-ns-a")
    later = feed.look(NOW + LOST_AFTER + timedelta(seconds=1))
    assert (list(later.gone), later.lost) == ([], ["uid-ns-a"])


def test_pods_of_a_namespace_that_may_not_be_read_any_more_are_not_gone():
    cluster = Shown(scope=("a", "b"))
    cluster.put("pods", pod("a"))
    feed = Feed(cluster)
    feed.look(NOW)
    cluster.remove("pods", "uid-ns-a")
    cluster.scope = ("a",)
    seen = feed.look(SOON)
    assert (list(seen.gone), seen.lost) == ([], ["uid-ns-a"])


@pytest.mark.parametrize("kind", NEEDED)
def test_nothing_is_looked_at_before_every_first_list_is_there(kind):
    cluster = Shown(states={kind: StoreState.LOADING})
    cluster.put("pods", pod("a"))
    feed = Feed(cluster)
    assert feed.look(NOW) is None
    cluster.states.clear()
    assert len(feed.look(SOON).pods) == 1


@pytest.mark.parametrize("state", [StoreState.FAILED, StoreState.FORBIDDEN, StoreState.ABSENT])
def test_pods_that_are_not_known_as_they_are_now_are_not_looked_at(state):
    cluster = Shown()
    cluster.put("pods", pod("a"))
    feed = Feed(cluster)
    feed.look(NOW)
    cluster.states["pods"] = state
    assert feed.look(SOON) is None
    cluster.states.clear()
    cluster.put("pods", pod("b"))
    again = feed.look(NOW + timedelta(seconds=10))
    assert ([one.metadata.name for one in again.pods], list(again.gone)) == (["b"], [])


@pytest.mark.parametrize("kind", ["nodes", "events", "nodeclaims", "replicasets"])
def test_other_kinds_that_cannot_be_read_do_not_stop_it(kind):
    cluster = Shown(states={kind: StoreState.FORBIDDEN})
    cluster.put("pods", pod("a"))
    assert len(Feed(cluster).look(NOW).pods) == 1


def test_nodes_that_are_gone_are_named_and_changed_ones_are_not():
    cluster = Shown()
    cluster.put("nodes", node("n1"), node("n2"))
    feed = Feed(cluster)
    feed.look(NOW)
    cluster.remove("nodes", "uid-n1")
    cluster.put("nodes", node("n2", cordoned=True))
    seen = feed.look(SOON)
    assert (seen.nodes_gone, [one.metadata.name for one in seen.nodes]) == (["n1"], ["n2"])
