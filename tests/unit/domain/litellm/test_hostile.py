"""Texts no LiteLLM reads: each is refused in words that quote nothing of it, or read for what can be read of it."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml

from services.domain import litellm
from services.domain.litellm import Chain, Config, Place, read, yamltext, yamltree
from services.domain.litellm.edits import edits
from services.domain.litellm.lint import TOLD, Lint, lint
from services.errors import Refused

MARK = "sk-PLANTED"
ONE = "model_list:\n  - model_name: chat\n    litellm_params: {model: openai/x}\n"
NOT_YAML, NO_SECTIONS, TOO_MUCH = "The text is not YAML", "it has no sections", "too many parts"

UNREADABLE: dict[str, tuple[Callable[[], str], str]] = {
    "nothing": (lambda: "", NO_SECTIONS),
    "blank lines": (lambda: " \n\n  \n", NO_SECTIONS),
    "comments alone": (lambda: f"# {MARK}\n# two\n", NO_SECTIONS),
    "a list": (lambda: f"- {MARK}\n", NO_SECTIONS),
    "a number": (lambda: "42", NO_SECTIONS),
    "a word": (lambda: MARK, NO_SECTIONS),
    "an alias of nothing": (lambda: f"a: *{MARK}\n", "an alias has no anchor"),
    "an alias of what it is in": (lambda: "a: &a [*a]\n", "an alias stands for what it is in"),
    "brackets that stay open": (lambda: f"a: [{MARK}", f"{NOT_YAML}, line 2"),
    "a quote that stays open": (lambda: f'a: "{MARK}\nb: 1\n', NOT_YAML),
    "wrong indentation": (lambda: f"a:\n  b: 1\n c: {MARK}\n", f"{NOT_YAML}, line 3"),
    "a tab for a space": (lambda: f"a:\n\tb: {MARK}\n", "line 2: a tab stands where only spaces may"),
    "two documents": (lambda: f"a: 1\n---\nb: {MARK}\n", "several YAML documents"),
    "a version of YAML to come": (lambda: f"%YAML 3.0\n---\na: {MARK}\n", NOT_YAML),
    "a byte of zero": (lambda: f"a: {MARK}\x00\n", "characters YAML does not allow"),
    "a bell": (lambda: f"a: {MARK}\x07\n", "characters YAML does not allow"),
    "half a character": (lambda: f"a: {MARK}\ud800\n", "characters YAML does not allow"),
    "a byte order mark": (lambda: f"\ufeffa: {MARK}\n", "byte order mark"),
    "a program": (lambda: bytes(range(256)).decode("latin-1") + MARK, NOT_YAML),
    "a template that was not filled in": (lambda: f"{{{{ .Values.{MARK} }}}}: x: y\n", NOT_YAML),
    "five MiB": (lambda: f"a: {MARK}" + "x" * (5 << 20), "larger than 1 MiB"),
    "a MiB of characters of several bytes": (lambda: "a: " + "é" * (600 * 1024), "larger than 1 MiB"),
    "10,000 lists in each other": (lambda: "a: " + "[" * 10_000 + MARK, TOO_MUCH),
    "1,400 mappings in each other": (lambda: "".join(" " * i + "a:\n" for i in range(1_400)), TOO_MUCH),
    "200,000 parts": (lambda: "a: [" + "1," * 200_000 + "]", TOO_MUCH),
    "20,000 deployments": (
        lambda: "model_list:\n" + "- {model_name: a, litellm_params: {model: b}}\n" * 20_000,
        TOO_MUCH,
    ),
    "a billion laughs": (
        lambda: (
            "a: &a [1,2,3,4,5,6,7,8,9]\n"
            + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
        ),
        "repeats too much by aliases",
    ),
    "merges that merge 10,000 times": (
        lambda: "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: *a{i - 1}}}\n" for i in range(1, 10_000)),
        "repeats too much by aliases",
    ),
    "40,000 times one great mapping": (
        lambda: f"x: &x {{{','.join(f'k{i}: 1' for i in range(20_000))}}}\nmodel_list:\n" + "- *x\n" * 40_000,
        "repeats too much by aliases",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_configuration_is_refused_without_a_word_of_it(name: str) -> None:
    made, says = UNREADABLE[name]
    for use in (read, lambda text: edits(text, [Chain("chat", (Place("#1 openai/x"),))], ())):
        with pytest.raises(Refused) as refused:
            use(made())
        told = f"{refused.value} {refused.value.hint}"
        assert says in told
        assert MARK not in told
        assert len(told) < 200
        assert refused.value.__cause__ is None


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_edit_of_what_is_no_configuration_is_refused(name: str) -> None:
    made, _ = UNREADABLE[name]
    with pytest.raises(Refused) as refused:
        yamltext.apply(made(), [{"op": "add", "path": ["zz", "y"], "after": 1}])
    assert MARK not in str(refused.value)


WRONG = {
    "a word": f"{MARK}",
    "a quoted number": "'1'",
    "nothing": "",
    "null": "null",
    "a truth value": "yes",
    "a date": "2026-11-22",
    "an empty list": "[]",
    "an empty mapping": "{}",
    "lists in lists": "[[[]], [{}], null]",
    "a mapping of a list": f"{{{MARK}: [1, {{a: b}}]}}",
    "endless": ".inf",
    "no number": "-.nan",
    "beyond every float": "1.0e+999",
    "a thousand nines": "9" * 1_000,
    "a hexadecimal of 5,000 digits": "0x" + "f" * 5_000,
    "sixty to the 100,000th": "1" + ":59" * 100_000,
    "a truth value by tag": "!!bool maybe",
    "an empty number by tag": "!!int ''",
    "a date by tag": "!!timestamp soon",
    "a mapping by tag": "!!map word",
    "bytes by tag": "!!binary '=='",
    "an object by tag": "!!python/object/apply:os.system [echo]",
    "a tag of its own": f"!vault {MARK}",
    "an alias": "*known",
    "a block": f"|\n        {MARK}\n        two",
}
PLACES = {
    "model_list": "model_list: {}\n",
    "an entry": "model_list:\n  - {}\n",
    "model_name": "model_list:\n  - litellm_params: {model: openai/x}\n    model_name: {}\n",
    "litellm_params": "model_list:\n  - model_name: chat\n    litellm_params: {}\n",
    "model_info": ONE + "    model_info: {}\n",
    **{
        key: f"model_list:\n  - model_name: chat\n    litellm_params:\n      model: openai/x\n      {key}: {{}}\n"
        for key in ("model", "order", "weight", "api_base", "custom_llm_provider", "input_cost_per_token")
    },
    **{f"info {key}": ONE + f"    model_info:\n      {key}: {{}}\n" for key in ("id", "order", "tier", "priority")},
    **{section: ONE + f"{section}: {{}}\n" for section in ("router_settings", "litellm_settings", "general_settings")},
    **{
        key: ONE + f"router_settings:\n    {key}: {{}}\n"
        for key in (*litellm.KINDS, litellm.DEFAULTS, "model_group_alias", *litellm.NUMBERS, "<<")
    },
    "a rule": ONE + "router_settings:\n  fallbacks:\n    - {}\n",
    "groups of a rule": ONE + "router_settings:\n  fallbacks:\n    - chat: {}\n",
    "one group of a rule": ONE + "router_settings:\n  fallbacks:\n    - chat:\n      - {}\n",
    "an alias of a group": ONE + "router_settings:\n  model_group_alias:\n    other: {}\n",
}


def at_place(place: str, wrong: str) -> str:
    head, _, tail = PLACES[place].rpartition("{}")
    return f"known: &known {{a: 1}}\n{head}{wrong}{tail}"


def blocks(text: str) -> bool:
    """Whether a block of lines may stand where it stands in the text."""
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return False
    return True


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("place", PLACES)
def test_a_wrong_value_anywhere_costs_that_value_at_most(place: str, wrong: str) -> None:
    text = at_place(place, WRONG[wrong])
    if wrong == "a block" and not blocks(text):
        with pytest.raises(Refused, match=f"^{NOT_YAML}"):
            read(text)
        return
    config = read(text)
    lint(config)
    for group in config.groups:
        mine = config.chain(group)
        wanted = Chain(group, tuple(replace(one, order=7, weight=3.0) for one in mine.tiers), ("chat",), ("chat",))
        try:
            changed = yamltext.apply(text, edits(text, [wanted], ("chat",)))
        except Refused:
            continue
        assert set(read(changed).chain(group).tiers) == set(wanted.tiers)


def linted(text: str) -> tuple[Config, list[Lint]]:
    config = read(text)
    return config, lint(config)


def test_a_number_that_is_none_is_not_there() -> None:
    config, _ = linted("router_settings: {timeout: .inf, num_retries: !!int '', max_fallbacks: .nan, cooldown_time: 3}")
    assert config.numbers == {"cooldown_time": 3.0}


def test_a_number_longer_than_any_is_text() -> None:
    node = yamltree.at(yamltree.parsed("a: " + "1" * 101 + "\nb: " + "1" * 100).root, ["a"])
    assert node is not None
    assert yamltree.value(node) == "1" * 101


def test_keys_given_twice_count_by_the_last_and_are_not_edited() -> None:
    text = ONE.replace("{model", "{order: 1, order: 2, model")
    assert read(text).deployments[0].order == 2
    with pytest.raises(Refused, match=r"^model_list\[0\]\.litellm_params\.order is there more than once\.$"):
        edits(text, [Chain("chat", (Place("#1 openai/x", 5),))])


def test_a_section_given_twice_counts_by_the_last_and_is_not_edited() -> None:
    text = f"{ONE}router_settings: {{fallbacks: [{{chat: [a]}}]}}\nrouter_settings: {{fallbacks: [{{chat: [b]}}]}}\n"
    assert read(text).chain("chat").fallbacks == ("b",)
    with pytest.raises(Refused, match=r"^router_settings is there more than once\.$"):
        edits(text, [Chain("chat", (Place("#1 openai/x"),))])


def test_of_two_merges_in_a_mapping_the_last_counts_and_of_a_list_of_them_the_first() -> None:
    text = """\
