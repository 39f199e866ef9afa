"""A day of a real gateway in nine minutes: two LiteLLM proxies, model servers of ours, a real Prometheus that scrapes.

What became of each request is known from its answer; what the Fallback page says comes from the proxies' counters
alone. One proxy is killed and started again on the way, which sets its counters to zero.
"""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.adapters.prometheus import PrometheusMetrics
from services.domain.fallback.bursts import bursts
from services.domain.fallback.figures import figures, tiers
from services.domain.scope import Scope
from services.fallback import board as fallback
from services.fallback import tiers as tiers_read
from services.fallback.board import Board
from services.ports import ClusterSource, Sources
from services.settings import MetricsAccess
from tests.conftest import Inline
from tests.gateway import PLACE, installed
from tests.integration.prom_server import prometheus, wait_until
from tests.litellm_proxy import BINARY, FORBIDDEN, LONG, MASTER, PROVIDER_KEY, RealGateway, Upstream, upstreams
from tests.memory import MemoryCluster
from tests.needs import missing

AUTH = f"""
from litellm.proxy._types import UserAPIKeyAuth

async def user_api_key_auth(request, api_key):
    if api_key == "{MASTER}":
        return UserAPIKeyAuth(api_key=api_key, user_role="proxy_admin")
    team = api_key.removeprefix("sk-team-")
    return UserAPIKeyAuth(api_key=api_key, team_id=team, team_alias=team)
"""
PRICE_IN, PRICE_OUT = 2e-6, 1e-5
COST = 1000 * PRICE_IN + 100 * PRICE_OUT  # of one answer of the cloud or the other group: 0.003 US dollars
SCRAPE = """
global: {{scrape_interval: 3s, scrape_timeout: 3s}}
scrape_configs:
  - job_name: litellm
    metrics_path: /metrics/
    authorization: {{type: Bearer, credentials: {key}}}
    static_configs:
      - {{targets: ["{one}"], labels: {{namespace: llm, pod: litellm-0}}}}
      - {{targets: ["{two}"], labels: {{namespace: llm, pod: litellm-1}}}}
"""
SEEN_S = 8
"""By then what happened was scraped by every replica, twice."""


def config(own: Upstream, cloud: Upstream, other: Upstream) -> str:
    return f"""\
model_list:
  - model_name: chat
    litellm_params: {{model: hosted_vllm/own, api_base: "{own.base}", api_key: none, order: 1, timeout: 1}}
    model_info: {{id: chat-own}}
  - model_name: chat
    litellm_params: {{model: openai/cloud, api_base: "{cloud.base}", api_key: {PROVIDER_KEY}, order: 2,
      input_cost_per_token: {PRICE_IN:f}, output_cost_per_token: {PRICE_OUT:f}}}
    model_info: {{id: chat-cloud}}
  - model_name: other
    litellm_params: {{model: openai/other, api_base: "{other.base}", api_key: {PROVIDER_KEY},
      input_cost_per_token: {PRICE_IN:f}, output_cost_per_token: {PRICE_OUT:f}}}
    model_info: {{id: other-1}}
router_settings:
  fallbacks: [{{chat: [other]}}]
  context_window_fallbacks: [{{chat: [other]}}]
  content_policy_fallbacks: [{{chat: [other]}}]
  num_retries: 0
  timeout: 20
  allowed_fails: 4
  cooldown_time: 4
litellm_settings:
  callbacks: [prometheus]
general_settings:
  master_key: {MASTER}
  custom_auth: own_auth.user_api_key_auth
"""


@dataclass
class Truth:
    """Requests by minute, team, group and who answered ("" nobody), as the answers themselves told."""

    asked: Counter[tuple[datetime, str, str, str]] = field(default_factory=Counter)

    def by(self, group: str, minute: datetime | None = None) -> dict[str, int]:
        found: Counter[str] = Counter()
        for (at, _, asked, who), number in self.asked.items():
            if asked == group and minute in (None, at):
                found[who] += number
        return dict(found)


