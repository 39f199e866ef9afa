from dataclasses import replace
from datetime import timedelta

import pytest

from services.access import User
from services.actions.admission import PLAN_LASTS
from services.actions.base import Effect, Verdict
from services.actions.engine import Engine
from services.domain.change.plan import Plan, Risk
from services.domain.change.refs import Ref
from services.errors import Refused
from tests.unit.actions.conftest import (
    ADMIN,
    OPERATOR,
    OTHER,
    VIEWER,
    Desk,
    Relabel,
    RelabelNodes,
    as_of_policy,
    controller,
    node,
    spec,
)

SHARED = Relabel(nodes=("n1", "n2"), layout="shared")
MARKER = Ref.of("east", "ConfigMap", "marker", "default")


def pods(desk: Desk, *names: str, owner: str = "ReplicaSet", on: str = "n1") -> None:
    for name in names:
        owners = [{"kind": owner, "name": "x", "controller": True}] if owner else []
        containers = [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]
        body = {"metadata": {"ownerReferences": owners}, "spec": {"nodeName": on, "containers": containers}}
        desk.clusters["east"].put(Ref.of("east", "Pod", name, "team"), body)


def planned(engine: Engine, params: Relabel = SHARED, user: User = OPERATOR) -> Plan:
    return engine.plan(user, "relabel-nodes", params)


def test_planning_and_rehearsing_write_nothing(desk: Desk) -> None:
    engine = desk.engine()
    rehearsal = engine.rehearse(planned(engine), OPERATOR)
    assert rehearsal.ok
    assert [answer.ok for answer in rehearsal.answers] == [True, True, None, True] * 2
    assert desk.clusters["east"].changed == []


def test_applying_does_what_the_plan_says_and_proves_it(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    plan = planned(engine)
    assert [(str(change.ref), ".".join(change.path), change.before, change.after) for change in plan.changes[:3]] == [
        ("Node n1", "spec.unschedulable", None, True),
        ("Node n1", "metadata.labels.layout", "whole", "shared"),
        ("Node n1", "spec.unschedulable", True, None),
    ]
    id = desk.applied(engine, plan)
    operation = desk.operation(id)
    assert (operation.state, operation.verification) == ("done", "The nodes show shared.")
    assert [ref.name for _, ref in desk.clusters["east"].changed] == ["n1"] * 3 + ["n2"] * 3
    assert spec(desk.clusters["east"])["Node n1"] == {"labels": {"layout": "shared"}, "spec": {}, "data": None}
    assert planned(engine).empty
    assert desk.broken() == ()


def test_the_record_names_who_why_from_where_and_what_was_rehearsed(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    plan = planned(engine)
    id = engine.apply(plan, OPERATOR, reason="cheaper", rehearsal=engine.rehearse(plan, OPERATOR))
    operation = desk.operation(id)
    assert (operation.actor, operation.actor_name, operation.address) == ("op-1", "Olga", "10.0.0.9")
    assert (operation.reason, operation.roles, operation.mode) == ("cheaper", ("operator",), "demo")
    assert [answer["ok"] for answer in operation.rehearsal] == [True, True, None, True] * 2
    assert Plan.of(operation.plan) == plan
    kinds = desk.kinds(id)
    assert kinds[:4] == ["proposed", "applied", "step-started", "step-done"]
    assert kinds[-2:] == ["verified", "done"]


def test_a_viewer_can_neither_plan_nor_apply(desk: Desk) -> None:
    engine = desk.engine()
    with pytest.raises(Refused, match="needs the role operator"):
        planned(engine, user=VIEWER)
    plan = planned(engine)
    with pytest.raises(Refused, match="needs the role operator"):
        engine.apply(plan, VIEWER, reason="x", rehearsal=engine.rehearse(plan, OPERATOR))
    assert not engine.rehearse(plan, VIEWER).ok
    assert desk.clusters["east"].changed == []


def test_a_reason_is_asked_for_and_a_plan_is_applied_once(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    plan = planned(engine)
    with pytest.raises(Refused, match="Say why"):
        engine.apply(plan, OPERATOR, reason=" ", rehearsal=engine.rehearse(plan, OPERATOR))
    desk.applied(engine, plan)
    with pytest.raises(Refused):
        engine.apply(plan, OPERATOR, reason="again", rehearsal=engine.rehearse(plan, OPERATOR))
    assert len(desk.clusters["east"].changed) == 6


def test_an_old_plan_and_an_empty_one_are_refused(desk: Desk) -> None:
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    desk.now += PLAN_LASTS + timedelta(seconds=1)
    with pytest.raises(Refused, match="too old"):
        engine.apply(plan, OPERATOR, reason="late", rehearsal=rehearsal)
    empty = planned(engine, Relabel(nodes=("n1",), layout="whole"))
    with pytest.raises(Refused, match="nothing to change"):
        engine.apply(empty, OPERATOR, reason="x", rehearsal=engine.rehearse(empty, OPERATOR))


def test_a_rehearsal_of_another_plan_does_not_count(desk: Desk) -> None:
    engine = desk.engine()
    with pytest.raises(Refused, match="rehearsal"):
        engine.apply(planned(engine), OPERATOR, reason="x", rehearsal=engine.rehearse(planned(engine), OPERATOR))


def test_what_the_server_refuses_in_the_dry_run_cannot_be_applied(desk: Desk) -> None:
    engine = desk.engine()
    plan = planned(engine)
    desk.clusters["east"].forbidden.add("patch")
    rehearsal = engine.rehearse(plan, OPERATOR)
    assert [answer.ok for answer in rehearsal.answers][:2] == [False, False]
    assert "may not patch Node n1" in rehearsal.answers[0].says
    with pytest.raises(Refused, match="did not succeed"):
        engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)


def test_rights_are_asked_again_at_the_moment_of_the_write(desk: Desk) -> None:
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    desk.clusters["east"].forbidden.add("patch")
    id = engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)
    assert desk.operation(id).state == "failed"
    assert "Nothing was changed." in desk.operation(id).outcome
    assert desk.clusters["east"].changed == []


def test_somebody_elses_change_of_the_same_field_is_not_overwritten(desk: Desk) -> None:
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    desk.clusters["east"].set(node("east", "n1"), {"metadata": {"labels": {"layout": "other"}}})
    id = engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)
    operation = desk.operation(id)
    assert operation.state == "failed"
    assert "Node n1 has changed since the plan: metadata.labels.layout" in operation.outcome
    assert "1 change before it landed" in operation.outcome
    assert desk.clusters["east"].objects[node("east", "n1")]["metadata"]["labels"] == {"layout": "other"}


