"""Talking HTTP to a Prometheus-compatible server: one session, one envelope, every failure one of our errors.

``prometheus-api-client`` owns the address and the session's life; its requests are not used, because it sends long
queries in the URL, retries timed-out queries and drops warnings. Endpoints, envelope and status codes: Prometheus HTTP
API documentation and ``web/api/v1/api.go``.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit, urlunsplit

import certifi
import requests
from prometheus_api_client import PrometheusConnect
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ReadTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from services.adapters import prom_errors
from services.adapters.prom_auth import Credentials
from services.adapters.prom_envelope import Answer, opened
from services.errors import Rejected, SourceUnavailable
from services.settings import MetricsAccess

MAX_REQUESTS = 6
"""Requests at a time to one server; Prometheus evaluates 20 queries at once by default, for all its users."""

MAX_BYTES = 128 * 1024 * 1024
"""No answer larger than this is read: about 15,000 series of 288 points."""

_CHUNK = 256 * 1024
_MAX_WAIT_S = 300.0


class ConnectionRetry(Retry):
    """Tries again when a connection could not be made or broke before the answer; never after a timeout of the answer.

    All requests are reads. A query that timed out once would only load the server again.
    """

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """One try used up; raises the error when it must not be tried again."""
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class PromHttp:
    """The HTTP side of one source. Thread-safe; at most :data:`MAX_REQUESTS` requests at a time.

    Redirects are not followed: no credential can reach another host, and a redirect is nearly always a login page.
    """

    def __init__(self, source: str, access: MetricsAccess) -> None:
        self.source = source
        self._access, url = _without_userinfo(access)
        self.address = url
        self._slots = threading.BoundedSemaphore(MAX_REQUESTS)
        self._not_before = 0.0
        session = requests.Session()
        session.trust_env = False  # no proxy, netrc or certificate bundle from the environment
        session.verify = access.ca_file or certifi.where()
        session.auth = Credentials(source, self._access)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update({"Accept": "application/json", "User-Agent": "gpu-fleet-console"})
        retry = ConnectionRetry(
            total=2, connect=2, read=1, status=0, redirect=0, other=0, allowed_methods=None,
            backoff_factor=0.1, backoff_jitter=0.1, respect_retry_after_header=False,
        )  # fmt: skip
        self._connect = PrometheusConnect(
            url=url, session=session, retry=retry, timeout=(access.connect_timeout_s, access.read_timeout_s)
        )
        session.mount(url, HTTPAdapter(pool_connections=2, pool_maxsize=MAX_REQUESTS, max_retries=retry))
        self._session = session

    def post(self, path: str, form: Mapping[str, str | Sequence[str]]) -> Answer:
        """Ask with a form body, which has no length limit worth mentioning. ``path`` as in "query_range"."""
        return self._ask("POST", path, data=form)

    def get(self, path: str, params: Mapping[str, str | Sequence[str]] | None = None) -> Answer:
        """Ask where the API knows only GET: label values and status."""
        return self._ask("GET", path, params=params)

    def close(self) -> None:
        """Release the connections."""
        self._connect.close()

    def _ask(self, method: str, path: str, **sent: Any) -> Answer:
        self._wait_is_over()
        started = time.perf_counter()
        try:
            status, headers, body = self._exchange(method, path, sent)
        except (requests.RequestException, OSError) as error:
            raise prom_errors.of_transport(self.source, error, self._access) from error
        if status != 200:
            self._fail(status, headers, body)
        return opened(self.source, body, seconds=time.perf_counter() - started)

    def _exchange(self, method: str, path: str, sent: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        timeout = (self._access.connect_timeout_s, self._access.read_timeout_s)
        address = f"{self.address}/api/v1/{path}"
        with (
            self._slots,
            self._session.request(
                method, address, timeout=timeout, allow_redirects=False, stream=True, **sent
            ) as response,
        ):
            return response.status_code, response.headers, self._body(response)

    def _body(self, response: requests.Response) -> bytes:
        """The body, up to :data:`MAX_BYTES` and twice the read timeout (which alone only bounds each pause)."""
        ends = time.perf_counter() + 2 * self._access.read_timeout_s
        chunks, size = [], 0
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            chunks.append(chunk)
            if size > MAX_BYTES:
                raise Rejected(
                    self.source,
                    f"The answer of {self.source} is larger than {MAX_BYTES // 1024**2} MiB.",
                    hint="Choose fewer GPUs or a shorter time range.",
                )
            if time.perf_counter() > ends:
                raise SourceUnavailable(
                    self.source, f"{self.source} sends its answer too slowly.", hint="Choose a shorter time range."
                )
        return b"".join(chunks)

    def _fail(self, status: int, headers: Mapping[str, str], body: bytes) -> NoReturn:
        if status == 429:
            wait = prom_errors.retry_after_s(headers.get("Retry-After", ""))
            if wait is not None:
                # A little jitter, so that not all who were refused come back in the same instant.
                self._not_before = time.monotonic() + min(wait, _MAX_WAIT_S) + random.uniform(0.0, 0.1)  # noqa: S311
        raise prom_errors.of_status(self.source, status, body, headers) from prom_errors.refusal(status)

    def _wait_is_over(self) -> None:
        left = self._not_before - time.monotonic()
        if left > 0:
            raise prom_errors.busy(self.source, left)


def _without_userinfo(access: MetricsAccess) -> tuple[MetricsAccess, str]:
    """The access and the base URL without ``user:password@``, which serves as basic authentication if none is set."""
    parts = urlsplit(access.url.strip())
    host = parts.hostname or ""
    netloc = (f"[{host}]" if ":" in host else host) + (f":{parts.port}" if parts.port else "")
    if parts.username and access.auth == "none":
        access = replace(access, auth="basic", username=parts.username, password=SecretStr(parts.password or ""))
    return access, urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
