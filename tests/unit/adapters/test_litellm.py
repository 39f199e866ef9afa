"""The LiteLLM adapter against a server that answers as versions 1.106 and 1.72 do."""

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from services.adapters import keyed_http, litellm
from services.adapters.litellm import LiteLLMGateway
from services.errors import Forbidden, Rejected, SourceError, SourceUnavailable
from services.ports import Answered, Tier, Trial
from services.settings.access import GatewayAccess
from tests.conftest import NOW

MODELS = [
    {
        "model_name": "chat",
        "litellm_params": {
            "model": "hosted_vllm/llama",
            "api_base": "http://u:hunter2@vllm.llm:8000/v1",
            "order": 1,
            "weight": 2,
            "extra_headers": {"X-Key": "secr****ader"},
        },
        "model_info": {"id": "own", "db_model": False, "input_cost_per_token": 1e-7, "output_cost_per_token": None},
    },
    {
        "model_name": "chat",
        "litellm_params": {"model": "gpt-4o", "input_cost_per_token": 2.5e-6},
        "model_info": {
            "id": "cloud", "db_model": True, "order": 2, "litellm_provider": "openai",
            "input_cost_per_token": 9.9, "output_cost_per_token": 1e-5,
        },
    },
]  # fmt: skip


class Server:
    """Answers by path (and ``fallback_type``); keeps what was asked.

    A POST is answered with ``posted``: status, body, headers; None breaks the connection off.
    """

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "/model/info": (200, {"data": MODELS}),
            "/health/readiness/details": (200, {"status": "healthy", "db": "connected", "litellm_version": "1.106.2"}),
            "/v1/models general": (200, listed(chat=["large"], large=["small"])),
            "/v1/models context_window": (200, listed(chat=[{"model": "long", "temperature": 0}])),
            "/v1/models content_policy": (200, listed(chat=[])),
            "/fallback/%2A": (200, {"fallback_models": ["small"]}),
        }
        self.posted: tuple[int, Any, dict[str, str]] | None = (200, {"choices": []}, {})
        self.bodies: list[dict[str, Any]] = []
        self.slow_s = 0.0
        self.asked: list[str] = []
        self.keys: set[str | None] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                word = parse_qs(parts.query).get("fallback_type", [""])[0]
                server.asked.append(self.path)
                server.keys.add(self.headers.get("Authorization"))
                status, body = server.answers.get(f"{parts.path} {word}".strip(), (404, {}))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_POST(self) -> None:
                server.asked.append(self.path)
                server.keys.add(self.headers.get("Authorization"))
                server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                time.sleep(server.slow_s)
                if server.posted is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, body, headers = server.posted
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # of a 200 the body is not read
                    self.wfile.write(raw)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def gateway(self, **more: Any) -> LiteLLMGateway:
        access = GatewayAccess(f"http://127.0.0.1:{self.http.server_port}", **{"key": SecretStr("sk-1"), **more})
        return LiteLLMGateway("LiteLLM of east", access, clock=lambda: NOW)


def listed(**rules: list[Any]) -> dict[str, Any]:
    return {"data": [{"id": group, "metadata": {"fallbacks": names}} for group, names in rules.items()]}


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.http.shutdown()
    found.http.server_close()


def test_what_is_in_force_is_read_of_the_running_router(server: Server) -> None:
    routing = server.gateway().routing()
    assert routing.tiers == (
        Tier("own", "chat", "hosted_vllm/llama", 1, 2.0, "hosted_vllm", "vllm.llm:8000", "file", 1e-7, None),
        Tier("cloud", "chat", "gpt-4o", 2, None, "openai", "", "database", 2.5e-6, 1e-5),
    )
    assert routing.fallbacks == {"chat": ("large",)}
    assert routing.default_fallbacks == ("small",)
    assert routing.context_window_fallbacks == {"chat": ("long",)}
    assert (routing.version, routing.stored_in_database, routing.knows_fallbacks) == ("1.106.2", True, True)


