"""Keys in clear text in a gateway's file, its pods and its answers are nowhere in what the console tells or keeps.

A live console is used the whole way once, by a browser and by a program; everything that left it meanwhile is kept, and
each test looks through one part of it.
"""

import json
import re
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Error, Response, WebSocket, expect

from tests import serving
from tests.apiserver import ApiServer, kubeconfig
from tests.apiwrites import status
from tests.e2e import acting, estate, planted
from tests.e2e.browser import TITLES, Tab, Witness, tab
from tests.e2e.planted import BROKEN, CONFIG, FILE, MARK, PATH, Proxy, leaks

pytestmark = pytest.mark.timeout(400)

OMAR = {"X-Forwarded-User": "omar", "X-Forwarded-Groups": "ops"}
CLUSTER = "prod-eu"
KNOWN = "chat-bedrock"
"""The name of a deployment: no secret, so it has to be found where keys are looked for."""


@dataclass
class Heard:
    """What left the console, by where it was seen; ``data`` is its folder."""

    data: Path
    log: Path
    sources: dict[str, bytes] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    programs: dict[str, bytes] = field(default_factory=dict)

    def page(self, what: str, one: Tab) -> Tab:
        """Keep what a page shows now, its markup and its words."""
        html = one.page.evaluate("document.documentElement.outerHTML")
        self.sources[what] = f"{html}\n{one.page.locator('body').inner_text()}\n{one.page.url}".encode()
        return one

    def downloaded(self, one: Tab) -> None:
        """Keep every file a page offers."""
        for button in one.main.get_by_test_id("stDownloadButton").get_by_role("button").all():
            with one.page.expect_download() as expected:
                button.click()
            where = f"{one.path} {expected.value.suggested_filename}"
            self.files[where] = expected.value.path().read_bytes()

    def listen(self, one: Tab) -> None:
        """Keep every answer and every message the browser gets."""
        one.page.on("response", self._response)
        one.page.on("websocket", self._socket)

    def _response(self, response: Response) -> None:
        if "/static/" not in response.url:
            self._answers.append(response)

    def __post_init__(self) -> None:
        self._answers: list[Response] = []

    def fetch(self) -> None:
        """Read the bodies of the answers so far; of one that is a download the browser keeps none."""
        for response in self._answers:
            headers = json.dumps(response.all_headers()).encode()
            try:
                body = response.body()
            except Error:
                body = b""
            self.bodies[f"{len(self.bodies)} {response.url}"] = headers + body
        self._answers.clear()

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self.frames.append(data.encode() if isinstance(data, str) else data))


def setting(api: ApiServer, text: str) -> None:
    """Somebody else writes the gateway's file."""
    api.change(PATH, {"data": {FILE: text}})


def looked(heard: Heard, one: Tab) -> None:
    """Every page, and every file it offers."""
    for path, title in TITLES.items():
        one.open(path).on(title)
        heard.page(path, one)
        heard.downloaded(one)
    one.open("/fallback", range="6h", fell_group="chat").on("Fallback")
    expect(one.keyed("fallback_burst_0")).to_be_visible()
    for by in ("Team", "Cause"):
        one.open("/fallback", range="6h", fell_group="chat", fallback_by=by).on("Fallback")
        expect(one.keyed(f"fallback_by_{by.lower()}_csv")).to_be_visible()
        heard.page(f"fallback by {by}", one)
        heard.downloaded(one)
    one.open("/serving", range="6h", serving_workload="assistants-prod/chat-70b").on("Serving")
    expect(one.told("Batch settings of the workload's engine.")).to_be_visible()
    heard.downloaded(heard.page("serving one", one))
    one.open("/startup", range="7d").on("Startup")
    heard.downloaded(heard.page("startup", one))


def applied(heard: Heard, one: Tab, what: str, reason: str) -> str:
    """Review, apply and wait; what was said of the effect."""
    acting.reviewed(one)
    for name in ("The same with kubectl", "Field by field"):
        if one.dialog.get_by_text(name).count():
            one.dialog.get_by_text(name).first.click()
    heard.page(f"{what}: review", one.rest())
    acting.why(one, reason)
    one.button("review_apply").click()
    said = acting.done(acting.begun(one), 90_000)
    heard.page(f"{what}: done", one)
    return said


def turned(heard: Heard, one: Tab, api: ApiServer) -> None:
    """A chain changed (a tier earlier, another commented out) and taken back from the Audit."""
    one.open("/fallback-edit", fallback_group="chat").on("Chains")
    expect(one.keyed("fallback_findings")).to_contain_text("Keys stand in the ConfigMap in clear text (19)")
    one.button("fallback_up_chat_chat-openai").click()
    one.rest().button("fallback_out_chat_chat-bedrock").click()
    expect(one.keyed("fallback_review")).to_contain_text("Prepared, not applied: chat")
    heard.page("prepared", one.rest())
    one.button("fallback_propose").click()
    said = applied(heard, one, "edit", "cheaper")
    assert "In force: chat: chat-openai → chat-own → large" in said
    assert api.get(PATH)["data"][FILE] != CONFIG  # type: ignore[index]
    one.button("progress_audit").click()
    heard.page("audit one", one.on("Audit"))
    heard.downloaded(one)
    one.button("audit_undo").click()
    applied(heard, one, "undo", "it was only tried")
    assert api.get(PATH)["data"][FILE] == CONFIG  # type: ignore[index]


