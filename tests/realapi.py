"""A real API server for tests: etcd and kube-apiserver on loopback, from the folder KUBEBUILDER_ASSETS names.

The folder is that of envtest (``setup-envtest use``); the flags are those its control plane starts with, plus static
tokens for the users the tests act as. There is no controller manager, scheduler or kubelet: objects stay as they are
written, and namespaces have no default service account (the admission plugin that asks for one is off).
"""

import http.client
import json
import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.settings import KubeAccess
from tests import tls
from tests.apiserver import kubeconfig

ASSETS = "KUBEBUILDER_ASSETS"
READY_WITHIN_S = 60.0
_TOKENS = {"admin": "admin-token", "nobody": "nobody-token", "stranger": "unknown-token"}
"""Users: one with every right, one without any, and one the server does not know."""


class RealApi:
    """A running server; :func:`running` makes it."""

    def __init__(self, url: str, authority: Path, folder: Path) -> None:
        self.url = url
        self._authority = authority
        self._folder = folder
        self._tls = ssl.create_default_context(cafile=str(authority))

    def access(self, user: str = "admin", *, namespaces: tuple[str, ...] = ()) -> KubeAccess:
        """How a user reaches the server."""
        path = kubeconfig(
            self._folder,
            self.url,
            name=f"kubeconfig-{user}",
            user={"token": _TOKENS[user]},
            **{"certificate-authority": str(self._authority)},
        )
        return KubeAccess(kubeconfig=path, namespaces=namespaces)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, patch: bool = False) -> dict[str, Any]:
        """One request as the administrator; fails the test unless it succeeds."""
        address = urlsplit(self.url)
        assert address.hostname is not None
        connection = http.client.HTTPSConnection(address.hostname, address.port, context=self._tls, timeout=30)
        try:
            content = "application/merge-patch+json" if patch else "application/json"
            headers = {"Authorization": f"Bearer {_TOKENS['admin']}", "Content-Type": content}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {raw[:500]!r}"
        answered: dict[str, Any] = json.loads(raw) if "json" in answer.headers.get("Content-Type", "") else {}
        return answered


@contextmanager
def running() -> Iterator[RealApi]:
    """Start etcd and kube-apiserver, and end both. Skips, also in CI, when KUBEBUILDER_ASSETS is not set."""
    assets = os.environ.get(ASSETS)
    if not assets:
        pytest.skip(f"{ASSETS} names no folder with kube-apiserver and etcd")
    etcd, apiserver = (str(Path(assets) / name) for name in ("etcd", "kube-apiserver"))
    # Not the test's own folder: etcd's socket paths and data are better kept short and away from it.
    with tempfile.TemporaryDirectory(prefix="api-") as name, ExitStack() as stack:
        folder = Path(name)
        store_port, peer_port, port = _free_port(), _free_port(), _free_port()
        store = f"http://127.0.0.1:{store_port}"
        _start(
            stack,
            folder / "etcd.log",
            etcd,
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}",
            f"--initial-cluster=default=http://127.0.0.1:{peer_port}",
            "--unsafe-no-fsync",
        )
        made, key = tls.certificate(folder, "server")
        signing, verifying = tls.signing_key(folder, "accounts")
        tokens = folder / "tokens.csv"
        tokens.write_text(
            f'{_TOKENS["admin"]},admin,admin,"system:masters"\n{_TOKENS["nobody"]},nobody,nobody,""\n', "utf-8"
        )
        server = _start(
            stack,
            folder / "kube-apiserver.log",
            apiserver,
            f"--etcd-servers={store}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={made}",
            f"--tls-private-key-file={key}",
            f"--cert-dir={folder}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={signing}",
            f"--service-account-key-file={verifying}",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
        )
        api = RealApi(f"https://127.0.0.1:{port}", made, folder)
        _until_ready(api, server, folder / "kube-apiserver.log")
        yield api


def _start(stack: ExitStack, log: Path, *command: str) -> "subprocess.Popen[bytes]":
    """Start a process that ends with the stack."""
    out = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_ready(api: RealApi, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server is ready and has made the namespace default, which objects of the tests live in."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            api.ask("GET", "/readyz")
            api.ask("GET", "/api/v1/namespaces/default")
            api.ask("GET", "/apis/scheduling.k8s.io/v1/priorityclasses/system-cluster-critical")
        except (OSError, AssertionError, http.client.HTTPException):
            told = log.read_text("utf-8", "replace")[-2000:]
            assert server.poll() is None, f"kube-apiserver ended: {told}"
            assert time.monotonic() < deadline, f"kube-apiserver did not become ready: {told}"
            time.sleep(0.2)
        else:
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
