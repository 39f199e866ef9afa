"""What a LiteLLM configuration routes by: model groups, their deployments by order, and fallbacks. Never a key.

Semantics read in litellm 1.55-1.109 (``router.py``, ``utils.py``): a list under ``router_settings`` that is not empty
hides the one under ``litellm_settings``; of several rules for a group the first counts; deployments with the lowest
``order`` are tried first, and since 1.83 the next orders before any fallback group.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from services.domain.litellm import scan as litellm_scan
from services.domain.litellm import settings as settings_of
from services.domain.litellm import yamltree
from services.domain.litellm.scan import USERINFO
from services.domain.litellm.settings import Budget, Grouped, Value
from services.domain.litellm.yamltree import Node, entry, keys, seen, value
from services.errors import Refused

ROUTER, LITELLM, GENERAL = "router_settings", "litellm_settings", "general_settings"
MOCKS = "dangerously_allow_mock_testing_request_params"
KINDS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
"""Lists of rules: for any error, for a prompt too long, for a refusal by content policy."""
DEFAULTS = "default_fallbacks"
SELF_HOSTED = frozenset(
    {"hosted_vllm", "vllm", "ollama", "ollama_chat", "llamafile", "lm_studio", "triton", "xinference"}
)
NUMBERS = ("max_fallbacks", "num_retries", "allowed_fails", "cooldown_time", "timeout", "request_timeout")


@dataclass(frozen=True)
class Place:
    """A deployment's place in its chain: ``order`` lowest first, None unset; ``weight`` its share within an order.

    ``timeout`` in seconds, None where the router's counts. ``blocked``: it is kept and gets no requests.
    """

    key: str
    order: int | None = None
    weight: float | None = None
    timeout: float | None = None
    blocked: bool = False


@dataclass(frozen=True)
class Chain:
    """What a group tries, in order: its deployments, then other groups. Rules of its own only, not the defaults."""

    group: str
    tiers: tuple[Place, ...] = ()
    fallbacks: tuple[str, ...] = ()
    context_window_fallbacks: tuple[str, ...] = ()
    content_policy_fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """One entry of ``model_list``.

    ``key`` names it within the file: its ``model_info.id``, or its place and model where it has none. ``place`` is its
    position. ``order_in`` is where its order stands. ``base`` is the host it calls, ``provider`` such as "openai".
    ``timeout`` in seconds. ``blocked`` is ``model_info.blocked``: the router leaves it out of rotation (1.106).
    ``priority`` is whether ``model_info.priority`` is given, which nothing reads; ``tier`` is ``model_info.tier``.
    ``mode`` is ``model_info.mode``, such as "chat" or "embedding", "" where it is not given. Prices in USD per token.
    """

    key: str
    place: int
    group: str
    model: str
    id: str = ""
    provider: str = ""
    base: str = ""
    order: int | None = None
    order_in: str = "litellm_params"
    weight: float | None = None
    timeout: float | None = None
    blocked: bool = False
    priority: bool = False
    tier: str = ""
    mode: str = ""
    input_usd: float | None = None
    output_usd: float | None = None

    @property
    def self_hosted(self) -> bool:
        """Whether it runs on GPUs of one's own, judged by its provider."""
        return self.provider in SELF_HOSTED


@dataclass(frozen=True)
class Rule:
    """One rule as it is written: ``place`` its position, ``wrong`` what is wrong with it in words, "" when nothing."""

    kind: str
    section: str
    place: int
    group: str
    targets: tuple[str, ...]
    wrong: str = ""

    @property
    def where(self) -> str:
        """Its place in words."""
        return f"{self.section}.{self.kind}[{self.place}]"


