"""Setting how GPUs are shared: the plan, the way there, and the way back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import migrate
from db.work import Database
from services.access import ActionPolicy
from services.actions.set_sharing import SetSharing, SharingParams
from services.domain.change.plan import Plan, Risk, StepKind
from services.domain.sharing import CONFIG_LABEL, MIG_LABEL, MIG_STATE_LABEL
from services.domain.sharing import config as sharing_config
from services.errors import Refused
from tests import sharing_estate as estate
from tests.sharing_estate import CLUSTER, CONFIGS, PLUGIN, WatchedMemory, node
from tests.unit.actions.conftest import OPERATOR, Desk

ACTION = SetSharing()


def planned(memory: WatchedMemory, layout: str, *nodes: str, **more: Any) -> Any:
    return ACTION.plan(SharingParams(CLUSTER, layout, nodes, **more), estate.sources(memory))


def said(draft: Any) -> list[str]:
    return [step.says for step in draft.steps]


@pytest.fixture
def memory() -> WatchedMemory:
    return estate.cluster()


@pytest.fixture
def desk(tmp_path: Path, memory: WatchedMemory) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    desk = Desk({CLUSTER: memory}, database, policy=ActionPolicy())
    desk.ticks.append(lambda: estate.controllers(memory))
    yield desk
    database.close()


def test_a_layout_that_has_a_document_is_set_by_label_node_by_node(memory: WatchedMemory) -> None:
    draft = planned(memory, "time-slicing-2", pool="t4", pace_s=45.0)
    assert said(draft) == [
        "Cordon t1",
        "Set nvidia.com/device-plugin.config=ts2 on t1",
        "Wait until t1 offers 2 × nvidia.com/gpu",
        "Uncordon t1",
        "Wait before the next node",
        "Cordon t2",
        "Set nvidia.com/device-plugin.config=ts2 on t2",
        "Wait until t2 offers 2 × nvidia.com/gpu",
        "Uncordon t2",
    ]
    assert {step.group for step in draft.steps} == {"t1", "t2"}
    assert draft.steps[4].body == {"seconds": 45.0}
    assert draft.steps[2].body["until"] == [
        [["status", "capacity", "nvidia.com/gpu"], "is", "2"],
        [["status", "allocatable", "nvidia.com/gpu"], "at least", "2"],
    ]
    assert draft.steps[2].before["until"][0] == [["status", "capacity", "nvidia.com/gpu"], "is", "1"]
    assert (draft.risk, draft.on_failure, draft.nodes) == (Risk.MEDIUM, "stop", {(CLUSTER, "t4"): ["t1", "t2"]})
    assert draft.summary == "t4: 2 nodes from Exclusive to Time-slicing × 2"
    assert draft.blast[0] == ("2 nodes with 2 GPUs: 2 units become 4, worth 2 GPU equivalents before and 2 after.")
    assert draft.warnings[0].startswith("Time-slicing gives no memory limit and no fault isolation.")


def test_a_layout_without_a_document_gets_a_new_key_and_time_to_arrive(memory: WatchedMemory) -> None:
    draft = planned(memory, "time-slicing-4", "t1")
    create, wait = draft.steps[0], draft.steps[1]
    assert (create.kind, create.ref) == (StepKind.PATCH, CONFIGS)
    ((key, text),) = create.body["data"].items()
    assert key == "time-slicing-4"
    assert str(sharing_config.read(text).layout) == "Time-slicing × 4"
    assert (wait.kind, wait.body["seconds"]) == (StepKind.PAUSE, 90.0)
    assert draft.steps[3].body == {"metadata": {"labels": {CONFIG_LABEL: "time-slicing-4"}}}
    assert draft.confirm == "t1"


def test_what_is_so_already_needs_no_step(memory: WatchedMemory) -> None:
    assert planned(memory, "exclusive", pool="t4").steps == []
    memory.set(node("t1"), {"metadata": {"labels": {CONFIG_LABEL: "ts2"}}})
    stuck = planned(memory, "time-slicing-2", "t1")
    assert stuck.steps == []
    assert stuck.warnings == ["The labels of t1 ask for this already, but the GPUs do not show it yet."]


def test_a_node_that_was_cordoned_stays_so(memory: WatchedMemory) -> None:
    memory.set(node("t1"), {"spec": {"unschedulable": True}})
    assert [step.kind for step in planned(memory, "time-slicing-2", "t1").steps] == [StepKind.PATCH, StepKind.WAIT]


def test_mig_needs_gpus_without_pods_and_nobody_who_asks_for_what_goes(memory: WatchedMemory) -> None:
    with pytest.raises(Refused, match="1 pod holds GPUs here; this change needs GPUs without pods"):
        planned(memory, "mig:all-1g.10gb", "a1")


def test_mps_is_of_high_risk_and_stops_where_it_fails(memory: WatchedMemory) -> None:
    draft = planned(memory, "mps-4", "t1", drain=True, deadline_s=120.0)
    assert [step.kind.value for step in draft.steps] == ["patch", "pause", "patch", "drain", "patch", "wait", "patch"]
    assert draft.steps[3].body == {"resources": ["nvidia.com/"], "deadline_s": 120.0}
    assert (draft.risk, draft.on_failure, draft.confirm) == (Risk.HIGH, "stop", "t1")


@pytest.mark.parametrize(
    ("layout", "nodes", "why"),
    [
        ("time-slicing-1", ("t1",), "no sharing layout"),
        ("mps-49", ("t1",), "MPS makes at most 48 units"),
        ("mps-2", ("a1",), "MIG strategy mixed"),
        ("mig:all-1g.10gb", ("t1",), "No MIG manager runs here|cannot be cut"),
        ("mig:eight", ("a1",), "8 × 1g.10gb: one GPU holds at most 7"),
        ("mig:nowhere", ("a1",), "a1 has no MIG configuration nowhere"),
        ("exclusive", (), "Choose the nodes"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    memory: WatchedMemory, layout: str, nodes: tuple[str, ...], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        planned(memory, layout, *nodes)


def test_without_a_configuration_to_change_the_reason_is_given(memory: WatchedMemory) -> None:
    memory.objects.pop(PLUGIN)
    with pytest.raises(Refused, match="No NVIDIA device plugin was found"):
        planned(memory, "time-slicing-2", "t1")


def test_one_document_for_all_nodes_is_changed_and_the_plugin_restarted(memory: WatchedMemory) -> None:
    static(memory)
    draft = planned(memory, "time-slicing-2", "t1")
    assert [(step.kind.value, step.ref.kind, step.ref.name) for step in draft.steps] == [
        ("patch", "ConfigMap", "plugin-configs"),
        ("patch", "DaemonSet", "nvidia-device-plugin"),
        ("wait", "DaemonSet", "nvidia-device-plugin"),
        ("wait", "Node", "t1"),
        ("wait", "Node", "t2"),
        ("wait", "Node", "a1"),
    ]
    assert draft.steps[1].body["spec"]["template"]["metadata"]["annotations"] == {
        "kubectl.kubernetes.io/restartedAt": "2026-06-03T12:00:30+00:00"
    }
    assert (draft.risk, draft.confirm, draft.on_failure) == (Risk.HIGH, CLUSTER, "stop")
    assert draft.nodes == {(CLUSTER, "t4"): ["t1", "t2"], (CLUSTER, "a100"): ["a1"]}


def static(memory: WatchedMemory) -> None:
    """Let the plugin read one document for all nodes."""
    container = {
        "name": "nvidia-device-plugin-ctr",
        "env": [{"name": "CONFIG_FILE", "value": "/config/config.yaml"}],
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    spec = {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "plugin-configs"}}]}
    memory.put(PLUGIN, {"metadata": {"namespace": estate.SPACE}, "spec": {"template": {"spec": spec}}})
    memory.put(CONFIGS, {"metadata": {"namespace": estate.SPACE}, "data": {"config.yaml": "version: v1\n"}})


def test_the_operator_is_first_given_a_configmap(memory: WatchedMemory) -> None:
    """A GPU Operator whose ClusterPolicy names none: ConfigMap, ClusterPolicy, rollout, then the label."""
    container = {"name": "nvidia-device-plugin", "env": []}
    owner = {"kind": "ClusterPolicy", "name": "cluster-policy", "uid": "u", "controller": True}
    memory.put(
        PLUGIN,
        {
            "metadata": {"namespace": estate.SPACE, "ownerReferences": [owner]},
            "spec": {"template": {"spec": {"containers": [container]}}},
        },
    )
    memory.objects.pop(CONFIGS)
    memory.put(
        estate.ref("ClusterPolicy", "cluster-policy"), {"spec": {"devicePlugin": {}, "mig": {"strategy": "mixed"}}}
    )
    draft = planned(memory, "time-slicing-2", "t1")
    assert [(step.kind.value, step.ref.kind) for step in draft.steps] == [
        ("create", "ConfigMap"), ("patch", "ClusterPolicy"), ("wait", "DaemonSet"),
        ("patch", "Node"), ("patch", "Node"), ("wait", "Node"), ("patch", "Node"),
    ]  # fmt: skip
    assert draft.steps[1].body == {
        "spec": {"devicePlugin": {"config": {"name": "plugin-configs", "default": "exclusive"}}}
    }
    assert sorted(draft.steps[0].body["data"]) == ["exclusive", "time-slicing-2"]
    assert draft.risk is Risk.HIGH


def test_applied_verified_and_taken_back(desk: Desk, memory: WatchedMemory) -> None:
    engine = desk.engine()
    before = memory.read(node("t1")).body
    plan = engine.plan(OPERATOR, "set-sharing", {"cluster": CLUSTER, "nodes": ["t1", "t2"], "layout": "time-slicing-4"})
    assert engine.rehearse(plan, OPERATOR).refusal == ""
    made = desk.applied(engine, plan)
    operation = desk.operation(made)
    assert (operation.state, operation.verification) == ("done", "All 2 nodes offer what was planned.")
    after = memory.read(node("t1")).body
    assert after["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert "unschedulable" not in after["spec"]
    undo = engine.plan_undo(made, OPERATOR)
    assert [step.ref.name for step in undo.plan.steps if step.kind is StepKind.PATCH] == [
        "t2", "t2", "t2", "t1", "t1", "t1", "plugin-configs",
    ]  # fmt: skip
    back = desk.applied(engine, undo.plan)
    assert desk.operation(back).state == "done"
    restored = memory.read(node("t1")).body
    assert restored["status"] == before["status"]
    assert restored["metadata"]["labels"] == before["metadata"]["labels"]
    assert sorted(memory.read(CONFIGS).body["data"]) == ["exclusive", "ts2"]


def test_a_node_that_never_shows_it_stops_the_change_which_can_be_taken_back(desk: Desk, memory: WatchedMemory) -> None:
    ticks = list(desk.ticks)
    desk.ticks.clear()
    engine = desk.engine()
    plan = engine.plan(OPERATOR, "set-sharing", {"cluster": CLUSTER, "nodes": ["t1"], "layout": "time-slicing-2"})
    made = desk.applied(engine, plan)
    assert desk.operation(made).state == "failed"
    desk.ticks += ticks
    desk.applied(engine, engine.plan_undo(made, OPERATOR).plan)
    body = memory.read(node("t1")).body
    assert CONFIG_LABEL not in body["metadata"]["labels"]
    assert "unschedulable" not in body["spec"]


def test_mig_goes_with_a_drain_and_comes_back_with_one(desk: Desk, memory: WatchedMemory) -> None:
    memory.objects.pop(estate.ref("StatefulSet", "big", "train"))
    memory.objects.pop(estate.ref("Pod", "big-0", "train"))
    memory.put(
        estate.ref("Pod", "mixed-0", "web"),
        {**estate.pod("a1", 1, ("StatefulSet", "tiny")), "metadata": {
            "namespace": "web",
            "ownerReferences": [{"kind": "StatefulSet", "name": "tiny", "uid": "u", "controller": True}],
        }},
    )  # fmt: skip
    engine = desk.engine()
    params = {"cluster": CLUSTER, "nodes": ["a1"], "layout": "mig:all-1g.10gb", "drain": True}
    plan = engine.plan(OPERATOR, "set-sharing", params)
    assert [step.kind.value for step in plan.steps] == ["patch", "drain", "patch", "wait", "patch"]
    assert [
        [list(step.body["until"][0]), step.body["deadline_s"]] for step in plan.steps if step.kind.value == "wait"
    ] == [[[["metadata", "labels", MIG_STATE_LABEL], "is", "success"], 900.0]]
    made = desk.applied(engine, plan)
    assert desk.operation(made).state == "done"
    assert memory.read(node("a1")).body["status"]["allocatable"]["nvidia.com/mig-1g.10gb"] == "14"
    undo = engine.plan_undo(made, OPERATOR).plan
    assert [step.kind.value for step in undo.steps] == ["patch", "drain", "patch", "wait", "patch"]
    assert undo.steps[2].body == {"metadata": {"labels": {MIG_LABEL: "all-disabled"}}}
    assert desk.operation(desk.applied(engine, undo)).state == "done"
    assert memory.read(node("a1")).body["status"]["allocatable"]["nvidia.com/gpu"] == "2"


def test_an_undo_leaves_alone_what_somebody_changed_since(desk: Desk, memory: WatchedMemory) -> None:
    engine = desk.engine()
    params = {"cluster": CLUSTER, "nodes": ["t1"], "layout": "mps-2", "drain": True}
    made = desk.applied(engine, engine.plan(OPERATOR, "set-sharing", params))
    plan = Plan.of(desk.operation(made).plan)
    memory.set(node("t1"), {"metadata": {"labels": {CONFIG_LABEL: "ts2"}}})
    draft = ACTION.undo(plan, plan.steps, estate.sources(memory))
    assert draft is not None
    assert draft.steps == []
    assert "t1 is left alone: nvidia.com/device-plugin.config was changed since." in draft.warnings
