"""Budgets of language models, by hand."""

import math

import pandas as pd
import pytest

from services.domain import litellm
from services.domain.fallback.budgets import ENDS, LASTS, budgets, ending
from services.domain.findings import Severity
from services.domain.litellm.settings import Budget

TIERS = pd.DataFrame(
    [("chat", "own", "hosted_vllm"), ("chat", "cloud", "openai"), ("sum", "mini", "openai"), ("sum", "nano", "openai")],
    columns=["group", "key", "provider"],
)
NAN = math.nan


def row(providers=None, left=None, teams=None, spent=None):
    found = budgets(providers or {}, left or {}, teams or {}, spent or {}, TIERS)
    return found.iloc[0]


def test_what_is_left_lasts_as_long_as_the_pace_of_a_day_says():
    one = row({"openai": Budget(100.0, "30d")}, {"openai": 15.0}, spent={("provider", "openai"): 6.0})
    assert (one["used"], one["days_left"], one["period"]) == (pytest.approx(0.85), pytest.approx(2.5), "30d")
    assert one["then"] == "chat loses cloud; sum loses mini, nano and has no other deployment."


def test_without_spend_it_lasts_who_knows_how_long():
    assert math.isnan(row({"openai": Budget(100.0, "1d")}, {"openai": 100.0})["days_left"])


def test_a_budget_nobody_counts_is_unknown_and_not_full():
    one = row({"azure": Budget(50.0, "1d")})
    assert math.isnan(one["left_usd"])
    assert math.isnan(one["used"])
    assert one["then"] == "No deployment uses it."


def test_a_budget_of_a_file_that_cannot_be_read_has_no_whole():
    one = row(left={"openai": 5.0}, spent={("provider", "openai"): 10.0})
    assert (one["left_usd"], one["days_left"]) == (5.0, 0.5)
    assert math.isnan(one["used"])


def test_a_team_is_refused_when_its_own_is_used_up():
    one = row(teams={"red": (0.0, 40.0, 36.0)}, spent={("team", "red"): 4.0})
    assert (one["used"], one["days_left"], one["period"]) == (1.0, 0.0, "in 36 h")
    assert one["then"] == "Requests of red are refused."


@pytest.mark.parametrize(
    ("period", "left", "day", "pace"),
    [
        ("1d", 60.0, 50.0, LASTS),  # 1.2 days, and at most one until it begins anew
        ("1d", 40.0, 50.0, ""),  # 0.8 days: who knows when the day began
        ("1d", 40.0, 120.0, ENDS),  # every day at this pace
        ("24h", 40.0, 120.0, ENDS),
        ("1mo", 40.0, 1.0, LASTS),
        ("30d", 40.0, 5.0, ENDS),
        ("weekly", 40.0, 5.0, ""),
        ("1d", 40.0, 0.0, LASTS),
        ("1d", 0.0, 50.0, ""),
    ],
)
def test_whether_a_provider_lasts_until_it_begins_anew(period, left, day, pace):
    one = row({"openai": Budget(100.0, period)}, {"openai": left}, spent={("provider", "openai"): day})
    assert one["pace"] == pace


@pytest.mark.parametrize(("hours", "pace"), [(12.0, LASTS), (13.0, ENDS), (NAN, "")])
def test_whether_a_team_lasts_until_it_begins_anew(hours, pace):
    assert row(teams={"red": (5.0, 40.0, hours)}, spent={("team", "red"): 10.0})["pace"] == pace


def test_the_one_that_ends_first_is_on_top():
    found = budgets(
        {"openai": Budget(100.0, "1d"), "azure": Budget(100.0, "1d")}, {"openai": 50.0, "azure": 50.0}, {},
        {("provider", "openai"): 5.0, ("provider", "azure"): 50.0}, TIERS,
    )  # fmt: skip
    assert list(found["name"]) == ["azure", "openai"]


@pytest.mark.parametrize(
    ("left", "title", "severity"),
    [
        (20.5, None, None),
        (20.0, "The gateway's budget of provider openai is 80 % used", Severity.WARNING),
        (0.0, "The gateway's budget of provider openai is used up", Severity.CRITICAL),
    ],
)
def test_from_eighty_percent_on_it_needs_attention(left, title, severity):
    found = budgets({"openai": Budget(100.0, "1d")}, {"openai": left}, {}, {("provider", "openai"): 10.0}, TIERS)
    told = list(ending(found, "east"))
    assert [(one.title, one.severity) for one in told] == ([] if title is None else [(title, severity)])


def test_the_finding_says_how_long_it_lasts_and_what_is_lost():
    found = budgets({"openai": Budget(100.0, "1d")}, {"openai": 5.0}, {}, {("provider", "openai"): 20.0}, TIERS)
    (one,) = ending(found, "east")
    assert one.detail.startswith("At today's pace it lasts 6 hours. Then: chat loses cloud;")


def test_the_finding_of_a_budget_that_lasts_says_so():
    found = budgets({"openai": Budget(100.0, "1d")}, {"openai": 15.0}, {}, {("provider", "openai"): 10.0}, TIERS)
    (one,) = ending(found, "east")
    assert one.detail.startswith("At today's pace it lasts until it begins anew. Then: chat loses cloud;")


def test_both_spellings_of_a_budget_are_read_and_others_are_not():
    text = """\
router_settings:
  provider_budget_config:
    openai: {budget_limit: 12.5, time_period: 1d}
    azure: {max_budget: 3, budget_duration: 1mo}
    bad: {budget_limit: "much"}
    worse: 7
"""
    found = litellm.read(text).provider_budgets
    assert found == {"openai": Budget(12.5, "1d"), "azure": Budget(3.0, "1mo")}
