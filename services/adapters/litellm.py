"""A LiteLLM proxy: the real implementation of :class:`services.ports.Gateway`.

What is in force is asked of the process: ``/model/info`` and ``/v1/models`` speak of the router in memory. ``/router/
settings`` and ``/get/config/callbacks`` do not serve: they read the file anew (1.106), and the latter names secrets.
``/health`` calls every model and costs money, ``/health/drain`` takes the worker out of service: neither is ever asked.
A test request is the one thing sent, and of its answer the headers are read alone.
Answers are decoded into the few fields named here; everything else in them is dropped.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any, TypeVar

import msgspec

from services.adapters.keyed_http import KeyedHttp
from services.domain.litellm import KINDS, MOCKS, host
from services.domain.litellm.rehearsal import MOCKS_REFUSED
from services.domain.litellm.scan import USERINFO
from services.errors import NotFound, OpsError, SourceUnavailable
from services.ports import Answered, Routing, SourceStatus, Tier, Trial
from services.settings.access import GatewayAccess

T = TypeVar("T")

SOURCE = "litellm"
_REFUSED = "Give the console a key that may see all models: the master key, or one of an admin viewer."

_TYPES = dict(zip(KINDS, ("general", "context_window", "content_policy"), strict=True))
"""Kinds of fallbacks as ``fallback_type`` of ``/v1/models``."""
ANSWER_WITHIN_S = 45.0
"""How long a test request may take, every tier it goes through together: less than an operation's lease."""
_WORD = re.compile(r"[A-Za-z][\w.-]{0,59}")
_DEFAULT = "/fallback/%2A"
"""The rule for "*", which is how the router keeps default fallbacks."""


class _Params(msgspec.Struct):
    model: str = ""
    api_base: str | None = None
    custom_llm_provider: str | None = None
    order: Any = None
    weight: Any = None
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None


class _Info(msgspec.Struct):
    id: str = ""
    db_model: bool = False
    blocked: Any = None
    order: Any = None
    litellm_provider: str | None = None
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None


class _Model(msgspec.Struct):
    model_name: str
    litellm_params: _Params = msgspec.field(default_factory=_Params)
    model_info: _Info = msgspec.field(default_factory=_Info)


class _Models(msgspec.Struct):
    data: list[_Model]


class _Metadata(msgspec.Struct):
    fallbacks: list[Any] | None = None


class _Listed(msgspec.Struct):
    id: str
    metadata: _Metadata | None = None


class _List(msgspec.Struct):
    data: list[_Listed]


class _Default(msgspec.Struct):
    fallback_models: list[Any] = []


class _Readiness(msgspec.Struct):
    status: str = ""
    db: str | None = None
    litellm_version: str = ""


class _Error(msgspec.Struct):
    type: Any = None
    code: Any = None


class _Refusal(msgspec.Struct):
    error: Any = None


