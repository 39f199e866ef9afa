from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from services.actions.engine import Engine
from services.domain.change.plan import Plan, Risk, StepKind
from services.domain.change.refs import Ref
from services.domain.headroom import OURS, Shape, Want
from services.domain.headroom.growth import KARPENTER
from services.errors import Refused
from services.ports import StoreState
from tests import warm
from tests.unit.actions.conftest import OPERATOR, VIEWER, Desk
from tests.warm import CLUSTER, GPU, POOL, WarmCluster

SPACE = Ref.of(CLUSTER, "Namespace", "gpu-headroom")
CLASS = Ref.of(CLUSTER, "PriorityClass", "gpu-headroom")
KEPT = Ref.of(CLUSTER, "Deployment", "warm-spot-1x-gpu", "gpu-headroom")
SMALL = Shape(GPU, 1, "2", "8Gi")
ONE = Want(CLUSTER, POOL, 1, shape=SMALL)
BUFFER = Ref.of(CLUSTER, "CapacityBuffer", "warm-spot-1x-gpu", "gpu-headroom")


@pytest.fixture
def tee(desk: Desk) -> WarmCluster:
    cluster = WarmCluster()
    desk.clusters[CLUSTER] = cluster
    return cluster


@pytest.fixture
def engine(desk: Desk, tee: WarmCluster) -> Iterator[Engine]:
    engine = desk.engine()
    yield engine
    engine.close()


def planned(engine: Engine, want: Want = ONE) -> Plan:
    return engine.plan(OPERATOR, "scale-headroom", want)


def kinds(plan: Plan) -> list[tuple[StepKind, str]]:
    return [(step.kind, step.ref.kind) for step in plan.steps]


def refused(engine: Engine, want: Want) -> str:
    with pytest.raises(Refused) as told:
        planned(engine, want)
    return str(told.value)