@dataclass(frozen=True)
class Config:
    """A configuration without its secrets.

    ``rules`` are all rules in the order of the text, those hidden by another section too. ``defaults`` by section;
    ``defaults_text`` sections where they are one word instead of a list. ``numbers`` as in :data:`NUMBERS`.
    ``settings`` are those of :mod:`services.domain.litellm.settings` that are set, ``unusable`` those set to something
    LiteLLM cannot use. ``mocks`` is whether requests may ask for a failure (:data:`MOCKS`). ``unread`` are keys LiteLLM
    does not read, ``bare`` list items "os.environ/…" it does not resolve, ``literals`` places of keys in clear text:
    paths in words.
    """

    deployments: tuple[Deployment, ...] = ()
    rules: tuple[Rule, ...] = ()
    defaults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults_text: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Value] = field(default_factory=dict)
    provider_budgets: Mapping[str, Budget] = field(default_factory=dict)
    routing_groups: tuple[Grouped, ...] = ()
    unusable: tuple[str, ...] = ()
    router_keys: tuple[str, ...] = ()
    mocks: bool = False
    unread: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Model groups that have a deployment, each once, in the order of the text."""
        return tuple(self._by_group)

    def of(self, group: str) -> tuple[Deployment, ...]:
        """The deployments of a group, as they are tried: by order, those without one last."""
        return self._by_group.get(group, ())

    @cached_property
    def _by_group(self) -> dict[str, tuple[Deployment, ...]]:
        found: dict[str, list[Deployment]] = {}
        for one in sorted(self.deployments, key=lambda one: one.place):
            found.setdefault(one.group, []).append(one)
        tried = {
            group: sorted(mine, key=lambda one: (one.order is None, one.order or 0)) for group, mine in found.items()
        }
        return {group: tuple(mine) for group, mine in tried.items()}

    def section(self, kind: str) -> str:
        """The section whose list of a kind (or of defaults) counts; "router_settings" when there is none."""
        given = (
            self.defaults
            if kind == DEFAULTS
            else [section for section in (ROUTER, LITELLM) if (kind, section) in self._lists]
        )
        return LITELLM if ROUTER not in given and LITELLM in given else ROUTER

    def in_force(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """The rules of a kind that count, by group."""
        return self._lists.get((kind, self.section(kind)), {})

    @cached_property
    def _lists(self) -> dict[tuple[str, str], dict[str, tuple[str, ...]]]:
        """The rules of each list that has any, by kind and section: for each group the first."""
        found: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
        for rule in self.rules:
            found.setdefault((rule.kind, rule.section), {}).setdefault(rule.group, rule.targets)
        return found

    def strategy(self, group: str) -> str:
        """The strategy of a group alone, "" where the router's counts."""
        return next((one.strategy for one in self.routing_groups if group in one.models), "")

    @property
    def default_fallbacks(self) -> tuple[str, ...]:
        """Groups tried for every group without a rule of its own."""
        return self.defaults.get(self.section(DEFAULTS), ())

    def chain(self, group: str) -> Chain:
        """What the group tries."""
        places = tuple(Place(one.key, one.order, one.weight, one.timeout, one.blocked) for one in self.of(group))
        return Chain(group, places, *(self.in_force(kind).get(group, ()) for kind in KINDS))


def read(text: str) -> Config:
    """The configuration a text holds. Raises Refused for what is no configuration; quotes nothing of it."""
    root = seen(yamltree.parsed(text).root)
    if root is None or root.kind != "mapping":
        raise Refused("The text is not a LiteLLM configuration: it has no sections.")
    router, litellm = entry(root, ROUTER), entry(root, LITELLM)
    sections = {ROUTER: router, LITELLM: litellm}
    defaults, one_word = {}, []
    for name, section in sections.items():
        given = entry(section, DEFAULTS)
        targets, wrong = _targets(given)
        if targets:
            defaults[name] = targets
        if wrong and given is not None:
            one_word.append(name)
    return Config(
        deployments=_deployments(entry(root, "model_list")),
        rules=tuple(
            rule for name, section in sections.items() for kind in KINDS for rule in _rules(name, section, kind)
        ),
        defaults=defaults,
        defaults_text=tuple(one_word),
        aliases=_aliases(entry(router, "model_group_alias") or entry(litellm, "model_group_alias")),
        numbers={
            key: number for key in NUMBERS if (number := _number(entry(router, key), entry(litellm, key))) is not None
        },
        settings=settings_of.given(router, litellm),
        provider_budgets=settings_of.provider_budgets(router),
        routing_groups=settings_of.grouped(router),
        unusable=settings_of.wrong(router),
        router_keys=tuple(keys(router)),
        mocks=_true(entry(entry(root, GENERAL), MOCKS)),
        unread=tuple(litellm_scan.unread(root)),
        bare=tuple(litellm_scan.bare(root)),
        literals=tuple(litellm_scan.literals(root)),
    )


