"""Images kept by a DaemonSet: what is planned, what proves it, how it ends."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.actions.engine import Engine
from services.domain.change.plan import Risk, StepKind
from services.domain.change.refs import Ref
from services.domain.prepull import PrepullParams, objects
from tests import proving
from tests.cases import PREPULL
from tests.standin import Outcome, StandIn
from tests.unit.actions.conftest import OPERATOR, Desk
from tests.unit.actions.yard import (
    CHAT,
    NAMESPACE,
    SET,
    SPACE,
    TYPED,
    VLLM,
    WANT,
    YARD,
    Yard,
    applied,
    controllers,
    kinds,
    planned,
    stationed,
    taken_back,
)

GONE = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/salesforce/salesforcedx:latest": '
    'failed to resolve reference "docker.io/salesforce/salesforcedx:latest": '
    "docker.io/salesforce/salesforcedx:latest: not found"
)


@pytest.fixture
def yard(desk: Desk) -> Yard:
    return stationed(desk)


@pytest.fixture
def standin(desk: Desk, yard: Yard) -> StandIn:
    return controllers(desk, yard)


@pytest.fixture
def engine(desk: Desk, yard: Yard) -> Iterator[Engine]:
    engine = desk.engine()
    yield engine
    engine.close()


# A DaemonSet


def test_a_large_pool_gets_the_images_a_few_nodes_at_a_time(engine: Engine) -> None:
    """Four nodes lack 9.8 GB: 39.2 GB. Two rounds of 196 and 30 seconds are 452, waited for twice as long."""
    plan = planned(engine)
    assert kinds(plan) == [
        (StepKind.CREATE, "Namespace"),
        (StepKind.CREATE, "DaemonSet"),
        (StepKind.WAIT, "DaemonSet"),
        (StepKind.PATCH, "DaemonSet"),
        (StepKind.WAIT, "DaemonSet"),
    ]
    assert (plan.risk, plan.on_failure, plan.nodes) == (Risk.MEDIUM, "stop", ())
    assert plan.summary == "Pool h100: pull vllm:0.9.1 ahead on 5 nodes"
    assert plan.blast[1] == "Network: about 39.2 GB from registry.example.com (vllm:0.9.1: 4 nodes × 9.8 GB)."
    assert plan.blast[-1] == "OpenKruise is not to be seen here, so a DaemonSet pulls."
    create, patch = plan.steps[1], plan.steps[3]
    assert "initContainers" not in create.body["spec"]["template"]["spec"]
    assert create.body["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 2}
    assert objects.images_in(patch.body) == (VLLM,)
    assert patch.says == "Pull vllm:0.9.1 on 2 nodes at a time"
    assert plan.steps[4].body == {
        "until": [
            [["status", "observedGeneration"], "at least", 2],
            [["status", "updatedNumberScheduled"], "at least", 5],
            [["status", "numberAvailable"], "at least", 5],
        ],
        "fails": [],
        "deadline_s": 904.0,
        "soft": True,
    }


def test_pods_go_where_the_pool_is_and_tolerate_its_taints(engine: Engine) -> None:
    pod = planned(engine).steps[1].body["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"eks.amazonaws.com/nodegroup": "h100"}
    assert "affinity" not in pod
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_a_small_pool_pulls_at_once_in_one_step(engine: Engine) -> None:
    plan = planned(engine, replace(WANT, parallel=5))
    assert kinds(plan)[:2] == [(StepKind.CREATE, "Namespace"), (StepKind.CREATE, "DaemonSet")]
    assert StepKind.PATCH not in [step.kind for step in plan.steps]
    assert objects.images_in(plan.steps[1].body) == (VLLM,)
    assert plan.blast[0].startswith("Brings vllm:0.9.1 to 5 nodes of pool h100, at once.")


def test_images_are_proven_by_what_the_nodes_list(desk: Desk, engine: Engine, yard: Yard, standin: StandIn) -> None:
    operation = applied(desk, engine)
    assert (operation.state, operation.verification) == ("done", "5 of 5 nodes have vllm:0.9.1.")
    assert [(verb, ref.kind) for verb, ref in yard.changed] == [
        ("create", "Namespace"),
        ("create", "DaemonSet"),
        ("patch", "DaemonSet"),
    ]
    assert planned(engine).empty, "the same again changes nothing"
    assert planned(engine, replace(WANT, images=("registry.example.com/serving/vllm:0.9.1", VLLM))).empty


def test_a_ready_daemonset_proves_nothing(desk: Desk, engine: Engine, yard: Yard) -> None:
    """All its pods run, and one node does not list the image."""
    count = dict.fromkeys(("updatedNumberScheduled", "numberAvailable"), 5)
    desk.ticks.append(lambda: yard.shows(SET, {"observedGeneration": 9, **count}))
    plan = planned(engine)
    for name in ("n2", "n4", "n5"):
        yard.node(name, (VLLM, 9.8))
    operation = desk.operation(desk.applied(engine, plan))
    assert operation.state == "unverified"
    assert operation.verification == "4 of 5 nodes have vllm:0.9.1. Not listed yet by n3."
    assert yard.kept == (VLLM,), "it goes on"


def test_a_node_that_is_not_ready_is_not_waited_for(desk: Desk, engine: Engine, yard: Yard, standin: StandIn) -> None:
    standin.outcomes["pull/n4"] = Outcome.NEVER
    yard.set(Ref.of(YARD, "Node", "n4"), {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})
    plan = planned(engine)
    assert plan.warnings == ("Not ready now, and not waited for: n4. What is kept comes to them when they are back.",)
    assert plan.steps[1].body["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 3}
    operation = desk.operation(desk.applied(engine, plan))
    assert operation.verification == "4 of 4 nodes have vllm:0.9.1. Not ready, and not looked at: n4."
    assert operation.state == "done"


def test_nodes_with_a_full_list_are_named_unless_their_pod_tells(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    for name in ("n2", "n3"):
        standin.outcomes[f"pull/{name}"] = Outcome.NEVER
        yard.node(name, *((f"registry.example.com/big:{number}", 20 + number) for number in range(50)), disk="5000G")
    plan = planned(engine)
    assert "Counted as pulling although their lists do not tell: n2, n3." in plan.blast
    yard.pulls("n2", VLLM, {"terminated": {"exitCode": 0, "reason": "Completed"}})
    operation = desk.operation(desk.applied(engine, plan))
    assert operation.state == "unverified"
    assert operation.verification == (
        "4 of 5 nodes have vllm:0.9.1. Not to be told by the list of n3. Of n2 the pod says so, the list does not tell."
    )


def test_an_image_that_does_not_exist_is_told_within_seconds(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    standin.outcomes["pull"] = Outcome.FAILS
    plan = planned(engine, TYPED)
    assert plan.steps[-1].kind is StepKind.PATCH, "of an image nobody has seen the pods are looked at at once"
    assert "Not known: the size of chat:2." in plan.blast[1]
    yard.pulls("n1", CHAT, {"waiting": {"reason": "ErrImagePull", "message": GONE}})
    began = desk.now
    operation = desk.operation(desk.applied(engine, plan))
    assert (operation.state, operation.outcome) == ("failed", "It was applied and did not take effect.")
    assert operation.verification.startswith("0 of 5 nodes have chat:2. Not listed yet by n1, n2, n3, n4, n5. n1: ErrI")
    assert (desk.now - began).total_seconds() < 200
    assert taken_back(desk, engine, operation.id).state == "done"
    assert SET not in yard.objects


def test_sizes_of_recorded_pulls_are_taken_where_no_node_lists_the_image(engine: Engine) -> None:
    plan = planned(engine, replace(TYPED, sizes={"docker.io/library/chat:2": 4e9}))
    assert plan.blast[1] == "Network: about 20.0 GB from docker.io (chat:2: 5 nodes × 4.0 GB)."
    assert plan.steps[-1].kind is StepKind.WAIT


def test_another_image_is_added_beside_the_first(desk: Desk, engine: Engine, yard: Yard, standin: StandIn) -> None:
    applied(desk, engine)
    plan = planned(engine, replace(WANT, images=(CHAT, VLLM)))
    assert kinds(plan) == [(StepKind.PATCH, "DaemonSet")]
    (change,) = plan.changes
    assert change.path == ("spec", "template", "spec", "initContainers")
    assert change.after[:2] == change.before
    assert desk.operation(desk.applied(engine, plan)).verification == "5 of 5 nodes have chat:2."
    assert yard.kept == (VLLM, CHAT)


def test_a_taint_that_came_since_is_tolerated_too(desk: Desk, engine: Engine, yard: Yard, standin: StandIn) -> None:
    applied(desk, engine)
    yard.set(Ref.of(YARD, "Node", "n2"), {"spec": {"taints": [{"key": "team", "value": "ml", "effect": "NoSchedule"}]}})
    (change,) = planned(engine).changes
    assert change.path == ("spec", "template", "spec", "tolerations")
    assert change.after[-1] == {"key": "team", "operator": "Equal", "value": "ml", "effect": "NoSchedule"}
    before = yard.objects[SET]["spec"]
    operation = applied(desk, engine, replace(WANT, images=(VLLM, CHAT)))
    assert taken_back(desk, engine, operation.id).state == "done"
    assert yard.objects[SET]["spec"] == before
    assert applied(desk, engine).verification.startswith("The images were kept already")


# No longer


def test_the_last_image_that_goes_takes_everything_along(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    before = set(yard.objects)
    applied(desk, engine, replace(WANT, images=(VLLM, CHAT)))
    fewer = planned(engine, replace(TYPED, remove=True))
    assert kinds(fewer) == [(StepKind.PATCH, "DaemonSet")]
    operation = desk.operation(desk.applied(engine, fewer))
    assert operation.verification == (
        "Nothing keeps chat:2 on these nodes any more. They stay on the disks until the kubelet needs the room."
    )
    assert yard.kept == (VLLM,)
    last = planned(engine, replace(WANT, remove=True))
    assert kinds(last) == [(StepKind.DELETE, "DaemonSet"), (StepKind.DELETE, "Namespace"), (StepKind.WAIT, "Namespace")]
    assert desk.operation(desk.applied(engine, last)).state == "done"
    assert set(yard.objects) == before
    assert planned(engine, replace(WANT, remove=True)).empty


def test_all_images_of_a_pool_go_even_when_it_has_no_nodes_any_more(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    applied(desk, engine, replace(WANT, images=(VLLM, CHAT)))
    for ref in [ref for ref in yard.objects if ref.kind == "Node"]:
        del yard.objects[ref]
    everything = planned(engine, PrepullParams(YARD, "h100", remove=True))
    assert everything.summary == "Pool h100: all images no longer kept"
    assert kinds(everything)[0] == (StepKind.DELETE, "DaemonSet")


def test_pods_that_still_pull_are_waited_for_when_images_go(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    applied(desk, engine)
    yard.pulls("n1", VLLM, {"running": {}})
    left = Ref.of(YARD, "Pod", f"{SET.name}-n1", SPACE)
    body = yard.objects[left]
    plan = planned(engine, replace(WANT, remove=True))

    def ending(verb: str, ref: Ref) -> None:
        if (verb, ref.kind) == ("delete", "DaemonSet"):
            yard.put(left, body)

    yard.after = ending
    operation = desk.operation(desk.applied(engine, plan))
    assert operation.state == "unverified"
    assert operation.verification == "1 of the pods that pulled are still there."


def test_a_removal_is_taken_back(desk: Desk, engine: Engine, yard: Yard, standin: StandIn) -> None:
    applied(desk, engine)
    spec = yard.objects[SET]["spec"]
    removal = applied(desk, engine, replace(WANT, remove=True))
    assert taken_back(desk, engine, removal.id).state == "done"
    assert yard.objects[SET]["spec"] == spec


def test_taking_the_first_image_back_leaves_what_was_added_since(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    first = applied(desk, engine)
    second = applied(desk, engine, TYPED)
    undoing = taken_back(desk, engine, first.id)
    assert undoing.state == "done"
    assert undoing.verification.startswith("Nothing keeps vllm:0.9.1 on these nodes any more.")
    assert yard.kept == (CHAT,)
    assert taken_back(desk, engine, second.id).state == "done"
    assert SET not in yard.objects
    assert NAMESPACE in yard.objects, "the second had not made it"


def test_undo_restores_the_cluster_and_says_that_images_stay(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    before = set(yard.objects)
    operation = applied(desk, engine)
    undo = engine.plan_undo(operation.id, OPERATOR).plan
    assert undo.blast == ("They stay on the disks until the kubelet needs the room.",)
    desk.applied(engine, undo)
    assert set(yard.objects) == before


def test_the_namespace_stays_while_something_else_is_in_it(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    operation = applied(desk, engine)
    yard.put(Ref.of(YARD, "Deployment", "theirs", SPACE), {"metadata": {"namespace": SPACE}, "spec": {}})
    assert [ref.kind for ref in engine.plan_undo(operation.id, OPERATOR).plan.refs] == ["DaemonSet"]
    assert [ref.kind for ref in planned(engine, replace(WANT, remove=True)).refs] == ["DaemonSet"]


def test_the_namespace_stays_where_a_pull_secret_may_be_in_it(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    plan = planned(engine, replace(WANT, secret_name="regcred"))
    assert plan.steps[1].body["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "regcred"}]
    desk.applied(engine, plan)
    assert [ref.kind for ref in planned(engine, replace(WANT, remove=True)).refs] == ["DaemonSet"]


def test_what_somebody_took_out_again_is_no_success(desk: Desk, engine: Engine, yard: Yard, standin: StandIn) -> None:
    def meddle() -> None:
        if yard.kept:
            yard.set(SET, {"spec": {"template": {"spec": {"initContainers": []}}}})

    desk.ticks.append(meddle)
    operation = applied(desk, engine, TYPED)
    assert operation.state == "failed"
    assert operation.verification.endswith("keeps chat:2 no longer: it was changed since.")


def test_an_image_whose_name_looks_secret_is_verified_all_the_same(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    """Parameters are recorded with what looks secret hidden."""
    image = "registry.example.com/auth/token:1.0"
    operation = applied(desk, engine, replace(WANT, images=(image,)))
    assert image not in operation.plan["params"]["images"]
    assert (operation.state, operation.verification) == ("done", "5 of 5 nodes have token:1.0.")
    assert taken_back(desk, engine, operation.id).state == "done"
    assert SET not in yard.objects


# On an API server


@pytest.mark.parametrize("kind", ["memory", "api"])
def test_a_change_of_the_template_is_written_and_taken_back(kind: str, tmp_path: Path) -> None:
    """One node at a time of two: the DaemonSet comes first and gets its image by a patch."""
    with proving.bench(kind, tmp_path) as bench:
        assert bench.world is not None
        engine, before = bench.engine(), proving.everything(bench.world)
        plan = bench.plan(engine, "prepull-images", replace(PREPULL, parallel=1))
        operation = bench.operation(bench.applied(engine, plan))
        assert (operation.state, operation.verification) == ("done", "2 of 2 nodes have vllm:0.9.1.")
        assert [(one.verb, one.ref.kind) for one in bench.writes] == [
            ("create", "Namespace"),
            ("create", "DaemonSet"),
            ("patch", "DaemonSet"),
        ]
        assert bench.plan(engine, "prepull-images", replace(PREPULL, parallel=1)).empty
        assert bench.taken_back(engine, operation.id).state == "done"
        assert proving.everything(bench.world).keys() == before.keys()
