"""Counters of the demo: the traffic its gateway tells of, by who asked, and the tokens of the pods that answered."""

from datetime import UTC, datetime, timedelta

import pytest

from services.demo.gateway import DemoGateway
from services.demo.metrics import DemoMetrics
from services.demo.world import World
from services.domain.window import Window

END = datetime(2026, 6, 3, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def metrics(world: World, cluster: str, now: datetime = END) -> DemoMetrics:
    return DemoMetrics(world.sites[cluster], lambda: now, world)


def test_requests_and_spend_are_those_the_gateway_tells_of(world):
    gateway = DemoGateway(world, world.scenario.gateways[0], lambda: END)
    traffic = gateway.traffic(Window(END - DAY, END, HOUR))
    answered = traffic[traffic["id"].ne("")]
    west = metrics(world, "demo-west")
    requests = west.grown("gateway_requests", END - DAY, END, DAY).frame
    assert requests["value"].sum() == answered["requests"].sum()
    spend = west.grown("gateway_spend", END - DAY, END, DAY).frame["value"].sum()
    assert spend == pytest.approx(answered["usd"].sum())
    assert spend > 0


def test_the_gateway_is_scraped_where_it_runs_and_nobody_works_out_prices_of_nodes(world):
    assert metrics(world, "demo-east").grown("gateway_spend", END - DAY, END, HOUR).frame.empty
    for cluster in world.sites:
        assert metrics(world, cluster).grown("node_price", END - DAY, END, HOUR).frame.empty


def test_callers_have_whole_requests_in_their_shares(world):
    frame = metrics(world, "demo-west").grown("gateway_requests", END - DAY, END, HOUR).frame
    assert (frame["value"] % 1 == 0).all()
    embed = frame[frame["model_group"].eq("embed")]
    shares = embed.groupby(["team", "key_alias"])["value"].sum() / embed["value"].sum()
    assert shares.to_dict() == {
        ("search", "search-index"): pytest.approx(0.9, abs=1e-3),
        ("research", "research-lab"): pytest.approx(0.1, abs=1e-3),
    }


def test_a_token_costs_what_the_configuration_says(world):
    """gpt-4o of Azure: 2.5 US dollars a million tokens of prompt, 10 of completion; own models cost nothing there."""
    west = metrics(world, "demo-west")
    names = ["model", "provider"]
    spend, prompt, completion = (
        west.grown(f"gateway_{what}", END - DAY, END, DAY).frame.groupby(names)["value"].sum()
        for what in ("spend", "prompt_tokens", "completion_tokens")
    )
    azure = ("gpt-4o", "azure")
    assert spend[azure] == pytest.approx(2.5e-6 * prompt[azure] + 1e-5 * completion[azure])
    assert spend["meta-llama/Llama-3.1-8B-Instruct", "hosted_vllm"] == 0.0


def test_engines_read_and_wrote_what_the_gateway_sent_them(world):
    """Pods of both clusters together have the tokens of the deployments that run on own GPUs."""
    sent = metrics(world, "demo-west").grown("gateway_completion_tokens", END - DAY, END, DAY).frame
    own = sent[sent["provider"].eq("hosted_vllm")].groupby("model")["value"].sum()
    for cluster, namespace, model in (
        ("demo-east", "assistants-prod", "meta-llama/Llama-3.3-70B-Instruct"),
        ("demo-west", "assistants-prod", "meta-llama/Llama-3.1-8B-Instruct"),
    ):
        frame = metrics(world, cluster).grown("engine_completion_tokens", END - DAY, END, HOUR).frame
        rows = frame[frame["model"].eq(model)]
        assert set(rows["namespace"]) == {namespace}
        assert rows["value"].sum() == pytest.approx(own[model])
        assert rows.groupby("at")["pod"].nunique().max() > 1


def test_what_lies_ahead_has_not_been_counted(world):
    early = metrics(world, "demo-west", END - timedelta(minutes=30, seconds=20))
    frame = early.grown("gateway_requests", END - HOUR, END + HOUR, HOUR).frame
    assert set(frame["at"]) == {END}
    by_then = metrics(world, "demo-west").grown(
        "gateway_requests", END - HOUR, END - timedelta(minutes=31), timedelta(minutes=1)
    )
    assert frame["value"].sum() == by_then.frame["value"].sum()


def test_without_the_world_around_it_a_cluster_counts_nothing(world):
    alone = DemoMetrics(world.sites["demo-west"], lambda: END)
    assert alone.grown("gateway_spend", END - HOUR, END, HOUR).frame.empty
