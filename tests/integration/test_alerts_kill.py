"""A process that is killed while a channel takes its message: the next one sends it again, with the same key."""

import multiprocessing
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from db import migrate
from db.work import Database
from services.adapters.notify import Post
from services.domain.alerts import Channel, made_of
from services.jobs.alerting import LEASE, Alerting
from services.ports import ChannelSource, Sources
from tests.alerting import finding
from tests.collecting import _no_script
from tests.conftest import Inline

NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
_FORKS = multiprocessing.get_context("forkserver")


def deliver(database_url: str, hook: str, at: datetime) -> None:
    """What a collector does with the outbox at an instant."""
    database = Database(database_url)
    channels = {"ops": ChannelSource(Channel("ops"), Post("ops", SecretStr(hook)))}
    sources = Sources("live", {}, lambda: at, Inline(), work=database, channels=channels)
    Alerting(sources, database, lambda _unit: None, senders=Inline())._deliver(at)
    database.close()


def test_a_killed_process_leaves_its_message_to_the_next(tmp_path: Path) -> None:
    """Takes seconds: a process begins, imports everything and is killed."""
    url = f"sqlite:///{tmp_path / 'console.sqlite3'}"
    database = Database(url)
    migrate.upgrade(database.engine)
    with database() as unit:
        unit.alerts.add([made_of(finding(), NOW, Channel("ops"), at=NOW, due=NOW)])
        unit.commit()
    got: list[bytes] = []
    arrived, killed = threading.Event(), threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            arrived.set()
            if len(got) == 1:
                killed.wait(60)  # the first one never hears that its message was taken
                return
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hook = f"json://127.0.0.1:{server.server_port}/"
    process = _FORKS.Process(target=deliver, args=(url, hook, NOW), daemon=True)
    try:
        with _no_script():
            process.start()
        assert arrived.wait(90)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(20)
        killed.set()
        deliver(url, hook, NOW + timedelta(minutes=1))
        assert len(got) == 1, "its lease lasts"
        deliver(url, hook, NOW + LEASE)
    finally:
        killed.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert len(got) == 2
    assert got[0] == got[1]
    with database.reading() as unit:
        assert unit.alerts.recent(NOW)["state"].tolist() == ["sent"]
    database.close()
