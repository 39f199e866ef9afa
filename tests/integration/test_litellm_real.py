"""A real LiteLLM proxy on loopback, before stub upstreams: what our edits of its file do to real traffic.

Takes a minute: the proxy is started three times, and each start takes most of ten seconds.
"""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from db import migrate
from db.work import Database
from services.adapters.litellm import LiteLLMGateway
from services.domain import litellm
from services.domain.litellm import edits as litellm_edits
from services.errors import Forbidden, SourceUnavailable
from services.ports import Routing
from services.settings.access import GatewayAccess
from tests.conftest import NOW
from tests.gateway import OPERATOR, Proxy
from tests.memory import MemoryCluster
from tests.needs import missing
from tests.serving import free_port
from tests.unit.actions.conftest import Desk

BINARY = Path(__file__).parents[2] / ".venv" / "litellm" / "bin" / "litellm"
MASTER = "sk-master-5d1c9e"
PROVIDER_KEY = "sk-provider-77aa"
START_WITHIN_S = 90.0


class Upstream:
    """A model server that says its own name, or 503 while it is ``down``."""

    def __init__(self, name: str) -> None:
        self.name, self.down, self.asked = name, False, 0
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                upstream.asked += 1
                self._answer(503, {"error": {"message": "down"}}) if upstream.down else self._answer(
                    200, upstream.answer()
                )

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.name}
        return {
            "id": "1", "object": "chat.completion", "created": 1, "model": self.name,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class RealGateway(LiteLLMGateway):
    """A proxy process of our own, asked by the real adapter; ``start`` is what a rollout does."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None
        access = GatewayAccess(f"http://127.0.0.1:{self.port}", key=SecretStr(MASTER))
        super().__init__("LiteLLM of east", access, clock=lambda: NOW)

    def write(self, text: str) -> None:
        (self._folder / "config.yaml").write_bytes(text.encode())

    def start(self, text: str) -> None:
        self.stop()
        self.write(text)
        variables = {
            "PATH": f"{BINARY.parent}:/usr/bin:/bin",
            "HOME": str(self._folder),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "PROVIDER_KEY": PROVIDER_KEY,
        }
        command = [str(BINARY), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self._folder / "proxy.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=variables, stdout=log, stderr=log, start_new_session=True
            )
        ends = time.monotonic() + START_WITHIN_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/liveliness", timeout=5):
                    return
            except OSError:
                assert self._process.poll() is None, (self._folder / "proxy.log").read_text()[-4000:]
                assert time.monotonic() < ends, "the proxy did not start"
                time.sleep(0.2)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=20)
            self._process = None

    def ask(self, group: str) -> str:
        """Who answers a request to a group; "" when nobody does."""
        body = {"model": group, "messages": [{"role": "user", "content": "hi"}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {MASTER}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                said: str = json.load(answer)["choices"][0]["message"]["content"]
                return said
        except urllib.error.HTTPError as error:
            with error:
                return ""


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


@contextmanager
def upstreams(*names: str) -> Iterator[list[Upstream]]:
    found = [Upstream(name) for name in names]
    try:
        yield found
    finally:
        for one in found:
            one.close()


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
