"""Edits of whole configurations, real shapes and generated ones: what the text means afterwards, and the way back.

What a text must mean is worked out here on plain dictionaries, from what PyYAML's loader in Python makes of it; the
code under test never loads a text. Every key in clear text has a mark, which must be in nothing that is kept or said.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.domain.litellm import KINDS, Chain, Config, Place, read, yamltext
from services.domain.litellm.edits import edits
from services.domain.litellm.lint import lint
from services.domain.litellm.settings import STRATEGIES, Value
from services.errors import Refused
from tests.litellmtexts import MARK, Scribe

FOLDER = Path(__file__).parents[3] / "data" / "litellm" / "configs"
CORPUS = {path.stem: path.read_bytes().decode() for path in sorted(FOLDER.glob("*.yaml"))}
EMPTY = {"blank", "only_comments"}
SHAPES = [name for name in CORPUS if name not in EMPTY]


@dataclass(frozen=True)
class Wish:
    """What a person asks of the editor at once."""

    chains: list[Chain] = field(default_factory=list)
    defaults: tuple[str, ...] | None = None
    knobs: dict[str, Value | None] = field(default_factory=dict)
    strategies: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[Any, ...]:
        """As the editor takes it."""
        return self.chains, self.defaults, self.knobs, self.strategies


def loaded(text: str) -> Any:
    """What the text means, with nothing shared."""
    return alone(yaml.load(text, Loader=yaml.SafeLoader))


def alone(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: alone(under) for key, under in value.items()}
    return [alone(one) for one in value] if isinstance(value, list) else value


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def intended(meant: dict[Any, Any], config: Config, wish: Wish) -> dict[Any, Any]:
    """What the text must mean when the wish is granted; places of deployments are taken from the configuration."""
    places = {one.key: one.place for one in config.deployments}
    gone = []
    for chain in wish.chains:
        for place in chain.tiers:
            give(meant["model_list"][places[place.key]], place)
        kept = {place.key for place in chain.tiers}
        gone += [one.place for one in config.of(chain.group) if one.key not in kept]
        for kind in KINDS:
            rule(meant, kind, chain.group, list(getattr(chain, kind)))
    if wish.defaults is not None:
        default(meant, list(wish.defaults))
    for name, value in wish.knobs.items():
        knob(meant, name, value)
    for group, strategy in wish.strategies.items():
        route(meant, group, strategy, {*config.groups, *config.aliases})
    for place in sorted(gone, reverse=True):
        del meant["model_list"][place]
    return meant


def give(deployment: dict[str, Any], place: Place) -> None:
    params, info = deployment["litellm_params"], deployment.get("model_info") or {}
    holder = info if number(params.get("order")) is None and number(info.get("order")) is not None else params
    wishes = ((holder, "order", place.order), (params, "weight", place.weight), (params, "timeout", place.timeout))
    for under, key, wanted in wishes:
        if number(under.get(key)) != wanted:
            under.pop(key, None)
            if wanted is not None:
                under[key] = wanted
    if place.blocked:
        deployment["model_info"] = {**info, "blocked": True}
    elif info.get("blocked") is True:
        del info["blocked"]


def knob(meant: dict[Any, Any], name: str, value: Value | None) -> None:
    router = meant.get("router_settings") or {}
    if value is not None:
        meant["router_settings"] = {**router, name: value}
    elif router.get(name) is not None:
        del router[name]


def route(meant: dict[Any, Any], group: str, strategy: str, names: set[str]) -> None:
    """One group leaves the routing group it is in, and has one of its own where it is to have a strategy."""
    entries = (meant.get("router_settings") or {}).get("routing_groups") or []
    mine = next((one for one in entries if group in one["models"]), None)
    if (mine["routing_strategy"] if mine else "") == strategy:
        return
    if mine and len(mine["models"]) == 1 and strategy:
        mine["routing_strategy"] = strategy
        return
    if mine and len(mine["models"]) == 1:
        entries.remove(mine)
    elif mine:
        mine["models"].remove(group)
    if strategy:
        taken = names | {one["group_name"] for one in entries}
        name = next(each for n in range(1, 99) if (each := f"{group}-routing{n if n > 1 else ''}") not in taken)
        entries.append({"group_name": name, "models": [group], "routing_strategy": strategy})
        meant["router_settings"] = {**(meant.get("router_settings") or {}), "routing_groups": entries}


def rule(meant: dict[Any, Any], kind: str, group: str, targets: list[str]) -> None:
    section = next((name for name in ("router_settings", "litellm_settings") if (meant.get(name) or {}).get(kind)), "")
    rules = meant[section][kind] if section else []
    mine = [one for one in rules if [str(key) for key in one] == [group]]
    now = [str(name) for name in next(iter(mine[0].values()))] if mine else []
    if now == targets:
        return
    if not targets:
        meant[section][kind] = [one for one in rules if one not in mine]
    elif mine:
        key, had = next(iter(mine[0].items()))
        stay = {str(name): name for name in had}  # what stays is moved as it is written
        mine[0][key] = [stay.get(name, name) for name in targets]
    elif section:
        rules.append({group: targets})
    else:
        meant["router_settings"] = {**(meant.get("router_settings") or {}), kind: [{group: targets}]}


def default(meant: dict[Any, Any], targets: list[str]) -> None:
    key = "default_fallbacks"
    section = next((name for name in ("router_settings", "litellm_settings") if (meant.get(name) or {}).get(key)), "")
    had = meant[section][key] if section else []
    if targets == ([had] if isinstance(had, str) else [str(name) for name in had]):
        return
    if targets:
        section = section or "router_settings"
        meant[section] = {**(meant.get(section) or {}), key: targets}
    elif isinstance(had, str):
        meant[section][key] = []
    else:
        del meant[section][key]


def unmarked(*told: Any) -> None:
    """Nothing of it has the mark of a key."""
    for one in told:
        assert MARK not in (one if isinstance(one, str) else json.dumps(one, default=repr, ensure_ascii=False))


def clear(refused: Refused) -> None:
    """It is a sentence, and quotes no key."""
    unmarked(str(refused), refused.hint)
    assert str(refused).endswith(".")
    assert len(str(refused)) < 400
    assert refused.__cause__ is None


def granted(text: str, wish: Wish) -> str | None:
    """The text with the wish granted, all of this module's claims having been checked; None when it is refused."""
    config = read(text)
    unmarked(repr(config), repr(lint(config)))
    try:
        found = edits(text, *wish.asked)
        changed = yamltext.apply(text, found)
        back = yamltext.inverse(text, found)
    except Refused as refused:
        clear(refused)
        return None
    assert loaded(changed) == intended(loaded(text), config, wish)
    assert yamltext.apply(changed, json.loads(json.dumps(back))) == text
    assert yamltext.apply(text, json.loads(json.dumps(found))) == changed
    unmarked(found, back, repr(read(changed)), repr(lint(read(changed))))
    assert changed.count(MARK) == text.count(MARK)
    assert all(comment in changed for comment in re.findall(r"(?:^|(?<=\s))#[^\r\n]*", text))
    return changed


