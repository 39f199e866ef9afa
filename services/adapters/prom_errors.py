"""What can go wrong with a metrics source, in our errors and in plain sentences.

Server texts are not repeated: an execution error may list whole label sets, a proxy's page anything. Status codes and
error types: Prometheus ``web/api/v1/api.go``; Mimir and proxies add 401, 403, 413, 429 and 502.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.exceptions import NameResolutionError, ReadTimeoutError

from services.adapters.prom_envelope import error_of
from services.errors import Forbidden, Rejected, SourceError, SourceUnavailable
from services.settings import MetricsAccess

NARROW = "Choose fewer GPUs, a shorter time range or a coarser grouping."

_REASONS = {
    "bad_data": "did not understand the query",
    "execution": "could not evaluate the query",
    "timeout": "ran out of time evaluating the query",
    "canceled": "gave up on the query",
    "internal": "failed inside",
    "unavailable": "is not ready",
    "too_many_requests": "is asked too much at the moment",
}


def refusal(status: int) -> PrometheusApiClientException:
    """The client library's error for a status, without the body it would quote."""
    return PrometheusApiClientException(f"HTTP Status Code {status}")


def busy(source: str, wait_s: float | None) -> SourceUnavailable:
    """The source asked us to wait (429)."""
    hint = f"Try again in {wait_s:.0f} s." if wait_s and wait_s >= 1 else "Try again in a moment."
    return SourceUnavailable(source, f"{source} is asked too much at the moment.", hint=hint)


def retry_after_s(text: str) -> float | None:
    """Seconds of a Retry-After header; None for an absent one or for the form with a date."""
    return float(text) if re.fullmatch(r"\d{1,6}(\.\d+)?", text.strip()) else None


def of_status(source: str, status: int, body: bytes, headers: Mapping[str, str]) -> SourceError:
    """The error of an answer that is not 200."""
    kind, text = error_of(body)
    if status in {401, 403}:
        said = "does not know who asks" if status == 401 else "does not let us read metrics"
        return Forbidden(source, f"{source} {said} ({status}).", hint="Check the credential and its rights.")
    if 300 <= status < 400:
        host = urlsplit(headers.get("Location", "")).hostname or "another address"
        return SourceUnavailable(
            source,
            f"{source} sends us to {host} instead of answering ({status}).",
            hint="A login page, usually: set a credential. Otherwise give the final address.",
        )
    if status == 404 and not kind:
        return SourceUnavailable(
            source,
            f"There is no Prometheus API at the address of {source} (404).",
            hint="Check the path of the address: some servers need one, such as /prometheus.",
        )
    if status == 429:
        return busy(source, retry_after_s(headers.get("Retry-After", "")))
    if status in {413, 414, 431}:
        return Rejected(source, f"The query is too long for {source} ({status}).", hint="Choose fewer objects by name.")
    return _of_kind(source, status, kind, text)


def _of_kind(source: str, status: int, kind: str, text: str) -> SourceError:
    said = _REASONS.get(kind, "refused the query" if status < 500 else "is out of order")
    message = f"{source} {said} ({status})."
    if "maximum resolution of 11,000 points" in text:
        return Rejected(source, f"{source} gives at most 11,000 points a series.", hint="Choose a coarser resolution.")
    if "too many samples" in text:
        return Rejected(source, f"The query would load too many samples into {source}.", hint=NARROW)
    if kind in {"timeout", "canceled"}:
        return SourceUnavailable(source, message, hint=NARROW)
    if status >= 500 or kind in {"unavailable", "internal"}:
        return SourceUnavailable(source, message, hint="Check the server and the proxies before it.")
    return Rejected(source, message, hint="" if kind == "bad_data" else NARROW)


def of_transport(source: str, error: Exception, access: MetricsAccess) -> SourceError:
    """The error of a request that got no answer."""
    if isinstance(error, requests.exceptions.SSLError):
        message, hint = (
            "The encrypted connection to {} failed.",
            "Check its certificate and the CA file in the settings.",
        )
    elif isinstance(error, requests.exceptions.ConnectTimeout):
        message = f"{{}} did not accept a connection within {access.connect_timeout_s:g} s."
        hint = "Check the address and the network policies on the way."
    elif isinstance(error, requests.exceptions.Timeout) or _caused_by(error, ReadTimeoutError):
        message, hint = f"{{}} did not answer within {access.read_timeout_s:g} s.", NARROW
    elif _caused_by(error, NameResolutionError):
        message, hint = "The host name of {} is not known.", "Check the address and the DNS of this machine."
    elif isinstance(error, requests.exceptions.ConnectionError):
        message, hint = "{} cannot be reached: the connection was refused or broke.", "Check that it runs, and where."
    elif isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        message, hint = "The answer of {} broke off.", "Try again; check the proxies before it."
    elif isinstance(error, requests.exceptions.RequestException) and not isinstance(
        error, requests.exceptions.InvalidURL
    ):
        message, hint = "{} could not be asked.", "Check its address in the settings."
    elif isinstance(error, requests.exceptions.InvalidURL):
        message, hint = "The address of {} is not a URL.", "Check its address in the settings."
    else:
        message, hint = "The certificates to trust for {} cannot be read.", "Check the CA file in the settings."
    return SourceUnavailable(source, message.format(source), hint=hint)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error of the kind is somewhere in what the HTTP library wrapped."""
    for _ in range(8):
        if error is None or isinstance(error, kind):
            break
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        error = inner if isinstance(inner, BaseException) else error.__context__
    return isinstance(error, kind)
