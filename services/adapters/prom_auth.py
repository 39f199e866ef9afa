"""Credentials towards a metrics source: added to each request, never shown and never sent anywhere else."""

import base64
import threading
from pathlib import Path

from pydantic import SecretStr
from requests import PreparedRequest
from requests.auth import AuthBase

from services.errors import Forbidden, WrongSetting
from services.settings import MetricsAccess


class Credentials(AuthBase):
    """Puts the right header on a request. A token file is read again when it changes, as Kubernetes rotates tokens."""

    def __init__(self, source: str, access: MetricsAccess) -> None:
        if access.auth not in {"none", "basic", "bearer", "header"}:
            raise WrongSetting(f"The authentication {access.auth!r} of {source} is not none, basic, bearer or header.")
        self._source = source
        self._access = access
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int], SecretStr] | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """The request with its credential. Raises Forbidden when the token file cannot be read, or holds nothing."""
        access = self._access
        if access.auth == "basic":
            pair = f"{access.username}:{access.password.get_secret_value()}".encode()
            request.headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
        elif access.auth == "bearer":
            token = self._token_of_file() if access.token_file else access.token
            request.headers["Authorization"] = "Bearer " + self._sendable(token)
        elif access.auth == "header":
            request.headers[access.header_name] = self._sendable(access.header_value)
        return request

    def _token_of_file(self) -> SecretStr:
        path = Path(self._access.token_file)
        try:
            with self._lock:
                stat = path.stat()
                seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                if self._read is None or self._read[0] != seen:
                    self._read = (seen, SecretStr(path.read_text(encoding="utf-8")))
                return self._read[1]
        except (OSError, UnicodeDecodeError) as error:
            raise Forbidden(
                self._source,
                f"The token file for {self._source} cannot be read.",
                hint="Check that the file is mounted and that this process may read it.",
            ) from error

    def _sendable(self, secret: SecretStr) -> str:
        """The secret as a header value; checked here because the HTTP library quotes a bad value in its error."""
        text = secret.get_secret_value().strip()
        if not text or not text.isascii() or not text.isprintable():
            raise Forbidden(
                self._source,
                f"The credential for {self._source} is empty or holds characters that cannot be sent.",
                hint="Check the token, its file or the header value.",
            )
        return text
