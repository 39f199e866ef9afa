"""Hands on the demo that pull images ahead, and what tests ask of that."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.demo.starts import Step, told
from services.domain.change.refs import Ref
from services.domain.headroom import Place
from services.domain.objects import ContainerStatus, Pod
from services.domain.prepull import NAMESPACE, objects
from services.domain.startup import Phase
from tests.unit.demo.handling import TOLERATION, Hands

VIDEO = "registry.example.com/vision/video-embed:4.2"
AWS = "public.ecr.aws/aws-cli/aws-cli:2.31.4"
CHAT = "registry.example.com/assistants/chat-serve:1.37.0"
ROLLOUT = datetime(2026, 6, 3, 9, 0, 42, tzinfo=UTC)
"""When chat-8b changes from release 36 to 37 of its image, on the three nodes of l4-inference in demo-west."""
GONE = "registry.example.com/vision/no-such:1"
NOT_FOUND = (
    f'rpc error: code = NotFound desc = failed to pull and unpack image "{GONE}": '
    f'failed to resolve reference "{GONE}": {GONE}: not found'
)
PULLED = re.compile(r'Successfully pulled image "(.*)" in (?:(\d+)m)?([\d.]+)s \(.*\)\. Image size: (\d+) bytes\.')
POOLS = {"east": ("t4-spot", "karpenter.sh/nodepool"), "west": ("l4-inference", "eks.amazonaws.com/nodegroup")}


class Pulling(Hands):
    """The demo with a DaemonSet that pulls ahead: t4-spot of demo-east, l4-inference of demo-west."""

    def kept(self, cluster: str = "east") -> Ref:
        return self.ref(cluster, "DaemonSet", f"prepull-{POOLS[cluster][0]}", NAMESPACE)

    def keep(self, *images: str, cluster: str = "east", most: int | str = 2) -> Ref:
        """A new DaemonSet with pods that hold nothing, or pull these images at once."""
        self.create(self.ref(cluster, "Namespace", NAMESPACE), objects.namespace())
        pool, key = POOLS[cluster]
        body = objects.daemonset(self.kept(cluster).name, Place(pool, "", {key: pool}, [], [TOLERATION]), 2)
        body["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = most
        if images:
            body["spec"]["template"]["spec"]["initContainers"] = objects.pulling(images)
        return self.create(self.kept(cluster), body).ref

    def change(self, *images: str) -> None:
        template = {"spec": {"initContainers": objects.pulling(images) or None}}
        self.patch(self.kept(), {"spec": {"template": template}})

    def status(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.read(self.kept())["status"]
        return found

    def own(self, cluster: str = "east") -> dict[str, Pod]:
        """Its pods by node."""
        found = self.pods(cluster, "prepull-")
        assert len(found) == len({pod.spec.node_name for pod in found})
        return {pod.spec.node_name or "": pod for pod in found}

    def lists(self, cluster: str = "east") -> dict[str, dict[str, int]]:
        """By node, sizes by name of the images it lists."""
        return {
            node.metadata.name: {name: one.size_bytes for one in node.status.images or () for name in one.names}
            for node in self[cluster].cluster.snapshot("nodes").objects
        }

    def said(self, reason: str, cluster: str = "east") -> list[Any]:
        events = self[cluster].cluster.snapshot("events").objects
        return [e for e in events if e.reason == reason and e.involved_object.name.startswith("prepull-")]

    def starts(self, cluster: str, begins: str, begin: datetime, end: datetime) -> list[list[Step]]:
        """The truth of starts of a workload's pods."""
        site = self.world().sites[f"demo-{cluster}"]
        steps = told(site, int(begin.timestamp()), int(end.timestamp()))
        self.clock.at = end
        return [steps[pod.metadata.uid] for pod in self.pods(cluster, begins) if pod.metadata.uid in steps]


def state(status: ContainerStatus) -> str:
    at = status.state
    assert at is not None
    if at.terminated is not None:
        return f"ended {at.terminated.exit_code}"
    return "runs" if at.running is not None else f"waits: {at.waiting.reason if at.waiting else None}"


def spent(steps: Sequence[Sequence[Step]], *phases: Phase) -> list[int]:
    return [sum(end - begin for phase, begin, end in one if phase in phases) for one in steps]