def rehearsed(heard: Heard, one: Tab, proxy: Proxy) -> None:
    """A rehearsal that goes as planned, and one whose proxy refuses in words full of keys."""
    one.open("/fallback-edit", fallback_group="chat").on("Chains")
    one.button("fallback_rehearse").click()
    applied(heard, one, "rehearsal", "before the weekend")
    assert proxy.asked == 1
    one.button("progress_close").click()
    expect(one.told("Requests of the last rehearsal with who answered each.")).to_be_attached()
    heard.downloaded(one)
    proxy.down = {"chat-openai", "chat-bedrock", "chat-own"}
    one.rest().button("fallback_rehearse").click()
    acting.reviewed(one)
    acting.why(one, "again")
    one.button("review_apply").click()
    expect(acting.begun(one).keyed("progress")).to_contain_text("401", timeout=60_000)
    heard.page("refused rehearsal", one.rest())
    one.button("progress_audit").click()
    heard.page("audit of the refused", one.on("Audit"))
    proxy.down = set()


def chains(one: Tab) -> Tab:
    """The Chains page once it shows the chain: what it was told before is kept for some seconds."""
    for _ in range(20):
        one.open("/fallback-edit", fallback_group="chat").on("Chains")
        if one.keyed("fallback_up_chat_chat-openai").count():
            break
        one.page.wait_for_timeout(1000)
    return one


def broken(heard: Heard, one: Tab, api: ApiServer, proxy: Proxy) -> None:
    """A file that is none, an API server and a proxy that refuse: each in words that quote a key."""
    one.open("/fallback-edit", fallback_group="chat").on("Chains")
    button = one.button("fallback_rehearse")  # its plan reads the file anew, the page keeps what it read for a while
    for name, (text, says) in BROKEN.items():
        setting(api, text)
        button.click()
        expect(one.dialog).to_contain_text(says, timeout=acting.SOON_MS)
        heard.said.append(heard.page(name, one.rest()).dialog.inner_text())
        button = one.button("review_again")
    for path in ("/fallback-edit", "/fallback", "/breakers"):
        heard.page(f"broken {path}", one.open(path).on(TITLES[path]))
    setting(api, CONFIG)
    whole = json.dumps(CONFIG)
    field_ = f"data[{FILE}]: Invalid value: {whole}: not allowed here"
    cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {whole}: not allowed here", "field": "data"}
    details = {"name": "litellm-config", "kind": "ConfigMap", "causes": [cause]}
    answers = [
        status(422, "Invalid", f'ConfigMap "litellm-config" is invalid: {field_}', details=details),
        status(422, "Invalid", f'ConfigMap "litellm-config" is invalid: {field_}'),
        status(403, "Forbidden", f'admission webhook "keys.example" denied the request: api_key: {MARK}-own is a key'),
        status(403, "Forbidden", f'admission webhook "keys.example" denied the request: "{MARK}-own" is a key'),
        status(500, "InternalError", f"failed calling webhook: {whole}"),
    ]
    for number, answer in enumerate(answers):
        api.answer(PATH, answer["code"], answer, when=lambda seen: seen.method == "PATCH")
        chains(one).button("fallback_up_chat_chat-openai").click()
        one.rest().button("fallback_propose").click()
        expect(one.dialog).to_contain_text("It cannot be applied now", timeout=acting.SOON_MS)
        heard.page(f"refused {number}", one.rest())
        heard.said.append(one.dialog.inner_text())
        api.behave(PATH)
    proxy.broken = True
    for path in ("/fallback-edit", "/fallback", "/sources"):
        heard.page(f"proxy broken {path}", one.open(path).on(TITLES[path]))
        heard.said.append(one.main.inner_text())
    proxy.broken = False


def asked(heard: Heard, served: serving.Served) -> None:
    """The same pages by the agent API, with the files it points to."""
    interact = f"{served.url}/_stcore/agent/interact"
    for path in TITLES:
        body: dict[str, Any] = {"query_params": {"range": ["6h"], "fallback_group": ["chat"], "fell_group": ["chat"]}}
        if path != "/":
            body["page"] = path.removeprefix("/")
        answer = _post(interact, body)
        heard.programs[path] = answer
        for url in re.findall(r'"url":\s*"([^"]*media/[^"]+)"', answer.decode()):
            request = urllib.request.Request(urljoin(interact, url), headers=OMAR)
            with urllib.request.urlopen(request, timeout=30) as file:
                heard.programs[f"{path} {url}"] = file.read()