def some(random: Random, names: Sequence[str], most: int = 3) -> tuple[str, ...]:
    return tuple(random.sample(names, random.randint(0, min(most, len(names)))))


def wished(random: Random, config: Config) -> Wish:
    """Anything a person could ask of the editor: chains of some groups, and perhaps other defaults."""
    names = [*config.groups, *config.aliases]
    chains = []
    for group in some(random, config.groups, 2):
        chain = config.chain(group)
        if random.random() < 0.6:
            chain = replace(chain, tiers=tuple(other_place(random, place) for place in chain.tiers))
        if random.random() < 0.3 and chain.tiers:
            chain = replace(chain, tiers=tuple(random.sample(chain.tiers, random.randint(1, len(chain.tiers)))))
        others = [name for name in names if name != group]
        for kind in KINDS:
            if random.random() < 0.3:
                chain = replace(chain, **{kind: other_names(random, getattr(chain, kind), others)})
        chains.append(chain)
    return Wish(
        chains,
        other_names(random, config.default_fallbacks, names) if random.random() < 0.3 else None,
        {name: random.choice([None, *KNOBS[name]]) for name in some(random, list(KNOBS), 3)},
        {group: random.choice(["", *STRATEGIES]) for group in some(random, config.groups, 2)},
    )


def other_place(random: Random, place: Place) -> Place:
    return random.choice(
        [
            place,
            replace(place, order=random.choice([None, 0, 1, 2, 3, 12])),
            replace(place, weight=random.choice([None, 0, 0.25, 1.0, 7.0])),
            replace(place, order=random.randint(1, 9), weight=random.randint(1, 9)),
            replace(place, timeout=random.choice([None, 0.5, 30, 600.0])),
            replace(place, blocked=not place.blocked),
        ]
    )