def test_only_reads_that_cost_nothing_are_asked(server: Server) -> None:
    gateway = server.gateway()
    gateway.routing()
    gateway.probe()
    paths = {urlsplit(path).path for path in server.asked}
    assert paths == {"/model/info", "/health/readiness/details", "/v1/models", "/fallback/%2A"}
    assert server.keys == {"Bearer sk-1"}


def test_an_old_version_says_so_instead_of_showing_no_fallbacks(server: Server) -> None:
    for word in ("general", "context_window", "content_policy"):
        server.answers[f"/v1/models {word}"] = (200, {"data": [{"id": "chat"}]})
    del server.answers["/health/readiness/details"]
    server.answers["/health/readiness"] = (200, {"db": "Not connected", "litellm_version": "1.72.9"})
    routing = server.gateway().routing()
    assert (routing.version, routing.knows_fallbacks, routing.stored_in_database) == ("1.72.9", False, False)
    assert routing.fallbacks == {}
    assert len(routing.tiers) == 2


def test_no_defaults_are_no_defaults(server: Server) -> None:
    del server.answers["/fallback/%2A"]
    routing = server.gateway().routing()
    assert routing.default_fallbacks == ()
    assert routing.fallbacks == {"chat": ("large",), "large": ("small",)}


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (401, {}, Forbidden, "does not let us read its models \\(401\\)"),
        (400, {"error": {"message": "No connected db. sk-9"}}, Forbidden, "\\(400\\)"),
        (302, {}, SourceUnavailable, "sends us to another address"),
        (503, {}, SourceUnavailable, "is out of order"),
        (429, {}, SourceUnavailable, "is out of order"),
        (422, {}, Rejected, "refused to answer"),
        (200, b"<html>hello</html>", SourceUnavailable, "is not that of a LiteLLM proxy"),
        (200, {"data": "x"}, SourceUnavailable, "is not that of a LiteLLM proxy"),
    ],
)
def test_failures_are_told_in_words_and_quote_nothing(
    server: Server, status: int, body: Any, kind: type[SourceError], says: str
) -> None:
    server.answers["/model/info"] = (status, body)
    with pytest.raises(kind, match=says) as error:
        server.gateway().routing()
    assert "sk-" not in str(error.value) + error.value.hint


def test_an_answer_without_end_is_not_read_to_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_http, "MAX_BYTES", 100)
    with pytest.raises(Rejected, match="larger than"):
        server.gateway().routing()


