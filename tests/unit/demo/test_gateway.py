"""The demo's gateway: who answered, what it cost, and what an edit of the chain makes of both."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from db import migrate
from db.work import Database
from services import demo
from services.actions.edit_fallbacks import FallbackParams
from services.actions.engine import Engine
from services.demo.gateway_traffic import Traffic
from services.demo.reaction import seen
from services.demo.world import World
from services.domain import litellm
from services.domain.fallback import TRAFFIC
from services.domain.litellm import edits as litellm_edits
from services.domain.window import Window
from services.gateway import read as gateway
from services.ports import Sources
from tests.conftest import Inline
from tests.fakes import Clock
from tests.gateway import OPERATOR
from tests.unit.demo.handling import Hands

NOON = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
"""A Thursday on which chat-70b does not answer for a while."""
MINUTE = timedelta(minutes=1)
SECRET = "sk-demo-not-a-real-key"


def traffic(hands: Hands, end: datetime, **span: float) -> pd.DataFrame:
    return hands["west"].gateway.traffic(Window(end - timedelta(**span), end, MINUTE))


def requests(frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {(row["group"], row["id"]): row["requests"] for row in frame.to_dict("records")}


@pytest.fixture
def hands() -> Hands:
    return Hands(Clock(NOON))


def sent(hands: Hands, workload: str, minutes: list[datetime]) -> np.ndarray:
    """Requests a minute that a workload is sent, as the world has them."""
    at = np.array([int(one.timestamp()) for one in minutes])
    sites = [seen(site, int(at[-1])) for site in hands.world().sites.values()]
    rates = [site.requests(work, at) for site in sites for work in site.works if work.name == workload]
    return np.asarray(np.round(60 * np.sum(rates, axis=0)))


def away(upstream: str, day: datetime) -> list[datetime]:
    """The minutes of a day in which an upstream answers nothing."""
    world = World()
    begin = int(day.timestamp()) // 86400 * 86400
    minutes = np.arange(begin, begin + 86400, 60)
    room = Traffic(world, world.scenario.gateways[0], begin + 86400).room(minutes)[upstream]
    return [datetime.fromtimestamp(at, UTC) for at in minutes[room == 0].tolist()]


def test_every_request_of_a_workload_is_answered_by_somebody_or_lost(hands: Hands) -> None:
    frame = traffic(hands, NOON, hours=24)
    minutes = np.arange(int(NOON.timestamp()) - 86400, int(NOON.timestamp()), 60)
    moments = [datetime.fromtimestamp(at, UTC) for at in minutes.tolist()]
    asked = {name: sent(hands, name, moments).sum() for name in ("chat-70b", "chat-8b", "embed", "rerank")}
    by_group = frame.groupby("group")["requests"].sum()
    assert by_group["embed"] == asked["embed"]
    assert by_group["rerank"] == asked["rerank"]
    # what chat cannot serve falls back to chat-large, where it counts
    assert by_group["chat"] + by_group["chat-large"] == asked["chat-8b"] + asked["chat-70b"]
    assert by_group["chat"] <= asked["chat-8b"]


def test_columns_are_those_of_the_port_and_each_deployment_has_one_row(hands: Hands) -> None:
    frame = traffic(hands, NOON, hours=24)
    assert frame.dtypes.astype(str).to_dict() == TRAFFIC
    assert not frame.duplicated(["group", "id"]).any()
    tiers = {(tier.group, tier.id) for tier in hands["west"].gateway.routing().tiers}
    assert {names for names in requests(frame) if names[1]} == tiers


def test_our_own_gpus_answer_nearly_everything_and_cost_nothing_here(hands: Hands) -> None:
    frame = traffic(hands, NOON, hours=24).set_index("id")
    own = frame.loc[["chat-8b-own", "embed-own"]]
    spill = frame.loc[["gpt-4o-mini-openai", "embed-deepinfra"]]
    assert own["usd"].tolist() == [0.0, 0.0]
    assert (own["requests"].to_numpy() > 100 * spill["requests"].to_numpy()).all()
    assert (spill["requests"] > 0).all()
    assert frame.loc["mistral-trial", ["requests", "usd"]].tolist() == [0.0, 0.0]


def test_an_outage_moves_a_tiers_requests_to_the_next_and_they_cost_its_price(hands: Hands) -> None:
    minutes = [at for at in away("chat-70b", NOON) if at > NOON + timedelta(hours=2)]  # its node is replaced at noon
    assert len(minutes) == 40
    assert minutes[-1] - minutes[0] == 39 * MINUTE
    hands.clock.at = minutes[-1] + timedelta(hours=1)
    frame = traffic(hands, minutes[-1] + MINUTE, minutes=40).set_index("id")
    assert frame.loc["chat-70b-own", "requests"] == 0
    azure = frame.loc["gpt-4o-azure"]
    long = np.round(0.002 * sent(hands, "chat-8b", minutes)).sum()
    large = sent(hands, "chat-70b", minutes).sum()
    assert azure["requests"] == large + long > 5000
    # of a million tokens, those in cost 2.5 dollars and those out 10. 1400 in and 380 out: 0.0035 + 0.0038 a request;
    # those too long for chat have 11800 in and 190 out: 0.0295 + 0.0019
    assert azure["usd"] == pytest.approx(0.0073 * large + 0.0314 * long, rel=0.02)


def test_outages_fall_on_some_days_only() -> None:
    days = [len(away("chat-70b", NOON + timedelta(days=day))) for day in range(21) if day % 5]
    assert set(days) == {0, 40}
    assert 4 <= sum(minutes == 40 for minutes in days) <= 11  # 45 % of the days


def test_a_model_is_away_while_its_node_is_replaced() -> None:
    """Nine minutes until there is a machine, 2.5 until it offers its GPUs, then images, model, readiness."""
    minutes = [at for at in away("chat-70b", NOON) if at < NOON + timedelta(hours=2)]
    assert minutes[0] == NOON
    assert len(minutes) == (minutes[-1] - NOON) / MINUTE + 1
    assert timedelta(minutes=17) <= minutes[-1] - NOON <= timedelta(minutes=27)


def test_a_group_with_one_deployment_loses_what_that_one_does_not_answer(hands: Hands) -> None:
    day = next(day for day in itertools.count() if away("rerank", NOON + timedelta(days=day)))
    minutes = away("rerank", NOON + timedelta(days=day))
    assert len(minutes) == 7
    hands.clock.at = minutes[-1] + timedelta(hours=1)
    found = requests(traffic(hands, minutes[-1] + MINUTE, minutes=7))
    assert found["rerank", "rerank-own"] == 0
    assert found["rerank", ""] > 10_000


def test_parts_of_a_window_add_up_to_the_whole(hands: Hands) -> None:
    whole, first, second = (
        requests(traffic(hands, NOON - timedelta(minutes=at), minutes=long))
        for at, long in ((0, 60), (25, 35), (0, 25))
    )
    assert whole == {names: first.get(names, 0) + second.get(names, 0) for names in whole}


def test_nothing_is_counted_ahead_of_the_clock(hands: Hands) -> None:
    past = requests(traffic(hands, NOON, minutes=30))
    assert requests(traffic(hands, NOON + timedelta(minutes=30), minutes=60)) == past
    assert traffic(hands, NOON + timedelta(days=1), hours=1)["requests"].sum() == 0


def test_history_stays_when_it_is_asked_again_later_and_in_another_process(hands: Hands) -> None:
    first = traffic(hands, NOON, hours=6)
    hands.clock.at += timedelta(days=3)
    pd.testing.assert_frame_equal(traffic(hands, NOON, hours=6), first)
    pd.testing.assert_frame_equal(traffic(Hands(Clock(NOON)), NOON, hours=6), first)
    other = Hands(Clock(NOON), changes={"seed": 8})
    assert not traffic(other, NOON, hours=6).equals(first)


def test_a_larger_estate_has_as_many_more_requests(hands: Hands) -> None:
    twice = Hands(Clock(NOON), changes={"gpus": 2 * World().gpus})
    ratio = traffic(twice, NOON, hours=24)["requests"].sum() / traffic(hands, NOON, hours=24)["requests"].sum()
    assert ratio == pytest.approx(2, rel=0.03)


class Room:
    """The demo with an engine; waiting moves the clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(NOON)
        self.database = Database(f"sqlite:///{folder / 'console.sqlite3'}")
        migrate.upgrade(self.database.engine)
        self.hands = Hands(self.clock)
        self.sources = Sources("demo", self.hands.sources, now=self.clock, pool=Inline(), work=self.database)
        self.engine = Engine(self.sources, pool=Inline(), worker="w", wait=self._wait)

    def _wait(self, seconds: float) -> None:
        self.clock.at += timedelta(seconds=max(seconds, 0.5))

    def change(self, wanted: litellm.Chain) -> Any:
        plan = self.engine.plan(OPERATOR, "edit-fallbacks", FallbackParams("demo-west", (wanted,)))
        return self._applied(plan)

    def undo(self, id: str) -> Any:
        return self._applied(self.engine.plan_undo(id, OPERATOR).plan)

    def _applied(self, plan: Any) -> Any:
        rehearsal = self.engine.rehearse(plan, OPERATOR)
        id = self.engine.apply(plan, OPERATOR, reason="test", rehearsal=rehearsal, typed=plan.confirm)
        with self.database() as unit:
            return unit.operations.get(id)

    def chain(self, group: str) -> litellm.Chain:
        found = self.hands.read(self.hands.ref("west", "ConfigMap", "litellm-config", "ai-gateway"))
        return litellm.read(found["data"]["config.yaml"]).chain(group)

    def shares(self) -> dict[str, float]:
        """Shares of chat's requests in the ten minutes before now."""
        end = self.clock.at.replace(second=0, microsecond=0)
        frame = traffic(self.hands, end, minutes=10)
        chat = frame[frame["group"] == "chat"].set_index("id")["requests"]
        return dict((chat / chat.sum()).round(2))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    yield found
    found.database.close()


