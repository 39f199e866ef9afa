"""The proxy's pods after a restart: what comes, what goes, and what they run."""

from typing import Any

import pytest

from services.demo.gateway_rollout import startable
from services.domain.change import conditions
from services.errors import SourceUnavailable
from tests.unit.demo.handling import Hands

STAMP = "kubectl.kubernetes.io/restartedAt"


class Gateway:
    """Hands on the gateway of demo-west."""

    def __init__(self) -> None:
        self.hands = Hands()
        self.source = self.hands["west"]
        self.config = self.hands.ref("west", "ConfigMap", "litellm-config", "ai-gateway")
        self.deployment = self.hands.ref("west", "Deployment", "litellm", "ai-gateway")

    def text(self) -> str:
        found: str = self.hands.read(self.config)["data"]["config.yaml"]
        return found

    def write(self, text: str) -> None:
        self.hands.patch(self.config, {"data": {"config.yaml": text}})

    def restart(self, stamp: str | None = "now") -> None:
        annotations = {"metadata": {"annotations": {STAMP: stamp}}}
        self.hands.patch(self.deployment, {"spec": {"template": annotations}})

    def status(self) -> dict[str, Any]:
        body = self.hands.read(self.deployment)
        found = {name: count for name, count in body["status"].items() if name.endswith("eplicas")}
        return found | {"rolled out": conditions.met(body, [((), "rolled_out", True)])}

    def orders(self) -> dict[str, int | None]:
        return {tier.id: tier.order for tier in self.source.gateway.routing().tiers if tier.group == "chat"}

    def pods(self) -> list[tuple[bool, str]]:
        """Whether each pod is ready, and what it waits for."""
        found = []
        for pod in self.hands.pods("west", "litellm-"):
            (container,) = pod.status.container_statuses
            found.append((container.ready, container.state.waiting.reason if container.state.waiting else ""))
        return found


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


SETTLED = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "rolled out": True}


def test_two_pods_run_what_the_file_says(gateway: Gateway) -> None:
    assert gateway.status() == SETTLED
    assert gateway.pods() == [(True, ""), (True, "")]
    assert gateway.orders() == {"chat-8b-own": 1, "gpt-4o-mini-openai": 2, "mistral-trial": 3}


def test_an_edit_alone_changes_nothing_that_runs(gateway: Gateway) -> None:
    gateway.write(gateway.text().replace("order: 3", "order: 9"))
    gateway.hands.wait(hours=2)
    assert gateway.orders()["mistral-trial"] == 3
    assert gateway.status() == SETTLED


def test_after_a_restart_pods_are_replaced_one_by_one_and_then_the_new_text_runs(gateway: Gateway) -> None:
    gateway.write(gateway.text().replace("order: 3", "order: 9"))
    gateway.restart()
    assert gateway.status()["rolled out"] is False
    gateway.hands.wait(seconds=2)
    # one more than there should be: the first new pod starts
    assert gateway.status() == {
        "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2, "unavailableReplicas": 1,
        "rolled out": False,
    }  # fmt: skip
    assert gateway.pods() == [(True, ""), (True, ""), (False, "ContainerCreating")]
    gateway.hands.wait(seconds=10)
    # it is ready after 12 s, and one of the old ones is gone
    assert gateway.status()["readyReplicas"] == 2
    assert gateway.pods() == [(True, ""), (True, "")]
    gateway.hands.wait(seconds=12)
    assert gateway.status()["rolled out"] is False
    assert gateway.orders()["mistral-trial"] == 3
    gateway.hands.wait(seconds=1)
    assert gateway.status() == SETTLED
    assert gateway.orders()["mistral-trial"] == 9


def test_the_process_says_when_it_started(gateway: Gateway) -> None:
    since = gateway.source.gateway.routing().since
    assert since is not None
    assert since.strftime("%A %H:%M") == "Tuesday 06:12"
    gateway.restart()
    begun = gateway.hands.clock.at
    gateway.hands.wait(minutes=5)
    started = gateway.source.gateway.routing().since
    assert started is not None
    assert (started - begun).total_seconds() == pytest.approx(25, abs=1)


