"""Sums of routes, bursts and breakers, by hand."""

import math
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services.domain import frames
from services.domain.counters import COUNTERS
from services.domain.fallback import ROUTES
from services.domain.fallback.breakers import breakers
from services.domain.fallback.bursts import bursts
from services.domain.fallback.causes import CAUSES, cause, refused
from services.domain.fallback.figures import causes, figures, most_affected, tiers

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def route(minute, group, outcome, requests, *, why="", via="", id="", rank=0, own=False, usd=0.0, team=""):
    at = TEN + minute * MINUTE
    return (at, team, group, via, id, rank, outcome, why, "503" if why else "", "", own, requests, usd)


def table(*rows):
    return frames.table(ROUTES, rows)


MIXED = table(
    route(1, "chat", "first", 80.0, id="own", rank=1, own=True, team="red"),
    route(1, "chat", "order", 10.0, why="unavailable", id="cloud", rank=2, usd=0.5, team="red"),
    route(1, "chat", "group", 4.0, why="length", via="big", id="big-1", usd=0.25, team="blue"),
    route(1, "chat", "group", 6.0, why="timeout", via="big", id="own-2", own=True, team="blue"),
    route(1, "chat", "lost", 20.0, why="timeout", team="blue"),
    route(1, "chat", "refused", 7.0, why="bad-request", team="blue"),
)


def test_every_request_is_in_one_figure_and_rates_have_their_own_whole():
    row = figures(MIXED).iloc[0]
    assert row["asked"] == 120  # 100 answered, 20 lost; 7 were refused
    assert (row["answered"], row["first"], row["fallen"], row["by_design"]) == (100, 80, 16, 4)
    assert (row["lost"], row["refused"]) == (20, 7)
    assert row["fallback_rate"] == pytest.approx(0.16)
    assert row["lost_rate"] == pytest.approx(1 / 6)
    assert (row["paid"], row["paid_share"]) == (14, pytest.approx(0.14))
    assert (row["usd"], row["fallen_usd"]) == (pytest.approx(0.75), pytest.approx(0.75))


def test_parts_add_up_to_the_whole():
    whole, parts = figures(MIXED).iloc[0], figures(MIXED, ["team"])
    for name in ("asked", "answered", "first", "fallen", "by_design", "lost", "refused", "paid", "usd", "fallen_usd"):
        assert parts[name].sum() == pytest.approx(whole[name]), name


def test_one_part_without_a_price_makes_the_sum_unknown_and_not_smaller():
    rows = pd.concat([MIXED, table(route(1, "chat", "order", 1.0, why="timeout", id="new", rank=3, usd=math.nan))])
    row = figures(rows).iloc[0]
    assert math.isnan(row["usd"])
    assert math.isnan(row["fallen_usd"])


def test_what_the_first_tier_cost_without_a_price_does_not_hide_what_fell():
    rows = table(
        route(1, "a", "first", 5.0, id="x", rank=1, usd=math.nan),
        route(1, "a", "order", 1.0, why="timeout", id="y", rank=2, usd=0.1),
    )
    row = figures(rows).iloc[0]
    assert math.isnan(row["usd"])
    assert row["fallen_usd"] == pytest.approx(0.1)


def test_without_requests_a_rate_is_unknown_and_not_zero():
    row = figures(table()).iloc[0]
    assert row["asked"] == 0
    assert all(math.isnan(row[name]) for name in ("fallback_rate", "lost_rate", "paid_share"))


def test_most_affected_is_the_largest_share_and_not_the_largest_number():
    rows = table(
        route(1, "large", "first", 9_000.0, id="a", rank=1, own=True),
        route(1, "large", "order", 1_000.0, why="timeout", id="b", rank=2),
        route(1, "small", "first", 70.0, id="c", rank=1, own=True),
        route(1, "small", "order", 10.0, why="timeout", id="d", rank=2),
        route(1, "small", "lost", 20.0, why="timeout"),
        route(1, "small", "refused", 900.0, why="bad-request"),
    )
    assert most_affected(rows) == ("small", pytest.approx(0.3))
    assert most_affected(rows[rows["outcome"] == "first"]) == ("", 0.0)
    assert most_affected(table()) == ("", 0.0)


def test_tiers_are_told_in_their_order_with_their_share_of_the_answered():
    found = tiers(MIXED, "chat")
    assert found[["via", "id", "rank", "share"]].to_numpy().tolist() == [
        ["", "own", 1, 0.8],
        ["", "cloud", 2, 0.1],
        ["big", "big-1", 0, 0.04],
        ["big", "own-2", 0, 0.06],
    ]


def test_causes_are_of_what_fell_or_was_lost_alone():
    found = causes(MIXED)
    assert found[["cause", "outcome", "requests"]].to_numpy().tolist() == [
        ["timeout", "lost", 20.0],
        ["unavailable", "order", 10.0],
        ["timeout", "group", 6.0],
        ["length", "group", 4.0],
    ]


POINTS = [TEN + number * MINUTE for number in range(1, 31)]


