"""What is wrong with a LiteLLM configuration, or will be when a provider fails: each with its place and a remedy.

Facts read in litellm 1.55-1.109; versions with stolen-credential code: OSV MAL-2026-2144.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.domain.findings import Severity
from services.domain.litellm import DEFAULTS, LITELLM, ROUTER, Config, Deployment
from services.domain.litellm.words import ROUTER_KEYS, TEXTS

MALICIOUS = ("1.82.7", "1.82.8")
ESCALATES = (1, 83)
"""From this version a failed request is sent on to the next order of its group."""
MAX_FALLBACKS = 5


@dataclass(frozen=True)
class Known:
    """What is known beside the file. ``version`` "" when unknown; ``unpriced`` and ``idle`` are deployment keys.

    ``unpriced`` have no price in the gateway; ``idle`` answered nothing over the window told in ``over``.
    """

    version: str = ""
    unpriced: frozenset[str] = frozenset()
    idle: frozenset[str] = frozenset()
    over: str = ""


@dataclass(frozen=True)
class Lint:
    """One thing: a stable ``code``, how urgent, the ``place`` in the file ("" for all of it), what, and what to do.

    ``group`` is the model group concerned, "" when it concerns all.
    """

    code: str
    severity: Severity
    place: str
    says: str
    do: str
    group: str = ""


def lint(config: Config, known: Known | None = None) -> list[Lint]:
    """Everything found, most urgent first."""
    facts = known or Known()
    found = [one for check in _CHECKS for one in check(config, facts)]
    return sorted(found, key=lambda one: (one.severity, one.group, one.code, one.place))


def parsed(version: str) -> tuple[int, ...]:
    """A version as numbers, for comparing; () when it is unknown."""
    parts = version.split(".")
    return tuple(int(part) for part in parts[:3] if part.isdigit()) if len(parts) > 1 else ()


def hops(config: Config, group: str, *, escalates: bool = True) -> int:
    """How many times a request to the group is sent on when everything fails, its targets' fallbacks not counted."""
    orders = {one.order for one in config.of(group) if one.order is not None}
    targets = config.in_force("fallbacks").get(group, config.default_fallbacks)
    return (max(len(orders) - 1, 0) if escalates else 0) + len([name for name in targets if name != group])


def _lint(code: str, place: str = "", group: str = "", **facts: object) -> Lint:
    severity, says, do = TEXTS[code]
    return Lint(code, severity, place, says.format(group=group, **facts), do.format(), group)


def _version(config: Config, known: Known) -> Iterator[Lint]:  # noqa: ARG001
    if known.version in MALICIOUS:
        yield _lint("malicious-version", version=known.version)


def _shapes(config: Config, known: Known) -> Iterator[Lint]:  # noqa: ARG001
    for section in config.defaults_text:
        yield _lint("default-not-a-list", f"{section}.{DEFAULTS}")
    for rule in config.rules:
        if rule.wrong:
            code = "own-parameters" if "parameters" in rule.wrong else "rule-shape"
            yield _lint(code, rule.where, rule.group, wrong=rule.wrong)
    for place in config.bare:
        yield _lint("bare-environ", place)


def _rules(config: Config, known: Known) -> Iterator[Lint]:  # noqa: ARG001
    met: set[tuple[str, str, str]] = set()
    for rule in config.rules:
        mine = (rule.kind, rule.section, rule.group)
        if mine in met and rule.group:
            yield _lint("rule-twice", rule.where, rule.group)
        met.add(mine)
        if rule.section == LITELLM and config.section(rule.kind) == ROUTER:
            yield _lint("rule-hidden", rule.where, rule.group, kind=rule.kind)
        yield from _targets(config, rule.targets, rule.group, rule.where)
    for section, names in config.defaults.items():
        yield from _targets(config, names, "", f"{section}.{DEFAULTS}")


def _targets(config: Config, names: Sequence[str], group: str, place: str) -> Iterator[Lint]:
    groups = {*config.groups, *config.aliases}
    wild = [name.removesuffix("*") for name in groups if name.endswith("*")]
    for name in dict.fromkeys(names):
        if name == group:
            yield _lint("self", place, group)
        elif name not in groups and not any(name.startswith(start) for start in wild):
            yield _lint("unknown-group", place, group, name=name)
        if list(names).count(name) > 1:
            yield _lint("target-twice", place, group, name=name)


def _chains(config: Config, known: Known) -> Iterator[Lint]:
    version = parsed(known.version)
    escalates = not version or version >= ESCALATES
    most = int(config.numbers.get("max_fallbacks", MAX_FALLBACKS))
    for group in config.groups:
        mine, number = config.of(group), hops(config, group, escalates=escalates)
        if number > most:
            yield _lint("too-many-hops", "router_settings.max_fallbacks", group, number=number, most=most)
        if len(mine) == 1 and not number:
            yield _lint("single", f"model_list[{mine[0].place}]", group)
        if not escalates and len({one.order for one in mine}) > 1:
            yield _lint("no-escalation", "", group, version=known.version)
        yield from _tiers(mine, group)
    for ring in _loops(config.in_force("fallbacks")):
        yield _lint("loop", "router_settings.fallbacks", ring[0], ring=" → ".join(ring))


def _tiers(mine: Sequence[Deployment], group: str) -> Iterator[Lint]:
    ordered = any(one.order is not None for one in mine)
    for one in mine:
        if ordered and one.order is None:
            yield _lint("no-order", f"model_list[{one.place}]", group, name=one.key)
        if one.tier not in ("", "free", "paid"):
            yield _lint("bad-tier", f"model_list[{one.place}].model_info.tier", group, name=one.key, tier=one.tier)
        if one.priority:
            yield _lint("priority", f"model_list[{one.place}].model_info.priority", group)


def _facts(config: Config, known: Known) -> Iterator[Lint]:
    for one in config.deployments:
        if one.key in known.unpriced:
            yield _lint("unpriced", f"model_list[{one.place}]", one.group, name=one.key)
        if one.key in known.idle:
            yield _lint("dead-tier", f"model_list[{one.place}]", one.group, name=one.key, over=known.over)


def _settings(config: Config, known: Known) -> Iterator[Lint]:  # noqa: ARG001
    if "timeout" not in config.numbers and "request_timeout" not in config.numbers:
        yield _lint("no-timeout", "router_settings.timeout")
    for key in config.router_keys:
        if key not in ROUTER_KEYS and f"{ROUTER}.{key}" not in config.unread:
            yield _lint("unknown-key", f"{ROUTER}.{key}", name=key)
    for place in config.unread:
        yield _lint("unread-key", place, name=place.rpartition(".")[2])
    if config.literals:
        yield _lint("clear-text-keys", ", ".join(config.literals[:3]), number=len(config.literals))


def _loops(rules: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Rings of groups, each once, told from its first name."""
    told: set[frozenset[str]] = set()
    for start in sorted(rules):
        ring = _ring(rules, start)
        if ring and frozenset(ring) not in told:
            told.add(frozenset(ring))
            yield (*ring, start)


def _ring(rules: Mapping[str, Sequence[str]], start: str) -> tuple[str, ...]:
    """The shortest way from a group back to itself, () when there is none or it is the group alone."""
    ways: list[tuple[str, ...]] = [(start,)]
    met = {start}
    for way in ways:
        for name in rules.get(way[-1], ()):
            if name == start and len(way) > 1:
                return way
            if name not in met:
                met.add(name)
                ways.append((*way, name))
    return ()


_CHECKS: tuple[Callable[[Config, Known], Iterator[Lint]], ...] = (
    _version, _shapes, _rules, _chains, _facts, _settings,
)  # fmt: skip
