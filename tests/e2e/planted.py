"""A gateway and engines in which keys stand in clear text wherever one may stand, and what finds them elsewhere.

Every key has :data:`MARK` in it, beside what it is the key of; nothing else of the estate has. None has a form by which
keys are known, such as ``sk-``.
"""

import base64
import copy
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from services.domain import litellm
from services.errors import Refused
from tests.apiserver import ApiServer
from tests.e2e import estate
from tests.integration.prom_server import Series, backfill, openmetrics, prometheus

MARK = "zq7canary"
NAMESPACE, CONFIGMAP, DEPLOYMENT, FILE = "ai-gateway", "litellm-config", "litellm", "config.yaml"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CONFIGMAP}"
CONFIG = f"""\
# what the models answer through; the key before this year's was {MARK}-comment
x-defaults: &defaults
  api_key: {MARK}-anchor
model_list:
  - model_name: chat
    litellm_params:
      model: hosted_vllm/meta-llama/Llama-3.3-70B-Instruct
      api_base: http://proxy:{MARK}-base@chat-70b.assistants-prod:8000/v1?token={MARK}-query
      api_key: {MARK}-own
      extra_headers: {{X-Api-Key: {MARK}-header, Authorization: "Bearer {MARK}-bearer"}}
      order: 1
    model_info: {{id: chat-own}}
  - model_name: chat
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: "{MARK}-deployment"  # rotate {MARK}-trailing in March
      order: 2
      input_cost_per_token: 0.00000015
      output_cost_per_token: 0.0000006
    model_info: {{id: chat-openai}}
  - model_name: chat
    litellm_params:
      model: bedrock/claude-haiku
      aws_access_key_id: {MARK}-id
      aws_secret_access_key: |-
        {MARK}-block
        {MARK}-second
      vertex_credentials: '{{"type": "service_account", "private_key": "{MARK}-json"}}'
      order: 3
    model_info: {{id: chat-bedrock}}
  - model_name: large
    litellm_params:
      <<: *defaults
      model: openai/https://user:{MARK}-model@models.example/v1
      custom_llm_provider: azure
      input_cost_per_token: 0.0000025
      output_cost_per_token: 0.00001
    model_info: {{id: large-azure}}
router_settings:
  redis_url: redis://:{MARK}-redis@redis:6379
  redis_password: {MARK}-redispass
  timeout: 60
  fallbacks: [{{chat: [large]}}]
  content_policy_fallbacks: [{{chat: [{{model: large, api_key: {MARK}-rule}}]}}]
litellm_settings:
  callbacks: [prometheus]
  cache_params: {{type: redis, password: {MARK}-cache}}
guardrails:
  - guardrail_name: pii
    litellm_params: {{guardrail: presidio, api_key: {MARK}-guard}}
general_settings:
  master_key: {MARK}-master
  database_url: postgresql://litellm:{MARK}-database@db:5432/litellm
  alerting_args: {{webhook_url: "https://hooks.example/{MARK}-hook"}}
  dangerously_allow_mock_testing_request_params: true
environment_variables:
  OPENAI_API_KEY: {MARK}-environment
"""
BROKEN = {
    "quote": (CONFIG.replace(f'"{MARK}-deployment"', f'"{MARK}-deployment'), "line 28: it cannot be read"),
    "tab": (CONFIG.replace(f"  master_key: {MARK}", f"\tmaster_key: {MARK}"), "line 52: a tab stands"),
    "colon": (CONFIG.replace(f"api_key: {MARK}-own", f"api_key: {MARK}-own: {MARK}-twice"), "line 9: it cannot be"),
    "alias": (CONFIG.replace(f"api_key: {MARK}-own", f"api_key: *{MARK}-alias"), "line 9: an alias has no anchor"),
    "word": (f"{MARK}-word", "it has no sections"),
}
"""Ways in which the file is none, where the parser would point at a line with a key, and what is said of them."""

_WORKLOAD, _KIND = "chat-70b", "Llama-3.3-70B"


