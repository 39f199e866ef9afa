"""Reading a LiteLLM configuration without its secrets, and the smallest edits that make a chain as wanted."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import litellm
from services.domain.litellm import Chain, Place, read, yamltext
from services.domain.litellm import edits as litellm_edits
from services.domain.litellm.edits import edits, joined, moved, ranks, shifted
from services.errors import Refused

SECRETS = ["sk-one-1234", "hunter2", "AKIAEXAMPLE", "topsecret", "sk-master-9"]
FILE = f"""\
x-common: &common {{rpm: 60, api_key: {SECRETS[0]}}}
model_list:
  - model_name: chat
    litellm_params:
      <<: *common
      model: hosted_vllm/meta-llama/Llama-3.1-8B-Instruct
      api_base: http://user:{SECRETS[1]}@vllm.llm.svc:8000/v1?key={SECRETS[3]}
      order: 1
      weight: 2
      input_cost_per_token: 0.0000001
    model_info: {{id: chat-own, tier: paid}}
  - model_name: chat
    litellm_params: {{model: bedrock/claude, aws_secret_access_key: {SECRETS[2]}, extra_headers: {{X-A: {SECRETS[3]}}}}}
    model_info: {{order: 2}}
  - model_name: large
    litellm_params:
      model: azure/gpt-4o
      api_key: os.environ/AZURE
litellm_settings:
  fallbacks: [{{chat: [hidden]}}]
  context_window_fallbacks: [{{chat: [large]}}]
  request_timeout: 30
router_settings:
  model_group_alias: {{gpt: chat, old: {{model: large, hidden: true}}}}
  fallbacks:
    - chat: [large]
    - chat: [never]
  default_fallbacks: [large]
  num_retries: 1
general_settings:
  master_key: {SECRETS[4]}