def fell(minute, bad, good, *, outcome="order", why="unavailable"):
    rows = [route(minute, "chat", "first", good, id="own", rank=1, own=True)] if good else []
    return [*rows, route(minute, "chat", outcome, bad, why=why, id="cloud", rank=2, usd=bad * 0.01)]


def test_a_burst_lasts_from_its_first_bad_minute_to_its_last():
    rows = table(*(one for minute in range(10, 16) for one in fell(minute, 5.0, 5.0)))
    (one,) = bursts(rows, POINTS)
    assert (one.group, one.begin, one.end) == ("chat", TEN + 9 * MINUTE, TEN + 15 * MINUTE)
    assert (one.asked, one.fallen, one.lost, one.share) == (60, 30, 0, 0.5)
    assert (one.main, one.tier, one.vias) == ("unavailable", 2, {"cloud": 30})
    assert one.usd == pytest.approx(0.3)


def test_a_pause_of_five_minutes_does_not_end_a_burst_and_one_of_six_does():
    five = table(*fell(5, 4.0, 0.0), *fell(11, 4.0, 0.0))
    six = table(*fell(5, 4.0, 0.0), *fell(12, 4.0, 0.0))
    assert len(bursts(five, POINTS)) == 1
    assert len(bursts(six, POINTS)) == 2


def test_one_in_twenty_is_a_burst_and_less_is_not():
    assert len(bursts(table(*fell(5, 5.0, 95.0)), POINTS)) == 1
    assert bursts(table(*fell(5, 5.0, 96.0)), POINTS) == []


def test_two_errors_are_no_burst():
    assert bursts(table(*fell(5, 2.0, 0.0)), POINTS) == []


def test_what_was_routed_by_design_is_no_burst():
    assert bursts(table(*fell(5, 50.0, 0.0, outcome="group", why="length")), POINTS) == []


def test_a_burst_is_called_after_an_error_and_not_after_the_cooldown_that_follows():
    rows = table(*fell(5, 3.0, 0.0), *fell(6, 40.0, 0.0, why="cooling"))
    (one,) = bursts(rows, POINTS)
    assert one.main == "unavailable"
    assert one.causes == {"unavailable": 3, "cooling": 40}


def test_the_largest_burst_is_told_first():
    rows = table(*fell(2, 5.0, 0.0), *fell(20, 50.0, 0.0))
    assert [one.fallen for one in bursts(rows, POINTS)] == [50, 5]


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("503", "Openai.ServiceUnavailableError", "unavailable"),
        ("429", "Hosted_vllm.RateLimitError", "rate-limit"),
        ("408", "Openai.Timeout", "timeout"),
        ("500", "Openai.InternalServerError", "server-error"),
        ("500", "Openai.APIConnectionError", "connection"),
        ("400", "Azure.ContextWindowExceededError", "length"),
        ("400", "Azure.ContentPolicyViolationError", "policy"),
        ("401", "Openai.AuthenticationError", "key"),
        ("400", "BudgetExceededError", "budget"),
        ("", "RouterRateLimitError", "cooling"),
        ("", "", "cooling"),
        ("418", "Teapot", "other"),
        ("599", "New.Error", "server-error"),
    ],
)
def test_errors_have_causes(status, error, expected):
    assert cause(status, error) == expected
    assert expected in CAUSES


def test_a_key_a_client_made_up_is_refused_and_one_an_upstream_does_not_take_is_lost():
    assert refused("401", "ProxyException")
    assert not refused("401", "Openai.AuthenticationError")
    assert refused("404", "HTTPException")
    assert not refused("404", "Openai.NotFoundError")


def grown(counter, *rows):
    return frames.table(COUNTERS[counter].columns, [(TEN + minute * MINUTE, *rest) for minute, *rest in rows])


def state(*, cooled=(), answered=(), cooldown_s=90.0, minute=30):
    now = TEN + minute * MINUTE
    told = grown("fallback_cooldowns", *((at, "own", "503", replica, n) for at, replica, n in cooled))
    busy = grown("fallback_replica_answers", *((at, "own", replica, n) for at, replica, n in answered))
    found = breakers(told, told, busy, cooldown_s, now)
    return found.set_index("replica")["state"].to_dict()


def test_each_replica_has_a_state_of_its_own():
    found = state(
        cooled=[(29, "p-0", 1.0), (20, "p-1", 2.0)],
        answered=[(28, "p-0", 5.0), (29, "p-1", 5.0), (29, "p-2", 5.0)],
    )
    assert found == {"p-0": "out", "p-1": "back", "p-2": "in"}


def test_an_answer_after_the_cooldown_began_ends_it():
    assert state(cooled=[(29, "p-0", 1.0)], answered=[(30, "p-0", 1.0)]) == {"p-0": "back"}


def test_a_cooldown_that_is_over_and_nobody_asked_since_is_no_outage():
    assert state(cooled=[(20, "p-0", 1.0)]) == {"p-0": "quiet"}


def test_nobody_counts_is_no_rows():
    assert state() == {}
