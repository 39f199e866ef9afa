"""A real LiteLLM proxy on loopback, before stub upstreams: what our edits of its file do to real traffic.

Takes a minute: the proxy is started four times, and each start takes most of ten seconds.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from db import migrate
from db.work import Database
from services.actions.rehearse_fallbacks import RehearseParams
from services.adapters.litellm import LiteLLMGateway
from services.domain import litellm
from services.domain.litellm import edits as litellm_edits
from services.domain.litellm.rehearsal import FAILS, FLAGS, LENGTH, NORMAL, POLICY, PROMPT, TAG
from services.errors import Forbidden, Refused, SourceUnavailable
from services.ports import Answered, Routing, Trial
from services.settings.access import GatewayAccess
from tests.conftest import NOW
from tests.gateway import OPERATOR, Proxy
from tests.litellm_proxy import BINARY, MASTER, PROVIDER_KEY, RealGateway, upstreams
from tests.memory import MemoryCluster
from tests.needs import missing
from tests.unit.actions.conftest import Desk


def config(own: str, cloud: str, other: str) -> str:
    """Three deployments in both styles, with comments and a key written out; Windows line ends."""
    return f"""\
# who answers what
model_list:
  - model_name: chat
    litellm_params:
      model: openai/own    # on our GPUs
      api_base: {own}
      api_key: none
      order: 1
    model_info: {{id: chat-own}}
  - model_name: chat
    litellm_params: {{model: openai/cloud, api_base: "{cloud}", api_key: {PROVIDER_KEY}, order: 2, weight: 3}}
    model_info: {{id: chat-cloud}}
  - model_name: other
    litellm_params: {{model: openai/other, api_base: "{other}", api_key: os.environ/PROVIDER_KEY}}
    model_info: {{id: other-1}}
router_settings:
  fallbacks:
    - chat: [other]   # last resort
  context_window_fallbacks: [{{chat: [other]}}]
  num_retries: 0
  timeout: 20
  disable_cooldowns: true
general_settings:
  master_key: {MASTER}
