"""From settings to a configured client: kubeconfig or service account, credentials, TLS, one connection pool.

The official client owns the formats (kubeconfig, exec plugins, service account tokens that rotate); this module asks
it, and says in one sentence what is wrong when it cannot.
"""

import os
import socket
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # the parser the official client reads kubeconfigs with
from kubernetes import client, config
from urllib3.connection import HTTPConnection

from services.adapters.kube_words import SOURCE
from services.errors import SourceUnavailable, WrongSetting
from services.settings import KubeAccess

USER_AGENT = "gpu-fleet-console"


def check(name: str, access: KubeAccess) -> None:
    """Make sure that a cluster's access settings can be used, without the network and without running plugins.

    Raises :class:`WrongSetting` with one sentence naming the cluster, what was given and what is there.
    """
    if access.in_cluster:
        if access.kubeconfig or access.context:
            raise WrongSetting(
                f'Cluster "{name}" has both in_cluster and a kubeconfig or context; exactly one of them is expected.'
            )
        _in_cluster(name)
        return
    _context(name, access)


def configured(name: str, access: KubeAccess, *, pool_size: int) -> client.ApiClient:
    """The official client for this access, with a pool that keeps ``pool_size`` connections.

    Runs the credential plugin of the kubeconfig if it has one. Raises :class:`WrongSetting`, or
    :class:`SourceUnavailable` when the plugin gives no credentials.
    """
    check(name, access)
    if access.in_cluster:
        configuration = _in_cluster(name)
    else:
        configuration = client.Configuration()
        try:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=os.pathsep.join(str(path) for path in _paths(access)),
                context=access.context or None,
                client_configuration=configuration,
                persist_config=False,  # a server does not write into a person's kubeconfig
            )
        except config.ConfigException as error:
            raise WrongSetting(f'Cluster "{name}": its kubeconfig cannot be used: {_first_line(error)}') from error
        except Exception as error:
            # Plugins, certificate data and identity providers fail in every way there is.
            raise SourceUnavailable(
                SOURCE,
                f'The credentials of cluster "{name}" could not be obtained ({type(error).__name__}).',
                hint="Check the user entry of the kubeconfig, its certificate data and its login provider.",
            ) from error
        user = _context(name, access)
        if "exec" in user and not configuration.api_key and not configuration.cert_file:
            command = user["exec"].get("command", "") if isinstance(user["exec"], dict) else ""
            raise SourceUnavailable(
                SOURCE,
                f'The credential plugin "{command}" of cluster "{name}" gave no credentials.',
                hint="It must be installed where this product runs, and be able to log in there without a person.",
            )
    configuration.connection_pool_maxsize = pool_size
    configuration.retries = False  # the stores retry, with backoff; redirects are not followed with our token
    configuration.keep_alive = True  # a watch is silent for minutes: only the kernel notices a dead peer
    api = client.ApiClient(configuration)
    api.user_agent = USER_AGENT
    return api


class Sockets:
    """The open sockets of connection pools, so that closing reaches threads blocked in a read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._closed = False

    def follow(self, api: client.ApiClient) -> None:
        """Have every connection the client's pool will make register here."""
        manager: Any = api.rest_client.pool_manager
        followed: dict[str, Any] = {}
        for scheme, pool in manager.pool_classes_by_scheme.items():
            connection = type("Followed", (_Followed, pool.ConnectionCls), {"sockets": self})
            followed[scheme] = type("FollowedPool", (pool,), {"ConnectionCls": connection})
        manager.pool_classes_by_scheme = followed

    def add(self, connection: HTTPConnection) -> None:
        """Note a connection that was just made; after :meth:`close` it is refused."""
        with self._lock:
            self._connections.add(connection)
            if self._closed:
                _shut(connection)

    def close(self) -> None:
        """Shut every socket, whoever reads from it; later connections are shut as they are made."""
        with self._lock:
            self._closed = True
            for connection in self._connections:
                _shut(connection)


class _Followed:
    sockets: Sockets

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sockets.add(self)  # type: ignore[arg-type]


