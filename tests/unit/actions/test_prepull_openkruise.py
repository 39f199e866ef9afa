"""Images kept by ImagePullJobs of OpenKruise, and when they are not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.actions import prepull_steps
from services.actions.engine import Engine
from services.adapters.kube import KubeCluster
from services.domain.change.plan import StepKind
from services.domain.change.refs import Ref
from services.domain.kinds import KINDS
from services.domain.prepull import POOL, job_name
from services.ports import ClusterSource
from services.settings import KubeAccess
from tests import apiserver
from tests.apiserver import Pauses
from tests.standin import StandIn
from tests.unit.actions.conftest import START, Desk
from tests.unit.actions.yard import (
    CHAT,
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
    refused,
    stationed,
    taken_back,
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


def job(image: str, api: str = "apps.kruise.io/v1beta1") -> Ref:
    return Ref.of(YARD, "ImagePullJob", job_name("h100", image), SPACE, api=api)


def test_where_openkruise_runs_on_every_node_it_pulls(desk: Desk, engine: Engine, yard: Yard) -> None:
    yard.kruise("n1", "n2", "n3", "n4", "n5")
    plan = planned(engine, replace(WANT, images=(VLLM, CHAT)))
    assert kinds(plan) == [(StepKind.CREATE, "Namespace"), *[(StepKind.CREATE, "ImagePullJob")] * 2]
    assert plan.blast[-1] == "OpenKruise runs on all of these nodes and pulls; no pods are made for it."
    body = plan.steps[1].body
    assert body["spec"]["selector"] == {"matchLabels": {"eks.amazonaws.com/nodegroup": "h100"}}
    assert (body["spec"]["image"], body["spec"]["parallelism"]) == (VLLM, 2)
    assert body["metadata"]["annotations"] == {POOL: "h100"}

    def openkruise() -> None:
        for number in range(1, 6):
            yard.node(f"n{number}", (VLLM, 9.8), ("docker.io/library/chat:2", 4))

    desk.ticks.append(openkruise)
    operation = desk.operation(desk.applied(engine, plan))
    assert (operation.state, operation.verification) == ("done", "5 of 5 nodes have all 2 images.")
    assert planned(engine, replace(WANT, images=(CHAT, VLLM))).empty
    assert taken_back(desk, engine, operation.id).state == "done"
    assert not any(ref.namespace == SPACE for ref in yard.objects)


def test_where_its_daemon_is_missing_on_a_node_a_daemonset_pulls(engine: Engine, yard: Yard) -> None:
    yard.kruise("n1", "n2")
    plan = planned(engine)
    assert (StepKind.CREATE, "DaemonSet") in kinds(plan)
    assert plan.blast[-1] == "OpenKruise's daemon runs on 2 of these 5 nodes, so a DaemonSet pulls."


def test_an_older_openkruise_is_spoken_to_in_its_version(engine: Engine, yard: Yard) -> None:
    yard.kruise()
    yard.versions = ("apps.kruise.io/v1alpha1",)
    plan = planned(engine, replace(WANT, method="job"))
    assert plan.steps[1].ref == job(VLLM, "apps.kruise.io/v1alpha1")
    yard.versions = ()
    assert refused(engine, replace(WANT, method="job")).endswith("in no version that is known here.")


@pytest.mark.parametrize("served", KINDS["imagepulljobs"].groups)
def test_the_version_is_found_on_a_server(served: str) -> None:
    with apiserver.running() as server:
        server.withdraw("apps.kruise.io/v1beta1", "imagepulljobs")
        server.serve(served, "imagepulljobs")
        cluster = KubeCluster(YARD, KubeAccess(kubeconfig=server.kubeconfig()), clock=lambda: START, pause=Pauses())
        try:
            source = ClusterSource(YARD, cluster, None)
            assert prepull_steps.job_api(source, YARD) == served
        finally:
            cluster.close()


def test_a_job_that_gave_up_is_quoted(desk: Desk, engine: Engine, yard: Yard) -> None:
    yard.kruise()
    plan = planned(engine, replace(WANT, method="job"))

    gave_up = {"failed": 1, "failedNodes": ["n2"], "message": "pulling timed out"}
    desk.ticks.append(lambda: yard.shows(job(VLLM), gave_up))
    operation = desk.operation(desk.applied(engine, plan))
    assert operation.state == "unverified"
    assert operation.verification == (
        "1 of 5 nodes have vllm:0.9.1. Not listed yet by n2, n3, n4, n5. n2: OpenKruise gave up. pulling timed out."
    )


def test_one_image_of_several_jobs_is_let_go(desk: Desk, engine: Engine, yard: Yard) -> None:
    yard.kruise()
    desk.applied(engine, planned(engine, replace(WANT, images=(VLLM, CHAT), method="job")))
    removal = planned(engine, replace(TYPED, remove=True))
    assert removal.refs == (job(CHAT),)
    assert desk.operation(desk.applied(engine, removal)).state == "done"
    assert job(VLLM) in yard.objects


def test_what_is_kept_one_way_is_not_kept_another_way_beside_it(
    desk: Desk, engine: Engine, yard: Yard, standin: StandIn
) -> None:
    applied(desk, engine)
    yard.kruise("n1", "n2", "n3", "n4", "n5")
    assert refused(engine, replace(TYPED, method="job")).endswith("Let it keep none first.")
    assert kinds(planned(engine, TYPED)) == [(StepKind.PATCH, "DaemonSet")]
