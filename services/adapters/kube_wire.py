"""One API server over HTTP: whole answers and watch streams, as bytes, with this product's errors."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import urllib3
from kubernetes.client import ApiClient
from kubernetes.config import ConfigException

from services.adapters.kube_connect import Sockets, configured
from services.adapters.kube_words import (
    SOURCE,
    refusal,
    said,
    unreachable,
    unreadable,
    without_credentials,
)
from services.errors import SourceUnavailable, WrongSetting
from services.settings import KubeAccess

Query = Sequence[tuple[str, str]]
Headers = tuple[tuple[str, str], ...]
"""Pairs, because a name may occur several times."""

RELOAD_EVERY_S = 30.0
"""Credentials that were refused are loaded anew at most this often: a plugin may be slow or ask someone."""


@dataclass(frozen=True)
class Request:
    """What is asked. ``changes``: an answer that is lost leaves open whether something was changed."""

    path: str
    query: Query = ()
    method: str = "GET"
    headers: Headers = ()
    body: bytes | None = None
    changes: bool = False


@dataclass(frozen=True)
class Answer:
    """A whole answer of any status; ``warnings`` are the values of its Warning headers."""

    status: int
    body: bytes
    address: str
    content_type: str = ""
    retry_after: str | None = None
    warnings: tuple[str, ...] = ()


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
        with self._sent(Request(path, query), self._access.read_timeout_s) as response:
            return response.read()

    def send(self, request: Request) -> Answer:
        """The answer, whatever its status. Raises SourceUnavailable when there is none.

        Nothing is sent twice but after a 401, which says that nothing was done.
        """
        response, address = self._answered(request, self._access.read_timeout_s)
        body = self._whole(response, address, changing=request.changes)
        headers = response.headers
        return Answer(
            status=response.status,
            body=body,
            address=address,
            content_type=headers.get("Content-Type", ""),
            retry_after=headers.get("Retry-After"),
            warnings=tuple(headers.getlist("Warning")),
        )

    @contextmanager
    def lines(self, path: str, query: Query, *, silence_s: float) -> Iterator[Iterator[bytes]]:
        """The lines of a streamed answer as they arrive, each with its newline unless it was cut short.

        ``silence_s``: how long the server may send nothing. The iterator raises SourceUnavailable when the stream
        breaks and ends when the server ends it.
        """
        with self._sent(Request(path, query), silence_s) as response:
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
    def _sent(self, request: Request, read_timeout_s: float) -> Iterator[urllib3.BaseHTTPResponse]:
        response, address = self._answered(request, read_timeout_s)
        if response.status != 200:
            raise self._refused(response, address)
        try:
            yield response
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(error, address) from error
        finally:
            response.close()  # a fully read answer has already given its connection back to the pool

    def _answered(self, request: Request, read_timeout_s: float) -> tuple[urllib3.BaseHTTPResponse, str]:
        for last in (False, True):
            api = self._ready()
            address = without_credentials(api.configuration.host)
            response = self._request(api, address, request, read_timeout_s)
            if last or response.status != 401 or not self._renewed(api):
                return response, address
            response.close()
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
        self, api: ApiClient, address: str, request: Request, read_timeout_s: float
    ) -> urllib3.BaseHTTPResponse:
        try:
            with self._lock:
                method, url, headers, *_ = api.param_serialize(
                    request.method,
                    request.path,
                    query_params=list(request.query),
                    header_params={"Accept": "application/json"},
                    auth_settings=["BearerToken"],
                )
        except (ConfigException, OSError) as error:
            raise SourceUnavailable(
                SOURCE, f"The credentials for {address} could not be renewed.", hint="Check the token file."
            ) from error
        sent = urllib3.HTTPHeaderDict(headers)
        for name, value in request.headers:
            sent.add(name, value)  # the client's own requests keep only the last of several
        try:
            response: urllib3.BaseHTTPResponse = api.rest_client.pool_manager.urlopen(
                method,
                url,
                body=request.body,
                headers=sent,
                timeout=urllib3.Timeout(connect=self._access.connect_timeout_s, read=read_timeout_s),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(error, address, changing=request.changes) from error
        return response

    def _refused(self, response: urllib3.BaseHTTPResponse, address: str) -> Exception:
        body = self._whole(response, address)
        if 200 < response.status < 300:
            return unreadable(address, response.headers.get("Content-Type", ""))
        _, message = said(body)
        return refusal(response.status, message, address, response.headers.get("Retry-After"))

    @staticmethod
    def _whole(response: urllib3.BaseHTTPResponse, address: str, *, changing: bool = False) -> bytes:
        try:
            return response.read()
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(error, address, changing=changing) from error
        finally:
            response.close()