def _shut(connection: HTTPConnection) -> None:
    opened = connection.sock
    if isinstance(opened, socket.socket):
        with suppress(OSError):  # already closed by its owner
            # SSLSocket.shutdown would also drop its TLS state under the reader's feet.
            socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _in_cluster(name: str) -> client.Configuration:
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise WrongSetting(
            f'Cluster "{name}" is set to in_cluster, but this process has no service account of a pod: '
            f"{_first_line(error)}"
        ) from error
    return configuration


def _context(name: str, access: KubeAccess) -> Mapping[str, Any]:
    """The user entry of the context; every reference on the way to it is checked."""
    paths = _paths(access)
    found = [path for path in paths if path.exists()]
    if not found:
        raise WrongSetting(f'Cluster "{name}": the kubeconfig {_listed(paths)} does not exist.')
    documents = [(path, _document(name, path)) for path in found]
    contexts = _entries(name, documents, "contexts", "context")
    wanted = access.context or next((d["current-context"] for _, d in documents if d.get("current-context")), "")
    available = ", ".join(sorted(contexts)) or "none"
    if not wanted:
        raise WrongSetting(
            f'Cluster "{name}": {_listed(found)} names no current context; set one of those available: {available}.'
        )
    if wanted not in contexts:
        raise WrongSetting(
            f'Cluster "{name}": there is no context "{wanted}" in {_listed(found)}; it has: {available}.'
        )
    path, context = contexts[wanted]
    clusters, users = _entries(name, documents, "clusters", "cluster"), _entries(name, documents, "users", "user")
    if context.get("cluster") not in clusters:
        raise WrongSetting(f'Cluster "{name}": context "{wanted}" in {path} names a cluster that is not there.')
    where, cluster = clusters[context["cluster"]]
    if not str(cluster.get("server", "")).startswith(("https://", "http://")):
        raise WrongSetting(f'Cluster "{name}": context "{wanted}" in {where} has no server address with http(s)://.')
    _need_file(name, where, cluster, "certificate-authority")
    if not context.get("user"):
        return {}
    if context["user"] not in users:
        raise WrongSetting(f'Cluster "{name}": context "{wanted}" in {path} names a user that is not there.')
    where, user = users[context["user"]]
    for key in ("client-certificate", "client-key", "tokenFile"):
        _need_file(name, where, user, key)
    return user


def _paths(access: KubeAccess) -> list[Path]:
    given = access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [Path(part).expanduser() for part in given.split(os.pathsep) if part]


def _document(name: str, path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise WrongSetting(f'Cluster "{name}": the kubeconfig {path} is not YAML{line}.') from error
    except UnicodeDecodeError as error:
        raise WrongSetting(f'Cluster "{name}": the kubeconfig {path} is not text.') from error
    except OSError as error:
        raise WrongSetting(f'Cluster "{name}": the kubeconfig {path} cannot be read: {error.strerror}.') from error
    if document is None:
        raise WrongSetting(f'Cluster "{name}": the kubeconfig {path} is empty.')
    if not isinstance(document, dict):
        raise WrongSetting(f'Cluster "{name}": the kubeconfig {path} is not a mapping of contexts, clusters and users.')
    return document


def _entries(
    name: str, documents: list[tuple[Path, dict[str, Any]]], plural: str, singular: str
) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Entries by name with the file they stand in; the first file that has a name wins, as for kubectl."""
    entries: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path, document in documents:
        listed = document.get(plural) or []
        named = isinstance(listed, list) and all(isinstance(e, dict) and isinstance(e.get("name"), str) for e in listed)
        if not named:
            raise WrongSetting(f'Cluster "{name}": {plural} in the kubeconfig {path} is not a list of named entries.')
        for entry in listed:
            value = entry.get(singular) or {}
            if not isinstance(value, dict):
                raise WrongSetting(f'Cluster "{name}": {singular} "{entry["name"]}" in {path} is not a mapping.')
            entries.setdefault(entry["name"], (path, value))
    return entries


def _need_file(name: str, kubeconfig: Path, entry: Mapping[str, Any], key: str) -> None:
    if entry.get(key) and f"{key}-data" not in entry:
        path = kubeconfig.parent / str(entry[key])
        if not path.is_file():
            raise WrongSetting(f'Cluster "{name}": {key} of {kubeconfig} names {path}, which does not exist.')


def _listed(paths: list[Path]) -> str:
    return " and ".join(str(path) for path in paths) or "(none given)"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
