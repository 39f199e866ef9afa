"""Settings of LiteLLM's router that decide when a tier is given up: retries, timeouts, cooldowns, and who is chosen.

Read in ``router.py`` of 1.106 (``Router.__init__``): a value under ``router_settings`` counts; for retries, failures,
fallbacks and the timeout a value under ``litellm_settings`` counts where there is none (the timeout is called
``request_timeout`` there); then the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.domain.litellm import yamltree
from services.domain.litellm.yamltree import Node, entry, keys, seen
from services.errors import Refused

Value = float | bool | str

STRATEGIES: dict[str, str] = {
    "simple-shuffle": "By chance, or by weight",
    "least-busy": "Fewest requests under way",
    "latency-based-routing": "Fastest lately",
    "cost-based-routing": "Cheapest by its price list",
    "usage-based-routing-v2": "Fewest tokens this minute; several proxies need a Redis",
    "usage-based-routing": "Fewest tokens this minute (old); several proxies need a Redis",
}
"""Values of ``routing_strategy``: who is chosen among deployments of the same order."""


@dataclass(frozen=True)
class Setting:
    """One setting. ``kind`` is "whole", "seconds", "switch" or "strategy"; ``usual`` what counts where it is not set.

    ``other``: its name under ``litellm_settings``, "" when that section has none. ``low`` and ``high`` bound numbers.
    """

    name: str
    title: str
    kind: str
    usual: Value
    about: str
    other: str = ""
    low: float = 0.0
    high: float = 0.0


_SETTINGS = (
    Setting("num_retries", "Retries", "whole", 2.0, "Tries within a tier before the next one, after the first.",
            "num_retries", 0, 20),
    Setting("timeout", "Timeout", "seconds", 6000.0, "A tier that is silent for so long has failed.",
            "request_timeout", 0.1, 86_400),
    Setting("stream_timeout", "Timeout of streams", "seconds", 6000.0, "The same for answers that are streamed; "
            "without it the timeout counts.", "", 0.1, 86_400),
    Setting("retry_after", "Pause before a retry", "seconds", 0.0, "At least so long between two tries.", "", 0, 3_600),
    Setting("allowed_fails", "Failures allowed", "whole", 3.0, "Failures a minute after which a tier is left out; "
            "only when it is set, else half of five requests must fail.", "allowed_fails", 0, 1_000),
    Setting("cooldown_time", "Cooldown", "seconds", 5.0, "How long a tier is left out.", "", 0.1, 86_400),
    Setting("max_fallbacks", "Hops at most", "whole", 5.0, "How often a request is sent on, orders included.",
            "max_fallbacks", 0, 20),
    Setting("disable_cooldowns", "No cooldowns", "switch", False, "No tier is ever left out: every request tries it."),
    Setting("enable_pre_call_checks", "Check prompts first", "switch", False, "A prompt that is too long for a tier is "
            "not sent to it, and rate limits are kept before they are hit."),
    Setting("routing_strategy", "Chosen within a rank", "strategy", "simple-shuffle",
            "Among deployments of one order."),
)  # fmt: skip

SETTINGS: dict[str, Setting] = {one.name: one for one in _SETTINGS}
"""Every setting that can be edited, by its name, in the order they are shown."""

GROUPS_SINCE = (1, 106)
"""``routing_groups``, a strategy for some model groups alone, were seen in this version; not looked for before."""


@dataclass(frozen=True)
class Grouped:
    """An entry of ``routing_groups``: ``place`` its position, its name, the model groups it is for, its strategy."""

    place: int
    name: str
    models: tuple[str, ...]
    strategy: str


@dataclass(frozen=True)
class Budget:
    """What a provider may cost: US dollars, and the time after which it begins anew ("1d", "30d", "1mo")."""

    usd: float
    period: str


def provider_budgets(router: Node | None) -> dict[str, Budget]:
    """Budgets of ``provider_budget_config`` by provider; both spellings of its keys."""
    node = entry(router, "provider_budget_config")
    found = {}
    for name in keys(node):
        under = entry(node, name)
        limits = [entry(under, key) for key in ("budget_limit", "max_budget")]
        made = next((yamltree.value(one) for one in limits if one is not None and one.kind == "scalar"), None)
        if isinstance(made, int | float) and not isinstance(made, bool):
            period = _text(entry(under, "time_period")) or _text(entry(under, "budget_duration"))
            found[name] = Budget(float(made), period)
    return found


def given(router: Node | None, litellm: Node | None) -> dict[str, Value]:
    """Settings that are set, in force, by their names; values of a wrong kind are left out."""
    found: dict[str, Value] = {}
    for one in _SETTINGS:
        for section, name in ((router, one.name), (litellm, one.other)):
            made = _value(one, entry(section, name)) if name else None
            if made is not None:
                found[one.name] = made
                break
    return found


def wrong(router: Node | None) -> tuple[str, ...]:
    """Names of settings under ``router_settings`` whose value LiteLLM cannot use."""
    there = {one.name: entry(router, one.name) for one in _SETTINGS}
    return tuple(
        name
        for name, node in there.items()
        if node is not None and not _null(node) and _value(SETTINGS[name], node) is None
    )


def grouped(router: Node | None) -> tuple[Grouped, ...]:
    """The entries of ``routing_groups``."""
    listed = entry(router, "routing_groups")
    found = []
    for place, item in enumerate(listed.items if listed is not None and listed.kind == "sequence" else []):
        node = seen(item)
        models = entry(node, "models")
        names = [_text(seen(one)) for one in models.items] if models is not None and models.kind == "sequence" else []
        if keys(node):
            name, strategy = _text(entry(node, "group_name")), _text(entry(node, "routing_strategy"))
            found.append(Grouped(place, name, tuple(filter(None, names)), strategy))
    return tuple(found)


def told(name: str, value: Value | None) -> str:
    """A setting's value in words; None is not set, with what counts then."""
    known = SETTINGS[name]
    shown = known.usual if value is None else value
    if isinstance(shown, bool):
        said = "yes" if shown else "no"
    elif isinstance(shown, str):
        said = shown
    else:
        said = f"{shown:g} s" if known.kind == "seconds" else f"{shown:g}"
    return f"not set ({said})" if value is None else said


