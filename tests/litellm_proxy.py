"""A real LiteLLM proxy on loopback, and model servers to stand before."""

import contextlib
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.adapters.litellm import LiteLLMGateway
from services.settings.access import GatewayAccess
from tests.conftest import NOW
from tests.serving import free_port

BINARY = Path(__file__).parents[1] / ".venv" / "litellm" / "bin" / "litellm"
MASTER = "sk-master-5d1c9e"
PROVIDER_KEY = "sk-provider-77aa"
START_WITHIN_S = 90.0


LONG, FORBIDDEN = "a very long prompt", "a forbidden prompt"
"""Prompts that are refused by an upstream that is ``strict``."""
_ERRORS = {
    LONG: ("context_length_exceeded", "This model's maximum context length is 10 tokens."),
    FORBIDDEN: ("content_policy_violation", "Invalid prompt: it was flagged as violating our content policy."),
}


class Upstream:
    """A model server that says its own name, or 503 while it is ``down``.

    ``status``: what it answers with instead of 200; ``slow_s``: how long it takes; ``strict``: refuses :data:`LONG` and
    :data:`FORBIDDEN` prompts. ``tokens``: prompt and completion tokens of an answer.
    """

    def __init__(self, name: str) -> None:
        self.name, self.down, self.asked = name, False, 0
        self.status, self.slow_s, self.strict = 200, 0.0, False
        self.tokens = (1, 1)
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                upstream.asked += 1
                time.sleep(upstream.slow_s)
                self._answer(*upstream.reply(asked["messages"][-1]["content"]))

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who asked may have gone
                    self.wfile.write(raw)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def reply(self, prompt: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a prompt."""
        status = 503 if self.down else self.status
        if status != 200:
            return status, {"error": {"message": "no", "type": "error", "code": str(status)}}
        if self.strict and prompt in _ERRORS:
            code, message = _ERRORS[prompt]
            return 400, {"error": {"message": message, "type": "invalid_request_error", "code": code}}
        return 200, self.answer()

    def answer(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.name}
        return {
            "id": "1", "object": "chat.completion", "created": 1, "model": self.name,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": self.tokens[0], "completion_tokens": self.tokens[1], "total_tokens": sum(self.tokens),
            },
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
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=20)
            self._process = None

    def ask(self, group: str, *, prompt: str = "hi", key: str = MASTER) -> str:
        """Who answers a request to a group; "" when nobody does."""
        body = {"model": group, "messages": [{"role": "user", "content": prompt}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                said: str = json.load(answer)["choices"][0]["message"]["content"]
                return said
        except urllib.error.HTTPError as error:
            with error:
                return ""


@contextmanager
def upstreams(*names: str) -> Iterator[list[Upstream]]:
    found = [Upstream(name) for name in names]
    try:
        yield found
    finally:
        for one in found:
            one.close()
