"""PromQL as text: escaping, and the shape of the queries. What they mean is proved on a real server."""

import re
from datetime import timedelta

import pytest

from services.adapters.promql import expand
from services.adapters.promql_text import literal_pattern, matcher, matchers_of, names_selector, quoted
from services.adapters.promql_units import Flavour, Owners
from services.domain.signals import UNIT_KEY, Query, Stat

ENGINE, BUSY = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_UTIL"
OLD = Flavour(frozenset({ENGINE, BUSY, "DCGM_FI_DEV_POWER_USAGE"}), frozenset({"Hostname"}), Owners.EXPORTED)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("plain", '"plain"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("a\nb", '"a\\nb"'),
        ('"} or x{a="', '"\\"} or x{a=\\""'),
    ],
)
def test_text_becomes_one_literal(text, literal):
    assert quoted(text) == literal


@pytest.mark.parametrize("text", ["a.b", "a+b*c?", "(x)|[y]{z}^$", "back\\slash", "gpu-a1", "ü"])
def test_a_literal_pattern_matches_its_text_alone(text):
    assert re.fullmatch(literal_pattern(text), text)
    assert not re.fullmatch(literal_pattern("a.b"), "axb")
    assert literal_pattern("gpu-a1") == "gpu-a1"  # RE2 would refuse an escaped dash


def test_one_value_is_compared_and_several_are_alternatives():
    assert matcher("node", ("a.b",)) == 'node="a.b"'
    assert matcher("node", ("a.b", "c|d")) == 'node=~"a\\\\.b|c\\\\|d"'
    assert matcher("GPU_I_ID", ("", "2")) == 'GPU_I_ID=~"|2"'
    assert matchers_of({"cluster": 'pr"od'}) == ('cluster="pr\\"od"',)
    assert names_selector({"b", "a"}, ('c="d"',)) == '{__name__=~"a|b",c="d"}'


@pytest.mark.parametrize("label", ["", "1a", "a-b", "a.b", 'a"} or up{b', "ä"])
def test_what_is_no_label_name_is_refused(label):
    with pytest.raises(ValueError, match="not a label name"):
        matcher(label, ("x",))


def test_a_label_without_values_is_refused():
    with pytest.raises(ValueError, match="no value"):
        matcher("node", ())


def test_an_unknown_dimension_is_refused():
    with pytest.raises(ValueError, match="unknown dimensions"):
        expand(Query("util", ()), OLD, only={"Hostname": ["x"]})


def test_matchers_of_the_source_are_in_every_selector():
    plan = expand(Query("util", ("namespace",)), OLD, matchers={"cluster": "eu"}, only={"pod": ["p"]})
    assert plan is not None
    for text in (plan.value, plan.weight):
        selectors = re.findall(r"DCGM_\w+\{([^}]*)\}", text)
        assert selectors
        assert all('cluster="eu"' in one for one in selectors)


def test_names_are_never_a_pattern_in_a_query():
    for stat in (Stat.MEAN, Stat.MAX):
        plan = expand(Query("util", ("pod",), timedelta(hours=1), stat), OLD)
        assert plan is not None
        assert "__name__" not in plan.value + plan.weight


def test_gpu_util_leaves_mig_instances_out_and_engine_active_does_not():
    plan = expand(Query("util", ()), OLD)
    assert plan is not None
    assert f'{BUSY}{{GPU_I_ID=""}}' in plan.value
    assert f"{ENGINE}{{}}" in plan.value
    assert plan.value.index(ENGINE) < plan.value.index(BUSY)


def test_a_span_leaves_out_its_start_by_a_millisecond():
    plan = expand(Query("power", (), timedelta(hours=2), Stat.MEAN, timedelta(minutes=5)), OLD)
    assert plan is not None
    assert plan.value.endswith("[7199999ms:300000ms])")
    assert plan.weight.endswith("[7199999ms:300000ms])")


def test_units_of_one_class_stay_together_and_classes_apart():
    plan = expand(Query("util", ("node",)), OLD)
    assert plan is not None
    assert plan.weighted
    assert plan.value_by == plan.weight_by == ("node", "profile", "model")
    power = expand(Query("power", ("node",)), OLD)
    assert power is not None
    assert (power.weighted, power.value_by, power.weight_by) == (False, ("node",), ("node",))


def test_units_listed_one_by_one_need_no_second_query():
    plan = expand(Query("util", UNIT_KEY), OLD)
    assert plan is not None
    assert plan.weight == ""
    over = expand(Query("util", UNIT_KEY, timedelta(hours=1)), OLD)
    assert over is not None
    assert over.weight != ""
    gpu = expand(Query("util", ("gpu",)), OLD)
    assert gpu is not None
    assert gpu.weight != ""  # a GPU may be several instances


@pytest.mark.parametrize(
    ("query", "flavour", "only"),
    [
        (Query("temperature", ()), OLD, {}),
        (Query("util", ()), Flavour(), {}),
        (Query("util", ("pod",)), Flavour(OLD.metrics, OLD.labels), {}),
        (Query("util", ()), Flavour(OLD.metrics, OLD.labels), {"namespace": ["a"]}),
        (Query("util", ()), OLD, {"node": []}),
        (Query("util", ()), OLD, {"pod": ["", "x"]}),
        (Query("power", ()), OLD, {"profile": ["1g.10gb"]}),
    ],
)
def test_what_nothing_can_answer_is_not_asked(query, flavour, only):
    assert expand(query, flavour, only=only) is None


def test_host_labels_are_used_only_where_they_exist():
    def text(*labels: str, **only: list[str]) -> str:
        plan = expand(Query("power", ("node",)), Flavour(OLD.metrics, frozenset(labels), Owners.EXPORTED), only=only)
        assert plan is not None
        return plan.value

    assert "label_replace" not in text()
    elsewhere = expand(Query("power", ("model",)), Flavour(OLD.metrics, frozenset({"Hostname", "hostname"})))
    assert elsewhere is not None
    assert "label_replace" not in elsewhere.value  # nobody asks for the node
    assert "label_replace" not in text("Hostname")
    assert 'Hostname="n1"' in text("Hostname", node=["n1"])
    assert text("Hostname", "node").count("label_replace") == 1
    assert text("Hostname", "hostname").count("label_replace") == 2
    chosen = text("Hostname", "hostname", node=["n1"])
    assert 'Hostname="n1",hostname=""' in chosen
    assert 'hostname="n1"' in chosen
    assert 'node="n1",Hostname="",hostname=""' in chosen