class Day:
    """The proxies, the model servers, and everything that was asked of them."""

    def __init__(self, folder: Path, own: Upstream, cloud: Upstream, other: Upstream) -> None:
        self.own, self.cloud, self.other, self.truth = own, cloud, other, Truth()
        for one in (own, cloud, other):
            one.tokens = (1000, 100)
        self.text = config(own, cloud, other)
        self.proxies = []
        for number in range(2):
            place = folder / f"proxy-{number}"
            place.mkdir()
            (place / "own_auth.py").write_text(AUTH)
            self.proxies.append(RealGateway(place))
        self._pool = ThreadPoolExecutor(8)

    def minute(self) -> datetime:
        """The minute that has just begun: what is asked now is seen by its end."""
        begin = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        time.sleep((begin - datetime.now(UTC)).total_seconds() + 0.2)
        return begin

    def ask(self, at: datetime, group: str, number: int, *, prompt: str = "hi") -> None:
        """So many requests of two teams, spread over the proxies; three in four are red's."""

        def one(place: int) -> None:
            team = "blue" if place % 4 == 3 else "red"
            who = self.proxies[place % 2].ask(group, prompt=prompt, key=f"sk-team-{team}")
            self.truth.asked[at, team, group, who] += 1

        list(self._pool.map(one, range(number)))
        assert (datetime.now(UTC) - at).total_seconds() < 60 - SEEN_S, "the minute was too short"

    def close(self) -> None:
        self._pool.shutdown()
        for proxy in self.proxies:
            proxy.stop()
            proxy.close()


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    if not BINARY.is_file():
        missing("the LiteLLM proxy is not installed (make litellm)")
    with upstreams("own", "cloud", "other") as (own, cloud, other):
        found = Day(tmp_path, own, cloud, other)
        try:
            yield found
        finally:
            found.close()


@pytest.mark.timeout(900)
def test_the_page_tells_of_a_day_what_its_requests_lived_through(day: Day, tmp_path: Path) -> None:
    with ExitStack() as stack:
        list(ThreadPoolExecutor(2).map(lambda proxy: proxy.start(day.text), day.proxies))
        one, two = (f"127.0.0.1:{proxy.port}" for proxy in day.proxies)
        folder = tmp_path / "prometheus"
        folder.mkdir()
        scrape = SCRAPE.format(key=MASTER, one=one, two=two)
        url = stack.enter_context(prometheus(folder, lookback="5m", config=scrape))
        metrics = PrometheusMetrics("Prometheus", MetricsAccess(url), clock=lambda: datetime.now(UTC))
        stack.callback(metrics.close)
        minutes = _lived(day)
        wait_until(lambda: datetime.now(UTC) >= minutes[-1] + timedelta(minutes=1), "the last minute", seconds=70)
        board = _board(day, metrics)

    _as_it_was(day, board)
    _by_team(day, board)
    _as_it_was_called(board, minutes)
    _nobody_s_key(board)


def _lived(day: Day) -> list[datetime]:
    """A minute each: normal, first tier away, refusing, slow, all away, prompts that do not fit, and well again."""
    minutes = []

    def begins() -> datetime:
        minutes.append(day.minute())
        return minutes[-1]

    at = begins()
    day.ask(at, "chat", 40)
    day.ask(at, "other", 12)

    at = begins()
    day.own.down = True
    day.ask(at, "chat", 40)

    at = begins()
    day.own.down, day.own.status = False, 429
    day.ask(at, "chat", 40)
    day.ask(at, "other", 8)
    day.own.status = 200
    day.minute()  # what a process counted since the last minute began is lost with it
    day.proxies[1].stop()
    day.proxies[1].start(day.text)

    at = begins()
    day.own.slow_s = 1.6
    day.ask(at, "chat", 32)
    day.own.slow_s = 0.0

    at = begins()
    for one in (day.own, day.cloud, day.other):
        one.down = True
    day.ask(at, "chat", 20)
    for one in (day.own, day.cloud, day.other):
        one.down = False

    at = begins()
    day.own.strict = day.cloud.strict = True
    day.ask(at, "chat", 8, prompt=LONG)
    day.ask(at, "chat", 4, prompt=FORBIDDEN)
    day.own.strict = day.cloud.strict = False

    at = begins()
    day.ask(at, "chat", 24)  # fewer than before the restart, which is how a counter that begins anew is known
    return minutes


