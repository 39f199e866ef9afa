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


@dataclass(frozen=True)
class Trial:
    """One test request. ``flags`` ask the gateway for a failure; ``tag`` marks the request in its logs, "" for none."""

    group: str
    flags: Mapping[str, bool]
    prompt: str
    max_tokens: int
    tag: str = ""


@dataclass(frozen=True)
class Answered:
    """What a gateway said to a :class:`Trial`, by its own headers.

    ``id`` is the deployment that answered, as :attr:`Tier.id`, "" where nobody did or it was not said; ``group`` the
    model group it answered for, "" where it was not said. ``status`` is HTTP's. ``error`` is the class of a refusal
    ("InternalServerError", "429"), "" when an answer came; never its text, which may hold what an upstream said.
    ``fallbacks`` and ``retries`` as the gateway counts them, None where not said: LiteLLM 1.106 says 1 fallback even
    where it tried more. ``usd`` it cost, None where not said; LiteLLM says 0 where it knows no price.
    """

    id: str
    group: str
    status: int
    error: str = ""
    fallbacks: int | None = None
    retries: int | None = None
    usd: float | None = None
    seconds: float = 0.0


class Gateway(Protocol):
    """A LiteLLM proxy: what it routes by. Its configuration is changed through its ConfigMap."""

    def routing(self) -> Routing:
        """What is in force now. Raises SourceError."""
        ...

    def send(self, trial: Trial) -> Answered:
        """Send a test request, once: it may cost money. A refusal by the whole chain is an answer.

        Raises SourceError when the gateway cannot be reached or breaks off; then it is not known whether the request
        arrived.
        """
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
