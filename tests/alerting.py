"""Channels, findings and a receiver for tests of alerts."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from db.work import Database
from services.alerts import look
from services.domain.alerts import Channel
from services.domain.findings import Finding, Severity
from services.errors import SourceUnavailable
from services.jobs.alerting import Alerting
from services.ports import ChannelSource, Policy, Sources
from services.reading import Problem, Reading
from tests.conftest import Inline
from tests.fakes import Clock


def finding(key: str = "node/east/n1", severity: Severity = Severity.CRITICAL, **changes: Any) -> Finding:
    said: dict[str, Any] = {
        "kind": "GPUs lost",
        "title": "n1 is not ready",
        "detail": "The kubelet stopped posting status.",
        "cluster": "east",
        "page": "utilisation",
        "params": {"cluster": "east", "util_node": "n1"},
    }
    return Finding(key=key, severity=severity, **{**said, **changes})


@dataclass
class Mailbox:
    """A channel that keeps what it was sent, or refuses it."""

    got: list[tuple[str, str]] = field(default_factory=list)
    error: str = ""
    before: Callable[[], None] = lambda: None

    def send(self, subject: str, body: str) -> None:
        self.before()
        if self.error:
            raise SourceUnavailable("alerts", self.error)
        self.got.append((subject, body))

    @property
    def keys(self) -> list[str]:
        """The keys at the end of the subjects."""
        return [subject.rpartition("(")[2].removesuffix(")") for subject, _ in self.got]


@dataclass
class Office:
    """One database, channels by name, what is found, and collectors that work on them."""

    database: Database
    clock: Clock
    patch: pytest.MonkeyPatch
    channels: Sequence[Channel] = (Channel("ops"),)
    found: list[Finding] = field(default_factory=list)
    problem: Problem | None = None

    def __post_init__(self) -> None:
        self.boxes = {channel.name: Mailbox() for channel in self.channels}
        self.patch.setattr(look.attention, "read", lambda _sources, _scope: Reading([*self.found], None, self.problem))

    @property
    def sources(self) -> Sources:
        return Sources(
            mode="live",
            clusters={},
            now=self.clock,
            pool=Inline(),
            policy=Policy(public_url="https://gpus.example.com"),
            work=self.database,
            channels={channel.name: ChannelSource(channel, self.boxes[channel.name]) for channel in self.channels},
        )

    def worker(self, senders: Executor | None = None) -> Alerting:
        return Alerting(self.sources, self.database, lambda _unit: None, senders=senders or Inline())

    def tick(self, worker: Alerting, at: datetime | None = None) -> None:
        self.clock.at = at or self.clock.at
        worker.tick(self.clock.at)


@dataclass
class Received:
    path: str
    body: dict[str, Any]


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[Received]]]:
    """A webhook on this machine: its host and port, and what it got."""
    got: list[Received] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(Received(self.path, json.loads(text)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