""".replace("\n", "\r\n")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RealGateway]:
    if not BINARY.is_file():
        missing("the LiteLLM proxy is not installed (make litellm)")
    real = RealGateway(tmp_path)
    yield real
    real.stop()
    real.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'console.sqlite3'}")
    migrate.upgrade(database.engine)
    yield Desk({"east": MemoryCluster()}, database)
    database.close()


@pytest.mark.timeout(300)
def test_the_order_a_person_asks_for_is_the_order_real_requests_take(desk: Desk, gateway: RealGateway) -> None:
    with upstreams("own", "cloud", "other") as (own, cloud, other):
        text = config(own.base, cloud.base, other.base)
        gateway.start(text)
        proxy = Proxy(desk, text, gateway=gateway)

        _reads_what_is_in_force(gateway.routing())
        assert gateway.ask("chat") == "own"

        chain = litellm.read(text).chain("chat")
        wanted = replace(litellm_edits.moved(chain, "chat-cloud", -1), fallbacks=("other",))
        plan = proxy.plan(wanted)
        assert PROVIDER_KEY not in str(plan.stored())
        assert MASTER not in str(plan.stored())
        done = desk.applied(proxy.engine, plan)
        assert desk.operation(done).verification == "In force: chat: chat-cloud → chat-own → other."
        assert [(tier.id, tier.order) for tier in gateway.routing().tiers] == [
            ("chat-own", 2), ("chat-cloud", 1), ("other-1", None),
        ]  # fmt: skip
        assert proxy.text.replace("order: 2", "order: 1") == text.replace("order: 2", "order: 1")

        assert gateway.ask("chat") == "cloud"
        cloud.down = True
        assert gateway.ask("chat") == "own"
        own.down = True
        assert gateway.ask("chat") == "other"
        own.down = cloud.down = False

        back = proxy.engine.plan_undo(done, OPERATOR).plan
        assert desk.operation(desk.applied(proxy.engine, back)).state == "done"
        assert proxy.text == text
        asked = cloud.asked
        assert gateway.ask("chat") == "own"
        assert cloud.asked == asked


def _reads_what_is_in_force(routing: Routing) -> None:
    assert routing.version.startswith("1.106.")
    assert (routing.stored_in_database, routing.knows_fallbacks) == (False, True)
    assert [(t.id, t.group, t.model, t.order, t.weight, t.stored) for t in routing.tiers] == [
        ("chat-own", "chat", "openai/own", 1, None, "file"),
        ("chat-cloud", "chat", "openai/cloud", 2, 3.0, "file"),
        ("other-1", "other", "openai/other", None, None, "file"),
    ]
    assert routing.tiers[0].base.startswith("127.0.0.1:")
    assert routing.fallbacks == {"chat": ("other",)}
    assert routing.context_window_fallbacks == {"chat": ("other",)}
    assert routing.content_policy_fallbacks == {}
    assert routing.default_fallbacks == ()


@pytest.mark.timeout(300)
def test_a_file_changed_behind_a_running_proxy_is_not_taken_for_what_is_in_force(gateway: RealGateway) -> None:
    with upstreams("own", "cloud", "other") as (own, cloud, other):
        text = config(own.base, cloud.base, other.base)
        gateway.start(text.replace("  num_retries", "  default_fallbacks: [other]\r\n  num_retries"))
        gateway.write(text.replace("chat: [other]", "other: [chat]"))
        routing = gateway.routing()
        assert routing.default_fallbacks == ("other",)
        assert routing.fallbacks == {}  # chat's own rule equals the defaults

        wrong = GatewayAccess(f"http://127.0.0.1:{gateway.port}", key=SecretStr("sk-wrong"))
        with pytest.raises(Forbidden, match="does not let us read"):
            LiteLLMGateway("LiteLLM", wrong, clock=lambda: NOW).routing()
        assert gateway.probe().version.startswith("1.106.")
        gateway.stop()
        with pytest.raises(SourceUnavailable, match="cannot be reached"):
            gateway.routing()
        assert gateway.probe().reachable is False


@pytest.mark.timeout(300)
def test_settings_and_rotation_a_person_asks_for_are_what_real_requests_live_through(
    desk: Desk, gateway: RealGateway
) -> None:
    with upstreams("own", "cloud", "other") as (own, cloud, other):
        text = config(own.base, cloud.base, other.base)
        gateway.start(text)
        proxy = Proxy(desk, text, gateway=gateway)
        chain = litellm.read(text).chain("chat")
        wanted = replace(chain, tiers=tuple(replace(one, blocked=one.key == "chat-own") for one in chain.tiers))
        settings = {"num_retries": 2.0, "cooldown_time": 30.0}
        plan = proxy.plan(wanted, settings=settings, strategies={"chat": "least-busy"})
        done = desk.applied(proxy.engine, plan)
        assert desk.operation(done).state == "done"
        assert [(tier.id, tier.blocked) for tier in gateway.routing().tiers] == [
            ("chat-own", True), ("chat-cloud", False), ("other-1", False),
        ]  # fmt: skip

        assert gateway.ask("chat") == "cloud"
        assert own.asked == 0
        cloud.down = True
        asked = cloud.asked
        assert gateway.ask("chat") == "other"
        # Once and two retries; and again, as LiteLLM goes on to the order of the one that is left out.
        assert cloud.asked - asked == 2 * 3
        assert own.asked == 0
        cloud.down = False

        back = proxy.engine.plan_undo(done, OPERATOR).plan
        assert desk.operation(desk.applied(proxy.engine, back)).state == "done"
        assert proxy.text == text
        assert gateway.ask("chat") == "own"


MOCKS = "  dangerously_allow_mock_testing_request_params: true\r\n"


def trial(mode: str, group: str = "chat") -> Trial:
    return Trial(group, FLAGS[mode], PROMPT, 5, TAG)


def path(answer: Answered) -> tuple[str, str, int, int | None]:
    return answer.id, answer.group, answer.status, answer.fallbacks


@pytest.mark.timeout(300)
def test_a_rehearsal_takes_the_path_of_real_requests_and_the_failing_tier_is_never_asked(
    desk: Desk, gateway: RealGateway
) -> None:
    with upstreams("own", "cloud", "other") as (own, cloud, other):
        text = config(own.base, cloud.base, other.base).replace("weight: 3", "input_cost_per_token: 0.00001")
        gateway.start(text)
        refused = gateway.send(trial(FAILS))
        assert (path(refused)[:3], refused.error) == (("", "", 400), "MockTestingParamsDisabled")
        proxy = Proxy(desk, text, gateway=gateway)
        with pytest.raises(Refused, match="does not set general_settings"):
            proxy.engine.plan(OPERATOR, "rehearse-fallbacks", RehearseParams("east", "chat"))
        assert (own.asked, cloud.asked, other.asked) == (0, 0, 0)

        text = text + MOCKS
        proxy = Proxy(desk, text, gateway=gateway)
        gateway.start(text)
        modes = (NORMAL, FAILS, LENGTH)
        plan = proxy.engine.plan(OPERATOR, "rehearse-fallbacks", RehearseParams("east", "chat", modes, 2, 0.05))
        assert "No price is known of chat-own, other-1" in plan.warnings[0]
        done = desk.operation(desk.applied(proxy.engine, plan))
        assert done.verification == (
            "chat: as usual, 2 of 2 were answered by chat-own (tier 1); with tier 1 failing, 2 of 2 were answered by "
            "chat-cloud (tier 2); with a prompt too long, 2 of 2 were answered by other-1 (group other)."
        )
        assert (done.state, own.asked, cloud.asked, other.asked) == ("done", 2, 2, 2)

        paid = gateway.send(trial(FAILS))
        assert paid.usd == pytest.approx(1e-5)  # the stub counts one token of prompt
        assert path(paid) == ("chat-cloud", "chat", 200, 1)
        # no rule of its kind: those for errors
        assert path(gateway.send(trial(POLICY))) == ("other-1", "other", 200, 1)
        cloud.down = True
        assert path(gateway.send(trial(FAILS))) == ("other-1", "other", 200, 1)  # one, as LiteLLM counts
        other.down = True
        nobody = gateway.send(trial(FAILS))
        assert (nobody.id, nobody.group, nobody.usd) == ("", "", 0.0)
        assert nobody.status >= 500
        failed = desk.operation(desk.applied(proxy.engine, proxy.engine.plan(
            OPERATOR, "rehearse-fallbacks", RehearseParams("east", "chat", (FAILS,), 3))))  # fmt: skip
        assert failed.state == "failed"
        assert "Nobody answered (HTTP 5" in failed.outcome
        assert own.asked == 2
