"""A small Kubernetes API server on loopback for tests: lists in pages, watches, and every way in which they fail.

It behaves as the recorded exchanges in ``tests/data/kube-api`` do, can serve those recordings literally
(:meth:`ApiServer.replay`), and can be told to misbehave. It checks nothing: any object is stored as it is given.
"""

import base64
import copy
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from services.domain.kinds import KINDS

RECORDED = Path(__file__).parent / "data" / "kube-api"
Json = dict[str, Any]


def recorded(file: str, title: str) -> Json:
    """One recorded exchange by its title."""
    found: Json = next(e for e in json.loads((RECORDED / f"{file}.json").read_text()) if e["title"] == title)
    return found


def status(code: int, reason: str, message: str) -> Json:
    """A meta/v1 Status."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


GONE = status(410, "Expired", "too old resource version: 1 (2000)")


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def watch(self) -> bool:
        return self.query.get("watch") == "true"


@dataclass
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str]
    when: Callable[[Seen], bool]
    times: int | None


@dataclass
class _Collection:
    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    log: list[tuple[int, str, bytes]] = field(default_factory=list)  # version, namespace, line
    watchers: list[tuple[str, "queue.Queue[bytes | None]"]] = field(default_factory=list)


END, CUT = b"", None


class ApiServer:
    """Serves the installed kinds, empty, until told otherwise. Use as a context manager.

    ``cached``: answer ``resourceVersion=0`` without regard to ``limit``, as the real watch cache does.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, cached: bool = False) -> None:
        self.seen: list[Seen] = []
        self.token = ""  # the only bearer token accepted; "" accepts every request
        self.cached = cached
        self._lock = threading.RLock()
        self._version = 1000
        self._oldest = 0
        self._tokens_expired = False
        self._collections: dict[str, _Collection] = {}
        self._answers: dict[str, list[_Answer]] = {}
        self._sockets: set[socket.socket] = set()
        for kind in KINDS.values():
            if kind.installed:
                self.serve(kind.groups[0], kind.plural)
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
        """End the server and every connection."""
        self._server.shutdown()
        with self._lock:
            for collection in self._collections.values():
                for _, lines in collection.watchers:
                    lines.put(CUT)
            for opened in self._sockets:
                _cut(opened)
        self._server.server_close()
        self._thread.join()

    # What it holds

    def serve(self, version: str, plural: str) -> None:
        """Offer a resource, empty."""
        self._collections.setdefault(_root(version, plural), _Collection())

    def withdraw(self, version: str, plural: str) -> None:
        """Offer a resource no longer."""
        del self._collections[_root(version, plural)]

    def put(self, kind: str, *objects: Json) -> None:
        """Add or change objects; watchers are told."""
        for given in objects:
            with self._lock:
                collection = self._of(kind)
                obj = copy.deepcopy(given)
                meta = obj["metadata"]
                key = meta.get("namespace", ""), meta["name"]
                self._version += 1
                meta["resourceVersion"] = str(self._version)
                meta.setdefault("uid", f"uid-{'-'.join(key)}")
                type_ = "MODIFIED" if key in collection.objects else "ADDED"
                collection.objects[key] = obj
                self._tell(collection, key[0], type_, obj)

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Remove an object; watchers are told."""
        with self._lock:
            collection = self._of(kind)
            obj = collection.objects.pop((namespace, name))
            self._version += 1
            obj["metadata"]["resourceVersion"] = str(self._version)
            self._tell(collection, namespace, "DELETED", obj)

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
            for _, lines in self._of(kind).watchers:
                lines.put(raw)

    def end(self, kind: str) -> None:
        """End the watches of a kind in order, as the server does at their timeout."""
        self.send(kind, END)

    def cut(self, kind: str) -> None:
        """Break the connections of the watches of a kind."""
        with self._lock:
            for _, lines in self._of(kind).watchers:
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

    def handle(self, handler: "_Handler") -> None:
        """One request."""
        parts = urlsplit(handler.path)
        seen = Seen(
            parts.path, dict(parse_qsl(parts.query)), {name.title(): value for name, value in handler.headers.items()}
        )
        with self._lock:
            self.seen.append(seen)
            canned = self._canned(seen)
            root, namespace = _split(seen.path)
            collection = self._collections.get(root)
        if self.token and seen.headers.get("Authorization") != f"Bearer {self.token}":
            handler.whole(401, recorded("access-and-discovery", "invalid bearer token")["response"]["body"])
        elif canned is not None:
            handler.whole(canned.status, canned.body, canned.headers)
        elif seen.path == "/version":
            handler.whole(200, recorded("access-and-discovery", "server version")["response"]["body"])
        elif seen.path == "/apis":
            groups = sorted({root.split("/")[2] for root in self._collections if root.startswith("/apis/")})
            handler.whole(200, {"kind": "APIGroupList", "groups": [{"name": group} for group in groups]})
        elif collection is None:
            handler.whole(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        elif seen.watch:
            self._watch(handler, collection, namespace, seen.query)
        else:
            self._list(handler, collection, namespace, seen.query)

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

    def _list(self, handler: "_Handler", collection: _Collection, namespace: str, query: Mapping[str, str]) -> None:
        with self._lock:
            start, version = 0, str(self._version)
            if "continue" in query:
                if self._tokens_expired:
                    self._tokens_expired = False
                    handler.whole(410, status(410, "Expired", "The provided continue parameter is too old."))
                    return
                told = json.loads(base64.b64decode(query["continue"]))
                start, version = told["start"], told["rv"]
            items = [obj for (ns, _), obj in collection.objects.items() if namespace in {"", ns}]
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

    def _watch(self, handler: "_Handler", collection: _Collection, namespace: str, query: Mapping[str, str]) -> None:
        lines: queue.Queue[bytes | None] = queue.Queue()
        since = int(query.get("resourceVersion") or 0)
        with self._lock:
            if since < self._oldest:
                handler.whole(410, GONE)
                return
            for version, at, told in collection.log:
                if version > since and namespace in {"", at}:
                    lines.put(told)
            watcher = (namespace, lines)
            collection.watchers.append(watcher)
        try:
            handler.stream(iter(lines.get, object()))
        finally:
            with self._lock:
                collection.watchers.remove(watcher)

    def _tell(self, collection: _Collection, namespace: str, type_: str, obj: Json) -> None:
        told = line(type_, obj)
        collection.log.append((self._version, namespace, told))
        for watched, lines in collection.watchers:
            if watched in {"", namespace}:
                lines.put(told)

    def _of(self, kind: str) -> _Collection:
        known = KINDS.get(kind)
        roots = [_root(version, known.plural) for version in known.groups] if known else [kind]
        return next(self._collections[root] for root in roots if root in self._collections)


class _Server(ThreadingHTTPServer):
    api: ApiServer
    daemon_threads = False  # every thread is waited for: none outlives its test

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.api.connected(self.connection)

    def finish(self) -> None:
        self.server.api.gone(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self.server.api.handle(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
        """Silent."""

    def whole(self, code: int, body: Json | bytes, headers: Mapping[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in (headers or {"Content-Type": "application/json"}).items():
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


def line(type_: str, obj: Json) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": type_, "object": obj}, separators=(",", ":")).encode() + b"\n"


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


def _root(version: str, plural: str) -> str:
    return f"/apis/{version}/{plural}" if "/" in version else f"/api/{version}/{plural}"


def _split(path: str) -> tuple[str, str]:
    parts = path.split("/")
    if "namespaces" in parts[:-1]:
        at = parts.index("namespaces")
        return "/".join(parts[:at] + parts[at + 2 :]), parts[at + 1]
    return path, ""


def _cut(opened: socket.socket) -> None:
    try:
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
