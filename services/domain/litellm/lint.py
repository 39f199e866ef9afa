"""What is wrong with a LiteLLM configuration, or will be when a provider fails: each with its place and a remedy.

Facts read in litellm 1.55-1.109; versions with stolen-credential code: OSV MAL-2026-2144.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from services.domain.findings import Severity
from services.domain.litellm import DEFAULTS, LITELLM, ROUTER, Config, Deployment
from services.domain.litellm.words import ROUTER_KEYS, TEXTS

MALICIOUS = ("1.82.7", "1.82.8")
ESCALATES = (1, 83)
"""From this version a failed request is sent on to the next order of its group."""
MAX_FALLBACKS = 5
MAX_STEPS = 1_000_000
"""Rules looked at in search of rings, about a second; rings that take more are not told."""
TOLD = 8
"""Groups of a ring that are named."""


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
    return (max(len(orders) - 1, 0) if escalates else 0) + len(targets) - targets.count(group)


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
    groups = {*config.groups, *config.aliases}
    for rule in config.rules:
        mine = (rule.kind, rule.section, rule.group)
        if mine in met and rule.group:
            yield _lint("rule-twice", rule.where, rule.group)
        met.add(mine)
        if rule.section == LITELLM and config.section(rule.kind) == ROUTER:
            yield _lint("rule-hidden", rule.where, rule.group, kind=rule.kind)
        yield from _targets(groups, rule.targets, rule.group, rule.where)
    for section, names in config.defaults.items():
        yield from _targets(groups, names, "", f"{section}.{DEFAULTS}")


def _targets(groups: Set[str], names: Sequence[str], group: str, place: str) -> Iterator[Lint]:
    wild = tuple(name.removesuffix("*") for name in groups if name.endswith("*"))
    for name, times in Counter(names).items():
        if name == group:
            yield _lint("self", place, group)
        elif name not in groups and not name.startswith(wild):
            yield _lint("unknown-group", place, group, name=name)
        if times > 1:
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
        yield _lint("loop", "router_settings.fallbacks", ring[0], ring=_said(ring))


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


def _said(ring: Sequence[str]) -> str:
    more = len(ring) - 1 - TOLD
    return " → ".join(ring if more <= 0 else [*ring[:TOLD], f"{more} more", ring[-1]])


def _loops(rules: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Rings of groups, each once, told from its first name."""
    told: set[frozenset[str]] = set()
    steps = MAX_STEPS
    left = _circling(rules)
    for start in sorted(left):
        ring, steps = _ring(left, start, steps)
        if ring and frozenset(ring) not in told:
            told.add(frozenset(ring))
            yield (*ring, start)


def _circling(rules: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The rules without the groups that lead to no ring."""
    onward = {group: {name for name in names if name in rules} for group, names in rules.items()}
    sources: dict[str, list[str]] = {}
    for group, names in onward.items():
        for name in names:
            sources.setdefault(name, []).append(group)
    ended = [group for group, names in onward.items() if not names]
    for name in ended:
        for group in sources.get(name, ()):
            onward[group].discard(name)
            if not onward[group]:
                ended.append(group)
    return {
        group: [name for name in dict.fromkeys(rules[group]) if name in names]
        for group, names in onward.items()
        if names
    }


def _ring(rules: Mapping[str, Sequence[str]], start: str, steps: int) -> tuple[tuple[str, ...], int]:
    """The shortest way from a group back to itself, and the steps that are left.

    () when there is none, when it is the group alone, and when the steps do not suffice.
    """
    before: dict[str, str] = {start: ""}
    order = [start]
    for here in order:
        for name in rules[here]:
            steps -= 1
            if steps < 0:
                return (), 0
            if name == start and here != start:
                return _way(before, here), steps
            if name not in before:
                before[name] = here
                order.append(name)
    return (), steps


def _way(before: Mapping[str, str], last: str) -> tuple[str, ...]:
    found = [last]
    while before[found[-1]]:
        found.append(before[found[-1]])
    return tuple(reversed(found))


_CHECKS: tuple[Callable[[Config, Known], Iterator[Lint]], ...] = (
    _version, _shapes, _rules, _chains, _facts, _settings,
)  # fmt: skip
