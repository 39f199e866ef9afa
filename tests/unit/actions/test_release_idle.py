"""Releasing idle GPUs in the demo: who is told, who is asked once more, who is left alone, and what comes back."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services import snapshots
from services.actions.engine import Engine
from services.domain.change.plan import Plan, StepKind
from services.domain.change.refs import Ref
from services.domain.release import KEEP, NOTICE, ReleaseParams
from services.errors import Refused, SourceUnavailable
from services.ports import Samples
from tests import proving
from tests.proving import OPERATOR, Bench

OCR = ReleaseParams("demo-east", "search-batch", "ocr-next", "Deployment", by="Olga")
REF = Ref.of("demo-east", "Deployment", "ocr-next", "search-batch")
NOTEBOOKS = ReleaseParams("demo-west", "sandbox", "playground", "StatefulSet")
PLAYGROUND = Ref.of("demo-west", "StatefulSet", "playground", "sandbox")


class Watched:
    """Metrics whose GPUs are at work from a moment on, or that stop answering."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.busy: set[str] = set()
        self.silent = False

    def instant(self, query: Any, at: Any, only: Any = None) -> Samples:
        if self.silent:
            raise SourceUnavailable("prometheus", "No answer within 10 seconds.")
        found: Samples = self._real.instant(query, at, only)
        frame = found.frame
        if "pod" in frame.columns and query.signal == "util":
            frame = frame.assign(value=frame["value"].mask(frame["pod"].isin(self.busy), 0.4))
        return replace(found, frame=frame)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Scene:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.metrics = {name: Watched(source.metrics) for name, source in bench.sources.clusters.items()}
        clusters = {
            name: replace(source, metrics=self.metrics[name])  # type: ignore[arg-type]
            for name, source in bench.sources.clusters.items()
        }
        bench.sources = replace(bench.sources, clusters=clusters)
        self.engine: Engine = bench.engine()

    def plan(self, want: ReleaseParams = OCR) -> Plan:
        return self.bench.plan(self.engine, "release-idle", want)

    def refused(self, want: ReleaseParams = OCR) -> str:
        with pytest.raises(Refused) as told:
            self.plan(want)
        return str(told.value)

    def read(self, ref: Ref) -> Any:
        return self.bench.sources.clusters[ref.cluster].cluster.read(ref)

    def label(self, ref: Ref, **fields: Any) -> None:
        cluster = self.bench.sources.clusters[ref.cluster].cluster
        cluster.patch(ref, fields or {"metadata": {"labels": {KEEP: "true"}}}, expected=cluster.read(ref).version)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with proving.bench("demo", tmp_path) as bench:
        yield Scene(bench)


def test_the_owner_is_told_first_and_given_time(scene: Scene) -> None:
    plan = scene.plan()
    assert [(step.kind, step.ref) for step in plan.steps] == [
        (StepKind.PATCH, REF), (StepKind.PAUSE, REF), (StepKind.PATCH, REF),
    ]  # fmt: skip
    told = json.loads(plan.steps[0].body["metadata"]["annotations"][NOTICE])
    assert told == {
        "at": "2026-06-03T12:00:30Z", "by": "Olga", "keep": f"label this {KEEP}=true",
        "not_before": "2026-06-03T12:15:30Z", "why": "1 GPU held and idle",
    }  # fmt: skip
    assert plan.steps[1].body == {"seconds": 900.0}
    assert plan.steps[2].body == {"spec": {"replicas": 0}}
    # a T4 on spot at list price: 0.526 × 0.4 × 24 hours
    assert plan.promise is not None
    assert plan.promise.micro_per_day == -5_049_600
    assert plan.promise.of == {
        "cluster": "demo-east", "namespace": "search-batch", "workload": "ocr-next", "kind": "held",
    }  # fmt: skip


def test_without_a_grace_time_it_says_so(scene: Scene) -> None:
    plan = scene.plan(replace(OCR, grace_minutes=0))
    assert [step.kind for step in plan.steps] == [StepKind.PATCH, StepKind.PATCH]
    assert "Without a grace time" in plan.warnings[0]
    assert "one of 0, 15, 60 minutes" in scene.refused(replace(OCR, grace_minutes=7))


def test_what_works_again_during_the_grace_time_is_left_alone(scene: Scene) -> None:
    plan = scene.plan()
    rehearsal = scene.engine.rehearse(plan, OPERATOR)
    (pod,) = _pods(scene, "ocr-next")
    scene.metrics["demo-east"].busy.add(pod)
    id_ = scene.engine.apply(plan, OPERATOR, reason="idle", rehearsal=rehearsal)
    operation = scene.bench.operation(id_)
    assert operation.state == "failed"
    assert "ocr-next is in use again" in operation.outcome
    assert operation.outcome.endswith("Everything was put back.")
    live = scene.read(REF)
    assert live.body["spec"]["replicas"] == 1
    assert NOTICE not in live.annotations


