"""A console of our own in a process of its own, on loopback, ended by whoever started it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_WITHIN_S = 60


@dataclass(frozen=True)
class Served:
    """A running console: its address, its process and the file its output goes to."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and text of an answer."""
        request = urllib.request.Request(f"{self.url}{path}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers.get_content_type(), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get_content_type(), error.read().decode()


def free_port() -> int:
    """A port of loopback nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(folder: Path) -> list[str]:
    """How a console whose code lies in a folder is started with this interpreter."""
    return [sys.executable, "-m", "streamlit", "run", str(folder / "asgi.py")]


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """A clean environment: this interpreter's programs, a home of its own, nothing else of the caller's."""
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **extra}


@contextmanager
def serving(
    folder: Path, command: Sequence[str], extra: Mapping[str, str] | None = None, *, log: Path | None = None
) -> Iterator[Served]:
    """The console in ``folder`` started by ``command``, once it is healthy; ended on leaving.

    Its output goes to ``log``, or to a file in the folder.
    """
    port = free_port()
    variables = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_ADDRESS": "127.0.0.1", **(extra or {})}
    log = log or folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder, variables), stdout=output, stderr=subprocess.STDOUT
        )
    served = Served(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait(served)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()


def _wait(served: Served) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        assert served.process.poll() is None, served.log.read_text(errors="replace")
        try:
            status, _, text = served.get("/_stcore/health")
        except OSError:
            status, text = 0, ""
        if (status, text) == (200, "ok"):
            return
        assert time.monotonic() < deadline, served.log.read_text(errors="replace")
        time.sleep(0.1)