def other_names(random: Random, had: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """None, the same in another order, some of them, more, or quite others."""
    known = list(dict.fromkeys(name for name in had if name in names))
    more = [name for name in names if name not in known]
    return random.choice(
        [(), tuple(reversed(known)), some(random, known), (*known, *some(random, more, 1)), some(random, names)]
    )


KNOBS: dict[str, tuple[Value, ...]] = {
    "num_retries": (0, 3), "timeout": (0.5, 600), "stream_timeout": (10, 12.25), "retry_after": (0, 5),
    "allowed_fails": (0, 100), "cooldown_time": (5, 0.25), "max_fallbacks": (1, 20), "disable_cooldowns": (True, False),
    "enable_pre_call_checks": (True, False), "routing_strategy": ("simple-shuffle", "latency-based-routing"),
}  # fmt: skip
"""Settings of the router and values they may have."""
RANDOM = st.randoms(use_true_random=False)
BOUNDED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_collection_has_the_shapes_it_claims() -> None:
    assert len(CORPUS) == 32
    assert "\r\n" in CORPUS["windows_line_ends"]
    assert re.search(r"[^\r]\n", CORPUS["windows_line_ends"]) is None
    assert not CORPUS["no_line_end"].endswith("\n")
    assert " \n" in CORPUS["trailing_spaces"]
    assert CORPUS["tabs_in_comments"].count("\t") == 8


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_a_file_without_sections_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"^The text is not a LiteLLM configuration: it has no sections\.$"):
        read(CORPUS[name])


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_read_is_what_the_loader_makes_of_the_file(name: str) -> None:
    config, meant = read(CORPUS[name]), loaded(CORPUS[name])
    listed = meant.get("model_list") or []
    assert [(one.order, one.weight) for one in config.deployments] == [
        (
            next(
                (one[part]["order"] for part in ("litellm_params", "model_info") if "order" in (one.get(part) or {})),
                None,
            ),
            number(one["litellm_params"].get("weight")),
        )
        for one in listed
    ]
    written = [one["model_name"] for one in listed]
    assert [one.group for one in config.deployments if isinstance(written[one.place], str)] == [
        group for group in written if isinstance(group, str)
    ]
    assert len({one.key for one in config.deployments}) == len(listed)


@pytest.mark.parametrize("name", SHAPES)
@BOUNDED
@given(random=RANDOM)
def test_a_real_shape_means_what_was_asked_for_or_is_refused(name: str, random: Random) -> None:
    granted(CORPUS[name], wished(random, read(CORPUS[name])))


@pytest.mark.parametrize("name", SHAPES)
def test_asking_for_what_is_there_changes_nothing(name: str) -> None:
    config = read(CORPUS[name])
    chains = [config.chain(group) for group in config.groups]
    sound = [one for one in chains if one.group not in one.fallbacks and len(set(one.fallbacks)) == len(one.fallbacks)]
    assert edits(CORPUS[name], sound, config.default_fallbacks) == []


REFUSED = {
    "anchors_and_merges": "model_list[0].litellm_params is shared with other places of the text (&own).",
    "numbers_as_names": "router_settings.fallbacks[0].4 is not what it was.",
}
"""Shapes whose first group cannot be edited, and why."""