"""


def after(text: str, *wanted: Chain, defaults: tuple[str, ...] | None = None) -> str:
    """The text with these chains, having made sure that the way back gives every byte of it."""
    found = edits(text, wanted, defaults)
    changed = yamltext.apply(text, found)
    assert yamltext.apply(changed, yamltext.inverse(text, found)) == text
    return changed


def test_a_chain_is_its_deployments_in_order_and_then_its_groups() -> None:
    config = read(FILE)
    assert config.groups == ("chat", "large")
    assert config.chain("chat") == Chain(
        "chat", (Place("chat-own", 1, 2.0), Place("#2 bedrock/claude", 2, None)), ("large",), ("large",), ()
    )
    assert config.chain("large") == Chain("large", (Place("#3 azure/gpt-4o"),))
    assert config.default_fallbacks == ("large",)
    assert config.aliases == {"gpt": "chat", "old": "large"}
    assert config.numbers == {"num_retries": 1.0, "request_timeout": 30.0}


def test_of_an_address_only_the_host_is_kept() -> None:
    own, claude, azure = read(FILE).deployments
    assert (own.base, own.provider, own.self_hosted, own.input_usd) == ("vllm.llm.svc:8000", "hosted_vllm", True, 1e-7)
    assert (claude.order, claude.order_in) == (2, "model_info")
    assert (azure.provider, azure.self_hosted, azure.order) == ("azure", False, None)


def test_no_secret_is_in_what_was_read_and_each_place_is_told() -> None:
    config = read(FILE)
    assert [secret for secret in SECRETS if secret in repr(config)] == []
    assert config.literals == (
        "x-common.api_key",
        "model_list[0].litellm_params.api_base",
        "model_list[1].litellm_params.aws_secret_access_key",
        "model_list[1].litellm_params.extra_headers.X-A",
        "general_settings.master_key",
    )


def test_the_routers_list_hides_the_other_and_the_first_rule_counts() -> None:
    config = read(FILE)
    assert config.in_force("fallbacks") == {"chat": ("large",)}
    assert config.in_force("context_window_fallbacks") == {"chat": ("large",)}
    assert (config.section("fallbacks"), config.section("context_window_fallbacks")) == (
        "router_settings",
        "litellm_settings",
    )
    assert config.section("content_policy_fallbacks") == "router_settings"


def test_what_is_no_configuration_is_refused() -> None:
    for text in ("", "- a\n", "just words\n"):
        with pytest.raises(Refused, match="no sections"):
            read(text)


def test_moving_a_tier_up_swaps_the_two_numbers() -> None:
    text = "model_list:\n" + "".join(
        f"  - {{model_name: g, litellm_params: {{model: o/{n}, order: {o}}}, model_info: {{id: {n}}}}}\n"
        for n, o in (("a", 10), ("b", 20), ("c", 30))
    )
    chain = read(text).chain("g")
    assert moved(chain, "c", -1).tiers == (Place("a", 10), Place("c", 20), Place("b", 30))
    assert moved(chain, "a", -1).tiers == chain.tiers
    assert len(edits(text, [moved(chain, "c", -1)])) == 2
    assert [one.key for one in read(after(text, moved(chain, "c", -1))).of("g")] == ["a", "c", "b"]


def test_a_tier_that_shares_its_rank_leaves_it_and_can_come_back() -> None:
    chain = Chain("g", (Place("a", 1), Place("b", 1), Place("c", 2)))
    out = moved(chain, "b", 1)
    assert [[place.key for place in rank] for rank in ranks(out.tiers)] == [["a"], ["b"], ["c"]]
    assert [place.order for place in out.tiers] == [1, 2, 3]
    assert [[place.key for place in rank] for rank in ranks(joined(out, "b").tiers)] == [["a", "b"], ["c"]]
    assert joined(chain, "a") == chain


def test_tiers_without_an_order_are_tried_last_and_get_one_when_they_move() -> None:
    chain = Chain("g", (Place("a", 5), Place("b"), Place("c")))
    assert [[place.key for place in rank] for rank in ranks(chain.tiers)] == [["a"], ["b", "c"]]
    assert moved(chain, "c", -1).tiers == (Place("a", 1), Place("c", 2), Place("b", 3))
    assert shifted(("x", "y", "z"), "z", -1) == ("x", "z", "y")


def test_only_what_differs_is_edited() -> None:
    config = read(FILE)
    chain = config.chain("chat")
    assert edits(FILE, [chain, config.chain("large")], config.default_fallbacks) == []
    assert edits(FILE, [replace(chain, fallbacks=("large", "gpt"))]) == [
        {
            "op": "list",
            "path": ["router_settings", "fallbacks", 0, "chat"],
            "before": ["large"],
            "after": ["large", "gpt"],
        }
    ]


def test_an_order_is_written_where_it_stood() -> None:
    chain = read(FILE).chain("chat")
    tiers = (replace(chain.tiers[0], order=3, weight=None), replace(chain.tiers[1], order=1, weight=0.5))
    changed = after(FILE, replace(chain, tiers=tiers))
    models = yaml.safe_load(changed)["model_list"]
    assert models[0]["litellm_params"]["order"] == 3
    assert "weight" not in models[0]["litellm_params"]
    assert (models[1]["model_info"], models[1]["litellm_params"]["weight"]) == ({"order": 1}, 0.5)


def test_a_deployment_is_left_out_and_no_key_of_it_is_in_the_edits() -> None:
    chain = read(FILE).chain("chat")
    wanted = replace(chain, tiers=chain.tiers[:1])
    found = edits(FILE, [wanted])
    assert found == [{"op": "comment", "path": ["model_list", 1]}]
    assert [one.key for one in read(after(FILE, wanted)).deployments] == ["chat-own", "#2 azure/gpt-4o"]
    assert not [secret for secret in SECRETS if secret in str(yamltext.inverse(FILE, found))]


def test_a_rule_goes_with_all_of_its_doubles() -> None:
    text = FILE.replace("  fallbacks: [{chat: [hidden]}]\n", "")
    gone = after(text, replace(read(text).chain("chat"), fallbacks=()))
    assert yaml.safe_load(gone)["router_settings"]["fallbacks"] == []
    assert read(gone).in_force("fallbacks") == {}


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        ("", "\nrouter_settings: {fallbacks: [{a: [b]}]}"),
        ("router_settings:\n", ""),
        ("router_settings: {}\n", ""),
        ("router_settings:\n  timeout: 5\n", ""),
        ("router_settings:\n  fallbacks:\n", ""),
        ("router_settings:\n  fallbacks: []\n", ""),
        ("router_settings:\n  fallbacks:\n  - b: [a]\n", ""),
        ("router_settings: {fallbacks: [{b: [a]}]}\n", ""),
        ("litellm_settings:\n  fallbacks:\n    - b:\n        - a\n", ""),
    ],
)
def test_a_first_rule_finds_its_place_whatever_the_file_has(head: str, tail: str) -> None:
    models = [f"- {{model_name: {name}, litellm_params: {{model: o/{name}}}}}" for name in "ab"]
    text = f"{head}model_list:\n" + "\n".join(models)
    changed = after(text, replace(read(text).chain("a"), fallbacks=("b",)))
    assert read(changed).in_force("fallbacks")["a"] == ("b",)
    assert changed.endswith(tail)


def test_defaults_are_set_changed_and_removed() -> None:
    assert read(after(FILE, defaults=("chat", "large"))).default_fallbacks == ("chat", "large")
    assert read(after(FILE, defaults=())).default_fallbacks == ()
    one_word = FILE.replace("default_fallbacks: [large]", "default_fallbacks: large")
    assert "default_fallbacks: [chat]\n" in after(one_word, defaults=("chat",))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"group": "nobody"}, "has no model group nobody"),
        ({"tiers": ()}, "no deployment left"),
        ({"tiers": (Place("ghost", 1),)}, "not those you saw"),
        ({"tiers": (Place("chat-own", 1), Place("chat-own", 2))}, "not those you saw"),
        ({"tiers": (Place("chat-own", -1),)}, "0 to 1000"),
        ({"tiers": (Place("chat-own", 1, -2.0),)}, "A weight"),
        ({"fallbacks": ("chat",)}, "fall back to itself"),
        ({"fallbacks": ("large", "large")}, "the same group twice"),
        ({"fallbacks": ("ghost",)}, "There is no model group ghost"),
        ({"context_window_fallbacks": ("sk-x\ny",)}, "There is no model group"),
    ],
)
def test_what_could_not_work_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        edits(FILE, [replace(read(FILE).chain("chat"), **change)])


def test_a_list_that_would_come_into_force_behind_the_removed_one_is_refused() -> None:
    text = FILE.replace("    - chat: [never]\n", "").replace("    - chat: [large]\n", "    - chat: [large]  # one\n")
    assert "hidden" in text
    with pytest.raises(Refused, match="would not become what you asked for"):
        edits(text, [replace(read(text).chain("chat"), fallbacks=())])


def test_entries_with_parameters_of_their_own_are_not_rewritten() -> None:
    text = FILE.replace("    - chat: [large]\n", "    - chat: [large, {model: large, temperature: 0}]\n")
    with pytest.raises(Refused, match="entries with parameters of their own"):
        edits(text, [replace(read(text).chain("chat"), fallbacks=())])


ORDERS = st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=4)


@given(ORDERS, ORDERS, st.lists(st.sampled_from(["b", "c"]), unique=True), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_orders_and_fallbacks_are_written_as_wanted_and_come_back(
    had: list[int | None], wanted: list[int | None], targets: list[str], flow: bool
) -> None:
    def model(number: int, order: int | None) -> str:
        if flow:
            said = "" if order is None else f", order: {order}"
            return (
                f"  - {{model_name: a, litellm_params: {{model: o/{number}{said}}}, model_info: {{id: d{number}}}}}\n"
            )
        said = "" if order is None else f"\n      order: {order}  # why"
        params = f"    litellm_params:\n      model: o/{number}{said}\n"
        return f"  - model_name: a\n{params}    model_info:\n      id: d{number}\n"

    text = "model_list:\n" + "".join(model(n, order) for n, order in enumerate(had))
    text += "  - {model_name: b, litellm_params: {model: o/b}}\n  - {model_name: c, litellm_params: {model: o/c}}\n"
    places = tuple(Place(f"d{n}", order) for n, order in enumerate(wanted[: len(had)]))
    chain = Chain("a", places, tuple(targets))
    found = read(after(text, chain)).chain("a")
    assert set(found.tiers) == set(places)
    assert found.fallbacks == tuple(targets)


def test_the_kinds_edited_here_are_those_of_a_chain() -> None:
    assert tuple(Chain.__dataclass_fields__)[2:] == litellm.KINDS
    assert litellm_edits.KINDS is litellm.KINDS


@pytest.mark.parametrize("nothing", ["null", "~", "Null  # none"])
def test_settings_written_as_null_take_a_rule(nothing: str) -> None:
    text = f"model_list: [{{model_name: a}}, {{model_name: b}}]\nrouter_settings: {nothing}\nx: 1\n"
    assert after(text, Chain("a", (Place("#1 "),), ("b",))) == text.replace(
        f"router_settings: {nothing.split(maxsplit=1)[0]}", "router_settings: {fallbacks: [{a: [b]}]}"
    )


def test_an_empty_list_of_defaults_takes_one() -> None:
    text = "model_list: [{model_name: a}, {model_name: b}]\nrouter_settings:\n  default_fallbacks: []  # none\n"
    assert after(text, defaults=("b",)) == text.replace("[]", "[b]")