def test_the_label_stops_it_during_the_grace_time(scene: Scene) -> None:
    plan = scene.plan()
    rehearsal = scene.engine.rehearse(plan, OPERATOR)
    scene.label(REF)
    operation = scene.bench.operation(scene.engine.apply(plan, OPERATOR, reason="idle", rehearsal=rehearsal))
    assert operation.state == "failed"
    assert f"keeps its GPUs: it is labelled {KEEP}=true" in operation.outcome
    assert scene.read(REF).body["spec"]["replicas"] == 1


def test_metrics_that_stop_answering_stop_it(scene: Scene) -> None:
    plan = scene.plan()
    rehearsal = scene.engine.rehearse(plan, OPERATOR)
    scene.metrics["demo-east"].silent = True
    operation = scene.bench.operation(scene.engine.apply(plan, OPERATOR, reason="idle", rehearsal=rehearsal))
    assert operation.state == "failed"
    assert "nobody can tell whether GPUs are idle" in operation.outcome
    assert scene.read(REF).body["spec"]["replicas"] == 1


def test_pods_go_and_one_click_brings_as_many_back(scene: Scene) -> None:
    plan = scene.plan(NOTEBOOKS)
    assert plan.steps[-1].body == {"spec": {"replicas": 0}}
    operation = scene.bench.operation(scene.bench.applied(scene.engine, plan))
    assert (operation.state, operation.verification) == (
        "done", "playground gave back its idle GPUs; none of its pods is left.",
    )  # fmt: skip
    assert _pods(scene, "playground", "demo-west") == []
    back = scene.bench.taken_back(scene.engine, operation.id)
    assert back.state == "done"
    live = scene.read(PLAYGROUND)
    assert live.body["spec"]["replicas"] == 4
    assert NOTICE not in live.annotations
    scene.bench.wait(120)
    assert len(_pods(scene, "playground", "demo-west")) == 4


def test_a_number_somebody_set_since_is_not_put_back(scene: Scene) -> None:
    operation = scene.bench.operation(scene.bench.applied(scene.engine, scene.plan()))
    scene.label(REF, spec={"replicas": 3})
    fields = {one.path: one.ticked for one in scene.engine.plan_undo(operation.id, OPERATOR).fields}
    assert fields == {("spec", "replicas"): False, ("metadata", "annotations", NOTICE): True}


def test_of_a_statefulset_stays_what_is_below_one_that_works(scene: Scene) -> None:
    scene.metrics["demo-west"].busy.add("playground-1")
    plan = scene.plan(NOTEBOOKS)
    assert plan.steps[-1].body == {"spec": {"replicas": 2}}
    assert "2 pods of playground stay." in plan.blast


def test_idle_pods_below_one_that_works_are_refused(scene: Scene) -> None:
    scene.metrics["demo-west"].busy.add("playground-3")
    assert "ends its highest number first, and number 3 works" in scene.refused(NOTEBOOKS)


@pytest.mark.parametrize("ref", [REF, Ref.of("demo-east", "Namespace", "search-batch")], ids=lambda ref: ref.kind)
def test_what_is_labelled_keeps_its_gpus(scene: Scene, ref: Ref) -> None:
    scene.label(ref)
    assert f"labelled {KEEP}=true" in scene.refused()


def test_bare_pods_busy_ones_and_strangers_are_refused(scene: Scene) -> None:
    bare = ReleaseParams("demo-east", "research", "ablation-study", "Pod")
    assert "Nothing controls pod ablation-study" in scene.refused(bare)
    busy = ReleaseParams("demo-east", "assistants-prod", "chat-70b", "Deployment")
    assert "in use again" in scene.refused(busy)
    assert "cannot be released from here" in scene.refused(replace(OCR, kind="RayCluster"))
    assert "There is no cluster called north" in scene.refused(replace(OCR, cluster="north"))
    assert "holds no GPUs now" in scene.refused(replace(OCR, workload="nobody"))


def _pods(scene: Scene, workload: str, cluster: str = "demo-east") -> list[str]:
    stock = snapshots.read(scene.bench.sources, scene.bench.sources.clusters[cluster]).value
    assert stock is not None
    rows = stock.pods
    return sorted(rows.loc[rows["workload"].eq(workload) & rows["node"].ne(""), "pod"])