def _encoded() -> list[bytes]:
    """The mark as text and as base64, whatever comes before it."""
    found = [MARK.encode()]
    for before in range(3):
        text = base64.b64encode(b"\0" * before + MARK.encode())
        found.append(text[-(-before * 8 // 6) : len(text) - 4])
    return found


_MARKS = _encoded()
_UTF16 = (MARK.encode("utf-16-le"), MARK.encode("utf-16-be"))


def leaks(told: bytes) -> list[str]:
    """What of a key is in these bytes, with what is around it; archives are looked into."""
    found = [
        told[max(at - 120, 0) : at + 80].decode(errors="replace")
        for mark in (*_MARKS, *_UTF16)
        for at in [(told.lower() if mark is _MARKS[0] else told).find(mark)]
        if at >= 0
    ]
    if told.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(told)) as archive:
            found += [text for name in archive.namelist() for text in leaks(archive.read(name))]
    return found


class Proxy:
    """A LiteLLM proxy that routes by the ConfigMap and says more than it should: its answers are full of keys.

    ``broken``: it answers with an error that quotes a key. Deployments in ``down`` do not answer requests.
    """

    def __init__(self, api: ApiServer) -> None:
        self._api, self.broken, self.asked = api, False, 0
        self._runs = litellm.read(CONFIG)
        self.down: set[str] = set()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*proxy.told(self.path))

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*proxy.answered(asked))

            def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                said = {"Content-Type": "application/json", "X-Upstream-Key": f"{MARK}-upstream", **(headers or {})}
                for name, value in {**said, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def told(self, path: str) -> tuple[int, Any]:
        """Status and body of a question."""
        if self.broken:
            return 500, {"error": {"message": f"Incorrect API key provided: {MARK}-upstream", "code": f"{MARK}-code"}}
        where = path.partition("?")[0]
        config = self._config()
        if where == "/model/info":
            models = [self._model(one) for one in config.deployments]
            return 200, {"data": models, "master_key": f"{MARK}-told"}
        if where == "/v1/models":
            rules = config.in_force("fallbacks") if "fallback_type=general" in path else {}
            listed = [{"id": group, "metadata": {"fallbacks": rules.get(group)}} for group in config.groups]
            return 200, {"data": listed}
        if where.startswith("/health/readiness"):
            return 200, {"status": "healthy", "litellm_version": "1.106.2", "db": "Not connected", "key": MARK}
        return 404, {"detail": {"error": f"no {MARK}"}}

    def answered(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers of a request: who is up of the group answers."""
        self.asked += 1
        fails = 1 if asked.get("mock_testing_fallbacks") else 0
        mine = [one for one in self._config().of(asked["model"])[fails:] if one.id not in self.down]
        if not mine:
            said = {"message": f"AuthenticationError: {MARK}-refused", "type": f"{MARK} type", "code": f"{MARK} 401"}
            return 401, {"error": said}, {}
        body = {"choices": [{"message": {"content": f"{MARK}-said"}}]}
        headers = {"x-litellm-model-id": mine[0].id, "x-litellm-model-group": asked["model"]}
        counts = {"x-litellm-attempted-fallbacks": str(fails), "x-litellm-response-cost": "0.00001"}
        return 200, body, {**headers, **counts, "x-litellm-model-api-base": f"http://u:{MARK}-head@host"}

    def _config(self) -> litellm.Config:
        found = self._api.get(PATH)
        assert found is not None
        with suppress(Refused):  # the process goes on with what it has read
            self._runs = litellm.read(found["data"][FILE])
        return self._runs

    def _model(self, one: litellm.Deployment) -> dict[str, Any]:
        keys = {"api_key": f"{MARK}-told", "extra_headers": {"Authorization": f"Bearer {MARK}-told"}}
        base = f"http://u:{MARK}-told@{one.base}/v1?key={MARK}-told" if one.base else None
        params = {"model": one.model, "custom_llm_provider": one.provider, "api_base": base, "order": one.order}
        prices = {"input_cost_per_token": one.input_usd, "output_cost_per_token": one.output_usd}
        info = {"id": one.id, "key": f"{MARK}-told", **prices}
        return {"model_name": one.group, "litellm_params": {**params, **keys}, "model_info": info}


@contextmanager
def api_server(at: datetime) -> Iterator[ApiServer]:
    """The cluster of :mod:`tests.e2e.estate` with the gateway in it, and keys among what its engines are given."""
    with estate.api_server(at) as server:
        server.settles = True
        server.put("namespaces", {"metadata": {"name": NAMESPACE}})
        meta = {"name": CONFIGMAP, "namespace": NAMESPACE}
        whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {FILE: CONFIG}}
        repeated = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(whole)}
        server.put({**whole, "metadata": {**meta, "annotations": repeated}})
        server.put(_deployment())
        server.settle(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}")
        for number, name in enumerate(engines(server)):
            path = f"/api/v1/namespaces/assistants-prod/pods/{name}"
            pod = server.get(path)
            assert pod is not None
            server.put("pods", _with_keys(pod, number))
        yield server


def engines(server: ApiServer) -> list[str]:
    """The pods of the workload whose engine is looked at."""
    held = server._collections["/api/v1/pods"].objects
    return sorted(name for namespace, name in held if namespace == "assistants-prod" and name.startswith(_WORKLOAD))


def _deployment() -> dict[str, Any]:
    volumes = [{"name": "config", "configMap": {"name": CONFIGMAP}}]
    container = {
        "name": "litellm",
        "image": "litellm/litellm:v1.106.2",
        "args": ["--config", f"/etc/{FILE}", "--master-key", f"{MARK}-argument"],
        "env": [{"name": "LITELLM_MASTER_KEY", "value": f"{MARK}-variable"}],
    }
    labels = {"app": DEPLOYMENT}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"volumes": volumes, "containers": [container]}},
        },
    }


def _with_keys(pod: dict[str, Any], number: int) -> dict[str, Any]:
    """A pod of an engine with keys among its arguments: one by one, or all in the line of a shell."""
    found = copy.deepcopy(pod)
    container = found["spec"]["containers"][0]
    given = [*container["args"], "--api-key", f"{MARK}-flag", f"--api-key={MARK}-equals", f"--hf-token={MARK}-hf"]
    if number:
        container["command"] = ["sh", "-c", f"VLLM_API_KEY={MARK}-shell exec vllm serve m {' '.join(given)}"]
        container.pop("args")
    else:
        container["args"] = given
    container["env"] = [{"name": "VLLM_API_KEY", "value": f"{MARK}-pod"}]
    found["metadata"].setdefault("annotations", {})["example.com/api-key"] = f"{MARK}-annotation"
    return found


@contextmanager
def metrics(folder: Path, at: datetime, pods: list[str]) -> Iterator[str]:
    """A Prometheus in which gateway and engines tell their counters, with keys in labels; its address.

    An hour before an instant chat begins to be answered by its second tier alone.
    """
    folder.mkdir()
    begin = at - timedelta(hours=3)
    text = folder / "told.om"
    text.write_text(openmetrics(_series(begin, at, pods), begin, at + timedelta(minutes=10), timedelta(minutes=1)))
    backfill(text, folder)
    text.unlink()
    with prometheus(folder) as url:
        yield url


def _series(begin: datetime, at: datetime, pods: list[str]) -> list[Series]:
    turned = at - timedelta(hours=1)

    def minutes(instant: datetime, since: datetime, until: datetime) -> float:
        return max((min(instant, until) - since).total_seconds() / 60, 0.0)

    where = {"namespace": NAMESPACE, "pod": "litellm-0", "job": "litellm", "instance": "10.0.0.9:4000"}
    secret = {"api_base": f"http://u:{MARK}-label@host", "hashed_api_key": f"{MARK}-hashed", "user": f"{MARK}-user"}
    model = {**where, **secret, "requested_model": "chat", "team_alias": "assistants", "team": "t1"}
    own, other = {"model_id": "chat-own"}, {"model_id": "chat-openai"}
    error = {"exception_status": "503", "exception_class": "ServiceUnavailableError"}
    answers, end = "litellm_deployment_success_responses_total", at + timedelta(hours=1)
    sent = {"fallback_model": "chat", **error}
    found = [
        Series("up", where, 1.0),
        Series(answers, {**model, **own, "model_group": "chat"}, lambda t: 20 * minutes(t, begin, turned)),
        Series(answers, {**model, **other, "model_group": "chat"}, lambda t: 10 * minutes(t, turned, end)),
        Series(
            "litellm_deployment_successful_fallbacks_total",
            {**model, **sent},
            lambda t: 10 * minutes(t, turned, end),
        ),
        Series(
            "litellm_deployment_failure_responses_total",
            {**model, **own, **error, "model_group": "chat"},
            lambda t: 10 * minutes(t, turned, end),
        ),
        Series(
            "litellm_spend_metric_total",
            {**model, **other, "model": "gpt-4o-mini", "api_provider": "openai"},
            lambda t: 0.1 * minutes(t, turned, end),
        ),
    ]
    for number, pod in enumerate(pods):
        here = {
            "namespace": "assistants-prod", "pod": pod, "job": "vllm", "instance": f"10.0.1.{number}:8000",
            "model_name": _KIND, "api_key": f"{MARK}-label",
        }  # fmt: skip
        found += [
            Series("up", {name: here[name] for name in ("namespace", "pod", "job", "instance")}, 1.0),
            Series("vllm:num_requests_running", here, 40.0),
            Series("vllm:num_requests_waiting", here, 0.0),
            Series("vllm:kv_cache_usage_perc", here, 0.5),
            Series("vllm:generation_tokens_total", here, lambda t: 600 * minutes(t, begin, end)),
        ]
    return found
