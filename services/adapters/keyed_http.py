"""Talking HTTP to a small API behind a key: every failure is one of our errors, and nothing is kept of a body."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import certifi
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from services.errors import Forbidden, NotFound, Rejected, SourceError, SourceUnavailable
from services.settings.access import KeyedAccess

MAX_BYTES = 16 * 1024 * 1024
"""No answer larger than this is read: about 3,000 deployments of a gateway, or 10,000 nodes."""
MAX_REFUSAL_BYTES = 64 * 1024
"""Of a refusal no more than this is read."""
_CHUNK = 256 * 1024
_GET = Retry(total=2, connect=2, read=0, status=0, redirect=0, other=0, backoff_factor=0.1)
_POST = Retry(total=0, connect=0, read=0, status=0, redirect=0, other=0)


@dataclass(frozen=True)
class Reply:
    """What was answered to a POST: ``body`` is the beginning of a refusal, empty where it was none."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class KeyedHttp:
    """The HTTP side of one server. Redirects are not followed: no key can reach another host.

    ``source`` is its kind and ``name`` its name in messages; ``refused`` says what to do when it refuses our key, and
    whether it was asked for ``what``.
    """

    def __init__(self, source: str, name: str, access: KeyedAccess, *, what: str, refused: str) -> None:
        self._source, self._name, self._access = source, name, access
        self._what, self._refused = what, refused
        parts = urlsplit(access.url.strip())
        host = parts.hostname or ""
        netloc = (f"[{host}]" if ":" in host else host) + (f":{parts.port}" if parts.port else "")
        self.address = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
        self._session, self._once = self._opened(_GET), self._opened(_POST)

    def get(self, path: str, params: Mapping[str, str]) -> bytes:
        """The body of a 200. Raises NotFound for a 404, else SourceError."""
        with self._reached():
            status, body = self._exchange(path, params)
        if status != 200:
            self._fail(status)
        return body

    def post(self, path: str, body: bytes, *, timeout_s: float) -> Reply:
        """Send JSON once, whatever happens to it: it is not tried again and no redirect is followed.

        ``timeout_s`` is how long the answer may take. Raises SourceError for a redirect, and when no answer came.
        """
        headers = {"Content-Type": "application/json", **self._authorised()}
        with (
            self._reached(),
            self._once.post(
                f"{self.address}{path}",
                data=body,
                headers=headers,
                timeout=(self._access.connect_timeout_s, timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            status = response.status_code
            said = next(response.iter_content(MAX_REFUSAL_BYTES), b"") if status >= 400 else b""
            answered = dict(response.headers.lower_items())
        if status < 200 or 300 <= status < 400:
            raise self._other(status)
        return Reply(status, answered, said)

    def close(self) -> None:
        """Release the connections."""
        self._session.close()
        self._once.close()

    def _opened(self, retry: Retry) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # no proxy, netrc or certificate bundle from the environment
        session.verify = self._access.ca_file or certifi.where()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.update({"Accept": "application/json", "User-Agent": "gpu-fleet-console"})
        session.mount(self.address or "http://", HTTPAdapter(pool_connections=1, pool_maxsize=2, max_retries=retry))
        return session

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Failures of an exchange as our own errors."""
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise SourceUnavailable(
                self._source,
                f"The encrypted connection to {self._name} failed.",
                hint="Check its certificate and the CA file in the settings.",
            ) from error
        except requests.exceptions.Timeout as error:
            raise SourceUnavailable(
                self._source,
                f"{self._name} did not answer in time.",
                hint="Check that it runs, and its network policies.",
            ) from error
        except (requests.RequestException, OSError) as error:
            raise SourceUnavailable(
                self._source,
                f"{self._name} cannot be reached.",
                hint="Check that it runs, and its address in the settings.",
            ) from error

    def _exchange(self, path: str, params: Mapping[str, str]) -> tuple[int, bytes]:
        timeout = (self._access.connect_timeout_s, self._access.read_timeout_s)
        address = f"{self.address}{path}"
        with self._session.get(
            address, params=params, headers=self._authorised(), timeout=timeout, allow_redirects=False, stream=True
        ) as response:
            return response.status_code, self._body(response) if response.status_code == 200 else b""

    def _body(self, response: requests.Response) -> bytes:
        """The body, up to :data:`MAX_BYTES` and twice the read timeout (which alone only bounds each pause)."""
        ends = time.perf_counter() + 2 * self._access.read_timeout_s
        chunks, size = [], 0
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            chunks.append(chunk)
            if size > MAX_BYTES:
                raise Rejected(self._source, f"The answer of {self._name} is larger than {MAX_BYTES // 1024**2} MiB.")
            if time.perf_counter() > ends:
                raise SourceUnavailable(self._source, f"{self._name} sends its answer too slowly.")
        return b"".join(chunks)

    def _authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if (key := self._key()) else {}

    def _key(self) -> str:
        """The key to ask with; a file is read each time, as its content may be rotated."""
        access = self._access
        try:
            text = Path(access.key_file).read_text("utf-8") if access.key_file else access.key.get_secret_value()
        except (OSError, UnicodeDecodeError) as error:
            raise Forbidden(
                self._source,
                f"The key file for {self._name} cannot be read.",
                hint="Check that it is mounted and readable.",
            ) from error
        key = text.strip()
        if not key.isascii() or not (key.isprintable() or not key):
            raise Forbidden(self._source, f"The key for {self._name} has characters no key has.", hint="Set it anew.")
        return key

    def _fail(self, status: int) -> NoReturn:
        if status == 404:
            raise NotFound(f"{self._name} does not have what was asked for (404).")
        if status in (400, 401, 403):  # without a database an unknown key is a 400
            raise Forbidden(
                self._source,
                f"{self._name} does not let us read its {self._what} ({status}).",
                hint=self._refused,
            )
        raise self._other(status)

    def _other(self, status: int) -> SourceError:
        if 300 <= status < 400:
            return SourceUnavailable(
                self._source,
                f"{self._name} sends us to another address instead of answering ({status}).",
                hint="A login page, usually: give the address of the server itself.",
            )
        if status >= 500 or status == 429:
            return SourceUnavailable(self._source, f"{self._name} is out of order ({status}).", hint="Check its log.")
        return Rejected(self._source, f"{self._name} refused to answer ({status}).")