def test_changes_of_other_fields_do_not_stand_in_the_way(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    desk.clusters["east"].set(node("east", "n1"), {"metadata": {"annotations": {"heartbeat": "1"}}})
    id = engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)
    assert desk.operation(id).state == "done"


def test_a_conflict_between_look_and_write_is_looked_at_again(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    bumps = iter(range(2))

    def touch(verb: str, ref: Ref) -> None:
        if verb == "patch" and next(bumps, None) is not None:
            memory.set(ref, {"status": {"heartbeat": "x"}})

    memory.before = touch
    assert desk.operation(engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)).state == "done"


def test_an_object_that_never_keeps_still_is_left_alone(desk: Desk) -> None:
    memory = desk.clusters["east"]
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    memory.before = lambda verb, ref: memory.set(ref, {"status": {"n": "x"}}) if verb == "patch" else None
    operation = desk.operation(engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal))
    assert "keeps changing; nothing was overwritten" in operation.outcome
    assert memory.changed == []


def test_another_object_of_the_same_name_is_not_the_planned_one(desk: Desk) -> None:
    memory = desk.clusters["east"]
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    body = memory.objects.pop(node("east", "n1"))
    memory.put(node("east", "n1"), {"metadata": {"labels": body["metadata"]["labels"]}, "spec": {}})
    operation = desk.operation(engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal))
    assert "deleted and created again" in operation.outcome


