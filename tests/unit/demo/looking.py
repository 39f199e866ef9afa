"""A look at one cluster of the demo, and what its objects say of pods' starts."""

from datetime import UTC, datetime
from typing import Any

from services import demo
from services.demo.starts import Step
from services.domain.objects import ContainerStatus, Event, Node, Pod
from services.domain.startup import Phase
from services.ports import ClusterSource
from tests.conftest import Inline
from tests.fakes import Clock

NOON = datetime(2026, 12, 9, 15, 30, 20, tzinfo=UTC)
CLUSTERS = ["demo-east", "demo-west"]


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}+00:00")


def lasted(steps: list[Step], *phases: Phase) -> int:
    return sum(end - begin for phase, begin, end in steps if phase in phases)


def total(steps: list[Step]) -> int:
    return steps[-1][2] - steps[0][1]


class Look:
    """A cluster with a clock that moves when told to."""

    def __init__(self, name: str, at: datetime) -> None:
        self.clock = Clock(at)
        self.source: ClusterSource = demo.build(clock=self.clock, pool=Inline())[name]

    def at(self, at: datetime) -> "Look":
        self.clock.at = at
        return self

    def objects(self, kind: str) -> Any:
        return self.source.cluster.snapshot(kind).objects

    def pod(self, name: str) -> Pod:
        (found,) = [pod for pod in self.objects("pods") if pod.metadata.name.startswith(name)]
        return found  # type: ignore[no-any-return]

    def nodes(self) -> dict[str, Node]:
        return {node.metadata.name: node for node in self.objects("nodes")}

    def said(self, uid: str, *reasons: str) -> list[Event]:
        events = [one for one in self.objects("events") if one.involved_object.uid == uid]
        return [one for one in events if not reasons or one.reason in reasons]


def conditions(pod: Pod) -> dict[str, datetime | None]:
    """When each condition that is true became so."""
    return {one.type: one.last_transition_time for one in pod.status.conditions or () if one.status == "True"}


def main(pod: Pod) -> ContainerStatus:
    (status,) = pod.status.container_statuses or []
    return status


def first(event: Event) -> datetime:
    at = event.event_time or event.first_timestamp
    assert at is not None
    return at
