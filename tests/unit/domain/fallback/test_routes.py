"""Requests and not hops: what counters of a gateway say, by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from services.domain import frames
from services.domain.counters import COUNTERS
from services.domain.fallback import Chains, Deployed
from services.domain.fallback.routes import routes

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOWN = ("503", "Openai.ServiceUnavailableError")
LONG = ("400", "Openai.ContextWindowExceededError")
NOBODY = ("", "RouterRateLimitError")
CHAINS = Chains(
    {
        "own": Deployed("own", "chat", 1, own=True),
        "cloud": Deployed("cloud", "chat", 2),
        "haiku": Deployed("haiku", "small"),
    },
    {"gpt": "chat"},
)


def grown(counter: str, *rows: tuple[Any, ...]) -> pd.DataFrame:
    """Rows of a counter: minutes after ten, dimensions, value."""
    columns = COUNTERS[counter].columns
    return frames.table(columns, [(TEN + minute * MINUTE, *rest) for minute, *rest in rows])


def answers(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return grown("fallback_answers", *((minute, name, group, team, n) for minute, team, group, name, n in rows))


def hops(*rows: tuple[Any, ...]) -> pd.DataFrame:
    told = ((minute, asked, to, *error, team, n) for minute, team, asked, to, error, n in rows)
    return grown("fallback_hops", *told)


def lost(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return grown("fallback_lost", *((minute, group, *error, team, n) for minute, team, group, error, n in rows))


def spend(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return grown("fallback_spend", *((minute, name, team, n) for minute, team, name, n in rows))


def found(minutes: int = 1, chains: Chains = CHAINS, **given: pd.DataFrame) -> pd.DataFrame:
    empty = {"answers": answers(), "hops": hops(), "lost": lost(), "spend": spend()}
    points = [TEN + (number + 1) * MINUTE for number in range(minutes)]
    return routes(points, chains, **{**empty, **given})


def told(frame: pd.DataFrame, *by: str) -> dict[Any, float]:
    sums = frame.groupby(list(by))["requests"].sum()
    return {key: pytest.approx(value, abs=1e-9) for key, value in sums.items()}


def test_eleven_requests_of_a_proxy_seen_failing_over_are_eleven():
    """3 by the first tier; 4 by the second, 1 of them by a hop; 3 by another group; 1 by nobody. Hops: 8."""
    frame = found(
        answers=answers((1, "", "chat", "own", 3), (1, "", "chat", "cloud", 4), (1, "", "small", "haiku", 3)),
        hops=hops(
            (1, "", "chat", "chat", DOWN, 5), (1, "", "chat", "small", DOWN, 2), (1, "", "chat", "small", NOBODY, 1)
        ),
        lost=lost((1, "", "chat", DOWN, 1)),
    )
    assert frame["requests"].sum() == 11
    assert told(frame, "outcome") == {"first": 3, "order": 4, "group": 3, "lost": 1}
    assert set(frame["group"]) == {"chat"}  # nobody asked for the small one
    assert told(frame[frame["outcome"] == "group"], "via", "id", "cause") == {
        ("small", "haiku", "cooling"): 1,
        ("small", "haiku", "unavailable"): 2,
    }
    # of the five hops inside the group 4/7 are taken for those that ended there, the rest went straight on
    assert told(frame[frame["outcome"] == "order"], "cause") == {"cooling": 8 / 7, "unavailable": 20 / 7}


def test_a_request_that_went_straight_to_the_second_order_was_kept_from_a_first_that_cooled_down():
    frame = found(answers=answers((1, "", "chat", "cloud", 10)), hops=hops((1, "", "chat", "chat", DOWN, 4)))
    assert told(frame, "outcome", "cause") == {("order", "unavailable"): 4, ("order", "cooling"): 6}


def test_requests_count_where_they_were_asked_and_not_where_they_were_answered():
    """30 asked for chat, 8 of which went on; 50 asked for small."""
    frame = found(
        answers=answers((1, "", "chat", "own", 22), (1, "", "small", "haiku", 58)),
        hops=hops((1, "", "chat", "small", DOWN, 8)),
    )
    assert told(frame, "group", "outcome") == {("chat", "first"): 22, ("chat", "group"): 8, ("small", "first"): 50}


def test_a_request_that_went_through_two_groups_is_one_request():
    """a → b → c: LiteLLM counts a hop from a to b and one from b to c, and c's answer."""
    chains = Chains({name: Deployed(name, name) for name in "abc"})
    frame = found(
        chains=chains,
        answers=answers((1, "", "c", "c", 5)),
        hops=hops((1, "", "a", "b", DOWN, 5), (1, "", "b", "c", DOWN, 5)),
    )
    assert told(frame, "group", "via", "id") == {("a", "b", "c"): 5}