def test_a_key_file_is_read_again_each_time(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "key"
    gateway = server.gateway(key_file=str(path))
    with pytest.raises(Forbidden, match="cannot be read"):
        gateway.routing()
    for key in ("sk-a", "sk-b"):
        path.write_text(f"{key}\n")
        gateway.routing()
    assert server.keys == {"Bearer sk-a", "Bearer sk-b"}
    path.write_text("sk-\u00e9")
    with pytest.raises(Forbidden, match="characters no key has"):
        gateway.routing()


def test_a_proxy_that_is_away_is_told_since_when(server: Server) -> None:
    gateway = server.gateway()
    assert gateway.probe().reachable
    server.answers["/health/readiness/details"] = (503, {})
    status = gateway.probe()
    assert (status.reachable, status.since, status.message) == (False, NOW, "LiteLLM of east is out of order (503).")
    nobody = LiteLLMGateway("LiteLLM", GatewayAccess("http://127.0.0.1:9"), clock=lambda: NOW)
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        nobody.routing()
    nobody.close()


def test_the_address_is_shown_without_its_credentials() -> None:
    gateway = LiteLLMGateway("LiteLLM", GatewayAccess("http://u:p@127.0.0.1:9/base/"), clock=lambda: NOW)
    assert gateway.probe().address == "http://127.0.0.1:9/base"


TRIAL = Trial("chat", {"mock_testing_fallbacks": True}, "Answer with OK.", 5, "rehearsal")


def test_a_test_request_is_what_was_asked_for_and_its_headers_are_the_answer(server: Server) -> None:
    server.posted = (200, {"choices": ["secret words"]}, {
        "x-litellm-model-id": "cloud", "x-litellm-model-group": "large", "x-litellm-attempted-fallbacks": "1",
        "x-litellm-attempted-retries": "2", "x-litellm-response-cost": "1.5e-05",
    })  # fmt: skip
    answer = server.gateway().send(TRIAL)
    assert replace(answer, seconds=0.0) == Answered("cloud", "large", 200, "", 1, 2, 1.5e-5)
    assert answer.seconds > 0
    assert server.asked == ["/v1/chat/completions"]
    assert server.bodies == [{
        "model": "chat", "messages": [{"role": "user", "content": "Answer with OK."}], "max_tokens": 5,
        "cache": {"no-cache": True, "no-store": True}, "metadata": {"tags": ["rehearsal"]},
        "mock_testing_fallbacks": True,
    }]  # fmt: skip
    server.gateway().send(replace(TRIAL, tag="", flags={}))
    assert server.bodies[1].keys() == {"model", "messages", "max_tokens", "cache"}


@pytest.mark.parametrize(
    ("header", "value", "field", "read"),
    [
        ("x-litellm-response-cost", "None", "usd", None),
        ("x-litellm-response-cost", "nan", "usd", None),
        ("x-litellm-response-cost", "-1", "usd", None),
        ("x-litellm-response-cost", "1e999", "usd", None),
        ("x-litellm-attempted-fallbacks", "-1", "fallbacks", None),
        ("x-litellm-attempted-retries", "9" * 400, "retries", None),
        ("x-litellm-model-id", "x" * 4000, "id", "x" * 200),
    ],
)
def test_headers_are_bounded_and_what_is_no_number_is_not_there(
    server: Server, header: str, value: str, field: str, read: Any
) -> None:
    server.posted = (200, {}, {header: value})
    assert getattr(server.gateway().send(TRIAL), field) == read


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, {"error": {"message": "sk-9 upstream", "type": "ServiceUnavailableError", "code": "503"}}, "Service"),
        (429, {"error": {"message": "sk-9", "type": "None", "code": "429"}}, "429"),
        (500, {"error": "sk-9"}, "500"),
        (500, {"error": {"type": "two sk-9 words", "code": 7}}, "500"),
        (401, b"<html>sk-9</html>", "401"),
        (400, {"error": {"message": "set `general_settings.dangerously_allow_mock_testing_request_params`"}}, "Mock"),
    ],
)
def test_a_refusal_is_an_answer_of_nobody_sent_once_and_told_by_its_class(
    server: Server, caplog: pytest.LogCaptureFixture, status: int, body: Any, error: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server.posted = (status, body, {"x-litellm-model-id": "own", "Retry-After": "0"})
    answer = server.gateway().send(TRIAL)
    assert (answer.id, answer.group, answer.status) == ("", "", status)
    assert answer.error.startswith(error)
    assert len(server.bodies) == 1
    assert "sk-9" not in repr(answer) + caplog.text


def test_of_a_refusal_without_end_only_its_beginning_is_read(server: Server) -> None:
    server.posted = (500, b"x" * (keyed_http.MAX_REFUSAL_BYTES * 40), {})
    assert server.gateway().send(TRIAL).error == "500"


def test_a_connection_that_breaks_is_told_and_nothing_is_sent_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = server.gateway(key=SecretStr("sk-hidden"))
    gateway.send(TRIAL)  # the connection is kept
    server.posted = None
    with pytest.raises(SourceUnavailable, match="cannot be reached") as error:
        gateway.send(TRIAL)
    assert len(server.bodies) == 2
    assert "sk-hidden" not in str(error.value) + error.value.hint + caplog.text


def test_a_redirect_of_a_test_request_is_refused_and_not_followed(server: Server) -> None:
    server.posted = (307, {}, {"Location": "/elsewhere"})
    with pytest.raises(SourceUnavailable, match="sends us to another address"):
        server.gateway().send(TRIAL)
    assert server.asked == ["/v1/chat/completions"]


def test_an_answer_that_takes_too_long_is_told_and_not_asked_for_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litellm, "ANSWER_WITHIN_S", 0.05)
    server.slow_s = 0.5
    with pytest.raises(SourceUnavailable, match="did not answer in time"):
        server.gateway().send(TRIAL)
    assert len(server.bodies) == 1