class LiteLLMGateway:
    """One proxy, asked over HTTP. Thread-safe; holds connections until :meth:`close`.

    ``name`` names it in messages; ``clock`` tells the present instant (UTC).
    """

    def __init__(self, name: str, access: GatewayAccess, *, clock: Callable[[], datetime]) -> None:
        self._name, self._clock = name, clock
        self._http = KeyedHttp(SOURCE, name, access, what="models", refused=_REFUSED)
        self._failing_since: datetime | None = None

    def routing(self) -> Routing:
        """What the process that answers routes by. A rule equal to the defaults cannot be told from them."""
        models = self._ask(_Models, "/model/info").data
        readiness = self._readiness()
        rules = {kind: self._rules(word) for kind, word in _TYPES.items()}
        known = all(found is not None for found in rules.values())
        defaults = self._defaults() if known else ()
        found = {kind: dict(rule or {}) for kind, rule in rules.items()}
        found["fallbacks"] = {group: names for group, names in found["fallbacks"].items() if names != defaults}
        return Routing(
            version=readiness.litellm_version,
            tiers=tuple(_tier(model) for model in models),
            fallbacks=found["fallbacks"],
            context_window_fallbacks=found["context_window_fallbacks"],
            content_policy_fallbacks=found["content_policy_fallbacks"],
            default_fallbacks=defaults,
            stored_in_database=readiness.db == "connected",
            knows_fallbacks=known,
        )

    def send(self, trial: Trial) -> Answered:
        """Send a test request, once, past the proxy's cache: a cached answer would tell nothing of the path."""
        asked = {
            "model": trial.group,
            "messages": [{"role": "user", "content": trial.prompt}],
            "max_tokens": trial.max_tokens,
            "cache": {"no-cache": True, "no-store": True},
            **({"metadata": {"tags": [trial.tag]}} if trial.tag else {}),
            **trial.flags,
        }
        started = time.perf_counter()
        reply = self._http.post("/v1/chat/completions", msgspec.json.encode(asked), timeout_s=ANSWER_WITHIN_S)
        seconds, said = time.perf_counter() - started, reply.headers
        refused = reply.status >= 400
        return Answered(
            id="" if refused else said.get("x-litellm-model-id", "")[:200],
            group="" if refused else said.get("x-litellm-model-group", "")[:200],
            status=reply.status,
            error=_refusal(reply.status, reply.body) if refused else "",
            fallbacks=_count(said.get("x-litellm-attempted-fallbacks")),
            retries=_count(said.get("x-litellm-attempted-retries")),
            usd=_cost(said.get("x-litellm-response-cost")),
            seconds=seconds,
        )

    def probe(self) -> SourceStatus:
        """Reachable, how fast, which version. Asks for readiness, never for health, which would call every model."""
        started = time.perf_counter()
        try:
            readiness = self._readiness()
        except OpsError as error:
            self._failing_since = self._failing_since or self._clock()
            return SourceStatus(
                SOURCE, self._http.address, reachable=False, message=str(error), hint=error.hint,
                since=self._failing_since,
            )  # fmt: skip
        self._failing_since = None
        return SourceStatus(
            SOURCE,
            self._http.address,
            reachable=True,
            latency_s=time.perf_counter() - started,
            version=readiness.litellm_version,
            newest_at=self._clock(),
        )

    def close(self) -> None:
        """Release connections."""
        self._http.close()

    def _readiness(self) -> _Readiness:
        try:
            return self._ask(_Readiness, "/health/readiness/details")
        except NotFound:  # before it existed, the bare one told everybody
            return self._ask(_Readiness, "/health/readiness")

    def _rules(self, word: str) -> Mapping[str, tuple[str, ...]] | None:
        """Fallbacks by group; None when this version does not tell them."""
        listed = self._ask(_List, "/v1/models", include_metadata="true", fallback_type=word).data
        if listed and all(one.metadata is None for one in listed):
            return None
        found = {one.id: _names(one.metadata.fallbacks if one.metadata else None) for one in listed}
        return {group: names for group, names in found.items() if names}

    def _defaults(self) -> tuple[str, ...]:
        try:
            return _names(self._ask(_Default, _DEFAULT).fallback_models)
        except NotFound:
            return ()

    def _ask(self, shape: type[T], path: str, **params: str) -> T:
        body = self._http.get(path, params)
        try:
            return msgspec.json.decode(body, type=shape)
        except msgspec.DecodeError as error:
            raise SourceUnavailable(
                SOURCE,
                f"The answer of {self._name} is not that of a LiteLLM proxy.",
                hint="Check the address, its path and the proxies before it.",
            ) from error


def _tier(model: _Model) -> Tier:
    params, info = model.litellm_params, model.model_info
    upstream = USERINFO.sub("//", params.model)
    prefix = upstream.split("/", 1)[0] if "/" in upstream else ""
    order = _number(params.order if params.order is not None else info.order)
    return Tier(
        id=info.id,
        group=model.model_name,
        model=upstream,
        order=None if order is None else int(order),
        weight=_number(params.weight),
        provider=params.custom_llm_provider or prefix or info.litellm_provider or "",
        base=host(params.api_base or ""),
        stored="database" if info.db_model else "file",
        blocked=info.blocked is True,
        input_usd=_first(params.input_cost_per_token, info.input_cost_per_token),
        output_usd=_first(params.output_cost_per_token, info.output_cost_per_token),
    )


def _refusal(status: int, body: bytes) -> str:
    """The class of a refusal; its text is dropped, for it may quote what an upstream said."""
    if MOCKS.encode() in body:
        return MOCKS_REFUSED
    try:
        found = msgspec.convert(msgspec.json.decode(body, type=_Refusal).error, type=_Error)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return str(status)
    words = (word for word in (found.type, found.code) if isinstance(word, str) and word not in ("None", "error"))
    return next((word for word in words if _WORD.fullmatch(word)), str(status))


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else None


def _cost(text: str | None) -> float | None:
    try:
        usd = float(text or "")
    except ValueError:
        return None
    return usd if isfinite(usd) and usd >= 0 else None


def _names(listed: list[Any] | None) -> tuple[str, ...]:
    """Group names of a list; an entry with parameters of its own is told by its model."""
    names = [one.get("model") if isinstance(one, dict) else one for one in listed or ()]
    return tuple(name for name in names if isinstance(name, str))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _first(*prices: float | None) -> float | None:
    return next((price for price in prices if price is not None), None)