def _post(url: str, body: dict[str, Any]) -> bytes:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **OMAR}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: bytes = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{error.code}: {error.read().decode()}") from error
    return found


@pytest.fixture(scope="module")
def heard(chromium: Browser, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """The whole way, walked once."""
    folder = tmp_path_factory.mktemp("secrets")
    at = estate.this_minute()
    found = Heard(folder / "data", folder / "server.log")
    with (
        planted.api_server(at) as api,
        Proxy(api) as proxy,
        planted.metrics(folder / "prometheus", at, planted.engines(api)) as url,
    ):
        settings = {
            "GFC_DATA_DIR": str(found.data),
            "GFC_CLUSTER_NAME": CLUSTER,
            "GFC_KUBECONFIG": kubeconfig(folder, api.url),
            "GFC_PROMETHEUS_URL": url,
            "GFC_GATEWAY_URL": proxy.url,
            "GFC_GATEWAY_KEY": f"{MARK}-console",
            "GFC_GATEWAY_NAMESPACE": planted.NAMESPACE,
            "GFC_GATEWAY_CONFIGMAP": planted.CONFIGMAP,
            "GFC_GATEWAY_DEPLOYMENT": planted.DEPLOYMENT,
            "GFC_LOGIN": "proxy",
            "GFC_OPERATOR_GROUPS": "ops",
            "GFC_ACT_AS": "service",
            "STREAMLIT_SERVER_ENABLE_AGENT_API": "true",
            "STREAMLIT_LOGGER_LEVEL": "debug",
        }
        with serving.serving(code, serving.command(code), settings, log=found.log) as served:
            with tab(chromium, served, Witness(), extra_http_headers=OMAR) as one:
                found.listen(one)
                looked(found, one)
                turned(found, one, api)
                rehearsed(found, one, proxy)
                broken(found, one, api, proxy)
                for path in ("/audit", "/fallback-edit", "/"):
                    heard_again = one.open(path, range="24h").on(TITLES[path])
                    found.downloaded(found.page(f"{path} at the end", heard_again))
                found.fetch()
            asked(found, served)
    return found


def nowhere(told: dict[str, bytes]) -> None:
    """None of it holds a key."""
    assert {where: found for where, raw in told.items() if (found := leaks(raw))} == {}


def somewhere(told: dict[str, bytes], what: str) -> bool:
    """Whether it holds something that is no secret: otherwise nothing was looked at."""
    return any(what.encode() in raw for raw in told.values())


def test_no_page_shows_a_key(heard: Heard) -> None:
    assert somewhere(heard.sources, KNOWN)
    nowhere(heard.sources)


def test_no_answer_and_no_message_to_a_browser_holds_a_key(heard: Heard) -> None:
    frames = {f"frame {number}": raw for number, raw in enumerate(heard.frames)}
    assert somewhere(frames, KNOWN)
    assert len(frames) > 100
    nowhere(frames)
    nowhere(heard.bodies)


def test_no_file_that_is_offered_holds_a_key(heard: Heard) -> None:
    names = {re.split("[.-]", where.split()[1])[0] for where in heard.files}
    assert {"fallback_rehearsed", "fallback_by_team", "fallback_by_cause", "audit", "serving_settings"} <= names
    assert somewhere(heard.files, KNOWN)
    nowhere(heard.files)


def test_no_answer_to_a_program_holds_a_key(heard: Heard) -> None:
    assert somewhere(heard.programs, KNOWN)
    assert set(TITLES) <= set(heard.programs)
    nowhere(heard.programs)


def test_words_about_what_is_wrong_quote_no_key(heard: Heard) -> None:
    told = "\n".join(heard.said)
    for says in ("rejected ConfigMap", "does not admit ConfigMap", "webhook of the cluster did not answer"):
        assert says in told
    assert leaks(told.encode()) == []


def test_the_log_holds_no_key(heard: Heard) -> None:
    raw = heard.log.read_bytes()
    assert b"Runtime state: " in raw, "what is only told when debugging"
    assert leaks(raw) == []


def test_the_database_holds_no_key(heard: Heard) -> None:
    files = {path.name: path.read_bytes() for path in heard.data.rglob("*") if path.is_file()}
    assert somewhere(files, KNOWN)
    nowhere(files)
    (kept,) = heard.data.glob("*.sqlite3")
    with closing(sqlite3.connect(kept)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: repr(database.execute(f'SELECT * FROM "{table}"').fetchall()).encode() for table in tables}
    assert somewhere(rows, "edit-fallbacks")
    assert somewhere(rows, "rehearse-fallbacks")
    nowhere(rows)


def test_what_looks_for_keys_finds_them() -> None:
    assert leaks(f'{{"api_key": "{MARK.upper()}-own"}}'.encode()) != []
    assert all(leaks(planted.base64.b64encode(b"x" * before + MARK.encode() + b"-own")) for before in range(6))
    assert leaks(MARK.encode("utf-16-le")) != []
    assert leaks(b"chat-bedrock") == []
