import shlex
from datetime import UTC, datetime
from typing import Any

import yaml

from services.domain.change import kubectl
from services.domain.change.plan import Draft, Plan, Risk
from services.domain.change.refs import Live, Ref

WARM = Ref.of("east", "Deployment", "warm-h100", "gpu-headroom")
NODE = Ref.of("east", "Node", "gpu-7")
CONFIG = Ref.of("east", "ConfigMap", "litellm", "llm")


def live(ref: Ref, **body: Any) -> Live:
    return Live(ref, {"metadata": {"name": ref.name, "uid": "u1", "resourceVersion": "7"}, **body})


def planned(draft: Draft) -> Plan:
    return Plan("p1", "test", draft.summary, tuple(draft.steps), datetime(2026, 6, 3, tzinfo=UTC), Risk.LOW)


def words(text: str) -> list[list[str]]:
    """The commands of a script, each as a shell would part it."""
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def test_a_patch_is_one_command_that_names_cluster_kind_and_fields() -> None:
    draft = Draft("3 replicas")
    draft.set(live(WARM, spec={"replicas": 2}), {"spec": {"replicas": 3}}, "Set 3 replicas")
    text = kubectl.commands(planned(draft))
    assert text.startswith("# 1. Set 3 replicas\n")
    assert words(text) == [
        ["kubectl", "--context=east", "patch", "deployments.v1.apps", "warm-h100", "--namespace=gpu-headroom",
         "--type=merge", '--patch={"spec":{"replicas":3}}'],
    ]  # fmt: skip


def test_hostile_values_do_not_leave_their_quotes_or_their_comment() -> None:
    draft = Draft("note")
    draft.set(live(NODE), {"metadata": {"annotations": {"note": "'; rm -rf / #"}}}, "Note\nrm -rf /")
    text = kubectl.commands(planned(draft))
    assert text.splitlines()[0] == "# 1. Note rm -rf /"
    assert words(text)[0][-1] == '--patch={"metadata":{"annotations":{"note":"\'; rm -rf / #"}}}'
    assert len(words(text)) == 1


def test_an_object_to_create_is_a_manifest_on_standard_input() -> None:
    draft = Draft("create")
    draft.create(WARM, {"spec": {"replicas": 1}}, "Create it")
    text = kubectl.commands(planned(draft))
    first, *body, last = text.splitlines()[1:]
    assert first == "kubectl --context=east create -f - <<'EOF'"
    assert last == "EOF"
    assert yaml.safe_load("\n".join(body)) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 1},
        "metadata": {"name": "warm-h100", "namespace": "gpu-headroom"},
    }


def test_a_drain_has_kubectls_flags_and_says_how_it_differs() -> None:
    draft = Draft("drain")
    draft.drain(live(NODE), "Move the pods", resources=["nvidia.com/"], deadline_s=300)
    text = kubectl.commands(planned(draft))
    assert "only pods that hold nvidia.com/*" in text
    assert words(text) == [
        ["kubectl", "--context=east", "drain", "gpu-7", "--ignore-daemonsets", "--delete-emptydir-data",
         "--timeout=300s"],
    ]  # fmt: skip


def test_waits_are_waits_of_kubectl_where_it_has_one() -> None:
    draft = Draft("wait")
    gpus = (("status", "allocatable", "nvidia.com/gpu"), "is", "32")
    draft.wait(NODE, [gpus, (("spec", "unschedulable"), "absent", None)], "32 GPUs", deadline_s=90)
    draft.wait(WARM, [((), "rolled_out", None)], "Rolled out", deadline_s=60)
    draft.wait(WARM, [((), "gone", None)], "Gone", deadline_s=60)
    found = words(kubectl.commands(planned(draft)))
    assert found[0][2:] == ["wait", "nodes/gpu-7", r"--for=jsonpath={.status.allocatable.nvidia\.com/gpu}=32",
                            "--timeout=90s"]  # fmt: skip
    assert found[1][2:] == ["get", "nodes/gpu-7", "--output=jsonpath={.spec.unschedulable}"]
    assert found[2][2:5] == ["rollout", "status", "deployments.v1.apps/warm-h100"]
    assert found[3][2:] == ["wait", "deployments.v1.apps/warm-h100", "--namespace=gpu-headroom", "--for=delete",
                            "--timeout=60s"]  # fmt: skip


def test_a_deletion_and_a_pause_are_commands() -> None:
    draft = Draft("delete")
    draft.delete(live(WARM, kind="Deployment"), "Delete it")
    draft.pause(WARM, 5, "Give it five seconds")
    assert words(kubectl.commands(planned(draft))) == [
        ["kubectl", "--context=east", "delete", "deployments.v1.apps", "warm-h100", "--namespace=gpu-headroom"],
        ["sleep", "5"],
    ]


def edited() -> Plan:
    draft = Draft("edit")
    edits = [{"path": ["router_settings", "num_retries"], "before": 2, "after": 3},
             {"path": ["general_settings", "master_key"], "before": "old", "after": "new"}]  # fmt: skip
    draft.edit(
        live(CONFIG), "config.yaml", edits=edits, inverse=[], sha256="a", sha256_after="b", says="Edit the routes"
    )
    return planned(draft)


def test_an_edit_tells_its_paths_and_never_a_secret() -> None:
    text = kubectl.commands(edited())
    assert "#   router_settings.num_retries: 2 -> 3" in text
    assert '#   general_settings.master_key: "(hidden)" -> "(hidden)"' in text
    assert words(text) == [["kubectl", "--context=east", "edit", "configmaps", "litellm", "--namespace=llm"]]


def test_what_to_commit_names_the_object_and_only_the_fields_that_change() -> None:
    draft = Draft("several")
    draft.set(live(WARM, spec={"replicas": 2}), {"spec": {"replicas": 3, "paused": None}}, "Set")
    draft.set(live(NODE), {"metadata": {"labels": {"a": "b"}}}, "Label")
    draft.wait(NODE, [(("x",), "exists", None)], "Wait", deadline_s=1)
    documents = list(yaml.safe_load_all(kubectl.commit(planned(draft))))
    assert documents == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3},
         "metadata": {"name": "warm-h100", "namespace": "gpu-headroom"}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-7", "labels": {"a": "b"}}},
    ]  # fmt: skip


def test_what_to_remove_or_edit_is_said_in_comments() -> None:
    draft = Draft("delete")
    draft.delete(live(WARM, kind="Deployment"), "Delete it")
    assert kubectl.commit(planned(draft)) == "# Remove Deployment gpu-headroom/warm-h100.\n"
    assert kubectl.commit(edited()).splitlines()[:2] == [
        "# In config.yaml of ConfigMap llm/litellm:",
        "# router_settings.num_retries: 2 -> 3",
    ]


def test_values_of_a_secret_environment_are_hidden_in_commands_and_files() -> None:
    draft = Draft("create")
    containers = [{"name": "a", "env": [{"name": "KEY", "value": "hunter2"}]}]
    draft.create(WARM, {"spec": {"template": {"spec": {"containers": containers}}}}, "Create")
    for text in (kubectl.commands(planned(draft)), kubectl.commit(planned(draft))):
        assert "hunter2" not in text
        assert "(hidden)" in text
