from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.domain.change import patch

NODE = {"metadata": {"labels": {"a.b/c": "1", "other": "x"}}, "spec": {"unschedulable": True, "taints": [{"key": "k"}]}}


def test_a_merge_patch_sets_nested_fields_and_removes_with_none() -> None:
    changed = patch.applied(NODE, {"metadata": {"labels": {"a.b/c": "2", "other": None}}, "spec": {"taints": []}})
    assert changed == {"metadata": {"labels": {"a.b/c": "2"}}, "spec": {"unschedulable": True, "taints": []}}
    assert NODE["metadata"]["labels"] == {"a.b/c": "1", "other": "x"}  # type: ignore[index]


def test_what_was_before_puts_it_back_and_removes_what_was_not_there() -> None:
    wanted = {"metadata": {"labels": {"a.b/c": "2", "new": "y"}}}
    assert patch.before(NODE, wanted) == {"metadata": {"labels": {"a.b/c": "1", "new": None}}}


def test_only_fields_that_differ_are_needed() -> None:
    wanted = {"spec": {"unschedulable": True}, "metadata": {"labels": {"other": "z"}}}
    assert patch.needed(NODE, wanted) == {"metadata": {"labels": {"other": "z"}}}
    assert not patch.holds(NODE, wanted)
    assert patch.holds(NODE, {"spec": {"unschedulable": True}, "status": {"x": None}})


def test_a_path_steps_into_mappings_and_lists() -> None:
    assert patch.at(NODE, ("spec", "taints", "0", "key")) == "k"
    assert patch.at(NODE, ("spec", "taints", "1", "key")) is None
    assert patch.at(NODE, ("metadata", "labels", "a.b/c")) == "1"


def test_a_server_may_fill_in_defaults_and_write_numbers_as_texts() -> None:
    live = {"spec": {"replicas": 2, "containers": [{"name": "pause", "limits": {"gpu": "1"}, "policy": "Always"}]}}
    assert patch.covers(live, {"spec": {"containers": [{"name": "pause", "limits": {"gpu": 1}}]}})
    assert not patch.covers(live, {"spec": {"containers": [{"name": "pause"}, {"name": "more"}]}})
    assert not patch.covers(live, {"spec": {"replicas": 3}})
    assert not patch.covers({"on": True}, {"on": "True"})
    assert patch.covers({}, {"metadata": {"labels": {}}})


values = st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.lists(st.integers(), max_size=2))
inner = st.dictionaries(st.sampled_from("abc"), values, max_size=3)
bodies = st.dictionaries(st.sampled_from("abc"), st.one_of(values, inner), max_size=3)
slow_machine = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@slow_machine
@given(bodies, bodies)
def test_a_patch_is_idempotent_and_then_holds(body: dict[str, object], wanted: dict[str, object]) -> None:
    once = patch.applied(body, wanted)
    assert patch.applied(once, wanted) == once
    assert patch.holds(once, {key: value for key, value in wanted.items() if value != {}})


@slow_machine
@given(bodies)
def test_nothing_is_needed_of_what_is_so_already(body: dict[str, object]) -> None:
    assert patch.needed(body, body) == {}
