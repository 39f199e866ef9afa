"""What stands on the Fallback page over an hour worked out by hand (tests/fallbacks.py)."""

from dataclasses import replace

import pytest

from pages.ui import tables_fallback as columns
from services.errors import SourceUnavailable
from services.ports import Policy
from tests.fallbacks import outage, sources
from tests.gateway import KEY
from tests.pages.opening import opened, table, tiles, words

HOUR = {"range": "1h"}


def test_the_tiles_say_what_became_of_the_requests() -> None:
    """1,000 asked: 900 by the own tier, 60 by the cloud, 20 by another group, 20 by nobody; paid 3 + 4 dollars."""
    assert tiles(opened(sources(), "fallback", **HOUR)) == {
        "Fallback rate, 1h": ("8.2 %", "target 10 %"),  # 80 of 980 answered
        "On own GPUs": ("900", "8.2 % at providers"),
        "Requests lost": ("20", "2.0 % of 1,000"),
        "Paid for fallbacks": ("$7.00", "own price not known"),
    }


def test_a_rate_over_the_target_is_said_in_red() -> None:
    strict = replace(sources(), policy=Policy(fallback_target=0.05))
    metric = opened(strict, "fallback", **HOUR).metric[0]
    assert (metric.delta, metric.proto.color) == ("target 5 %", metric.proto.RED)


def test_every_tier_is_drawn_with_its_share_and_what_it_lived_through() -> None:
    said = words(opened(sources(), "fallback", **HOUR))
    for text in (
        "1 :material/memory: **chat\\-own**",
        "**90 %**",
        "p50 900 ms, p95 1 s to 2 s · 5.1 % of 948 attempts failed (503)",
        "left out 8 times",
        "2 :material/cloud: **chat\\-cloud**",
        "**6.0 %**",
        "3 :material/alt_route: **large**",
        ":material/block: **Nobody**",
    ):
        assert text in said, text
    assert said.count("**2.0 %**") == 2  # large, and nobody


def test_the_burst_is_one_sentence_with_its_evidence_and_a_way_to_the_lever() -> None:
    said = words(opened(sources(), "fallback", **HOUR))
    assert "80 % of chat fell to tier 2 \\(chat\\-cloud\\) and 20 % of it got no answer between" in said
    assert "because chat\\-own answered that it is unavailable \\(503\\)\\." in said
    assert "Why (1)" in said


def test_the_tables_count_each_request_once() -> None:
    at = opened(sources(), "fallback", **HOUR)
    groups = table(at, columns.GROUPS)
    assert groups[["group", "asked", "fallen", "lost"]].to_numpy().tolist() == [["chat", 1000, 80, 20]]
    teams = table(opened(sources(), "fallback", fallback_by="Team", **HOUR), columns.TEAMS)
    assert teams[["team", "asked", "fallen", "lost"]].to_numpy().tolist() == [
        ["red", 960, 60, 0],
        ["blue", 40, 20, 20],
    ]
    causes = table(opened(sources(), "fallback", fallback_by="Cause", **HOUR), columns.CAUSES)
    assert causes.groupby("why")["requests"].sum().round(6).to_dict() == {"Cooling down": 36, "Unavailable": 64}


def by_design() -> dict[str, list[tuple[object, ...]]]:
    """The same hour, and ten prompts that are too long for chat, which large answers."""
    long = ("400", "Hosted_vllm.ContextWindowExceededError")
    usual = outage()
    return {
        **usual,
        "fallback_answers": [*usual["fallback_answers"], (30, "large-azure", "large", "red", 10.0)],
        "fallback_hops": [*usual["fallback_hops"], (30, "chat", "large", *long, "red", 10.0)],
    }


def test_requests_sent_on_for_what_they_are_are_told_apart_from_failures() -> None:
    at = opened(sources(by_design()), "fallback", **HOUR)
    assert tiles(at)["Fallback rate, 1h"] == ("8.1 %", "target 10 %")  # 80 of 990
    assert "10 requests (0.99 %) went to another group by design: their prompts were too long." in words(at)
    assert table(at, columns.GROUPS)[["fallen", "by_design"]].to_numpy().tolist() == [[80, 10]]


def test_where_nothing_failed_what_went_elsewhere_by_design_is_no_fallback() -> None:
    before = {
        name: [row for row in rows if name in ("fallback_answers", "fallback_hops") and int(str(row[0])) >= 16]
        for name, rows in by_design().items()
    }
    said = words(opened(sources(before), "fallback", **HOUR))
    assert "**Nothing fell back.** None of 910 requests fell back or was lost. 10 requests (1.1 %) went to" in said


def test_a_team_sees_its_own_requests() -> None:
    at = opened(sources(), "fallback", team="blue", **HOUR)
    assert tiles(at)["Requests lost"] == ("20", "50 % of 40")


def test_without_a_gateway_the_page_says_what_is_missing() -> None:
    none = sources()
    bare = replace(none, clusters={"east": replace(none.clusters["east"], gateway=None, gateway_place=None)})
    assert "No LiteLLM gateway is configured" in words(opened(bare, "fallback"))


def test_without_counters_it_says_how_to_collect_them() -> None:
    said = words(opened(sources({}), "fallback"))
    assert "not collected. Unknown, not zero" in said
    assert "callbacks\\: \\[prometheus\\]" in said
    assert "/metrics/ with the slash" in said


def test_a_source_that_is_away_is_said_and_the_page_stays() -> None:
    at = opened(sources(error=SourceUnavailable("prometheus", "Prometheus of east cannot be reached.")), "fallback")
    assert "Prometheus of east cannot be reached" in words(at)
    assert list(at.error) == []


def test_a_file_that_cannot_be_read_costs_the_chain_alone() -> None:
    said = words(opened(sources(text="model_list: {"), "fallback", **HOUR))
    assert "Neither the gateway's file nor its process can be read" in said
    assert "Over time" in said


def test_no_key_reaches_the_page() -> None:
    at = opened(sources(), "fallback", **HOUR)
    assert KEY not in words(at) + str([frame.value.to_csv() for frame in at.dataframe])


def test_names_from_outside_are_shown_as_they_are() -> None:
    evil = "[x](javascript:alert(1))<b>"
    grew = {**outage(), "fallback_lost": [(8, evil, "503", evil, evil, 50.0)]}
    for by in ("Model group", "Team", "Cause"):
        said = words(opened(sources(grew), "fallback", fell_group=evil, fallback_by=by, **HOUR))
        assert "[x](javascript" not in said


@pytest.mark.parametrize("group", ["large", "nowhere"])
def test_a_group_nobody_asked_for_is_shown_empty(group: str) -> None:
    at = opened(sources(), "fallback", fell_group=group, **HOUR)
    assert list(at.error) == []