def test_with_a_text_it_cannot_start_with_the_old_pods_go_on_serving(gateway: Gateway) -> None:
    text = gateway.text()
    gateway.write(text.replace("- chat: [chat-large]   #", "- chat   #").replace("order: 3", "order: 9"))
    gateway.restart()
    gateway.hands.wait(minutes=10)
    assert gateway.status() == {
        "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2, "unavailableReplicas": 1,
        "rolled out": False,
    }  # fmt: skip
    assert gateway.pods() == [(True, ""), (True, ""), (False, "CrashLoopBackOff")]
    assert gateway.orders()["mistral-trial"] == 3
    # the corrected text reaches the pod that crashes, and the rollout goes on by itself
    gateway.write(text.replace("order: 3", "order: 8"))
    gateway.hands.wait(minutes=2)
    assert gateway.status() == SETTLED
    assert gateway.orders()["mistral-trial"] == 8


def test_the_old_template_put_back_ends_a_rollout_that_stands(gateway: Gateway) -> None:
    gateway.write("model_list: [")
    gateway.restart()
    gateway.hands.wait(minutes=1)
    assert len(gateway.pods()) == 3
    gateway.restart(None)
    gateway.hands.wait(seconds=2)
    assert gateway.status() == SETTLED
    assert gateway.orders()["mistral-trial"] == 3


def test_a_second_restart_begins_anew(gateway: Gateway) -> None:
    gateway.restart("one")
    gateway.hands.wait(seconds=20)
    gateway.restart("two")
    gateway.hands.wait(seconds=20)
    assert gateway.status()["rolled out"] is False
    gateway.hands.wait(seconds=5)
    assert gateway.status() == SETTLED


def test_without_pods_nobody_answers(gateway: Gateway) -> None:
    gateway.hands.patch(gateway.deployment, {"spec": {"replicas": 0}})
    gateway.hands.wait(seconds=5)
    assert gateway.pods() == []
    with pytest.raises(SourceUnavailable, match="LiteLLM of demo-west cannot be reached"):
        gateway.source.gateway.routing()
    assert gateway.source.gateway.probe().reachable is False
    gateway.hands.patch(gateway.deployment, {"spec": {"replicas": 3}})
    gateway.hands.wait(seconds=30)
    assert gateway.pods() == [(True, "")] * 3
    assert gateway.source.gateway.probe().reachable is True


def test_deleting_the_deployment_takes_the_pods_along(gateway: Gateway) -> None:
    cluster = gateway.source.cluster
    cluster.delete(gateway.deployment, expected=cluster.read(gateway.deployment).version)
    gateway.hands.wait(seconds=5)
    assert gateway.pods() == []
    assert gateway.source.gateway.probe().reachable is False


def test_two_processes_with_one_journal_tell_the_same(gateway: Gateway) -> None:
    gateway.write(gateway.text().replace("order: 3", "order: 9"))
    gateway.restart()
    gateway.hands.wait(seconds=14)
    other = Hands(clock=gateway.hands.clock, journal=gateway.hands.journal)
    names = [pod.metadata.name for pod in gateway.hands.pods("west", "litellm-")]
    assert [pod.metadata.name for pod in other.pods("west", "litellm-")] == names
    assert other["west"].gateway.routing() == gateway.source.gateway.routing()


def test_versions_of_snapshots_grow_as_the_rollout_moves_on(gateway: Gateway) -> None:
    seen = [gateway.source.cluster.snapshot("pods").version]
    gateway.restart()
    for _ in range(3):
        gateway.hands.wait(seconds=12.5)
        seen.append(gateway.source.cluster.snapshot("pods").version)
    assert sorted(set(seen)) == seen


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("    - chat: [chat-large]   #", "    - {chat: [chat-large], embed: [chat]}   #"),
        ("    - chat: [chat-large]   #", "    - chat   #"),
        ("  fallbacks:\n    - chat: [chat-large]   #", "  fallbacks:\n    chat: [chat-large]   #"),
        ("  fallbacks:\n    - chat: [chat-large]   #", "  fallbacks: chat   #"),
        ("  num_retries: 1", "  default_fallbacks: chat"),
        ("  num_retries: 1", "  num_retries: [1"),
    ],
)
def test_what_litellm_does_not_start_with(gateway: Gateway, was: str, now: str) -> None:
    text = gateway.text()
    assert was in text
    assert startable(text)
    assert not startable(text.replace(was, now))
    assert not startable("")


def test_what_litellm_starts_with_although_it_is_wrong(gateway: Gateway) -> None:
    text = gateway.text()
    mapping = text.replace(
        "context_window_fallbacks:\n    - chat: [chat-large]", "context_window_fallbacks:\n    chat: []"
    )
    assert mapping != text
    assert startable(mapping)
    assert startable(text.replace("    - chat: [chat-large]   #", "    - chat:   #"))
