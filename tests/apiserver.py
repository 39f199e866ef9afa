"""A small Kubernetes API server on loopback for tests: lists, watches and writes, and every way in which they fail.

It behaves as the recorded exchanges in ``tests/data/kube-api`` do, can serve those recordings literally
(:meth:`ApiServer.replay`), and can be told to misbehave. What a test puts into it is stored as it is given; what a
client writes is kept by ``tests/apistore.py`` and judged by the rules of ``tests/apiwrites.py``.

For tests of changes::

    with apiserver.running() as server:
        server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {}})
        cluster = server.cluster()                                 # a KubeCluster, closed with the server
        cluster.read(Ref.of("test", "Node", "n1"))
        server.get("/api/v1/nodes/n1")                             # what is stored now, None when nothing is
        [seen.method for seen in server.writes]                    # requests that were to change something

From another process: give it ``server.url``, or the file ``server.kubeconfig()`` names. How it can be bent:

- ``server.may = lambda asked: asked.user != "ana"`` decides every right: requests, access reviews, and the verb
  "impersonate" on users and groups.
- ``server.on_write = function`` is called with each write before it is carried out and may block, to stop a client
  half-way; ``server.swallow(...)`` carries a write out and loses the answer; ``server.answer(...)`` answers for it.
- ``server.settles = True`` makes workloads roll out at once; :meth:`ApiServer.settle` does it when it is told to.
- ``server.graceful = True`` lets deleted and evicted pods stay, terminating, until :meth:`ApiServer.delete`.
- Budgets, quotas and namespaces count as soon as they are put or created. A namespace exists when it was put, when
  something lives in it, or when it is "default".
"""

import base64
import json
import queue
import socket
import ssl
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from services.adapters.kube import KubeCluster
from services.domain.change.refs import API
from services.domain.kinds import KINDS
from services.settings import KubeAccess
from tests import apiwrites as rules
from tests.apistore import Collection, Seen, Store, line
from tests.apiwrites import Denied, Json, Target, status

RECORDED = Path(__file__).parent / "data" / "kube-api"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def recorded(file: str, title: str) -> Json:
    """One recorded exchange by its title."""
    found: Json = next(e for e in json.loads((RECORDED / f"{file}.json").read_text()) if e["title"] == title)
    return found


GONE = status(410, "Expired", "too old resource version: 1 (2000)")


@dataclass(frozen=True)
class Asked:
    """A right somebody needs, as access reviews name it; ``resource`` is the plural."""

    user: str
    groups: tuple[str, ...]
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str


@dataclass
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str]
    when: Callable[[Seen], bool]
    times: int | None


END, CUT = b"", None


