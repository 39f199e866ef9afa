"""Edits of a YAML text: what changes, what survives, and the way back byte for byte."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.litellm import yamltext
from services.errors import Refused

KEY = "sk-live-4f9d"
BLOCK = f"""\
# who answers
model_list:
  - model_name: chat   # the big one
    litellm_params:
      model: openai/gpt-4o
      api_key: {KEY}
      order: 2

  - model_name: chat
    litellm_params: {{model: hosted_vllm/llama, api_key: none, order: 1, weight: 0.5}}
  - model_name: large
    litellm_params:
      model: azure/gpt-4o   
router_settings:
  fallbacks:
    # try the cheap one first
    - chat: [large, "small"]
    # then
    - large:
        - small   # fast
        - 'chat'
  num_retries: 2
general_settings:
"""  # noqa: W291 - trailing blanks are part of the text


def changed(text: str, *edits: dict[str, Any]) -> str:
    """The text after the edits, having made sure that the way back gives every byte of it."""
    after = yamltext.apply(text, edits)
    assert yamltext.apply(after, yamltext.inverse(text, edits)) == text
    return after


def edit(op: str, *path: str | int, before: Any = None, after: Any = None) -> dict[str, Any]:
    return {"op": op, "path": list(path), "before": before, "after": after}


def test_a_number_is_replaced_and_nothing_else() -> None:
    one = edit("set", "model_list", 0, "litellm_params", "order", before=2, after=3)
    assert changed(BLOCK, one) == BLOCK.replace("order: 2", "order: 3")


def test_quotes_come_back_with_the_way_back() -> None:
    text = "a: '2' # two\n"
    assert changed(text, edit("set", "a", before="2", after="x")) == "a: x # two\n"


def test_a_value_written_into_an_empty_place_stands_behind_the_colon() -> None:
    text = "general_settings:  # nothing yet\nb: 1"
    assert (
        changed(text, edit("add", "general_settings", "fallbacks", after=[{"a": ["b"]}]))
        == "general_settings: {fallbacks: [{a: [b]}]}  # nothing yet\nb: 1"
    )


def test_a_key_is_added_behind_the_last_short_line_of_a_block() -> None:
    after = changed(BLOCK, edit("add", "model_list", 2, "litellm_params", "order", after=3))
    assert after == BLOCK.replace("azure/gpt-4o   \n", "azure/gpt-4o   \n      order: 3\n")


def test_a_key_is_added_inside_braces() -> None:
    after = changed(BLOCK, edit("add", "model_list", 1, "litellm_params", "rpm", after=60))
    assert after == BLOCK.replace("weight: 0.5}", "weight: 0.5, rpm: 60}")


def test_a_key_is_added_at_the_end_of_a_text_without_a_last_line_end() -> None:
    assert changed("a: 1", edit("add", "router_settings", after={"fallbacks": [{"a": ["b"]}]})) == (
        "a: 1\nrouter_settings: {fallbacks: [{a: [b]}]}"
    )


def test_a_pair_is_removed_with_its_line() -> None:
    after = changed(BLOCK, edit("remove", "model_list", 0, "litellm_params", "order", before=2))
    assert after == BLOCK.replace("      order: 2\n", "")


def test_the_first_middle_and_last_of_a_flow_mapping_are_removed_with_their_comma() -> None:
    text = "p: {a: 1, b: 2,  c: 3}\n"
    assert changed(text, edit("remove", "p", "a", before=1)) == "p: {b: 2,  c: 3}\n"
    assert changed(text, edit("remove", "p", "b", before=2)) == "p: {a: 1,  c: 3}\n"
    assert changed(text, edit("remove", "p", "c", before=3)) == "p: {a: 1, b: 2}\n"


def test_the_only_child_of_a_block_leaves_an_empty_collection() -> None:
    text = "r:\n  fallbacks:  # cross\n    - a: [b]\nx: 1\n"
    assert changed(text, edit("remove", "r", "fallbacks", 0, before={"a": ["b"]})) == (
        "r:\n  fallbacks: []  # cross\nx: 1\n"
    )
    assert changed("r:\n  f: 1\nx: 1", edit("remove", "r", "f", before=1)) == "r: {}\nx: 1"


def test_a_line_with_a_comment_is_commented_out_so_that_no_comment_is_recorded() -> None:
    edits = [edit("remove", "router_settings", "fallbacks", 1, "large", 0, before="small")]
    after = changed(BLOCK, *edits)
    assert after == BLOCK.replace("        - small   # fast", "        # - small   # fast")
    assert "fast" not in str(yamltext.inverse(BLOCK, edits))


def test_a_list_in_brackets_is_put_in_order_and_keeps_its_quotes() -> None:
    one = edit("list", "router_settings", "fallbacks", 0, "chat", before=["large", "small"], after=["small", "large"])
    assert changed(BLOCK, one) == BLOCK.replace('[large, "small"]', '["small", large]')


def test_lines_of_a_list_move_with_their_comments() -> None:
    one = edit("list", "router_settings", "fallbacks", 1, "large", before=["small", "chat"], after=["chat", "small"])
    moved = "        - 'chat'\n        - small   # fast\n"
    assert changed(BLOCK, one) == BLOCK.replace("        - small   # fast\n        - 'chat'\n", moved)


def test_comments_above_an_item_move_with_it_even_at_the_end_of_the_text() -> None:
    text = "f:\n  # one\n  - a\n  # two\n  # more\n  - b"
    assert changed(text, edit("list", "f", before=["a", "b"], after=["b", "a"])) == (
        "f:\n  # two\n  # more\n  - b\n  # one\n  - a"
    )


def test_a_list_gains_loses_and_reorders_at_once() -> None:
    one = edit("list", "f", before=["a", "b", "c"], after=["x", "c", "a"])
    assert changed("f: [a, b, c]  # k\n", one) == "f: [x, c, a]  # k\n"
    assert changed("f:\r\n- a\r\n- b\r\n- c\r\n", one) == "f:\r\n- x\r\n- c\r\n- a\r\n"


def test_a_list_can_be_replaced_whole() -> None:
    assert changed("f: [a]\n", edit("list", "f", before=["a"], after=["b"])) == "f: [b]\n"
    assert changed("f:\n- a\n", edit("list", "f", before=["a"], after=["b"])) == "f:\n- b\n"


def test_a_deployment_is_commented_out_and_its_key_is_nowhere_in_the_edits() -> None:
    edits = [edit("comment", "model_list", 0)]
    after = changed(BLOCK, *edits)
    assert "  # - model_name: chat   # the big one\n    # litellm_params:\n      # model: openai/gpt-4o\n" in after
    assert [one["model_name"] for one in yaml.safe_load(after)["model_list"]] == ["chat", "large"]
    assert KEY not in str(edits) + str(yamltext.inverse(BLOCK, edits))


@pytest.mark.parametrize(
    ("place", "after"),
    [
        (0, f"m: [# {{n: a, k: {KEY}}},\n    {{n: b}}, {{n: c}}]\nx: 1\n"),
        (1, f"m: [{{n: a, k: {KEY}}}, # {{n: b}},\n                             {{n: c}}]\nx: 1\n"),
        (2, f"m: [{{n: a, k: {KEY}}}, {{n: b}}, # {{n: c}}\n                                     ]\nx: 1\n"),
    ],
)
def test_a_deployment_in_brackets_is_commented_out_too(place: int, after: str) -> None:
    text = f"m: [{{n: a, k: {KEY}}}, {{n: b}}, {{n: c}}]\nx: 1\n"
    found = changed(text, edit("comment", "m", place))
    assert found.replace(" ", "") == after.replace(" ", "")
    left = [name for i, name in enumerate("abc") if i != place]
    assert [one["n"] for one in yaml.safe_load(found)["m"]] == left


def test_a_deployment_over_several_lines_of_braces_is_commented_out() -> None:
    text = "m:\n  - {n: a,\n     k: 1}\n\n  - {n: b}\n"
    assert changed(text, edit("comment", "m", 0)) == "m:\n  # - {n: a,\n     # k: 1}\n\n  - {n: b}\n"


def test_several_edits_go_one_after_the_other_and_come_back_the_other_way() -> None:
    after = changed(
        BLOCK,
        edit("set", "model_list", 0, "litellm_params", "order", before=2, after=1),
        edit("set", "model_list", 1, "litellm_params", "order", before=1, after=2),
        edit("remove", "router_settings", "fallbacks", 0, before={"chat": ["large", "small"]}),
        edit("comment", "model_list", 0),
    )
    read = yaml.safe_load(after)
    assert read["model_list"][0]["litellm_params"]["order"] == 2
    assert read["router_settings"]["fallbacks"] == [{"large": ["small", "chat"]}]


def test_the_way_back_of_the_way_back_goes_forward_again() -> None:
    edits = [edit("list", "f", before=["a", "b"], after=["b", "c"])]
    text = "f: [a, b]\n"
    back = yamltext.inverse(text, edits)
    after = yamltext.apply(text, edits)
    assert after == "f: [b, c]\n"
    assert yamltext.apply(text, yamltext.inverse(after, back)) == after
    assert (back[0]["before"], back[0]["after"]) == (["b", "c"], ["a", "b"])


def test_the_way_back_refuses_another_text() -> None:
    back = yamltext.inverse("a: 1\n", [edit("set", "a", before=1, after=2)])
    with pytest.raises(Refused, match="not the one this change was made for"):
        yamltext.apply("ab: 2\n", back)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("gpt-4o", "gpt-4o"),
        ("azure/gpt-4o@eu", "azure/gpt-4o@eu"),
        ("ollama:7b", '"ollama:7b"'),
        ("*", '"*"'),
        ("on", '"on"'),
        ("1", '"1"'),
        ("2026-01-02", '"2026-01-02"'),
        ("-x", '"-x"'),
        ("größe", '"größe"'),
    ],
)
def test_names_are_quoted_where_they_would_be_read_as_something_else(name: str, written: str) -> None:
    after = changed("f: [a]\n", edit("list", "f", before=["a"], after=["a", name]))
    assert after == f"f: [a, {written}]\n"
    assert yaml.safe_load(after) == {"f": ["a", name]}


@pytest.mark.parametrize(
    ("text", "one", "says"),
    [
        ("a: &x [1]\nb: *x\n", edit("list", "a", before=[1], after=[2]), "shared with other places"),
        ("a: &x [1]\nb: *x\n", edit("set", "b", before=1, after=2), "shared with other places"),
        ("d: &d {order: 1}\nm: [{<<: *d}]\n", edit("set", "d", "order", before=1, after=2), "shared"),
        ("a: 1\na: 2\n", edit("set", "a", before=2, after=3), "more than once"),
        ("a: 1\n---\nb: 2\n", edit("set", "a", before=1, after=2), "several YAML documents"),
        ("a: 1\n", edit("set", "a", before=2, after=3), "not what it was"),
        ("a: 1\n", edit("set", "b", before=2, after=3), "b is not in the text"),
        ("a:\n\t- b\n", edit("set", "a", before=2, after=3), "line 2: a tab stands"),
        ("a: {b: 1,\n\tc: 2}\n", edit("set", "a", "b", before=1, after=3), "indented with tabs"),
        ("a: [b\n", edit("set", "a", before=2, after=3), "The text is not YAML"),
        ("", edit("add", "a", after=3), "The text is empty"),
        ("\ufeffa: 1", edit("set", "a", before=1, after=3), "byte order mark"),
        ("a: |\n  x\n", edit("set", "a", before="x\n", after="y"), "not written on one line"),
        ("a: [b] # c\n", edit("list", "a", before=["b"], after=[]), "empty list"),
        ("a: [b, # c\n  d]\n", edit("remove", "a", 0, before="b"), "A comment stands between"),
        ("m:\n- {n: a}\n", edit("comment", "m", 0), "nothing would be left"),
        ("a: 1\n", edit("set", "a", before=1, after="x\ny"), "printable"),
        ("a: 1\n", edit("set", "a", before=1, after=object()), "Only names, numbers"),
        ("? a\n: - 1\n", edit("remove", "a", 0, before=1), "Something else stands"),
        ("a:\n- - b\n  - c\n", edit("remove", "a", 0, 0, before="b"), "Something else stands"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused_in_words(text: str, one: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        yamltext.apply(text, [one])


@pytest.mark.parametrize(
    ("text", "one", "after"),
    [
        ("a: !!str 1\n", edit("set", "a", before="1", after=2), "a: 2\n"),
        ("? a\n: - 1\n", edit("add", "a", 1, after=2), "? a\n: - 1\n  - 2\n"),
    ],
)
def test_rare_styles_are_edited_all_the_same(text: str, one: dict[str, Any], after: str) -> None:
    assert changed(text, one) == after


def test_no_refusal_quotes_the_text() -> None:
    with pytest.raises(Refused) as refusal:
        yamltext.apply(f"k: {KEY}\nb: [\n", [edit("set", "k", before=1, after=2)])
    assert KEY not in str(refusal.value)


def test_too_much_and_too_deep_are_refused_quickly() -> None:
    one = [edit("set", "a", before=1, after=2)]
    for text in ("a: " + "[" * 1000, "a: " + "x" * 2**20, "a: [" + "1," * 120_000 + "]"):
        with pytest.raises(Refused):
            yamltext.apply(text, one)
    bomb = "a: &a [1]\n" + "".join(f"{c}: &{c} [*{p},*{p},*{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    assert yamltext.apply(bomb + "z: 1\n", [edit("set", "z", before=1, after=2)]) == bomb + "z: 2\n"


NAMES = st.lists(st.sampled_from(["a", "b-1", "c/d", "on", "7", "x y", "*"]), min_size=1, max_size=5, unique=True)
BLANK = st.sampled_from(["", " ", "  # why", "   "])


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A list of names in block or flow style, with comments, quotes, odd spacing and either line end."""
    names = draw(NAMES)
    quote = draw(st.lists(st.sampled_from(["'{}'", '"{}"']), min_size=len(names), max_size=len(names)))
    words = [q.format(n) for q, n in zip(quote, names, strict=True)]
    if draw(st.booleans()):
        gap = draw(st.sampled_from([", ", ",", " , ", ",\n    "]))
        body = f" [{gap.join(words)}]" + draw(BLANK)
    else:
        lead = " " * draw(st.integers(0, 4))
        above = draw(st.lists(st.sampled_from(["", f"{lead}# said\n"]), min_size=len(words), max_size=len(words)))
        body = "".join(f"\n{a}{lead}- {w}{draw(BLANK)}" for a, w in zip(above, words, strict=True))
    text = f"# top\nk:{body}" + draw(st.sampled_from(["", "\n", "\nz: 1  # end\n", "\n\n# tail"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))), names


@given(texts(), NAMES)
@settings(max_examples=300, deadline=None)
def test_any_list_becomes_any_other_and_comes_back(made: tuple[str, list[str]], after: list[str]) -> None:
    text, before = made
    one = edit("list", "k", before=before, after=after)
    found = changed(text, one)
    assert yaml.safe_load(found) == {**yaml.safe_load(text), "k": after}
    assert found.count("#") >= text.count("#")