def test_a_chain_changed_by_an_operation_moves_requests_and_spend_from_then_on(room: Room) -> None:
    assert room.shares() == {"chat-8b-own": 1.0, "gpt-4o-mini-openai": 0.0, "mistral-trial": 0.0}
    done = room.change(litellm_edits.moved(room.chain("chat"), "gpt-4o-mini-openai", -1))
    assert (done.state, done.verification) == (
        "done", "In force: chat: gpt-4o-mini-openai → chat-8b-own → mistral-trial → chat-large.",
    )  # fmt: skip
    began = room.clock.at
    room.clock.at += timedelta(minutes=30)
    assert room.shares() == {"chat-8b-own": 0.0, "gpt-4o-mini-openai": 1.0, "mistral-trial": 0.0}

    end = room.clock.at.replace(second=0)
    hour = traffic(room.hands, end, minutes=60).set_index("id")
    minutes = (end - began) / MINUTE
    # the whole hour at the one tier's price, for the part since the restart: demand hardly changes within an hour
    moved = (
        hour.loc["gpt-4o-mini-openai", "requests"] / hour.loc[["chat-8b-own", "gpt-4o-mini-openai"], "requests"].sum()
    )
    assert moved == pytest.approx(minutes / 60, abs=0.05)
    # 620 tokens in at 0.15 and 190 out at 0.60 dollars a million
    assert hour.loc["gpt-4o-mini-openai", "usd"] / hour.loc["gpt-4o-mini-openai", "requests"] == pytest.approx(
        0.000093 + 0.000114, rel=0.01
    )

    undone = room.undo(done.id)
    assert undone.state == "done"
    room.clock.at += timedelta(minutes=15)
    assert room.shares() == {"chat-8b-own": 1.0, "gpt-4o-mini-openai": 0.0, "mistral-trial": 0.0}


