"""The gateway as it is written in the scenario file: where it runs, who asks it for what, and what fails when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Caller:
    """A key of a team, and its share of a group's requests."""

    team: str
    key: str
    share: float


@dataclass(frozen=True)
class Asked:
    """Who asks for a model group: as many requests as the workload of that name is sent, of so many tokens each.

    ``long_share`` of them have ``long_tokens`` in their prompts, too many for the group's first tier.
    """

    group: str
    workload: str
    input_tokens: float
    output_tokens: float
    callers: tuple[Caller, ...] = ()
    long_share: float = 0.0
    long_tokens: float = 0.0


@dataclass(frozen=True)
class Outage:
    """An upstream that answers 503 for some minutes, on a ``chance`` of the days, within some hours of the day (UTC).

    ``upstream`` is a workload that serves, or a provider such as "openai".
    """

    upstream: str
    chance: float
    minutes: int
    from_hour: int
    within_hours: int


@dataclass(frozen=True)
class GatewayPlan:
    """One LiteLLM proxy. ``file`` is its configuration's name beside the scenario; ``variables`` what its pods have."""

    cluster: str
    namespace: str
    configmap: str
    key: str
    deployment: str
    replicas: int
    version: str
    pool: str
    file: str
    asked: tuple[Asked, ...]
    outages: tuple[Outage, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """Its configuration before anybody edited it."""
        return (Path(__file__).parent / self.file).read_text(encoding="utf-8")


def read(raw: Mapping[str, Any]) -> GatewayPlan:
    """The plan of an entry of the scenario's list."""
    asked = tuple(
        Asked(**{**entry, "callers": tuple(Caller(*one) for one in entry["callers"])}) for entry in raw["asked"]
    )
    outages = tuple(Outage(**entry) for entry in raw["outages"])
    return GatewayPlan(**{**raw, "asked": asked, "outages": outages})
