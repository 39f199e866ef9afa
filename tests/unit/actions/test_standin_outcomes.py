"""Every action while controllers work, take long, fail, or never answer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.domain.change.refs import Ref
from services.domain.sharing import CONFIG_LABEL, MIG_STATE_LABEL
from services.ports import Operation
from tests import proving
from tests.cases import CASES, CLOUD_FIRST, FALLBACKS, HEADROOM, SHARING, more
from tests.gateway import FILE
from tests.proving import LAB, OPERATOR, Bench, lab
from tests.standin import Outcome, StandIn
from tests.worlds import Json

T1, T2, A1 = (lab("Node", name) for name in ("t1", "t2", "a1"))
MIG = replace(SHARING, layout="mig:all-1g.10gb", nodes=("a1",))


class Scene:
    """A bench on which one action is run while controllers behave in some way."""

    def __init__(self, bench: Bench) -> None:
        assert bench.standin is not None
        assert bench.world is not None
        self.bench, self.standin, self.world = bench, bench.standin, bench.world
        self.engine = bench.engine()
        self.began = bench.clock.now
        self.id = ""

    def run(self, action: str, params: Any = None) -> Operation:
        plan = self.bench.plan(self.engine, action, CASES[action].lab if params is None else params)
        self.began = self.bench.clock.now
        self.id = self.bench.applied(self.engine, plan)
        return self.bench.operation(self.id)

    def back(self) -> Operation:
        """Take it back, while everything works again."""
        self.standin.outcomes.clear()
        return self.bench.taken_back(self.engine, self.id)

    def body(self, ref: Ref) -> Json:
        return proving.everything(self.world)[ref]

    @property
    def took_s(self) -> float:
        return (self.bench.clock.now - self.began).total_seconds()


@pytest.fixture(params=["memory", "api"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def scene(kind: str, tmp_path: Path) -> Iterator[Scene]:
    with proving.bench(kind, tmp_path) as bench:
        yield Scene(bench)


def people(scene: Scene) -> dict[str, Any]:
    """What people decide about the nodes and workloads that were there, without what the stand-in writes."""
    found = {}
    for ref, body in proving.everything(scene.world).items():
        if ref.kind in ("Node", "ConfigMap", "DaemonSet") and not ref.name.startswith("grown"):
            labels = body["metadata"].get("labels") or {}
            found[str(ref)] = (labels.get(CONFIG_LABEL), labels.get("nvidia.com/mig.config"),
                               (body.get("spec") or {}).get("unschedulable"), body.get("data"))  # fmt: skip
    return found


# Sharing by label


@pytest.mark.parametrize(("outcome", "at_least"), [(Outcome.WORKS, 54.0), (Outcome.SLOW, 430.0)])
def test_nodes_that_come_back_are_changed_one_after_another(scene: Scene, outcome: Outcome, at_least: float) -> None:
    """Twice 12 (200) seconds of the device plugin and one pause of 30."""
    scene.standin.outcomes["plugin"] = outcome
    operation = scene.run("set-sharing")
    assert (operation.state, operation.verification) == ("done", "All 2 nodes offer what was planned.")
    assert at_least <= scene.took_s <= at_least + 30
    for node in (T1, T2):
        body = scene.body(node)
        assert body["status"]["allocatable"]["nvidia.com/gpu"] == "2"
        assert body["metadata"]["labels"]["nvidia.com/gpu.sharing-strategy"] == "time-slicing"
        assert not body["spec"].get("unschedulable")


@pytest.mark.parametrize("pace_s", [30.0, 300.0])
def test_between_two_nodes_the_pause_is_kept(scene: Scene, pace_s: float) -> None:
    times: list[tuple[str, datetime]] = []
    spy = scene.bench.spies[LAB]
    spy.before = lambda written: times.append((written.ref.name, scene.bench.clock.now))
    assert scene.run("set-sharing", replace(SHARING, pace_s=pace_s)).state == "done"
    first = [at for name, at in times if name == "t1"]
    second = [at for name, at in times if name == "t2"]
    assert (len(first), len(second)) == (3, 3)
    assert pace_s <= (second[0] - first[-1]).total_seconds() <= pace_s + 5


@pytest.mark.parametrize("outcome", [Outcome.FAILS, Outcome.NEVER])
def test_the_first_node_that_does_not_come_back_is_the_last_one_touched(scene: Scene, outcome: Outcome) -> None:
    before = people(scene)
    scene.standin.outcomes["plugin/t1"] = outcome
    operation = scene.run("set-sharing")
    assert operation.state == "failed"
    assert operation.outcome == (
        "Step 3 of 9, wait until t1 offers 2 × nvidia.com/gpu failed: Wait until t1 offers 2 × nvidia.com/gpu: not so "
        "after 300 seconds. 2 changes before it landed and can be taken back."
    )
    assert 300 <= scene.took_s <= 310
    assert {written.ref for written in scene.bench.writes} == {T1}
    assert scene.body(T1)["spec"]["unschedulable"] is True, "no pod is to land on it"
    assert scene.back().state == "done"
    assert people(scene) == before
    assert scene.body(T1)["status"]["allocatable"]["nvidia.com/gpu"] == "1"


def test_nodes_before_the_one_that_fails_keep_the_layout_until_it_is_taken_back(scene: Scene) -> None:
    before = people(scene)
    scene.standin.outcomes["plugin/t2"] = Outcome.FAILS
    operation = scene.run("set-sharing")
    assert operation.state == "failed"
    assert operation.outcome.endswith("5 changes before it landed and can be taken back.")
    assert scene.body(T1)["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert not scene.body(T1)["spec"].get("unschedulable")
    assert scene.body(T2)["status"]["allocatable"]["nvidia.com/gpu"] == "0"
    assert scene.back().state == "done"
    assert people(scene) == before
    assert [scene.body(node)["status"]["allocatable"]["nvidia.com/gpu"] for node in (T1, T2)] == ["1", "1"]


def test_an_undo_that_hangs_as_well_says_so_and_can_be_continued(scene: Scene) -> None:
    before = people(scene)
    scene.standin.outcomes["plugin"] = Outcome.FAILS
    scene.run("set-sharing")
    undoing = scene.bench.taken_back(scene.engine, scene.id)
    assert undoing.state == "failed"
    assert "offers" in undoing.outcome or "not so after 300 seconds" in undoing.outcome
    scene.standin.outcomes.clear()
    scene.engine.resume(undoing.id, OPERATOR, reason="the driver was mended")
    assert scene.bench.operation(undoing.id).state == "done"
    assert people(scene) == before


# Draining


def pods_on(scene: Scene, node: str) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in scene.world.all("Pod") if pod["spec"].get("nodeName") == node)


@pytest.mark.parametrize("outcome", [Outcome.WORKS, Outcome.SLOW])
def test_drained_pods_leave_and_are_waited_for(scene: Scene, outcome: Outcome) -> None:
    scene.standin.outcomes["eviction"] = outcome
    operation = scene.run("set-sharing", replace(SHARING, nodes=("t1",), drain=True))
    assert operation.state == "done", operation.outcome
    assert scene.took_s >= (400 if outcome is Outcome.SLOW else 6)
    assert "small-0" not in [pod["metadata"]["name"] for pod in scene.world.all("Pod")]


def test_a_pod_that_never_ends_stops_the_drain_at_its_deadline(scene: Scene) -> None:
    scene.standin.outcomes["eviction/small-0"] = Outcome.NEVER
    operation = scene.run("set-sharing", replace(SHARING, drain=True, deadline_s=120.0))
    assert operation.state == "failed"
    assert "web/small-0 did not leave t1 in time." in operation.outcome
    assert 120 <= scene.took_s <= 130
    assert "tiny-0" in pods_on(scene, "t2"), "the second node was not drained"
    assert CONFIG_LABEL not in scene.body(T1)["metadata"]["labels"]
    assert scene.back().state == "done"
    assert not scene.body(T1)["spec"].get("unschedulable")


def test_a_disruption_budget_is_waited_for_until_it_allows_the_eviction(scene: Scene) -> None:
    small = next(pod for pod in scene.world.all("Pod") if pod["metadata"]["name"] == "small-0")
    scene.world.protect(small, on=True)
    asked = scene.bench.clock.now

    def relented() -> None:
        if (scene.bench.clock.now - asked).total_seconds() >= 60:
            scene.world.protect(small, on=False)

    tick = scene.standin.tick
    scene.standin.tick = lambda: (relented(), tick())[1]  # type: ignore[method-assign,assignment]
    operation = scene.run("set-sharing", replace(SHARING, nodes=("t1",), drain=True))
    assert operation.state == "done"
    assert scene.took_s >= 60
    said = [event.says for event in scene.bench.events(scene.id) if event.kind == "waited"]
    assert any("disruption budget" in one for one in said)


def test_a_disruption_budget_that_never_allows_it_fails_in_its_words(scene: Scene) -> None:
    small = next(pod for pod in scene.world.all("Pod") if pod["metadata"]["name"] == "small-0")
    scene.world.protect(small, on=True)
    operation = scene.run("set-sharing", replace(SHARING, nodes=("t1",), drain=True, deadline_s=60.0))
    assert operation.state == "failed"
    assert "web/small-0 did not leave t1 in time." in operation.outcome
    assert "disruption budget" in operation.outcome


# MIG


@pytest.mark.parametrize(("outcome", "at_least"), [(Outcome.WORKS, 60), (Outcome.SLOW, 700)])
def test_gpus_are_cut_and_put_together_again(scene: Scene, outcome: Outcome, at_least: int) -> None:
    scene.standin.outcomes["mig"] = outcome
    operation = scene.run("set-sharing", MIG)
    assert operation.state == "done", operation.outcome
    assert at_least <= scene.took_s <= at_least + 20
    assert scene.body(A1)["status"]["allocatable"]["nvidia.com/mig-1g.10gb"] == "14"
    assert scene.body(A1)["status"]["allocatable"]["nvidia.com/gpu"] == "0"
    assert scene.back().state == "done"
    assert scene.body(A1)["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert scene.body(A1)["status"]["allocatable"]["nvidia.com/mig-1g.10gb"] == "0"


def test_a_cut_that_fails_is_told_at_once_and_not_at_the_deadline(scene: Scene) -> None:
    scene.standin.outcomes["mig"] = Outcome.FAILS
    operation = scene.run("set-sharing", MIG)
    assert operation.state == "failed"
    assert "Node a1 reports that it failed." in operation.outcome
    assert scene.took_s < 120
    assert scene.body(A1)["metadata"]["labels"][MIG_STATE_LABEL] == "failed"
    assert scene.back().state == "done"
    labels = scene.body(A1)["metadata"]["labels"]
    assert (labels["nvidia.com/mig.config"], labels[MIG_STATE_LABEL]) == ("all-disabled", "success")


def test_a_mig_manager_that_never_answers_is_waited_for_fifteen_minutes(scene: Scene) -> None:
    scene.standin.outcomes["mig"] = Outcome.NEVER
    operation = scene.run("set-sharing", MIG)
    assert operation.state == "failed"
    assert "not so after 900 seconds" in operation.outcome
    assert 900 <= scene.took_s <= 910
    assert scene.back().state == "done"
    assert not scene.body(A1)["spec"].get("unschedulable")


# Headroom


def placeholders(scene: Scene) -> list[Json]:
    return [pod for pod in scene.world.all("Pod") if pod["metadata"].get("namespace") == "gpu-headroom"]


def test_a_warm_unit_is_a_running_placeholder(scene: Scene) -> None:
    operation = scene.run("scale-headroom")
    assert (operation.state, operation.verification) == ("done", "1 of 1 are warm.")
    (pod,) = placeholders(scene)
    assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == ("s2", "Running")
    assert scene.back().state == "done"
    assert placeholders(scene) == []


@pytest.mark.parametrize(("outcome", "at_least"), [(Outcome.WORKS, 60), (Outcome.SLOW, 600)])
def test_units_beyond_what_is_free_wait_for_the_autoscalers_node(scene: Scene, outcome: Outcome, at_least: int) -> None:
    scene.standin.outcomes["autoscaler"] = outcome
    operation = scene.run("scale-headroom", more(2))
    assert (operation.state, operation.verification) == ("done", "2 of 2 are warm.")
    assert at_least <= scene.took_s <= at_least + 40
    assert sum(node["metadata"]["name"].startswith("grown") for node in scene.world.all("Node")) == 1


@pytest.mark.parametrize("outcome", [Outcome.FAILS, Outcome.NEVER])
def test_a_node_that_never_comes_leaves_the_unit_asked_for_and_unverified(scene: Scene, outcome: Outcome) -> None:
    scene.standin.outcomes["autoscaler"] = outcome
    operation = scene.run("scale-headroom", more(2))
    assert operation.state == "unverified"
    assert operation.outcome == "It was applied; the effect was not seen within 120 seconds."
    assert operation.verification == "Refill in progress: 1 of 2 are warm, the rest wait for nodes."
    assert 900 + 120 <= scene.took_s <= 900 + 130
    assert scene.back().state == "done"
    assert placeholders(scene) == []


def test_a_deployment_nobody_looks_after_is_unverified(scene: Scene) -> None:
    scene.standin.outcomes["rollout"] = Outcome.NEVER
    operation = scene.run("scale-headroom")
    assert operation.state == "unverified"
    assert operation.verification == "Refill in progress: 0 of 1 are warm, the rest wait for nodes."
    assert 240 <= scene.took_s <= 250


@pytest.fixture
def buffered(kind: str, tmp_path: Path) -> Iterator[Scene]:
    with proving.bench(kind, tmp_path, buffers=True) as bench:
        yield Scene(bench)


@pytest.mark.parametrize(("outcome", "at_least"), [(Outcome.WORKS, 10), (Outcome.SLOW, 90)])
def test_a_buffer_the_autoscaler_takes_on_is_done(buffered: Scene, outcome: Outcome, at_least: int) -> None:
    buffered.standin.outcomes["buffer"] = outcome
    operation = buffered.run("scale-headroom", more(1, method="buffer"))
    assert (operation.state, operation.verification) == ("done", "The autoscaler has taken the buffer on.")
    assert at_least <= buffered.took_s <= at_least + 10
    assert buffered.back().state == "done"


def test_a_buffer_the_autoscaler_refuses_fails_with_its_words(buffered: Scene) -> None:
    buffered.standin.outcomes["buffer"] = Outcome.FAILS
    operation = buffered.run("scale-headroom", more(1, method="buffer"))
    assert operation.state == "failed"
    assert operation.outcome == "It was applied and did not take effect."
    assert operation.verification == "The autoscaler does not keep the room: no such node."


def test_a_buffer_nobody_answers_fails_after_two_minutes(buffered: Scene) -> None:
    buffered.standin.outcomes["buffer"] = Outcome.NEVER
    operation = buffered.run("scale-headroom", more(1, method="buffer"))
    assert operation.state == "failed"
    assert "Wait until the autoscaler answers: not so after 120 seconds." in operation.outcome
    assert 120 <= buffered.took_s <= 130
    assert buffered.back().state == "done"
    assert not any(ref.namespace == "gpu-headroom" for ref in proving.everything(buffered.world))


# Fallbacks


@pytest.mark.parametrize(("outcome", "at_least"), [(Outcome.WORKS, 20), (Outcome.SLOW, 400)])
def test_a_rollout_that_ends_brings_the_new_order_into_force(scene: Scene, outcome: Outcome, at_least: int) -> None:
    scene.standin.outcomes["rollout"] = outcome
    operation = scene.run("edit-fallbacks")
    assert (operation.state, operation.verification) == ("done", "In force: chat: chat-cloud → chat-own → large.")
    assert at_least <= scene.took_s <= at_least + 10
    assert scene.bench.text() == CLOUD_FIRST
    assert scene.back().state == "done"
    assert scene.bench.text() == FILE


@pytest.mark.parametrize("outcome", [Outcome.FAILS, Outcome.NEVER])
def test_a_file_the_proxy_does_not_run_with_is_put_back(scene: Scene, outcome: Outcome) -> None:
    scene.standin.outcomes["rollout"] = lambda body: outcome if scene.bench.text() != FILE else Outcome.WORKS
    operation = scene.run("edit-fallbacks")
    assert operation.state == "failed"
    assert "not so after 600 seconds" in operation.outcome
    assert operation.outcome.endswith("Everything was put back.")
    assert scene.bench.text() == FILE
    assert 600 <= scene.took_s <= 650
    assert scene.bench.gateway is not None
    assert CLOUD_FIRST not in scene.bench.gateway.starts


def test_a_rollout_that_hangs_on_the_way_back_too_is_told(scene: Scene) -> None:
    scene.standin.outcomes["rollout"] = Outcome.NEVER
    operation = scene.run("edit-fallbacks")
    assert operation.state == "failed"
    assert "Putting it back failed as well:" in operation.outcome
    assert scene.bench.text() == FILE, "the text is back; only the restart is not"


def test_a_proxy_that_goes_on_as_before_is_unverified(scene: Scene) -> None:
    scene.standin.started = lambda workload: None
    operation = scene.run("edit-fallbacks", FALLBACKS)
    assert operation.state == "unverified"
    assert operation.verification.startswith("Not in force yet. chat:")


def test_the_stand_in_leaves_an_estate_alone_that_is_as_it_is_asked_to_be(scene: Scene) -> None:
    before = proving.everything(scene.world)
    StandIn(scene.world, scene.bench.clock, plugin=(proving.SPACE, proving.CONFIGS))
    scene.bench.wait(600)
    assert proving.everything(scene.world) == before
    assert scene.standin.wrote == set()
    assert HEADROOM.units == 1
