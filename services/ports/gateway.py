"""A LiteLLM proxy: what it routes by, and where its configuration lives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.ports.status import SourceStatus


@dataclass(frozen=True)
class Tier:
    """One deployment of a model group in a gateway.

    ``id`` is the gateway's own (``model_info.id``), ``model`` what it calls upstream without any key; ``order`` is
    tried lowest first, None where unset. ``provider`` such as "hosted_vllm" or "openai"; ``base`` the host it calls, ""
    when unknown. ``blocked``: it is kept out of rotation. ``stored`` is "file" or "database". Prices in USD per token,
    None where the gateway has none.
    """

    id: str
    group: str
    model: str
    order: int | None = None
    weight: float | None = None
    provider: str = ""
    base: str = ""
    stored: str = "file"
    input_usd: float | None = None
    output_usd: float | None = None
    blocked: bool = False


@dataclass(frozen=True)
class Routing:
    """What a gateway routes by, now, as the running process says: deployments and fallbacks by group."""

    version: str
    tiers: tuple[Tier, ...]
    fallbacks: Mapping[str, tuple[str, ...]]
    context_window_fallbacks: Mapping[str, tuple[str, ...]]
    content_policy_fallbacks: Mapping[str, tuple[str, ...]]
    default_fallbacks: tuple[str, ...]
    max_fallbacks: int | None = None
    stored_in_database: bool = False  # the proxy also reads routing from its database
    since: datetime | None = None  # when the process started, if it says
    knows_fallbacks: bool = True  # False: this version does not tell; the four kinds of fallbacks are empty


class Gateway(Protocol):
    """A LiteLLM proxy: what it routes by. Its configuration is changed through its ConfigMap."""

    def routing(self) -> Routing:
        """What is in force now. Raises SourceError."""
        ...

    def probe(self) -> SourceStatus:
        """Reachable, how fast, which version."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True)
class GatewayPlace:
    """Where a gateway's configuration lives in its cluster: the ConfigMap's text and the Deployment that reads it."""

    namespace: str
    configmap: str
    key: str
    deployment: str
