from typing import Any

import pytest

from services.domain.objects import Generic, Meta, OwnerReference, Pod
from services.domain.release import kept, targets
from services.domain.release.owners import Owner, by_name, owner
from services.errors import Refused


def above(kind: str, name: str) -> list[OwnerReference]:
    return [OwnerReference(kind=kind, name=name, controller=True)]


def pod(*owners: OwnerReference) -> Pod:
    return Pod(metadata=Meta(name="chat-x", namespace="ml", owner_references=list(owners)))


def thing(name: str, *owners: OwnerReference) -> Generic:
    return Generic(metadata=Meta(name=name, namespace="ml", owner_references=list(owners)))


def hpa(least: int = 1, *owners: OwnerReference) -> Generic:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "chat"}, "minReplicas": least}
    return Generic(metadata=Meta(name="chat-hpa", namespace="ml", owner_references=list(owners)), spec=spec)


def refusal(do: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as told:
        do()
    return str(told.value), told.value.hint


def test_a_replicasets_pod_belongs_to_its_deployment() -> None:
    sets = by_name([thing("chat-1", *above("Deployment", "chat"))])
    assert owner(pod(*above("ReplicaSet", "chat-1")), sets, {}) == Owner("Deployment", "ml", "chat")


def test_a_job_remembers_the_cronjob_above_it() -> None:
    jobs = by_name([thing("eval-1", *above("CronJob", "eval"))])
    assert owner(pod(*above("Job", "eval-1")), {}, jobs) == Owner("Job", "ml", "eval-1", "eval")


def test_a_bare_pod_is_refused_with_what_to_do() -> None:
    says, hint = refusal(lambda: owner(pod(), {}, {}))
    assert "Nothing controls pod ml/chat-x" in says
    assert "Job" in hint


@pytest.mark.parametrize("kind", ["RayCluster", "PyTorchJob"])
def test_controllers_nobody_here_knows_are_refused(kind: str) -> None:
    assert f"belongs to {kind} big" in refusal(lambda: owner(pod(*above(kind, "big")), {}, {}))[0]
    jobs = by_name([thing("big-1", *above(kind, "big"))])
    assert "decides when it runs" in refusal(lambda: owner(pod(*above("Job", "big-1")), {}, jobs))[0]


def test_a_replicaset_without_a_deployment_is_refused() -> None:
    assert "no Deployment is known above it" in refusal(lambda: owner(pod(*above("ReplicaSet", "lost")), {}, {}))[0]


def test_a_deployment_goes_down_by_its_idle_pods() -> None:
    assert targets.deployment(5, ["a", "b"]) == 3
    assert targets.deployment(1, ["a"]) == 0


def test_a_statefulset_keeps_everything_up_to_the_highest_that_works() -> None:
    # 0 idle, 1 works, 2 and 3 idle: 2 and 3 go
    assert targets.statefulset(4, ["s-0", "s-2", "s-3"], ["s-1"]) == 2
    assert targets.statefulset(4, ["s-0", "s-1", "s-2", "s-3"], []) == 0
    assert targets.statefulset(2, ["s-6"], ["s-5"], start=5) == 1


def test_idle_pods_below_one_that_works_cannot_go() -> None:
    says, _ = refusal(lambda: targets.statefulset(3, ["s-0", "s-1"], ["s-2"]))
    assert "ends its highest number first, and number 2 works" in says


def test_an_autoscaler_stops_at_zero_and_puts_back_anything_else() -> None:
    assert "stops scaling chat at zero" in targets.autoscaled("Deployment", "chat", "ml", 0, [hpa()])
    says, hint = refusal(lambda: targets.autoscaled("Deployment", "chat", "ml", 2, [hpa(least=3)]))
    assert "owns the replicas of chat (at least 3)" in says
    assert "minReplicas to 2" in hint


def test_another_workloads_autoscaler_does_not_matter() -> None:
    assert targets.autoscaled("StatefulSet", "chat", "ml", 2, [hpa()]) == ""
    assert targets.autoscaled("Deployment", "chat", "other", 2, [hpa()]) == ""


def test_keda_would_start_it_again() -> None:
    keda = hpa(1, *above("ScaledObject", "chat"))
    assert "KEDA scales chat" in refusal(lambda: targets.autoscaled("Deployment", "chat", "ml", 0, [keda]))[0]


def test_a_job_of_kueue_or_another_manager_is_left_to_it() -> None:
    queued = {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "team"}}}
    assert "Kueue decides" in refusal(lambda: targets.job("train", queued, ""))[0]
    managed = {"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}}
    assert "is run by kueue.x-k8s.io/multikueue" in refusal(lambda: targets.job("train", managed, ""))[0]


def test_of_a_cronjob_only_the_one_job_is_suspended() -> None:
    assert targets.job("eval-1", {}, "eval") == "CronJob eval goes on making new Jobs; only this one is suspended."
    assert targets.job("train", {"spec": {"managedBy": "kubernetes.io/job-controller"}}, "") == ""


def test_only_the_label_true_keeps() -> None:
    assert kept(None, {"gpu-fleet-console/keep": "True"})
    assert not kept(None, {"gpu-fleet-console/keep": "false"}, {})
