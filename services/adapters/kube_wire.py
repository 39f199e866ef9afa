"""One API server over HTTP: whole answers and watch streams, as bytes, with this product's errors."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import urllib3
from kubernetes.client import ApiClient, ApiException
from kubernetes.config import ConfigException

from services.adapters.kube_connect import Sockets, configured
from services.adapters.kube_words import (
    SOURCE,
    Unauthenticated,
    refusal,
    said,
    unreachable,
    unreadable,
    without_credentials,
)
from services.errors import SourceUnavailable, WrongSetting
from services.settings import KubeAccess

Query = Sequence[tuple[str, str]]

RELOAD_EVERY_S = 30.0
"""Credentials that were refused are loaded anew at most this often: a plugin may be slow or ask someone."""


class Wire:
    """Requests to one API server; safe to share between threads.

    The client is configured at the first request. After a 401 it is configured again, which runs credential plugins
    and reads token files anew, and the request is repeated once.
    """

    def __init__(self, name: str, access: KubeAccess, *, pool_size: int) -> None:
        self._name = name
        self._access = access
        self._pool_size = pool_size
        self._lock = threading.Lock()  # credentials are refreshed by one thread while the others wait
        self._sockets = Sockets()
        self._api: ApiClient | None = None
        self._configured_at = 0.0
        self._closed = False

    @property
    def address(self) -> str:
        """The server's URL without credentials; "" before the first request."""
        api = self._api
        return without_credentials(api.configuration.host) if api else ""

    def get(self, path: str, query: Query = ()) -> bytes:
        """The whole body of a successful answer. Raises an :class:`services.errors.OpsError` for any other."""
        with self._sent(path, query, self._access.read_timeout_s) as response:
            return response.read()

    @contextmanager
    def lines(self, path: str, query: Query, *, silence_s: float) -> Iterator[Iterator[bytes]]:
        """The lines of a streamed answer as they arrive, each with its newline unless it was cut short.

        ``silence_s``: how long the server may send nothing. The iterator raises SourceUnavailable when the stream
        breaks and ends when the server ends it.
        """
        with self._sent(path, query, silence_s) as response:
            yield iter(response)

    def close(self) -> None:
        """Shut every connection, also those other threads read from. Requests made later fail."""
        # Without the lock, which a credential plugin may hold for long.
        self._closed = True
        self._sockets.close()
        api = self._api
        if api is not None:
            api.close()  # type: ignore[no-untyped-call]

    @contextmanager
    def _sent(self, path: str, query: Query, read_timeout_s: float) -> Iterator[urllib3.BaseHTTPResponse]:
        response, address = self._answered(path, query, read_timeout_s)
        try:
            yield response
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(error, address) from error
        finally:
            response.close()  # a fully read answer has already given its connection back to the pool

    def _answered(self, path: str, query: Query, read_timeout_s: float) -> tuple[urllib3.BaseHTTPResponse, str]:
        for last in (False, True):
            api = self._ready()
            address = without_credentials(api.configuration.host)
            response = self._request(api, address, path, query, read_timeout_s)
            if response.status == 200:
                return response, address
            error = self._refused(response, address)
            if last or not isinstance(error, Unauthenticated) or not self._renewed(api):
                raise error
        raise AssertionError("unreachable")

    def _ready(self) -> ApiClient:
        with self._lock:
            if self._closed:
                raise SourceUnavailable(SOURCE, "The connection to the cluster was closed.")
            if self._api is None:
                try:
                    self._api = configured(self._name, self._access, pool_size=self._pool_size)
                except WrongSetting as error:  # right at the start, and since then changed or removed
                    raise SourceUnavailable(SOURCE, str(error), hint=error.hint) from error
                self._sockets.follow(self._api)
                self._configured_at = time.monotonic()
            return self._api

    def _renewed(self, refused: ApiClient) -> bool:
        """Whether another client than the refused one will be used from now on."""
        with self._lock:
            if self._api is not refused:
                return True
            if time.monotonic() - self._configured_at < RELOAD_EVERY_S:
                return False
            self._api = None  # watches that still run on the old one keep their connections
            return True

    def _request(
        self, api: ApiClient, address: str, path: str, query: Query, read_timeout_s: float
    ) -> urllib3.BaseHTTPResponse:
        try:
            with self._lock:
                request = api.param_serialize(
                    "GET",
                    path,
                    query_params=list(query),
                    header_params={"Accept": "application/json"},
                    auth_settings=["BearerToken"],
                )
        except (ConfigException, OSError) as error:
            raise SourceUnavailable(
                SOURCE, f"The credentials for {address} could not be renewed.", hint="Check the token file."
            ) from error
        try:
            answer = api.call_api(*request, _request_timeout=(self._access.connect_timeout_s, read_timeout_s))
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            raise unreachable(error, address) from error
        response: urllib3.BaseHTTPResponse = answer.response
        return response

    def _refused(self, response: urllib3.BaseHTTPResponse, address: str) -> Exception:
        try:
            body = response.read()
        except urllib3.exceptions.HTTPError as error:
            return unreachable(error, address)
        finally:
            response.close()
        if 200 < response.status < 300:
            return unreadable(address, response.headers.get("Content-Type", ""))
        _, message = said(body)
        return refusal(response.status, message, address, response.headers.get("Retry-After"))