a: &a {order: 1, weight: 1}
b: &b {order: 2}
model_list:
  - model_name: x
    litellm_params: {<<: *a, <<: *b, model: openai/x}
  - model_name: y
    litellm_params: {<<: [*a, *b], model: openai/y}
"""
    assert [(one.order, one.weight) for one in read(text).deployments] == [(2, 1.0), (1, 1.0)]


def test_an_id_that_looks_like_the_name_of_another_deployment_does_not_take_it() -> None:
    text = f"{ONE.rstrip()}\n    model_info: {{id: '#2 openai/x'}}\n" + ONE.partition("\n")[2]
    keys = [one.key for one in read(text).deployments]
    assert keys == ["#2 openai/x", "##2 openai/x"]


def test_reading_keeps_nothing_of_what_it_read() -> None:
    kept = [one for one in vars(yamltree).values() if isinstance(one, yamltree.yaml.constructor.BaseConstructor)]
    assert kept == []


def test_thousands_of_deployments_and_as_many_groups_are_looked_through() -> None:
    text = "model_list:\n" + "".join(f"- {{model_name: g{i}, litellm_params: {{model: b}}}}\n" for i in range(10_000))
    config, found = linted(text)
    assert len(config.deployments) == 10_000
    assert sum(one.code == "single" for one in found) == 10_000


def test_a_ring_of_thousands_of_groups_is_told_once_and_in_few_words() -> None:
    rules = "".join(f"  - {{g{i:05}: [g{(i + 1) % 10_000:05}]}}\n" for i in range(10_000))
    _, found = linted(f"router_settings:\n  fallbacks:\n{rules}")
    rings = [one for one in found if one.code == "loop"]
    assert len(rings) == 1
    first = " → ".join(f"g{i:05}" for i in range(TOLD))
    assert f"{first} → 9992 more → g00000" in rings[0].says


def test_a_chain_of_thousands_of_groups_hides_no_ring_behind_it() -> None:
    rules = "".join(f"  - {{a{i:05}: [a{i + 1:05}]}}\n" for i in range(10_000))
    _, found = linted(f"router_settings:\n  fallbacks:\n{rules}  - {{z1: [z2]}}\n  - {{z2: [z1, a00001]}}\n")
    assert [one.group for one in found if one.code == "loop"] == ["z1"]


def test_tens_of_thousands_of_targets_are_looked_through() -> None:
    names = ",".join(f"g{i}" for i in range(40_000))
    _, found = linted(f"router_settings: {{fallbacks: [{{chat: [{names}, g7]}}]}}")
    assert sum(one.code == "unknown-group" for one in found) == 40_000
    assert [one.says for one in found if one.code == "target-twice"] == [
        "g7 is in this list twice; the second is skipped."
    ]


def test_a_key_of_half_a_megabyte_is_not_repeated_for_each_of_its_items() -> None:
    key = "k" * 500_000 + "_api_key"
    config, found = linted(f"? {key}\n: [{'a,' * 50_000}]\n")
    assert len(config.literals) == 50_000
    assert max(map(len, config.literals)) == 201
    assert config.literals[0].endswith("_api_key[0]")
    assert max(len(one.place) for one in found) < 700


def test_tens_of_thousands_of_sections_are_looked_through() -> None:
    config, _ = linted("".join(f"k{i}:\n" for i in range(45_000)) + "last: {daily_budget: 1}\n")
    assert config.unread == ("last.daily_budget",)


def test_a_name_with_control_characters_is_read_and_not_written() -> None:
    text = ONE.replace("chat", '"a\\x07b"') + ONE.partition("\n")[2]
    assert read(text).groups == ("a\x07b", "chat")
    with pytest.raises(Refused, match=r"^A name must have 1 to 512 characters, all of them printable\.$"):
        edits(text, [Chain("chat", (Place("#2 openai/x"),), ("a\x07b",))])


def test_what_is_found_can_be_written_as_json() -> None:
    _, found = linted(f"router_settings: {{max_fallbacks: .inf, {MARK}: 1}}")
    assert json.dumps([one.says for one in found])
