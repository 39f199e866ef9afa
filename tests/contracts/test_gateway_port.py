"""What every ``Gateway`` promises, whoever implements it: the demo, and the adapter on what a real proxy answered.

``tests/data/litellm/answers_1_106_2.json`` was recorded from a LiteLLM 1.106.2 that ran the demo's own file (without
its metrics callback); fields that were null are left out. So the two must tell the same.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from services import demo
from services.adapters.litellm import LiteLLMGateway
from services.domain import litellm
from services.domain.litellm.rehearsal import FAILS, FLAGS, LENGTH, NORMAL, PROMPT, TAG
from services.gateway import compare, read
from services.ports import Answered, Gateway, GatewayPlace, Routing, SourceStatus, Trial
from services.settings.access import GatewayAccess
from tests.conftest import NOW, Inline
from tests.gateway import MemoryGateway

RECORDED = Path(__file__).parents[1] / "data" / "litellm" / "answers_1_106_2.json"
KEY = "sk-console-1"
SECRETS = (KEY, "sk-demo-not-a-real-key")


class Proxy(BaseHTTPRequestHandler):
    """Gives the recorded answers."""

    answers = json.loads(RECORDED.read_text())

    def do_POST(self) -> None:
        """What 1.106.2 was seen to say in its headers when stub upstreams stood behind it; nobody serves "nobody"."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = "gpt-4o-mini-openai" if asked.get("mock_testing_fallbacks") else "chat-8b-own"
        if asked["model"] == "nobody":
            error = {"message": "no", "type": None, "code": "400"}
            self._said(400, {"error": error}, {"x-litellm-response-cost": "0"})
            return
        told = {
            "x-litellm-model-id": name,
            "x-litellm-model-group": asked["model"],
            "x-litellm-attempted-fallbacks": str(len(asked.keys() & {"mock_testing_fallbacks"})),
            "x-litellm-attempted-retries": "0",
            "x-litellm-response-cost": "1.26e-05",
        }
        self._said(200, {"choices": []}, told)

    def _said(self, status: int, body: Any, headers: dict[str, str]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        known = self.answers.get(self.path, {"status": 404, "body": {}})
        raw = json.dumps(known["body"]).encode()
        self.send_response(known["status"])
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def real() -> Iterator[Gateway]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    access = GatewayAccess(f"http://127.0.0.1:{server.server_port}", key=SecretStr(KEY))
    gateway = LiteLLMGateway("LiteLLM of west", access, clock=lambda: NOW)
    yield gateway
    gateway.close()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def simulated() -> Gateway:
    gateway = demo.build(clock=lambda: NOW, pool=Inline())["demo-west"].gateway
    assert gateway is not None
    return gateway


@pytest.fixture(scope="module")
def remembered() -> Gateway:
    """The double of tests of what stands above the adapter."""
    return MemoryGateway(text())


@pytest.fixture(params=["simulated", "real", "remembered"])
def sending(request: pytest.FixtureRequest) -> Gateway:
    found: Gateway = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["simulated", "real"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    found: Gateway = request.getfixturevalue(request.param)
    return found


def text() -> str:
    source = demo.build(clock=lambda: NOW, pool=Inline())["demo-west"]
    place = source.gateway_place
    assert isinstance(place, GatewayPlace)
    return read.file_text(source.cluster.read(read.config_ref("demo-west", place)), place)


def test_the_demo_tells_what_a_real_proxy_tells_of_the_same_file(simulated: Gateway, real: Gateway) -> None:
    mine, theirs = simulated.routing(), real.routing()
    # a real one does not say when it started
    assert replace(mine, since=None) == theirs


def test_what_is_in_force_is_what_the_file_says(gateway: Gateway) -> None:
    config, routing = litellm.read(text()), gateway.routing()
    assert list(compare.differences(config, routing)) == []
    assert compare.paired(config, routing.tiers).keys() == {one.key for one in config.deployments}


def test_tiers_have_ids_of_their_own_hosts_without_paths_and_prices_a_token(gateway: Gateway) -> None:
    tiers = gateway.routing().tiers
    assert len({tier.id for tier in tiers}) == len(tiers) == 10
    assert all(tier.id and tier.group and tier.model and tier.provider for tier in tiers)
    assert not any("/" in tier.base or "@" in tier.base for tier in tiers)
    prices = [price for tier in tiers for price in (tier.input_usd, tier.output_usd) if price is not None]
    assert prices
    assert all(0 <= price < 0.001 for price in prices)
    assert {tier.stored for tier in tiers} == {"file"}


def test_rules_are_group_names_in_order(gateway: Gateway) -> None:
    routing = gateway.routing()
    assert routing.knows_fallbacks
    groups = {tier.group for tier in routing.tiers}
    for kind in litellm.KINDS:
        rules = getattr(routing, kind)
        assert all(isinstance(names, tuple) and names for names in rules.values())
        assert {*rules, *(name for names in rules.values() for name in names)} <= groups


def test_a_probe_says_how_the_proxy_is_doing(gateway: Gateway) -> None:
    status = gateway.probe()
    assert isinstance(status, SourceStatus)
    assert (status.source, status.reachable, status.message) == ("litellm", True, "")
    assert status.version.startswith("1.106.2")
    assert "@" not in status.address
    assert status.newest_at is not None
    assert status.newest_at <= NOW


def asked(sending: Gateway, mode: str, group: str = "chat") -> Answered:
    return sending.send(Trial(group, FLAGS[mode], PROMPT, 5, TAG))


def test_a_test_request_tells_who_answered_and_what_it_cost(sending: Gateway) -> None:
    usual, failing = asked(sending, NORMAL), asked(sending, FAILS)
    assert [(one.id, one.group, one.status, one.error, one.fallbacks, one.retries) for one in (usual, failing)] == [
        ("chat-8b-own", "chat", 200, "", 0, 0),
        ("gpt-4o-mini-openai", "chat", 200, "", 1, 0),
    ]
    assert failing.usd is not None
    assert failing.usd > 0
    assert usual.seconds >= 0


def test_what_nobody_answers_is_an_answer_and_no_exception(sending: Gateway) -> None:
    group = "nobody" if isinstance(sending, LiteLLMGateway) else "rerank"
    nobody = asked(sending, LENGTH, group)
    assert (nobody.id, nobody.group) == ("", "")
    assert nobody.status >= 400
    assert nobody.error
    assert not nobody.usd


def test_no_key_is_in_any_answer(gateway: Gateway) -> None:
    routing: Routing = gateway.routing()
    said = [repr(routing), str(routing), msgspec.json.encode(routing).decode(), repr(gateway.probe()), repr(gateway)]
    assert not any(secret in words for secret in SECRETS for words in said)
    assert SECRETS[1] in text()


def test_it_can_be_closed_twice(gateway: Gateway) -> None:
    gateway.close()
    gateway.close()