def test_who_answered_what_came_from_another_group_is_shared_out_and_stays_whole():
    """small answered 40: 30 of its own deployment x, 10 of y; 8 of the 40 came from chat."""
    chains = Chains({**CHAINS.deployments, "x": Deployed("x", "small", own=True), "y": Deployed("y", "small", 2)})
    frame = found(
        chains=chains,
        answers=answers((1, "", "small", "x", 30), (1, "", "small", "y", 10)),
        hops=hops((1, "", "chat", "small", DOWN, 8)),
    )
    assert told(frame, "group", "id", "outcome") == {
        ("chat", "x", "group"): 6,
        ("chat", "y", "group"): 2,
        ("small", "x", "first"): 24,
        ("small", "y", "order"): 8,
    }
    assert told(frame, "own") == {True: 30, False: 10}


def test_an_answer_seen_one_look_after_its_hop_is_not_counted_twice():
    frame = found(
        2,
        answers=answers((1, "", "small", "haiku", 4), (2, "", "small", "haiku", 6)),
        hops=hops((1, "", "chat", "small", DOWN, 5)),
    )
    assert frame["requests"].sum() == pytest.approx(10)
    assert told(frame, "group") == {"chat": 5, "small": 5}


def test_money_goes_with_the_requests_it_was_paid_for():
    """10 answers of haiku cost 2 dollars: 4 were asked of chat, 6 of small."""
    frame = found(
        answers=answers((1, "", "small", "haiku", 10), (1, "", "chat", "own", 5)),
        hops=hops((1, "", "chat", "small", DOWN, 4)),
        spend=spend((1, "", "haiku", 2.0), (1, "", "own", 0.0)),
    )
    usd = frame.groupby(["group", "outcome"])["usd"].sum()
    assert usd.to_dict() == {
        ("chat", "first"): 0.0,
        ("chat", "group"): pytest.approx(0.8),
        ("small", "first"): pytest.approx(1.2),
    }


def test_money_that_met_another_look_than_its_answers_is_not_lost():
    frame = found(
        2,
        answers=answers((1, "", "small", "haiku", 10)),
        spend=spend((1, "", "haiku", 1.0), (2, "", "haiku", 1.0)),
    )
    assert frame["usd"].sum() == pytest.approx(2.0)


def test_without_a_price_what_was_paid_is_unknown_and_not_zero():
    chains = Chains({"cloud": Deployed("cloud", "chat", priced=False), "own": Deployed("own", "chat", 1, own=True)})
    frame = found(
        chains=chains,
        answers=answers((1, "", "chat", "cloud", 10), (1, "", "chat", "own", 10), (1, "", "new", "other", 1)),
        spend=spend((1, "", "cloud", 0.0)),
    )
    usd = frame.set_index("id")["usd"]
    assert pd.isna(usd["cloud"])
    assert pd.isna(usd["other"])
    assert usd["own"] == 0.0


def test_teams_are_told_apart_and_add_up():
    frame = found(
        answers=answers((1, "red", "chat", "own", 6), (1, "blue", "chat", "own", 3), (1, "blue", "small", "haiku", 1)),
        hops=hops((1, "blue", "chat", "small", DOWN, 1)),
        lost=lost((1, "red", "chat", DOWN, 2)),
    )
    assert told(frame, "team", "outcome") == {
        ("blue", "first"): 3,
        ("blue", "group"): 1,
        ("red", "first"): 6,
        ("red", "lost"): 2,
    }


def test_what_a_client_did_wrong_is_refused_and_not_lost():
    frame = found(
        lost=lost(
            (1, "", "chat", ("400", "Openai.BadRequestError"), 1),
            (1, "", "chat", ("401", "ProxyException"), 1),
            (1, "", "chat", ("400", "BudgetExceededError"), 1),
            (1, "", "chat", ("401", "Openai.AuthenticationError"), 1),
            (1, "", "chat", ("429", "RouterRateLimitError"), 1),
            (1, "", "chat", ("408", "Openai.Timeout"), 1),
        )
    )
    assert told(frame, "outcome") == {"refused": 3, "lost": 3}
    assert set(frame.loc[frame["outcome"] == "lost", "cause"]) == {"key", "cooling", "timeout"}


def test_a_prompt_too_long_is_told_apart_from_a_failure():
    frame = found(answers=answers((1, "", "small", "haiku", 2)), hops=hops((1, "", "chat", "small", LONG, 2)))
    assert told(frame, "cause") == {"length": 2}


def test_a_name_that_stands_for_a_group_counts_as_the_group():
    frame = found(
        answers=answers((1, "", "chat", "own", 2), (1, "", "gpt", "own", 1), (1, "", "small", "haiku", 1)),
        hops=hops((1, "", "gpt", "small", DOWN, 1)),
        lost=lost((1, "", "gpt", DOWN, 1)),
    )
    assert told(frame, "group", "outcome") == {("chat", "first"): 3, ("chat", "group"): 1, ("chat", "lost"): 1}


def test_a_ring_of_groups_ends():
    chains = Chains({name: Deployed(name, name) for name in "ab"})
    frame = found(
        chains=chains,
        answers=answers((1, "", "a", "a", 4), (1, "", "b", "b", 4)),
        hops=hops((1, "", "a", "b", DOWN, 2), (1, "", "b", "a", DOWN, 2)),
    )
    assert frame["requests"].sum() == pytest.approx(8)
    assert told(frame, "group") == {"a": 4, "b": 4}


def test_nothing_counted_is_no_rows():
    assert found().empty