class ApiServer(Store):
    """Serves the installed kinds, empty, until told otherwise. Use as a context manager.

    ``cached``: answer ``resourceVersion=0`` without regard to ``limit``, as the real watch cache does.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, cached: bool = False) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self.token = ""  # the only bearer token accepted; "" accepts every request
        self.cached = cached
        self.account = "system:serviceaccount:gpu-fleet:console"  # who a request without impersonation is
        self.may: Callable[[Asked], bool] = lambda asked: True
        self.on_write: Callable[[Seen], object] = lambda seen: None
        self.warnings: list[str] = []  # sent with every answer to a write
        self._lost: list[tuple[Callable[[Seen], bool], bool]] = []
        self._closing = threading.Event()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._clusters: list[KubeCluster] = []
        self._oldest = 0
        self._tokens_expired = False
        self._answers: dict[str, list[_Answer]] = {}
        self._sockets: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End its clusters, the server and every connection."""
        for cluster in self._clusters:
            cluster.close()
        self._closing.set()
        self._server.shutdown()
        with self._lock:
            for collection in self._collections.values():
                for _, lines, _ in collection.watchers:
                    lines.put(CUT)
            for opened in self._sockets:
                _cut(opened)
        self._server.server_close()
        self._thread.join()
        if self._folder is not None:
            self._folder.cleanup()

    # How it is reached

    def kubeconfig(self, *, token: str = "sesame") -> str:
        """The path of a kubeconfig for it, which exists as long as the server."""
        with self._lock:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="kube-")
        return kubeconfig(Path(self._folder.name), self.url, name=token, user={"token": token})

    def cluster(self, *kinds: str, token: str = "sesame", name: str = "test", **access: Any) -> KubeCluster:
        """A cluster that talks to it, not started, watching these kinds (all without); ``access`` as of KubeAccess.

        It is closed with the server.
        """
        given = KubeAccess(**{"kubeconfig": self.kubeconfig(token=token)} | access)
        chosen = {kind: KINDS[kind] for kind in kinds or KINDS}
        cluster = KubeCluster(name, given, clock=Clock(START), pause=Pauses(), kinds=chosen)
        self._clusters.append(cluster)
        return cluster

    @property
    def requests(self) -> list[Seen]:
        """Every request that arrived, oldest first."""
        return list(self.seen)

    @property
    def writes(self) -> list[Seen]:
        """Requests that were to change something: no reads, access reviews and dry runs."""
        reviews = "selfsubjectaccessreviews"
        return [seen for seen in self.seen if seen.method != "GET" and not seen.dry and not seen.path.endswith(reviews)]

    # What it says unasked

    def bookmark(self, kind: str) -> None:
        """Tell watchers that there is nothing newer."""
        with self._lock:
            self._version += 1
            obj = {"metadata": {"resourceVersion": str(self._version)}}
            self.send(kind, line("BOOKMARK", obj))

    def send(self, kind: str, raw: bytes) -> None:
        """Send bytes to the watchers of a kind."""
        with self._lock:
            for _, lines, _ in self._of(kind).watchers:
                lines.put(raw)

    def end(self, kind: str) -> None:
        """End the watches of a kind in order, as the server does at their timeout."""
        self.send(kind, END)

    def cut(self, kind: str) -> None:
        """Break the connections of the watches of a kind."""
        with self._lock:
            for _, lines, _ in self._of(kind).watchers:
                lines.put(CUT)

    def watchers(self, kind: str) -> int:
        """How many watch a kind now."""
        with self._lock:
            return len(self._of(kind).watchers)

    # How it misbehaves

    def answer(
        self,
        path: str,
        code: int,
        body: Json | bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        when: Callable[[Seen], bool] = lambda seen: True,
        times: int | None = None,
    ) -> None:
        """Answer requests to a path with this instead, ``times`` times; ``path`` "*" is every path."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = {"Content-Type": "text/plain" if isinstance(body, bytes) else "application/json"}
        with self._lock:
            self._answers.setdefault(path, []).append(_Answer(code, raw, content | dict(headers or {}), when, times))

    def behave(self, path: str = "") -> None:
        """Forget what :meth:`answer` was told, for one path or all."""
        with self._lock:
            if path:
                self._answers.pop(path, None)
            else:
                self._answers.clear()

    def replay(self, exchange: Json) -> None:
        """Serve a recorded exchange literally to requests for its path, watch or not, and continue token."""
        parts = urlsplit(exchange["request"]["path"])
        asked = dict(parse_qsl(parts.query))
        body = exchange["response"]["body"]
        if isinstance(body, list):
            body = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in body)
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()

        def same(seen: Seen) -> bool:
            return all(seen.query.get(key) == asked.get(key) for key in ("watch", "continue"))

        content = {"Content-Type": exchange["response"]["contentType"]}
        self.answer(parts.path, exchange["response"]["status"], raw, headers=content, when=same)

    def swallow(self, *, when: Callable[[Seen], bool] = lambda seen: True, silent: bool = False) -> None:
        """Carry the next write out and lose its answer: cut the connection, or (``silent``) never answer."""
        with self._lock:
            self._lost.append((when, silent))

    def forget(self) -> None:
        """Keep no change from before now: watches from an earlier version are answered with 410."""
        with self._lock:
            self._oldest = self._version

    def expire_tokens(self) -> None:
        """Answer the next ``continue`` with 410."""
        with self._lock:
            self._tokens_expired = True

    def asked(self, plural: str, *, watch: bool | None = None) -> list[Seen]:
        """Requests for a resource that arrived, oldest first."""
        found = [seen for seen in list(self.seen) if seen.path.endswith(f"/{plural}")]
        return [seen for seen in found if watch is None or seen.watch is watch]

    # How it answers

    def handle(self, handler: "_Handler", method: str) -> None:
        """One request."""
        parts = urlsplit(handler.path)
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        pairs = tuple((name.lower(), value) for name, value in handler.headers.items())
        headers = {name.title(): value for name, value in pairs}
        seen = Seen(unquote(parts.path), dict(parse_qsl(parts.query)), headers, method, raw, pairs)
        with self._lock:
            self.seen.append(seen)
            canned = self._canned(seen)
            target = Target.of(seen.path)
            collection = self._collections.get(target.root) if target else None
        if self.token and seen.headers.get("Authorization") != f"Bearer {self.token}":
            handler.whole(401, recorded("access-and-discovery", "invalid bearer token")["response"]["body"])
        elif canned is not None:
            handler.whole(canned.status, canned.body, canned.headers)
        elif seen.path == "/version":
            handler.whole(200, recorded("access-and-discovery", "server version")["response"]["body"])
        elif seen.path == "/apis":
            groups = sorted({root.split("/")[2] for root in self._collections if root.startswith("/apis/")})
            handler.whole(200, {"kind": "APIGroupList", "groups": [{"name": group} for group in groups]})
        else:
            try:
                self._answered(handler, seen, target, collection)
            except Denied as denied:
                handler.whole(denied.body["code"], denied.body, {"Content-Type": "application/json"} | denied.headers)
            except (KeyError, TypeError, ValueError, AttributeError):
                # A mistake here would look like a broken connection to the client.
                handler.whole(500, status(500, "InternalError", f"The server of the tests: {traceback.format_exc()}"))

    def _answered(self, handler: "_Handler", seen: Seen, target: Target | None, collection: Collection | None) -> None:
        if target is not None and target.plural == "selfsubjectaccessreviews":
            handler.whole(201, self._review(seen))
        elif target is None or collection is None or target.subresource not in {"", "status", "eviction"}:
            handler.whole(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        elif seen.method == "GET" and not target.name:
            self._need(seen, target, "watch" if seen.watch else "list")
            answer = self._watch if seen.watch else self._list
            answer(handler, collection, target.namespace, seen.query)
        elif seen.method == "GET":
            self._need(seen, target, "get")
            handler.whole(200, self._found(collection, target))
        else:
            verb = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}.get(seen.method, "update")
            self._need(seen, target, verb)
            self.on_write(seen)
            with self._lock:
                code, body = self._written(seen, target, collection, verb)
                lost = next((how for how in self._lost if how[0](seen)), None)
                if lost is not None:
                    self._lost.remove(lost)
            if lost is None:
                told = self._told(seen, target)
                handler.whole(code, body, [("Content-Type", "application/json"), *told])
            elif lost[1]:
                self._closing.wait()
            else:
                _cut(handler.connection)

    def connected(self, opened: socket.socket) -> None:
        """A connection was accepted."""
        with self._lock:
            self._sockets.add(opened)

    def gone(self, opened: socket.socket) -> None:
        """A connection was closed."""
        with self._lock:
            self._sockets.discard(opened)

    def _canned(self, seen: Seen) -> _Answer | None:
        for answers in (self._answers.get(seen.path, []), self._answers.get("*", [])):
            for answer in answers:
                if answer.when(seen):
                    if answer.times is not None:
                        answer.times -= 1
                        if not answer.times:
                            answers.remove(answer)
                    return answer
        return None

    # Who asks, and what they may

    def _who(self, seen: Seen, target: Target) -> tuple[str, tuple[str, ...]]:
        """User and groups of a request. Raises Denied when the account may not act for them."""
        name, groups = seen.all("Impersonate-User"), tuple(seen.all("Impersonate-Group"))
        if not name and not groups:
            return self.account, ()
        for resource, identity in (("users", name[0]), *(("groups", group) for group in groups)):
            if not self.may(Asked(self.account, (), "impersonate", "", resource, "", "", identity)):
                verb = "impersonate-on:user-info:" + {"POST": "create", "GET": "list"}.get(seen.method, "patch")
                raise rules.unauthorised(target, self.account, verb)
        return name[0], groups

    def _need(self, seen: Seen, target: Target, verb: str) -> None:
        user, groups = self._who(seen, target)
        asked = Asked(
            user, groups, verb, target.group, target.plural, target.subresource, target.namespace, target.name
        )
        if not self.may(asked):
            raise rules.unauthorised(target, user, verb)

    def _review(self, seen: Seen) -> Json:
        review: Json = seen.body
        attributes = review["spec"]["resourceAttributes"]
        user, groups = self._who(seen, Target("authorization.k8s.io/v1", "selfsubjectaccessreviews"))
        named = ("verb", "group", "resource", "subresource", "namespace", "name")
        asked = Asked(user, groups, *(attributes.get(key, "") for key in named))
        return review | {"metadata": {}, "status": {"allowed": self.may(asked)}}

    def _told(self, seen: Seen, target: Target) -> list[tuple[str, str]]:
        """Warning headers of an answer to a write."""
        unknown = rules.unknown_fields(target, seen.body) if isinstance(seen.body, dict) else []
        if seen.method not in {"POST", "PATCH"} or target.subresource:
            unknown = []
        texts = [f'unknown field "{name}"' for name in unknown] + self.warnings
        return [("Warning", f"299 - {json.dumps(text)}") for text in texts]

    # How it lists and watches

    def _list(self, handler: "_Handler", collection: Collection, namespace: str, query: Mapping[str, str]) -> None:
        with self._lock:
            start, version = 0, str(self._version)
            if "continue" in query:
                if self._tokens_expired:
                    self._tokens_expired = False
                    handler.whole(410, status(410, "Expired", "The provided continue parameter is too old."))
                    return
                told = json.loads(base64.b64decode(query["continue"]))
                start, version = told["start"], told["rv"]
            here = [obj for (at, _), obj in collection.objects.items() if namespace in {"", at}]
            items = [obj for obj in here if rules.selected(obj, query)]
            limit = int(query.get("limit", 0))
            if not limit or (self.cached and query.get("resourceVersion") == "0"):
                limit = len(items)
            meta = {"resourceVersion": version}
            if start + limit < len(items):
                meta["continue"] = base64.b64encode(
                    json.dumps({"start": start + limit, "rv": version}).encode()
                ).decode()
            body = json.dumps({"kind": "List", "metadata": meta, "items": items[start : start + limit]}).encode()
        handler.whole(200, body, {"Content-Type": "application/json"})

    def _watch(self, handler: "_Handler", collection: Collection, namespace: str, query: Mapping[str, str]) -> None:
        lines: queue.Queue[bytes | None] = queue.Queue()
        since = int(query.get("resourceVersion") or 0)
        with self._lock:
            if since < self._oldest:
                handler.whole(410, GONE)
                return
            for version, at, told, obj in collection.log:
                if version > since and namespace in {"", at} and rules.selected(obj, query):
                    lines.put(told)
            watcher = (namespace, lines, query)
            collection.watchers.append(watcher)
        try:
            handler.stream(iter(lines.get, object()))
        finally:
            with self._lock:
                collection.watchers.remove(watcher)


class _Server(ThreadingHTTPServer):
    api: ApiServer
    daemon_threads = False  # every thread is waited for: none outlives its test

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is written in pieces, and none is to wait for an acknowledgement
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.api.connected(self.connection)

    def finish(self) -> None:
        self.server.api.gone(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self.server.api.handle(self, "GET")

    def do_POST(self) -> None:
        self.server.api.handle(self, "POST")

    def do_PUT(self) -> None:
        self.server.api.handle(self, "PUT")

    def do_PATCH(self) -> None:
        self.server.api.handle(self, "PATCH")

    def do_DELETE(self) -> None:
        self.server.api.handle(self, "DELETE")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
        """Silent."""

    def whole(self, code: int, body: Json | bytes, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        for name, value in list(pairs) or [("Content-Type", "application/json")]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def stream(self, lines: Iterable[bytes | None]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for told in lines:
            if told is None:
                _cut(self.connection)
                self.close_connection = True
                return
            self.wfile.write(f"{len(told):x}\r\n".encode() + told + b"\r\n")
            if told == END:
                return


@contextmanager
def running() -> Iterator[ApiServer]:
    """A server that offers every kind actions touch, custom resources included."""
    with ApiServer() as server:
        for version, plural, _ in API.values():
            server.serve(version, plural)
        yield server


class Clock:
    """A clock that shows one second more each time it is read, from a fixed instant."""

    def __init__(self, start: Any) -> None:
        from datetime import timedelta

        self._now, self._second, self._lock = start, timedelta(seconds=1), threading.Lock()

    def __call__(self) -> Any:
        with self._lock:
            self._now += self._second
            return self._now


class Pauses:
    """Stands in for waiting: notes how long was asked for and waits a hundredth of a second at most."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, stop: threading.Event, seconds: float) -> bool:
        self.asked.append(seconds)
        return stop.wait(min(seconds, 0.01))


def eventually(what: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Wait until something is true; fail when it does not become so."""
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.005)


def kubeconfig(folder: Path, url: str, *, name: str = "kubeconfig", user: Json | None = None, **cluster: Any) -> str:
    """A kubeconfig file for one server, context "test"; returns its path."""
    path = folder / name
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
                "users": [{"name": "u", "user": user if user is not None else {"token": "sesame"}}],
                "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    return str(path)


def _cut(opened: socket.socket) -> None:
    try:
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
