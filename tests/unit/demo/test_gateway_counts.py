"""What the demo's proxies count of failing over agrees with what became of the requests."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from services.demo.gateway import DemoGateway
from services.demo.metrics import DemoMetrics
from services.demo.world import World
from services.domain.counters import ends
from services.domain.fallback.figures import figures
from services.domain.fallback.routes import routes
from services.domain.window import Window
from services.fallback.read import known
from services.gateway import compare

END = datetime(2026, 6, 3, 12, tzinfo=UTC)
DAY, STEP = timedelta(days=1), timedelta(minutes=5)
SPAN = timedelta(days=3)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def metrics(world: World) -> DemoMetrics:
    return DemoMetrics(world.sites["demo-west"], lambda: END, world)


@pytest.fixture(scope="module")
def truth(world: World) -> pd.DataFrame:
    gateway = DemoGateway(world, world.scenario.gateways[0], lambda: END)
    return gateway.traffic(Window(END - SPAN, END, STEP))


@pytest.fixture(scope="module")
def told(world: World, metrics: DemoMetrics) -> pd.DataFrame:
    routing = DemoGateway(world, world.scenario.gateways[0], lambda: END).routing()

    class Gateway:
        tiers = compare.table("demo-west", None, routing, None)
        config = None

    grown = {
        name: metrics.grown(f"fallback_{name}", END - SPAN, END, STEP).frame
        for name in ("answers", "hops", "lost", "spend")
    }
    return routes(ends(END - SPAN, END, STEP), known(Gateway), **grown)  # type: ignore[arg-type]


def test_every_request_is_in_one_route(told, truth):
    assert told["requests"].sum() == pytest.approx(truth["requests"].sum())
    lost = told[told["outcome"] == "lost"].groupby("group")["requests"].sum()
    unanswered = truth[(truth["id"] == "") & (truth["requests"] > 0)].groupby("group")["requests"].sum()
    assert lost.to_dict() == pytest.approx(unanswered.to_dict())


def test_who_answered_is_who_answered(told, truth):
    mine = told[told["id"] != ""].groupby("id")["requests"].sum()
    theirs = truth[(truth["id"] != "") & (truth["requests"] > 0)].groupby("id")["requests"].sum()
    assert mine.to_dict() == pytest.approx(theirs.to_dict())


def test_what_they_cost_is_what_they_cost(told, truth):
    spent = told[told["id"] != ""].groupby("id")["usd"].sum()
    priced = truth[(truth["id"] != "") & truth["usd"].gt(0)].groupby("id")["usd"].sum()
    assert {name: spent[name] for name in priced.index} == pytest.approx(priced.to_dict())


def test_an_upstream_that_is_away_cools_down_and_one_that_is_full_does_not(told, metrics):
    cooled = metrics.grown("fallback_cooldowns", END - SPAN, END, SPAN).frame
    out = set(cooled.loc[cooled["value"] > 0, "id"])
    assert "chat-70b-own" in out or "summarise-openai" in out
    fallen = told[told["outcome"].isin(["order", "group"])]
    causes = fallen.groupby("cause")["requests"].sum()
    assert set(causes.index) <= {"unavailable", "timeout", "cooling", "length"}
    assert set(fallen.loc[fallen["cause"] == "length", "group"]) == {"chat"}
    assert causes["cooling"] > causes["unavailable"]  # few find out, the others go straight on


def test_answers_of_replicas_and_times_add_up_to_the_answers(metrics):
    answers = metrics.grown("fallback_answers", END - DAY, END, DAY).frame.groupby("id")["value"].sum()
    replicas = metrics.grown("fallback_replica_answers", END - DAY, END, DAY).frame.groupby("id")["value"].sum()
    latency = metrics.grown("fallback_latency", END - DAY, END, DAY).frame
    whole = latency[latency["le"] == "+Inf"].groupby("id")["value"].sum()
    assert replicas.to_dict() == answers.to_dict() == whole.to_dict()
    for _, rows in latency.groupby("id"):
        ordered = rows.assign(bound=rows["le"].str.replace("+Inf", "inf").astype(float)).sort_values("bound")
        assert ordered["value"].is_monotonic_increasing


def test_a_day_with_nothing_lost_has_a_rate_of_failures_and_no_loss(told):
    by_group = figures(told, ["group"]).set_index("group")
    assert by_group.loc["embed", "lost"] == 0
    assert (by_group["fallback_rate"].dropna() >= 0).all()