def test_a_node_that_does_not_come_back_stops_the_rest(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"], shows={"shared": "whole"}))
    engine = desk.engine()
    id = desk.applied(engine, planned(engine))
    operation = desk.operation(id)
    assert operation.state == "failed"
    assert "n1 shows shared: not so after 60 seconds" in operation.outcome
    assert "2 changes before it landed and can be taken back" in operation.outcome
    assert {ref.name for _, ref in desk.clusters["east"].changed} == {"n1"}


def test_a_failure_the_object_reports_ends_the_wait_at_once(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"], shows={"shared": "failed"}))
    engine = desk.engine()
    before = desk.now
    operation = desk.operation(desk.applied(engine, planned(engine)))
    assert "reports that it failed" in operation.outcome
    assert desk.now - before < timedelta(seconds=10)


def test_a_failing_step_puts_back_what_landed_when_the_plan_says_so(desk: Desk) -> None:
    before = spec(desk.clusters["east"])
    desk.ticks.append(controller(desk.clusters["east"], shows={"shared": "failed"}))
    engine = desk.engine()
    plan = planned(engine, Relabel(("n1", "n2"), "shared", marker="marker", compensate=True))
    operation = desk.operation(desk.applied(engine, plan))
    assert operation.state == "failed"
    assert "Everything was put back." in operation.outcome
    assert spec(desk.clusters["east"]) == before
    assert MARKER not in desk.clusters["east"].objects


def test_an_effect_that_is_not_seen_in_time_is_called_unverified(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    monkeypatch.setattr(RelabelNodes, "verify", lambda *_: Verdict(Effect.WAITING, "1 of 2 nodes follows."))
    before = desk.now
    operation = desk.operation(desk.applied(desk.engine(), planned(desk.engine())))
    assert (operation.state, operation.verification) == ("unverified", "1 of 2 nodes follows.")
    assert operation.outcome == "It was applied; the effect was not seen within 120 seconds."
    assert desk.now - before >= timedelta(seconds=120)


def test_pods_are_evicted_before_the_change_and_daemons_stay(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    pods(desk, "a", "b")
    pods(desk, "daemon", owner="DaemonSet")
    pods(desk, "elsewhere", on="n2")
    engine = desk.engine()
    plan = planned(engine, Relabel(nodes=("n1",), layout="shared", drain=True))
    rehearsal = engine.rehearse(plan, OPERATOR)
    assert rehearsal.answers[1].says == "Now these would be evicted: team/a, team/b."
    desk.applied(engine, plan)
    verbs = [(verb, ref.name) for verb, ref in memory.changed]
    assert verbs == [("patch", "n1"), ("evict", "a"), ("evict", "b"), ("patch", "n1"), ("patch", "n1")]


def test_a_disruption_budget_is_waited_for_until_the_deadline(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    pods(desk, "a")
    memory.protected.add("a")
    engine = desk.engine()
    plan = planned(engine, Relabel(nodes=("n1",), layout="shared", drain=True))
    rehearsal = engine.rehearse(plan, OPERATOR)
    assert rehearsal.answers[1].warnings == ("team/a: The disruption budget needs 1 healthy pod and has 1.",)
    operation = desk.operation(desk.applied(engine, plan))
    assert "team/a did not leave n1 in time" in operation.outcome
    assert "needs 1 healthy pod" in operation.outcome


def test_a_pod_nobody_would_start_again_is_not_evicted(desk: Desk) -> None:
    pods(desk, "bare", owner="")
    engine = desk.engine()
    plan = planned(engine, Relabel(nodes=("n1",), layout="shared", drain=True))
    rehearsal = engine.rehearse(plan, OPERATOR)
    assert not rehearsal.ok
    assert "nothing would start team/bare again" in rehearsal.answers[1].says


def test_undo_restores_what_was_there(desk: Desk) -> None:
    memory = desk.clusters["east"]
    before = spec(memory)
    desk.ticks.append(controller(memory))
    engine = desk.engine()
    id = desk.applied(engine, planned(engine, Relabel(("n1", "n2"), "shared", marker="marker")))
    undo = engine.plan_undo(id, OPERATOR)
    assert {(field.ref.name, ".".join(field.path), field.ticked) for field in undo.fields} >= {
        ("n1", "metadata.labels.layout", True),
        ("marker", "", True),
    }
    undone = desk.applied(engine, undo.plan)
    assert desk.operation(undone).state == "done"
    assert spec(memory) == before
    assert desk.operation(id).undone_by == undone
    assert desk.kinds(id)[-1] == "undone"
    with pytest.raises(Refused, match="taken back already"):
        engine.plan_undo(id, OPERATOR)
    assert desk.broken() == ()


def test_undo_leaves_what_somebody_changed_since_unless_chosen(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    engine = desk.engine()
    id = desk.applied(engine, planned(engine))
    memory.set(node("east", "n1"), {"metadata": {"labels": {"layout": "third"}}})
    undo = engine.plan_undo(id, OPERATOR)
    changed = next(f for f in undo.fields if f.ref.name == "n1" and f.path[-1] == "layout")
    assert (changed.before, changed.set, changed.now, changed.ticked) == ("whole", "shared", "third", False)
    desk.applied(engine, undo.plan)
    labels = {ref.name: body["metadata"]["labels"]["layout"] for ref, body in memory.objects.items()}
    assert labels == {"n1": "third", "n2": "whole", "n3": "whole"}


def test_undo_of_a_field_that_differs_is_guarded_by_what_it_is_now(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory))
    engine = desk.engine()
    id = desk.applied(engine, planned(engine))
    memory.set(node("east", "n1"), {"metadata": {"labels": {"layout": "third"}}})
    field = next(f for f in engine.plan_undo(id, OPERATOR).fields if f.path[-1] == "layout" and f.ref.name == "n1")
    plan = engine.plan_undo(id, OPERATOR, keep=[(field.step, field.path)]).plan
    rehearsal = engine.rehearse(plan, OPERATOR)
    memory.set(node("east", "n1"), {"metadata": {"labels": {"layout": "fourth"}}})
    operation = desk.operation(engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal))
    assert operation.state == "failed"
    assert memory.objects[node("east", "n1")]["metadata"]["labels"]["layout"] == "fourth"


def test_a_half_done_operation_is_taken_back_as_far_as_it_came(desk: Desk) -> None:
    memory = desk.clusters["east"]
    before = spec(memory)
    desk.ticks.append(controller(memory, shows={"shared": "whole"}))
    engine = desk.engine()
    id = desk.applied(engine, planned(engine))
    assert desk.operation(id).state == "failed"
    desk.applied(engine, engine.plan_undo(id, OPERATOR).plan)
    assert spec(memory) == before


def test_a_failed_operation_is_continued_from_where_it_stands(desk: Desk) -> None:
    memory = desk.clusters["east"]
    desk.ticks.append(controller(memory, shows={"shared": "whole"}))
    engine = desk.engine()
    id = desk.applied(engine, planned(engine))
    desk.ticks[:] = [controller(memory)]
    desk.engine().resume(id, OTHER, reason="the plugin is back")
    assert desk.operation(id).state == "done"
    assert [ref.name for _, ref in memory.changed] == ["n1"] * 3 + ["n2"] * 3
    assert "resumed" in desk.kinds(id)
    with pytest.raises(Refused, match="is done"):
        engine.resume(id, OPERATOR, reason="again")


def test_a_second_person_lets_a_dangerous_plan_run(desk: Desk) -> None:
    as_of_policy(desk, second_person=True)
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    before, RelabelNodes.risk = RelabelNodes.risk, Risk.HIGH
    try:
        plan = planned(engine)
        rehearsal = engine.rehearse(plan, OPERATOR)
        with pytest.raises(Refused, match="Type n1 to confirm"):
            engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)
        id = engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal, typed="n1")
        assert desk.operation(id).state == "proposed"
        assert desk.clusters["east"].changed == []
        with pytest.raises(Refused, match="second person"):
            engine.approve(id, OPERATOR, reason="me")
        with pytest.raises(Refused, match="role operator"):
            engine.approve(id, VIEWER, reason="me")
        engine.approve(id, OTHER, reason="looks right")
        assert desk.operation(id).state == "done"
    finally:
        RelabelNodes.risk = before


def test_a_proposal_can_be_declined(desk: Desk) -> None:
    as_of_policy(desk, second_person=True)
    engine = desk.engine()
    before, RelabelNodes.risk = RelabelNodes.risk, Risk.HIGH
    try:
        plan = planned(engine)
        id = engine.apply(plan, OPERATOR, reason="x", rehearsal=engine.rehearse(plan, OPERATOR), typed="n1")
        engine.decline(id, OTHER, reason="not now")
        assert desk.operation(id).state == "declined"
        with pytest.raises(Refused, match="waits for nobody"):
            engine.approve(id, OTHER, reason="after all")
        assert desk.broken() == ()
    finally:
        RelabelNodes.risk = before


def test_an_installation_that_only_rehearses_applies_nothing(desk: Desk) -> None:
    as_of_policy(desk, mode="dry-run")
    engine = desk.engine()
    plan = planned(engine)
    rehearsal = engine.rehearse(plan, OPERATOR)
    assert all(answer.ok is not False for answer in rehearsal.answers)
    assert "only rehearses" in rehearsal.refusal
    with pytest.raises(Refused, match="only rehearses"):
        engine.apply(plan, OPERATOR, reason="x", rehearsal=rehearsal)


def test_the_breaker_trips_over_what_people_touch_together_and_an_admin_closes_it(desk: Desk) -> None:
    as_of_policy(desk, breaker_nodes=2)
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    desk.applied(engine, planned(engine, Relabel(("n1", "n2"), "shared")))
    third = planned(engine, Relabel(("n3",), "shared"))
    with pytest.raises(Refused, match="breaker tripped: 3 nodes"):
        desk.applied(engine, third, OTHER)
    assert "breaker is open" in engine.rehearse(third, OTHER).refusal
    with pytest.raises(Refused, match="needs the role admin"):
        engine.reset_breaker(OPERATOR, reason="please")
    with pytest.raises(Refused, match="Say why"):
        engine.reset_breaker(ADMIN, reason="")
    engine.reset_breaker(ADMIN, reason="planned work")
    assert desk.operation(desk.applied(engine, third, OTHER)).state == "done"
    assert desk.broken() == ()


def test_one_plan_that_is_too_large_is_refused_without_tripping(desk: Desk) -> None:
    as_of_policy(desk, breaker_nodes=2)
    engine = desk.engine()
    plan = planned(engine, Relabel(("n1", "n2", "n3"), "shared"))
    with pytest.raises(Refused, match="too much at once: 3 nodes"):
        desk.applied(engine, plan)
    assert engine.rehearse(planned(engine), OPERATOR).refusal == ""


def test_an_old_window_no_longer_counts(desk: Desk) -> None:
    as_of_policy(desk, breaker_nodes=2)
    desk.ticks.append(controller(desk.clusters["east"]))
    engine = desk.engine()
    desk.applied(engine, planned(engine, Relabel(("n1", "n2"), "shared")))
    desk.now += timedelta(hours=2)
    assert desk.operation(desk.applied(engine, planned(engine, Relabel(("n3",), "shared")))).state == "done"


def test_one_plan_may_touch_several_clusters(desk: Desk) -> None:
    desk.ticks += [controller(desk.clusters["east"]), controller(desk.clusters["west"])]
    engine = desk.engine()
    plan = planned(engine, Relabel(("n1",), "shared", cluster="west"))
    assert plan.clusters == ("west",)
    assert desk.operation(desk.applied(engine, plan)).clusters == ("west",)
    assert desk.clusters["east"].changed == []


def test_a_person_who_logged_in_writes_in_their_own_name(desk: Desk) -> None:
    desk.ticks.append(controller(desk.clusters["east"]))
    person = replace(OPERATOR, via="oidc", kube_name="olga@example.com", logged_in_at=desk.now)
    engine = desk.engine()
    plan = planned(engine, user=person)
    desk.applied(engine, plan, person)
    assert set(desk.clusters["east"].people) == {"op-1"}
    desk.now += timedelta(hours=2)
    with pytest.raises(Refused, match="login is too old"):
        planned(engine, Relabel(("n3",), "shared"), person)


def test_an_action_that_does_not_exist_and_parameters_that_do_not_fit_are_refused(desk: Desk) -> None:
    engine = desk.engine()
    with pytest.raises(Refused, match="no such action"):
        engine.plan(OPERATOR, "drop-everything", {})
    with pytest.raises(Refused, match="do not fit"):
        engine.plan(OPERATOR, "relabel-nodes", {"nodes": "n1", "layout": 4})