def _board(day: Day, metrics: PrometheusMetrics) -> Board:
    cluster = MemoryCluster()
    installed(cluster, day.text)
    now = datetime.now(UTC)
    source = ClusterSource("east", cluster, metrics, day.proxies[0], PLACE)
    sources = Sources("live", {"east": source}, now=lambda: now, pool=Inline())
    reading = fallback.board(sources, "east", Scope(range="1h"))
    assert (reading.problem, reading.absence) == (None, None)
    assert reading.value is not None
    breakers = tiers_read.state(sources, "east", "1h", 4.0).value
    assert breakers is not None
    left_out = breakers.groupby(["id", "replica"])["cooldowns"].sum()
    assert set(left_out[left_out > 0].index.get_level_values("replica")) == {"litellm-0", "litellm-1"}
    assert "chat-own" in left_out[left_out > 0].index.get_level_values("id")
    speed = tiers_read.speed(sources, "east", "1h").value
    assert speed is not None
    assert speed.set_index("id")["requests"].to_dict() == {
        "chat-own": day.truth.by("chat")["own"],
        "chat-cloud": day.truth.by("chat")["cloud"],
        "other-1": day.truth.by("chat")["other"] + day.truth.by("other")["other"],
    }
    return reading.value


def _as_it_was(day: Day, board: Board) -> None:
    """Share of each tier, fallback rate, lost requests and money, within 1 %."""
    truth = day.truth.by("chat")
    answered = sum(number for who, number in truth.items() if who)
    designed = 12
    assert truth["other"] >= designed
    row = figures(board.routes, ["group"]).set_index("group").loc["chat"]
    fallen = truth["cloud"] + truth["other"] - designed
    assert row["answered"] == pytest.approx(answered, rel=0.01)
    assert row["first"] == pytest.approx(truth["own"], rel=0.01)
    assert row["fallen"] == pytest.approx(fallen, rel=0.01)
    assert row["by_design"] == pytest.approx(designed, rel=0.01)
    assert row["fallback_rate"] == pytest.approx(fallen / answered, rel=0.01)
    assert row["lost"] == pytest.approx(truth[""], rel=0.01)
    assert row["refused"] == 0
    shares = tiers(board.routes, "chat").set_index(["via", "id"])["share"].to_dict()
    assert shares == {
        ("", "chat-own"): pytest.approx(truth["own"] / answered, rel=0.01),
        ("", "chat-cloud"): pytest.approx(truth["cloud"] / answered, rel=0.01),
        ("other", "other-1"): pytest.approx(truth["other"] / answered, rel=0.01),
    }
    paid = truth["cloud"] + truth["other"]
    assert row["fallen_usd"] == pytest.approx(paid * COST, rel=0.01)
    other = figures(board.routes, ["group"]).set_index("group").loc["other"]
    assert other["first"] == pytest.approx(day.truth.by("other")["other"], rel=0.01)
    assert figures(board.routes)["usd"].iloc[0] == pytest.approx((paid + other["first"]) * COST, rel=0.01)


def _by_team(day: Day, board: Board) -> None:
    rows = figures(board.routes, ["team", "group"]).set_index(["team", "group"])
    for team in ("red", "blue"):
        mine = {who: n for (_, name, group, who), n in day.truth.asked.items() if (name, group) == (team, "chat")}
        lost = sum(
            n for (_, name, group, who), n in day.truth.asked.items() if (name, group, who) == (team, "chat", "")
        )
        asked = sum(n for (_, name, group, _), n in day.truth.asked.items() if (name, group) == (team, "chat"))
        assert rows.loc[(team, "chat"), "asked"] == pytest.approx(asked, rel=0.01)
        assert rows.loc[(team, "chat"), "lost"] == pytest.approx(lost, rel=0.01)
        assert mine


def _as_it_was_called(board: Board, minutes: list[datetime]) -> None:
    """Each minute's burst has its cause; the normal ones have none."""
    step = timedelta(minutes=1)
    told = {}
    for begin in minutes:
        points = [begin, begin + step]
        rows = board.routes[board.routes["at"] == pd.Timestamp(begin + step)]
        found = [one for one in bursts(rows, points) if one.group == "chat"]
        told[minutes.index(begin)] = (found[0].main, bool(found[0].lost)) if found else None
    assert told == {
        0: None,
        1: ("unavailable", False),
        2: ("rate-limit", False),
        3: ("timeout", False),
        4: ("unavailable", True),
        5: None,
        6: None,
    }
    design = board.routes[board.routes["cause"].isin(["length", "policy"])]
    assert design.groupby("cause")["requests"].sum().to_dict() == {"length": 8, "policy": 4}


def _nobody_s_key(board: Board) -> None:
    told = f"{board!r}{board.routes.to_csv()}{board.explained!r}"
    assert PROVIDER_KEY not in told
    assert MASTER not in told
