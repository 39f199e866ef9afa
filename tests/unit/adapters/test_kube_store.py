"""A store: versions, ages, states, and what it lets go of."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.adapters.kube_store import Store
from services.domain.kinds import KINDS
from services.domain.objects import Event, EventSeries, Meta, Node, NodeSpec, Obj
from services.ports import StoreState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def node(name, version="1", **spec):
    return Node(Meta(name=name, uid=f"u-{name}", resource_version=version), NodeSpec(**spec))


def event(name, **times):
    return Event(Meta(name=name, namespace="a", creation_timestamp=NOON), **times)


def names(store):
    return [obj.metadata.name for obj in store.snapshot().objects]


@pytest.fixture
def nodes():
    store = Store(KINDS["nodes"])
    store.replace("", [node("a"), node("b")], at=NOON, skipped=0)
    return store


def fail(store, state, *, at=NOON, scope="", keep=True, message="no"):
    return store.fail(scope, state, message, "try", at=at, keep=keep)


def test_a_new_store_is_loading_and_has_no_age():
    snapshot = Store(KINDS["nodes"]).snapshot()
    assert (snapshot.state, snapshot.as_of, snapshot.version) == (StoreState.LOADING, None, 0)
    assert list(snapshot.objects) == []


def test_a_list_makes_it_ready(nodes):
    snapshot = nodes.snapshot()
    assert (snapshot.kind, snapshot.state, snapshot.as_of, snapshot.version) == ("nodes", StoreState.READY, NOON, 1)
    assert names(nodes) == ["a", "b"]


def test_changes_nobody_looked_at_are_one_version(nodes):
    nodes.snapshot()
    nodes.apply("", "ADDED", node("c"), at=after(1))
    nodes.apply("", "MODIFIED", node("a", "2", unschedulable=True), at=after(2))
    nodes.apply("", "DELETED", node("b"), at=after(3))
    snapshot = nodes.snapshot()
    assert (snapshot.version, snapshot.as_of) == (2, after(3))
    assert [obj.metadata.name for obj in snapshot.objects] == ["a", "c"]
    assert snapshot.objects[0].spec.unschedulable is True
    assert nodes.snapshot().objects is snapshot.objects


def test_a_snapshot_does_not_change_afterwards(nodes):
    before = nodes.snapshot()
    nodes.apply("", "DELETED", node("a"), at=after(1))
    assert len(before.objects) == 2
    assert len(nodes.snapshot().objects) == 1


def test_a_heartbeat_is_no_new_version_but_confirms(nodes):
    first = nodes.snapshot()
    nodes.apply("", "MODIFIED", node("a", "99"), at=after(5))
    second = nodes.snapshot()
    assert (second.version, second.as_of) == (first.version, after(5))
    nodes.apply("", "ADDED", node("c"), at=after(6))
    assert nodes.snapshot().objects[0].metadata.resource_version == "99"


def test_another_object_of_the_same_name_is_a_change(nodes):
    nodes.snapshot()
    again = msgspec.structs.replace(node("a"), metadata=Meta(name="a", uid="other"))
    nodes.apply("", "MODIFIED", again, at=after(1))
    assert nodes.snapshot().version == 2


def test_deleting_what_is_not_there_changes_nothing(nodes):
    version = nodes.snapshot().version
    nodes.apply("", "DELETED", node("z"), at=after(1))
    assert nodes.snapshot().version == version


def test_a_bookmark_confirms_without_a_version(nodes):
    version = nodes.snapshot().version
    nodes.confirm("", at=after(60))
    assert (nodes.snapshot().version, nodes.snapshot().as_of) == (version, after(60))


def test_failing_keeps_objects_their_age_and_the_first_moment(nodes):
    assert fail(nodes, StoreState.FAILED, at=after(10)) is True
    assert fail(nodes, StoreState.FAILED, at=after(20)) is False
    assert fail(nodes, StoreState.FAILED, at=after(30), message="still no") is True
    snapshot = nodes.snapshot()
    assert (snapshot.state, snapshot.as_of, snapshot.since) == (StoreState.FAILED, NOON, after(10))
    assert (snapshot.message, snapshot.hint, len(snapshot.objects)) == ("still no", "try", 2)


def test_recovering_forgets_the_failure_and_not_the_age(nodes):
    fail(nodes, StoreState.FAILED, at=after(10))
    nodes.resume("")
    snapshot = nodes.snapshot()
    assert (snapshot.state, snapshot.message, snapshot.since, snapshot.as_of) == (StoreState.READY, "", None, NOON)


@pytest.mark.parametrize("state", [StoreState.FORBIDDEN, StoreState.ABSENT])
def test_what_may_no_longer_be_read_is_let_go(nodes, state):
    version = nodes.snapshot().version
    fail(nodes, state, keep=False)
    snapshot = nodes.snapshot()
    assert (snapshot.state, list(snapshot.objects), snapshot.as_of) == (state, [], None)
    assert snapshot.version > version


def test_objects_that_could_not_be_read_are_told(nodes):
    nodes.replace("", [node("a")], at=NOON, skipped=2)
    nodes.skip("")
    assert nodes.snapshot().message == "3 nodes could not be read and are left out."
    assert nodes.snapshot().state is StoreState.READY


def test_only_the_newest_events_are_kept_whatever_field_carries_their_time():
    store = Store(KINDS["events"], limit=3)
    listed: list[Obj] = [
        event("series", series=EventSeries(last_observed_time=after(40)), first_timestamp=after(1)),
        event("created"),
        event("last", last_timestamp=after(30), first_timestamp=after(2)),
        event("first", first_timestamp=after(10)),
        event("micro", event_time=after(20)),
    ]
    store.replace("", listed, at=NOON, skipped=0)
    assert names(store) == ["micro", "last", "series"]


def test_the_event_that_has_not_changed_longest_makes_room():
    store = Store(KINDS["events"], limit=2)
    store.replace("", [event("a", event_time=after(1)), event("b", event_time=after(2))], at=NOON, skipped=0)
    store.apply("", "MODIFIED", event("a", event_time=after(3)), at=after(3))
    store.apply("", "ADDED", event("c", event_time=after(4)), at=after(4))
    assert names(store) == ["a", "c"]


def test_events_are_bounded_and_other_kinds_are_not():
    many: list[Obj] = [event(f"e{i}", event_time=after(i)) for i in range(20_003)]
    store = Store(KINDS["events"])
    store.replace("", many, at=NOON, skipped=0)
    assert (len(names(store)), names(store)[0]) == (20_000, "e3")
    assert len(Store(KINDS["pods"]).trimmed(many)) == 20_003


def test_a_long_list_is_cut_while_it_arrives_and_never_below_what_is_kept():
    store = Store(KINDS["events"], limit=3)
    many: list[Obj] = [event(f"e{i}", event_time=after(i)) for i in range(7)]
    assert store.bounded(many[:6]) == many[:6]
    assert store.bounded(many) == many[4:]
    assert Store(KINDS["pods"]).bounded(many) is many


def test_namespaces_make_one_picture_as_old_as_the_oldest():
    store = Store(KINDS["events"])
    store.split(["a", "b"])
    store.replace("a", [event("x")], at=after(5), skipped=0)
    assert store.snapshot().state is StoreState.LOADING
    store.replace("b", [event("y")], at=NOON, skipped=0)
    snapshot = store.snapshot()
    assert (snapshot.state, snapshot.as_of, snapshot.scope) == (StoreState.READY, NOON, ("a", "b"))
    assert names(store) == ["x", "y"]


def test_a_namespace_that_may_not_be_read_is_left_out_of_the_scope_and_named():
    store = Store(KINDS["pods"])
    store.split(["a", "b"])
    store.replace("a", [], at=NOON, skipped=0)
    fail(store, StoreState.FORBIDDEN, scope="b", keep=False, message="b may not be read")
    snapshot = store.snapshot()
    assert (snapshot.state, snapshot.scope, snapshot.message) == (StoreState.READY, ("a",), "b may not be read")
    fail(store, StoreState.FORBIDDEN, scope="a", keep=False, message="a may not be read")
    assert store.snapshot().state is StoreState.FORBIDDEN
    assert store.snapshot().message == "a may not be read b may not be read"