def _deployments(listed: Node | None) -> tuple[Deployment, ...]:
    found, taken = [], set[str]()
    for place, node in enumerate(listed.items if listed is not None else []):
        params, info = entry(seen(node), "litellm_params"), entry(seen(node), "model_info")
        model = USERINFO.sub("//", _text(entry(params, "model")))
        own = _text(entry(info, "id"))
        key = own if own and own not in taken else f"#{place + 1} {model}"
        while key in taken:  # somebody's id may look like that
            key = f"#{key}"
        taken.add(key)
        order = _number(entry(params, "order"))
        found.append(
            Deployment(
                key=key,
                place=place,
                group=_text(entry(seen(node), "model_name")),
                model=model,
                id=own,
                provider=_text(entry(params, "custom_llm_provider")) or (model.split("/")[0] if "/" in model else ""),
                base=host(_text(entry(params, "api_base"))),
                order=_whole(order if order is not None else _number(entry(info, "order"))),
                order_in="model_info"
                if order is None and _number(entry(info, "order")) is not None
                else "litellm_params",
                weight=_number(entry(params, "weight")),
                timeout=_number(entry(params, "timeout")),
                blocked=_true(entry(info, "blocked")),
                priority=entry(info, "priority") is not None,
                tier=_text(entry(info, "tier")),
                mode=_text(entry(info, "mode")),
                input_usd=_number(entry(params, "input_cost_per_token"), entry(info, "input_cost_per_token")),
                output_usd=_number(entry(params, "output_cost_per_token"), entry(info, "output_cost_per_token")),
            )
        )
    return tuple(found)


def host(address: str) -> str:
    """The host of an address, without user, password, path and query; a reference to a variable as it is."""
    if address.startswith("os.environ/"):
        return address
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return ""


def _rules(section: str, node: Node | None, kind: str) -> Iterator[Rule]:
    listed = entry(node, kind)
    for place, item in enumerate(listed.items if listed is not None else []):
        names = keys(item)
        if len(names) != 1:
            yield Rule(kind, section, place, "", (), "it must name exactly one group")
            continue
        targets, wrong = _targets(entry(item, names[0]))
        yield Rule(kind, section, place, names[0], targets, wrong)


def _targets(node: Node | None) -> tuple[tuple[str, ...], str]:
    if node is None:
        return (), "it has no list of groups"
    if node.kind == "scalar":
        return ((_text(node),) if _text(node) else ()), "its groups are not a list"
    if node.kind != "sequence":
        return (), "its groups are not a list"
    names = [_text(seen(one)) for one in node.items]
    return tuple(name for name in names if name), "" if all(names) else "it has entries with parameters of their own"


def _aliases(node: Node | None) -> dict[str, str]:
    found = {}
    for name in keys(node):
        under = entry(node, name)
        target = _text(under) or _text(entry(under, "model"))
        if target:
            found[name] = target
    return found


def _text(node: Node | None) -> str:
    if node is None or node.kind != "scalar":
        return ""
    made = value(node)
    return "" if made is None else str(made) if isinstance(made, str) else node.text


def _number(*nodes: Node | None) -> float | None:
    """The first that is a number, and not an endless one; what is not one is not there."""
    for node in nodes:
        made: Any = value(node) if node is not None and node.kind == "scalar" else None
        if isinstance(made, int | float) and not isinstance(made, bool) and isfinite(made):
            return float(made)
    return None


def _true(node: Node | None) -> bool:
    """Whether it is true itself; the router takes nothing else for it."""
    return node is not None and node.kind == "scalar" and value(node) is True


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and number.is_integer() else None