def test_what_a_tier_without_a_price_costs_is_unknown(room: Room) -> None:
    chain = room.chain("chat")
    trial = tuple(replace(place, order=0) if place.key == "mistral-trial" else place for place in chain.tiers)
    assert room.change(replace(chain, tiers=trial)).state == "done"
    room.clock.at += timedelta(minutes=15)
    frame = traffic(room.hands, room.clock.at.replace(second=0), minutes=10).set_index("id")
    assert frame.loc["mistral-trial", "requests"] > 0
    assert np.isnan(frame.loc["mistral-trial", "usd"])


def test_a_deployment_left_out_keeps_what_it_answered_before(room: Room) -> None:
    chain = room.chain("chat")
    assert room.change(replace(chain, tiers=chain.tiers[1:])).state == "done"
    room.clock.at += timedelta(minutes=15)
    end = room.clock.at.replace(second=0)
    before, after = traffic(room.hands, end, minutes=60), traffic(room.hands, end, minutes=5)
    assert requests(before)["chat", "chat-8b-own"] > 0
    assert ("chat", "chat-8b-own") not in requests(after)


def test_no_key_is_in_what_is_recorded_of_a_change(room: Room) -> None:
    done = room.change(replace(room.chain("embed"), fallbacks=("chat",)))
    assert done.state == "done"
    with room.database() as unit:
        events = list(unit.operations.events(done.id))
    assert SECRET not in f"{done} {events}"
    assert SECRET in str(room.hands.journal.entries())  # the demo's cluster itself keeps its made-up key


def test_the_board_has_something_to_say(room: Room) -> None:
    board = gateway.board(room.sources, "demo-west").value
    assert board is not None
    assert (board.differences, board.locked, board.counted) == ((), {}, True)
    codes = {(one.code, one.group) for one in board.lints}
    assert codes == {
        ("clear-text-keys", ""),
        ("priority", "chat"),
        ("single", "rerank"),
        ("dead-tier", "chat"),
        ("dead-tier", "summarise"),
        ("unpriced", "summarise"),
        ("unpriced", "chat-large"),
        ("unpriced", "chat"),
        ("unpriced", "embed"),
        ("unpriced", "rerank"),
    }
    assert board.unanswered.keys() == {"rerank"}
    assert SECRET not in repr(board) + board.tiers.to_json()


def test_one_cluster_of_the_demo_has_a_gateway() -> None:
    sources = demo.build(clock=lambda: NOON, pool=Inline())
    assert {name for name, source in sources.items() if source.gateway and source.gateway_place} == {"demo-west"}
    place = sources["demo-west"].gateway_place
    assert place is not None
    assert (place.namespace, place.configmap, place.key, place.deployment) == (
        "ai-gateway", "litellm-config", "config.yaml", "litellm",
    )  # fmt: skip