def checked(wanted: Mapping[str, Value | None]) -> None:
    """Refuse settings there are not, and values out of their bounds. None takes a setting out of the file."""
    for name, value in wanted.items():
        known = SETTINGS.get(name)
        if known is None:
            raise Refused(f"There is no setting {name[:60]} that can be edited here.")
        if value is None:
            continue
        if known.kind == "switch":
            fits = isinstance(value, bool)
        elif known.kind == "strategy":
            fits = value in STRATEGIES
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            fits = number and known.low <= float(value) <= known.high
            fits = fits and (known.kind == "seconds" or float(value).is_integer())
        if not fits:
            raise Refused(f"{known.title} cannot be {value!r}: {_bounds(known)}.")


def _bounds(known: Setting) -> str:
    if known.kind == "switch":
        return "it is yes or no"
    if known.kind == "strategy":
        return f"it is one of {', '.join(STRATEGIES)}"
    what = "a whole number" if known.kind == "whole" else "a number of seconds"
    return f"it is {what} from {known.low:g} to {known.high:,.0f}"


def _value(known: Setting, node: Node | None) -> Value | None:
    if node is None or node.kind != "scalar":
        return None
    made = yamltree.value(node)
    if known.kind == "switch":
        return made if isinstance(made, bool) else None
    if known.kind == "strategy":
        return made if isinstance(made, str) else None
    return float(made) if isinstance(made, int | float) and not isinstance(made, bool) else None


def _null(node: Node) -> bool:
    return node.kind == "scalar" and yamltree.value(node) is None


def _text(node: Node | None) -> str:
    made = yamltree.value(node) if node is not None and node.kind == "scalar" else None
    return made if isinstance(made, str) else ""
