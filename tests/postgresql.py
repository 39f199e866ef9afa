"""A PostgreSQL server of our own: fresh folder, reached over a socket in it, ended by whoever started it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.needs import need

_START_WITHIN_S = 30


@contextmanager
def server() -> Iterator[str]:
    """A running server; the folder of its socket, which is what a connection needs as its host."""
    initdb, postgres = need("initdb"), need("postgres")
    folder = Path(tempfile.mkdtemp(prefix="gfc-pg-"))
    user = _unprivileged()
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    try:
        data = folder / "data"
        made = subprocess.run(
            [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            user=user, cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        with (folder / "log").open("w") as log:
            running = subprocess.Popen(
                [postgres, "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
                user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        try:
            _wait(folder, running)
            yield str(folder)
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """The server refuses to run as root; the package brings a user for it."""
    return "postgres" if os.geteuid() == 0 else None


def _wait(folder: Path, running: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            assert running.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        else:
            return