@pytest.mark.parametrize("name", [name for name in SHAPES if len(read(CORPUS[name]).groups) > 1])
def test_the_first_group_of_every_shape_but_these_can_be_edited(name: str) -> None:
    config = read(CORPUS[name])
    first, *_, last = config.groups
    tiers = tuple(replace(place, order=11 + at, weight=3.0) for at, place in enumerate(config.chain(first).tiers))
    wish = Wish([Chain(first, tiers, (last,), (last,), (last,))], (first, last))
    if name in REFUSED:
        with pytest.raises(Refused, match=f"^{re.escape(REFUSED[name])}$"):
            edits(CORPUS[name], *wish.asked)
    changed = granted(CORPUS[name], wish)
    assert (changed is None) == (name in REFUSED)
    if changed is not None:
        assert read(changed).chain(first) == wish.chains[0]
        assert read(changed).default_fallbacks == wish.defaults


@pytest.mark.parametrize("name", [name for name in SHAPES if read(CORPUS[name]).groups])
def test_every_knob_of_a_real_shape_can_be_turned_and_turned_back(name: str) -> None:
    """Each by itself, so that none hides behind the refusal of another."""
    config = read(CORPUS[name])
    group = config.groups[0]
    wishes = [Wish(knobs={knob: value}) for knob, values in KNOBS.items() for value in values]
    wishes += [Wish(strategies={group: strategy}) for strategy in STRATEGIES]
    turned = [granted(CORPUS[name], wish) for wish in wishes]
    if name == "anchors_and_merges":
        assert turned == [None] * len(wishes)
        with pytest.raises(Refused, match=r"^router_settings is shared with other places of the text \(&rules\)\.$"):
            edits(CORPUS[name], *wishes[0].asked)
        return
    assert [wish for wish, changed in zip(wishes, turned, strict=True) if changed is None] == []
    for wish, changed in zip(wishes, turned, strict=True):
        assert changed is not None
        now = read(changed)
        assert {knob: now.settings[knob] for knob in wish.knobs} == wish.knobs
        assert [one.strategy for one in now.routing_groups if group in one.models] == [*wish.strategies.values()] or (
            not wish.strategies
        )


@pytest.mark.parametrize("name", ["comments_everywhere", "windows_line_ends", "trailing_spaces", "tabs_in_comments"])
def test_of_a_new_order_one_line_changes(name: str) -> None:
    text = CORPUS[name].replace("weight: 2\n", "order: 1\n")
    config = read(text)
    chain = config.chain(config.groups[0])
    changed = granted(text, Wish([replace(chain, tiers=(replace(chain.tiers[0], order=0), *chain.tiers[1:]))]))
    assert changed is not None
    pairs = list(zip(text.splitlines(keepends=True), changed.splitlines(keepends=True), strict=True))
    assert [(was.replace("order: 1", "order: 0"), now) for was, now in pairs if was != now] == [
        (now, now) for was, now in pairs if was != now
    ]
    assert len([1 for was, now in pairs if was != now]) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random=RANDOM)
def test_a_generated_text_means_what_was_asked_for_or_is_refused(random: Random) -> None:
    text = Scribe(random).text()
    config = read(text)
    assert [one.group for one in config.deployments] == [one["model_name"] for one in loaded(text)["model_list"]]
    granted(text, wished(random, config))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random=RANDOM)
def test_one_change_after_the_other_is_taken_back_in_turn(random: Random) -> None:
    text = Scribe(random).text()
    steps = []
    for _ in range(3):
        wish = wished(random, read(text))
        if (changed := granted(text, wish)) is not None:
            steps.append((text, yamltext.inverse(text, edits(text, *wish.asked))))
            text = changed
    for before, back in reversed(steps):
        text = yamltext.apply(text, back)
        assert text == before


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    random=RANDOM,
    cut=st.integers(0, 60),
    put=st.text("{}[]:,-#&*!|>'\"%@`\t\r\n \x00\x85\u2028\ud800aé1~<?=", max_size=6),
)
def test_a_damaged_text_is_read_or_refused_and_nothing_else(random: Random, cut: int, put: str) -> None:
    text = random.choice([*CORPUS.values(), Scribe(random).text()])
    at = random.randint(0, len(text))
    damaged = text[:at] + put + text[at + cut :]
    try:
        config = read(damaged)
    except Refused as refused:
        clear(refused)
        return
    lint(config)
    try:
        found = edits(damaged, *wished(random, config).asked)
    except Refused:
        return
    assert yamltext.apply(yamltext.apply(damaged, found), yamltext.inverse(damaged, found)) == damaged