def test_the_first_unit_brings_namespace_priority_and_placeholders_and_waits_for_them(engine: Engine) -> None:
    plan = planned(engine)
    assert kinds(plan) == [
        (StepKind.CREATE, "Namespace"),
        (StepKind.CREATE, "PriorityClass"),
        (StepKind.CREATE, "Deployment"),
        (StepKind.WAIT, "Deployment"),
    ]
    assert plan.risk is Risk.LOW
    assert plan.summary == "Pool spot: 0 → 1 warm unit of 1 GPU"
    assert plan.steps[3].body == {
        "until": [[["status", "availableReplicas"], "at least", 1]],
        "fails": [],
        "deadline_s": 120.0,
        "soft": True,
    }
    assert plan.blast[0] == "Holds 1 × 1 GPU of pool spot: about $5.05 a day at list prices."
    assert plan.blast[2].endswith("so placeholder pods keep the units.")
    assert plan.nodes == ()
    pod = plan.steps[2].body["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"karpenter.sh/nodepool": "spot"}
    assert {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"} in pod["tolerations"]


def test_planning_and_rehearsing_write_nothing(engine: Engine, tee: WarmCluster) -> None:
    rehearsal = engine.rehearse(planned(engine), OPERATOR)
    assert [answer.ok for answer in rehearsal.answers] == [True, True, None, None]
    assert rehearsal.ok
    assert tee.changed == []


def test_applied_units_run_and_are_proven(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    desk.ticks.append(tee.controllers())
    operation = desk.operation(desk.applied(engine, planned(engine)))
    assert (operation.state, operation.verification) == ("done", "1 of 1 are warm.")
    assert [ref.kind for verb, ref in tee.changed] == ["Namespace", "PriorityClass", "Deployment"]
    assert planned(engine).empty, "the same again changes nothing"


def test_units_beyond_what_is_free_wait_for_new_nodes(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    plan = planned(engine, replace(ONE, units=2))
    assert plan.steps[3].body["deadline_s"] == 900.0
    assert plan.warnings == ("Karpenter has to bring nodes for 1 unit: that takes minutes and can fail.",)
    desk.ticks.append(tee.controllers(new_nodes=True))
    assert desk.operation(desk.applied(engine, plan)).verification == "2 of 2 are warm."


def test_units_no_node_came_for_stay_asked_for_and_are_told(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    desk.ticks.append(tee.controllers())
    plan = planned(engine, replace(ONE, units=2))
    operation = desk.operation(desk.applied(engine, plan))
    assert operation.state == "unverified"
    assert operation.verification == "Refill in progress: 1 of 2 are warm, the rest wait for nodes."
    assert tee.objects[KEPT]["spec"]["replicas"] == 2, "pending is no reason to take the other unit back"


def test_more_units_change_one_number(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    desk.ticks.append(tee.controllers(new_nodes=True))
    desk.applied(engine, planned(engine))
    plan = planned(engine, replace(ONE, units=2))
    assert plan.summary == "Pool spot: 1 → 2 warm units of 1 GPU"
    assert [(str(c.ref), ".".join(c.path), c.before, c.after) for c in plan.changes] == [
        ("Deployment gpu-headroom/warm-spot-1x-gpu", "spec.replicas", 1, 2)
    ]
    desk.applied(engine, plan)
    fewer = planned(engine)
    assert kinds(fewer) == [(StepKind.PATCH, "Deployment")], "fewer are there at once"
    assert desk.operation(desk.applied(engine, fewer)).verification == "1 of 1 are warm."


def test_a_fix_that_only_names_pool_and_resource_takes_the_shape_that_is_usual_there(engine: Engine) -> None:
    """Pods of the pool ask for 2 CPUs and 8 GiB; four fifths of a node are 3.2 and 12.8, so that is not cut."""
    found = {"cluster": CLUSTER, "pool": POOL, "model": "T4", "units": 1, "shape": {"resource": GPU}}
    plan = engine.plan(OPERATOR, "scale-headroom", found)
    (container,) = plan.steps[2].body["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "8Gi", GPU: "1"}


def test_another_size_of_the_same_unit_changes_only_its_resources(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    desk.ticks.append(tee.controllers())
    desk.applied(engine, planned(engine))
    plan = planned(engine, replace(ONE, shape=Shape(GPU, 1, "3", "8Gi")))
    (change,) = plan.changes
    assert change.path == ("spec", "template", "spec", "containers")
    assert change.after[0]["resources"]["requests"]["cpu"] == "3"
    assert change.after[0]["securityContext"] == change.before[0]["securityContext"]


def test_a_unit_takes_the_shape_and_tolerations_of_a_live_replica(engine: Engine) -> None:
    plan = planned(engine, Want(CLUSTER, POOL, 1, from_workload="web/chat"))
    pod = plan.steps[2].body["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "8Gi", GPU: "1"}
    assert {"key": "lab", "operator": "Exists"} in pod["tolerations"]
    assert not any(one["key"].startswith("node.kubernetes.io/") for one in pod["tolerations"])


def test_a_replica_that_never_preempts_cannot_have_placeholders(engine: Engine, tee: WarmCluster) -> None:
    tee.put(Ref.of(CLUSTER, "Pod", "chat-1", "web"), warm.pod("web", "t1", preemptionPolicy="Never"))
    assert "preemptionPolicy Never" in refused(engine, Want(CLUSTER, POOL, 1, from_workload="web/chat"))


def test_nobody_can_take_the_shape_of_what_is_not_there(engine: Engine) -> None:
    assert refused(engine, Want(CLUSTER, POOL, 1, from_workload="web/ghost")) == (
        "No running or waiting pod of web/ghost asks for one kind of GPU."
    )


@pytest.mark.parametrize(
    ("want", "part"),
    [
        (replace(ONE, cluster="nowhere"), "no cluster called nowhere"),
        (replace(ONE, pool="nothing"), "no GPU pool called nothing"),
        (replace(ONE, units=3), f"{KARPENTER} may add 1 nvidia.com/gpu to pool spot, and 1 more fits now; 2 more"),
        (replace(ONE, shape=Shape(f"{GPU}.shared", 1, "1", "1Gi")), "offers nvidia.com/gpu, not nvidia.com/gpu.shared"),
        (replace(ONE, shape=Shape(GPU, 1, "8", "8Gi")), "No node of pool spot is large enough"),
        (replace(ONE, method="buffer"), "has no CapacityBuffer API"),
    ],
)
def test_what_cannot_work_is_refused_in_words(engine: Engine, want: Want, part: str) -> None:
    assert part in refused(engine, want)


def test_a_pool_nothing_grows_takes_what_fits_and_no_more(engine: Engine, tee: WarmCluster) -> None:
    tee.extra["nodepools"] = []
    assert not planned(engine).empty
    assert "would wait for ever" in refused(engine, replace(ONE, units=2))
    tee.states["nodepools"] = StoreState.FORBIDDEN
    assert planned(engine, replace(ONE, units=2)).warnings, "who may not ask does not know"


def test_a_quota_of_the_namespace_is_kept(engine: Engine, tee: WarmCluster) -> None:
    hard = {f"requests.{GPU}": "1"}
    quota = Ref.of(CLUSTER, "ResourceQuota", "cap", "gpu-headroom")
    tee.put(quota, {"metadata": {"namespace": "gpu-headroom"}, "status": {"hard": hard, "used": {}}})
    assert not planned(engine).empty
    assert "A quota of the headroom namespace allows 1 more" in refused(engine, replace(ONE, units=2))


def test_what_others_made_under_our_names_is_left_alone(engine: Engine, tee: WarmCluster) -> None:
    tee.put(CLASS, {"value": -100, "preemptionPolicy": "Never"})
    assert "has the value -100; placeholders need one from -10 to -1" in refused(engine, ONE)
    tee.put(CLASS, {"value": -5, "preemptionPolicy": "Never"})
    assert (StepKind.CREATE, "PriorityClass") not in kinds(planned(engine)), "a fitting class is adopted"
    tee.put(KEPT, {"metadata": {"labels": {}}, "spec": {"replicas": 7}})
    assert "was not made by this console" in refused(engine, ONE)


def test_a_namespace_that_is_going_away_is_waited_out(engine: Engine, tee: WarmCluster) -> None:
    tee.put(SPACE, {"metadata": {"deletionTimestamp": "2026-06-03T12:00:00Z"}})
    assert "is being deleted" in refused(engine, ONE)


def test_nothing_warm_removes_all_that_was_made_and_nothing_else(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    before = set(tee.objects)
    desk.ticks.append(tee.controllers())
    desk.applied(engine, planned(engine))
    plan = planned(engine, replace(ONE, units=0))
    assert kinds(plan) == [
        (StepKind.DELETE, "Deployment"),
        (StepKind.DELETE, "PriorityClass"),
        (StepKind.DELETE, "Namespace"),
        (StepKind.WAIT, "Namespace"),
    ]
    operation = desk.operation(desk.applied(engine, plan))
    assert (operation.state, operation.verification) == ("done", "No warm units are kept any more.")
    assert set(tee.objects) == before
    assert planned(engine, replace(ONE, units=0)).empty


def test_what_other_units_need_stays(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    desk.applied(engine, planned(engine))
    other = Ref.of(CLUSTER, "Deployment", "warm-other", "gpu-headroom")
    tee.put(other, {"metadata": {"namespace": "gpu-headroom", "labels": OURS}, "spec": {"replicas": 1}})
    assert kinds(planned(engine, replace(ONE, units=0))) == [(StepKind.DELETE, "Deployment")]


def test_a_namespace_somebody_else_made_is_used_and_kept(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    tee.put(SPACE, {"metadata": {"labels": {"team": "platform"}}})
    desk.applied(engine, planned(engine))
    removal = planned(engine, replace(ONE, units=0))
    assert [ref.kind for ref in removal.refs] == ["Deployment", "PriorityClass"]


def test_undo_puts_everything_back(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    before = set(tee.objects)
    desk.ticks.append(tee.controllers())
    first = desk.applied(engine, planned(engine))
    desk.applied(engine, engine.plan_undo(first, OPERATOR).plan)
    desk.wait(1)
    assert set(tee.objects) == before


def test_undo_leaves_the_namespace_while_other_units_are_in_it(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    first = desk.applied(engine, planned(engine))
    other = Ref.of(CLUSTER, "Deployment", "warm-other", "gpu-headroom")
    tee.put(other, {"metadata": {"namespace": "gpu-headroom", "labels": OURS}, "spec": {"replicas": 1}})
    assert [ref.kind for ref in engine.plan_undo(first, OPERATOR).plan.refs] == ["Deployment"]


def test_undoing_the_removal_makes_the_same_units_again(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    desk.ticks.append(tee.controllers())
    desk.applied(engine, planned(engine))
    spec = tee.objects[KEPT]["spec"]
    first = desk.applied(engine, planned(engine, replace(ONE, units=0)))
    desk.applied(engine, engine.plan_undo(first, OPERATOR).plan)
    assert tee.objects[KEPT]["spec"] == spec
    assert {SPACE, CLASS} <= set(tee.objects)


def test_a_viewer_may_not(engine: Engine) -> None:
    with pytest.raises(Refused, match="operator"):
        engine.plan(VIEWER, "scale-headroom", ONE)


def answering(tee: WarmCluster, name: str = "theirs", conditions: list[Any] | None = None) -> None:
    """Serve the buffer API, with somebody's buffer that has these conditions."""
    tee.states.pop("capacitybuffers")
    status = {"conditions": [{"type": "ReadyForProvisioning", "status": "True"}] if conditions is None else conditions}
    ref = Ref.of(CLUSTER, "CapacityBuffer", name, "team")
    tee.put(ref, {"metadata": {"namespace": "team"}, "spec": {}, "status": status})


def test_where_buffers_are_answered_the_autoscaler_keeps_the_room(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    answering(tee)
    plan = planned(engine)
    assert kinds(plan) == [
        (StepKind.CREATE, "Namespace"),
        (StepKind.CREATE, "PodTemplate"),
        (StepKind.CREATE, "CapacityBuffer"),
        (StepKind.WAIT, "CapacityBuffer"),
    ]
    assert plan.steps[3].body["deadline_s"] == 120.0
    assert "Nothing is reserved" in plan.blast[1]

    def autoscaler() -> None:
        if BUFFER in tee.objects and "status" not in tee.objects[BUFFER]:
            ready = [{"type": "ReadyForProvisioning", "status": "True"}, {"type": "Provisioning", "status": "True"}]
            tee.set(BUFFER, {"status": {"replicas": 1, "conditions": ready}})

    desk.ticks.append(autoscaler)
    operation = desk.operation(desk.applied(engine, plan))
    assert (operation.state, operation.verification) == ("done", "The autoscaler has taken the buffer on.")
    assert kinds(planned(engine, replace(ONE, units=2)))[0] == (StepKind.PATCH, "CapacityBuffer")
    removal = planned(engine, replace(ONE, units=0))
    assert [ref.kind for ref in removal.refs] == ["CapacityBuffer", "PodTemplate", "Namespace"]


def test_where_no_buffer_was_ever_answered_placeholders_are_used_and_it_says_so(
    engine: Engine, tee: WarmCluster
) -> None:
    answering(tee, conditions=[])
    plan = planned(engine)
    assert (StepKind.CREATE, "Deployment") in kinds(plan)
    assert "No autoscaler has answered a CapacityBuffer in this cluster yet" in plan.blast[2]


def test_a_buffer_asked_for_by_name_is_tried_and_fails_within_two_minutes(
    desk: Desk, engine: Engine, tee: WarmCluster
) -> None:
    answering(tee, conditions=[])
    plan = planned(engine, replace(ONE, method="buffer"))
    assert "this may do nothing" in plan.blast[2]
    began = desk.now
    assert desk.operation(desk.applied(engine, plan)).state == "failed"
    assert 120 <= (desk.now - began).total_seconds() < 180


def test_what_is_kept_one_way_is_not_kept_another_way_beside_it(desk: Desk, engine: Engine, tee: WarmCluster) -> None:
    desk.ticks.append(tee.controllers())
    desk.applied(engine, planned(engine))
    answering(tee)
    assert kinds(planned(engine, replace(ONE, units=2)))[0] == (StepKind.PATCH, "Deployment")
    assert "Set them to 0 first" in refused(engine, replace(ONE, method="buffer"))
